/* One row of the result at a time, from the last layer to the first: e_i A_l ... A_1. Rows are independent of one
 * another, and each layer's A is made once. */
#include "attn/seq.h"

#include "base/parallel.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

typedef struct rolling {
    const float *mixed; /* (layers, n, n): the A of each layer */
    int64_t layers, n;
    float *roll, *scratch; /* (n, n) each */
} rolling;

/* A = (mean of the heads + I) / 2, each row made to sum to 1. */
static void mix(const attn_seq_attention *a, int64_t layer, float *mixed)
{
    int64_t n = a->rows;
    memset(mixed, 0, (size_t)(n * n) * sizeof *mixed);
    for (int64_t h = 0; h < a->heads; h++) {
        const float *weights = a->weights + (layer * a->heads + h) * n * n;
        for (int64_t i = 0; i < n * n; i++) mixed[i] += weights[i];
    }
    for (int64_t i = 0; i < n; i++) {
        float *row = mixed + i * n, sum = 0;
        for (int64_t j = 0; j < n; j++) row[j] *= 0.5f / (float)a->heads;
        row[i] += 0.5f;
        for (int64_t j = 0; j < n; j++) sum += row[j];
        for (int64_t j = 0; j < n; j++) row[j] /= sum;
    }
}

static void roll_row(void *argument, int64_t i, int worker)
{
    (void)worker;
    const rolling *r = argument;
    int64_t n = r->n;
    float *row = r->roll + i * n, *next = r->scratch + i * n;
    memcpy(row, r->mixed + ((r->layers - 1) * n + i) * n, (size_t)n * sizeof *row);
    for (int64_t layer = r->layers - 2; layer >= 0; layer--) {
        memset(next, 0, (size_t)n * sizeof *next);
        for (int64_t k = 0; k < n; k++) {
            const float *mixed = r->mixed + (layer * n + k) * n;
            for (int64_t j = 0; j < n; j++) next[j] += row[k] * mixed[j];
        }
        memcpy(row, next, (size_t)n * sizeof *row);
    }
}

attn_status attn_seq_attention_rollout(const attn_seq_attention *attention, int64_t layer, float *roll)
{
    if (!attention || !roll)
        return status_fail(ATTN_ERROR_ARGUMENT, "the %s is NULL", attention ? "roll-out" : "attention");
    if (layer < -1 || layer >= attention->layers)
        return status_fail(ATTN_ERROR_ARGUMENT, "layer %lld, expected 0 to %lld, or -1 for the last", (long long)layer,
                           (long long)attention->layers - 1);
    if (attention->rows != attention->columns || attention->kind == ATTN_SEQ_ATTENTION_CROSS ||
        attention->kind == ATTN_SEQ_ATTENTION_POOLING)
        return status_fail(ATTN_ERROR_ARGUMENT, "only attention of a sequence to itself can be rolled out");
    int64_t layers = layer < 0 ? attention->layers : layer + 1, n = attention->rows;
    size_t matrix = (size_t)(n * n);
    float *mixed = malloc((size_t)layers * matrix * sizeof *mixed), *scratch = malloc(matrix * sizeof *scratch);
    attn_status status = ATTN_OK;
    if (!mixed || !scratch) status = status_fail(ATTN_ERROR_MEMORY, "no memory to roll attention out");
    rolling r = {mixed, layers, n, roll, scratch};
    for (int64_t l = 0; l < layers && !status; l++) mix(attention, l, mixed + (size_t)l * matrix);
    if (!status) parallel_for(n < 64 ? 1 : parallel_default_threads(), n, roll_row, &r);
    free(mixed);
    free(scratch);
    return status;
}
