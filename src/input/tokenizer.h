/* Text to token ids and back, whatever files a model's directory brings for it:
 *
 *     source.spm, target.spm, vocab.json    Marian's pair of SentencePiece models
 *     tokenizer.json                        Hugging Face's tokenizers, as transformers.PreTrainedTokenizerFast opens
 * it: Unigram, WordPiece and byte-level BPE vocab.txt                             WordPiece, as
 * transformers.BertTokenizer opens it merges.txt, vocab.json                byte-level BPE, as
 * transformers.BartTokenizer opens it
 *
 * in this order, the first that is there. An opened one is read by any number of threads at once. */
#ifndef INPUT_TOKENIZER_H
#define INPUT_TOKENIZER_H

#include "attn/attn.h"

#include <stdbool.h>

typedef struct tokenizer tokenizer;

attn_status tokenizer_open(tokenizer **out, const char *directory);
/* NULL is ignored. */
void tokenizer_destroy(tokenizer *k);

/* Only Marian's sides differ. */
typedef enum tokenizer_side { TOKENIZER_SOURCE, TOKENIZER_TARGET } tokenizer_side;

/* ids of `text` with the special tokens that belong around it ("pieces </s>", "[CLS] pieces [SEP]"), malloc'ed; unknown
 * pieces become the unknown token. Of tokenizer.json, special tokens that are written out in the text are themselves,
 * as for transformers; of Marian they are text, and a leading >>code<< is one piece. Invalid UTF-8 is a FORMAT error.
 */
attn_status tokenizer_encode(const tokenizer *k, tokenizer_side side, const char *text, size_t bytes, int32_t **ids,
                             int64_t *count);

/* Shortens what tokenizer_encode gave to at most `most` ids, as transformers' truncation does: pieces of the text are
 * left out at its end, the special tokens after it stay. Returns the new count. */
int64_t tokenizer_shorten(const tokenizer *k, int32_t *ids, int64_t count, int64_t most);

/* The text of target ids, special tokens skipped; malloc'ed. */
attn_status tokenizer_decode(const tokenizer *k, const int32_t *ids, int64_t count, char **text);

/* The piece of an id on that side, as shown on a picture's axis; "<unk>" out of range. */
const char *tokenizer_piece(const tokenizer *k, tokenizer_side side, int32_t id);

/* The id of a piece, "[PAD]" for instance; -1 when there is none. */
int32_t tokenizer_find(const tokenizer *k, tokenizer_side side, const char *piece);

/* Whether an id is a special token: none of the text's own pieces. */
bool tokenizer_is_special(const tokenizer *k, tokenizer_side side, int32_t id);

int64_t tokenizer_vocabulary(const tokenizer *k, tokenizer_side side);

/* -1: there is none, every text has its pieces. */
int32_t tokenizer_unk_id(const tokenizer *k);

/* Copies all files of a tokenizer from one directory to another, and removes those there that `from` has not. */
attn_status tokenizer_copy(const char *from, const char *to);

/* Removes all files of a tokenizer: one of another kind that stayed would be taken for a part of the next one, or for
 * it. */
attn_status tokenizer_remove(const char *directory);

/* Trains source.spm and target.spm (the same joint model in both files) and writes vocab.json and tokenizer_config.json
 * into `directory`, which exists. Ids as Marian has them: </s> 0, <unk> 1, the pieces, <pad> last. */
attn_status tokenizer_train(const char *const *lines, int64_t count, int64_t vocabulary, uint32_t seed,
                            const char *directory);

/* The special tokens of the other models that are trained here, from id 0 on, and what stands around a text. */
typedef enum tokenizer_style {
    TOKENIZER_BERT, /* [PAD] [UNK] [CLS] [SEP]    "[CLS] text [SEP]" */
    TOKENIZER_BART  /* <s> <pad> </s> <unk>       "<s> text </s>" */
} tokenizer_style;

/* Trains a unigram model of at most `vocabulary` pieces and writes it as tokenizer.json and tokenizer_config.json into
 * `directory`, which exists: transformers.PreTrainedTokenizerFast opens them to equal ids. Text is normalized by NFKC,
 * and to lower case where the lines hold hardly a capital letter. */
attn_status tokenizer_train_style(tokenizer_style style, const char *const *lines, int64_t count, int64_t vocabulary,
                                  uint32_t seed, const char *directory);

#endif
