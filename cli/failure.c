#include "failure.h"

#include "colour.h"
#include "message.h"

#include "attn/seq.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int output_problem; /* errno of the first write to standard output that failed; 0: none is known */

static void note_output(int failed)
{
    if (failed && !output_problem) output_problem = errno;
}

int failure(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note_output(fflush(stdout)); /* so that on a terminal the answer so far stands before the message */
    fprintf(stderr, "%sattn %s:%s ", colour(stderr, COLOUR_ERROR), command, colour(stderr, COLOUR_PLAIN));
    message_print(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

int failure_of_input(const char *command, const char *path, const char *why)
{
    if (!strpbrk(path, " \t\n") || access(path, F_OK) == 0) return failure(command, "%s: %s", path, why);
    return failure(command, "%s: %s; a text itself comes by standard input: echo TEXT | attn %s", path, why, command);
}

void failure_flush_output(void)
{
    const int problem = errno; /* of what was printed last, where that did not wait */
    const int failed = fflush(stdout);
    if (!failed) errno = problem;
    note_output(failed || ferror(stdout));
}

/* The write that failed may be long ago, and errno another one's. */
static bool reader_has_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int failure_of_output(const char *command)
{
    errno = 0;
    failure_flush_output();
    if (!ferror(stdout)) return 0;
    const int problem = output_problem;
    if (problem == EPIPE || reader_has_gone()) return 1;
    return failure(command, "standard output: %s", problem ? strerror(problem) : "write error");
}

int failure_of_library(const char *command)
{
    return failure(command, "%s", attn_seq_error());
}

int failure_of_library_about(const char *command, const char *path, const char *name)
{
    const char *message = attn_seq_error();
    const size_t length = strlen(path);
    if (strncmp(message, path, length) != 0) return failure_of_library(command);
    return failure(command, "%s%s", name, message + length);
}
