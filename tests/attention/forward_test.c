#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_errors.h"

#include <math.h>
#include <stdlib.h>

static void check_call(const call_options *o, uint64_t seed, forward_errors *e)
{
    call *c = call_create(o, seed);
    forward_results r = forward_call(&c->desc, seed);
    forward_check(c, &r, e);
    forward_results_free(&r);
    call_destroy(c);
}

/* Small odd problems: the errors of one are a matter of luck, those of many are not. */
static void check_seeds(uint64_t first, uint64_t last, float sigma)
{
    forward_errors e = {0};
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

/* Few queries against more keys than a chunk of theirs, or several, holds, heads sharing them. */
static void few_queries_agree(void **state)
{
    (void)state;
    forward_errors e = {0};
    for (uint64_t seed = 1500; seed < 1560; seed++) {
        call_options o = call_random_options(seed);
        o.T = 1 + (int64_t)seed % 16, o.S = 1 + (int64_t)seed * 89 % 1300, o.additive = false;
        o.sigma = seed % 4 ? 1 : 5;
        if (seed % 2) o.dropout = 0, o.score_function = false;
        check_call(&o, seed, &e);
    }
    print_message("few queries: the root mean square error is %.2f of the plain one's\n", sqrt(e.ours / e.plain));
    if (!(sqrt(e.ours) <= 1.25 * sqrt(e.plain)))
        fail_msg("few queries: errors are %.3g of the plain ones", sqrt(e.ours / e.plain));
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
        forward_errors e = {0};
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
        cmocka_unit_test(few_queries_agree),
        cmocka_unit_test(errs_no_more_than_twice_the_plain_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
