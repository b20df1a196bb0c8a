/* The tokenizer of a Marian directory: source.spm, target.spm, vocab.json (and target_vocab.json when the sides have
 * vocabularies of their own). Agrees with transformers.MarianTokenizer, save that </s>, <unk> and <pad> written out in
 * the text are text here. */
#ifndef INPUT_MARIAN_TOKENIZER_H
#define INPUT_MARIAN_TOKENIZER_H

#include "input/id_list.h"
#include "input/tokenizer.h"

typedef struct marian_tokenizer marian_tokenizer;

attn_status marian_tokenizer_open(marian_tokenizer **out, const char *directory);
/* NULL is ignored. */
void marian_tokenizer_destroy(marian_tokenizer *k);

/* Appends the ids of valid UTF-8 followed by </s>; unknown pieces become <unk>. A leading >>code<< is one piece. */
attn_status marian_tokenizer_encode(const marian_tokenizer *k, tokenizer_side side, const char *text, size_t bytes,
                                    id_list *ids);

/* The text of target ids, special tokens skipped; malloc'ed. */
attn_status marian_tokenizer_decode(const marian_tokenizer *k, const int32_t *ids, int64_t count, char **text);

/* NULL when no piece of that side has the id. */
const char *marian_tokenizer_piece(const marian_tokenizer *k, tokenizer_side side, int32_t id);

/* -1 when there is none. */
int32_t marian_tokenizer_find(const marian_tokenizer *k, tokenizer_side side, const char *piece);

bool marian_tokenizer_is_special(const marian_tokenizer *k, tokenizer_side side, int32_t id);
int64_t marian_tokenizer_vocabulary(const marian_tokenizer *k, tokenizer_side side);
int32_t marian_tokenizer_unk_id(const marian_tokenizer *k);

#endif
