#include "attention/backward_worker.h"

#include "base/number_format.h"

static void add_row(float *out, float factor, const float *row, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) out[c] += factor * row[c];
}

/* What one pair of additive scores adds. */
static void add_bent(const backward_tile *t, int64_t m, int64_t n, float ds)
{
    const float *bent = t->bent + (n * t->queries + m) * t->bent_row;
    for (int64_t d = 0; d < t->D; d++) {
        float slope = t->score_vector[d] * (ds * (1 - bent[d] * bent[d]));
        if (t->grad_k) t->grad_k[n * t->grad_k_row + d] += slope;
        if (t->grad_q) t->grad_q[m * t->grad_q_row + d] += slope;
        if (t->grad_score_vector) t->grad_score_vector[d] += ds * bent[d];
    }
}

/* add_row for a row of bf16. */
static void add_bf16_row(float *out, float factor, const uint16_t *row, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) out[c] += factor * bf16_to_float(row[c]);
}

/* With products of pairs: weights and scores' gradients are rounded here too. */
static void multiply_pairs(const backward_tile *t)
{
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t m = 0; m < t->queries; m++) {
            const float p = bf16_to_float(t->p_bf16[n * BACKWARD_QUERIES + m]);
            const float ds = bf16_to_float(t->ds_bf16[n * BACKWARD_QUERIES + m]);
            if (t->grad_v && p != 0)
                add_bf16_row(t->grad_v + n * t->grad_v_row, p, t->grad_o_bf16 + m * t->grad_o_row, t->DV);
            if (t->grad_k && ds != 0) add_bf16_row(t->grad_k + n * t->grad_k_row, ds, t->q_bf16 + m * t->q_row, t->D);
            if (t->grad_q && ds != 0) add_bf16_row(t->grad_q + m * t->grad_q_row, ds, t->k_bf16 + n * t->k_row, t->D);
        }
}

void backward_masked_products(const backward_tile *t)
{
    if (t->p_bf16) {
        multiply_pairs(t);
        return;
    }
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t m = 0; m < t->queries; m++) {
            float p = t->p_t[n * BACKWARD_QUERIES + m], ds = t->ds_t[n * BACKWARD_QUERIES + m];
            if (t->grad_v && p != 0) add_row(t->grad_v + n * t->grad_v_row, p, t->grad_o + m * t->grad_o_row, t->DV);
            if (ds == 0) continue;
            if (t->score_vector) {
                add_bent(t, m, n, ds);
                continue;
            }
            if (t->grad_k) add_row(t->grad_k + n * t->grad_k_row, ds, t->q + m * t->q_row, t->D);
            if (t->grad_q) add_row(t->grad_q + m * t->grad_q_row, ds, t->k + n * t->k_row, t->D);
        }
}
