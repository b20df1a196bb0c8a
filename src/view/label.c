#include "view/label.h"

#include "attn/seq.h"
#include "base/status.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CELLS 65536

static const char replacement[] = "\xEF\xBF\xBD", ellipsis[] = LABEL_ELLIPSIS;

static bool directional_override(gunichar c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* Appends the first character of `text`, made fit, to out (room for 4 bytes); advances both. */
static void clean_one(const char **text, const char *end, char **out)
{
    gunichar c = g_utf8_get_char_validated(*text, end - *text);
    if (c == (gunichar)-1 || c == (gunichar)-2) {
        memcpy(*out, replacement, 3);
        *out += 3;
        ++*text;
        return;
    }
    bool unfit = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || directional_override(c);
    *text = g_utf8_next_char(*text);
    *out += g_unichar_to_utf8(unfit ? ' ' : c, *out);
}

char *label_clean(const char *text, size_t most)
{
    if (!text) text = "";
    const char *end = text + strlen(text);
    size_t bytes = (size_t)(end - text) < most ? (size_t)(end - text) : most;
    char *clean = malloc(bytes * 4 + sizeof ellipsis);
    if (!clean) return NULL;
    char *out = clean;
    for (size_t characters = 0; text < end && characters < most; characters++) clean_one(&text, end, &out);
    if (text < end) {
        memcpy(out, ellipsis, 3);
        out += 3;
    }
    *out = 0;
    return clean;
}

char *label_number(long long i)
{
    char *text = malloc(24);
    if (text) snprintf(text, 24, "%lld", i + 1);
    return text;
}

static size_t cells_of(gunichar c)
{
    if (g_unichar_iszerowidth(c)) return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

size_t label_width(const char *clean)
{
    size_t width = 0;
    for (; *clean; clean = g_utf8_next_char(clean)) width += cells_of(g_utf8_get_char(clean));
    return width;
}

size_t label_first(const char *clean, size_t *cells)
{
    *cells = 0;
    if (!*clean) return 0;
    const char *at = clean;
    *cells = cells_of(g_utf8_get_char(at));
    at = g_utf8_next_char(at);
    while (*at && cells_of(g_utf8_get_char(at)) == 0) at = g_utf8_next_char(at);
    return (size_t)(at - clean);
}

size_t label_cut(const char *clean, size_t width, size_t *cells)
{
    const size_t room = label_width(clean) > width ? width - 1 : width;
    size_t bytes = 0, more;
    *cells = 0;
    for (size_t n; (n = label_first(clean + bytes, &more)) && *cells + more <= room; bytes += n) *cells += more;
    return bytes;
}

attn_status attn_seq_label_fit(const char *label, int64_t most, char **text, int64_t *cells)
{
    if (!text || !cells) return status_fail(ATTN_ERROR_ARGUMENT, "%s is NULL", text ? "cells" : "text");
    *text = NULL;
    if (most < 1 || most > MOST_CELLS)
        return status_fail(ATTN_ERROR_ARGUMENT, "most = %lld, expected 1 to %d", (long long)most, MOST_CELLS);
    char *clean = label_clean(label, SIZE_MAX);
    if (!clean) return status_fail(ATTN_ERROR_MEMORY, "out of memory for a label");
    size_t used, bytes = label_cut(clean, (size_t)most, &used);
    *cells = (int64_t)used;
    if (clean[bytes]) {
        memcpy(clean + bytes, ellipsis, sizeof ellipsis);
        ++*cells;
    }
    *text = clean;
    return ATTN_OK;
}
