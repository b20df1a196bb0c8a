#include "output/tokenize_13a.h"

#include "base/checked.h"
#include "base/status.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Replaces every `from` in s by `to`, which is no longer, in place. */
static void replace(char *s, const char *from, const char *to)
{
    size_t from_length = strlen(from), to_length = strlen(to);
    char *read = s, *write = s, *found;
    while ((found = strstr(read, from))) {
        memmove(write, read, (size_t)(found - read));
        write += found - read;
        memcpy(write, to, to_length);
        write += to_length;
        read = found + from_length;
    }
    memmove(write, read, strlen(read) + 1);
}

static void strip_right(char *s)
{
    size_t end = 0, bytes = strlen(s);
    for (size_t at = 0; at < bytes;) {
        uint32_t point;
        at += utf8_next(s + at, bytes - at, &point);
        if (!utf8_is_space(point)) end = at;
    }
    s[end] = 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_stop(char c)
{
    return c == '.' || c == ',';
}

/* ASCII punctuation that stands alone wherever it is: all but ' , - . */
static bool is_symbol(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

/* The four substitutions, in mteval's order. Each scans on behind what it replaced, so a character takes part in one
 * replacement a pass: "..," is not split as one might guess. Bytes serve for code points: no byte of a longer one is
 * ASCII. */
static size_t space_symbols(const char *s, size_t n, char *out)
{
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        bool alone = is_symbol(s[i]);
        if (alone) out[w++] = ' ';
        out[w++] = s[i];
        if (alone) out[w++] = ' ';
    }
    return w;
}

static size_t space_stops_after_others(const char *s, size_t n, char *out)
{
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        out[w++] = s[i];
        if (i + 1 == n || is_digit(s[i]) || !is_stop(s[i + 1])) continue;
        out[w++] = ' ';
        out[w++] = s[++i];
        out[w++] = ' ';
    }
    return w;
}

static size_t space_stops_before_others(const char *s, size_t n, char *out)
{
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || !is_stop(s[i]) || is_digit(s[i + 1])) {
            out[w++] = s[i];
            continue;
        }
        out[w++] = ' ';
        out[w++] = s[i];
        out[w++] = ' ';
        out[w++] = s[++i];
    }
    return w;
}

static size_t space_dashes_after_digits(const char *s, size_t n, char *out)
{
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        out[w++] = s[i];
        if (i + 1 == n || !is_digit(s[i]) || s[i + 1] != '-') continue;
        out[w++] = ' ';
        out[w++] = s[++i];
        out[w++] = ' ';
    }
    return w;
}

/* Words apart by one space, none at the ends. out may be s. */
static void single_spaces(const char *s, size_t n, char *out)
{
    size_t w = 0;
    bool pending = false;
    for (size_t at = 0; at < n;) {
        uint32_t point;
        size_t length = utf8_next(s + at, n - at, &point);
        if (utf8_is_space(point)) {
            pending = w > 0;
        } else {
            if (pending) out[w++] = ' ';
            pending = false;
            memmove(out + w, s + at, length);
            w += length;
        }
        at += length;
    }
    out[w] = 0;
}

attn_status tokenize_13a(const char *text, char **tokens)
{
    /* Five bytes of one at most: a stop gets two spaces from each of two passes, a symbol or a dash two from one. */
    size_t bytes = strlen(text), room;
    if (!checked_add(bytes, 3, &room) || !checked_mul(room, 5, &room))
        return status_fail(ATTN_ERROR_OVERFLOW, "a line of %zu bytes is too long to tokenize", bytes);
    char *a = malloc(room), *b = malloc(room);
    if (!a || !b) {
        free(a);
        free(b);
        return status_fail(ATTN_ERROR_MEMORY, "no memory to tokenize a line of %zu bytes", bytes);
    }
    memcpy(b, text, bytes + 1);
    strip_right(b);
    replace(b, "<skipped>", "");
    replace(b, "-\n", "");
    replace(b, "\n", " ");
    replace(b, "&quot;", "\"");
    replace(b, "&amp;", "&");
    replace(b, "&lt;", "<");
    replace(b, "&gt;", ">");
    size_t n = strlen(b);
    a[0] = ' ';
    memcpy(a + 1, b, n);
    a[n + 1] = ' ';
    n = space_symbols(a, n + 2, b);
    n = space_stops_after_others(b, n, a);
    n = space_stops_before_others(a, n, b);
    n = space_dashes_after_digits(b, n, a);
    single_spaces(a, n, a);
    free(b);
    *tokens = a;
    return ATTN_OK;
}
