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

/* Steps of several types: one object, or one of type "Sequence" with a list of them, which may be such ones again. */
typedef struct nested_steps {
    const char *path, *where, *list; /* list: the field of a Sequence that holds its steps */
    const char *const *names;        /* of the types, NULL-terminated */
    int sequence;                    /* the place of "Sequence" among them */
    attn_status (*each)(void *argument, const char *path, const json_t *step, int type);
    void *argument;
} nested_steps;

/* Calls `each` for every step, in order, until one fails; a json of NULL or null has none. UNSUPPORTED where sequences
 * nest too deep. */
attn_status nested_steps_read(const nested_steps *s, const json_t *json);

/* The field "type" of an object: its place among `names` (NULL-terminated), else ATTN_ERROR_UNSUPPORTED. */
attn_status nested_type(const char *path, const char *where, const json_t *object, const char *const *names, int *type);

#endif
