/* Greedy decoding of the BART fixtures with the settings of their generation_config.json, against generated.json, which
 * transformers' generate() wrote (tests/fixtures/make_bart.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../scratch.h"
#include "expectation.h"

#include "base/status.h"
#include "model/decode_sentences.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void same_ids(const char *name, int64_t row, const hypothesis *h, const json_t *expected)
{
    int64_t length = (int64_t)json_array_size(expected);
    if (h->length != length)
        fail_msg("%s: row %d has %d ids, expected %d", name, (int)row, (int)h->length, (int)length);
    for (int64_t i = 0; i < length; i++) {
        int64_t id = json_integer_value(json_array_get(expected, (size_t)i));
        if (h->ids[i] != id) fail_msg("%s: row %d, id %d is %d", name, (int)row, (int)i, (int)h->ids[i]);
    }
}

static void check_model(const char *name)
{
    char path[600], file[700];
    snprintf(path, sizeof path, "%s/%s", BART_FIXTURES, name);
    translator *network;
    expectation e;
    if (translator_open(&network, path, false) != ATTN_OK) fail_msg("%s", status_message());
    snprintf(file, sizeof file, "%s/expected.safetensors", path);
    assert_int_equal(expectation_read(&e, file), ATTN_OK);
    snprintf(file, sizeof file, "%s/generated.json", path);
    json_t *generated = json_load_file(file, 0, NULL);
    assert_int_equal(json_array_size(generated), e.B);

    seq2seq m = seq2seq_of_translator(network);
    m.sizes.max_positions = 1000; /* so that max_length alone ends: sources are too short for its 3 * length + 10 */
    token_list *sentences = calloc((size_t)e.B, sizeof *sentences);
    hypothesis *h = calloc((size_t)e.B, sizeof *h);
    assert_true(sentences && h);
    for (int64_t b = 0; b < e.B; b++) sentences[b] = (token_list){e.source_ids + b * e.S, e.lengths[b]};
    const search_options greedy = {.beam = 1, .n_best = 1, .normalize = 1, .threads = 1};
    if (decode_sentences(&m, &greedy, sentences, e.B, h) != ATTN_OK) fail_msg("%s: %s", name, status_message());
    for (int64_t b = 0; b < e.B; b++) {
        json_t *expected = json_array_get(generated, (size_t)b);
        if (3 * e.lengths[b] + 10 < (int64_t)json_array_size(expected)) continue;
        same_ids(name, b, &h[b], expected);
    }
    hypotheses_clear(h, e.B);
    free(h);
    free(sentences);
    json_decref(generated);
    expectation_clear(&e);
    seq2seq_destroy(&m);
}

static void writes_what_generate_writes(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "scaled", "settings", "every_name", "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_model(names[i]);
}

static void what_ends_a_search_is_one_of_three_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        attn_status status;
        generation_stopping stopping;
    } cases[] = {{"{}", ATTN_OK, STOPPING_ABSENT},
                 {"{\"early_stopping\": null}", ATTN_OK, STOPPING_ABSENT},
                 {"{\"early_stopping\": false}", ATTN_OK, STOPPING_FALSE},
                 {"{\"early_stopping\": true}", ATTN_OK, STOPPING_TRUE},
                 {"{\"early_stopping\": \"never\"}", ATTN_OK, STOPPING_NEVER},
                 {"{\"early_stopping\": \"soon\"}", ATTN_ERROR_FORMAT, STOPPING_ABSENT},
                 {"{\"early_stopping\": 1}", ATTN_ERROR_FORMAT, STOPPING_ABSENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        generation_settings g;
        scratch_write("generation_config.json", cases[i].text, strlen(cases[i].text));
        assert_int_equal(generation_read(&g, scratch_directory, 90), cases[i].status);
        assert_int_equal(g.stopping, cases[i].stopping);
    }
    assert_non_null(strstr(status_message(), "early_stopping is 1, expected true, false or \"never\""));
}

static void reads_its_settings(void **state)
{
    (void)state;
    generation_settings g;
    assert_int_equal(generation_read(&g, BART_FIXTURES "/settings", 90), ATTN_OK);
    assert_true(g.beam == 1 && g.length_penalty == 1 && g.max_length == 22);
    assert_true(g.limits.forces_first && g.limits.first_id == 7);
    assert_true(g.limits.min_length == 9 && g.limits.distinct_ngrams == 2);
    assert_int_equal(generation_read(&g, BART_FIXTURES "/plain", 90), ATTN_OK);
    assert_true(!g.limits.forces_first && !g.limits.forces_last && g.limits.min_length == 0 &&
                g.limits.distinct_ngrams == 0);
    assert_int_equal(generation_read(&g, BART_FIXTURES "/scaled", 90), ATTN_OK);
    assert_true(g.limits.forces_last && g.limits.last_id == 2);
    assert_int_equal(generation_read(&g, BART_FIXTURES "/settings", 7), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "generation_config.json: forced_bos_token_id is 7, expected an integer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_a_search_is_one_of_three_words),
        cmocka_unit_test(reads_its_settings),
        cmocka_unit_test(writes_what_generate_writes),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
