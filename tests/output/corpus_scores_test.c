#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/bleu.h"
#include "output/chrf.h"
#include "output/rouge.h"
#include "output/tokenize_13a.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* data/scores.json comes from sacreBLEU and rouge_score themselves (make_score_fixtures.py). */
static int load(void **state)
{
    json_error_t error;
    json_t *root = json_load_file(TEST_DATA "/scores.json", 0, &error);
    if (!root) fail_msg("%s:%d: %s", error.source, error.line, error.text);
    *state = root;
    return 0;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

static void splits_as_13a_does(void **state)
{
    size_t i;
    json_t *pair;
    json_array_foreach(json_object_get(*state, "tokens"), i, pair)
    {
        char *tokens;
        assert_int_equal(tokenize_13a(json_string_value(json_array_get(pair, 0)), &tokens), ATTN_OK);
        assert_string_equal(tokens, json_string_value(json_array_get(pair, 1)));
        free(tokens);
    }
}

static void splits_as_rouge_score_does(void **state)
{
    size_t i;
    json_t *pair;
    assert_true(json_array_size(json_object_get(*state, "rouge_words")) > 50);
    json_array_foreach(json_object_get(*state, "rouge_words"), i, pair)
    {
        char *tokens;
        assert_int_equal(rouge_tokenize(json_string_value(json_array_get(pair, 0)), &tokens), ATTN_OK);
        assert_string_equal(tokens, json_string_value(json_array_get(pair, 1)));
        free(tokens);
    }
}

/* The two lines are equal but for the version at the signature's end. */
static void assert_line(const char *got, const char *want)
{
    const char *got_version = strstr(got, "version:"), *want_version = strstr(want, "version:");
    assert_non_null(got_version);
    assert_int_equal(got_version - got, want_version - want);
    assert_memory_equal(got, want, (size_t)(got_version - got));
    assert_string_equal(strchr(got_version, ' '), strchr(want_version, ' '));
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void check_rouge(const json_t *corpus, const attn_seq_segment *segments, int64_t count)
{
    rouge_score rouge;
    assert_int_equal(rouge_corpus(segments, count, &rouge), ATTN_OK);
    double off = fmax(fabs(rouge.rouge_1 - number(corpus, "rouge1")), fabs(rouge.rouge_2 - number(corpus, "rouge2")));
    off = fmax(off, fabs(rouge.rouge_l - number(corpus, "rougeL")));
    if (!(off < 1e-9)) fail_msg("%s: ROUGE off by %g", json_string_value(json_object_get(corpus, "name")), off);
}

static void check_corpus(const json_t *corpus, const attn_seq_segment *segments, int64_t count)
{
    check_rouge(corpus, segments, count);
    char line[400];
    bleu_score bleu;
    chrf_score chrf;
    assert_int_equal(bleu_corpus(segments, count, &bleu), ATTN_OK);
    assert_int_equal(chrf_corpus(segments, count, &chrf), ATTN_OK);
    const char *name = json_string_value(json_object_get(corpus, "name"));
    if (!(fabs(bleu.score - number(corpus, "bleu")) < 1e-9)) fail_msg("%s: BLEU %.17g", name, bleu.score);
    if (!(fabs(chrf.score - number(corpus, "chrf")) < 1e-9)) fail_msg("%s: chrF %.17g", name, chrf.score);
    for (size_t n = 0; n < BLEU_ORDER; n++) {
        double want = json_number_value(json_array_get(json_object_get(corpus, "precisions"), n));
        assert_true(fabs(bleu.precisions[n] - want) < 1e-9);
    }
    assert_true(fabs(bleu.brevity_penalty - number(corpus, "bp")) < 1e-12);
    bleu_line(&bleu, line, sizeof line);
    assert_line(line, json_string_value(json_object_get(corpus, "bleu_line")));
    chrf_line(&chrf, line, sizeof line);
    assert_line(line, json_string_value(json_object_get(corpus, "chrf_line")));
}

static void scores_as_sacrebleu_does(void **state)
{
    size_t i, s, r;
    json_t *corpus, *segment, *reference;
    json_array_foreach(json_object_get(*state, "corpora"), i, corpus)
    {
        json_t *list = json_object_get(corpus, "segments");
        attn_seq_segment *segments = calloc(json_array_size(list), sizeof *segments);
        assert_non_null(segments);
        json_array_foreach(list, s, segment)
        {
            json_t *references = json_object_get(segment, "references");
            const char **texts = calloc(json_array_size(references), sizeof *texts);
            assert_non_null(texts);
            json_array_foreach(references, r, reference) texts[r] = json_string_value(reference);
            segments[s] = (attn_seq_segment){json_string_value(json_object_get(segment, "hypothesis")), texts,
                                             (int64_t)json_array_size(references)};
        }
        check_corpus(corpus, segments, (int64_t)json_array_size(list));
        for (s = 0; s < json_array_size(list); s++) free((void *)segments[s].references);
        free(segments);
    }
}

static void refuses_a_segment_without_reference(void **state)
{
    (void)state;
    attn_seq_segment segment = {"x", NULL, 0};
    bleu_score bleu = {.score = -1};
    chrf_score chrf = {.score = -1};
    assert_int_equal(bleu_corpus(&segment, 1, &bleu), ATTN_ERROR_ARGUMENT);
    assert_int_equal(chrf_corpus(&segment, 1, &chrf), ATTN_ERROR_ARGUMENT);
    rouge_score rouge = {.rouge_1 = -1};
    assert_int_equal(rouge_corpus(&segment, 1, &rouge), ATTN_ERROR_ARGUMENT);
    assert_true(bleu.score == -1 && chrf.score == -1 && rouge.rouge_1 == -1);
}

static void bytes_that_are_not_utf8_do_no_harm(void **state)
{
    (void)state;
    char *tokens;
    assert_int_equal(tokenize_13a("a\xff.\xc3", &tokens), ATTN_OK);
    assert_string_equal(tokens, "a\xff . \xc3");
    free(tokens);
    const char *reference = "\xf0\x9f\x98";
    attn_seq_segment segment = {"\xed\xa0\x80", &reference, 1};
    chrf_score chrf;
    assert_int_equal(chrf_corpus(&segment, 1, &chrf), ATTN_OK);
    assert_true(chrf.score == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_as_13a_does),
        cmocka_unit_test(splits_as_rouge_score_does),
        cmocka_unit_test(scores_as_sacrebleu_does),
        cmocka_unit_test(refuses_a_segment_without_reference),
        cmocka_unit_test(bytes_that_are_not_utf8_do_no_harm),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
