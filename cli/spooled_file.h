/* What comes by standard input or by a pipe, in a file that has a name. */
#ifndef CLI_SPOOLED_FILE_H
#define CLI_SPOOLED_FILE_H

#include "line_reader.h"

/* Copies all that the reader has not given yet to a new file in TMPDIR, else in /tmp. Its path, to be freed once the
 * file is removed; NULL on failure, with the reason in `problem`, cut to `size` bytes. */
char *spooled_file(line_reader *r, char *problem, size_t size);

#endif
