/* Pieces back to text, as tokenizer.json's decoders do it. */
#ifndef INPUT_DECODE_PIECES_H
#define INPUT_DECODE_PIECES_H

#include "input/text_buffer.h"
#include "input/token_pipeline.h"

/* Appends a piece, `first` where none came before it. */
void decode_piece(const token_pipeline *p, const char *piece, bool first, text_buffer *text);

/* After the last piece. */
void decode_end(const token_pipeline *p, text_buffer *text);

/* Fills p->shown, of a byte-level vocabulary. */
attn_status decode_shown_pieces(token_pipeline *p, const char *path);

#endif
