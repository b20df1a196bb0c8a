#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "formats/safetensors.h"
#include "model/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static const char *in_directory(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* Sentences that praise and sentences that do not. */
static void write_texts(void)
{
    static const char *const praise[] = {"fine", "great", "lovely", "clever"};
    static const char *const blame[] = {"poor", "dull", "awful", "silly"};
    static const char *const what[] = {"film", "book", "song", "story", "game"};
    FILE *f = fopen(in_directory("texts.tsv"), "w");
    for (int i = 0; i < 80; i++)
        fprintf(f, "%s\ta %s %s\n", i % 2 ? "bad" : "good", (i % 2 ? blame : praise)[i / 2 % 4], what[i / 8 % 5]);
    fclose(f);
}

/* Images with a bright stripe: upright ones and flat ones, one dim pixel elsewhere. */
static void write_images(void)
{
    FILE *images = fopen(in_directory("images-idx3-ubyte"), "wb");
    FILE *labels = fopen(in_directory("labels-idx1-ubyte"), "wb");
    fwrite("\0\0\x08\3\0\0\0\x40\0\0\0\x08\0\0\0\x08", 1, 16, images);
    fwrite("\0\0\x08\1\0\0\0\x40", 1, 8, labels);
    for (int i = 0; i < 64; i++) {
        unsigned char pixels[8][8] = {{0}};
        for (int j = 1; j < 7; j++) {
            int at = 2 + i / 2 % 4;
            *(i % 2 ? &pixels[j][at] : &pixels[at][j]) = 220;
        }
        pixels[i % 8][i / 8] ^= 40;
        fwrite(pixels, 1, sizeof pixels, images);
        fputc(i % 2, labels);
    }
    fclose(images);
    fclose(labels);
}

static void write_number(FILE *f, unsigned value, int bytes)
{
    for (int i = 0; i < bytes; i++) fputc((int)(value >> (8 * i) & 255), f);
}

static void write_tone(const char *name, double hertz, int count, unsigned rate)
{
    FILE *f = fopen(in_directory(name), "wb");
    fwrite("RIFF", 1, 4, f);
    write_number(f, 36 + 2 * (unsigned)count, 4);
    fwrite("WAVEfmt \x10\0\0\0\1\0\1\0", 1, 16, f);
    write_number(f, rate, 4);
    write_number(f, 2 * rate, 4);
    fwrite("\2\0\x10\0data", 1, 8, f);
    write_number(f, 2 * (unsigned)count, 4);
    for (int i = 0; i < count; i++)
        write_number(f, (unsigned)(int)(8000 * sin(2 * M_PI * hertz * i / rate)) & 0xFFFF, 2);
    fclose(f);
}

static void write_tones(const char *folder, int rate)
{
    char name[64];
    mkdir(in_directory(folder), 0700);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, i % 2 ? "high" : "low");
        if (i < 2) mkdir(in_directory(name), 0700);
        snprintf(name, sizeof name, "%s/%s/%02d.wav", folder, i % 2 ? "high" : "low", i);
        write_tone(name, (i % 2 ? 1500 : 300) + 10 * i, (1600 + 40 * i) * (rate / 8000), (unsigned)rate);
    }
}

static int create(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/attn-train-XXXXXX");
    if (!mkdtemp(directory)) return -1;
    write_texts();
    write_images();
    write_tones("tones", 8000);
    write_tones("fast-tones", 16000);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

typedef struct watcher {
    attn_seq_train_progress last;
    int64_t stop_at;
    char notices[4096];
} watcher;

static void watch(void *argument, const attn_seq_train_progress *p)
{
    watcher *w = argument;
    w->last = *p;
    if (p->message) strncat(w->notices, p->message, sizeof w->notices - strlen(w->notices) - 1);
}

static bool stop(void *argument)
{
    const watcher *w = argument;
    return w->stop_at > 0 && w->last.step >= w->stop_at;
}

static attn_seq_train_options tiny(const char *train, const char *model, watcher *w)
{
    attn_seq_train_options o;
    attn_seq_train_options_init(&o);
    o.model = in_directory(model);
    o.train = in_directory(train);
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
    o.progress = watch;
    o.stop = stop;
    o.argument = w;
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
    assert_int_equal(classifier_open(&m, in_directory(model), false), ATTN_OK);
    assert_int_equal(m->config.family, family);
    assert_int_equal(m->config.label_count, 2);
    classifier_destroy(m);
}

/* All that there is to learn from, which attn_seq_classify answers for. */
static void evaluates(const char *model_directory, const char *examples, int64_t count)
{
    attn_seq_model *model;
    attn_seq_evaluation e = {.struct_size = sizeof e};
    assert_int_equal(attn_seq_model_open(&model, in_directory(model_directory)), ATTN_OK);
    if (attn_seq_classifier_evaluate(model, in_directory(examples), NULL, 1, &e) != ATTN_OK)
        fail_msg("%s", attn_seq_error());
    assert_int_equal(e.count, count);
    assert_int_equal(e.label_count, 2);
    int64_t right = e.confusion[0] + e.confusion[3], all = right + e.confusion[1] + e.confusion[2];
    assert_int_equal(all, count);
    assert_float_equal(e.accuracy, 100.0 * (double)right / (double)all, 1e-9);
    assert_true(e.accuracy > 85 && e.macro_f1 > 80 && e.loss < 0.6);
    attn_seq_evaluation_clear(&e);
    assert_null(e.confusion);
    assert_int_equal(attn_seq_classifier_evaluate(model, in_directory("absent"), NULL, 1, &e), ATTN_ERROR_FILE);
    attn_seq_model_close(model);
}

static void learns_texts(void **state)
{
    (void)state;
    learns("texts.tsv", "text-model", CLASSIFIER_BERT, "80 examples of text2 labels: bad (40), good (40)16 of the");
    assert_int_equal(access(in_directory("text-model/tokenizer.json"), F_OK), 0);
    evaluates("text-model", "texts.tsv", 80);
}

static void learns_images(void **state)
{
    (void)state;
    learns("images-idx3-ubyte", "image-model", CLASSIFIER_VIT, "64 examples of image2 labels: 0 (32), 1 (32)13 of the");
    assert_int_equal(access(in_directory("image-model/preprocessor_config.json"), F_OK), 0);
    evaluates("image-model", "images-idx3-ubyte", 64);
}

static void learns_recordings(void **state)
{
    (void)state;
    learns("tones", "audio-model", CLASSIFIER_AST, "40 examples of audio2 labels: high (20), low (20)8 of the");
    evaluates("audio-model", "tones", 40);
}

static void assert_same_model(const char *left, const char *right)
{
    char command[300];
    snprintf(command, sizeof command, "cd %s && cmp %s/model.safetensors %s/model.safetensors", directory, left, right);
    assert_int_equal(system(command), 0);
}

/* Stopped in the middle of an epoch and gone on with: the bits of an unbroken run, augmentation and all. */
static void resumes_to_the_bit(const char *train, const char *whole, const char *broken)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(train, whole, &w);
    o.steps = 12;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    o.model = in_directory(broken);
    w.stop_at = 5;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_INTERRUPTED);
    attn_seq_train_options_init(&o);
    o.model = in_directory(broken);
    o.start = ATTN_SEQ_TRAIN_RESUME;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_same_model(whole, broken);
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
    o.from = in_directory(from);
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
    o.model = in_directory(broken);
    w.stop_at = 5;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_INTERRUPTED);
    attn_seq_train_options_init(&o);
    o.model = in_directory(broken);
    o.start = ATTN_SEQ_TRAIN_RESUME;
    if (attn_seq_train_classifier(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_same_model(whole, broken);
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
    assert_non_null(strstr(attn_seq_error(), "image-model, a model of image, but the examples are of audio"));
    assert_int_equal(access(in_directory("never"), F_OK), -1);
}

static void any_number_of_threads_gives_the_same_batches(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("images-idx3-ubyte", "threads-1", &w);
    o.steps = 6;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    double loss = w.last.loss;
    o.model = in_directory("threads-3");
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
    FILE *f = fopen(in_directory("one.tsv"), "w");
    fputs("a\tb\na\tc\n", f);
    fclose(f);
    o = tiny("one.tsv", "refused", &w);
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "expected at least two labels"));
    assert_int_equal(access(in_directory("refused"), F_OK), -1);
}

static void resumes_nothing_of_another_kind(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("texts.tsv", "kind", &w);
    o.steps = 1;
    assert_int_equal(attn_seq_train_classifier(&o), ATTN_OK);
    attn_seq_train_options_init(&o);
    o.model = in_directory("kind");
    o.start = ATTN_SEQ_TRAIN_RESUME;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_seq_error(), "begun with attn train classify, not translate"));
    o.train = in_directory("images-idx3-ubyte");
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
        cmocka_unit_test(resumes_nothing_of_another_kind),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
