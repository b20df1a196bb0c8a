#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include "test_functions.h"

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 64
#define POISON 0x7fc0deadu /* a NaN that no operation makes */

static uint32_t draw(uint64_t seed, uint64_t stream, uint64_t n)
{
    return random_philox(seed, n, stream).word[0];
}

static int64_t draw_range(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + (int64_t)(draw(seed, 1, n) % (uint64_t)(high - low + 1));
}

static bool one_in(uint64_t seed, uint64_t n, int64_t chances)
{
    return draw_range(seed, n, 1, chances) == 1;
}

/* Roughly normal: a sum of uniforms. */
static float draw_normal(uint64_t seed, uint64_t stream, uint64_t n)
{
    float sum = -6;
    for (uint64_t k = 0; k < 3; k++) {
        random_block r = random_philox(seed, 4 * n + k, stream);
        for (int w = 0; w < 4; w++) sum += random_unit(r.word[w]);
    }
    return sum;
}

call_options call_random_options(uint64_t seed)
{
    int64_t group = draw_range(seed, 0, 1, 3), HK = draw_range(seed, 1, 1, 2);
    int64_t most = one_in(seed, 2, 4) ? 330 : 70;
    call_options o = {.B = draw_range(seed, 3, 1, 3), .H = HK * group, .HK = HK, .sigma = 1};
    o.T = draw_range(seed, 4, 1, most);
    o.S = draw_range(seed, 5, 1, most);
    o.D = draw_range(seed, 6, 1, 70);
    o.DV = one_in(seed, 7, 2) ? o.D : draw_range(seed, 8, 1, 70);
    o.causal = one_in(seed, 9, 2);
    o.windowed = one_in(seed, 10, 3);
    o.lengths = one_in(seed, 11, 3);
    o.offsets = one_in(seed, 12, 3);
    o.mask = one_in(seed, 13, 3);
    o.bias = one_in(seed, 14, 3);
    o.broadcast = one_in(seed, 15, 2);
    o.softcap = one_in(seed, 16, 3) ? 3 : 0;
    o.dropout = one_in(seed, 17, 3) ? 0.25f : 0;
    o.threads = (int)draw_range(seed, 18, 1, 4);
    o.additive = one_in(seed, 19, 3);
    o.alibi = one_in(seed, 60, 3);
    o.sinks = one_in(seed, 61, 3);
    o.by_lse = one_in(seed, 69, 3);
    o.blocks = one_in(seed, 62, 3);
    o.score_function = one_in(seed, 67, 4);
    o.mask_function = one_in(seed, 68, 4);
    if (o.additive && most > 70) o.B = 1, o.H = o.HK, o.D = 1 + o.D % 20; /* fp64 takes seconds of tanh otherwise */
    return o;
}

static void *own(call *c, size_t bytes)
{
    return c->owned[c->owned_count++] = calloc(bytes + 1, 1);
}

float round_to_type(attn_dtype type, float x)
{
    if (type == ATTN_DTYPE_BF16) return bf16_to_float(bf16_of_float(x));
    return type == ATTN_DTYPE_FP16 ? fp16_to_float(fp16_of_float(x)) : x;
}

/* Strides with gaps between rows, heads outside or inside rows. */
static attn_output layout(const call *c, uint64_t n, int64_t heads, int64_t rows, int64_t columns, size_t *size)
{
    int64_t wide = columns + draw_range(c->seed, 100 + n, 0, 3);
    attn_output v = {.batch = heads * rows * wide + 5, .head = rows * wide, .row = wide};
    if (one_in(c->seed, 200 + n, 2)) v.head = wide, v.row = heads * wide;
    *size = (size_t)((c->options.B > 0 ? c->options.B : 1) * v.batch); /* sums over an empty batch are written too */
    return v;
}

/* The rows from the last to the first, or those of the first sequence or head in place of the others'. */
static attn_view reverse_or_share(const call *c, uint64_t n, attn_view view, int64_t rows)
{
    if (rows && one_in(c->seed, 340 + n, 6))
        view.data = (const float *)view.data + (rows - 1) * view.row, view.row *= -1;
    if (one_in(c->seed, 350 + n, 8)) view.batch = 0;
    if (one_in(c->seed, 360 + n, 8)) view.head = 0;
    return view;
}

static attn_view make_input(call *c, uint64_t stream, int64_t heads, int64_t rows, int64_t columns)
{
    size_t size;
    attn_output v = layout(c, stream, heads, rows, columns, &size);
    float *data = own(c, size * sizeof(float));
    for (size_t n = 0; n < size; n++)
        data[n] = round_to_type(c->options.type, c->options.sigma * draw_normal(c->seed, stream, n));
    attn_view view = {data, v.batch, v.head, v.row};
    return c->options.shared_rows ? reverse_or_share(c, stream, view, rows) : view;
}

/* Of fp32, whatever the call's type. */
static attn_view make_grad_lse(call *c)
{
    const attn_dtype type = c->options.type;
    c->options.type = ATTN_DTYPE_F32;
    const attn_view view = make_input(c, 13, c->options.H, c->options.T, 1);
    c->options.type = type;
    return view;
}

static attn_output make_output(call *c, int n, const char *name, int64_t heads, int64_t rows, int64_t columns)
{
    call_output *o = &c->outputs[n];
    *o = (call_output){.name = name, .batches = c->options.B, .heads = heads, .rows = rows, .columns = columns};
    o->view = layout(c, 50 + (uint64_t)n, heads, rows, columns, &o->size);
    o->size += 2 * GUARD;
    o->buffer = own(c, o->size * sizeof(float));
    o->view.data = o->buffer + GUARD;
    return o->view;
}

/* (B, H, T, S), or broadcast over some of them. */
static attn_mask mask_layout(const call *c, uint64_t n, size_t *size)
{
    const call_options *o = &c->options;
    bool batch = !o->broadcast || one_in(c->seed, 300 + n, 2), head = !o->broadcast || one_in(c->seed, 310 + n, 2);
    bool row = !o->broadcast || one_in(c->seed, 320 + n, 2), column = !o->broadcast || one_in(c->seed, 330 + n, 2);
    int64_t S = column ? o->S : 1, T = row ? o->T : 1, H = head ? o->H : 1;
    *size = (size_t)((batch ? o->B : 1) * H * T * S);
    return (attn_mask){NULL, batch ? H * T * S : 0, head ? T * S : 0, row ? S : 0, column ? 1 : 0};
}

static void make_masks(call *c)
{
    size_t size;
    if (c->options.mask) {
        c->desc.mask = mask_layout(c, 1, &size);
        unsigned char *keep = own(c, size);
        for (size_t n = 0; n < size; n++) keep[n] = draw(c->seed, 7, n) % 4 ? (unsigned char)(1 + n % 255) : 0;
        c->desc.mask.data = keep;
    }
    if (c->options.bias) {
        attn_mask b = mask_layout(c, 2, &size);
        float *bias = own(c, size * sizeof(float));
        for (size_t n = 0; n < size; n++)
            bias[n] = draw(c->seed, 8, n) % 8 ? c->options.sigma * draw_normal(c->seed, 9, n) : -INFINITY;
        b.data = bias;
        c->desc.bias = b;
        c->grad_bias_size = size;
        c->grad_bias = own(c, (size + 2 * GUARD) * sizeof(float));
        c->desc.grad_bias = (attn_mask_output){c->grad_bias + GUARD, b.batch, b.head, b.row, b.column};
    }
}

static void make_options(call *c)
{
    const call_options *o = &c->options;
    attn_desc *d = &c->desc;
    d->causal = o->causal;
    if (o->windowed) {
        d->window_left = draw_range(c->seed, 20, -1, o->S);
        d->window_right = draw_range(c->seed, 21, -1, o->S / 2);
    }
    d->query_offset = draw_range(c->seed, 22, -5, o->S);
    d->softcap = o->softcap;
    d->dropout = o->dropout;
    if (o->score_function) d->score_function = test_score_function, d->score_user = &test_functions;
    if (o->mask_function) d->mask_function = test_mask_function, d->mask_user = &test_functions;
    d->dropout_keys = c->keys;
    d->parallel.threads = o->threads;
    for (int64_t b = 0; b < o->B; b++) {
        c->lengths[b] = draw_range(c->seed, 30 + (uint64_t)b, 0, o->S);
        c->offsets[b] = draw_range(c->seed, 40 + (uint64_t)b, -o->T, o->S);
        c->keys[b] = random_derive(c->seed, (uint64_t)b);
    }
    if (o->lengths) d->key_lengths = c->lengths;
    if (o->offsets) d->query_offsets = c->offsets;
}

static void make_score_vector(call *c)
{
    const call_options *o = &c->options;
    if (!o->additive) return;
    size_t size;
    attn_output layed = layout(c, 6, o->H, 1, o->D, &size);
    float *data = own(c, (size_t)(o->H * layed.head) * sizeof(float) + sizeof(float));
    for (int64_t n = 0; n < o->H * layed.head; n++) data[n] = o->sigma * draw_normal(c->seed, 6, (uint64_t)n);
    c->desc.score = ATTN_SCORE_ADDITIVE;
    c->desc.scale = 1;
    c->desc.score_vector = (attn_view){.data = data, .head = layed.head};
    c->desc.grad_score_vector = make_output(c, 3, "grad_score_vector", o->H, 1, o->D);
    c->outputs[3].batches = 1;
}

/* Some two of three blocks, of any size, kept; one list too many for each head, and a block beyond the keys. */
static void make_block_mask(call *c)
{
    if (!c->options.blocks) return;
    attn_block_mask m = {.queries = draw_range(c->seed, 63, 1, 40), .keys = draw_range(c->seed, 64, 1, 60)};
    int64_t lists = c->options.T / m.queries + 1, blocks = c->options.S / m.keys + 2;
    bool batch = one_in(c->seed, 65, 2), head = one_in(c->seed, 66, 2);
    int64_t masks = (batch ? c->options.B : 1) * (head ? c->options.H : 1);
    m.head = head ? lists + 1 : 0, m.batch = batch ? (head ? c->options.H : 1) * (lists + 1) : 0;
    int64_t *starts = own(c, (size_t)(masks * (lists + 1)) * sizeof *starts);
    int64_t *entries = own(c, (size_t)(masks * lists * blocks) * sizeof *entries);
    for (int64_t n = 0; n < masks * (lists + 1); n++) {
        starts[n] = m.count;
        for (int64_t block = 0; n % (lists + 1) < lists && block < blocks; block++)
            if (draw(c->seed, 12, (uint64_t)(n * blocks + block)) % 3) entries[m.count++] = block;
    }
    m.starts = starts, m.entries = entries;
    c->desc.block_mask = m;
}

static float *make_head_numbers(call *c, uint64_t stream, float factor)
{
    float *numbers = own(c, (size_t)c->options.H * sizeof(float));
    for (int64_t h = 0; h < c->options.H; h++) numbers[h] = factor * draw_normal(c->seed, stream, (uint64_t)h);
    return numbers;
}

static float *make_head_output(call *c, int n, const char *name)
{
    attn_output *view = &c->outputs[n].view;
    make_output(c, n, name, c->options.H, 1, 1);
    view->head = 1;
    c->outputs[n].batches = 1;
    return view->data;
}

static void make_slopes_and_sinks(call *c)
{
    attn_desc *d = &c->desc;
    if (c->options.alibi) {
        d->alibi_slopes = make_head_numbers(c, 10, 0.1f);
        d->grad_alibi_slopes = make_head_output(c, 5, "grad_alibi_slopes");
    }
    if (c->options.sinks) {
        d->sinks = make_head_numbers(c, 11, 2 * c->options.sigma);
        d->grad_sinks = make_head_output(c, 4, "grad_sinks");
    }
}

static void round_results(call *c)
{
    attn_desc *d = &c->desc;
    float *o = own(c, (size_t)(d->B * d->H * d->T * d->DV) * sizeof(float));
    float *lse = own(c, (size_t)(d->B * d->H * d->T) * sizeof(float));
    for (int64_t n = 0; n < d->B * d->H * d->T * d->DV; n++) o[n] = (float)c->reference.o[n];
    for (int64_t n = 0; n < d->B * d->H * d->T; n++) lse[n] = (float)c->reference.lse[n];
    d->o.data = o;
    d->lse.data = lse;
}

call *call_create(const call_options *options, uint64_t seed)
{
    call *c = calloc(1, sizeof *c);
    c->options = *options;
    c->seed = seed;
    const call_options *o = options;
    attn_desc *d = &c->desc;
    attn_desc_init(d, sizeof *d, o->B, o->H, o->HK, o->T, o->S, o->D, o->DV);
    d->q = make_input(c, 2, o->H, o->T, o->D);
    d->k = make_input(c, 3, o->HK, o->S, o->D);
    d->v = make_input(c, 4, o->HK, o->S, o->DV);
    d->grad_o = make_input(c, 5, o->H, o->T, o->DV);
    d->grad_q = make_output(c, 0, "grad_q", o->H, o->T, o->D);
    d->grad_k = make_output(c, 1, "grad_k", o->HK, o->S, o->D);
    d->grad_v = make_output(c, 2, "grad_v", o->HK, o->S, o->DV);
    if (o->by_lse) d->grad_lse = make_grad_lse(c);
    make_score_vector(c);
    make_slopes_and_sinks(c);
    make_options(c);
    make_masks(c);
    make_block_mask(c);
    c->reference = dense_create(d);
    dense_forward(&c->reference);
    round_results(c);
    return c;
}

static attn_view in_type(call *c, attn_view view)
{
    const float *from = view.data;
    const int64_t count = c->options.B * view.batch;
    uint16_t *to = own(c, (size_t)count * sizeof *to);
    for (int64_t n = 0; n < count; n++)
        to[n] = c->options.type == ATTN_DTYPE_BF16 ? bf16_of_float(from[n]) : fp16_of_float(from[n]);
    view.data = to;
    return view;
}

attn_desc call_in_type(call *c)
{
    attn_desc d = c->desc;
    d.dtype = c->options.type;
    d.q = in_type(c, d.q);
    d.k = in_type(c, d.k);
    d.v = in_type(c, d.v);
    d.grad_o = in_type(c, d.grad_o);
    d.o.data = d.grad_q.data = d.grad_k.data = d.grad_v.data = NULL;
    return d;
}

void call_destroy(call *c)
{
    dense_destroy(&c->reference);
    for (int n = 0; n < c->owned_count; n++) free(c->owned[n]);
    free(c);
}

static void fail_call(const call *c, const char *what, const char *name)
{
    const attn_desc *d = &c->desc;
    fail_msg("seed %llu: %s %s (B %lld H %lld HK %lld T %lld S %lld D %lld DV %lld)", (unsigned long long)c->seed, name,
             what, (long long)d->B, (long long)d->H, (long long)d->HK, (long long)d->T, (long long)d->S,
             (long long)d->D, (long long)d->DV);
}

static void poison(float *data, size_t count)
{
    const uint32_t word = POISON;
    for (size_t n = 0; n < count; n++) memcpy(&data[n], &word, sizeof word);
}

static bool poisoned(const float *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof word);
    return word == POISON;
}

/* Rows are written, all else is not. */
static void check_guards(const call *c, const call_output *o)
{
    unsigned char *inside = calloc(o->size, 1);
    for (int64_t b = 0; b < o->batches; b++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->rows; i++)
                memset(inside + GUARD + b * o->view.batch + h * o->view.head + i * o->view.row, 1, (size_t)o->columns);
    for (size_t n = 0; n < o->size; n++) {
        if (inside[n] && poisoned(&o->buffer[n])) fail_call(c, "has an element that was not written", o->name);
        if (!inside[n] && !poisoned(&o->buffer[n])) fail_call(c, "was written outside its rows", o->name);
    }
    free(inside);
}

static void check_bias_guards(const call *c)
{
    const bool any = c->desc.B && c->desc.T && c->desc.S; /* a bias without elements has no gradient */
    for (size_t n = 0; n < c->grad_bias_size + 2 * GUARD; n++) {
        bool inside = any && n >= GUARD && n < c->grad_bias_size + GUARD;
        if (inside == poisoned(&c->grad_bias[n])) fail_call(c, "has its guards broken or is not filled", "grad_bias");
    }
}

void call_backward(call *c)
{
    for (int n = 0; n < CALL_OUTPUTS; n++) poison(c->outputs[n].buffer, c->outputs[n].size);
    if (c->grad_bias) poison(c->grad_bias, c->grad_bias_size + 2 * GUARD);
    size_t bytes = 0;
    if (attn_backward_workspace_size(&c->desc, &bytes) != ATTN_OK) fail_call(c, attn_error(), "workspace_size");
    size_t whole = (bytes + ATTN_ALIGNMENT - 1) / ATTN_ALIGNMENT * ATTN_ALIGNMENT;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, whole + ATTN_ALIGNMENT);
    memset(workspace, 0xfe, whole + ATTN_ALIGNMENT);
    if (attn_backward(&c->desc, workspace, bytes) != ATTN_OK) fail_call(c, attn_error(), "attn_backward");
    for (size_t n = bytes; n < whole + ATTN_ALIGNMENT; n++)
        if (workspace[n] != 0xfe) fail_call(c, "was written beyond its end", "workspace");
    free(workspace);
    for (int n = 0; n < CALL_OUTPUTS; n++) check_guards(c, &c->outputs[n]);
    if (c->grad_bias) check_bias_guards(c);
}

static void check_near(const call *c, const char *name, double got, double want, double bound)
{
    if (fabs(got - want) <= bound) return;
    char what[128];
    snprintf(what, sizeof what, "is %.9g, expected %.9g, within %.3g", got, want, bound);
    fail_call(c, what, name);
}

static double largest_of(const double *data, int64_t count, double least)
{
    for (int64_t n = 0; n < count; n++) least = fmax(least, fabs(data[n]));
    return least;
}

static void check_output(const call *c, const call_output *o, const double *want, double tolerance, double least)
{
    int64_t B = o->batches, n = 0;
    double bound = tolerance * largest_of(want, B * o->heads * o->rows * o->columns, least);
    const float *data = o->view.data;
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->rows; i++)
                for (int64_t x = 0; x < o->columns; x++, n++)
                    check_near(c, o->name, data[b * o->view.batch + h * o->view.head + i * o->view.row + x], want[n],
                               bound);
}

static void check_bias(const call *c, double tolerance, double least)
{
    const attn_desc *d = &c->desc;
    const attn_mask_output *g = &d->grad_bias;
    if (!d->B || !d->T || !d->S) return;
    /* A sum over a whole row is 0 by its terms cancelling: what is lost is measured by their sizes. */
    double *want = calloc(c->grad_bias_size + 1, sizeof(double)),
           *sizes = calloc(c->grad_bias_size + 1, sizeof(double));
    int64_t n = 0;
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->H; h++)
            for (int64_t i = 0; i < d->T; i++)
                for (int64_t j = 0; j < d->S; j++, n++) {
                    int64_t at = b * g->batch + h * g->head + i * g->row + j * g->column;
                    want[at] += c->reference.grad_bias[n];
                    sizes[at] += fabs(c->reference.grad_bias[n]);
                }
    double bound = tolerance * largest_of(sizes, (int64_t)c->grad_bias_size, least);
    for (size_t k = 0; k < c->grad_bias_size; k++)
        check_near(c, "grad_bias", ((const float *)g->data)[k], want[k], bound);
    free(want);
    free(sizes);
}

static void check_slopes(const call *c, double tolerance, double least)
{
    const float *slopes = c->outputs[5].view.data;
    for (int64_t h = 0; slopes && h < c->options.H; h++)
        check_near(c, "grad_alibi_slopes", slopes[h], c->reference.grad_slopes[h],
                   tolerance * fmax(least, c->reference.slope_sizes[h]));
}

void call_check(call *c, double tolerance, double least)
{
    dense_backward(&c->reference);
    const double *want[] = {c->reference.grad_q, c->reference.grad_k, c->reference.grad_v,
                            c->reference.grad_score_vector, c->reference.grad_sinks};
    for (int n = 0; n < 5; n++) check_output(c, &c->outputs[n], want[n], tolerance, least);
    check_slopes(c, tolerance, least);
    if (c->grad_bias) check_bias(c, tolerance, least);
}
