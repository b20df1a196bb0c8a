/* A model's directory with something else in it where a file should be: refused by its name, not waited for; and one
 * whose weights are there in a form that is not read. */
#include "../scratch.h"

#include "attn/seq.h"

#include <sys/stat.h>

static void refused(const char *from, const char *file, bool is_pipe)
{
    attn_seq_model *model;
    char command[512], path[256], words[300];
    snprintf(command, sizeof command, "rm -rf %s/m && cp -r %s %s/m", scratch_directory, from, scratch_directory);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/m/%s", scratch_directory, file);
    assert_int_equal(remove(path), 0);
    assert_int_equal(is_pipe ? mkfifo(path, 0600) : mkdir(path, 0700), 0);
    const attn_status s = attn_seq_model_open(&model, scratch_path("m"));
    snprintf(words, sizeof words, "%s: %s, expected a file", path, is_pipe ? "a pipe or a device" : "a directory");
    assert_string_equal(attn_seq_error(), words);
    assert_int_equal(s, ATTN_ERROR_FILE);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    static const char *const marian[] = {
        "config.json", "generation_config.json", "model.safetensors", "source.spm", "target.spm", "vocab.json"};
    for (int pipe = 0; pipe < 2; pipe++)
        for (size_t i = 0; i < sizeof marian / sizeof *marian; i++) refused(FIXTURES "/marian/shared", marian[i], pipe);
}

/* With the model's own tokenizer, and what says how pictures are prepared. */
static void of_classifiers_too(void **state)
{
    (void)state;
    char command[1024];
    const char *tokenizers[][2] = {{"wordpiece", "tokenizer.json"}, {"vocab_txt", "vocab.txt"}};
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command,
                 "rm -rf %s/bert && cp -r " FIXTURES "/bert/labels %s/bert && cp " FIXTURES "/tokenizers/%s/* %s/bert",
                 scratch_directory, scratch_directory, tokenizers[i][0], scratch_directory);
        assert_int_equal(system(command), 0);
        refused(scratch_path("bert"), tokenizers[i][1], true);
    }
    refused(FIXTURES "/vit/colour", "preprocessor_config.json", true);
}

/* As transformers wrote weights once, and writes large ones. */
static void other_forms_are_told_from_none(void **state)
{
    (void)state;
    static const char *const forms[][2] = {{"pytorch_model.bin", "m/pytorch_model.bin: a pickle, "},
                                           {"model.safetensors.index.json", "index.json: weights in several files, "}};
    static const char *const models[] = {FIXTURES "/marian/shared", FIXTURES "/ast/apart"};
    for (int i = 0; i < 4; i++) {
        attn_seq_model *model;
        char command[512];
        snprintf(command, sizeof command, "cd %s && rm -rf m && cp -r %s m && mv m/model.safetensors m/%s",
                 scratch_directory, models[i / 2], forms[i % 2][0]);
        assert_int_equal(system(command), 0);
        assert_int_equal(attn_seq_model_open(&model, scratch_path("m")), ATTN_ERROR_UNSUPPORTED);
        if (!strstr(attn_seq_error(), forms[i % 2][1])) fail_msg("%s", attn_seq_error());
        assert_int_equal(remove(scratch_path(i % 2 ? "m/model.safetensors.index.json" : "m/pytorch_model.bin")), 0);
        assert_int_equal(attn_seq_model_open(&model, scratch_path("m")), ATTN_ERROR_FILE);
        assert_non_null(strstr(attn_seq_error(), "m/model.safetensors: cannot read: No such file"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(of_classifiers_too),
        cmocka_unit_test(other_forms_are_told_from_none),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
