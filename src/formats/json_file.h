/* A JSON document written as a file, beside and renamed. */
#ifndef FORMATS_JSON_FILE_H
#define FORMATS_JSON_FILE_H

#include "attn/attn.h"

#include <jansson.h>

/* Takes `json`, which may be NULL when it could not be built for want of memory. Keys keep the order in which they were
 * set; text that is not ASCII stays as it is. */
attn_status json_file_save(json_t *json, const char *path);

/* The same on one line, for documents that only programs read. */
attn_status json_file_save_compact(json_t *json, const char *path);

/* All of `from`'s fields set in `to`. Takes both; returns `to`, or NULL when either is NULL or memory is short. */
json_t *json_joined(json_t *to, json_t *from);

#endif
