#include "shell.h"

#include <stdlib.h>

/* A tiny model that trains in a moment, on pairs that the group's setup writes. */
#define TINY                                                                                                           \
    "--train $D/pairs.tsv --valid $D/pairs.tsv --vocab 40 --dim 16 --heads 2 --layers 1 --ffn 32 --batch-tokens 100 "  \
    "--warmup 5 --threads 1 "

static int write_pairs(void **state)
{
    (void)state;
    char directory[] = "/tmp/attn-train-cli-XXXXXX";
    if (!mkdtemp(directory) || setenv("D", directory, 1) != 0) return -1;
    return shell("for a in one two three four five six; do for b in red blue green; do"
                 " printf '%%s %%s\\t%%s %%s\\n' $a $b $b $a; done; done > $D/pairs.tsv");
}

static int remove_all(void **state)
{
    (void)state;
    return shell("rm -rf \"$D\"");
}

static void tells_wrong_usage(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train"), 2);
    shell_said_only("attn train: say what to train: translate, summarize or classify\nTry \"attn train --help\".\n");
    assert_int_equal(shell("$ATTN train foo"), 2);
    shell_said_only("attn train: \"foo\" is nothing that it trains, expected translate, summarize or classify\n"
                    "Try \"attn train --help\".\n");
    assert_int_equal(shell("$ATTN train --help"), 0);
    shell_said("attn train WHAT");
    assert_int_equal(shell("$ATTN train translat"), 2);
    shell_said("did you mean \"translate\"?");
    assert_int_equal(shell("$ATTN help train translate"), 0);
    shell_said("--batch-tokens");
    assert_int_equal(shell("$ATTN train translate --train $D/pairs.tsv"), 2);
    shell_said("--model DIR is missing");
    assert_int_equal(shell("$ATTN train translate --model $D/m"), 2);
    shell_said("--train FILE is missing");
    assert_int_equal(shell("$ATTN train translate --modle $D/m"), 2);
    shell_said("did you mean \"--model\"?");
    assert_int_equal(shell("$ATTN train translate --model $D/m --resume --force"), 2);
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --dropout 2"), 2);
    shell_said("dropout");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --dim 64 --heads 5"), 2);
    shell_said("--dim: 64 is no multiple of --heads, 5");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --dim 65 --heads 5"), 2);
    shell_said("--dim: 65, expected an even number");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --dim 100"), 2);
    shell_said("--dim: 100 is no multiple of --heads, 8");
}

static void tells_what_it_could_not_do(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/absent.tsv"), 1);
    shell_said("absent.tsv");
    assert_int_equal(shell("test -e $D/m"), 1);
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/absent.tsv --arch gru --heads 3"), 2);
    shell_said_only("attn train translate: --heads = 3 means nothing for a recurrent network\n");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/absent.tsv --arch lstm --ffn 64"), 2);
    shell_said_only("attn train translate: --ffn = 64 means nothing for a recurrent network\n");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/absent.tsv --format int8"), 2);
    shell_said_only("attn train translate: --format = int8, of recurrent networks alone: transformers, which opens a "
                    "Transformer's directory, reads fp32 and bf16\n");
    assert_int_equal(shell("mkdir $D/mine; $ATTN train translate --model $D/mine --train $D/absent.tsv"), 1);
    assert_int_equal(shell("test -d $D/mine"), 0);
    assert_int_equal(
        shell("printf 'a\\tb\\nno tab\\n' > $D/bad.tsv; $ATTN train translate --model $D/m --train $D/bad.tsv"), 1);
    shell_said("bad.tsv:2: no tab in \"no tab\", expected source TAB target");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --epochs 0"), 2);
    shell_said("attn train translate: --epochs = 0, as are steps and minutes, so that training would never end\n");
    assert_int_equal(shell("$ATTN train translate --model $D/m --train $D/pairs.tsv --vocab 10"), 1);
    shell_said("training SentencePiece with 10 pieces on 36 lines: Vocabulary size is smaller than required_chars");
    assert_int_equal(shell("$ATTN train translate --model $D/m --resume"), 1);
    shell_said("m: cannot open the directory");
    assert_int_equal(shell("$ATTN train translate --model $D/mine --resume"), 1);
    shell_said("mine/checkpoint.safetensors");
    assert_int_equal(shell("head -c 100 /dev/zero > $D/zero; $ATTN train translate --model $D/m --train $D/zero"), 1);
}

static void trains_and_translates(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --model $D/new/model " TINY "--steps 5 --quiet"), 0);
    shell_said_only("");
    assert_int_equal(shell("cd $D/new/model && ls"), 0);
    shell_said_only("checkpoint.safetensors\nconfig.json\ngeneration_config.json\nmodel.safetensors\nsource.spm\n"
                    "target.spm\ntokenizer_config.json\nvocab.json\n");
    assert_int_equal(shell("echo one red | $ATTN translate --model $D/new/model"), 0);
    assert_int_equal(shell("cat $D/new/model/generation_config.json"), 0);
    shell_said("\"early_stopping\": true");
    assert_int_equal(shell("$ATTN train translate --model $D/new/model --resume --dim 32"), 1);
    shell_said("attn train translate: --dim = 32, but the run that ");
    assert_int_equal(shell("$ATTN train translate --model $D/new/model --resume --label-smoothing 0.5"), 1);
    shell_said("attn train translate: --label-smoothing = 0.5, but the run that ");
    assert_int_equal(shell("$ATTN train translate --model $D/new/model " TINY "--steps 5"), 1);
    shell_said("exists; ");
    shell_said("--resume goes on with that run, --force begins anew and loses it.\n");
    assert_int_equal(shell("$ATTN train translate --model $D/new/model " TINY "--steps 5 --force --quiet"), 0);
}

static void fine_tunes(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --model $D/base " TINY "--steps 5 --quiet"), 0);
    assert_int_equal(
        shell("$ATTN train translate --from $D/base --model $D/tuned --train $D/pairs.tsv --steps 3 --quiet"), 0);
    assert_int_equal(shell("echo one red | $ATTN translate --model $D/tuned"), 0);
    assert_int_equal(shell("$ATTN train translate --from $D/base --model $D/m --train $D/pairs.tsv --arch gru"), 2);
    shell_said("attn train translate: --arch = gru, but the model of ");
    shell_said("/base has --arch = transformer\n");
    assert_int_equal(shell("$ATTN train translate --resume --model $D/base --compute bf16"), 1);
    shell_said("--compute = bf16, but the run that ");
    shell_said("/base/checkpoint.safetensors holds was begun with --compute = fp32\n");
    assert_int_equal(shell("$ATTN train translate --from mnist --model $D/m --train $D/pairs.tsv"), 1);
    shell_said("mnist: a model that classifies images");
    assert_int_equal(shell("$ATTN train classify --from $D/base --model $D/m --train $D/pairs.tsv"), 1);
    shell_said("/base/config.json: architectures is [\"MarianMTModel\"], expected that of a classifier");
    assert_int_equal(shell("test -e $D/m"), 1);
}

static void products_that_the_cpu_lacks_cost_no_model(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --model $D/old " TINY "--steps 2 --quiet"), 0);
    assert_int_equal(shell("ATTN_CPU=scalar $ATTN train translate --force --compute bf16 --model $D/old " TINY), 1);
    shell_said_only("attn train translate: no bf16 products on this CPU, expected AVX512_BF16 or AMX\n");
    assert_int_equal(shell("$ATTN train translate --model $D/old --resume --steps 3 --quiet"), 0);
}

static void one_run_has_a_directory(void **state)
{
    (void)state;
    shell("mkfifo $D/told; $ATTN train translate --model $D/taken " TINY
          "--steps 1000000 --valid-every 1000000 --json > $D/told & P=$!; "
          "(grep -m1 -q '\"step\"'; $ATTN train translate --model $D/taken " TINY
          "; kill $P; cat > /dev/null) < $D/told; wait $P; true");
    shell_said("taken: another training run is writing to it\n");
}

static void tells_programs_in_json(void **state)
{
    (void)state;
    assert_int_equal(shell("$ATTN train translate --model $D/json " TINY "--steps 5 --json > $D/lines"), 0);
    shell_said_only("");
    assert_int_equal(shell("grep -vc '^{\"event\": \"[a-z]*\".*}$' $D/lines"), 1);
    assert_int_equal(shell("grep -q '\"event\": \"step\", \"step\": 1, \"steps\": 5, \"epoch\": ' $D/lines"), 0);
    assert_int_equal(shell("grep -q '\"event\": \"validated\".*\"best\": true}' $D/lines"), 0);
    assert_int_equal(shell("! command -v python3 >/dev/null || python3 -c 'import json, sys; [json.loads(l) for l in "
                           "sys.stdin]' < $D/lines"),
                     0);
    assert_int_equal(shell("$ATTN train translate --model $D/json " TINY "--steps 5 --force --json > /dev/full"), 1);
    shell_said_only("attn train: standard output: No space left on device\n");
}

/* The signal comes when training has begun, which its lines tell. */
static void signals_save_and_say_how_to_go_on(void **state)
{
    (void)state;
    static const char *const signals[][2] = {{"INT", "130"}, {"TERM", "143"}, {"HUP", "129"}};
    for (int i = 0; i < 3; i++) {
        shell("rm -rf $D/s $D/lines; mkfifo $D/lines; "
              "$ATTN train translate --model $D/s " TINY
              "--steps 1000000 --valid-every 1000000 --json > $D/lines & P=$!; "
              "(grep -m1 -q '\"step\"'; kill -%s $P; cat > /dev/null) < $D/lines; wait $P; echo status $?",
              signals[i][0]);
        shell_said("stopped after step ");
        shell_said("Go on with: attn train translate --model ");
        shell_said("/s --resume\n");
        shell_said(signals[i][1]);
        assert_int_equal(shell("$ATTN train translate --model $D/s --resume --steps 1 --quiet"), 0);
    }
}

/* As when Ctrl-C ends what stands behind it in a pipe, too. */
static void a_reader_that_is_gone_costs_nothing(void **state)
{
    (void)state;
    shell("rm -rf $D/s; ($ATTN train translate --model $D/s " TINY
          "--steps 1000000 --valid-every 1 --patience 0 --json; echo status $? >&2) | grep -m1 '\"step\": 3'");
    shell_said("stopped after step ");
    shell_said("status 141\n");
    assert_int_equal(shell("$ATTN train translate --model $D/s --resume --steps 1 --quiet"), 0);
    assert_int_equal(shell("trap '' HUP; $ATTN train translate --model $D/h " TINY "--steps 20 --quiet & P=$!; "
                           "kill -HUP $P; wait $P"),
                     0);
}

/* Before the first step, long before a checkpoint is due. */
static void an_early_kill_can_be_resumed(void **state)
{
    (void)state;
    shell("mkfifo $D/begun.json; $ATTN train translate --model $D/begun " TINY
          "--steps 1000000 --valid-every 1000000 --json > $D/begun.json & P=$!; "
          "(grep -m1 -q '\"saved\".*\"step\": 0'; kill -9 $P; cat > /dev/null) < $D/begun.json; wait $P; true");
    assert_int_equal(shell("$ATTN train translate --model $D/begun --resume --steps 1 --quiet"), 0);
}

/* Killed again and again while it saves after every step; what it comes to is what an unbroken run comes to. */
static void a_kill_at_any_instant_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        shell("$ATTN train translate --model $D/whole " TINY "--steps 120 --valid-every 1 --patience 0 --quiet"), 0);
    shell("for i in 1 2 3 4 5 6 7 8; do "
          "if test -f $D/killed/checkpoint.safetensors; then O=--resume; else O='" TINY
          "--steps 120 --valid-every 1 --patience 0'; fi; "
          "eval \"$ATTN train translate --model $D/killed --quiet $O &\" P=\\$!; sleep 0.$((2 + i %% 4)); kill -9 $P; "
          "wait $P 2>/dev/null; done; true");
    assert_int_equal(
        shell("if test -f $D/killed/checkpoint.safetensors; then O=--resume; else O='" TINY
              "--steps 120 --valid-every 1 --patience 0'; fi; eval \"$ATTN train translate --model $D/killed "
              "--quiet $O\""),
        0);
    assert_int_equal(shell("ls $D/killed | grep tmp"), 1);
    assert_int_equal(shell("cmp $D/whole/model.safetensors $D/killed/model.safetensors"), 0);
}

/* Sums of as many random words as these round otherwise where they are parted otherwise. */
static void pieces_are_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    assert_int_equal(
        shell("awk 'BEGIN { s = 1; for (i = 0; i < 400; i++) { l = \"\"; for (j = 0; j < 12; j++) { "
              "s = (s * 75 + 74) %% 65537; l = l sprintf(\"%%c\", 97 + s %% 7) (s %% 5 ? \"\" : \" \") } "
              "print (i %% 2 ? \"a\" : \"b\") \"\\t\" l } }' > $D/words.tsv; "
              "for t in 1 2 3; do for c in translate classify; do $ATTN train $c --model $D/$c-$t --train $D/words.tsv "
              "--vocab 40 --dim 16 --heads 2 --layers 1 --ffn 32 --steps 1 --quiet --threads $t || exit; done; done"),
        0);
    assert_int_equal(shell("for t in 2 3; do cmp $D/translate-1/source.spm $D/translate-$t/source.spm && "
                           "cmp $D/classify-1/tokenizer.json $D/classify-$t/tokenizer.json || exit; done"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_wrong_usage),
        cmocka_unit_test(tells_what_it_could_not_do),
        cmocka_unit_test(trains_and_translates),
        cmocka_unit_test(fine_tunes),
        cmocka_unit_test(products_that_the_cpu_lacks_cost_no_model),
        cmocka_unit_test(one_run_has_a_directory),
        cmocka_unit_test(tells_programs_in_json),
        cmocka_unit_test(signals_save_and_say_how_to_go_on),
        cmocka_unit_test(a_reader_that_is_gone_costs_nothing),
        cmocka_unit_test(an_early_kill_can_be_resumed),
        cmocka_unit_test(a_kill_at_any_instant_loses_nothing),
        cmocka_unit_test(pieces_are_the_same_for_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, write_pairs, remove_all);
}
