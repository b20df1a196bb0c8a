#include "explain.h"
#include "failure.h"
#include "message.h"

#include "attn/attn.h"

#include <math.h>
#include <stdlib.h>

static explain_names names_for(int count)
{
    if (count == 1) return (explain_names){"X", "X", "X", 'x', 'x', 'x'};
    if (count == 2) return (explain_names){"X", "H", "H", 'x', 'h', 'h'};
    return (explain_names){"Q", "K", "V", 'q', 'k', 'v'};
}

static int check(const explain_steps *s)
{
    if (s->q.columns != s->k.columns)
        return failure("explain", "%s has %lld column%s and %s has %lld, expected as many: the similarity pairs them",
                       s->names.query, (long long)s->q.columns, plural(s->q.columns), s->names.key,
                       (long long)s->k.columns);
    if (s->k.rows == s->v.rows) return 0;
    return failure("explain", "K has %lld row%s and V has %lld, expected as many: one value for each key",
                   (long long)s->k.rows, plural(s->k.rows), (long long)s->v.rows);
}

static int make_room(explain_steps *s)
{
    size_t scores = (size_t)(s->T * s->S), outputs = (size_t)(s->T * s->DV), rows = (size_t)s->T;
    double *room = calloc(5 * scores + 2 * rows + outputs, sizeof *room);
    float *narrow = calloc(scores + outputs, sizeof *narrow);
    s->similarity = room;
    s->library_weights = narrow;
    if (!room || !narrow) return failure("explain", "no memory");
    s->scaled = s->similarity + scores;
    s->exponential = s->scaled + scores;
    s->weights = s->exponential + scores;
    s->unscaled = s->weights + scores;
    s->largest = s->unscaled + scores;
    s->normalizer = s->largest + rows;
    s->output = s->normalizer + rows;
    s->library_output = narrow + scores;
    return 0;
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t c = 0; c < count; c++) sum += (double)a[c] * b[c];
    return sum;
}

/* exponential, weights, largest and normalizer of one row of scores. */
static void softmax(const double *score, int64_t count, double *exponential, double *weight, double *largest,
                    double *sum)
{
    *largest = score[0];
    for (int64_t j = 1; j < count; j++) *largest = fmax(*largest, score[j]);
    *sum = 0;
    for (int64_t j = 0; j < count; j++) *sum += exponential[j] = exp(score[j] - *largest);
    for (int64_t j = 0; j < count; j++) weight[j] = exponential[j] / *sum;
}

static void compute_row(explain_steps *s, int64_t i)
{
    int64_t row = i * s->S;
    double largest, sum;
    for (int64_t j = 0; j < s->S; j++) {
        s->similarity[row + j] = dot(s->q.values + i * s->D, s->k.values + j * s->D, s->D);
        s->scaled[row + j] = s->similarity[row + j] * s->scale;
    }
    softmax(s->similarity + row, s->S, s->exponential + row, s->unscaled + row, &largest, &sum);
    softmax(s->scaled + row, s->S, s->exponential + row, s->weights + row, &s->largest[i], &s->normalizer[i]);
    for (int64_t c = 0; c < s->DV; c++) {
        double o = 0;
        for (int64_t j = 0; j < s->S; j++) o += s->weights[row + j] * s->v.values[j * s->DV + c];
        s->output[i * s->DV + c] = o;
    }
}

void explain_by_key(const explain_steps *s, int64_t i, double *sum, double *normalizer, double *output)
{
    for (int64_t j = 0; j < s->S; j++) {
        double e = s->exponential[i * s->S + j];
        normalizer[j] = (j ? normalizer[j - 1] : 0) + e;
        for (int64_t c = 0; c < s->DV; c++)
            sum[j * s->DV + c] = (j ? sum[(j - 1) * s->DV + c] : 0) + e * s->v.values[j * s->DV + c];
    }
    for (int64_t c = 0; c < s->DV; c++) output[c] = sum[(s->S - 1) * s->DV + c] / normalizer[s->S - 1];
}

static int run_library(explain_steps *s)
{
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, s->T, s->S, s->D, s->DV);
    d.q.data = s->q.values;
    d.k.data = s->k.values;
    d.v.data = s->v.values;
    d.o.data = s->library_output;
    size_t size;
    if (attn_forward_workspace_size(&d, &size) != ATTN_OK) return failure("explain", "%s", attn_error());
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (size / ATTN_ALIGNMENT + 1) * ATTN_ALIGNMENT);
    if (!workspace) return failure("explain", "no memory for a workspace of %zu bytes", size);
    attn_status status = attn_forward(&d, workspace, size);
    free(workspace);
    const attn_output w = {s->library_weights, s->T * s->S, s->T * s->S, s->S};
    if (status == ATTN_OK) status = attn_weights(&d, NULL, &w);
    return status == ATTN_OK ? 0 : failure("explain", "%s", attn_error());
}

static double largest_of(const float *values, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, fabs(values[i]));
    return most;
}

/* NaN counts as an infinite difference. */
static double difference(const double *a, const float *b, int64_t count)
{
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        double apart = fabs(a[i] - b[i]);
        most = fmax(most, isnan(apart) ? INFINITY : apart);
    }
    return most;
}

/* A score is a sum of D products, each rounded by 2^-24 of its size; an error e in a score changes a weight by at most
 * e * weight; the output sums S weighed values. */
static void compare(explain_steps *s)
{
    double unit = 0x1p-24;
    double score_error = unit * (double)(s->D + 2) * (double)s->D * s->scale * largest_of(s->q.values, s->T * s->D) *
                         largest_of(s->k.values, s->S * s->D);
    s->weights_tolerance = 2 * score_error + 8 * unit;
    s->output_tolerance =
        (s->weights_tolerance + unit * (double)(s->S + 2)) * (double)s->S * largest_of(s->v.values, s->S * s->DV);
    s->weights_difference = difference(s->weights, s->library_weights, s->T * s->S);
    s->output_difference = difference(s->output, s->library_output, s->T * s->DV);
}

int explain_compute(explain_steps *s, const matrix_list *matrices)
{
    const matrix *m = matrices->items;
    int count = matrices->count;
    *s = (explain_steps){.names = names_for(count), .q = m[0], .k = m[count > 1], .v = m[count - 1]};
    if (check(s)) return 1;
    s->T = s->q.rows;
    s->S = s->k.rows;
    s->D = s->q.columns;
    s->DV = s->v.columns;
    s->scale = 1 / sqrt((double)s->D);
    if (make_room(s)) return 1;
    for (int64_t i = 0; i < s->T; i++) compute_row(s, i);
    if (run_library(s)) return 1;
    compare(s);
    if (s->weights_difference <= s->weights_tolerance && s->output_difference <= s->output_tolerance) return 0;
    return failure(
        "explain",
        "the steps and the library differ by %g in the weights and %g in the output, expected at most %g and %g",
        s->weights_difference, s->output_difference, s->weights_tolerance, s->output_tolerance);
}

void explain_clear(explain_steps *s)
{
    free(s->similarity);
    free(s->library_weights);
}
