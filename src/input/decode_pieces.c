#include "input/decode_pieces.h"

#include "base/status.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* U+2581, SentencePiece's mark for a space. */
static const char space_mark[] = "\xe2\x96\x81";

/* Marks become spaces, but the first piece's. */
static void decode_metaspace(const char *piece, bool first, text_buffer *text)
{
    for (const char *at = piece; *at;) {
        if (strncmp(at, space_mark, 3) == 0) {
            if (!first || at > piece) text_append(text, " ", 1);
            at += 3;
        } else {
            text_append(text, at++, 1);
        }
    }
}

/* What the tokenizers library sets without a space behind the word before it. */
static bool clings(const char *piece)
{
    static const char *const beginnings[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        if (strncmp(piece, beginnings[i], strlen(beginnings[i])) == 0) return true;
    }
    return false;
}

static void decode_wordpiece(const token_pipeline *p, const char *piece, bool first, text_buffer *text)
{
    const size_t prefix = strlen(p->inner_prefix);
    if (!first && strncmp(piece, p->inner_prefix, prefix) == 0)
        piece += prefix;
    else if (!first && !(p->tidy && clings(piece)))
        text_append(text, " ", 1);
    text_append(text, piece, strlen(piece));
}

/* A piece that holds anything but the 256 characters is itself. */
static void decode_bytes(const char *piece, text_buffer *text)
{
    const size_t before = text->size, length = strlen(piece);
    for (size_t at = 0; at < length;) {
        uint32_t point;
        at += utf8_next(piece + at, length - at, &point);
        const int byte = byte_level_byte(point);
        if (byte < 0) {
            text->size = before;
            text_append(text, piece, length);
            return;
        }
        const char c = (char)byte;
        text_append(text, &c, 1);
    }
}

/* How many bytes at text[0], which are no code point, stand for one U+FFFD: the longest beginning of one (Unicode 15,
 * section 3.9, "maximal subparts"). */
static size_t broken_length(const unsigned char *text, size_t bytes)
{
    const size_t length = text[0] >= 0xF0 && text[0] <= 0xF4 ? 4 : text[0] >= 0xE0 ? 3 : text[0] >= 0xC2 ? 2 : 1;
    if (text[0] > 0xF4 || bytes < 2 || length < 3) return 1;
    unsigned char least = 0x80, most = 0xBF; /* of the second byte */
    if (text[0] == 0xE0) least = 0xA0;
    if (text[0] == 0xED) most = 0x9F;
    if (text[0] == 0xF0) least = 0x90;
    if (text[0] == 0xF4) most = 0x8F;
    if (text[1] < least || text[1] > most) return 1;
    return length == 4 && bytes > 2 && (text[2] & 0xC0) == 0x80 ? 3 : 2;
}

/* Bytes that are no UTF-8 become U+FFFD. */
static void mend(text_buffer *text)
{
    text_buffer whole = {.failed = text->failed};
    for (size_t at = 0; at < text->size;) {
        uint32_t point;
        const size_t length = utf8_read(text->bytes + at, text->size - at, &point);
        text_append_point(&whole, length ? point : 0xFFFD);
        at += length ? length : broken_length((const unsigned char *)text->bytes + at, text->size - at);
    }
    text_clear(text);
    *text = whole;
}

void decode_piece(const token_pipeline *p, const char *piece, bool first, text_buffer *text)
{
    switch (p->decoder) {
    case DECODE_SPACES:
        if (!first) text_append(text, " ", 1);
        text_append(text, piece, strlen(piece));
        break;
    case DECODE_METASPACE:
        decode_metaspace(piece, first, text);
        break;
    case DECODE_WORDPIECE:
        decode_wordpiece(p, piece, first, text);
        break;
    case DECODE_BYTE_LEVEL:
        decode_bytes(piece, text);
        break;
    }
}

void decode_end(const token_pipeline *p, text_buffer *text)
{
    if (p->decoder == DECODE_BYTE_LEVEL && text->size > 0) mend(text);
}

/* ---- pieces as people read them -----------------------------------------------------------------------------------
 */

/* Pieces that are no whole characters stay as they are written. */
static void append_shown(text_buffer *all, const char *piece)
{
    text_buffer text = {0};
    decode_bytes(piece, &text);
    const bool readable =
        !text.failed && text.size > 0 && utf8_valid(text.bytes, text.size) && !memchr(text.bytes, 0, text.size);
    if (!readable) {
        text_append(all, piece, strlen(piece) + 1);
    } else {
        const size_t space = text.bytes[0] == ' ';
        if (space) text_append(all, space_mark, 3);
        text_append(all, text.bytes + space, text.size - space);
        text_append(all, "", 1);
    }
    text_clear(&text);
}

attn_status decode_shown_pieces(token_pipeline *p, const char *path)
{
    const int64_t size = vocabulary_size(p->vocabulary);
    size_t *place = calloc((size_t)size + 1, sizeof *place);
    p->shown = calloc((size_t)size + 1, sizeof *p->shown);
    for (int64_t id = 0; place && id < size; id++) {
        const char *piece = vocabulary_piece(p->vocabulary, (int32_t)id);
        place[id] = p->shown_text.size;
        append_shown(&p->shown_text, piece ? piece : "");
    }
    const bool failed = !place || !p->shown || p->shown_text.failed;
    for (int64_t id = 0; !failed && id < size; id++) p->shown[id] = p->shown_text.bytes + place[id];
    free(place);
    return failed ? status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path) : ATTN_OK;
}
