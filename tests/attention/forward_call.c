#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"

#include "base/number_format.h"

#include <stdlib.h>
#include <string.h>

#define GAP 3
/* NaNs that no operation makes. */
#define POISON 0x7fc0deadu
#define POISON_16 0x7fadu

typedef struct guarded {
    attn_dtype type;
    void *elements;
    int64_t count;
    attn_output view;
    int64_t B, H, T, columns;
} guarded;

static bool is_poison(const guarded *g, int64_t at)
{
    if (g->type != ATTN_DTYPE_F32) return ((const uint16_t *)g->elements)[at] == POISON_16;
    return ((const uint32_t *)g->elements)[at] == POISON;
}

static void poison(guarded *g, int64_t at)
{
    if (g->type != ATTN_DTYPE_F32)
        ((uint16_t *)g->elements)[at] = POISON_16;
    else
        ((uint32_t *)g->elements)[at] = POISON;
}

static float element(const guarded *g, int64_t at)
{
    if (g->type == ATTN_DTYPE_BF16) return bf16_to_float(((const uint16_t *)g->elements)[at]);
    if (g->type == ATTN_DTYPE_FP16) return fp16_to_float(((const uint16_t *)g->elements)[at]);
    return float_of_bits(((const uint32_t *)g->elements)[at]);
}

/* (B, T, H, columns) in memory, with gaps, for odd seeds; (B, H, T, columns) for even ones. */
static guarded guarded_create(const attn_desc *d, attn_dtype type, int64_t columns, uint64_t seed)
{
    guarded g = {.type = type, .B = d->B, .H = d->H, .T = d->T, .columns = columns};
    int64_t wide = columns + GAP;
    g.view = (attn_output){.batch = d->H * d->T * wide + GAP, .head = d->T * wide, .row = wide};
    if (seed % 2) g.view.head = wide, g.view.row = d->H * wide;
    g.count = d->B * g.view.batch + 2 * GUARD;
    g.elements = malloc((size_t)g.count * sizeof(uint32_t));
    for (int64_t n = 0; n < g.count; n++) poison(&g, n);
    g.view.data = (char *)g.elements + GUARD * (type == ATTN_DTYPE_F32 ? 4 : 2);
    return g;
}

static int64_t guarded_at(const guarded *g, int64_t b, int64_t h, int64_t i)
{
    return GUARD + b * g->view.batch + h * g->view.head + i * g->view.row;
}

/* Takes the elements out, checks that they were written and that nothing else was. */
static float *guarded_collect(guarded *g, const char *name, uint64_t seed)
{
    float *out = malloc((size_t)(g->B * g->H * g->T * g->columns) * sizeof *out + 1), *at = out;
    for (int64_t b = 0; b < g->B; b++)
        for (int64_t h = 0; h < g->H; h++)
            for (int64_t i = 0; i < g->T; i++)
                for (int64_t c = 0; c < g->columns; c++) {
                    int64_t from = guarded_at(g, b, h, i) + c;
                    if (is_poison(g, from)) fail_msg("seed %llu: %s was not written", (unsigned long long)seed, name);
                    *at++ = element(g, from);
                    poison(g, from);
                }
    for (int64_t n = 0; n < g->count; n++)
        if (!is_poison(g, n)) fail_msg("seed %llu: %s was written outside its rows", (unsigned long long)seed, name);
    free(g->elements);
    return out;
}

static attn_status call_size(const attn_desc *d, const attn_cache *cache, size_t *bytes)
{
    return cache ? attn_decode_workspace_size(d, cache, bytes) : attn_forward_workspace_size(d, bytes);
}

forward_results decode_call(const attn_desc *desc, const attn_cache *cache, uint64_t seed)
{
    attn_desc d = *desc;
    guarded o = guarded_create(&d, d.dtype, d.DV, seed), lse = guarded_create(&d, ATTN_DTYPE_F32, 1, seed / 2);
    d.o = o.view;
    d.lse = lse.view;
    size_t bytes = 0;
    if (call_size(&d, cache, &bytes)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    size_t whole = (bytes + ATTN_ALIGNMENT - 1) / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT;
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, whole);
    memset(workspace, 0xff, whole); /* NaN, wherever it is read before it is written */
    if (cache ? attn_decode(&d, cache, workspace, bytes) : attn_forward(&d, workspace, bytes))
        fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    for (size_t n = bytes; n < whole; n++)
        if (workspace[n] != 0xff) fail_msg("seed %llu: wrote beyond its workspace", (unsigned long long)seed);
    free(workspace);
    forward_results r;
    r.o = guarded_collect(&o, "o", seed);
    r.lse = guarded_collect(&lse, "lse", seed);
    return r;
}

forward_results forward_call(const attn_desc *desc, uint64_t seed)
{
    return decode_call(desc, NULL, seed);
}

void forward_results_free(forward_results *r)
{
    free(r->o);
    free(r->lse);
}

void expect_same_bits(const char *what, uint64_t seed, const float *a, const float *b, int64_t count)
{
    for (int64_t n = 0; n < count; n++)
        if (memcmp(&a[n], &b[n], sizeof *a))
            fail_msg("seed %llu: %s: element %lld is %.9g and %.9g", (unsigned long long)seed, what, (long long)n, a[n],
                     b[n]);
}
