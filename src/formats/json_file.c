#include "formats/json_file.h"

#include "base/replace_file.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static attn_status save(json_t *json, const char *path, size_t layout)
{
    char *text = json ? json_dumps(json, layout | JSON_REAL_PRECISION(7)) : NULL;
    json_decref(json);
    if (!text) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    replace_file *f;
    attn_status status = replace_file_open(&f, path);
    if (status == ATTN_OK) {
        replace_file_write(f, text, strlen(text));
        replace_file_write(f, "\n", 1);
        status = replace_file_commit(f);
    }
    free(text);
    return status;
}

attn_status json_file_save(json_t *json, const char *path)
{
    return save(json, path, JSON_INDENT(2));
}

attn_status json_file_save_compact(json_t *json, const char *path)
{
    return save(json, path, JSON_COMPACT);
}

json_t *json_joined(json_t *to, json_t *from)
{
    bool joined = to && from && json_object_update(to, from) == 0;
    json_decref(from);
    if (joined) return to;
    json_decref(to);
    return NULL;
}
