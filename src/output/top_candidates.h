/* The most probable next tokens of one row of logits. */
#ifndef OUTPUT_TOP_CANDIDATES_H
#define OUTPUT_TOP_CANDIDATES_H

#include "attn/attn.h"

#define TOP_CANDIDATES_MAX 512

typedef struct candidate {
    float log_probability;
    int32_t id;
} candidate;

/* log p[v] = logits[v] - log sum_u exp(logits[u]) for the `count` (1 .. TOP_CANDIDATES_MAX) largest logits, into top,
 * largest first, equal ones by ascending id. The `banned` ids, some of which may be there more than once, have their
 * share of the sum but are no candidates: their logits become -inf. Returns
 * how many there are (fewer than count only where the vocabulary or the logits above -inf are fewer), -1 where the sum
 * is not finite. */
int64_t top_candidates(float *logits, int64_t vocabulary, const int32_t *banned, int64_t banned_count, int64_t count,
                       candidate *top);

/* log sum_v exp(logits[v]), its absolute error under 1e-6 beside that of the logits; NaN or infinite where they are. */
double log_normaliser(const float *logits, int64_t vocabulary);

#endif
