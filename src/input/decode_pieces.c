#include "input/decode_pieces.h"

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

void decode_piece(pipeline_decoder decoder, const char *piece, bool first, text_buffer *text)
{
    (void)decoder;
    decode_metaspace(piece, first, text);
}

void decode_end(pipeline_decoder decoder, text_buffer *text)
{
    (void)decoder;
    (void)text;
}
