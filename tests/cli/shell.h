/* Runs the command as its users do: through a shell. The test's environment names it in ATTN, and the folder of the
 * tests in TESTS. */
#ifndef TESTS_SHELL_H
#define TESTS_SHELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* What the last command wrote, standard output and standard error together. */
static char shell_output[1 << 18];

/* Runs a shell command line and returns its exit status; a command that was killed fails the test. */
__attribute__((format(printf, 1, 2))) static inline int shell(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int length = snprintf(line, sizeof line, "exec 2>&1; ");
    vsnprintf(line + length, sizeof line - (size_t)length, format, args);
    va_end(args);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    size_t size = fread(shell_output, 1, sizeof shell_output - 1, f);
    shell_output[size] = 0;
    int status = pclose(f);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 2)
        fail_msg("%s: status %x: %s", line, (unsigned)status, shell_output);
    return WEXITSTATUS(status);
}

/* The last command wrote these words. */
static inline void shell_said(const char *words)
{
    if (!strstr(shell_output, words)) fail_msg("\"%s\" does not hold \"%s\"", shell_output, words);
}

/* The last command wrote nothing but this, and one line at that when it is a failure. */
static inline void shell_said_only(const char *words)
{
    assert_string_equal(shell_output, words);
}

#endif
