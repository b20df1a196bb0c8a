#define _GNU_SOURCE /* memmem */
#include "training_run.h"

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
    assert_same_state(scratch_path("unbroken/checkpoint.safetensors"), scratch_path("broken/checkpoint.safetensors"));
    assert_same_file(scratch_path("unbroken/model.safetensors"), scratch_path("broken/model.safetensors"));
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
    assert_same_state(scratch_path("unbroken/checkpoint.safetensors"), scratch_path("again/checkpoint.safetensors"));
    watcher w = {0};
    attn_seq_train_options o = tiny("seed", &w);
    o.seed = 2;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    size_t size, other_size;
    char *a = read_file(scratch_path("again/model.safetensors"), &size);
    char *b = read_file(scratch_path("seed/model.safetensors"), &other_size);
    assert_int_equal(size, other_size);
    assert_memory_not_equal(a, b, size);
    free(a);
    free(b);
}

static void resuming_is_for_the_same_run(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = resumed("unbroken", &w);
    o.width = 64;
    refused(&o, ATTN_ERROR_ARGUMENT, "width = 64, but the run that");
    o = resumed("unbroken", &w);
    o.train = scratch_path("other.tsv");
    refused(&o, ATTN_ERROR_ARGUMENT, "other training pairs");
    o = resumed("unbroken", &w);
    o.width = 32;
    o.rate = 0.01;
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
}

/* Exchanges two words of the same length in a file. */
static void exchange_word(const char *path, const char *word, const char *other)
{
    size_t size;
    char *bytes = read_file(path, &size), *at = memmem(bytes, size, word, strlen(word));
    assert_non_null(at);
    memcpy(at, other, strlen(other));
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    free(bytes);
}

/* Checkpoints from before a setting was there: those runs did what its standard says, and go on so. */
static void settings_that_came_later_may_be_missing(void **state)
{
    (void)state;
    watcher w = {.stop_at = 3};
    attn_seq_train_options o = tiny("older", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("older/checkpoint.safetensors"));
    exchange_word(path, "\"qk_norm\"", "\"qk_mron\"");
    exchange_word(path, "\"schedule\"", "\"eludehcs\"");
    o = resumed("older", &w);
    o.qk_norm = 1;
    refused(&o, ATTN_ERROR_ARGUMENT, "qk_norm = 1, but the run that");
    w.stop_at = 0;
    o = resumed("older", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_same_state(scratch_path("unbroken/checkpoint.safetensors"), scratch_path("older/checkpoint.safetensors"));
    exchange_word(path, "\"width\"", "\"htdiw\"");
    o = resumed("older", &w);
    refused(&o, ATTN_ERROR_FORMAT, "older/checkpoint.safetensors: width is missing");
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

/* A checkpoint alone, without the best model: of a run that is over, and of one that goes on to nothing better. */
static void a_best_model_that_is_gone_is_none(void **state)
{
    (void)state;
    for (int steps = 24; steps <= 26; steps += 2) {
        watcher w = {0};
        attn_seq_train_options o = tiny("gone", &w);
        o.start = ATTN_SEQ_TRAIN_REPLACE;
        assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
        assert_int_equal(unlink(scratch_path("gone/model.safetensors")), 0);
        w = (watcher){0};
        o = resumed("gone", &w);
        o.steps = steps;
        if (attn_seq_train_translator(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
        assert_non_null(strstr(w.notices, "model.safetensors is gone"));
        assert_int_equal(w.validations, 1);
        assert_true(w.last.best);
        assert_int_equal(access(scratch_path("gone/model.safetensors"), F_OK), 0);
        w = (watcher){0};
        o = resumed("gone", &w);
        assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
        assert_null(strstr(w.notices, "is gone"));
        assert_int_equal(w.validations, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_runs_give_the_bits_of_an_unbroken_one),
        cmocka_unit_test(a_finished_run_can_go_on),
        cmocka_unit_test(seeds_make_the_run),
        cmocka_unit_test(resuming_is_for_the_same_run),
        cmocka_unit_test(settings_that_came_later_may_be_missing),
        cmocka_unit_test(replacing_begins_anew),
        cmocka_unit_test(a_best_model_that_is_gone_is_none),
    };
    return cmocka_run_group_tests(tests, create, scratch_remove);
}
