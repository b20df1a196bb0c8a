#include "training_run.h"

#include <math.h>

static void translates(const char *model_directory, const char *source, const char *target)
{
    attn_seq_model *model;
    attn_seq_translation *t;
    attn_seq_translate_options how;
    attn_seq_translate_options_init(&how);
    how.alignment = how.attention = true;
    const attn_seq_text line = {source, strlen(source)};
    assert_int_equal(attn_seq_model_open(&model, model_directory), ATTN_OK);
    assert_int_equal(attn_seq_translate(model, &how, &line, 1, &t), ATTN_OK);
    assert_string_equal(t[0].hypotheses[0].text, target);
    assert_non_null(t[0].hypotheses[0].alignment);
    attn_seq_translations_free(t, 1);
    attn_seq_model_close(model);
}

static void learns_what_can_be_learnt(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("learnt", &w);
    o.steps = 300;
    o.valid_every = 150;
    o.average = 0.9;
    o.dropout = 0;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_int_equal(w.validations, 2);
    assert_true(w.last.valid_loss < 0.3);
    assert_int_equal(w.last.step, 300);
    assert_non_null(strstr(w.notices, "pairs.tsv: 64 sentence pairs"));

    translates(o.model, "three seven", "trois sept");
}

/* BLEU counts four words in a row: of lines of two it is 0 when they are right. */
static void the_best_for_short_lines_has_the_least_loss(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("short", &w);
    o.steps = 120;
    o.valid_every = 20;
    o.average = 0.9;
    o.dropout = o.label_smoothing = 0;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_true(w.last.valid_scores[0].value == 0);
    assert_true(w.last.best);
}

/* ROUGE's words are of Latin letters and digits. */
static void the_best_of_another_script_has_the_least_loss(void **state)
{
    (void)state;
    watcher w = {0};
    FILE *f = fopen(scratch_path("greek.tsv"), "w");
    for (int i = 0; i < 32; i++)
        fprintf(f, "%s %s\t%s\n", i % 2 ? "one" : "two", "words", i % 2 ? "\u03ad\u03bd\u03b1" : "\u03b4\u03cd\u03bf");
    fclose(f);
    attn_seq_train_options o = tiny("greek", &w);
    o.train = o.valid = scratch_path("greek.tsv");
    o.vocabulary = 40;
    assert_int_equal(attn_seq_train_summarizer(&o), ATTN_OK);
    assert_true(w.last.valid_scores[0].value == 0);
    assert_true(w.last.best);
}

/* Every arch with every attention that it takes, some of them fed. */
static void recurrent_networks_learn(void **state)
{
    (void)state;
    for (int64_t arch = ATTN_SEQ_ARCH_LSTM; arch <= ATTN_SEQ_ARCH_RNN; arch++)
        for (int64_t attention = ATTN_SEQ_ATTEND_ADDITIVE; attention <= ATTN_SEQ_ATTEND_CONCAT; attention++) {
            watcher w = {0};
            attn_seq_train_options o = tiny("recurrent", &w);
            o.start = ATTN_SEQ_TRAIN_REPLACE;
            o.arch = arch;
            o.heads = o.ffn = -1;
            o.attention = attention;
            o.feeding = attention >= ATTN_SEQ_ATTEND_DOT && arch != ATTN_SEQ_ARCH_LSTM;
            o.embedding = 20;
            o.steps = 150;
            o.valid_every = 150;
            o.average = 0.9;
            o.dropout = 0;
            assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
            if (!(w.last.valid_loss < 0.5))
                fail_msg("arch %d, attention %d: loss %g", (int)arch, (int)attention, w.last.valid_loss);
            translates(o.model, "three seven", "trois sept");
        }
}

static long file_size(const char *path)
{
    size_t size;
    free(read_file(path, &size));
    return (long)size;
}

/* In bytes from the first, and of a run that is over when it is resumed with another format. */
static void recurrent_networks_are_kept_in_int8(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("bytes", &w);
    o.arch = ATTN_SEQ_ARCH_GRU;
    o.heads = o.ffn = -1;
    o.steps = 150;
    o.valid_every = 150;
    o.average = 0.9;
    o.dropout = 0;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    const long floats = file_size(scratch_path("bytes/model.safetensors"));

    w.notices[0] = '\0';
    o = resumed("bytes", &w);
    o.format = ATTN_SEQ_WEIGHTS_INT8;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_non_null(strstr(w.notices, "written again in the other format"));
    assert_true(file_size(scratch_path("bytes/model.safetensors")) < floats / 2);
    translates(scratch_path("bytes"), "three seven", "trois sept");

    w.notices[0] = '\0';
    o = resumed("bytes", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_null(strstr(w.notices, "written again"));
    o = resumed("bytes", &w);
    o.steps = 152;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_true(file_size(scratch_path("bytes/model.safetensors")) < floats / 2);
}

static void transformers_are_not_kept_in_int8(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("refused", &w);
    o.format = ATTN_SEQ_WEIGHTS_INT8;
    refused(&o, ATTN_ERROR_ARGUMENT, "format = 2, of recurrent networks alone");
    assert_int_not_equal(access(scratch_path("refused"), F_OK), 0);
}

static void ends_when_validations_get_no_better(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("patient", &w);
    o.rate = 0; /* nothing changes */
    o.steps = 1000;
    o.valid_every = 2;
    o.patience = 3;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_true(w.last.step < 50);
    assert_non_null(strstr(w.notices, "no longer get better"));
}

static void the_clock_ends_a_run(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("clock", &w);
    o.steps = -1;
    o.minutes = 0.01;
    o.valid_every = 1000000;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_true(w.last.step > 0);
    assert_int_equal(w.validations, 1);
    assert_true(w.last.seconds >= 0.6);
}

static void trains_without_validation_from_aligned_files(void **state)
{
    (void)state;
    watcher w = {0};
    FILE *source = fopen(scratch_path("a.en"), "w"), *target = fopen(scratch_path("a.fr"), "w");
    for (int i = 0; i < 20; i++) {
        fprintf(source, "cat %c\n", 'a' + i);
        fprintf(target, "chat %c\n", 'a' + i);
    }
    fclose(source);
    fclose(target);
    attn_seq_train_options o = tiny("aligned", &w);
    o.train = scratch_path("a.en");
    o.train_target = scratch_path("a.fr");
    o.valid = NULL;
    o.steps = 3;
    o.format = ATTN_SEQ_WEIGHTS_BF16;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_true(isnan(w.last.valid_scores[0].value));
    attn_seq_model *model;
    assert_int_equal(attn_seq_model_open(&model, o.model), ATTN_OK);
    attn_seq_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_what_can_be_learnt),
        cmocka_unit_test(the_best_for_short_lines_has_the_least_loss),
        cmocka_unit_test(the_best_of_another_script_has_the_least_loss),
        cmocka_unit_test(recurrent_networks_learn),
        cmocka_unit_test(recurrent_networks_are_kept_in_int8),
        cmocka_unit_test(transformers_are_not_kept_in_int8),
        cmocka_unit_test(ends_when_validations_get_no_better),
        cmocka_unit_test(the_clock_ends_a_run),
        cmocka_unit_test(trains_without_validation_from_aligned_files),
    };
    return cmocka_run_group_tests(tests, create, scratch_remove);
}
