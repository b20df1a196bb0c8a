/* The expected arrays are NumPy's: see make_run_fixtures.py. */
#include "shell.h"

#include "formats/npy.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static npy_array read_array(const char *path)
{
    npy_array a;
    if (npy_read(&a, path) != ATTN_OK) fail_msg("%s", attn_error());
    return a;
}

/* Both hold the same shape and, to fp32 rounding, numbers. */
static void compare(const char *path, const char *name, char kind)
{
    char expected[512];
    snprintf(expected, sizeof expected, "%s/data/run_%s_%c.npy", getenv("TESTS"), name, kind);
    npy_array got = read_array(path), want = read_array(expected);
    assert_int_equal(got.rank, want.rank);
    assert_memory_equal(got.shape, want.shape, sizeof got.shape);
    for (int64_t i = 0; i < got.count; i++) {
        float x = got.values[i], y = want.values[i];
        if (!(x == y || fabsf(x - y) <= 2e-6f))
            fail_msg("%s: element %lld is %g, expected %g", expected, (long long)i, (double)x, (double)y);
    }
    npy_clear(&got);
    npy_clear(&want);
    unlink(path);
}

static void agrees(const char *inputs, const char *name, const char *options)
{
    const char *d = "$TESTS/data/run_";
    if (shell("$ATTN run %sq%s.npy %sk%s.npy %sv%s.npy -o o.npy.tmp --lse l.npy.tmp --weights w.npy.tmp %s", d, inputs,
              d, inputs, d, inputs, options))
        fail_msg("%s", shell_output);
    shell_said_only("");
    compare("o.npy.tmp", name, 'o');
    compare("l.npy.tmp", name, 'l');
    compare("w.npy.tmp", name, 'w');
}

static void gives_numpys_numbers(void **state)
{
    (void)state;
    agrees("", "plain", "");
    agrees("", "plain", "--threads 2");
    agrees("", "causal", "--causal --query-offset -2 --scale 0.3 --softcap=1.5");
    agrees("", "window", "--window 2,1 --query-offset 1");
    agrees("", "keep", "--mask $TESTS/data/run_keep.npy");
    agrees("", "bias", "--mask $TESTS/data/run_bias.npy");
    agrees("_half", "half", "");
}

static void takes_fewer_dimensions(void **state)
{
    (void)state;
    agrees("_head", "head", "");
    agrees("_one", "one", ""); /* and these are fp64 */
}

static void refused(int status, const char *arguments, const char *words)
{
    assert_int_equal(shell("cd $TESTS/data && $ATTN run %s", arguments), status);
    shell_said(words);
    assert_int_not_equal(access("/tmp/attn_run_refused.npy", F_OK), 0);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    const char *o = "-o /tmp/attn_run_refused.npy";
    char line[512];
    static const struct {
        const char *files, *words;
    } cases[] = {
        {"run_q.npy run_k_head.npy run_v.npy", "run_k_head.npy: shape (2, 7, 8) has 3 dimensions, expected 4 as in Q"},
        {"run_q.npy run_v.npy run_v.npy", "run_v.npy: shape (2, 2, 7, 3), expected 8 columns as in run_q.npy"},
        {"run_q.npy run_k.npy run_q.npy", "run_q.npy: shape (2, 4, 5, 8), expected 2 heads as in run_k.npy"},
        {"run_k.npy run_q.npy run_q.npy", "run_k.npy has 2 heads and run_q.npy has 4"},
        {"run_keep.npy run_k.npy run_v.npy", "run_keep.npy"},
        {"run_q.npy run_k.npy run_v.npy --mask run_v.npy",
         "run_v.npy: shape (2, 2, 7, 3) does not broadcast to (B, H, T, S) = (2, 4, 5, 7)"},
        {"run_q.npy run_k.npy no-such.npy", "no-such.npy: cannot read: No such file or directory"},
        {"run_q.npy run_k.npy ../run_test.c", "../run_test.c: expected an npy file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(line, sizeof line, "%s %s", cases[i].files, o);
        refused(1, line, cases[i].words);
    }
    refused(1, "run_q.npy run_k.npy run_v.npy -o no/such/place.npy", "no/such/place.npy");
    const char *files = "run_q.npy run_k.npy run_v.npy --lse /tmp/attn_run_refused.npy";
    snprintf(line, sizeof line, "%s -o no/such/place.npy", files);
    refused(1, line, "no/such/place.npy: cannot write: No such file or directory");
    snprintf(line, sizeof line, "%s -o .", files);
    refused(1, line, ".: cannot write: Is a directory");
    snprintf(line, sizeof line, "%s -o run_q.npy/o.npy", files);
    refused(1, line, "run_q.npy/o.npy: cannot write: Not a directory");
}

/* O and the log-sum-exps would fit, the weights do not: none of them is left, and what was there stays. */
static void a_full_disk_leaves_no_output(void **state)
{
    (void)state;
    assert_int_equal(shell("d=$(mktemp -d); cd $TESTS/data; echo old > $d/o.npy; ulimit -f 2;"
                           "$ATTN run run_q.npy run_k.npy run_v.npy -o $d/o.npy --lse $d/l.npy --weights $d/w.npy;"
                           "s=$?; cat $d/o.npy; ls $d; rm -r $d; exit $s"),
                     1);
    shell_said("/w.npy: cannot write: File too large\n");
    shell_said("old\no.npy\n");
}

static void outputs_may_be_devices(void **state)
{
    (void)state;
    assert_int_equal(shell("cd $TESTS/data; $ATTN run run_q.npy run_k.npy run_v.npy -o /dev/null --lse /dev/stdout |"
                           "head -c 6 | tail -c 5"),
                     0);
    shell_said_only("NUMPY");
}

/* By a pipe or to the end of a file, which is gone on with and not replaced. */
static void one_array_comes_and_one_goes_by_standard_streams(void **state)
{
    (void)state;
    assert_int_equal(shell("d=$PWD; cd $TESTS/data; for q in run_k.npy run_q.npy; do echo $q; done |"
                           "$ATTN run - run_k.npy run_v.npy -o $d/o.npy.tmp"),
                     1);
    shell_said_only("attn run: standard input: expected an npy file, which begins with \\x93NUMPY\n");
    assert_int_equal(shell("d=$PWD; cd $TESTS/data; cat run_q.npy | $ATTN run - run_k.npy run_v.npy -o - >$d/o.npy.tmp;"
                           "cat run_v.npy | $ATTN run run_q.npy run_k.npy - -o /dev/null --lse $d/l.npy.tmp"),
                     0);
    shell_said_only("");
    compare("o.npy.tmp", "plain", 'o');
    compare("l.npy.tmp", "plain", 'l');
    assert_int_equal(shell("d=$PWD; cd $TESTS/data; { printf 12345; $ATTN run run_q.npy run_k.npy run_v.npy -o -;"
                           "printf 67890; } >$d/all.tmp; head -c 5 $d/all.tmp; tail -c 5 $d/all.tmp;"
                           "tail -c +6 $d/all.tmp >$d/o.npy.tmp; truncate -s -5 $d/o.npy.tmp; rm $d/all.tmp"),
                     0);
    shell_said_only("1234567890");
    compare("o.npy.tmp", "plain", 'o');
    assert_int_equal(shell("cd $TESTS/data; $ATTN run run_q.npy run_k.npy run_v.npy -o - >/dev/full"), 1);
    shell_said_only("attn run: standard output: No space left on device\n");
    /* An array that fills its buffers to the last byte, so that nothing is left to be written at the end. */
    assert_int_equal(
        shell("{ head -c 128 $TESTS/data/run_q.npy | LC_ALL=C sed 's/(2, 4, 5, 8)/(1, 1,62,16)/'; head -c 3968 "
              "/dev/zero; } "
              ">full.npy.tmp; $ATTN run full.npy.tmp full.npy.tmp full.npy.tmp -o - | wc -c; "
              "$ATTN run full.npy.tmp full.npy.tmp full.npy.tmp -o - >/dev/full; n=$?; rm full.npy.tmp; exit $n"),
        1);
    shell_said_only("4096\nattn run: standard output: No space left on device\n");
}

static void refuses_wrong_usage(void **state)
{
    (void)state;
    refused(2, "", "attn run: 0 operands given, expected Q.npy K.npy V.npy");
    refused(2, "run_q.npy -o d", "attn run: 1 operand given, expected Q.npy K.npy V.npy");
    refused(2, "run_q.npy run_k.npy run_v.npy", "--output O.npy is missing");
    refused(2, "a b c -o - --lse -", "\"-\" is given twice: --output, --lse");
    refused(2, "- b - -o d", "\"-\" is given twice: one array comes by standard input");
    refused(2, "- b c -o d --mask -", "\"-\" is given twice");
    refused(2, "a b c -o d --window 3", "--window: \"3\", expected L,R");
    refused(2, "a b c -o d --window 3,-2", "--window: \"3,-2\", expected L,R");
    refused(2, "a b c -o d --threads x", "--threads: \"x\" is not a whole number, expected 0 to 1024");
    refused(2, "a b c -o d --softcap -1", "--softcap: -1 is out of range");
    refused(2, "a b c -o d --scale 1,5", "--scale: \"1,5\" is not a number");
    refused(2, "a b c -o d --lse d", "\"d\" is given twice: --output, --lse and --weights each need a file of");
    refused(2, "a b c -o d --weights d", "\"d\" is given twice");
    refused(2, "a b c -o d --lse e --weights e", "\"e\" is given twice");
    refused(2, "a b c -o d --caussal", "did you mean \"--causal\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_numpys_numbers),      cmocka_unit_test(takes_fewer_dimensions),
        cmocka_unit_test(refuses_what_does_not_fit), cmocka_unit_test(a_full_disk_leaves_no_output),
        cmocka_unit_test(outputs_may_be_devices),    cmocka_unit_test(one_array_comes_and_one_goes_by_standard_streams),
        cmocka_unit_test(refuses_wrong_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
