#include "attention/backward_parts.h"

#include "attention/elements.h"
#include "attention/sequence.h"
#include "base/checked.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

static int64_t chunks_of(const backward_plan *plan, int64_t rows)
{
    return rows / plan->chunk + (rows % plan->chunk != 0);
}

int64_t backward_pairs(const backward_plan *plan)
{
    int64_t T, S;
    sequence_largest(plan->d, &T, &S);
    T = chunks_of(plan, T), S = chunks_of(plan, S);
    return T > S ? T : S;
}

int64_t backward_first_piece(const backward_plan *plan, int64_t b)
{
    return sequence_packed(plan->d) ? sequence_pair_pieces(plan->d, b, plan->chunk) : b * plan->pairs;
}

int64_t backward_sequence(const backward_plan *plan, int64_t piece)
{
    return sequence_packed(plan->d) ? sequence_of_piece(plan->d, sequence_pair_pieces, plan->chunk, piece)
                                    : piece / plan->pairs;
}

bool backward_parts_bytes(const backward_plan *plan, size_t *bytes)
{
    const attn_desc *d = plan->d;
    int64_t count, floats = 0;
    if (!checked_mul_i64(d->H, plan->pieces, &count)) return false;
    int64_t sinks = d->grad_sinks ? count : 0, slopes = d->grad_alibi_slopes ? count : 0, doubles;
    if (!checked_add_i64(sinks, slopes, &doubles)) return false;
    if (d->grad_score_vector.data && !checked_mul_i64(count, d->D, &floats)) return false;
    size_t whole;
    return checked_mul((size_t)doubles, sizeof(double), &whole) && checked_mul((size_t)floats, sizeof(float), bytes) &&
           checked_add(*bytes, whole, bytes) && checked_whole(*bytes, ATTN_ALIGNMENT, bytes);
}

void backward_parts_place(backward_plan *plan)
{
    const attn_desc *d = plan->d;
    double *at = (double *)(plan->workspace + (size_t)parallel_workers(&d->parallel) * plan->worker_floats);
    if (d->grad_sinks) plan->sinks = at, at += d->H * plan->pieces;
    if (d->grad_alibi_slopes) plan->slopes = at, at += d->H * plan->pieces;
    if (d->grad_score_vector.data) plan->score_vectors = (float *)at;
}

double *backward_sink_part(const backward_plan *plan, int64_t h, int64_t piece)
{
    return plan->sinks ? plan->sinks + h * plan->pieces + piece : NULL;
}

double *backward_slope_part(const backward_plan *plan, int64_t h, int64_t piece)
{
    return plan->slopes ? plan->slopes + h * plan->pieces + piece : NULL;
}

float *backward_score_vector_part(const backward_plan *plan, int64_t h, int64_t piece)
{
    return plan->score_vectors ? plan->score_vectors + (h * plan->pieces + piece) * plan->d->D : NULL;
}

void backward_zero_parts(const backward_plan *plan, int64_t h, int64_t piece)
{
    if (plan->sinks) *backward_sink_part(plan, h, piece) = 0;
    if (plan->slopes) *backward_slope_part(plan, h, piece) = 0;
    if (plan->score_vectors) memset(backward_score_vector_part(plan, h, piece), 0, (size_t)plan->d->D * sizeof(float));
}

void backward_add_sink(const backward_worker *w, double *part)
{
    const backward_tile *t = &w->tile;
    double sink = w->plan->d->sinks[w->h];
    if (sink == -INFINITY) return;
    for (int64_t m = 0; m < t->queries; m++) *part -= exp(sink - t->lse[m * t->lse_row]) * t->delta[m];
}

void backward_add_slope(const backward_worker *w, double *part)
{
    for (int64_t m = 0; m < w->tile.queries; m++) *part += w->tile.distance_sums[m];
}

/* A head's parts; NULL where there are no pieces. */
static float sum_of(const backward_plan *plan, const double *parts, int64_t h)
{
    double sum = 0;
    for (int64_t piece = 0; parts && piece < plan->pieces; piece++) sum += parts[h * plan->pieces + piece];
    return (float)sum;
}

#define SUMMED_AT_ONCE 64

static void sum_score_vector(const backward_plan *plan, int64_t h)
{
    const attn_desc *d = plan->d;
    float *out = output_at(&d->grad_score_vector, 0, h, 0);
    for (int64_t first = 0; first < d->D; first += SUMMED_AT_ONCE) {
        double sum[SUMMED_AT_ONCE] = {0};
        int64_t count = d->D - first < SUMMED_AT_ONCE ? d->D - first : SUMMED_AT_ONCE;
        for (int64_t piece = 0; plan->score_vectors && piece < plan->pieces; piece++) {
            const float *add = backward_score_vector_part(plan, h, piece) + first;
            for (int64_t n = 0; n < count; n++) sum[n] += add[n];
        }
        for (int64_t n = 0; n < count; n++) out[first + n] = (float)sum[n];
    }
}

static void sum_head(void *argument, int64_t h, int worker)
{
    (void)worker;
    const backward_plan *plan = argument;
    if (plan->d->grad_sinks) plan->d->grad_sinks[h] = sum_of(plan, plan->sinks, h);
    if (plan->d->grad_alibi_slopes) plan->d->grad_alibi_slopes[h] = sum_of(plan, plan->slopes, h);
    if (plan->d->grad_score_vector.data) sum_score_vector(plan, h);
}

void backward_sum_parts(backward_plan *plan)
{
    const attn_desc *d = plan->d;
    if (d->grad_sinks || d->grad_alibi_slopes || d->grad_score_vector.data)
        parallel_run(&d->parallel, d->H, sum_head, plan);
}
