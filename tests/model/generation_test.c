/* Decoding of the BART fixtures with the settings of their generation_config.json, against what transformers'
 * generate() wrote (tests/fixtures/make_bart.py): greedy in generated.json, by beam search in beams.json. */
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

/* A fixture, its sources, and what was written for them. */
typedef struct decoded {
    const char *name;
    seq2seq m;
    expectation e;
    token_list *sentences;
    json_t *written;
} decoded;

static void open_decoded(decoded *d, const char *name, const char *written)
{
    char path[600], file[700];
    snprintf(path, sizeof path, "%s/%s", BART_FIXTURES, name);
    translator *network;
    if (translator_open(&network, path, false) != ATTN_OK) fail_msg("%s", status_message());
    snprintf(file, sizeof file, "%s/expected.safetensors", path);
    assert_int_equal(expectation_read(&d->e, file), ATTN_OK);
    snprintf(file, sizeof file, "%s/%s", path, written);
    d->name = name;
    d->written = json_load_file(file, 0, NULL);
    assert_non_null(d->written);
    d->m = seq2seq_of_translator(network);
    d->m.sizes.max_positions = 1000; /* so that max_length alone ends, and not a source's 3 * length + 10 */
    d->sentences = calloc((size_t)d->e.B, sizeof *d->sentences);
    assert_non_null(d->sentences);
    for (int64_t b = 0; b < d->e.B; b++) d->sentences[b] = (token_list){d->e.source_ids + b * d->e.S, d->e.lengths[b]};
}

static void close_decoded(decoded *d)
{
    free(d->sentences);
    json_decref(d->written);
    expectation_clear(&d->e);
    seq2seq_destroy(&d->m);
}

/* `rows` holds n_best hypotheses of each source that could be as long as the model's max_length. */
static void writes_the_same(const decoded *d, const search_options *o, const json_t *rows)
{
    hypothesis *h = calloc((size_t)(d->e.B * o->n_best), sizeof *h);
    assert_non_null(h);
    if (decode_sentences(&d->m, o, d->sentences, d->e.B, h) != ATTN_OK) fail_msg("%s: %s", d->name, status_message());
    assert_int_equal(json_array_size(rows), d->e.B * o->n_best);
    for (int64_t i = 0; i < d->e.B * o->n_best; i++) {
        if (3 * d->e.lengths[i / o->n_best] + 10 < d->m.generation.max_length) continue;
        same_ids(d->name, i, &h[i], json_array_get(rows, (size_t)i));
    }
    hypotheses_clear(h, d->e.B * o->n_best);
    free(h);
}

static void check_model(const char *name)
{
    decoded d;
    open_decoded(&d, name, "generated.json");
    const search_options greedy = {.beam = 1, .n_best = 1, .normalize = 1, .threads = 1};
    writes_the_same(&d, &greedy, d.written);
    close_decoded(&d);
}

/* Beam search, as early_stopping ends it and for several length penalties. */
static void check_beams(const char *name)
{
    decoded d;
    size_t i;
    json_t *one;
    open_decoded(&d, name, "beams.json");
    assert_true(json_array_size(d.written) > 0);
    json_array_foreach(d.written, i, one)
    {
        const json_t *stopping = json_object_get(one, "early_stopping");
        const search_options o = {.beam = json_integer_value(json_object_get(one, "num_beams")),
                                  .n_best = json_integer_value(json_object_get(one, "num_return_sequences")),
                                  .normalize = (float)json_number_value(json_object_get(one, "length_penalty")),
                                  .threads = 1};
        d.m.generation.limits.stopping = json_is_true(stopping)    ? STOPPING_FULL
                                         : json_is_false(stopping) ? STOPPING_LIKELY
                                                                   : STOPPING_SURE;
        writes_the_same(&d, &o, json_object_get(one, "written"));
    }
    close_decoded(&d);
}

static void writes_what_generate_writes(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "scaled", "settings", "every_name", "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_model(names[i]);
}

static void ends_its_search_as_early_stopping_says(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "scaled", "settings", "every_name", "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_beams(names[i]);
}

static void what_ends_a_search_is_one_of_three_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        attn_status status;
        search_stopping stopping;
    } cases[] = {{"{}", ATTN_OK, STOPPING_LIKELY},
                 {"{\"early_stopping\": null}", ATTN_OK, STOPPING_LIKELY},
                 {"{\"early_stopping\": false}", ATTN_OK, STOPPING_LIKELY},
                 {"{\"early_stopping\": true}", ATTN_OK, STOPPING_FULL},
                 {"{\"early_stopping\": \"never\"}", ATTN_OK, STOPPING_SURE},
                 {"{\"early_stopping\": \"soon\"}", ATTN_ERROR_FORMAT, STOPPING_LIKELY},
                 {"{\"early_stopping\": 1}", ATTN_ERROR_FORMAT, STOPPING_LIKELY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        generation_settings g;
        scratch_write("generation_config.json", cases[i].text, strlen(cases[i].text));
        assert_int_equal(generation_read(&g, scratch_directory, 90), cases[i].status);
        assert_int_equal(g.limits.stopping, cases[i].stopping);
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
        cmocka_unit_test(ends_its_search_as_early_stopping_says),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
