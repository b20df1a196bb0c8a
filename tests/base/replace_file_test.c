#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/replace_file.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static const char *in_directory(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int entries(void)
{
    int count = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    while (readdir(d)) count++;
    closedir(d);
    return count - 2; /* . and .. */
}

static void holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(found, 1, sizeof found - 1, f);
    fclose(f);
    assert_int_equal(size, strlen(text));
    assert_string_equal(found, text);
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "replace_file_XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(in_directory("a"));
    unlink(in_directory("link"));
    return rmdir(directory);
}

static void replaces_whole(void **state)
{
    (void)state;
    assert_int_equal(replace_file_save(in_directory("a"), "old", 3), ATTN_OK);
    replace_file *f;
    assert_int_equal(replace_file_open(&f, in_directory("a")), ATTN_OK);
    assert_int_equal(replace_file_write(f, "new", 3), ATTN_OK);
    fprintf(replace_file_stream(f), " and %d", 7);
    holds(in_directory("a"), "old");
    assert_int_equal(replace_file_commit(f), ATTN_OK);
    holds(in_directory("a"), "new and 7");
    assert_int_equal(entries(), 1);
}

static void discard_leaves_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(replace_file_save(in_directory("a"), "old", 3), ATTN_OK);
    replace_file *f;
    assert_int_equal(replace_file_open(&f, in_directory("a")), ATTN_OK);
    replace_file_write(f, "new", 3);
    replace_file_discard(f);
    holds(in_directory("a"), "old");
    assert_int_equal(entries(), 1);
    replace_file_discard(NULL);
}

/* A limit on the file's size stands for a full disk: the write fails half way. */
static void full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(replace_file_save(in_directory("a"), "old", 3), ATTN_OK);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char *bytes = calloc(1, 300000);
    attn_status status = replace_file_save(in_directory("a"), bytes, 300000);
    assert_int_equal(status, ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "/a: cannot write: File too large"));
    replace_file *f; /* the reason is found for those who print, too */
    assert_int_equal(replace_file_open(&f, in_directory("a")), ATTN_OK);
    for (int i = 0; i < 300; i++) fprintf(replace_file_stream(f), "%1000d", i);
    errno = 0;
    status = replace_file_commit(f);
    free(bytes);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "/a: cannot write: File too large"));
    holds(in_directory("a"), "old");
    assert_int_equal(entries(), 1);
}

static void follows_links_and_spares_devices(void **state)
{
    (void)state;
    assert_int_equal(replace_file_save(in_directory("a"), "old", 3), ATTN_OK);
    assert_int_equal(symlink("a", in_directory("link")), 0);
    assert_int_equal(replace_file_save(in_directory("link"), "new", 3), ATTN_OK);
    holds(in_directory("a"), "new");
    struct stat s;
    assert_int_equal(lstat(in_directory("link"), &s), 0);
    assert_true(S_ISLNK(s.st_mode));

    assert_int_equal(replace_file_save("/dev/null", "x", 1), ATTN_OK);
    assert_int_equal(stat("/dev/null", &s), 0);
    assert_true(S_ISCHR(s.st_mode));
}

static void names_what_it_cannot_write(void **state)
{
    (void)state;
    assert_int_equal(replace_file_save(in_directory("none/a"), "x", 1), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "none/a: cannot write: No such file or directory"));
    assert_int_equal(replace_file_save(directory, "x", 1), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "Is a directory"));
    assert_int_equal(entries(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replaces_whole, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(discard_leaves_the_old_file, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(full_disk_leaves_the_old_file, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(follows_links_and_spares_devices, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(names_what_it_cannot_write, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
