#include "drawn_decoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 80).word[0] % (high - low + 1);
}

int64_t decoding_outputs(const attn_desc *d)
{
    return d->B * d->H * d->T * d->DV;
}

decoding decoding_create(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.additive = o.score_function = false, o.dropout = 0, o.lengths = true;
    if (seed >= 3400) o.blocks = o.mask_function = false; /* they count queries from the call's first */
    o.T = whole(seed, 0, 0, 2) ? whole(seed, 1, 1, 5) : whole(seed, 2, 1, ATTN_DECODE_QUERIES);
    if (whole(seed, 3, 0, 5) == 0) o.S = whole(seed, 4, 500, 1300), o.B = 1;
    if (whole(seed, 5, 0, 5) == 0) o.HK = 1, o.H = whole(seed, 6, 1, 9); /* more rows than go at once, too */
    if (seed >= 3700) o.type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
    decoding x = {.call = call_create(&o, seed)};
    attn_desc *d = &x.call->desc;
    bool last = !o.offsets;
    if (last) {
        for (int64_t b = 0; b < d->B; b++) x.call->offsets[b] = x.call->lengths[b] - d->T;
        d->query_offsets = x.call->offsets;
        dense_destroy(&x.call->reference);
        x.call->reference = dense_create(d);
        dense_forward(&x.call->reference);
    }
    attn_cache_init(&x.cache, sizeof x.cache, d->B, d->HK, d->S, d->D, d->DV, 0, 0);
    x.cache.k = (attn_output){(void *)d->k.data, d->k.batch, d->k.head, d->k.row};
    x.cache.v = (attn_output){(void *)d->v.data, d->v.batch, d->v.head, d->v.row};
    x.cache.lengths = x.call->lengths;
    x.desc = *d;
    x.desc.k.data = x.desc.v.data = NULL;
    x.desc.key_lengths = NULL;
    if (last) x.desc.query_offsets = NULL, x.desc.query_offset = 0;
    x.page_size = whole(seed, 7, 1, whole(seed, 8, 0, 1) ? 128 : 5);
    return x;
}

void decoding_destroy(decoding *x)
{
    for (int n = 0; n < 3; n++) free(x->owned[n]);
    call_destroy(x->call);
}

void shuffle_pages(uint64_t seed, int32_t *pages, int64_t count)
{
    for (int64_t n = 0; n < count; n++) pages[n] = (int32_t)n;
    for (int64_t n = count - 1; n > 0; n--) {
        int64_t other = whole(seed, 1000 + (uint64_t)n, 0, n);
        int32_t page = pages[n];
        pages[n] = pages[other], pages[other] = page;
    }
}

/* Copies the rows of the keys that there are into pages, NaN around them. */
static float *fill_pages(const attn_output *rows, const attn_cache *to, int64_t columns)
{
    int64_t page = to->HK * to->page_size * columns, count = to->pages * page;
    float *data = malloc((size_t)count * sizeof *data + 1);
    for (int64_t n = 0; n < count; n++) data[n] = NAN;
    for (int64_t b = 0; b < to->B; b++)
        for (int64_t h = 0; h < to->HK; h++)
            for (int64_t j = 0; j < to->lengths[b]; j++)
                memcpy(data + to->page_table[b * to->table_row + j / to->page_size] * page +
                           (h * to->page_size + j % to->page_size) * columns,
                       (const float *)rows->data + b * rows->batch + h * rows->head + j * rows->row,
                       (size_t)columns * sizeof *data);
    return data;
}

attn_cache decoding_in_pages(decoding *x, uint64_t seed)
{
    const attn_cache *c = &x->cache;
    attn_cache p;
    int64_t each = (c->S + x->page_size - 1) / x->page_size, pages = c->B * each + 2;
    attn_cache_init(&p, sizeof p, c->B, c->HK, c->S, c->D, c->DV, x->page_size, pages);
    p.lengths = c->lengths;
    int32_t *table = malloc((size_t)pages * sizeof *table);
    shuffle_pages(seed, table, pages);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t n = 0; n < each; n++)
            if (n * x->page_size >= c->lengths[b]) table[b * each + n] = n % 2 ? -1 : INT32_MAX;
    p.page_table = x->owned[0] = table;
    p.k.data = x->owned[1] = fill_pages(&c->k, &p, c->D);
    p.v.data = x->owned[2] = fill_pages(&c->v, &p, c->DV);
    return p;
}

void expect_near(uint64_t seed, const char *what, int64_t n, double got, double want, double slack)
{
    if (isinf(want) ? got != want : !(fabs(got - want) <= slack))
        fail_msg("seed %llu: %s[%lld] is %.9g, expected %.9g", (unsigned long long)seed, what, (long long)n, got, want);
}
