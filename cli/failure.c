#include "failure.h"

#include "colour.h"
#include "message.h"

#include "attn/seq.h"

#include <stdarg.h>
#include <stdio.h>

int failure(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout); /* so that on a terminal the answer so far stands before the message */
    fprintf(stderr, "%sattn %s:%s ", colour(stderr, COLOUR_ERROR), command, colour(stderr, COLOUR_PLAIN));
    message_print(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

int failure_of_library(const char *command)
{
    return failure(command, "%s", attn_seq_error());
}
