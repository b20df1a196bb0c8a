#include "attention/array_check.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/f64_row.h"
#include "attention/region.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "attn/attn.h"
#include "base/number_format.h"
#include "base/parallel.h"
#include "base/status.h"

#include <math.h>

typedef struct weights_plan {
    const attn_desc *d;
    const attn_region *region;
    const attn_output *w;
} weights_plan;

/* A row of Q or K, of the descriptor's type. */
typedef const void *row_pointer;

static inline double element(attn_dtype type, row_pointer row, int64_t n)
{
    if (type == ATTN_DTYPE_F32) return ((const float *)row)[n];
    uint16_t half = ((const uint16_t *)row)[n];
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(half) : fp16_to_float(half);
}

static float dot(attn_dtype type, row_pointer a, row_pointer b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += element(type, a, i) * element(type, b, i);
    return (float)sum;
}

static float additive(const float *w, attn_dtype type, row_pointer a, row_pointer b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += w[i] * tanh(element(type, a, i) + element(type, b, i));
    return (float)sum;
}

/* The capped score of a key. */
static float score(const attn_desc *d, row_pointer q, const float *vector, row_pointer key)
{
    float s = vector ? additive(vector, d->dtype, q, key, d->D) : d->scale * dot(d->dtype, q, key, d->D);
    return d->softcap > 0 ? d->softcap * tanhf(s / d->softcap) : s;
}

/* Keys that the caller's function is called for together. */
#define CHUNK 128

/* Keys first .. first + keys - 1 of a row, w theirs: scores over modifications. Returns whether any key is left. */
static bool score_keys(const attn_desc *d, const attn_tile *row, visible_kind kind, int64_t first, int64_t keys,
                       float *w)
{
    const int64_t b = row->sequence, h = row->head;
    row_pointer q = row_at(d->dtype, &d->q, b, h, row->query);
    const float *vector = view_at(&d->score_vector, 0, h, 0);
    float scores[CHUNK] = {0}; /* what is masked stays 0, and its key unread */
    bool any = false;
    for (int64_t n = 0; n < keys; n++) {
        if (!visible_modifies(kind)) w[n] = kind == VISIBLE_ALL ? 0 : -INFINITY;
        if (w[n] == -INFINITY) continue;
        any = true;
        scores[n] = score(d, q, vector, row_at(d->dtype, &d->k, b, h / (d->H / d->HK), first + n));
    }
    if (any && d->score_function) {
        attn_tile tile = *row;
        tile.queries = tile.key_step = 1, tile.query_step = keys;
        tile.key = first, tile.keys = keys;
        tile.values = scores;
        d->score_function(d->score_user, &tile);
    }
    for (int64_t n = 0; n < keys; n++)
        if (w[n] != -INFINITY) w[n] = scores[n] + w[n];
    return any;
}

/* One row: modifications first, where w stands, then scores over them, then weights over those. */
static void weigh_row(const attn_desc *d, int64_t b, int64_t h, int64_t i, float *w)
{
    const attn_tile row = visible_place(d, b, h, i, 0);
    visible_kind kind = visible_tile(d, b, h, i, 1, 0, d->S, w, d->S, 1);
    float sink = d->sinks ? d->sinks[h] : -INFINITY, largest = sink;
    for (int64_t j = 0; j < d->S; j += CHUNK) {
        const int64_t keys = d->S - j < CHUNK ? d->S - j : CHUNK;
        if (!score_keys(d, &row, kind, j, keys, w + j)) continue;
        for (int64_t n = j; n < j + keys; n++)
            if (w[n] != -INFINITY && !(w[n] <= largest)) largest = w[n];
    }
    double sum = sink == -INFINITY ? 0 : expf(sink - largest);
    for (int64_t j = 0; j < d->S; j++) {
        w[j] = w[j] == -INFINITY ? 0 : expf(w[j] - largest);
        sum += w[j];
    }
    for (int64_t j = 0; j < d->S && sum != 0; j++) w[j] = (float)(w[j] / sum);
}

static void weights_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const weights_plan *plan = argument;
    const attn_region *r = plan->region;
    int64_t i = task % r->rows, h = task / r->rows % r->heads, b = task / r->rows / r->heads;
    attn_desc own;
    const attn_desc *d = sequence_read(plan->d, r->batch + b, &own);
    if (d->dtype == ATTN_DTYPE_F64)
        f64_weights(d, r->batch + b, r->head + h, r->row + i, f64_output_at(plan->w, b, h, i));
    else
        weigh_row(d, r->batch + b, r->head + h, r->row + i, output_at(plan->w, b, h, i));
}

attn_status attn_weights(const attn_desc *desc, const attn_region *region, const attn_output *w)
{
    attn_desc d;
    attn_status status = descriptor_read(desc, &d);
    if (!status) status = descriptor_check_inputs(&d, false);
    if (status) return status;
    attn_region chosen;
    status = region_read(&d, region, &chosen);
    if (status) return status;
    if (!w) return status_fail(ATTN_ERROR_ARGUMENT, "w is NULL, expected an output");
    status = array_check_output("w", w, sum_type(d.dtype), chosen.batches, chosen.heads, chosen.rows, d.S);
    if (status) return status;
    weights_plan plan = {&d, &chosen, w};
    if (d.S) parallel_run(&d.parallel, chosen.batches * chosen.heads * chosen.rows, weights_task, &plan);
    return ATTN_OK;
}
