/* Every kind of tokenizer against what transformers makes of odd texts (tests/fixtures/make_tokenizers.py), trained
 * ones, and files that are not what they should be. */
#include "../scratch.h"

#include "base/status.h"
#include "input/token_pipeline.h"
#include "input/tokenizer.h"

#include <jansson.h>

static const char *const fixtures[] = {"wordpiece", "wordpiece_cased", "byte_level",      "byte_level_spaced",
                                       "unigram",   "vocab_txt",       "vocab_txt_cased", "merges_txt"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

static tokenizer *open_tokenizer(const char *directory)
{
    tokenizer *k;
    if (tokenizer_open(&k, directory) != ATTN_OK) fail_msg("%s", status_message());
    return k;
}

static void same_tokens(const tokenizer *k, const char *fixture, const json_t *row)
{
    const json_t *text = json_object_get(row, "text"), *expected = json_object_get(row, "ids");
    const char *shown = json_string_value(text);
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, shown, json_string_length(text), &ids, &count), ATTN_OK);
    bool same = (size_t)count == json_array_size(expected);
    for (int64_t i = 0; same && i < count; i++)
        same = ids[i] == (int32_t)json_integer_value(json_array_get(expected, (size_t)i));
    if (!same) fail_msg("%s: other ids of \"%s\"", fixture, shown);
    char *decoded;
    assert_int_equal(tokenizer_decode(k, ids, count, &decoded), ATTN_OK);
    const char *wanted = json_string_value(json_object_get(row, "decoded"));
    if (strcmp(decoded, wanted) != 0) fail_msg("%s: \"%s\", expected \"%s\"", fixture, decoded, wanted);
    free(decoded);
    free(ids);
}

static void tokenizes_as_transformers_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", TOKENIZER_FIXTURES, fixtures[i]);
        tokenizer *k = open_tokenizer(path);
        snprintf(path, sizeof path, "%s/%s/tokens.json", TOKENIZER_FIXTURES, fixtures[i]);
        json_t *rows = json_load_file(path, JSON_ALLOW_NUL, NULL), *row;
        size_t r;
        assert_true(json_array_size(rows) > 50);
        json_array_foreach(rows, r, row) same_tokens(k, fixtures[i], row);
        json_decref(rows);
        tokenizer_destroy(k);
    }
}

static void shows_pieces_as_people_read_them(void **state)
{
    (void)state;
    tokenizer *k = open_tokenizer(TOKENIZER_FIXTURES "/byte_level");
    const char *text = "A the é";
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, text, strlen(text), &ids, &count), ATTN_OK);
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, ids[0]), "<s>");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, ids[1]), "A");
    assert_string_equal(tokenizer_piece(k, TOKENIZER_SOURCE, ids[2]), "▁the");
    assert_true(tokenizer_is_special(k, TOKENIZER_SOURCE, ids[0]));
    assert_false(tokenizer_is_special(k, TOKENIZER_SOURCE, ids[1]));
    assert_int_equal(tokenizer_find(k, TOKENIZER_SOURCE, "<pad>"), 1);
    assert_int_equal(tokenizer_find(k, TOKENIZER_SOURCE, "no such piece"), -1);
    free(ids);
    tokenizer_destroy(k);
}

static void shortens_before_the_end(void **state)
{
    (void)state;
    tokenizer *k = open_tokenizer(TOKENIZER_FIXTURES "/wordpiece");
    const char *text = "the moon the moon the moon";
    int32_t *ids;
    int64_t count;
    assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, text, strlen(text), &ids, &count), ATTN_OK);
    const int32_t third = ids[2];
    assert_int_equal(tokenizer_shorten(k, ids, count, count), count);
    assert_int_equal(tokenizer_shorten(k, ids, count, 4), 4);
    assert_int_equal(ids[2], third);
    assert_int_equal(ids[3], 3); /* [SEP] */
    assert_int_equal(tokenizer_shorten(k, ids, 4, 1), 1);
    free(ids);
    tokenizer_destroy(k);
}

#define LINES 600

static void trained_ones_are_read_again(void **state)
{
    (void)state;
    static const char *const words[] = {"the", "cat", "sees", "a", "dog", "Élève", "Regarde", "猫"};
    static char text[LINES][64];
    static const char *lines[LINES];
    for (int i = 0; i < LINES; i++) {
        snprintf(text[i], sizeof text[i], "%s  %s\t%s.", words[i % 8], words[i / 8 % 8], words[i / 64 % 8]);
        lines[i] = text[i];
    }
    for (int style = TOKENIZER_BERT; style <= TOKENIZER_BART; style++) {
        const bool bert = style == TOKENIZER_BERT;
        assert_int_equal(tokenizer_train_style((tokenizer_style)style, lines, LINES, 50, 1, scratch_directory),
                         ATTN_OK);
        tokenizer *k = open_tokenizer(scratch_directory);
        int32_t *ids;
        int64_t count;
        const char *line = "the  Élève sees\u3000猫.";
        assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, line, strlen(line), &ids, &count), ATTN_OK);
        assert_int_equal(ids[0], bert ? 2 : 0);
        assert_int_equal(ids[count - 1], bert ? 3 : 2);
        assert_int_equal(tokenizer_unk_id(k), bert ? 1 : 3);
        assert_int_equal(tokenizer_find(k, TOKENIZER_SOURCE, bert ? "[PAD]" : "<pad>"), bert ? 0 : 1);
        assert_true(tokenizer_vocabulary(k, TOKENIZER_SOURCE) <= 50);
        char *back;
        assert_int_equal(tokenizer_decode(k, ids, count, &back), ATTN_OK);
        assert_string_equal(back, "the Élève sees 猫.");
        free(back);
        free(ids);
        tokenizer_destroy(k);
    }
}

/* Of a run that was killed, say: it would be taken for the new one. */
static void another_kind_does_not_stay(void **state)
{
    (void)state;
    static const char *const lines[] = {"the cat sees a dog", "a dog sees the cat"};
    tokenizer *k;
    assert_int_equal(tokenizer_train(lines, 2, 20, 1, scratch_directory), ATTN_OK);
    scratch_write("vocab.txt", "[UNK]\n", 6);
    assert_int_equal(tokenizer_train_style(TOKENIZER_BERT, lines, 2, 30, 1, scratch_directory), ATTN_OK);
    k = open_tokenizer(scratch_directory);
    assert_int_equal(tokenizer_find(k, TOKENIZER_SOURCE, "[PAD]"), 0);
    tokenizer_destroy(k);
    assert_int_equal(access(scratch_path("vocab.txt"), F_OK), -1);
    assert_int_equal(tokenizer_train(lines, 2, 20, 1, scratch_directory), ATTN_OK);
    assert_int_equal(access(scratch_path("tokenizer.json"), F_OK), -1);
    remove(scratch_path("source.spm"));
}

/* Each line is longer than SentencePiece takes, one of them without a space, and has something at its end alone. */
static void long_lines_are_learnt_whole(void **state)
{
    (void)state;
    enum { WORDS = 2000, LETTERS = 3000 };
    static char spaced[4 * WORDS + 8], joined[3 * LETTERS + 8];
    for (int i = 0; i < WORDS; i++) memcpy(spaced + 4 * i, i % 2 ? "the " : "cat ", 4);
    for (int i = 0; i < LETTERS; i++) memcpy(joined + 3 * i, i % 2 ? "猫" : "看", 3);
    strcpy(spaced + 4 * WORDS, "ж");
    strcpy(joined + 3 * LETTERS, "月");
    const char *const lines[] = {spaced, "", joined};
    for (int style = TOKENIZER_BERT; style <= TOKENIZER_BART; style++) {
        if (tokenizer_train_style((tokenizer_style)style, lines, 3, 50, 1, scratch_directory) != ATTN_OK)
            fail_msg("%s", status_message());
        tokenizer *k = open_tokenizer(scratch_directory);
        int32_t *ids;
        int64_t count;
        const char *line = "the ж 看猫月 cat";
        assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, line, strlen(line), &ids, &count), ATTN_OK);
        for (int64_t i = 0; i < count; i++) assert_int_not_equal(ids[i], tokenizer_unk_id(k));
        char *back;
        assert_int_equal(tokenizer_decode(k, ids, count, &back), ATTN_OK);
        assert_string_equal(back, line);
        assert_int_equal(tokenizer_find(k, TOKENIZER_SOURCE, "\ufffd"), -1); /* as of characters that were cut */
        free(back);
        free(ids);
        tokenizer_destroy(k);
    }
}

static void wrong_files_are_named(void **state)
{
    (void)state;
#define VOCAB "\"vocab\": [[\"<unk>\", 0], [\"a\", -1]]"
    static const struct {
        const char *json;
        attn_status status;
        const char *words;
    } bad[] = {
        {"{}", ATTN_ERROR_UNSUPPORTED, "t.json: model: type is missing, expected one of Unigram, WordPiece, BPE"},
        {"{\"model\": {\"type\": \"WordLevel\"}}", ATTN_ERROR_UNSUPPORTED, "type is \"WordLevel\""},
        {"{\"model\": {\"type\": \"Unigram\"}}", ATTN_ERROR_FORMAT, "vocab has 0 pieces"},
        {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 2, " VOCAB "}}", ATTN_ERROR_FORMAT, "unk_id is 2, expected"},
        {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\", 0], [\"a\", 1]]}}", ATTN_ERROR_FORMAT,
         "piece \"a\" stands there twice"},
        {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\", \"0\"]]}}", ATTN_ERROR_FORMAT,
         "expected a piece and its score"},
        {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, " VOCAB "}}",
         ATTN_ERROR_UNSUPPORTED, "byte_fallback is true"},
        {"{\"normalizer\": {\"type\": \"Precompiled\"}}", ATTN_ERROR_UNSUPPORTED,
         "normalizer: type is \"Precompiled\""},
        {"{\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a\"}, \"content\": \"\"}}",
         ATTN_ERROR_UNSUPPORTED, "pattern is {\"Regex\":\"a\"}"},
        {"{\"pre_tokenizer\": {\"type\": \"Split\"}}", ATTN_ERROR_UNSUPPORTED, "pre_tokenizer: type is \"Split\""},
        {"{\"pre_tokenizer\": {\"type\": \"Metaspace\"}}", ATTN_ERROR_FORMAT, "replacement is missing"},
        {"{\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\"]}}", ATTN_ERROR_FORMAT, "cls is [\"a\"]"},
        {"{\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"x\"}}]}}",
         ATTN_ERROR_FORMAT, "special_tokens is missing"},
        {"{\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 7], \"sep\": [\"a\", 1]}, \"model\": "
         "{\"type\": \"Unigram\", \"unk_id\": 0, " VOCAB "}}",
         ATTN_ERROR_FORMAT, "id 7, expected less than 2"},
        {"{\"added_tokens\": [{\"id\": -1, \"content\": \"a\"}]}", ATTN_ERROR_FORMAT, "added_tokens: id is -1"},
        {"{\"added_tokens\": 1}", ATTN_ERROR_FORMAT, "added_tokens is 1, expected an array"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}, \"unk_token\": \"b\"}}", ATTN_ERROR_FORMAT,
         "unk_token is \"b\", expected a piece of the vocabulary"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": -3}, \"unk_token\": \"a\"}}", ATTN_ERROR_FORMAT,
         "a is -3"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}", ATTN_ERROR_UNSUPPORTED,
         "BPE without the pre_tokenizer ByteLevel"},
        {"{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, "
         "\"merges\": [\"a a\"]}}",
         ATTN_ERROR_FORMAT, "merge 1: piece \"aa\" is not in the vocabulary"},
        {"{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, "
         "\"merges\": [\"a a a\"]}}",
         ATTN_ERROR_FORMAT, "merges is \"a a a\", expected two pieces"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        token_pipeline *p;
        const attn_status status = token_pipeline_parse(&p, bad[i].json, strlen(bad[i].json), "t.json");
        if (status != bad[i].status || !strstr(status_message(), bad[i].words))
            fail_msg("%s: %s\nis not: %s", bad[i].json, status == ATTN_OK ? "read" : status_message(), bad[i].words);
    }
}

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

static void wrong_lists_are_named(void **state)
{
    (void)state;
    tokenizer *k;
    unlink(scratch_path("tokenizer.json"));
    unlink(scratch_path("tokenizer_config.json"));
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "expected source.spm, tokenizer.json, vocab.txt or merges.txt"));
    write_text("merges.txt", "a b c\n");
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "vocab.json"));
    write_text("vocab.json", "{\"<s>\": 0, \"</s>\": 1, \"a\": 2}");
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "merges.txt:1: expected two pieces"));
    write_text("vocab.txt", "[CLS]\n[SEP]\na\n");
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "vocab.txt: piece \"[UNK]\" is missing"));
    write_text("vocab.txt", "[CLS]\n[SEP]\n[UNK]\n[CLS]\n");
    assert_int_equal(tokenizer_open(&k, scratch_directory), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "piece \"[CLS]\" stands there twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizes_as_transformers_does), cmocka_unit_test(shows_pieces_as_people_read_them),
        cmocka_unit_test(shortens_before_the_end),        cmocka_unit_test(trained_ones_are_read_again),
        cmocka_unit_test(another_kind_does_not_stay),     cmocka_unit_test(long_lines_are_learnt_whole),
        cmocka_unit_test(wrong_files_are_named),          cmocka_unit_test(wrong_lists_are_named),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
