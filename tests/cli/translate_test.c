#include "shell.h"

#include <math.h>
#include <stdlib.h>

#define MODELS "$TESTS/../fixtures/marian"
#define TRANSLATE "$ATTN translate -m " MODELS "/shared "

/* What is expected of the models, data/..._greedy.tsv, data/..._scores.tsv and data/..._beam.tsv, comes from
 * transformers (make_model_expectations.py). */

/* The largest |a - b| of the two numbers that stand on each line. */
static double largest_difference(int64_t lines)
{
    double largest = 0;
    char *at = shell_output;
    for (int64_t i = 0; i < lines; i++) {
        double a = strtod(at, &at), b = strtod(at, &at);
        if (!(fabs(a - b) <= largest)) largest = fabs(a - b);
    }
    assert_string_equal(at, "\n");
    return largest;
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    const char *const models[] = {"shared", "separate"};
    for (int i = 0; i < 2; i++) {
        const char *m = models[i];
        assert_int_equal(
            shell("cut -f1 $TESTS/data/%s_greedy.tsv | $ATTN translate -m " MODELS "/%s -b 1 > /tmp/attn_got.$$ &&"
                  "cut -f2 $TESTS/data/%s_greedy.tsv | diff /tmp/attn_got.$$ -; s=$?; rm /tmp/attn_got.$$; exit $s",
                  m, m, m),
            0);
        assert_int_equal(
            shell("cut -f1 $TESTS/data/%s_greedy.tsv | $ATTN translate -m " MODELS
                  "/%s -b 1 --normalize 0 --scores | cut -f1 > /tmp/attn_got.$$; cut -f3 $TESTS/data/%s_greedy.tsv "
                  "| paste /tmp/attn_got.$$ -; rm /tmp/attn_got.$$",
                  m, m, m),
            0);
        assert_true(largest_difference(40) < 1e-4);
        assert_int_equal(shell("$ATTN score -m " MODELS "/%s $TESTS/data/%s_scores.tsv > /tmp/attn_got.$$; cut -f3 "
                               "$TESTS/data/%s_scores.tsv | paste /tmp/attn_got.$$ -; rm /tmp/attn_got.$$",
                               m, m, m),
                         0);
        assert_true(largest_difference(40) < 1e-3);
    }
}

/* All four hypotheses of beam 4. generate() agrees where it searches as Marian does: early_stopping, as many finished
 * hypotheses as the beam is wide end the search; length_penalty 1. Those of `separate` end in the model's last
 * position, where </s> is forced, or at the command's own limit, where it is not; those of `shared` end before, with
 * bias 2 on </s>, the first of the biases that begin at byte 4624. */
static void beams_agree_with_transformers(void **state)
{
    (void)state;
    static const char *const models[][2] = {
        {"separate", "true"},
        {"shared", "printf '\\0\\0\\0\\100' | dd of=$d/m/model.safetensors bs=1 seek=4624 conv=notrunc 2> $d/said"}};
    for (int i = 0; i < 2; i++) {
        const char *m = models[i][0];
        assert_int_equal(
            shell("d=$(mktemp -d); cp -r " MODELS "/%s $d/m; chmod -R u+w $d/m; %s;"
                  "sed -i 's/^{/{\"early_stopping\": true,/' $d/m/generation_config.json;"
                  "head -n 20 $TESTS/data/%s_greedy.tsv | cut -f1 | $ATTN translate -m $d/m -b 4 --n-best 4 |"
                  "sed -E 's/^([0-9]+) [|]{3} (.*) [|]{3} .* [|]{3} .* [|]{3} (.*)$/\\1\\t\\2\\t\\3/' > $d/got;"
                  "cut -f1,2 $TESTS/data/%s_beam.tsv > $d/texts; cut -f1,2 $d/got | diff $d/texts - &&"
                  "cut -f3 $TESTS/data/%s_beam.tsv > $d/scores && cut -f3 $d/got | paste - $d/scores;"
                  "s=$?; rm -r $d; exit $s",
                  m, models[i][1], m, m, m),
            0);
        assert_true(largest_difference(80) < 1e-5);
    }
}

static void neighbours_and_threads_change_no_score(void **state)
{
    (void)state;
    for (int beam = 1; beam <= 5; beam += 4) {
        assert_int_equal(
            shell("cut -f1 $TESTS/data/shared_greedy.tsv > /tmp/attn_lines.$$; " TRANSLATE
                  "-b %d --scores --threads 2 /tmp/attn_lines.$$ | cut -f1 > /tmp/attn_got.$$;"
                  "while IFS= read -r line; do printf '%%s\\n' \"$line\" | " TRANSLATE
                  "-b %d --scores --threads 1 | cut -f1; done < /tmp/attn_lines.$$ | paste /tmp/attn_got.$$ -;"
                  "rm /tmp/attn_lines.$$ /tmp/attn_got.$$",
                  beam, beam),
            0);
        assert_true(largest_difference(40) < 1e-4);
    }
}

static void order_is_kept(void **state)
{
    (void)state;
    assert_int_equal(
        shell("cut -f1 $TESTS/data/shared_greedy.tsv > /tmp/attn_lines.$$;"
              "for i in 1 2 3 4 5 6 7 8; do cat /tmp/attn_lines.$$; done | " TRANSLATE "-b 1 > /tmp/attn_many.$$;"
              "for i in 1 2 3 4 5 6 7 8; do cut -f2 $TESTS/data/shared_greedy.tsv; done | cmp - /tmp/attn_many.$$;"
              "s=$?; rm /tmp/attn_lines.$$ /tmp/attn_many.$$; exit $s"),
        0);
}

static void odd_lines_get_a_line_each(void **state)
{
    (void)state;
    assert_int_equal(shell("printf 'abc\\n\\n  \\t \\nab\\377c\\n\\306\\nno feed' | " TRANSLATE "2> /dev/null | wc -l"),
                     0);
    shell_said_only("6\n");
    assert_int_equal(shell("printf 'abc\\n\\nab\\377c\\nabc' | " TRANSLATE "> /dev/null"), 1);
    shell_said_only("attn translate: standard input:3: invalid UTF-8: byte 0xff at column 3\n");
    assert_int_equal(shell("printf '\\n\\n' | " TRANSLATE), 0);
    shell_said_only("\n\n");
    assert_int_equal(shell(TRANSLATE "< /dev/null"), 0);
    shell_said_only("");
    assert_int_equal(shell("printf '\\360\\237\\230\\200\\n' | " TRANSLATE "| wc -l"), 0); /* no known piece */
    shell_said_only("1\n");
    assert_int_equal(shell("yes word | head -n 10000 | tr '\\n' ' ' | " TRANSLATE "-b 1 2> /dev/null | grep -c ."), 0);
    shell_said_only("1\n");
    assert_int_equal(shell("head -c 17000000 /dev/zero | tr '\\0' a | (cat; echo; echo abc) | " TRANSLATE
                           "-b 1 2> /tmp/attn_said.$$ | wc -l; cat /tmp/attn_said.$$; rm /tmp/attn_said.$$"),
                     0);
    shell_said_only("2\nattn translate: standard input:1: the line is longer than 16 MB\n");
}

static void long_lines_are_cut_at_sentence_ends(void **state)
{
    (void)state;
    /* Each sentence fits the model's 32 positions, both together do not. */
    const char *first = "the cat sat on the mat.", *second = "a bird and a tree are there.";
    assert_int_equal(shell("printf '%s\\n%s\\n' | " TRANSLATE "| tr '\\n' ' ' | sed 's/ $//'", first, second), 0);
    char apart[sizeof shell_output];
    strcpy(apart, shell_output);
    assert_int_equal(shell("printf '%s %s\\n' | " TRANSLATE "2> /dev/null | tr -d '\\n'", first, second), 0);
    shell_said_only(apart);
    assert_int_equal(shell("printf '%s\\n%s %s\\n' | " TRANSLATE "> /dev/null", first, first, second), 0);
    shell_said_only("attn translate: 1 line is longer than the model takes: translated in parts, cut at sentence ends "
                    "where there are some\n");
}

static void a_typed_line_is_answered_at_once(void **state)
{
    (void)state;
    assert_int_equal(
        shell("d=$(mktemp -d); mkfifo $d/in $d/out; " TRANSLATE "< $d/in > $d/out & exec 3> $d/in 4< $d/out;"
              "echo abc >&3; timeout 20 head -n 1 <&4 | wc -l; echo abcd >&3; timeout 20 head -n 1 <&4 | wc -l;"
              "exec 3>&-; wait; rm -r $d"),
        0);
    shell_said_only("1\n1\n");
}

static void n_best_lists_and_alignments_have_their_form(void **state)
{
    (void)state;
    assert_int_equal(shell("printf 'abc def\\nx\\n' | " TRANSLATE "-b 4 --n-best 3 --alignment hard | "
                           "grep -cE '^[01] [|]{3} .* [|]{3} ([0-9]+-[0-9]+ ?)* [|]{3} logp= -[0-9.]+ length= [0-9]+ "
                           "[|]{3} -[0-9.]+$'"),
                     0);
    shell_said_only("6\n");
    assert_int_equal(shell("printf 'abc def\\n' | " TRANSLATE "--alignment soft | "
                           "grep -cE ' [|]{3} [01][.][0-9]{4},[01][.][0-9]{4}'"),
                     0);
    shell_said_only("1\n");
    assert_int_equal(shell("printf 'abc def\\n' | " TRANSLATE "-b 2 --n-best 3"), 2);
    shell_said("--n-best: 3 is more than --beam-size, 2");
    assert_int_equal(shell("echo abc | " TRANSLATE "-b 99999999999999999999"), 2);
    shell_said("--beam-size: 99999999999999999999 is out of range, expected 1 to 256");
}

static void pictures_are_drawn(void **state)
{
    (void)state;
    assert_int_equal(
        shell("d=$(mktemp -d); printf 'abc\\n\\ndef\\n' | " TRANSLATE "--attention $d/a.png > /dev/null; ls $d;"
              "printf 'abc\\ndef\\n' | " TRANSLATE "--attention $d/a.html > /dev/null; grep -c '</html>' $d/a.html;"
              "rm -r $d"),
        0);
    shell_said_only("a-3.png\na.png\n1\n");
    assert_int_equal(shell("printf '\\n' | " TRANSLATE "--attention none.tmp.html; s=$?; ls none.tmp.html; exit $s"),
                     1);
    shell_said("attn translate: there is nothing to look at: none.tmp.html was not written\n");
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention - --layer 1 --head 2"), 0);
    shell_said("layer 1, head 2");
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention - --layer 9"), 1);
    shell_said_only("attn translate: there is no layer 9: the model has 1 layer of 2 heads\n");
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention - --head 9"), 1);
    shell_said_only("attn translate: there is no head 9: the model has 1 layer of 2 heads\n");
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention - --attention-of encoder --rollout"), 0);
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention - --rollout"), 1);
    shell_said_only("attn translate: --rollout: only attention of a sequence to itself can be rolled out: "
                    "--attention-of encoder or decoder\n");
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention a.html --layer 1"), 2);
    shell_said("--layer goes with --attention to a .png, a .npy or -: a.html holds every layer and head");
    static const char *const options[] = {"--layer 1", "--head 1", "--rollout", "--attention-of cross"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        assert_int_equal(shell("echo abc | " TRANSLATE "%s", options[i]), 2);
        shell_said(" goes with --attention\n");
    }
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention a.gif"), 2);
    assert_int_equal(shell("echo abc | " TRANSLATE "--attention no/such/a.html"), 1);
    shell_said_only("attn translate: no/such/a.html: cannot write: No such file or directory\n");
}

static void a_line_too_long_for_a_picture_is_translated(void **state)
{
    (void)state;
    assert_int_equal(shell("d=$(mktemp -d); (head -c 8000 /dev/zero | tr '\\0' a; echo; echo abc) | " TRANSLATE
                           "-b 1 --attention $d/a.png > $d/out; s=$?; grep -c . $d/out; ls $d; rm -r $d; exit $s"),
                     1);
    shell_said("attn translate: standard input:1: translated without attention weights: ");
    shell_said("\n2\na-2.png\nout\n");
}

static void writes_that_fail_are_told(void **state)
{
    (void)state;
    assert_int_equal(shell("echo abc | " TRANSLATE "> /dev/full"), 1);
    assert_int_equal(
        shell("(yes abc | head -n 9000 | " TRANSLATE "-b 1; echo status $?) 2>&1 | sed -n '1d;/^attn/p'; true"), 0);
    assert_int_equal(shell("d=$(mktemp -d); (yes abc | head -n 9000 | " TRANSLATE
                           "-b 1 2> $d/said; echo $? > $d/status) | head "
                           "-n 1 > /dev/null; cat $d/said $d/status; rm -r $d"),
                     0);
    shell_said_only("1\n");
}

static void scoring_names_bad_lines(void **state)
{
    (void)state;
    assert_int_equal(
        shell("printf 'abc\\tdef\\nabc\\nab\\377\\tx\\n' | $ATTN score -m " MODELS "/shared 2> /dev/null | tail -n 2"),
        0);
    shell_said_only("nan\nnan\n");
    assert_int_equal(shell("printf 'abc\\n' | $ATTN score -m " MODELS "/shared > /dev/null"), 1);
    shell_said_only("attn score: standard input:1: expected SOURCE TAB TARGET, found no tab\n");
}

/* All weights NaN: the bytes behind the header are ones. */
static void a_model_that_is_not_finite_scores_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        shell("d=$(mktemp -d); cp " MODELS "/shared/* $d; chmod u+w $d/*; rm $d/model.safetensors;"
              "m=" MODELS "/shared/model.safetensors; h=$(od -A n -t u8 -N 8 $m | tr -d ' '); head -c $((h + 8)) $m >"
              "$d/model.safetensors; tail -c +$((h + 9)) $m | tr '\\000-\\377' '[\\377*]' >> $d/model.safetensors;"
              "printf 'abc\tdef\n' | $ATTN score -m $d; s=$?; rm -r $d; exit $s"),
        1);
    shell_said_only("nan\nattn score: standard input:1: the model gives logits that are not finite\n");
}

static void evaluation_groups_references(void **state)
{
    (void)state;
    assert_int_equal(shell("printf 'a b\\tx y\\nc\\tz\\na b\\ty x\\n' | $ATTN eval -m " MODELS "/shared -"), 0);
    shell_said("BLEU|nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:attn-");
    shell_said("chrF2|nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no|version:attn-");
    shell_said("of 3 references)");
    shell_said("(2 sentences in ");
    assert_int_equal(shell("printf 'a b\\tx y\\n' | $ATTN eval -m " MODELS "/shared --json -"), 0);
    shell_said("\"bleu_signature\": \"nrefs:1|");
    assert_int_equal(shell("$ATTN eval -m " MODELS "/shared --labels x -"), 2);
    shell_said("attn eval: --labels is for models that classify; ");
    assert_int_equal(shell("$ATTN eval -m " MODELS "/shared --outputs x y"), 2);
    shell_said("attn eval: --model: --outputs runs no model, which this is for\n");
    assert_int_equal(shell("printf 'a b\\n' | $ATTN eval -m " MODELS "/shared -"), 1);
    shell_said_only("attn eval: standard input:1: expected SOURCE TAB TARGET, found no tab\n");
    assert_int_equal(shell("printf 'z\\tx\\na\\377\\ty\\n' | $ATTN eval -m " MODELS "/shared -"), 1);
    shell_said_only("attn eval: -:2: source: invalid UTF-8: byte 0xff at column 2\n");
    assert_int_equal(shell("printf 'z\\tx\\na\\ty\\377\\n' | $ATTN eval -m " MODELS "/shared -"), 1);
    shell_said_only("attn eval: -:2: target: invalid UTF-8: byte 0xff at column 2\n");
}

static void gzip_files_are_read_like_plain_ones(void **state)
{
    (void)state;
    static const char *const commands[] = {"translate", "score"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(shell("d=$(mktemp -d); printf 'abc\\tdef\\nb\\ta\\n' > $d/a; head -1 $d/a | gzip > $d/a.gz;"
                               "tail -1 $d/a | gzip >> $d/a.gz; cd $d; $ATTN %s -m " MODELS "/shared a > plain &&"
                               "$ATTN %s -m " MODELS "/shared a.gz | cmp plain && $ATTN %s -m " MODELS
                               "/shared < a.gz | cmp plain; s=$?; rm -r $d; exit $s",
                               commands[i], commands[i], commands[i]),
                         0);
    assert_int_equal(shell("printf 'abc\\tdef\\n' | gzip | $ATTN eval -m " MODELS "/shared - | grep -c BLEU"), 0);
    assert_int_equal(shell("(printf '\\037'; sleep 0.1; printf '\\213\\n') | $ATTN translate -m " MODELS "/shared"), 1);
    shell_said_only("attn translate: standard input: the gzip file is cut short\n");
    assert_int_equal(shell("(echo abc | gzip; echo more) | $ATTN score -m " MODELS "/shared"), 1);
    shell_said("attn score: standard input: the gzip file is damaged\n");
    assert_int_equal(shell("(printf 'a\\tb\\n' | gzip | head -c 20) | $ATTN eval -m " MODELS "/shared -"), 1);
    shell_said_only("attn eval: standard input: the gzip file is cut short\n");
}

static void models_are_found_by_name(void **state)
{
    (void)state;
    assert_int_equal(shell("echo abc | ATTN_MODELS=/nowhere:" MODELS " $ATTN translate -m shared | wc -l"), 0);
    shell_said_only("1\n");
    assert_int_equal(shell("echo abc | $ATTN translate -m no-such-model"), 1);
    shell_said("no-such-model: no model: expected a directory with a config.json, or the name of a model in ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_transformers),
        cmocka_unit_test(beams_agree_with_transformers),
        cmocka_unit_test(neighbours_and_threads_change_no_score),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(odd_lines_get_a_line_each),
        cmocka_unit_test(long_lines_are_cut_at_sentence_ends),
        cmocka_unit_test(a_typed_line_is_answered_at_once),
        cmocka_unit_test(n_best_lists_and_alignments_have_their_form),
        cmocka_unit_test(pictures_are_drawn),
        cmocka_unit_test(a_line_too_long_for_a_picture_is_translated),
        cmocka_unit_test(writes_that_fail_are_told),
        cmocka_unit_test(scoring_names_bad_lines),
        cmocka_unit_test(a_model_that_is_not_finite_scores_nothing),
        cmocka_unit_test(evaluation_groups_references),
        cmocka_unit_test(gzip_files_are_read_like_plain_ones),
        cmocka_unit_test(models_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
