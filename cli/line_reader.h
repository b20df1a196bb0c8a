/* Lines of a file, a pipe or a terminal, plain or gzip, as many at a time as are there: whoever types a line is
 * answered before the next one is waited for. */
#ifndef CLI_LINE_READER_H
#define CLI_LINE_READER_H

#include "attn/seq.h"

#include <stdbool.h>
#include <stdio.h>

#define LINE_READER_LONGEST ((size_t)16 << 20) /* bytes of a line */

typedef struct line_reader line_reader;

typedef struct read_line {
    attn_seq_text text; /* without its end ("\n" or "\r\n") and the file's byte order mark; not ended by NUL */
    bool too_long;      /* it had more than LINE_READER_LONGEST bytes: text is empty */
} read_line;

/* The line as a string, which a NUL byte in it ends. To be freed; NULL: no memory. */
char *read_line_string(const read_line *line);

/* path NULL or "-": standard input. NULL on failure, with errno set. */
line_reader *line_reader_open(const char *path);
void line_reader_close(line_reader *r);

/* For messages: the path, or "standard input". */
const char *line_reader_name(const line_reader *r);

/* Waits for a line, then gives all that can be had without waiting, at most `most` and about a megabyte. The lines are
 * valid until the next call. Returns how many; 0 at the end; -1 on failure, which line_reader_problem tells. */
int64_t line_reader_next(line_reader *r, read_line *lines, int64_t most);

/* The first bytes of what comes, which stay to be read: all of a line, or at least LINE_READER_BEGINNING, or what there
 * is. To be asked before the first line_reader_next. Returns how many; -1 on failure. */
#define LINE_READER_BEGINNING 12
int64_t line_reader_beginning(line_reader *r, const char **bytes);

/* Writes all that has not been given yet, as it is, without lines. False on failure, which line_reader_problem tells
 * unless `out` has an error. */
bool line_reader_copy(line_reader *r, FILE *out);

/* For the message after a failure of one of these, before errno changes. */
const char *line_reader_problem(const line_reader *r);

#endif
