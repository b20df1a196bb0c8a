/* A decoder that goes token by token, turning, appending and decoding, against attention over the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "rotary_formula.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 2, H = 4, HK = 2, S = 24, D = 10, DV = 6, PAGE = 5, EACH = (S + PAGE - 1) / PAGE };

/* What a model computes: a token's query, key and value, drawn by sequence and place. */
typedef struct tokens {
    float q[B * S * H * D], k[B * S * HK * D], v[B * S * HK * DV]; /* (B, S, heads, columns) */
} tokens;

static tokens *tokens_create(void)
{
    tokens *t = malloc(sizeof *t);
    float *drawn = drawn_rows(400, 76, (int64_t)(sizeof *t / sizeof(float)));
    memcpy(t, drawn, sizeof *t);
    free(drawn);
    return t;
}

/* Tokens `first` .. `last` - 1 of both sequences go through; their rows of O to o, (B, S, H, DV). */
static void step(attn_cache *c, const tokens *t, const attn_rotary *rotary, int64_t first, int64_t last,
                 int64_t *lengths, float *o)
{
    static _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 20];
    float q[B * S * H * D];
    attn_desc d;
    attn_desc_init(&d, sizeof d, B, H, HK, last - first, S, D, DV);
    lengths[0] = lengths[1] = last;
    c->lengths = lengths;
    const attn_view k = {t->k + first * HK * D, S * HK * D, D, HK * D};
    const attn_view v = {t->v + first * HK * DV, S * HK * DV, DV, HK * DV};
    if (attn_append(c, d.T, &k, &v, rotary, NULL)) fail_msg("%s", attn_error());
    d.q = (attn_view){t->q + first * H * D, S * H * D, D, H * D};
    const attn_output y = {q, H * d.T * D, d.T * D, D};
    expect_rotated(&d, lengths, rotary, &y);
    d.q = (attn_view){q, y.batch, y.head, y.row};
    d.o = (attn_output){o + first * H * DV, S * H * DV, DV, H * DV};
    d.causal = true, d.parallel.threads = 1;
    if (attn_decode(&d, c, workspace, sizeof workspace)) fail_msg("%s", attn_error());
}

/* Token by token into pages, several at once into rows, and attn_forward on all of them. */
static void a_decoder_s_steps_give_the_whole(void **state)
{
    (void)state;
    tokens *t = tokens_create();
    float k[B * HK * S * D], v[B * HK * S * DV], page_k[B * EACH * HK * PAGE * D], page_v[B * EACH * HK * PAGE * DV];
    float one[B * S * H * DV], some[B * S * H * DV], all[B * S * H * DV], turned_q[B * S * H * D],
        turned_k[B * S * HK * D];
    int32_t pages[B * EACH];
    int64_t lengths[B];
    for (int n = 0; n < B * EACH; n++) pages[n] = n * 7 % (B * EACH);
    for (int kind = 0; kind < 2; kind++) {
        rotary_table turn = rotary_table_create((attn_rotary_kind)kind, D - 2);
        attn_cache c;
        attn_cache_init(&c, sizeof c, B, HK, S, D, DV, PAGE, B * EACH);
        c.k.data = page_k, c.v.data = page_v, c.page_table = pages;
        for (int n = 0; n < S; n++) step(&c, t, &turn.rotary, n, n + 1, lengths, one);
        attn_cache_init(&c, sizeof c, B, HK, S, D, DV, 0, 0);
        c.k.data = k, c.v.data = v;
        for (int n = 0; n < S; n += 8) step(&c, t, &turn.rotary, n, n + 8, lengths, some);
        expect_same_bits("one at a time and eight at once", 400, one, some, B * S * H * DV);

        attn_desc d;
        attn_desc_init(&d, sizeof d, B, H, HK, S, S, D, DV);
        attn_output y = {turned_q, S * H * D, D, H * D};
        d.q = (attn_view){t->q, y.batch, y.head, y.row};
        expect_rotated(&d, NULL, &turn.rotary, &y);
        d.q.data = turned_q;
        attn_desc keys = d;
        keys.H = HK, keys.q = (attn_view){t->k, S * HK * D, D, HK * D};
        const attn_output key_rows = {turned_k, S * HK * D, D, HK * D};
        expect_rotated(&keys, NULL, &turn.rotary, &key_rows);
        d.k = (attn_view){turned_k, S * HK * D, D, HK * D}, d.v = (attn_view){t->v, S * HK * DV, DV, HK * DV};
        d.o = (attn_output){all, S * H * DV, DV, H * DV};
        d.causal = true, d.parallel.threads = 1;
        size_t size;
        if (attn_forward_workspace_size(&d, &size)) fail_msg("%s", attn_error());
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, size / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT);
        if (attn_forward(&d, workspace, size)) fail_msg("%s", attn_error());
        free(workspace);
        for (int n = 0; n < B * S * H * DV; n++)
            if (!(fabsf(one[n] - all[n]) <= 1e-6f)) fail_msg("o[%d] is %.9g, forward's %.9g", n, one[n], all[n]);
        rotary_table_destroy(&turn);
    }
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoder_s_steps_give_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
