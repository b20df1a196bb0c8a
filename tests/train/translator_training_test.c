#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "formats/safetensors.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* A language of two words a sentence, each translated by itself. */
static void write_pairs(const char *name, int from, int to)
{
    static const char *const source[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
    static const char *const target[] = {"un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit"};
    FILE *f = fopen(in_directory(name), "w");
    for (int i = from; i < to; i++)
        fprintf(f, "%s %s\t%s %s\n", source[i % 8], source[i / 8 % 8], target[i % 8], target[i / 8 % 8]);
    fclose(f);
}

static int create(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/attn-train-XXXXXX");
    if (!mkdtemp(directory)) return -1;
    write_pairs("pairs.tsv", 0, 64);
    write_pairs("other.tsv", 0, 63);
    return 0;
}

static int destroy(void **state)
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

static void watch(void *argument, const attn_seq_train_progress *p)
{
    watcher *w = argument;
    w->last = *p;
    w->validations += p->event == ATTN_SEQ_TRAIN_VALIDATED;
    w->saves += p->event == ATTN_SEQ_TRAIN_SAVED;
    if (p->message) strncat(w->notices, p->message, sizeof w->notices - strlen(w->notices) - 1);
}

static bool stop(void *argument)
{
    const watcher *w = argument;
    return w->stop_at > 0 && w->last.step >= w->stop_at;
}

static attn_seq_train_options tiny(const char *model, watcher *w)
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

static attn_seq_train_options resumed(const char *model, watcher *w)
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

static void *read_file(const char *path, size_t *size)
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

static void assert_same_file(const char *left, const char *right)
{
    size_t left_size, right_size;
    void *a = read_file(left, &left_size), *b = read_file(right, &right_size);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(a, b, left_size);
    free(a);
    free(b);
}

/* Weights, moments and average; the seconds beside them differ. */
static void assert_same_state(const char *left, const char *right)
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

static int64_t count_files(const char *path)
{
    DIR *d = opendir(path);
    int64_t count = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

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

static void an_unbroken_run(const char *name)
{
    watcher w = {0};
    attn_seq_train_options o = tiny(name, &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_int_equal(w.last.step, 24);
    assert_int_equal(w.validations, 3);
}

/* Stopped after every few steps, also where a validation is due, and resumed with nothing but the directory's name. */
static void resumed_runs_give_the_bits_of_an_unbroken_one(void **state)
{
    (void)state;
    an_unbroken_run("unbroken");
    watcher w = {.stop_at = 3};
    attn_seq_train_options o = tiny("broken", &w);
    attn_status s = attn_seq_train_translator(&o);
    assert_int_equal(s, ATTN_ERROR_INTERRUPTED);
    assert_non_null(strstr(attn_seq_error(), "stopped after step 3"));
    const int64_t stops[] = {5, 10, 11, 20};
    for (int i = 0; i < 4; i++) {
        w.stop_at = stops[i];
        o = resumed("broken", &w);
        assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
        assert_int_equal(w.last.step, stops[i]);
    }
    w.stop_at = 0;
    o = resumed("broken", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_same_state(in_directory("unbroken/checkpoint.safetensors"), in_directory("broken/checkpoint.safetensors"));
    assert_same_file(in_directory("unbroken/model.safetensors"), in_directory("broken/model.safetensors"));
    assert_int_equal(w.validations, 3);
}

static void a_finished_run_can_go_on(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("longer", &w);
    o.steps = 5;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    o = resumed("longer", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_non_null(strstr(w.notices, "at its end already"));
    assert_int_equal(w.last.step, 5);
    o = resumed("longer", &w);
    o.steps = 8;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_int_equal(w.last.step, 8);
}

static void seeds_make_the_run(void **state)
{
    (void)state;
    an_unbroken_run("again");
    assert_same_state(in_directory("unbroken/checkpoint.safetensors"), in_directory("again/checkpoint.safetensors"));
    watcher w = {0};
    attn_seq_train_options o = tiny("seed", &w);
    o.seed = 2;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    size_t size, other_size;
    char *a = read_file(in_directory("again/model.safetensors"), &size);
    char *b = read_file(in_directory("seed/model.safetensors"), &other_size);
    assert_int_equal(size, other_size);
    assert_memory_not_equal(a, b, size);
    free(a);
    free(b);
}

/* A disk that takes no more than so many bytes of a file: writing fails as on a full one. */
static void a_full_disk_costs_nothing_that_was_saved(void **state)
{
    (void)state;
    watcher w = {.stop_at = 11};
    attn_seq_train_options o = tiny("full", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
    int64_t files = count_files(in_directory("full"));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit all, little;
    getrlimit(RLIMIT_FSIZE, &all);
    little = all;
    for (rlim_t bytes = 10; bytes < 100000; bytes *= 20) {
        little.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &little);
        w.stop_at = 13;
        o = resumed("full", &w);
        attn_status s = attn_seq_train_translator(&o);
        setrlimit(RLIMIT_FSIZE, &all);
        assert_int_equal(s, ATTN_ERROR_FILE);
        assert_non_null(strstr(attn_seq_error(), "full/checkpoint.safetensors"));
        assert_int_equal(count_files(in_directory("full")), files);
    }
    w.stop_at = 0;
    o = resumed("full", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_same_state(in_directory("unbroken/checkpoint.safetensors"), in_directory("full/checkpoint.safetensors"));
}

static void refused(const attn_seq_train_options *o, attn_status status, const char *words)
{
    attn_status s = attn_seq_train_translator(o);
    if (!strstr(attn_seq_error(), words)) print_error("\"%s\" does not say \"%s\"\n", attn_seq_error(), words);
    assert_non_null(strstr(attn_seq_error(), words));
    assert_int_equal(s, status);
}

static void says_what_is_wrong_before_the_work(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("unbroken", &w);
    refused(&o, ATTN_ERROR_ARGUMENT, "unbroken/checkpoint.safetensors: exists");
    o = tiny("wrong", &w);
    o.heads = 5;
    refused(&o, ATTN_ERROR_ARGUMENT, "width = 32 is no multiple of heads = 5");
    o = tiny("wrong", &w);
    o.dropout = 1;
    refused(&o, ATTN_ERROR_ARGUMENT, "dropout = 1");
    o = tiny("wrong", &w);
    o.train = NULL;
    refused(&o, ATTN_ERROR_ARGUMENT, "train is NULL");
    o = tiny("wrong", &w);
    o.valid = in_directory("absent.tsv");
    refused(&o, ATTN_ERROR_FILE, "absent.tsv");
    o = tiny("pairs.tsv", &w);
    refused(&o, ATTN_ERROR_FILE, "pairs.tsv: cannot open the directory");
    o = tiny("pairs.tsv/below", &w);
    refused(&o, ATTN_ERROR_FILE, "pairs.tsv/below");
    o = resumed("nothing", &w);
    refused(&o, ATTN_ERROR_FILE, "nothing: cannot open the directory: No such file");
    o = resumed("learnt/..", &w);
    refused(&o, ATTN_ERROR_FILE, "learnt/../checkpoint.safetensors");
    o = tiny("wrong", &w);
    o.rate = 10;
    o.clip = 0;
    o.warmup = 1;
    o.steps = 2000;
    o.valid_every = 5000;
    if (attn_seq_train_translator(&o) != ATTN_OK) assert_non_null(strstr(attn_seq_error(), "diverged"));
    o.struct_size--;
    refused(&o, ATTN_ERROR_ARGUMENT, "attn_seq_train_options_init");
}

static void resuming_is_for_the_same_run(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = resumed("unbroken", &w);
    o.width = 64;
    refused(&o, ATTN_ERROR_ARGUMENT, "width = 64, but the run that");
    o = resumed("unbroken", &w);
    o.train = in_directory("other.tsv");
    refused(&o, ATTN_ERROR_ARGUMENT, "other training pairs");
    o = resumed("unbroken", &w);
    o.width = 32;
    o.rate = 0.01;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
}

static void damaged_checkpoints_are_refused(void **state)
{
    (void)state;
    watcher w = {.stop_at = 2};
    attn_seq_train_options o = tiny("damaged", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
    size_t size;
    char path[256];
    snprintf(path, sizeof path, "%s", in_directory("damaged/checkpoint.safetensors"));
    char *bytes = read_file(path, &size);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(truncate(path, (off_t)(size * (size_t)i / 12)), 0);
        o = resumed("damaged", &w);
        assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_FORMAT);
        assert_non_null(strstr(attn_seq_error(), "checkpoint.safetensors"));
    }
    char *step = memmem(bytes, size, "\"state.step\"", 12);
    assert_non_null(step);
    memset(step + 12, ' ', strcspn(step + 12, "0123456789") - 1);
    memcpy(step, "\"state.stop\"", 12);
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, size, f);
    fclose(f);
    o = resumed("damaged", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_FORMAT);
    free(bytes);
}

static void replacing_begins_anew(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = tiny("longer", &w);
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    o.steps = 2;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_int_equal(w.last.step, 2);
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
    FILE *source = fopen(in_directory("a.en"), "w"), *target = fopen(in_directory("a.fr"), "w");
    for (int i = 0; i < 20; i++) {
        fprintf(source, "cat %c\n", 'a' + i);
        fprintf(target, "chat %c\n", 'a' + i);
    }
    fclose(source);
    fclose(target);
    attn_seq_train_options o = tiny("aligned", &w);
    o.train = in_directory("a.en");
    o.train_target = in_directory("a.fr");
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
        cmocka_unit_test(recurrent_networks_learn),
        cmocka_unit_test(resumed_runs_give_the_bits_of_an_unbroken_one),
        cmocka_unit_test(a_finished_run_can_go_on),
        cmocka_unit_test(seeds_make_the_run),
        cmocka_unit_test(a_full_disk_costs_nothing_that_was_saved),
        cmocka_unit_test(says_what_is_wrong_before_the_work),
        cmocka_unit_test(resuming_is_for_the_same_run),
        cmocka_unit_test(damaged_checkpoints_are_refused),
        cmocka_unit_test(replacing_begins_anew),
        cmocka_unit_test(ends_when_validations_get_no_better),
        cmocka_unit_test(the_clock_ends_a_run),
        cmocka_unit_test(trains_without_validation_from_aligned_files),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
