/* Small runs of attn_seq_train_translator in a folder of the test's own, and what they leave there. */
#ifndef TESTS_TRAINING_RUN_H
#define TESTS_TRAINING_RUN_H

#include "watched_run.h"

#include "formats/safetensors.h"

/* A language of two words a sentence, each translated by itself. */
static inline void write_pairs(const char *name, int from, int to)
{
    static const char *const source[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
    static const char *const target[] = {"un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit"};
    FILE *f = fopen(scratch_path(name), "w");
    for (int i = from; i < to; i++)
        fprintf(f, "%s %s\t%s %s\n", source[i % 8], source[i / 8 % 8], target[i % 8], target[i / 8 % 8]);
    fclose(f);
}

static inline int create(void **state)
{
    if (scratch_create(state)) return -1;
    write_pairs("pairs.tsv", 0, 64);
    write_pairs("other.tsv", 0, 63);
    return 0;
}

static inline attn_seq_train_options tiny(const char *model, watcher *w)
{
    attn_seq_train_options o = watched(model, w);
    o.train = o.valid = scratch_path("pairs.tsv");
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
