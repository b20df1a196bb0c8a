/* Writing a file whole or not at all: the bytes go to a new file beside the target, are forced to disk, and take the
 * target's name in one step. A kill at any instant, or a full disk, leaves the old file as it was.
 *
 *     replace_file *f;
 *     attn_status status = replace_file_open(&f, path);
 *     if (status != ATTN_OK) return status;
 *     replace_file_write(f, bytes, size);          // a failure is kept, and ends the writing
 *     fprintf(replace_file_stream(f), "...");      // or through stdio
 *     return replace_file_commit(f);               // the first failure, if any; frees f
 */
#ifndef BASE_REPLACE_FILE_H
#define BASE_REPLACE_FILE_H

#include "attn/attn.h"

#include <stdio.h>

typedef struct replace_file replace_file;

/* A target that exists and is no regular file (a pipe, /dev/null, /dev/stdout) is written to directly; a symbolic link
 * keeps its place and what it points at is replaced. */
attn_status replace_file_open(replace_file **out, const char *path);

/* Zero bytes are fine. After a failure nothing more is written. */
attn_status replace_file_write(replace_file *f, const void *bytes, size_t size);

/* For those who print: errors on the stream are found by the commit. */
FILE *replace_file_stream(replace_file *f);

/* Flushes, forces to disk, renames, forces the directory. On any failure, also an earlier write's, the target is
 * untouched, the temporary file is gone and the message names the target. Frees f either way. */
attn_status replace_file_commit(replace_file *f);

/* Gives up: removes the temporary file and frees f. NULL is ignored. */
void replace_file_discard(replace_file *f);

/* Open, write and commit in one. */
attn_status replace_file_save(const char *path, const void *bytes, size_t size);

#endif
