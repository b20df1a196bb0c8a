/* attn train summarize, attn summarize and attn eval of what they make, on pairs that the group's setup writes. */
#include "shell.h"

#include <stdlib.h>

#define TINY                                                                                                           \
    "--train $D/pairs.tsv --valid $D/pairs.tsv --vocab 60 --dim 32 --heads 2 --layers 1 --ffn 32 --batch-tokens 400 "  \
    "--warmup 20 --rate 0.005 --max-length 12 --denoise 20 --steps 300 --valid-every 100 --threads 1 --quiet"

static int make_model(void **state)
{
    (void)state;
    char directory[] = "/tmp/attn-summarize-cli-XXXXXX";
    if (!mkdtemp(directory) || setenv("D", directory, 1) != 0) return -1;
    int written = shell("for a in one two three four five six; do for b in red blue green; do"
                        " printf 'here are %%s %%s things and much more that is cut off\\t%%s %%s\\n' $a $b $b $a;"
                        " done; done > $D/pairs.tsv");
    return written ? written : shell("$ATTN train summarize --model $D/model " TINY);
}

static int remove_all(void **state)
{
    (void)state;
    return shell("rm -rf \"$D\"");
}

static void makes_a_directory_of_barts(void **state)
{
    (void)state;
    assert_int_equal(shell("cd $D/model && ls"), 0);
    shell_said_only("checkpoint.safetensors\nconfig.json\ngeneration_config.json\nmodel.safetensors\ntokenizer.json\n"
                    "tokenizer_config.json\n");
    assert_int_equal(shell("grep -c BartForConditionalGeneration $D/model/config.json"), 0);
    assert_int_equal(shell("$ATTN train summarize --help"), 0);
    shell_said("--denoise");
    assert_int_equal(shell("$ATTN train translate --denoise 5 --model $D/x --train $D/pairs.tsv"), 2);
}

static void writes_a_line_for_each_line(void **state)
{
    (void)state;
    assert_int_equal(
        shell("cut -f 1 $D/pairs.tsv > $D/texts; $ATTN summarize -m $D/model --threads 2 $D/texts > $D/out 2> $D/said;"
              " wc -l < $D/out; cut -d ' ' -f 3- $D/said"),
        0);
    shell_said_only("18\n18 lines are longer than the model takes: the beginning alone was read\n");
    /* What follows the model's positions changes nothing, nor do neighbours, nor where lines come from. */
    assert_int_equal(
        shell("sed 's/$/ and even more/' $D/texts | $ATTN summarize -m $D/model - 2> $D/said | cmp - $D/out"), 0);
    assert_int_equal(shell("head -1 $D/texts | $ATTN summarize -m $D/model > $D/one; head -1 $D/out | cmp - $D/one"),
                     0);
    assert_int_equal(shell("printf 'a\\n\\nb\\377\\nc\\n' | $ATTN summarize -m $D/model 2>/dev/null | wc -l"), 0);
    shell_said_only("4\n");
    assert_int_equal(shell("printf 'b\\377\\n' | $ATTN summarize -m $D/model"), 1);
    shell_said("attn summarize: standard input:1: invalid UTF-8");
    assert_int_equal(
        shell("head -2 $D/texts | $ATTN summarize -m $D/model --scores --n-best 2 -b 3 2>/dev/null | grep -c '|||'"),
        0);
    shell_said_only("4\n");
    assert_int_equal(
        shell("head -1 $D/texts | $ATTN summarize -m $D/model --attention $D/map.png && test -s $D/map.png"), 0);
}

static void tells_models_of_other_tasks_apart(void **state)
{
    (void)state;
    assert_int_equal(shell("echo a | $ATTN translate -m $D/model"), 1);
    shell_said("a model that summarizes (BartForConditionalGeneration), expected one that translates");
    assert_int_equal(shell("echo a | $ATTN summarize -m $TESTS/../fixtures/marian/shared"), 1);
    shell_said("a model that translates (MarianMTModel), expected one that summarizes");
}

static void scores_summaries(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN eval -m $D/model $D/pairs.tsv"), 0);
    shell_said("ROUGE|nrefs:1|case:lower|tok:[a-z0-9]+|stem:no|avg:mean|version:attn-");
    shell_said("perplexity");
    assert_int_equal(shell("$ATTN eval -m $D/model --json $D/pairs.tsv"), 0);
    shell_said("\"rouge_l\": ");
    assert_int_equal(shell("$ATTN score -m $D/model $D/pairs.tsv | wc -l"), 0);
    shell_said_only("18\n");
}

static void scores_outputs_that_are_given(void **state)
{
    (void)state;
    assert_int_equal(shell("cut -f 2 $D/pairs.tsv | $ATTN eval --outputs - $D/pairs.tsv"), 0);
    shell_said(" = 1: 100.00 2: 100.00 L: 100.00");
    assert_int_equal(shell("cut -f 2 $D/pairs.tsv | sed 's/ .*//' | $ATTN eval --outputs - --json $D/pairs.tsv"), 0);
    shell_said("\"rouge_l\": 66.6");
    assert_int_equal(shell("$ATTN eval --outputs - - <$D/pairs.tsv"), 2);
    assert_int_equal(shell("echo no tab | $ATTN eval --outputs /dev/null -"), 1);
    shell_said("standard input:1: expected SOURCE TAB TARGET, found no tab");
    assert_int_equal(shell("cut -f 2 $D/pairs.tsv | head -5 | $ATTN eval --outputs - $D/pairs.tsv"), 1);
    shell_said("-: 5 lines, expected 18, as ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_directory_of_barts),        cmocka_unit_test(writes_a_line_for_each_line),
        cmocka_unit_test(tells_models_of_other_tasks_apart), cmocka_unit_test(scores_summaries),
        cmocka_unit_test(scores_outputs_that_are_given),
    };
    return cmocka_run_group_tests(tests, make_model, remove_all);
}
