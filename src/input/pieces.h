/* Text to pieces and back: SentencePiece (Kudo and Richardson 2018). pieces.cc is the only file that calls it; no C++
 * exception leaves it. An opened model is read by any number of threads at once. */
#ifndef INPUT_PIECES_H
#define INPUT_PIECES_H

#include "attn/attn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pieces pieces; /* one SentencePiece model */

/* Reads a model file, which may come from anywhere: it is checked before SentencePiece sees it. */
attn_status pieces_open(pieces **out, const char *path);

/* The same from memory; `name` is what messages call it. */
attn_status pieces_parse(pieces **out, const void *model, size_t bytes, const char *name);

/* NULL is ignored. */
void pieces_destroy(pieces *p);

/* Calls each(argument, piece) for every piece of `text` (valid UTF-8, `bytes` long), in order. */
attn_status pieces_split(const pieces *p, const char *text, size_t bytes,
                         void (*each)(void *argument, const char *piece, size_t bytes), void *argument);

/* Joins pieces into text, newly allocated by malloc, freed by the caller. */
attn_status pieces_join(const pieces *p, const char *const *piece, int64_t count, char **text);

int64_t pieces_count(const pieces *p);
/* The piece of this SentencePiece id; NULL out of range. */
const char *pieces_name(const pieces *p, int64_t id);
/* Whether this id is a control or unknown symbol, which no text can produce. */
bool pieces_is_special(const pieces *p, int64_t id);

/* The log-probability of this SentencePiece id's piece; 0 out of range. */
double pieces_score(const pieces *p, int64_t id);

/* What a trained model does to text first. */
typedef enum pieces_normalization {
    PIECES_NMT_NFKC, /* SentencePiece's standard */
    PIECES_IDENTITY  /* the lines are normalized already */
} pieces_normalization;

/* Trains a unigram model of at most `vocabulary` pieces on `count` lines: *model (malloc'ed) and its size. Fewer pieces
 * come out where the text does not hold so many. Long lines are learnt in parts. The same lines and seed give the
 * same bytes, whatever number of threads the training that follows has. */
attn_status pieces_train(const char *const *lines, int64_t count, pieces_normalization normalization,
                         int64_t vocabulary, uint32_t seed, void **model, size_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
