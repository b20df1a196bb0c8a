#include "input/token_template.h"

#include "base/status.h"
#include "input/nested_json.h"

#include <string.h>

#define MOST_ID ((1 << 22) - 1)
static const char where[] = "post_processor";

static attn_status add(token_template *t, bool before, int64_t id, const char *path)
{
    int *count = before ? &t->before_count : &t->after_count;
    if (*count == TEMPLATE_MOST)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s: more than %d tokens on a side", path, where, TEMPLATE_MOST);
    (before ? t->before : t->after)[(*count)++] = (int32_t)id;
    return ATTN_OK;
}

/* "cls": ["[CLS]", 101] */
static attn_status add_pair(token_template *t, bool before, const json_t *json, const char *field, const char *path)
{
    const json_t *pair = json_object_get(json, field), *id = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_integer(id) || json_integer_value(id) < 0 ||
        json_integer_value(id) > MOST_ID)
        return nested_refuse(ATTN_ERROR_FORMAT, path, where, field, pair, "a token and its id");
    return add(t, before, json_integer_value(id), path);
}

/* special_tokens: {"[CLS]": {"id": "[CLS]", "ids": [101], "tokens": ["[CLS]"]}} */
static attn_status add_special(token_template *t, bool before, const json_t *json, const char *name, const char *path)
{
    const json_t *special = json_object_get(json_object_get(json, "special_tokens"), name);
    const json_t *ids = json_object_get(special, "ids"), *id;
    size_t i;
    if (!json_is_array(ids)) return nested_refuse(ATTN_ERROR_FORMAT, path, where, "special_tokens", special, "ids");
    json_array_foreach(ids, i, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > MOST_ID)
            return nested_refuse(ATTN_ERROR_FORMAT, path, where, "ids", ids, "token ids");
        attn_status s = add(t, before, json_integer_value(id), path);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

static attn_status read_template(token_template *t, const json_t *json, const char *path)
{
    const json_t *single = json_object_get(json, "single"), *item;
    bool before = true;
    size_t i;
    if (!json_is_array(single)) return nested_refuse(ATTN_ERROR_FORMAT, path, where, "single", single, "an array");
    json_array_foreach(single, i, item)
    {
        const char *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
        attn_status s = name ? add_special(t, before, json, name, path) : ATTN_OK;
        if (s != ATTN_OK) return s;
        if (name) continue;
        if (!before || !json_object_get(item, "Sequence"))
            return nested_refuse(ATTN_ERROR_UNSUPPORTED, path, where, "single", item,
                                 "special tokens and one Sequence");
        before = false;
    }
    return ATTN_OK;
}

static attn_status read_step(token_template *t, const json_t *json, const char *path, int depth)
{
    static const char *const names[] = {"TemplateProcessing", "BertProcessing", "RobertaProcessing",
                                        "ByteLevel",          "Sequence",       NULL};
    const json_t *list, *item;
    size_t i;
    int kind = 0;
    attn_status s = nested_type(path, where, json, names, &kind);
    if (s != ATTN_OK || kind == 3) return s; /* ByteLevel changes offsets alone */
    if (kind == 0) return read_template(t, json, path);
    if (kind < 3) {
        s = add_pair(t, true, json, "cls", path);
        return s == ATTN_OK ? add_pair(t, false, json, "sep", path) : s;
    }
    s = nested_array(path, where, json, "processors", &list);
    if (depth > 8) return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s: sequences nested too deep", path, where);
    json_array_foreach(list, i, item)
    {
        if (s == ATTN_OK) s = read_step(t, item, path, depth + 1);
    }
    return s;
}

attn_status token_template_read(token_template *t, const json_t *json, const char *path)
{
    memset(t, 0, sizeof *t);
    return !json || json_is_null(json) ? ATTN_OK : read_step(t, json, path, 0);
}
