/* Classifiers learn, are resumed and fine-tuned. */
#include "examples_to_learn.h"
#include "watched_run.h"

#include "base/utf8.h"
#include "model/classifier.h"

#include <math.h>

static attn_seq_train_options tiny(const char *train, const char *model, watcher *w)
{
    attn_seq_train_options o = watched(model, w);
    o.train = scratch_path(train);
    if (strstr(train, ".tsv")) o.vocabulary = 40;
    o.width = 16;
    o.heads = 2;
    o.layers = 1;
    o.ffn = 32;
    o.batch = 16;
    o.rate = 0.01;
    o.warmup = 10;
    o.steps = 60;
    o.folds = 5;
    o.average = 0.9;
    o.patience = 0;
    o.threads = 1;
    return o;
}

/* Learns it, and what was saved answers as the model that was validated. */
static void learns(const char *train, const char *model, classifier_family family, const char *told)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(train, model, &w);
    o.steps = 250;
    o.augment = 0.3;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_non_null(strstr(w.notices, told));
    assert_string_equal(w.last.valid_scores[0].name, "accuracy");
    assert_string_equal(w.last.valid_scores[1].name, "macro-F1");
    if (!(w.last.valid_scores[0].value > 85))
        fail_msg("%s: accuracy %g, loss %g", train, w.last.valid_scores[0].value, w.last.loss);
    assert_true(w.last.valid_scores[1].value > 80);
    classifier *m;
    assert_int_equal(classifier_open(&m, scratch_path(model), false), ATTN_OK);
    assert_int_equal(m->config.family, family);
    assert_int_equal(m->config.label_count, 2);
    classifier_destroy(m);
}

/* All that there is to learn from, which attn_seq_classify answers for. */
static void evaluates(const char *model_directory, const char *examples, int64_t count)
{
    attn_seq_model *model;
    attn_seq_evaluation e = {.struct_size = sizeof e};
    assert_int_equal(attn_seq_model_open(&model, scratch_path(model_directory)), ATTN_OK);
    if (attn_seq_classifier_evaluate(model, scratch_path(examples), NULL, 1, &e) != ATTN_OK)
        fail_msg("%s", attn_seq_error());
    assert_int_equal(e.count, count);
    assert_int_equal(e.label_count, 2);
    int64_t right = e.confusion[0] + e.confusion[3], all = right + e.confusion[1] + e.confusion[2];
    assert_int_equal(all, count);
    assert_float_equal(e.accuracy, 100.0 * (double)right / (double)all, 1e-9);
    assert_true(e.accuracy > 85 && e.macro_f1 > 80 && e.loss < 0.6);
    attn_seq_evaluation_clear(&e);
    assert_null(e.confusion);
    assert_int_equal(attn_seq_classifier_evaluate(model, scratch_path("absent"), NULL, 1, &e), ATTN_ERROR_FILE);
    attn_seq_model_close(model);
}

static void learns_texts(void **state)
{
    (void)state;
    learns("texts.tsv", "text-model", CLASSIFIER_BERT, "80 texts2 labels: bad (40), good (40)16 of the");
    assert_int_equal(access(scratch_path("text-model/tokenizer.json"), F_OK), 0);
    evaluates("text-model", "texts.tsv", 80);
}

static void learns_images(void **state)
{
    (void)state;
    learns("images-idx3-ubyte", "image-model", CLASSIFIER_VIT, "64 images2 labels: 0 (32), 1 (32)13 of the");
    assert_int_equal(access(scratch_path("image-model/preprocessor_config.json"), F_OK), 0);
    evaluates("image-model", "images-idx3-ubyte", 64);
}

static void learns_recordings(void **state)
{
    (void)state;
    learns("tones", "audio-model", CLASSIFIER_AST, "40 recordings2 labels: high (20), low (20)8 of the");
    evaluates("audio-model", "tones", 40);
}

static void assert_same_model(const char *left, const char *right)
{
    char command[300];
    snprintf(command, sizeof command, "cd %s && cmp %s/model.safetensors %s/model.safetensors", scratch_directory, left,
             right);
    assert_int_equal(system(command), 0);
}

/* A run that is stopped in the middle of an epoch and gone on with gives the model that it gave unbroken. */
static void broken_gives_the_same(attn_seq_train_options o, const char *whole, const char *broken, watcher *w)
{
    o.model = scratch_path(broken);
    w->stop_at = 5;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_INTERRUPTED);
    attn_seq_train_options again = resumed(broken, w);
    w->stop_at = 0;
    if (attn_seq_train_classifier(&again) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_same_model(whole, broken);
}

/* The bits of an unbroken run, augmentation and all. */
static void resumes_to_the_bit(const char *train, const char *whole, const char *broken)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(train, whole, &w);
    o.steps = 12;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    broken_gives_the_same(o, whole, broken, &w);
}

static void resumes_every_kind_to_the_bit(void **state)
{
    (void)state;
    resumes_to_the_bit("texts.tsv", "text-whole", "text-broken");
    resumes_to_the_bit("images-idx3-ubyte", "image-whole", "image-broken");
    resumes_to_the_bit("tones", "audio-whole", "audio-broken");
}

/* Of a model that the tests above have left, without its sizes. */
static attn_seq_train_options tuned(const char *train, const char *from, const char *model, watcher *w)
{
    attn_seq_train_options o = tiny(train, model, w);
    o.from = scratch_path(from);
    o.width = o.heads = o.layers = o.ffn = o.vocabulary = -1;
    return o;
}

/* One step, and then a run that is stopped and goes on. */
static void fine_tunes(const char *train, const char *from, const char *whole, const char *broken)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(train, whole, &w);
    o.steps = 1;
    o.augment = 0;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    const double from_nothing = w.last.loss;
    o = tuned(train, from, whole, &w);
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    o.steps = 1;
    o.augment = 0;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    if (!(w.last.loss < 0.8 * from_nothing)) fail_msg("%s: loss %g, from nothing %g", train, w.last.loss, from_nothing);
    o.steps = 8;
    o.augment = 1;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    broken_gives_the_same(o, whole, broken, &w);
}

static void fine_tunes_every_kind(void **state)
{
    (void)state;
    fine_tunes("texts.tsv", "text-model", "text-tuned", "text-tuned-broken");
    fine_tunes("images-idx3-ubyte", "image-model", "image-tuned", "image-tuned-broken");
    fine_tunes("tones", "audio-model", "audio-tuned", "audio-tuned-broken");
    fine_tunes("fast-tones", "audio-model", "fast-tuned", "fast-tuned-broken");
}

static void fine_tunes_only_what_fits(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tuned("images-idx3-ubyte", "image-model", "never", &w);
    o.image_size = 16;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "image_size = 16, but the model of "));
    o = tuned("tones", "image-model", "never", &w);
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "image-model, a model of images, but the examples are recordings"));
    assert_int_equal(access(scratch_path("never"), F_OK), -1);
}

static void any_number_of_threads_gives_the_same_batches(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("images-idx3-ubyte", "threads-1", &w);
    o.steps = 6;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    double loss = w.last.loss;
    o.model = scratch_path("threads-3");
    o.threads = 3;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    assert_float_equal(w.last.loss, loss, 1e-4);
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("texts.tsv", "refused", &w);
    o.task = ATTN_SEQ_TASK_TRANSLATE;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    o = tiny("texts.tsv", "refused", &w);
    o.fold = 5;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "fold = 5, expected less than folds = 5"));
    o = tiny("images-idx3-ubyte", "refused", &w);
    o.image_size = 8;
    o.patch = 3;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "patch = 3 does not divide image_size = 8"));
    o = tiny("images-idx3-ubyte", "refused", &w);
    o.train = NULL;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "train is NULL, expected labelled examples"));
    FILE *f = fopen(scratch_path("one.tsv"), "w");
    fputs("a\tb\na\tc\n", f);
    fclose(f);
    o = tiny("one.tsv", "refused", &w);
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "expected at least two labels"));
    f = fopen(scratch_path("many.tsv"), "w");
    for (int i = 0; i <= 1 << 16; i++) fprintf(f, "a text %d\tb\n", i);
    fclose(f);
    o = tiny("many.tsv", "refused", &w);
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "many.tsv: 65537 labels, expected at most 65536"));
    assert_int_equal(access(scratch_path("refused"), F_OK), -1);
}

/* What is told of long labels in other scripts, and of a long path, is cut between characters. */
static void tells_whole_characters(void **state)
{
    (void)state;
    watcher w = {0};
    FILE *f = fopen(scratch_path("long.tsv"), "w");
    for (int i = 0; i < 20; i++) {
        fprintf(f, "%d", i % 2);
        for (int j = 0; j < 60; j++) fputs("\u0436", f);
        fprintf(f, "\ta text of %d words\n", i);
    }
    fclose(f);
    attn_seq_train_options o = tiny("long.tsv", "long", &w);
    o.steps = 1;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_non_null(strstr(w.notices, "2 labels: 0\u0436"));
    assert_true(utf8_valid(w.notices, strlen(w.notices)));
}

static void resumes_nothing_of_another_kind(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("texts.tsv", "kind", &w);
    o.steps = 1;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    attn_seq_train_options_init(&o);
    o.model = scratch_path("kind");
    o.start = ATTN_SEQ_TRAIN_RESUME;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "begun with attn train classify, not translate"));
    o.train = scratch_path("images-idx3-ubyte");
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_texts),
        cmocka_unit_test(learns_images),
        cmocka_unit_test(learns_recordings),
        cmocka_unit_test(resumes_every_kind_to_the_bit),
        cmocka_unit_test(fine_tunes_every_kind),
        cmocka_unit_test(fine_tunes_only_what_fits),
        cmocka_unit_test(any_number_of_threads_gives_the_same_batches),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(tells_whole_characters),
        cmocka_unit_test(resumes_nothing_of_another_kind),
    };
    return cmocka_run_group_tests(tests, write_examples, scratch_remove);
}
