/* Sinusoidal positions in Marian's order, the sines first and the cosines behind them:
 *
 *     P[p][k]              = sin(p / 10000^(2k/d)),  k < ceil(d/2)
 *     P[p][ceil(d/2) + k]  = cos(p / 10000^(2k/d)),  k < floor(d/2)
 *
 * Vaswani et al., "Attention Is All You Need" (2017), section 3.5, with the columns permuted as in Marian and XLM. */
#ifndef MODEL_POSITIONS_H
#define MODEL_POSITIONS_H

#include <stdint.h>

/* positions (count, width), each `stride` elements after the one before */
void positions_fill(float *positions, int64_t count, int64_t width, int64_t stride);

#endif
