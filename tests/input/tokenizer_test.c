#include "../scratch.h"

#include "base/status.h"
#include "input/pieces.h"
#include "input/tokenizer.h"
#include "input/vocabulary.h"

/* Lines enough for a tiny model: every ordered choice of three words, with accents and another script. */
static const char *const words[] = {"the",     "cat", "sees", "a",  "dog",   "élève",
                                    "regarde", "猫",  "ça",   "où", "naïve", "run"};
#define WORDS 12
#define LINES (WORDS * WORDS * WORDS)

static int train(void **state)
{
    static char text[LINES][64];
    static const char *lines[LINES];
    if (scratch_create(state)) return -1;
    for (int i = 0; i < LINES; i++) {
        snprintf(text[i], sizeof text[i], "%s %s %s.", words[i % WORDS], words[i / WORDS % WORDS],
                 words[i / WORDS / WORDS]);
        lines[i] = text[i];
    }
    return tokenizer_train(lines, LINES, 60, 1, scratch_directory) == ATTN_OK ? 0 : -1;
}

static void round_trips_what_it_was_trained_on(void **state)
{
    (void)state;
    tokenizer *k;
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_OK);
    const char *text = "the élève sees où 猫.";
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, text, strlen(text), &ids, &count), ATTN_OK);
    assert_true(count > 3);
    assert_int_equal(ids[count - 1], 0);
    char *back;
    assert_int_equal(tokenizer_decode(k, ids, count, &back), ATTN_OK);
    assert_string_equal(back, text);
    free(back);
    free(ids);
    tokenizer_destroy(k);
}

static void numbers_pieces_as_marian_does(void **state)
{
    (void)state;
    tokenizer *k;
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_OK);
    int64_t size = tokenizer_vocabulary(k, TOKENIZER_TARGET);
    assert_true(size <= 60);
    assert_int_equal(size, tokenizer_vocabulary(k, TOKENIZER_SOURCE));
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, 0), "</s>");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, 1), "<unk>");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, (int32_t)size - 1), "<pad>");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, (int32_t)size), "<unk>");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, -1), "<unk>");
    assert_int_equal(tokenizer_unk_id(k), 1);
    tokenizer_destroy(k);
}

static void odd_text_gets_an_answer(void **state)
{
    (void)state;
    tokenizer *k;
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_OK);
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, "", 0, &ids, &count), ATTN_OK);
    assert_int_equal(count, 1);
    free(ids);
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, "☃", 3, &ids, &count), ATTN_OK);
    assert_int_equal(ids[count - 2], 1);
    free(ids);
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, "\xc3", 1, &ids, &count), ATTN_ERROR_FORMAT);
    /* An unknown language code is one unknown piece. */
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, ">>fra<<", 7, &ids, &count), ATTN_OK);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 1);
    free(ids);
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, ">><<", 4, &ids, &count), ATTN_OK);
    assert_true(count > 2);
    free(ids);
    char *text;
    const int32_t odd[] = {-5, 1 << 30, 0, 1};
    assert_int_equal(tokenizer_decode(k, odd, 4, &text), ATTN_OK);
    assert_string_equal(text, "");
    free(text);
    tokenizer_destroy(k);
}

static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

/* Cut anywhere, or with any byte changed, a model is refused or harmless; never a crash. */
static void damaged_models_do_no_harm(void **state)
{
    (void)state;
    size_t size;
    unsigned char *model = read_file(scratch_path("source.spm"), &size);
    pieces *p;
    for (size_t cut = 0; cut < size; cut += 1 + size / 200) {
        if (pieces_parse(&p, model, cut, "cut.spm") == ATTN_OK)
            pieces_destroy(p);
        else
            assert_non_null(strstr(status_message(), "cut.spm"));
    }
    for (size_t at = 0; at < size; at += 1 + size / 300) {
        model[at] ^= 0xff;
        if (pieces_parse(&p, model, size, "changed.spm") == ATTN_OK) {
            char *text;
            const char *const list[] = {"the", "cat"};
            if (pieces_join(p, list, 2, &text) == ATTN_OK) free(text);
            pieces_destroy(p);
        }
        model[at] ^= 0xff;
    }
    free(model);
}

static void vocabularies_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } bad[] = {
        {"{\"a\": 0, \"b\": 0}", "same id"},
        {"{\"a\": -1}", "v.json: a is "},
        {"{\"a\": 1.5}", "v.json: a is "},
        {"{\"a\": 99999999999}", "v.json: a is "},
        {"{}", "empty"},
        {"[1]", "v.json"},
        {"{\"a\": 0, \"a\": 1}", "v.json"},
        {"{\"a\": 0", "v.json"},
        {"{\"a\": \"0\"}", "v.json: a is "},
    };
    vocabulary *v;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(vocabulary_parse(&v, bad[i].json, strlen(bad[i].json), "v.json"), ATTN_ERROR_FORMAT);
        assert_non_null(strstr(status_message(), bad[i].message));
    }
    const char *good = "{\"\": 3, \"é\": 0, \"a b\": 7}";
    assert_int_equal(vocabulary_parse(&v, good, strlen(good), "v.json"), ATTN_OK);
    assert_int_equal(vocabulary_size(v), 8);
    assert_int_equal(vocabulary_find(v, "", 0), 3);
    assert_int_equal(vocabulary_find(v, "é", 2), 0);
    assert_int_equal(vocabulary_find(v, "a", 1), -1);
    assert_null(vocabulary_piece(v, 5));
    vocabulary_destroy(v);
}

static void a_missing_special_piece_is_named(void **state)
{
    (void)state;
    tokenizer *k;
    char *json;
    size_t size;
    json = read_file(scratch_path("vocab.json"), &size);
    scratch_write("vocab.json", "{\"a\": 0}", 8);
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "vocab.json"));
    assert_non_null(strstr(status_message(), "</s>"));
    scratch_write("vocab.json", json, size);
    free(json);
    assert_int_equal(tokenizer_open(&k, "/nonexistent"), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "/nonexistent: no tokenizer: expected source.spm"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_what_it_was_trained_on),
        cmocka_unit_test(numbers_pieces_as_marian_does),
        cmocka_unit_test(odd_text_gets_an_answer),
        cmocka_unit_test(damaged_models_do_no_harm),
        cmocka_unit_test(vocabularies_are_checked),
        cmocka_unit_test(a_missing_special_piece_is_named),
    };
    return cmocka_run_group_tests(tests, train, scratch_remove);
}
