#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "tile_functions.h"

#include <math.h>
#include <stdlib.h>

/* What anyone would write in fp32: all scores of a row, their largest, exponentials, sum, quotients, weighted sum. */
static void plain_row(const call *c, int64_t b, int64_t h, int64_t i, float *weights, float *o)
{
    const attn_desc *d = &c->desc;
    int64_t kv = h / (d->H / d->HK), row = ((b * d->H + h) * d->T + i) * d->S;
    const float *q = (const float *)d->q.data + b * d->q.batch + h * d->q.head + i * d->q.row;
    const float *k = (const float *)d->k.data + b * d->k.batch + kv * d->k.head;
    const float *v = (const float *)d->v.data + b * d->v.batch + kv * d->v.head;
    const float *w = d->score_vector.data ? (const float *)d->score_vector.data + h * d->score_vector.head : NULL;
    int64_t position = i + (d->query_offsets ? d->query_offsets[b] : d->query_offset);
    double slope;
    float sink = (float)c->reference.sinks[h], largest = sink, sum;
    for (int64_t j = 0; j < d->S; j++) {
        float s = 0;
        for (int64_t x = 0; x < d->D; x++) {
            float key = k[j * d->k.row + x];
            s += w ? w[x] * tanhf(q[x] + key) : q[x] * key;
        }
        s *= d->scale;
        if (d->softcap > 0) s = d->softcap * tanhf(s / d->softcap);
        if (d->score_function) s = (float)test_score(s, h, position, j, &slope);
        s += (float)c->reference.bias[row + j];
        weights[j] = c->reference.keep[row + j] != 0 ? s : -INFINITY;
        largest = fmaxf(largest, weights[j]);
    }
    sum = sink == -INFINITY ? 0 : expf(sink - largest);
    for (int64_t j = 0; j < d->S; j++) {
        weights[j] = weights[j] == -INFINITY ? 0 : expf(weights[j] - largest);
        sum += weights[j];
    }
    for (int64_t x = 0; x < d->DV; x++) o[x] = 0;
    for (int64_t j = 0; j < d->S && sum > 0; j++)
        for (int64_t x = 0; x < d->DV; x++)
            o[x] += weights[j] / sum * (float)c->reference.dropout[row + j] * v[j * d->v.row + x];
}

static float *plain_forward(const call *c)
{
    const attn_desc *d = &c->desc;
    float *o = malloc((size_t)(d->B * d->H * d->T * d->DV) * sizeof *o + 1), *at = o;
    float *weights = malloc((size_t)d->S * sizeof *weights + 1);
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++, at += d->DV) plain_row(c, b, h, i, weights, at);
    free(weights);
    return o;
}

/* What forward and the plain row are off by, summed over calls. */
typedef struct errors {
    double ours, plain;           /* squares */
    double ours_most, plain_most; /* the largest of the last call */
} errors;

static void add_error(double error, double *squares, double *most)
{
    *squares += error * error;
    if (!(error <= *most)) *most = error; /* a NaN counts */
}

static void check_outputs(const call *c, const forward_results *r, errors *e)
{
    const attn_desc *d = &c->desc;
    float *plain = plain_forward(c);
    e->ours_most = e->plain_most = 0;
    for (int64_t n = 0; n < d->B * d->H * d->T * d->DV; n++) {
        add_error(fabs(r->o[n] - c->reference.o[n]), &e->ours, &e->ours_most);
        add_error(fabs(plain[n] - c->reference.o[n]), &e->plain, &e->plain_most);
    }
    free(plain);
    /* A score is rounded by its size; a weight by as much times itself; o by as much times a value. */
    double score = 4 * c->options.sigma * c->options.sigma, bound = 64 * 0x1p-24 * (1 + score) * c->options.sigma;
    if (!(e->ours_most <= bound))
        fail_msg("seed %llu: o is off by %.3g, expected at most %.3g", (unsigned long long)c->seed, e->ours_most,
                 bound);
    for (int64_t n = 0; n < d->B * d->H * d->T; n++) {
        double want = c->reference.lse[n], slack = 16 * 0x1p-24 * (1 + fabs(want) + score);
        if (isinf(want) ? r->lse[n] != (float)want : !(fabs(r->lse[n] - want) <= slack))
            fail_msg("seed %llu: lse[%lld] is %.9g, expected %.9g", (unsigned long long)c->seed, (long long)n,
                     r->lse[n], want);
    }
}

static void check_call(const call_options *o, uint64_t seed, errors *e)
{
    call *c = call_create(o, seed);
    forward_results r = forward_call(&c->desc, seed);
    check_outputs(c, &r, e);
    forward_results_free(&r);
    call_destroy(c);
}

/* Small odd problems: the errors of one are a matter of luck, those of many are not. */
static void check_seeds(uint64_t first, uint64_t last, float sigma)
{
    errors e = {0};
    for (uint64_t seed = first; seed < last; seed++) {
        call_options o = call_random_options(seed);
        o.sigma = sigma;
        if (seed % 5 == 0) o.T = 1 + o.T % 5; /* few queries have a kernel of their own */
        check_call(&o, seed, &e);
    }
    print_message("sigma %g: the root mean square error is %.2f of the plain one's\n", sigma, sqrt(e.ours / e.plain));
    if (!(sqrt(e.ours) <= 1.25 * sqrt(e.plain)))
        fail_msg("sigma %g: errors are %.3g of the plain ones", sigma, sqrt(e.ours / e.plain));
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    check_seeds(1000, 1200, 1);
}

/* Scores have sigma^2 = 25 as their deviation: they reach +-100. */
static void agrees_on_large_scores(void **state)
{
    (void)state;
    check_seeds(1200, 1300, 5);
}

/* Large enough for the largest error not to be luck: no more than twice the plain one's. */
static void errs_no_more_than_twice_the_plain_way(void **state)
{
    (void)state;
    for (uint64_t seed = 1400; seed < 1412; seed++) {
        call_options o = {.B = 1, .H = 2, .HK = 1, .T = 200, .S = 300, .D = 64, .DV = 48, .sigma = 1, .threads = 1};
        if (seed % 2) o.sigma = 5;
        if (seed / 2 % 2) o.D = 80, o.causal = true;
        o.additive = seed >= 1408;
        errors e = {0};
        check_call(&o, seed, &e);
        print_message("%ssigma %g, D %d: off by %.3g, the plain way by %.3g\n", o.additive ? "additive, " : "", o.sigma,
                      (int)o.D, e.ours_most, e.plain_most);
        if (!(e.ours_most <= 2 * e.plain_most))
            fail_msg("seed %llu: off by %.3g, the plain way by %.3g", (unsigned long long)seed, e.ours_most,
                     e.plain_most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(agrees_on_large_scores),
        cmocka_unit_test(errs_no_more_than_twice_the_plain_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
