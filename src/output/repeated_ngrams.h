/* N-grams that must not be written twice. */
#ifndef OUTPUT_REPEATED_NGRAMS_H
#define OUTPUT_REPEATED_NGRAMS_H

#include <stdint.h>

/* The ids that would complete, behind `length` ids, an n-gram of `size` (at least 1) that is among them already, into
 * `completing`, which has room for `length`. Returns how many; one may be there more than once. */
int64_t repeated_ngrams(const int32_t *ids, int64_t length, int64_t size, int32_t *completing);

#endif
