/* A file's bytes in memory, as many as it has, up to a bound. */
#ifndef FORMATS_WHOLE_FILE_H
#define FORMATS_WHOLE_FILE_H

#include "attn/attn.h"

/* Reads in growing pieces, so that the size that a pipe or a device claims does not matter. A file of more than `most`
 * bytes is refused. *bytes is malloc'ed, and never NULL on success. */
attn_status whole_file_read(unsigned char **bytes, size_t *size, const char *path, size_t most);

#endif
