/* The unigram model of a word's pieces: of all ways to cut the word, the one whose pieces' log-probabilities sum to the
 * most (Kudo, "Subword Regularization", 2018), by Viterbi's algorithm; as the tokenizers library computes it. */
#ifndef INPUT_UNIGRAM_H
#define INPUT_UNIGRAM_H

#include "attn/attn.h"
#include "input/id_list.h"
#include "input/vocabulary.h"

typedef struct unigram unigram;

/* score[id] of every piece of the vocabulary; both are copied or kept by the caller as long as the model.
 * Characters that no piece covers become `unk`, a run of them one. */
attn_status unigram_create(unigram **out, const vocabulary *vocabulary, const double *score, int32_t unk,
                           const char *name);

/* NULL is ignored. */
void unigram_destroy(unigram *u);

void unigram_encode(const unigram *u, const char *word, size_t bytes, id_list *ids);

#endif
