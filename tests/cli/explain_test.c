#include "shell.h"

#include <jansson.h>
#include <math.h>

static json_t *explained(const char *words)
{
    json_error_t error;
    assert_int_equal(shell("%s", words), 0);
    json_t *root = json_loads(shell_output, 0, &error);
    if (!root) fail_msg("%s: %s", error.text, shell_output);
    return root;
}

static double at(json_t *root, const char *name, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(root, name), i), j));
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6)) fail_msg("%.9g is not near %.9g", a, b);
}

static void the_example_agrees_with_the_library(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN explain </dev/null"), 0);
    shell_said("S = Z / sqrt(d) = Z / sqrt(4) = 0.5000 Z");
    shell_said("attn_forward, in 32-bit floats, give the same A and O");
    json_t *root = explained("$ATTN explain --json </dev/null");
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            near(at(root, "weights", i, j), at(root, "library_weights", i, j));
            near(at(root, "output", i, j), at(root, "library_output", i, j));
            json_t *steps = json_array_get(json_object_get(root, "by_key"), i);
            near(at(root, "output", i, j), at(steps, "output", 0, j));
        }
    json_decref(root);
}

static void one_two_or_three_matrices(void **state)
{
    (void)state;
    const double e = exp(1 / sqrt(2)), a = e / (1 + e);
    json_t *root = explained("printf '1 0\\n0 1\\n' | $ATTN explain - --json");
    near(at(root, "weights", 0, 0), a);
    near(at(root, "output", 1, 1), a);
    json_decref(root);
    root = explained("printf '1 0\\n0 1\\n' | $ATTN explain --json");
    near(at(root, "weights", 0, 0), a);
    json_decref(root);
    root = explained("printf '1 0\\n0 1\\n' >x.csv.tmp; $ATTN explain --json <x.csv.tmp; rm x.csv.tmp");
    near(at(root, "weights", 0, 0), a);
    json_decref(root);
    assert_int_equal(shell(": | $ATTN explain"), 1);
    shell_said("standard input: holds no numbers");
    root = explained("printf '# queries\\n1,0\\n\\n1;0\\r\\n0;1\\n\\n\\n10\\t20\\t30\\n40 50 60 # the last\\n' | $ATTN "
                     "explain - --json");
    near(at(root, "output", 0, 2), a * 30 + (1 - a) * 60);
    near(at(root, "scaled", 0, 0), 1 / sqrt(2));
    near(at(root, "similarity", 0, 0), 1);
    json_decref(root);
    root = explained(
        "printf '1,0\\n' >x.csv.tmp; printf '1,0\\n0,1' >h.csv.tmp; $ATTN explain x.csv.tmp h.csv.tmp --json; "
        "rm x.csv.tmp h.csv.tmp");
    near(at(root, "weights", 0, 1), 1 - a);
    json_decref(root);
    root = explained("cd $TESTS/data && $ATTN explain run_q_one.npy run_k_one.npy run_v_one.npy --json");
    assert_int_equal(json_integer_value(json_object_get(root, "DV")), 3);
    json_decref(root);
}

static void refused(const char *input, const char *words)
{
    assert_int_equal(shell("printf '%s' | $ATTN explain -", input), 1);
    shell_said(words);
    assert_int_equal(strchr(shell_output, '\n') - shell_output, strlen(shell_output) - 1); /* one line */
    assert_null(strchr(shell_output, '\033'));
}

static void refuses_hostile_csv(void **state)
{
    (void)state;
    refused("", "standard input: holds no numbers");
    refused("# only words\\n\\n", "standard input: holds no numbers");
    refused("1 2\\n3\\n", "standard input: line 2: 1 number, expected 2 as in the row before");
    refused("\\223NUMPY", "standard input: is an npy file, expected csv or a file whose name ends in .npy");
    refused("1,,2\\n", "line 1, number 2: \"\", expected a number");
    refused("1,2,\\n", "line 1, number 3: \"\", expected a number");
    refused("1\\n\\033[31mx\\n", "line 2, number 1: \"?[31mx\"");
    refused("1e7\\n", "line 1, number 1: \"1e7\"");
    refused("nan\\n", "line 1, number 1: \"nan\"");
    refused("1\\0002\\n", "line 1, number 1: \"1\"");
    refused("1\\n\\n2\\n\\n3\\n\\n4\\n", "one matrix too many");
    refused("1 2\\n\\n1 2 3\\n", "X has 2 columns and H has 3");
    refused("1\\n\\n1\\n\\n1\\n2\\n", "K has 1 row and V has 2");
    assert_int_equal(shell("seq 33 | $ATTN explain -"), 1);
    shell_said("line 33: more than 32 rows");
    assert_int_equal(shell("seq -s, 33 | $ATTN explain -"), 1);
    shell_said("line 1: more than 32 numbers");
    assert_int_equal(shell("head -c 3000000 /dev/zero | tr '\\000' 1 | $ATTN explain -"), 1);
    shell_said("holds a megabyte or more");
}

static void refuses_wrong_files_and_usage(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN explain no-such.csv"), 1);
    shell_said("no-such.csv: cannot read: No such file or directory");
    assert_int_equal(shell("$ATTN explain no-such.npy"), 1);
    shell_said("no-such.npy");
    assert_int_equal(shell("$ATTN explain $TESTS/data/run_q.npy"), 1);
    shell_said("has 4 dimensions, expected 2");
    assert_int_equal(shell("$ATTN explain a b c d"), 2);
    assert_int_equal(shell("$ATTN explain --query 5 </dev/null"), 1);
    assert_int_equal(shell("$ATTN explain --query 0"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_agrees_with_the_library),
        cmocka_unit_test(one_two_or_three_matrices),
        cmocka_unit_test(refuses_hostile_csv),
        cmocka_unit_test(refuses_wrong_files_and_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
