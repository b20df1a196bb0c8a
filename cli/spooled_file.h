/* What comes by standard input or by a pipe, or goes there, in a file that has a name. */
#ifndef CLI_SPOOLED_FILE_H
#define CLI_SPOOLED_FILE_H

#include "line_reader.h"

/* A new file in TMPDIR, else in /tmp, open in *out. Its path, to be freed once the file is removed; NULL on failure,
 * with the reason in `problem`, cut to `size` bytes. */
char *spooled_file_empty(FILE **out, char *problem, size_t size);

/* The same, closed, with all that the reader has not given yet. */
char *spooled_file(line_reader *r, char *problem, size_t size);

#endif
