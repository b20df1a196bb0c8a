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
#include <stdlib.h>

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
