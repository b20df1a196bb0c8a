/* What a model's directory must hold: files. It comes from elsewhere, out of an archive, say, and a pipe in it would be
 * waited for for ever. */
#ifndef FORMATS_REGULAR_FILE_H
#define FORMATS_REGULAR_FILE_H

#include "attn/attn.h"

/* FILE where path is something else, or nothing. */
attn_status regular_file_expect(const char *path);

#endif
