/* The byte-pair model of a word's pieces: the characters, of which the two neighbours that were learnt to belong
 * together first are merged, again and again (Sennrich et al., "Neural Machine Translation of Rare Words with Subword
 * Units", 2016). */
#ifndef INPUT_BYTE_PAIRS_H
#define INPUT_BYTE_PAIRS_H

#include "attn/attn.h"
#include "input/id_list.h"
#include "input/vocabulary.h"

#include <stdbool.h>

typedef struct byte_pairs byte_pairs;

/* The vocabulary stays the caller's and outlives the model. unk: what a character without a piece becomes; -1: it is
 * left out. whole_words: a word that is a piece is not merged together but taken. */
attn_status byte_pairs_create(byte_pairs **out, const vocabulary *vocabulary, int64_t merge_count, int32_t unk,
                              bool whole_words, const char *name);

/* The next merge, of lower rank than all before it. */
attn_status byte_pairs_add(byte_pairs *b, const char *left, size_t left_bytes, const char *right, size_t right_bytes);

/* NULL is ignored. */
void byte_pairs_destroy(byte_pairs *b);

void byte_pairs_encode(const byte_pairs *b, const char *word, size_t bytes, id_list *ids);

#endif
