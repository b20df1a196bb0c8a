/* Text to pieces and back: SentencePiece (Kudo and Richardson 2018) and the vocabulary that numbers its pieces.
 * pieces.cc is the only file that calls SentencePiece; no C++ exception leaves it. */
#ifndef INPUT_PIECES_H
#define INPUT_PIECES_H

#include "attn/attn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pieces pieces; /* one SentencePiece model */

attn_status pieces_open(pieces **out, const char *path);
void pieces_destroy(pieces *p);

/* Calls each(argument, piece) for every piece of `text` (UTF-8, `bytes` long), in order. */
attn_status pieces_split(const pieces *p, const char *text, size_t bytes,
                         void (*each)(void *argument, const char *piece, size_t bytes), void *argument);

/* Joins pieces into text, newly allocated by malloc, freed by the caller. */
attn_status pieces_join(const pieces *p, const char *const *piece, int64_t count, char **text);

int64_t pieces_count(const pieces *p);
/* The piece of this SentencePiece id; NULL out of range. */
const char *pieces_name(const pieces *p, int64_t id);

/* Trains a unigram model of `vocabulary` pieces on `count` lines and writes it to path (beside, renamed). */
attn_status pieces_train(const char *const *lines, int64_t count, int64_t vocabulary, uint32_t seed, int threads, const char *path);

#ifdef __cplusplus
}
#endif
#endif
