#include "shell.h"

#include <stdlib.h>

#define TINY_CLASSIFIER                                                                                                \
    "--train $D/texts.tsv --vocab 40 --dim 16 --heads 2 --layers 1 --ffn 32 --batch 8 --warmup 5 --rate 0.01 "         \
    "--threads 1 --steps 20 --folds 3 "

static int write_texts(void **state)
{
    (void)state;
    char directory[] = "/tmp/attn-classify-cli-XXXXXX";
    if (!mkdtemp(directory) || setenv("D", directory, 1) != 0) return -1;
    return shell("for a in one two three four five six; do for b in red blue; do"
                 " printf '%%s\\ta %%s %%s\\n' $b $a $b; done; done > $D/texts.tsv");
}

static int remove_all(void **state)
{
    (void)state;
    return shell("rm -rf \"$D\"");
}

static void trains_and_evaluates_classifiers(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train classify --train $D/texts.tsv"), 2);
    shell_said("--model DIR is missing");
    assert_int_equal(shell("$ATTN train classify --model $D/c"), 2);
    shell_said("--train FILE is missing");
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --cross-validate --fold 1"), 2);
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --kind image"), 1);
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --dim 30 --heads 4"), 1);
    shell_said_only("attn train classify: --dim = 30 is no multiple of heads = 4\n");
    assert_int_equal(shell("mkdir $D/empty; $ATTN train classify --model $D/c --train $D/empty"), 1);
    shell_said("empty: expected a folder for each label, with .png, .jpg, .jpeg or .wav files\n");
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/none.tsv"), 1);
    shell_said("attn train classify: ");
    assert_int_equal(shell("$ATTN train classify --model $D/c " TINY_CLASSIFIER "--json > $D/lines"), 0);
    shell_said_only("");
    assert_int_equal(shell("grep -q '\"event\": \"validated\".*\"valid_accuracy\": .*\"valid_macro_f1\": ' $D/lines"),
                     0);
    assert_int_equal(shell("grep -q '\"examples_per_second\"' $D/lines"), 0);
    assert_int_equal(shell("$ATTN eval -m $D/c $D/texts.tsv"), 0);
    shell_said("accuracy ");
    shell_said("rows: expected; columns: found\n     blue  red\nblue ");
    assert_int_equal(shell("$ATTN eval --json -m $D/c $D/texts.tsv | grep -c '\"confusion\": \\[\\[.*\\]\\]'"), 0);
    assert_int_equal(shell("$ATTN eval -b 3 -m $D/c $D/texts.tsv"), 2);
    shell_said("attn eval: --beam-size is for models that write; ");
    assert_int_equal(shell("$ATTN eval --normalize 1 -m $D/c $D/texts.tsv"), 2);
    shell_said("attn eval: --normalize is for models that write; ");
    assert_int_equal(shell("printf 'green\\tx\\n' > $D/green.tsv; $ATTN eval -m $D/c $D/green.tsv"), 1);
    shell_said("green.tsv: label \"green\" is none of the 2 that the model has: \"blue\", \"red\"; ");
    assert_int_equal(shell("(cat $D/texts.tsv; printf 'x\\t\\377\\n') > $D/bytes.tsv; $ATTN eval -m $D/c $D/bytes.tsv"),
                     1);
    shell_said("invalid UTF-8 or a NUL byte\n");
    assert_int_equal(shell("printf 'x\\t\\377\\n' > $D/bytes.tsv; $ATTN eval -m $D/c $D/bytes.tsv"), 1);
    shell_said("bytes.tsv:1: invalid UTF-8 or a NUL byte, as in every line");
}

static void cross_validates(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train classify --model $D/folds " TINY_CLASSIFIER "--cross-validate --quiet"), 0);
    shell_said("fold 0  accuracy ");
    shell_said("fold 2  accuracy ");
    shell_said("mean of 3 folds  accuracy ");
    shell_said("(deviation ");
    assert_int_equal(shell("ls $D/folds"), 0);
    shell_said_only("fold-0\nfold-1\nfold-2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_and_evaluates_classifiers),
        cmocka_unit_test(cross_validates),
    };
    return cmocka_run_group_tests(tests, write_texts, remove_all);
}
