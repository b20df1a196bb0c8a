/* Backward, weights and their column sums on bf16 and fp16: fp32's arithmetic on the same numbers, gradients rounded
 * once; but for backward on a CPU that multiplies bf16 itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"
#include "grid.h"

#include "base/number_format.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 64
#define POISON 0x7fadu /* a NaN that no operation makes */
#define NARROW 3       /* grad_q, grad_k and grad_v are of the call's type */
#define STEEPEST 1.25  /* slope of tile_functions.h */

static attn_dtype type_of(uint64_t seed)
{
    return seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
}

static uint16_t to_type(attn_dtype type, float x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static float from_type(attn_dtype type, uint16_t x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(x) : fp16_to_float(x);
}

/* A call and the same one in its type, whose outputs are laid out likewise. */
typedef struct twin {
    call *c;
    attn_desc d;
    uint16_t *o, *gradients[NARROW];
} twin;

static attn_output make_gradient(twin *t, int n)
{
    const call_output *wide = &t->c->outputs[n];
    t->gradients[n] = malloc(wide->size * sizeof(uint16_t));
    for (size_t k = 0; k < wide->size; k++) t->gradients[n][k] = POISON;
    attn_output view = wide->view;
    view.data = t->gradients[n] + GUARD;
    return view;
}

static twin twin_create(const call_options *options, uint64_t seed)
{
    twin t = {.c = call_create(options, seed)};
    attn_desc *d = &t.c->desc;
    const attn_dtype type = options->type;
    const int64_t count = d->B * d->H * d->T * d->DV;
    float *o = d->o.data;
    t.o = malloc((size_t)count * sizeof *t.o + 1);
    for (int64_t n = 0; n < count; n++) {
        t.o[n] = to_type(type, o[n]);
        o[n] = from_type(type, t.o[n]);
    }
    t.d = call_in_type(t.c);
    t.d.o.data = t.o;
    t.d.grad_q = make_gradient(&t, 0);
    t.d.grad_k = make_gradient(&t, 1);
    t.d.grad_v = make_gradient(&t, 2);
    return t;
}

static void twin_destroy(twin *t)
{
    for (int n = 0; n < NARROW; n++) free(t->gradients[n]);
    free(t->o);
    call_destroy(t->c);
}

static void run_backward(const attn_desc *d, uint64_t seed)
{
    size_t bytes = 0;
    if (attn_backward_workspace_size(d, &bytes)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 127) / 64 * 64);
    memset(workspace, 0xfe, bytes + 1);
    if (attn_backward(d, workspace, bytes)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    assert_int_equal(workspace[bytes], 0xfe);
    free(workspace);
}

/* Where fp32 has a guard, so has the type; where it has a number, that number rounded, unless `guards` alone are asked
 * for. */
static void expect_in_type(const twin *t, int n, bool guards)
{
    const call_output *wide = &t->c->outputs[n];
    unsigned char *inside = calloc(wide->size, 1);
    for (int64_t b = 0; b < wide->batches; b++)
        for (int64_t h = 0; h < wide->heads; h++)
            for (int64_t i = 0; i < wide->rows; i++)
                memset(inside + GUARD + b * wide->view.batch + h * wide->view.head + i * wide->view.row, 1,
                       (size_t)wide->columns);
    for (size_t k = 0; k < wide->size; k++) {
        if (guards && inside[k]) continue;
        uint16_t want = inside[k] ? to_type(t->d.dtype, wide->buffer[k]) : POISON;
        if (t->gradients[n][k] != want)
            fail_msg("seed %llu: %s[%zu] is 0x%04x, expected 0x%04x", (unsigned long long)t->c->seed, wide->name, k,
                     t->gradients[n][k], want);
    }
    free(inside);
}

/* Whether weights and scores' gradients are rounded to bf16 too, to be multiplied by it. */
static bool multiplies_pairs(const call_options *o)
{
    return o->type == ATTN_DTYPE_BF16 && !o->additive && kernels_table()->backward_pairs.begin;
}

/* A bound of what O's rounding changes delta by. */
static double delta_error(const dense *x, int64_t row)
{
    const int64_t DV = x->d->DV;
    double sum = 0;
    for (int64_t a = 0; a < DV; a++) sum += fabs(x->grad_o[row * DV + a] * x->o[row * DV + a]);
    return 0x1p-8 * sum;
}

/* The sums of absolute values of what dQ, dK and dV are the sums of, (B, heads, rows, columns) each. */
static void sum_magnitudes(call *c, double *sums[NARROW])
{
    dense *x = &c->reference;
    const attn_desc *d = &c->desc;
    dense_backward(x);
    for (int64_t pair = 0; pair < d->B * d->H * d->T * d->S; pair++) {
        const int64_t row = pair / d->S, b = row / d->T / d->H, h = row / d->T % d->H;
        const int64_t key = (b * d->HK + h / (d->H / d->HK)) * d->S + pair % d->S;
        const double p = x->weights[pair] * x->dropout[pair];
        const double ds = STEEPEST * d->scale * (fabs(x->grad_bias[pair]) + x->weights[pair] * delta_error(x, row));
        for (int64_t a = 0; a < d->D; a++) sums[0][row * d->D + a] += ds * fabs(x->k[key * d->D + a]);
        for (int64_t a = 0; a < d->D; a++) sums[1][key * d->D + a] += ds * fabs(x->q[row * d->D + a]);
        for (int64_t a = 0; a < d->DV; a++) sums[2][key * d->DV + a] += p * fabs(x->grad_o[row * d->DV + a]);
    }
}

/* Rounding P and dS to bf16 changes each of the products by 2^-8 of it at most, and the gradient's own rounding that.
 */
static void expect_gradient_near(const twin *t, int n, const double *sums)
{
    const call_output *wide = &t->c->outputs[n];
    const double *sum = sums;
    for (int64_t b = 0; b < wide->batches; b++)
        for (int64_t h = 0; h < wide->heads; h++)
            for (int64_t i = 0; i < wide->rows; i++)
                for (int64_t x = 0; x < wide->columns; x++, sum++) {
                    const int64_t at = GUARD + b * wide->view.batch + h * wide->view.head + i * wide->view.row + x;
                    const float got = from_type(t->c->options.type, t->gradients[n][at]), want = wide->buffer[at];
                    if (!(fabs((double)got - want) <= 0x1.01p-8 * (*sum + fabsf(want)) + 1e-6))
                        fail_msg("seed %llu: %s[%lld] is %g, of fp32 products %g, which sum to %g at most",
                                 (unsigned long long)t->c->seed, wide->name, (long long)at, (double)got, (double)want,
                                 *sum);
                }
}

static void expect_near(const twin *t)
{
    double *sums[NARROW];
    for (int n = 0; n < NARROW; n++) {
        const call_output *o = &t->c->outputs[n];
        sums[n] = calloc((size_t)(o->batches * o->heads * o->rows * o->columns) + 1, sizeof(double));
    }
    sum_magnitudes(t->c, sums);
    for (int n = 0; n < NARROW; n++) expect_gradient_near(t, n, sums[n]), free(sums[n]);
}

/* What stays fp32 in any type, as bytes that can be compared. */
static float *keep_others(const call *c, size_t *count)
{
    *count = c->grad_bias_size;
    for (int n = NARROW; n < CALL_OUTPUTS; n++) *count += c->outputs[n].size;
    float *kept = malloc(*count * sizeof *kept + 1), *at = kept;
    if (c->grad_bias) memcpy(at, c->grad_bias + GUARD, c->grad_bias_size * sizeof *at);
    at += c->grad_bias_size;
    for (int n = NARROW; n < CALL_OUTPUTS; n++) {
        if (c->outputs[n].size) memcpy(at, c->outputs[n].buffer, c->outputs[n].size * sizeof *at);
        at += c->outputs[n].size;
    }
    return kept;
}

/* The bias's and the sinks' gradients are of P and dS before they are rounded. */
static void expect_others_near(uint64_t seed, const float *got, const float *want, size_t count)
{
    for (size_t n = 0; n < count; n++)
        if (memcmp(&got[n], &want[n], sizeof *got) && !(fabsf(got[n] - want[n]) <= 1e-4f * (1 + fabsf(want[n]))))
            fail_msg("seed %llu: number %zu of the others is %.9g, of fp32 products %.9g", (unsigned long long)seed, n,
                     (double)got[n], (double)want[n]);
}

/* Gradients have the bits of fp32's, rounded, or are as near to them as products of bf16 let them be. */
static void expect_gradients(const call_options *o, uint64_t seed)
{
    twin t = twin_create(o, seed);
    const bool pairs = multiplies_pairs(o);
    size_t count;
    call_backward(t.c);
    float *wide = keep_others(t.c, &count);
    t.d.parallel.threads = 1 + (o->threads + 1) % 4;
    run_backward(&t.d, seed);
    for (int n = 0; n < NARROW; n++) expect_in_type(&t, n, pairs);
    if (pairs) expect_near(&t);
    float *narrow = keep_others(t.c, &count);
    if (pairs)
        expect_others_near(seed, narrow, wide, count);
    else
        assert_memory_equal(wide, narrow, count * sizeof *wide);
    free(wide);
    free(narrow);
    twin_destroy(&t);
}

static void gradients_are_fp32_s_rounded(void **state)
{
    (void)state;
    const grid_range seeds = grid_seeds(5000, 100);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) {
        call_options o = call_random_options(seed);
        o.type = type_of(seed);
        expect_gradients(&o, seed);
    }
}

static void empty_sizes_have_gradients(void **state)
{
    (void)state;
    const int64_t sizes[][5] = {{0, 3, 3, 4, 4}, {2, 0, 5, 4, 4}, {2, 5, 0, 4, 4},  {1, 5, 7, 0, 4},
                                {1, 5, 7, 4, 0}, {1, 1, 1, 1, 1}, {1, 65, 65, 1, 3}};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        call_options o = {.B = sizes[n][0], .H = 2, .HK = 1, .T = sizes[n][1], .S = sizes[n][2], .D = sizes[n][3]};
        o.DV = sizes[n][4], o.sigma = 1, o.threads = 1;
        for (uint64_t seed = 5600; seed < 5602; seed++) o.type = type_of(seed), expect_gradients(&o, seed);
    }
}

/* Key 4 is seen by no query, query 6 sees no key: neither's rows reach a gradient of others, whatever they hold. */
static void what_is_masked_may_hold_anything(void **state)
{
    (void)state;
    enum { LENGTH = 21, WIDTH = 19 };
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (uint64_t seed = 5700; seed < 5706; seed++) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = LENGTH, .S = LENGTH, .D = WIDTH, .DV = WIDTH, .sigma = 1};
        o.threads = 1, o.type = type_of(seed), o.mask = true;
        twin t = twin_create(&o, seed);
        attn_desc *d = &t.c->desc;
        unsigned char *mask = (unsigned char *)(uintptr_t)d->mask.data;
        for (int n = 0; n < LENGTH; n++) mask[n * LENGTH + 4] = mask[6 * LENGTH + n] = 0;
        dense_destroy(&t.c->reference);
        t.c->reference = dense_create(d);
        dense_forward(&t.c->reference);
        for (int n = 0; n < LENGTH * WIDTH; n++) {
            t.o[n] = to_type(o.type, (float)t.c->reference.o[n]);
            ((float *)d->o.data)[n] = from_type(o.type, t.o[n]);
        }
        for (int n = 0; n < LENGTH; n++) ((float *)d->lse.data)[n] = (float)t.c->reference.lse[n];
        call_backward(t.c);
        const attn_view *views[] = {&t.d.k, &t.d.v, &t.d.q, &t.d.grad_o};
        for (int n = 0; n < 4; n++)
            for (int x = 0; x < WIDTH; x++)
                ((uint16_t *)(uintptr_t)views[n]->data)[(n < 2 ? 4 : 6) * views[n]->row + x] =
                    to_type(o.type, values[seed / 2 % 3]);
        run_backward(&t.d, seed);
        expect_near(&t);
        twin_destroy(&t);
    }
}

static void bits_are_the_same_on_any_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 5501; seed < 5520; seed += 2) {
        call_options o = call_random_options(seed);
        o.type = type_of(seed), o.additive = false;
        if (seed == 5501) o.B = o.H = o.HK = 1, o.T = 600, o.S = 801, o.D = 9, o.DV = 5;
        twin t = twin_create(&o, seed);
        uint16_t *kept[NARROW];
        t.d.parallel.threads = 1;
        run_backward(&t.d, seed);
        for (int n = 0; n < NARROW; n++) {
            const size_t bytes = t.c->outputs[n].size * sizeof(uint16_t);
            kept[n] = malloc(bytes);
            memcpy(kept[n], t.gradients[n], bytes);
        }
        for (int threads = 2; threads <= 8; threads += 3) {
            t.d.parallel.threads = threads;
            run_backward(&t.d, seed);
            for (int n = 0; n < NARROW; n++)
                assert_memory_equal(t.gradients[n], kept[n], t.c->outputs[n].size * sizeof(uint16_t));
        }
        for (int n = 0; n < NARROW; n++) free(kept[n]);
        twin_destroy(&t);
    }
}

enum { QUERIES = 64, KEYS = 150, OFFSET = KEYS - QUERIES, WIDTH = 16 };

/* Weights all alike, their gradients of turns positive and negative: two keys that cancel each other, but for what
 * they leave of the sum of the small ones before them, which no rounding hides. */
static void fill_cancelling(uint16_t k[KEYS][WIDTH], uint16_t v[KEYS], uint16_t grad_o[QUERIES], float lse[QUERIES])
{
    for (int j = 0; j < KEYS; j++) {
        v[j] = bf16_of_float(j % 2 ? -1 : 1);
        for (int x = 0; x < WIDTH; x++) k[j][x] = bf16_of_float(j / 2 % 2 ? (float)((7 * j + 13 * x) % 31) : 0x1p23f);
    }
    for (int i = 0; i < QUERIES; i++) grad_o[i] = bf16_of_float(1), lse[i] = 4;
}

/* A window that leaves a tile's first keys out is bytes that do: no product's sum begins at another place. */
static void a_window_has_the_bits_of_a_mask(void **state)
{
    (void)state;
    static uint16_t q[QUERIES][WIDTH], k[KEYS][WIDTH], v[KEYS], o[QUERIES], grad_o[QUERIES];
    static uint16_t grad_q[2][QUERIES][WIDTH], grad_k[2][KEYS][WIDTH], grad_v[2][KEYS];
    static unsigned char mask[QUERIES][KEYS];
    static float lse[QUERIES];
    fill_cancelling(k, v, grad_o, lse);
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, QUERIES, KEYS, WIDTH, 1);
    d.dtype = ATTN_DTYPE_BF16;
    d.q = (attn_view){q, 0, 0, WIDTH}, d.k = (attn_view){k, 0, 0, WIDTH}, d.v = (attn_view){v, 0, 0, 1};
    d.o = (attn_output){o, 0, 0, 1}, d.grad_o = (attn_view){grad_o, 0, 0, 1}, d.lse = (attn_output){lse, 0, 0, 1};
    d.query_offset = OFFSET;
    for (int left = 20; left < 60; left += 3) {
        for (int i = 0; i < QUERIES; i++)
            for (int j = 0; j < KEYS; j++) mask[i][j] = j >= i + OFFSET - left;
        for (int masked = 0; masked < 2; masked++) {
            d.mask = (attn_mask){masked ? mask : NULL, 0, 0, KEYS, 1}, d.window_left = masked ? -1 : left;
            d.grad_q = (attn_output){grad_q[masked], 0, 0, WIDTH},
            d.grad_k = (attn_output){grad_k[masked], 0, 0, WIDTH};
            d.grad_v = (attn_output){grad_v[masked], 0, 0, 1};
            run_backward(&d, (uint64_t)left);
        }
        assert_memory_equal(grad_q[0], grad_q[1], sizeof grad_q[0]);
        assert_memory_equal(grad_k[0], grad_k[1], sizeof grad_k[0]);
        assert_memory_equal(grad_v[0], grad_v[1], sizeof grad_v[0]);
    }
}

/* Some gradients alone: the workspace and the sums of the others are not there. */
static void unwanted_gradients_are_left_out(void **state)
{
    (void)state;
    call_options o = {.B = 2, .H = 4, .HK = 2, .T = 70, .S = 90, .D = 24, .DV = 40, .sigma = 1, .threads = 2};
    o.type = ATTN_DTYPE_BF16;
    for (int n = 0; n < NARROW; n++) {
        twin t = twin_create(&o, 5100);
        call_backward(t.c);
        void *wanted[NARROW] = {t.d.grad_q.data, t.d.grad_k.data, t.d.grad_v.data};
        t.d.grad_q.data = n == 0 ? wanted[0] : NULL;
        t.d.grad_k.data = n == 1 ? wanted[1] : NULL;
        t.d.grad_v.data = n == 2 ? wanted[2] : NULL;
        run_backward(&t.d, 5100);
        expect_in_type(&t, n, multiplies_pairs(&o));
        for (int other = 0; other < NARROW; other++) /* those have not been written */
            for (size_t k = 0; other != n && k < t.c->outputs[other].size; k++)
                assert_int_equal(t.gradients[other][k], POISON);
        twin_destroy(&t);
    }
}

enum { H = 4, HK = 2, ROWS = 50, D = 24 };

static void expect_packed_as_alone(attn_dtype type)
{
    const int64_t starts[] = {1, 20, 20, 47};
    call_options o = {.B = 1, .H = H, .HK = HK, .T = ROWS, .S = ROWS, .D = D, .DV = D, .sigma = 1, .threads = 2};
    o.type = type;
    twin t = twin_create(&o, 5200);
    static uint16_t together[NARROW][ROWS * H * D], alone[NARROW][ROWS * H * D];
    for (int n = 0; n < NARROW; n++)
        for (int at = 0; at < ROWS * H * D; at++) together[n][at] = alone[n][at] = POISON;
    attn_desc d = t.d;
    d.B = 3, d.query_starts = d.key_starts = starts;
    d.grad_q = (attn_output){together[0], 0, D, H * D};
    d.grad_k = (attn_output){together[1], 0, D, HK * D};
    d.grad_v = (attn_output){together[2], 0, D, HK * D};
    run_backward(&d, 5200);
    for (int b = 0; b < 3; b++) {
        attn_desc one = t.d;
        const int64_t first = starts[b];
        one.T = one.S = starts[b + 1] - first;
        one.q.data = (const uint16_t *)d.q.data + first * d.q.row;
        one.k.data = (const uint16_t *)d.k.data + first * d.k.row;
        one.v.data = (const uint16_t *)d.v.data + first * d.v.row;
        one.grad_o.data = (const uint16_t *)d.grad_o.data + first * d.grad_o.row;
        one.o.data = (uint16_t *)d.o.data + first * d.o.row;
        one.lse.data = (float *)d.lse.data + first * d.lse.row;
        one.grad_q = (attn_output){alone[0] + first * H * D, 0, D, H * D};
        one.grad_k = (attn_output){alone[1] + first * HK * D, 0, D, HK * D};
        one.grad_v = (attn_output){alone[2] + first * HK * D, 0, D, HK * D};
        run_backward(&one, 5200);
    }
    assert_memory_equal(together, alone, sizeof alone);
    assert_int_equal(together[0][H * D - 1], POISON);
    assert_int_not_equal(together[0][H * D], POISON);
    twin_destroy(&t);
}

/* Three sequences packed in arrays of (rows, H, D): each as it is alone, rows of nobody as they were. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    expect_packed_as_alone(ATTN_DTYPE_BF16);
    expect_packed_as_alone(ATTN_DTYPE_FP16);
}

/* What anyone would write in the type: weights and their gradients are rounded to it before they are multiplied. */
static void plain_backward(const call *c, float *grad_q, float *grad_k, float *grad_v)
{
    const attn_desc *d = &c->desc;
    const attn_dtype type = c->options.type;
    for (int64_t i = 0; i < d->T; i++) {
        const float *q = (const float *)d->q.data + i * d->q.row,
                    *go = (const float *)d->grad_o.data + i * d->grad_o.row;
        const float *o = (const float *)d->o.data + i * d->o.row, lse = ((const float *)d->lse.data)[i * d->lse.row];
        float delta = 0;
        for (int64_t x = 0; x < d->DV; x++) delta += go[x] * o[x];
        for (int64_t j = 0; j < d->S; j++) {
            const float *k = (const float *)d->k.data + j * d->k.row, *v = (const float *)d->v.data + j * d->v.row;
            float s = 0, dp = 0;
            for (int64_t x = 0; x < d->D; x++) s += q[x] * k[x];
            for (int64_t x = 0; x < d->DV; x++) dp += go[x] * v[x];
            float p = expf(s * d->scale - lse), ds = round_to_type(type, p * (dp - delta));
            p = round_to_type(type, p);
            for (int64_t x = 0; x < d->DV; x++) grad_v[j * d->DV + x] += p * go[x];
            for (int64_t x = 0; x < d->D; x++) grad_q[i * d->D + x] += ds * k[x] * d->scale;
            for (int64_t x = 0; x < d->D; x++) grad_k[j * d->D + x] += ds * q[x] * d->scale;
        }
    }
}

static void errs_no_more_than_three_times_the_plain_way(void **state)
{
    (void)state;
    enum { LENGTH = 160, WIDTH = 64 };
    for (uint64_t seed = 5300; seed < 5302; seed++) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = LENGTH, .S = LENGTH, .D = WIDTH, .DV = WIDTH, .sigma = 1};
        o.threads = 1, o.type = type_of(seed);
        twin t = twin_create(&o, seed);
        static float plain[NARROW][LENGTH * WIDTH];
        memset(plain, 0, sizeof plain);
        plain_backward(t.c, plain[0], plain[1], plain[2]);
        run_backward(&t.d, seed);
        dense_backward(&t.c->reference);
        const double *want[NARROW] = {t.c->reference.grad_q, t.c->reference.grad_k, t.c->reference.grad_v};
        for (int n = 0; n < NARROW; n++) {
            double ours = 0, theirs = 0;
            for (int64_t k = 0; k < LENGTH * WIDTH; k++) {
                int64_t at = GUARD + k / WIDTH * t.c->outputs[n].view.row + k % WIDTH;
                double got = fabs(from_type(o.type, t.gradients[n][at]) - want[n][k]);
                if (!(got <= ours)) ours = got; /* a NaN counts */
                theirs = fmax(theirs, fabs(round_to_type(o.type, plain[n][k]) - want[n][k]));
            }
            print_message("type %d, %s: off by %.3g, the plain way by %.3g\n", (int)o.type, t.c->outputs[n].name, ours,
                          theirs);
            if (!(ours <= 3 * theirs))
                fail_msg("%s is off by more than three times the plain way", t.c->outputs[n].name);
        }
        twin_destroy(&t);
    }
}

static void weights_and_their_sums_are_fp32_s(void **state)
{
    (void)state;
    for (uint64_t seed = 5400; seed < 5430; seed++) {
        call_options o = call_random_options(seed);
        o.type = type_of(seed);
        twin t = twin_create(&o, seed);
        size_t count = (size_t)(o.B * o.H * o.T * o.S), sums = (size_t)(o.B * o.H * o.S), bytes, wide_bytes;
        float *weights[2], *columns[2];
        const attn_desc *calls[] = {&t.c->desc, &t.d};
        assert_int_equal(attn_weights_column_sums_workspace_size(&t.d, &bytes), ATTN_OK);
        assert_int_equal(attn_weights_column_sums_workspace_size(&t.c->desc, &wide_bytes), ATTN_OK);
        assert_true(wide_bytes <= bytes);
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 63) / 64 * 64);
        for (int n = 0; n < 2; n++) {
            weights[n] = malloc(count * sizeof(float) + 1);
            columns[n] = malloc(sums * sizeof(float) + 1);
            attn_output w = {weights[n], o.H * o.T * o.S, o.T * o.S, o.S}, s = {columns[n], o.H * o.S, o.S, 1};
            assert_int_equal(attn_weights(calls[n], NULL, &w), ATTN_OK);
            assert_int_equal(attn_weights_column_sums(calls[n], NULL, &s, workspace, bytes), ATTN_OK);
        }
        assert_memory_equal(weights[0], weights[1], count * sizeof(float));
        assert_memory_equal(columns[0], columns[1], sums * sizeof(float));
        for (int n = 0; n < 2; n++) free(weights[n]), free(columns[n]);
        free(workspace);
        twin_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_fp32_s_rounded),
        cmocka_unit_test(empty_sizes_have_gradients),
        cmocka_unit_test(what_is_masked_may_hold_anything),
        cmocka_unit_test(bits_are_the_same_on_any_threads),
        cmocka_unit_test(a_window_has_the_bits_of_a_mask),
        cmocka_unit_test(unwanted_gradients_are_left_out),
        cmocka_unit_test(packed_sequences_are_found),
        cmocka_unit_test(errs_no_more_than_three_times_the_plain_way),
        cmocka_unit_test(weights_and_their_sums_are_fp32_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
