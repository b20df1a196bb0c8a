#include "attention/backward_worker.h"

static void add_row(float *out, float factor, const float *row, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) out[c] += factor * row[c];
}

void backward_masked_products(const backward_tile *t)
{
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t m = 0; m < t->queries; m++) {
            float p = t->p_t[n * BACKWARD_QUERIES + m], ds = t->ds_t[n * BACKWARD_QUERIES + m];
            if (t->grad_v && p != 0) add_row(t->grad_v + n * t->grad_v_row, p, t->grad_o + m * t->grad_o_row, t->DV);
            if (ds == 0) continue;
            if (t->grad_k) add_row(t->grad_k + n * t->grad_k_row, ds, t->q + m * t->q_row, t->D);
            if (t->grad_q) add_row(t->grad_q + m * t->grad_q_row, ds, t->k + n * t->k_row, t->D);
        }
}
