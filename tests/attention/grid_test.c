/* The whole contract at once: any options together, zero sizes, reversed and shared rows, gradients that nobody asked
 * for; forward against fp64, backward and double backward from what forward left against fp64, in fp32; double backward
 * on bf16 and fp16 against fp32 on the same numbers. A few hundred calls in an ordinary run, 20,000 in `make nightly`
 * (grid.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_errors.h"
#include "grid.h"
#include "second_in_type.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDE_SIGMA 2.5f /* scores of deviation 6 */
#define OPTION_SETS (1 << 17)

static uint32_t draw(uint64_t seed, uint64_t n, uint32_t choices)
{
    return random_philox(seed, n, 95).word[0] % choices;
}

static call_options draw_options(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.shared_rows = true;
    if (draw(seed, 0, 4) == 0) o.sigma = WIDE_SIGMA;
    if (draw(seed, 1, 5) == 0) o.T = 1 + o.T % 5; /* few queries have a kernel of their own */
    if (draw(seed, 2, 24) == 0) {
        int64_t *sizes[] = {&o.B, &o.T, &o.S, &o.D, &o.DV};
        *sizes[draw(seed, 3, 5)] = 0;
    }
    return o;
}

/* A bit for each option that is set. */
static unsigned option_set(const call_options *o)
{
    const bool bits[] = {o->causal,        o->windowed,    o->lengths,   o->offsets,     o->mask,     o->bias,
                         o->alibi,         o->sinks,       o->blocks,    o->softcap > 0, o->additive, o->score_function,
                         o->mask_function, o->dropout > 0, o->H > o->HK, o->D != o->DV,  o->by_lse};
    unsigned set = 0;
    for (size_t n = 0; n < sizeof bits / sizeof bits[0]; n++) set |= (unsigned)bits[n] << n;
    return set;
}

/* One gradient in five is not asked for. */
static void drop_gradients(call *c)
{
    attn_desc *d = &c->desc;
    void **data[CALL_OUTPUTS] = {&d->grad_q.data,         &d->grad_k.data,
                                 &d->grad_v.data,         &d->grad_score_vector.data,
                                 (void **)&d->grad_sinks, (void **)&d->grad_alibi_slopes};
    for (int n = 0; n < CALL_OUTPUTS; n++) {
        if (draw(c->seed, 10 + (uint64_t)n, 5)) continue;
        *data[n] = NULL;
        c->outputs[n] = (call_output){.name = c->outputs[n].name};
    }
    if (draw(c->seed, 20, 5) == 0) d->grad_bias.data = NULL, c->grad_bias = NULL;
}

static void check_call(uint64_t seed, const call_options *o, forward_errors *e)
{
    call *c = call_create(o, seed);
    forward_results r = forward_call(&c->desc, seed);
    forward_check(c, &r, e);
    c->desc.o.data = r.o, c->desc.lse.data = r.lse;
    drop_gradients(c);
    call_backward(c);
    /* A slope is the difference of two sums of DV products of dO and V, and then meets Q or K. */
    double least = pow(o->sigma, 3) * sqrt((double)o->DV + 1);
    call_check(c, 1e-5 * (1 + o->sigma * o->sigma) / 2, least);
    forward_results_free(&r);
    call_destroy(c);
}

static void any_options_together_agree_with_fp64(void **state)
{
    (void)state;
    static unsigned char seen[OPTION_SETS];
    const grid_range seeds = grid_seeds(10000, 250);
    forward_errors e = {0};
    int sets = 0;
    memset(seen, 0, sizeof seen);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) {
        const call_options o = draw_options(seed);
        sets += !seen[option_set(&o)];
        seen[option_set(&o)] = 1;
        check_call(seed, &o, &e);
    }
    print_message("%llu calls forward and backward, seeds %llu to %llu, %d different sets of options, on %s; forward's "
                  "root mean square error is %.2f of the plain way's\n",
                  (unsigned long long)(seeds.last - seeds.first), (unsigned long long)seeds.first,
                  (unsigned long long)(seeds.last - 1), sets, attn_cpu_used(), sqrt(e.ours / e.plain));
    if (seeds.last - seeds.first > 100) assert_true(sqrt(e.ours) <= 1.25 * sqrt(e.plain));
}

static void check_second(uint64_t seed, const call_options *o)
{
    second_call *s = second_call_create(o, seed, false);
    forward_results r = forward_call(&s->c->desc, seed);
    s->c->desc.o.data = r.o, s->c->desc.lse.data = r.lse;
    second_call_run(s);
    /* Two such slopes meet here, and two rows more: where a row has but one key, all of that cancels. */
    second_call_check(s, 3e-5, pow(o->sigma, 5) * sqrt((double)o->DV + 1));
    forward_results_free(&r);
    second_call_destroy(s);
}

static void double_backward_agrees_with_fp64(void **state)
{
    (void)state;
    const grid_range seeds = grid_seeds(20000, 60);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) {
        call_options o = draw_options(seed);
        o.additive = o.score_function = false; /* which it refuses */
        const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};
        o.type = types[draw(seed, 30, 5) % 3]; /* half of them narrow */
        if (o.type == ATTN_DTYPE_F32)
            check_second(seed, &o);
        else
            o.shared_rows = false, second_in_type_check_call(&o, seed);
    }
    print_message("%llu calls of double backward, seeds %llu to %llu\n", (unsigned long long)(seeds.last - seeds.first),
                  (unsigned long long)seeds.first, (unsigned long long)(seeds.last - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_options_together_agree_with_fp64),
        cmocka_unit_test(double_backward_agrees_with_fp64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
