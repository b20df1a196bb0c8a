/* Small runs of attn_seq_train_translator in a folder of the test's own, and what they leave there. */
#ifndef TESTS_TRAINING_RUN_H
#define TESTS_TRAINING_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

static inline const char *in_directory(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* A language of two words a sentence, each translated by itself. */
static inline void write_pairs(const char *name, int from, int to)
{
    static const char *const source[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
    static const char *const target[] = {"un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit"};
    FILE *f = fopen(in_directory(name), "w");
    for (int i = from; i < to; i++)
        fprintf(f, "%s %s\t%s %s\n", source[i % 8], source[i / 8 % 8], target[i % 8], target[i / 8 % 8]);
    fclose(f);
}

static inline int create(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/attn-train-XXXXXX");
    if (!mkdtemp(directory)) return -1;
    write_pairs("pairs.tsv", 0, 64);
    write_pairs("other.tsv", 0, 63);
    return 0;
}

static inline int destroy(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* What a run tells, and when it is asked to stop. */
typedef struct watcher {
    attn_seq_train_progress last;
    int64_t stop_at, validations, saves;
    char notices[4096];
} watcher;

static inline void watch(void *argument, const attn_seq_train_progress *p)
{
    watcher *w = argument;
    w->last = *p;
    w->validations += p->event == ATTN_SEQ_TRAIN_VALIDATED;
    w->saves += p->event == ATTN_SEQ_TRAIN_SAVED;
    if (p->message) strncat(w->notices, p->message, sizeof w->notices - strlen(w->notices) - 1);
}

static inline bool stop(void *argument)
{
    const watcher *w = argument;
    return w->stop_at > 0 && w->last.step >= w->stop_at;
}

static inline attn_seq_train_options tiny(const char *model, watcher *w)
{
    attn_seq_train_options o;
    attn_seq_train_options_init(&o);
    o.model = in_directory(model);
    o.train = o.valid = in_directory("pairs.tsv");
    o.vocabulary = 60;
    o.width = 32;
    o.heads = 4;
    o.layers = 1;
    o.ffn = 64;
    o.batch_tokens = 200;
    o.rate = 0.01;
    o.warmup = 20;
    o.steps = 24;
    o.valid_every = 10;
    o.threads = 1;
    o.progress = watch;
    o.stop = stop;
    o.argument = w;
    return o;
}

static inline attn_seq_train_options resumed(const char *model, watcher *w)
{
    attn_seq_train_options o;
    attn_seq_train_options_init(&o);
    o.model = in_directory(model);
    o.start = ATTN_SEQ_TRAIN_RESUME;
    o.progress = watch;
    o.stop = stop;
    o.argument = w;
    return o;
}

static inline void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static inline void assert_same_file(const char *left, const char *right)
{
    size_t left_size, right_size;
    void *a = read_file(left, &left_size), *b = read_file(right, &right_size);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(a, b, left_size);
    free(a);
    free(b);
}

/* Weights, moments and average; the seconds beside them differ. */
static inline void assert_same_state(const char *left, const char *right)
{
    safetensors *a, *b;
    assert_int_equal(safetensors_open(&a, left), ATTN_OK);
    assert_int_equal(safetensors_open(&b, right), ATTN_OK);
    assert_int_equal(safetensors_count(a), 4);
    for (int64_t i = 0; i < 4; i++) {
        const safetensors_tensor *x = safetensors_at(a, i), *y = safetensors_find(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->size, y->size);
        assert_memory_equal(x->bytes, y->bytes, x->size);
    }
    assert_string_equal(safetensors_metadata(a, "state.step"), safetensors_metadata(b, "state.step"));
    assert_string_equal(safetensors_metadata(a, "state.best"), safetensors_metadata(b, "state.best"));
    safetensors_close(a);
    safetensors_close(b);
}

static inline void an_unbroken_run(const char *name)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(name, &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_int_equal(w.last.step, 24);
    assert_int_equal(w.validations, 3);
}

static inline void refused(const attn_seq_train_options *o, attn_status status, const char *words)
{
    attn_status s = attn_seq_train_translator(o);
    if (!strstr(attn_seq_error(), words)) print_error("\"%s\" does not say \"%s\"\n", attn_seq_error(), words);
    assert_non_null(strstr(attn_seq_error(), words));
    assert_int_equal(s, status);
}

#endif
