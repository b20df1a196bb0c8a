/* Pieces back to text, as tokenizer.json's decoders do it. */
#ifndef INPUT_DECODE_PIECES_H
#define INPUT_DECODE_PIECES_H

#include "input/text_buffer.h"
#include "input/token_pipeline.h"

/* Appends a piece, `first` where none came before it. */
void decode_piece(pipeline_decoder decoder, const char *piece, bool first, text_buffer *text);

/* After the last piece. */
void decode_end(pipeline_decoder decoder, text_buffer *text);

#endif
