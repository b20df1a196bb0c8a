/* The bytes of a text file, pipe or terminal as they come, unpacked where they begin as a gzip file does (RFC 1952). */
#ifndef CLI_TEXT_SOURCE_H
#define CLI_TEXT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct text_source text_source;

/* path NULL or "-": standard input. NULL on failure, with errno set. */
text_source *text_source_open(const char *path);
void text_source_close(text_source *s);

/* As read(2): waits for some bytes, then gives what there is; 0 at the end; -1 on failure, which text_source_problem
 * tells. */
ssize_t text_source_read(text_source *s, char *bytes, size_t most);

/* Whether reading would wait for bytes that are still to come. */
bool text_source_would_wait(const text_source *s);

/* For the message after a failure, before errno changes. */
const char *text_source_problem(const text_source *s);

#endif
