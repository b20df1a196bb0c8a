#include "input/nested_json.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

attn_status nested_refuse(attn_status status, const char *path, const char *where, const char *field,
                          const json_t *value, const char *expectation)
{
    char *shown = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    status_fail(status, "%s: %.60s: %.40s is %.60s, expected %s", path, where, field,
                shown   ? shown
                : value ? "unreadable"
                        : "missing",
                expectation);
    free(shown);
    return status;
}

static const json_t *present(const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);
    return json_is_null(value) ? NULL : value;
}

attn_status nested_string(const char *path, const char *where, const json_t *object, const char *field,
                          const char **text)
{
    const json_t *value = json_object_get(object, field);
    *text = json_string_value(value);
    return *text ? ATTN_OK : nested_refuse(ATTN_ERROR_FORMAT, path, where, field, value, "a string");
}

attn_status nested_bool(const char *path, const char *where, const json_t *object, const char *field, bool fallback,
                        bool *value)
{
    const json_t *found = present(object, field);
    *value = found ? json_is_true(found) : fallback;
    if (!found || json_is_boolean(found)) return ATTN_OK;
    return nested_refuse(ATTN_ERROR_FORMAT, path, where, field, found, "true or false");
}

attn_status nested_integer(const char *path, const char *where, const json_t *object, const char *field, int64_t least,
                           int64_t most, int64_t *value)
{
    const json_t *found = json_object_get(object, field);
    *value = json_is_integer(found) ? (int64_t)json_integer_value(found) : least - 1;
    if (*value >= least && *value <= most) return ATTN_OK;
    char expectation[80];
    snprintf(expectation, sizeof expectation, "an integer from %lld to %lld", (long long)least, (long long)most);
    return nested_refuse(ATTN_ERROR_FORMAT, path, where, field, found, expectation);
}

attn_status nested_array(const char *path, const char *where, const json_t *object, const char *field,
                         const json_t **array)
{
    *array = present(object, field);
    if (!*array || json_is_array(*array)) return ATTN_OK;
    return nested_refuse(ATTN_ERROR_FORMAT, path, where, field, *array, "an array");
}

attn_status nested_type(const char *path, const char *where, const json_t *object, const char *const *names, int *type)
{
    const json_t *value = json_object_get(object, "type");
    const char *name = json_string_value(value);
    char expectation[400] = "one of";
    for (int i = 0; names[i]; i++) {
        *type = i;
        if (name && strcmp(name, names[i]) == 0) return ATTN_OK;
        size_t used = strlen(expectation);
        snprintf(expectation + used, sizeof expectation - used, "%s %s", i ? "," : "", names[i]);
    }
    return nested_refuse(ATTN_ERROR_UNSUPPORTED, path, where, "type", value, expectation);
}

#define MOST_NESTED 8

static attn_status read_steps(const nested_steps *s, const json_t *json, int depth)
{
    int type = 0;
    attn_status status = nested_type(s->path, s->where, json, s->names, &type);
    if (status != ATTN_OK) return status;
    if (type != s->sequence) return s->each(s->argument, s->path, json, type);
    if (depth > MOST_NESTED)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s: sequences nested too deep", s->path, s->where);
    char where[64];
    snprintf(where, sizeof where, "%s: Sequence", s->where);
    const json_t *list, *item;
    status = nested_array(s->path, where, json, s->list, &list);
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (status == ATTN_OK) status = read_steps(s, item, depth + 1);
    }
    return status;
}

attn_status nested_steps_read(const nested_steps *s, const json_t *json)
{
    return !json || json_is_null(json) ? ATTN_OK : read_steps(s, json, 0);
}
