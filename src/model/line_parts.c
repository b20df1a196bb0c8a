#include "model/line_parts.h"

#include "base/status.h"
#include "base/utf8.h"
#include "model/checked_text.h"

#include <stdlib.h>

/* How a character may end something. */
typedef enum mark { MARK_NONE, MARK_SPACE, MARK_CLAUSE, MARK_STOP, MARK_WIDE_STOP, MARK_CLOSING } mark;

static mark mark_of(uint32_t c)
{
    if (utf8_is_space(c)) return MARK_SPACE;
    switch (c) {
    case '.':
    case '!':
    case '?':
    case 0x2026: /* horizontal ellipsis */
    case 0x0964: /* danda */
    case 0x061F: /* Arabic question mark */
        return MARK_STOP;
    case 0x3002: /* ideographic full stop, fullwidth ! ? and . : no space follows these */
    case 0xFF01:
    case 0xFF1F:
    case 0xFF0E:
        return MARK_WIDE_STOP;
    case ',':
    case ';':
    case ':':
    case 0x3001: /* ideographic and fullwidth commas, fullwidth ; and : */
    case 0xFF0C:
    case 0xFF1B:
    case 0xFF1A:
    case 0x060C: /* Arabic comma and semicolon */
    case 0x061B:
        return MARK_CLAUSE;
    case '"':
    case '\'':
    case ')':
    case ']':
    case 0xBB: /* closing guillemet, quotation marks and corner brackets */
    case 0x2019:
    case 0x201D:
    case 0x300D:
    case 0x300F:
        return MARK_CLOSING;
    default:
        return MARK_NONE;
    }
}

/* The end of the first sentence of valid UTF-8 `text`: behind its stop, what closes, and the white space that must
 * follow (wide stops need none). `bytes` where the text is one sentence. */
static size_t sentence_end(const char *text, size_t bytes)
{
    mark stop = MARK_NONE;
    bool spaced = false;
    for (size_t at = 0; at < bytes;) {
        uint32_t c;
        size_t length = utf8_next(text + at, bytes - at, &c);
        mark m = mark_of(c);
        bool ended = spaced || (stop == MARK_WIDE_STOP && m != MARK_WIDE_STOP && m != MARK_CLOSING);
        if (ended && m != MARK_SPACE) return at;
        if (m == MARK_STOP || m == MARK_WIDE_STOP)
            stop = m;
        else if (m == MARK_SPACE)
            spaced = stop != MARK_NONE;
        else if (m != MARK_CLOSING)
            stop = MARK_NONE;
        at += length;
    }
    return bytes;
}

/* The place nearest to the middle, in the text's middle half, that is behind a clause mark and white space, else behind
 * white space; else the character boundary nearest to the middle. 0 where the text is one character. */
static size_t middle_cut(const char *text, size_t bytes)
{
    size_t clause = 0, space = 0, character = 0, middle = bytes / 2;
    mark before = MARK_NONE;
    for (size_t at = 0; at < bytes;) {
        uint32_t c;
        at += utf8_next(text + at, bytes - at, &c);
        if (at >= bytes) break;
        mark m = mark_of(c);
        size_t *best = m == MARK_SPACE ? (before == MARK_CLAUSE ? &clause : &space) : &character;
        size_t distance = at > middle ? at - middle : middle - at;
        size_t held = *best > middle ? *best - middle : middle - *best;
        if ((best == &character || distance <= bytes / 4) && (*best == 0 || distance < held)) *best = at;
        if (m != MARK_SPACE) before = m;
    }
    return clause ? clause : space ? space : character;
}

static bool is_blank(const char *text, size_t bytes)
{
    uint32_t c;
    for (size_t at = 0; at < bytes;) {
        at += utf8_next(text + at, bytes - at, &c);
        if (!utf8_is_space(c)) return false;
    }
    return true;
}

static bool ends_in_space(const char *text, size_t bytes)
{
    size_t start = bytes;
    while (start > 0 && ((unsigned char)text[--start] & 0xC0) == 0x80) continue;
    uint32_t c;
    return bytes > 0 && utf8_next(text + start, bytes - start, &c) && utf8_is_space(c);
}

static attn_status add(line_parts *p, int32_t *ids, int64_t length, bool space_after)
{
    if (p->count == p->capacity) {
        int64_t capacity = p->capacity ? p->capacity * 2 : 4;
        line_part *grown = realloc(p->items, (size_t)capacity * sizeof *grown);
        if (!grown) {
            free(ids);
            return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld parts of a line", (long long)capacity);
        }
        p->items = grown;
        p->capacity = capacity;
    }
    p->items[p->count++] = (line_part){ids, length, space_after};
    return ATTN_OK;
}

static attn_status cut_sentence(line_parts *p, const tokenizer *k, const char *text, size_t bytes, int64_t longest)
{
    if (is_blank(text, bytes)) return ATTN_OK;
    int32_t *ids;
    int64_t length;
    attn_status status = tokenizer_encode(k, TOKENIZER_SOURCE, text, bytes, &ids, &length);
    if (status) return status;
    size_t cut = length > longest ? middle_cut(text, bytes) : 0;
    if (length > longest && cut) {
        free(ids);
        status = cut_sentence(p, k, text, cut, longest);
        return status ? status : cut_sentence(p, k, text + cut, bytes - cut, longest);
    }
    if (length > longest) {
        /* One character of many pieces, which SentencePiece's byte fallback can make: its first pieces must do. */
        length = tokenizer_shorten(k, ids, length, longest);
    }
    if (length > 1) return add(p, ids, length, ends_in_space(text, bytes));
    free(ids); /* </s> alone: characters that the tokenizer drops */
    return ATTN_OK;
}

/* Whether there is anything but </s> and its like. What is unknown counts, too. */
static bool has_pieces(const tokenizer *k, const int32_t *ids, int64_t length)
{
    for (int64_t i = 0; i < length; i++) {
        if (ids[i] == tokenizer_unk_id(k) || !tokenizer_is_special(k, TOKENIZER_SOURCE, ids[i])) return true;
    }
    return false;
}

/* The whole text's pieces; *ids NULL where there are none. */
static attn_status encode_whole(const tokenizer *k, const char *text, size_t bytes, int32_t **ids, int64_t *length)
{
    *ids = NULL;
    *length = 0;
    attn_status status = checked_text(text, bytes);
    if (status || is_blank(text, bytes)) return status;
    status = tokenizer_encode(k, TOKENIZER_SOURCE, text, bytes, ids, length);
    if (status || has_pieces(k, *ids, *length)) return status;
    free(*ids); /* characters that the tokenizer drops */
    *ids = NULL;
    return ATTN_OK;
}

attn_status line_parts_truncate(line_parts *out, const tokenizer *k, const char *text, size_t bytes, int64_t longest)
{
    *out = (line_parts){0};
    int32_t *ids;
    int64_t length;
    attn_status status = encode_whole(k, text, bytes, &ids, &length);
    if (status || !ids) return status;
    out->cut = length > longest;
    return add(out, ids, tokenizer_shorten(k, ids, length, longest), false);
}

attn_status line_parts_cut(line_parts *out, const tokenizer *k, const char *text, size_t bytes, int64_t longest)
{
    *out = (line_parts){0};
    int32_t *ids;
    int64_t length;
    attn_status status = encode_whole(k, text, bytes, &ids, &length);
    if (status || !ids) return status;
    if (length <= longest) return add(out, ids, length, false);
    out->cut = true;
    free(ids);
    for (size_t at = 0, end; at < bytes && !status; at = end) {
        end = at + sentence_end(text + at, bytes - at);
        status = cut_sentence(out, k, text + at, end - at, longest);
    }
    return status;
}

void line_parts_clear(line_parts *p)
{
    for (int64_t i = 0; i < p->count; i++) free(p->items[i].ids);
    free(p->items);
    *p = (line_parts){0};
}
