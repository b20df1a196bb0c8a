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
                 " printf '%%s\\ta %%s %%s\\n' $b $a $b; done; done > $D/texts.tsv;"
                 " { printf '\\0\\0\\10\\3\\0\\0\\0\\4\\0\\0\\0\\4\\0\\0\\0\\4';"
                 " head -c 64 /dev/zero; } > $D/images; printf '\\0\\0\\10\\1\\0\\0\\0\\4\\0\\1\\0\\1' > $D/labels");
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
    assert_int_equal(shell("$ATTN train classify --model $D/c --format"), 2);
    shell_said("--format: the value is missing\n");
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --cross-validate --fold 1"), 2);
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --kind image"), 1);
    assert_int_equal(shell("$ATTN train classify --model $D/c --train $D/texts.tsv --dim 30 --heads 4"), 2);
    shell_said_only("attn train classify: --dim = 30 is no multiple of --heads = 4\n");
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
    assert_int_equal(
        shell("sed 's/red/\xE4\xB8\xAD\xE6\x96\x87/; s/blue/\xC3\xA9t\xC3\xA9/' $D/texts.tsv > $D/wide.tsv;"
              "$ATTN train classify --model $D/wide --quiet " TINY_CLASSIFIER "--train $D/wide.tsv --force &&"
              "LC_ALL=C $ATTN eval -m $D/wide $D/wide.tsv"),
        0);
    shell_said(
        "rows: expected; columns: found\n      \xC3\xA9t\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87\n \xC3\xA9t\xC3\xA9    ");
    assert_int_equal(shell("$ATTN eval --json -m $D/c $D/texts.tsv | grep -c '\"confusion\": \\[\\[.*\\]\\]'"), 0);
    assert_int_equal(shell("$ATTN eval --labels $D/labels -m $D/c $D/texts.tsv"), 1);
    shell_said("texts.tsv: no IDX file, so that its labels cannot stand in ");
    assert_int_equal(shell("$ATTN eval -b 3 -m $D/c $D/texts.tsv"), 2);
    shell_said("attn eval: --beam-size is for models that write; ");
    assert_int_equal(shell("$ATTN eval --normalize 1 -m $D/c $D/texts.tsv"), 2);
    shell_said("attn eval: --normalize is for models that write; ");
    assert_int_equal(shell("printf 'green\\tx\\n' > $D/green.tsv; $ATTN eval -m $D/c $D/green.tsv"), 1);
    shell_said("green.tsv: label \"green\" is none of the 2 that the model has: \"blue\", \"red\"; ");
    assert_int_equal(shell("(cat $D/texts.tsv; printf 'x\\t\\377\\n') > $D/bytes.tsv; $ATTN eval -m $D/c $D/bytes.tsv"),
                     1);
    shell_said("invalid UTF-8 or a NUL byte\n");
    assert_int_equal(shell("$ATTN eval -m $D/c $D/texts.tsv | head -n 3 > $D/file;"
                           "$ATTN eval -m $D/c - < $D/texts.tsv | head -n 3 | diff - $D/file"),
                     0);
    assert_int_equal(shell("echo no tab | $ATTN eval -m $D/c -"), 1);
    shell_said("attn eval: standard input:1: ");
    assert_int_equal(shell("printf 'x\\t\\377\\n' > $D/bytes.tsv; $ATTN eval -m $D/c $D/bytes.tsv"), 1);
    shell_said("bytes.tsv:1: invalid UTF-8 or a NUL byte, as in every line");
    assert_int_equal(shell("mkdir -p $D/flat; : >$D/flat/a.wav; $ATTN eval -m $D/c $D/flat; $ATTN eval -m "
                           "$TESTS/../fixtures/vit/colour $D/flat"),
                     1);
    shell_said("flat: no images in it, expected a folder for each label, which holds them\n");
}

/* What a terminal obeys in a label, or in a folder's name, never reaches it. */
static void shows_no_control_characters(void **state)
{
    (void)state;
    const char *red = "red\x1b[31m";
    assert_int_equal(shell("sed 's/red/%s/' $D/texts.tsv > $D/%s.tsv; rm -rf $D/%s;"
                           "$ATTN train classify --model $D/%s " TINY_CLASSIFIER "--train $D/%s.tsv",
                           red, red, red, red, red),
                     0);
    shell_said("2 labels: blue (");
    shell_said(", red?[31m (");
    shell_said("red?[31m. Try it: echo 'some text' | attn classify --model ");
    assert_null(strchr(shell_output, 0x1b));
    assert_int_equal(shell("cut -f 2 $D/texts.tsv | head -n 40 > $D/lines;"
                           "$ATTN look -m $D/%s -o $D/%s.html $D/lines",
                           red, red),
                     0);
    shell_said("red?[31m (");
    assert_null(strchr(shell_output, 0x1b));
    assert_int_equal(shell("ATTN_MODELS=$D $ATTN info"), 0);
    shell_said("red?[31m: classify text (");
    assert_null(strchr(shell_output, 0x1b));
}

/* Which it is, is told from the data: the options are looked at once that is known, and before anything is read. */
static void refuses_options_without_a_meaning(void **state)
{
    (void)state;
    static const struct {
        const char *data, *options, *words;
    } cases[] = {
        {"texts.tsv", "--image-size 28", "--image-size = 28 means nothing for a classifier of texts\n"},
        {"texts.tsv", "--patch 4", "--patch = 4 means nothing for a classifier of texts\n"},
        {"texts.tsv", "--train-labels x", "--train-labels = x means nothing for "},
        {"texts.tsv", "--valid $D/texts.tsv --valid-labels x", "--valid-labels = x means nothing for "},
        {"texts.tsv", "--arch gru --heads 2", "--heads = 2 means nothing for a recurrent network\n"},
        {"texts.tsv", "--arch rnn --ffn 32", "--ffn = 32 means nothing for a recurrent network\n"},
        {"texts.tsv", "--arch rnn --attention-dropout 0", "--attention-dropout = 0 means nothing for a recurrent"},
        {"images", "--vocab 40", "--vocab = 40 means nothing for a classifier of images\n"},
        {"images", "--max-length 9", "--max-length = 9 means nothing for a classifier of images\n"},
        {"images", "--arch lstm", "--arch = lstm, a recurrent network, expected a Transformer for images"},
        {"images", "--image-size 4096",
         "--image-size = 4096 makes 256 x 256 patches of 16 pixels a side, expected at most 65535 in all\n"},
        {"images", "--image-size 8 --patch 3", "--patch = 3 does not divide --image-size = 8\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            shell("$ATTN train classify --quiet --model $D/none --train $D/%s %s", cases[i].data, cases[i].options), 2);
        shell_said("attn train classify: --");
        shell_said(cases[i].words);
    }
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
    assert_int_equal(shell("$ATTN train classify --model $D/folds " TINY_CLASSIFIER "--cross-validate --quiet"), 1);
    shell_said("fold-0/checkpoint.safetensors: exists; ");
    shell_said("--force begins every fold anew and loses what is there.\n");
    assert_null(strstr(shell_output, "--resume"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_and_evaluates_classifiers),
        cmocka_unit_test(shows_no_control_characters),
        cmocka_unit_test(refuses_options_without_a_meaning),
        cmocka_unit_test(cross_validates),
    };
    return cmocka_run_group_tests(tests, write_texts, remove_all);
}
