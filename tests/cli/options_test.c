#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "options.h"
#include "suggestion.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct values {
    bool fast, verbose;
    int64_t beam;
    double scale;
    const char *model;
    int kind;
    char **operands;
    int operand_count;
} values;

static const char *const kinds[] = {"soft", "hard", NULL};

/* Parses the words, separated by single spaces; up to 3 operands. */
static int parse(values *v, const char *words)
{
    static char line[512], *argv[64];
    int argc = 0;
    snprintf(line, sizeof line, "test %s", words);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    argv[argc] = NULL;
    *v = (values){.beam = 6, .scale = NAN, .kind = -1};
    const option table[] = {
        option_flag('f', "fast", &v->fast, "fast"),
        option_flag('v', "verbose", &v->verbose, "verbose"),
        option_int('b', "beam-size", "N", &v->beam, 1, 64, "beam"),
        option_float(0, "scale", "S", &v->scale, -10, 10, "scale"),
        option_string('m', "model", "DIR", &v->model, "model"),
        option_choice(0, "alignment", &v->kind, kinds, "alignment"),
    };
    const command_line cl = {.command = "test",
                             .operands = "FILE...",
                             .most_operands = 3,
                             .summary = "Tests.",
                             .options = table,
                             .option_count = 6};
    return options_parse(&cl, argc, argv, &v->operands, &v->operand_count);
}

static void takes_every_form(void **state)
{
    (void)state;
    values v;
    assert_int_equal(parse(&v, ""), -1);
    assert_true(v.beam == 6 && isnan(v.scale) && !v.model && v.kind == -1 && !v.fast && v.operand_count == 0);
    assert_int_equal(parse(&v, "--beam-size 7 --scale=-0.25 -m dir --alignment hard --fast a - -- -b"), -1);
    assert_true(v.beam == 7 && v.scale == -0.25 && v.kind == 1 && v.fast && !v.verbose);
    assert_string_equal(v.model, "dir");
    assert_int_equal(v.operand_count, 3);
    assert_string_equal(v.operands[0], "a");
    assert_string_equal(v.operands[1], "-");
    assert_string_equal(v.operands[2], "-b");
    assert_int_equal(parse(&v, "-fvb12 x -b 3 --model=--odd"), -1);
    assert_true(v.beam == 3 && v.fast && v.verbose && v.operand_count == 1);
    assert_string_equal(v.model, "--odd");
    assert_int_equal(parse(&v, "--scale -3 -m-"), -1);
    assert_true(v.scale == -3);
    assert_string_equal(v.model, "-");
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--beam-size x", "--beam-size",    "--beam-size=",
        "--beam-size 0", "--beam-size 65", "-b 1.5",
        "-b 1e1",        "-b 0x10",        "-b99999999999999999999",
        "--fast=yes",    "--scale nan",    "--scale inf",
        "--scale 11",    "--scale 1,5",    "--scale=",
        "--scale 1x",    "--model --fast", "--alignment no",
        "--alignment",   "--nothing",      "-x",
        "-fx",           "a b c d",        "--beam 3",
        "--=",           "--model=",       "--fast --model= a",
    };
    values v;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[128];
        snprintf(line, sizeof line, "--fast -b9 %s", wrong[i]);
        if (parse(&v, line) != 2) fail_msg("\"%s\" was taken", line);
        assert_true(!v.fast && v.beam == 6); /* nothing is stored */
    }
}

static void help_wins(void **state)
{
    (void)state;
    values v;
    assert_int_equal(parse(&v, "--fast --help --nothing"), 0);
    assert_int_equal(parse(&v, "-fh"), 0);
    assert_int_equal(parse(&v, "-- --help"), -1);
    assert_int_equal(parse(&v, "-b x --help"), 2);
}

static void reads_numbers_in_any_locale(void **state)
{
    (void)state;
    static const char *const locales[] = {"C", "de_DE.UTF-8", "tr_TR.UTF-8"};
    for (int i = 0; i < 3; i++) {
        if (!setlocale(LC_ALL, locales[i])) continue; /* not installed here */
        double x;
        int64_t n;
        assert_true(options_read_float("1.5", &x) && x == 1.5);
        assert_true(options_read_float("-2e-3", &x) && x == -2e-3);
        assert_false(options_read_float("1,5", &x));
        assert_false(options_read_float(" 1", &x));
        assert_false(options_read_float("", &x));
        assert_false(options_read_float("1e999", &x));
        assert_true(options_read_int("-9223372036854775808", &n) && n == INT64_MIN);
        assert_false(options_read_int("9223372036854775808", &n));
        assert_false(options_read_int(" 1", &n));
        assert_false(options_read_int("", &n));
        assert_false(options_read_int("-", &n));
    }
    setlocale(LC_ALL, "C");
}

static const char *suggest(const char *typed)
{
    suggestion s = suggestion_for(typed, strlen(typed));
    static const char *const words[] = {"train", "translate", "score", "eval", "explain", "run", "info", "help"};
    for (int i = 0; i < 8; i++) suggestion_offer(&s, words[i]);
    return s.word ? s.word : "";
}

static void suggests_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(suggest("trnaslate"), "translate");
    assert_string_equal(suggest("tran"), "train");
    assert_string_equal(suggest("trans"), "translate");
    assert_string_equal(suggest("ifno"), "info");
    assert_string_equal(suggest("rnu"), "run");
    assert_string_equal(suggest("evaluate"), "");
    assert_string_equal(suggest("hole"), "");
    assert_string_equal(suggest("scope"), "score");
    assert_string_equal(suggest("frobnicate"), "");
    assert_string_equal(suggest(""), "");
    assert_int_equal(suggestion_distance("abcd", 4, "acbd", 4), 1);
    assert_int_equal(suggestion_distance("", 0, "abc", 3), 3);
    assert_int_equal(suggestion_distance("kitten", 6, "sitting", 7), 3);
    char longest[200];
    memset(longest, 'a', sizeof longest);
    assert_int_equal(suggestion_distance(longest, sizeof longest, "a", 1), sizeof longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(reads_numbers_in_any_locale),
        cmocka_unit_test(suggests_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
