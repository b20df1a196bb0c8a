/* Words that may quote what came from outside (a file's name, a field of a hostile file), made safe to show. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

/* Prints the formatted message, at most 4 KB of it, with every control character (C0, DEL and, as UTF-8, C1) shown as
 * '?': a message stays one line, and a terminal obeys nothing in it. */
void message_print(FILE *out, const char *format, va_list args);

/* The same of text as it is. */
void message_print_text(FILE *out, const char *text);

/* The same as a line of standard error. */
__attribute__((format(printf, 1, 2))) void message_tell(const char *format, ...);

/* The ending of a noun behind its count: message_tell("%" PRId64 " line%s", n, plural(n)). */
static inline const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
