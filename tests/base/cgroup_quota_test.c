/* The least quota on the way from the process's group to the mount, from files as the kernel writes them. */
#include "../scratch.h"

#include "base/cgroup_quota.h"

#include <sys/stat.h>

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

/* Groups a and a/b under the mount; NULL: no such file. */
static int quota(const char *self, const char *root, const char *a, const char *b)
{
    const char *const names[] = {"cpu.max", "a/cpu.max", "a/b/cpu.max"}, *const texts[] = {root, a, b};
    for (int n = 0; n < 3; n++) {
        unlink(scratch_path(names[n]));
        if (texts[n]) write_text(names[n], texts[n]);
    }
    write_text("self", self);
    return cgroup_quota_cpus(scratch_path("self"), scratch_directory);
}

static void the_least_quota_counts(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("a"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("a/b"), 0700), 0);
    assert_int_equal(quota("0::/a/b\n", NULL, "max 100000\n", "250000 100000\n"), 3);
    assert_int_equal(quota("0::/a/b\n", NULL, "200000 100000\n", "max 100000\n"), 2);
    assert_int_equal(quota("0::/a/b\n", "100000 100000\n", "200000 100000\n", "300000 100000\n"), 1);
    assert_int_equal(quota("0::/a\n", NULL, "500000 100000\n", "100000 100000\n"), 5);
    assert_int_equal(quota("2:cpu:/a/b\n1:name=x:/\n0::/a\n", NULL, "400000 100000\n", "100000 100000\n"), 4);
}

static void none_is_none(void **state)
{
    (void)state;
    assert_int_equal(quota("0::/a/b\n", NULL, "max 100000\n", NULL), 0);
    assert_int_equal(quota("0::/a\n", NULL, "junk", NULL), 0);
    assert_int_equal(quota("0::/a\n", NULL, "100000 0\n", NULL), 0);
    assert_int_equal(quota("2:cpu:/a\n", NULL, "100000 100000\n", NULL), 0);
    assert_int_equal(quota("", NULL, "100000 100000\n", NULL), 0);
    assert_int_equal(cgroup_quota_cpus(scratch_path("absent"), scratch_path("absent")), 0);
}

/* In a container whose mount begins at its own group, the path may name groups that are not there. */
static void the_mount_counts_where_the_group_is_not_under_it(void **state)
{
    (void)state;
    assert_int_equal(quota("0::/\n", "150000 100000\n", NULL, NULL), 2);
    assert_int_equal(quota("0::/docker/c\n", "150000 100000\n", NULL, NULL), 2);
    assert_int_equal(quota("0::/../../a\n", "150000 100000\n", "100000 100000\n", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_quota_counts),
        cmocka_unit_test(none_is_none),
        cmocka_unit_test(the_mount_counts_where_the_group_is_not_under_it),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
