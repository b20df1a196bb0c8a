/* A text file, plain or gzip, line by line, whatever its size. */
#ifndef INPUT_LINES_H
#define INPUT_LINES_H

#include "attn/attn.h"

typedef struct lines lines;

attn_status lines_open(lines **out, const char *path);

/* The next line without its end ("\n" or "\r\n") and, on the first, without a byte order mark: *text is valid until the
 * next call, ends in a NUL and may hold others. *text is NULL at the end of the file. */
attn_status lines_next(lines *l, char **text, size_t *bytes);

/* The number of the line that lines_next gave last, from 1. */
int64_t lines_number(const lines *l);

/* NULL is ignored. */
void lines_close(lines *l);

#endif
