/* The tokenizer of a Marian directory: source.spm, target.spm, vocab.json (and target_vocab.json when the sides have
 * vocabularies of their own). Agrees with transformers.MarianTokenizer, save that </s>, <unk> and <pad> written out in
 * the text are text here. An opened one is read by any number of threads at once. */
#ifndef INPUT_TOKENIZER_H
#define INPUT_TOKENIZER_H

#include "attn/attn.h"

typedef struct tokenizer tokenizer;

attn_status tokenizer_open(tokenizer **out, const char *directory);
/* NULL is ignored. */
void tokenizer_destroy(tokenizer *k);

typedef enum tokenizer_side { TOKENIZER_SOURCE, TOKENIZER_TARGET } tokenizer_side;

/* ids of `text` followed by </s>, malloc'ed; unknown pieces become <unk>. A leading >>code<< is one piece.
 * Invalid UTF-8 is a FORMAT error. */
attn_status tokenizer_encode(const tokenizer *k, tokenizer_side side, const char *text, size_t bytes, int32_t **ids,
                             int64_t *count);

/* The text of target ids, special tokens skipped; malloc'ed. */
attn_status tokenizer_decode(const tokenizer *k, const int32_t *ids, int64_t count, char **text);

/* The piece of an id on that side, as shown on a picture's axis; "<unk>" out of range. */
const char *tokenizer_piece(const tokenizer *k, tokenizer_side side, int32_t id);

int64_t tokenizer_vocabulary(const tokenizer *k, tokenizer_side side);
int32_t tokenizer_unk_id(const tokenizer *k);

/* Trains source.spm and target.spm (the same joint model in both files) and writes vocab.json and tokenizer_config.json
 * into `directory`, which exists. Ids as Marian has them: </s> 0, <unk> 1, the pieces, <pad> last. */
attn_status tokenizer_train(const char *const *lines, int64_t count, int64_t vocabulary, uint32_t seed, int threads,
                            const char *directory);

#endif
