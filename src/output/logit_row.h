/* The two sweeps over a row of logits that cost time, built once per instruction set. */
#ifndef OUTPUT_LOGIT_ROW_H
#define OUTPUT_LOGIT_ROW_H

#include <stdint.h>

typedef struct logit_row_functions {
    /* maxima[b] = the largest of logits[b * block .. b * block + block - 1], NaN passed over where another number is
     * near it; returns the largest of all. */
    float (*block_maxima)(const float *logits, int64_t vocabulary, int64_t block, float *maxima);
    /* sum_v exp(logits[v] - maximum); NaN if a logit is. */
    double (*sum_exponentials)(const float *logits, int64_t vocabulary, float maximum);
} logit_row_functions;

extern const logit_row_functions logit_row_scalar, logit_row_avx2, logit_row_avx512;

/* Those for the instruction set that libattn uses. */
const logit_row_functions *logit_row(void);

#endif
