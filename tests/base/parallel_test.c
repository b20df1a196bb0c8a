#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/parallel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct tally {
    int runs[1000];
    int64_t by_worker[8];
    int threads;
    int wrong_workers; /* written by the worker that is wrong, so a second wrong one may be lost: not zero is enough */
} tally;

static void count_task(void *argument, int64_t task, int worker)
{
    tally *t = argument;
    t->runs[task]++;
    if (worker < 0 || worker >= t->threads) {
        t->wrong_workers = 1;
        return;
    }
    t->by_worker[worker]++; /* not atomic: no two tasks share a worker at a time, or the thread sanitizer says so */
}

static void runs_every_task_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        tally *t = calloc(1, sizeof *t);
        t->threads = threads;
        parallel_for(threads, 1000, count_task, t);
        int64_t sum = 0;
        for (int i = 0; i < 1000; i++) assert_int_equal(t->runs[i], 1);
        for (int i = 0; i < threads; i++) sum += t->by_worker[i];
        assert_int_equal(sum, 1000);
        assert_int_equal(t->wrong_workers, 0);
        free(t);
    }
}

static void takes_fewer_tasks_than_workers(void **state)
{
    (void)state;
    tally *t = calloc(1, sizeof *t);
    t->threads = 8;
    parallel_for(8, 0, count_task, t);
    assert_int_equal(t->runs[0], 0);
    parallel_for(8, 1, count_task, t);
    parallel_for(8, 3, count_task, t);
    assert_int_equal(t->runs[0], 2);
    assert_int_equal(t->runs[2], 1);
    assert_int_equal(t->runs[3], 0);
    free(t);
}

/* The parent's threads are gone in the child: a loop that waited for them would hang, until the alarm ends it. */
static void runs_in_a_forked_child(void **state)
{
    (void)state;
    tally *t = calloc(1, sizeof *t);
    t->threads = 4;
    parallel_for(4, 1000, count_task, t);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        parallel_for(4, 1000, count_task, t);
        int wrong = t->wrong_workers;
        for (int i = 0; i < 1000; i++) wrong += t->runs[i] != 2;
        _exit(wrong != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    parallel_for(4, 1000, count_task, t);
    for (int i = 0; i < 1000; i++) assert_int_equal(t->runs[i], 2);
    free(t);
}

static void has_at_least_one_thread(void **state)
{
    (void)state;
    assert_true(parallel_default_threads() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_every_task_once),
        cmocka_unit_test(takes_fewer_tasks_than_workers),
        cmocka_unit_test(runs_in_a_forked_child),
        cmocka_unit_test(has_at_least_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
