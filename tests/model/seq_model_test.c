#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "input/tokenizer.h"

#include <dirent.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void opens_and_describes(void **state)
{
    (void)state;
    attn_seq_model *m;
    assert_int_equal(attn_seq_model_open(&m, MARIAN_FIXTURES "/separate"), ATTN_OK);
    attn_seq_description d = {.struct_size = sizeof d};
    assert_int_equal(attn_seq_model_describe(m, &d), ATTN_OK);
    assert_string_equal(d.directory, MARIAN_FIXTURES "/separate");
    assert_string_equal(d.activation, "relu");
    assert_int_equal(d.width, 24);
    assert_int_equal(d.encoder_layers, 3);
    assert_int_equal(d.decoder_heads, 2);
    assert_int_equal(d.max_positions, 32);
    assert_true(d.parameters > 10000 && d.parameters < 25000);
    d.struct_size--;
    assert_int_equal(attn_seq_model_describe(m, &d), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_model_describe(NULL, &d), ATTN_ERROR_ARGUMENT);
    attn_seq_model_close(m);
    attn_seq_model_close(NULL);
}

static void says_what_is_missing(void **state)
{
    (void)state;
    attn_seq_model *m;
    assert_int_equal(attn_seq_model_open(&m, MARIAN_FIXTURES "/untied"), ATTN_ERROR_FILE);
    assert_null(m);
    assert_non_null(strstr(attn_seq_error(), "/untied: no tokenizer: expected source.spm"));
    assert_int_equal(attn_seq_model_open(&m, NULL), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_model_open(NULL, "x"), ATTN_ERROR_ARGUMENT);
}

static void same_ids(const tokenizer *k, tokenizer_side side, const char *text, const json_t *expected)
{
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_encode(k, side, text, strlen(text), &ids, &count), ATTN_OK);
    assert_int_equal(count, json_array_size(expected));
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] != json_integer_value(json_array_get(expected, (size_t)i)))
            fail_msg("'%s', side %d: id %lld is %d", text, side, (long long)i, ids[i]);
    }
    free(ids);
}

static void same_text(const tokenizer *k, const json_t *ids, const char *expected)
{
    int32_t list[256];
    size_t count = json_array_size(ids);
    assert_true(count <= 256);
    for (size_t n = 0; n < count; n++) list[n] = (int32_t)json_integer_value(json_array_get(ids, n));
    char *text;
    assert_int_equal(tokenizer_decode(k, list, (int64_t)count, &text), ATTN_OK);
    assert_string_equal(text, expected);
    free(text);
}

/* tokens.json holds what MarianTokenizer makes of each text. */
static void tokenizes_as_marian_does(void **state)
{
    (void)state;
    static const char *const fixtures[] = {MARIAN_FIXTURES "/shared", MARIAN_FIXTURES "/separate"};
    for (int i = 0; i < 2; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/tokens.json", fixtures[i]);
        json_t *rows = json_load_file(path, 0, NULL), *row;
        tokenizer *k;
        size_t r;
        assert_non_null(rows);
        assert_int_equal(tokenizer_open(&k, fixtures[i]), ATTN_OK);
        json_array_foreach(rows, r, row)
        {
            const char *text = json_string_value(json_object_get(row, "text"));
            same_ids(k, TOKENIZER_SOURCE, text, json_object_get(row, "source"));
            same_ids(k, TOKENIZER_TARGET, text, json_object_get(row, "target"));
            same_text(k, json_object_get(row, "target"), json_string_value(json_object_get(row, "decoded")));
        }
        tokenizer_destroy(k);
        json_decref(rows);
    }
}

/* One caller: what it translated and scored, to be compared with what another got. */
typedef struct caller {
    const attn_seq_model *model;
    attn_status status;
    char text[3][400];
    double translated[3], scored[3];
} caller;

static void *call(void *argument)
{
    static const attn_seq_pair pairs[3] = {{{"The cat sees the moon.", 22}, {"Le chat voit la lune.", 21}},
                                           {{"A child", 7}, {"Un enfant", 9}},
                                           {{"My sister likes an apple!", 25}, {"Ma", 2}}};
    caller *c = argument;
    attn_seq_translate_options options;
    attn_seq_translate_options_init(&options);
    options.beam = 3;
    options.threads = 2;
    attn_seq_text lines[3];
    attn_seq_pair_score scores[3];
    attn_seq_translation *translations = NULL;
    for (int i = 0; i < 3; i++) lines[i] = pairs[i].source;
    c->status = attn_seq_translate(c->model, &options, lines, 3, &translations);
    if (c->status == ATTN_OK) c->status = attn_seq_score(c->model, pairs, 3, 2, scores);
    for (int i = 0; c->status == ATTN_OK && i < 3; i++) {
        snprintf(c->text[i], sizeof c->text[i], "%s", translations[i].hypotheses[0].text);
        c->translated[i] = translations[i].hypotheses[0].log_probability;
        c->scored[i] = scores[i].log_probability;
    }
    attn_seq_translations_free(translations, 3);
    return NULL;
}

/* The thread sanitizer watches this one. */
static void serves_several_threads_at_once(void **state)
{
    (void)state;
    attn_seq_model *m;
    assert_int_equal(attn_seq_model_open(&m, MARIAN_FIXTURES "/shared"), ATTN_OK);
    caller alone = {.model = m}, together[4];
    call(&alone);
    assert_int_equal(alone.status, ATTN_OK);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        together[i] = (caller){.model = m};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &together[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(together[i].status, ATTN_OK);
        for (int l = 0; l < 3; l++) {
            assert_string_equal(together[i].text[l], alone.text[l]);
            assert_true(together[i].translated[l] == alone.translated[l]);
            assert_true(together[i].scored[l] == alone.scored[l]);
        }
    }
    attn_seq_model_close(m);
}

/* Those of this process, 0 where that cannot be told. */
static int threads_alive(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; tasks && (d = readdir(tasks));) count += d->d_name[0] != '.';
    if (tasks) closedir(tasks);
    return count;
}

/* Of a small model, whose every step would wait for them. */
static void a_sentence_alone_wakes_no_thread(void **state)
{
    (void)state;
    attn_seq_model *m;
    assert_int_equal(attn_seq_model_open(&m, MARIAN_FIXTURES "/shared"), ATTN_OK);
    const int before = threads_alive(); /* oneDNN has some already where this library was built without OpenMP */
    attn_seq_translate_options o;
    attn_seq_translate_options_init(&o);
    o.threads = 4;
    const attn_seq_text line = {"a b c a b c", 11};
    attn_seq_translation *translation;
    assert_int_equal(attn_seq_translate(m, &o, &line, 1, &translation), ATTN_OK);
    attn_seq_translations_free(translation, 1);
    attn_seq_model_close(m);
    assert_int_equal(threads_alive(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_alone_wakes_no_thread), /* the first: later ones leave threads behind */
        cmocka_unit_test(opens_and_describes),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(tokenizes_as_marian_does),
        cmocka_unit_test(serves_several_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
