/* Fields of a nested JSON document from outside: each getter checks the type and names file and field where it is
 * wrong. `where` is the field's place as messages show it, "pre_tokenizer" for instance. */
#ifndef INPUT_NESTED_JSON_H
#define INPUT_NESTED_JSON_H

#include "attn/attn.h"

#include <jansson.h>
#include <stdbool.h>

/* "PATH: WHERE: FIELD is VALUE, expected EXPECTATION", as a failure of this status. */
attn_status nested_refuse(attn_status status, const char *path, const char *where, const char *field,
                          const json_t *value, const char *expectation);

/* *text is valid as long as the document; NULL fields count as absent. */
attn_status nested_string(const char *path, const char *where, const json_t *object, const char *field,
                          const char **text);
attn_status nested_bool(const char *path, const char *where, const json_t *object, const char *field, bool fallback,
                        bool *value);
attn_status nested_integer(const char *path, const char *where, const json_t *object, const char *field, int64_t least,
                           int64_t most, int64_t *value);

/* *array is NULL where the field is absent. */
attn_status nested_array(const char *path, const char *where, const json_t *object, const char *field,
                         const json_t **array);

/* The field "type" of an object: its place among `names` (NULL-terminated), else ATTN_ERROR_UNSUPPORTED. */
attn_status nested_type(const char *path, const char *where, const json_t *object, const char *const *names, int *type);

#endif
