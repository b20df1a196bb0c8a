#define _GNU_SOURCE /* memmem */
#include "training_run.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int64_t count_files(const char *path)
{
    DIR *d = opendir(path);
    int64_t count = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

/* A disk that takes no more than so many bytes of a file: writing fails as on a full one. */
static void a_full_disk_costs_nothing_that_was_saved(void **state)
{
    (void)state;
    an_unbroken_run("unbroken");
    watcher w = {.stop_at = 11};
    attn_seq_train_options o = tiny("full", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
    int64_t files = count_files(scratch_path("full"));
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
        assert_int_equal(count_files(scratch_path("full")), files);
    }
    w.stop_at = 0;
    o = resumed("full", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_OK);
    assert_same_state(scratch_path("unbroken/checkpoint.safetensors"), scratch_path("full/checkpoint.safetensors"));
}

static attn_seq_train_options from_unbroken(const char *model, watcher *w)
{
    attn_seq_train_options o = watched(model, w);
    o.train = scratch_path("pairs.tsv");
    o.from = scratch_path("unbroken");
    o.steps = 1;
    return o;
}

/* A disk that is full before the first checkpoint leaves no half of a model, which would have to be forced away:
 * neither of the first file that is written, nor of the last, the checkpoint, which is the largest. */
static void a_run_that_cannot_begin_leaves_no_model(void **state)
{
    (void)state;
    watcher w = {0};
    attn_seq_train_options o = {0};
    struct rlimit all, little;
    struct stat checkpoint;
    assert_int_equal(stat(scratch_path("unbroken/checkpoint.safetensors"), &checkpoint), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &all);
    mkdir(scratch_path("mine"), 0700);
    scratch_write("mine/notes", "kept", 4);
    for (int i = 0; i < 4; i++) {
        const bool made = i & 1;
        o = from_unbroken(made ? "new" : "mine", &w);
        little = all;
        little.rlim_cur = i < 2 ? 10 : (rlim_t)checkpoint.st_size / 2 + (rlim_t)checkpoint.st_size / 4;
        setrlimit(RLIMIT_FSIZE, &little);
        attn_status s = attn_seq_train_translator(&o);
        setrlimit(RLIMIT_FSIZE, &all);
        assert_int_equal(s, ATTN_ERROR_FILE);
        assert_non_null(strstr(attn_seq_error(), i < 2 ? "source.spm: cannot write" : "checkpoint.safetensors"));
        if (made) assert_int_equal(access(o.model, F_OK), -1);
    }
    o.model = scratch_path("mine");
    if (attn_seq_train_translator(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_int_equal(access(scratch_path("mine/notes"), F_OK), 0);
}

/* In a child that the system ends when a file grows beyond `bytes`. */
static void killed_by_a_limit(attn_seq_train_options *o, rlim_t bytes)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit little = {bytes, bytes}, no_core = {0, 0};
        signal(SIGXFSZ, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        setrlimit(RLIMIT_FSIZE, &little);
        attn_seq_train_translator(o);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

/* Killed when its model is written and its checkpoint is not: the same call once more needs no force. */
static void a_run_that_is_killed_before_its_first_checkpoint_begins_anew(void **state)
{
    (void)state;
    watcher w = {0};
    struct stat checkpoint;
    assert_int_equal(stat(scratch_path("unbroken/checkpoint.safetensors"), &checkpoint), 0);
    attn_seq_train_options o = from_unbroken("killed", &w);
    mkdir(scratch_path("killed"), 0700);
    scratch_write("killed/notes", "kept", 4);
    killed_by_a_limit(&o, (rlim_t)checkpoint.st_size / 4 * 3);
    assert_int_equal(access(scratch_path("killed/model.safetensors"), F_OK), 0);
    assert_int_equal(access(scratch_path("killed/checkpoint.safetensors"), F_OK), -1);
    if (attn_seq_train_translator(&o) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_non_null(strstr(w.notices, "a run was killed here before its first checkpoint"));
    assert_int_equal(access(scratch_path("killed/checkpoint.safetensors.beginning"), F_OK), -1);
    assert_int_equal(access(scratch_path("killed/notes"), F_OK), 0);
    o = from_unbroken("killed", &w);
    refused(&o, ATTN_ERROR_ARGUMENT, "killed/checkpoint.safetensors: exists");

    /* killed right behind its first checkpoint: that is a run to go on with */
    scratch_write("killed/checkpoint.safetensors.beginning", "", 0);
    o = from_unbroken("killed", &w);
    refused(&o, ATTN_ERROR_ARGUMENT, "killed/checkpoint.safetensors: exists");
    assert_int_equal(access(scratch_path("killed/checkpoint.safetensors.beginning"), F_OK), -1);
    assert_int_equal(unlink(scratch_path("killed/checkpoint.safetensors")), 0);
    refused(&o, ATTN_ERROR_ARGUMENT, "killed/config.json: exists");
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
    o.valid = scratch_path("absent.tsv");
    refused(&o, ATTN_ERROR_FILE, "absent.tsv");
    o = tiny("pairs.tsv", &w);
    refused(&o, ATTN_ERROR_FILE, "pairs.tsv: cannot open the directory");
    o = tiny("pairs.tsv/below", &w);
    refused(&o, ATTN_ERROR_FILE, "pairs.tsv/below");
    o = resumed("nothing", &w);
    refused(&o, ATTN_ERROR_FILE, "nothing: cannot open the directory: No such file");
    o = resumed("unbroken/..", &w);
    refused(&o, ATTN_ERROR_FILE, "unbroken/../checkpoint.safetensors");
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

/* A mistake in what is to be learnt from costs no model. */
static void what_is_to_be_replaced_stays_until_a_run_begins(void **state)
{
    (void)state;
    watcher w = {0};
    size_t size;
    void *before = read_file(scratch_path("unbroken/checkpoint.safetensors"), &size);
    const int64_t files = count_files(scratch_path("unbroken"));
    attn_seq_train_options o = tiny("unbroken", &w);
    o.start = ATTN_SEQ_TRAIN_REPLACE;
    o.train = scratch_path("absent.tsv");
    refused(&o, ATTN_ERROR_FILE, "absent.tsv: cannot open it");
    assert_int_equal(count_files(scratch_path("unbroken")), files);
    size_t left;
    void *after = read_file(scratch_path("unbroken/checkpoint.safetensors"), &left);
    assert_int_equal(left, size);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

static void damaged_checkpoints_are_refused(void **state)
{
    (void)state;
    watcher w = {.stop_at = 2};
    attn_seq_train_options o = tiny("damaged", &w);
    assert_int_equal(attn_seq_train_translator(&o), ATTN_ERROR_INTERRUPTED);
    size_t size;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("damaged/checkpoint.safetensors"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_costs_nothing_that_was_saved),
        cmocka_unit_test(a_run_that_cannot_begin_leaves_no_model),
        cmocka_unit_test(a_run_that_is_killed_before_its_first_checkpoint_begins_anew),
        cmocka_unit_test(says_what_is_wrong_before_the_work),
        cmocka_unit_test(what_is_to_be_replaced_stays_until_a_run_begins),
        cmocka_unit_test(damaged_checkpoints_are_refused),
    };
    return cmocka_run_group_tests(tests, create, scratch_remove);
}
