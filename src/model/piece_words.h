/* Which word, as white space separates them, each piece of a line belongs to. */
#ifndef MODEL_PIECE_WORDS_H
#define MODEL_PIECE_WORDS_H

#include "input/tokenizer.h"
#include "model/decode_batch.h"

/* words[i] for each piece of one part: SentencePiece's mark of a space begins a word, as does a part's first piece if
 * `fresh`;
 * </s> has -1. *count goes on from one part to the next. */
void piece_words(const tokenizer *k, tokenizer_side side, token_list part, int32_t eos_id, bool fresh, int64_t *words,
                 int64_t *count);

#endif
