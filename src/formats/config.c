#include "formats/config.h"

#include "base/status.h"
#include "base/utf8.h"
#include "formats/regular_file.h"
#include "formats/whole_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
    char *name;
    json_t *root;
    config *parent, *children, *next; /* of objects within objects; the outermost keeps the failure */
    attn_status status;
    char message[600]; /* the first failure's words */
};

static attn_status no_memory(const char *name)
{
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", name);
}

/* Takes `root`, also on failure. */
static attn_status hold(config **out, const char *name, json_t *root)
{
    if (!json_is_object(root)) {
        json_decref(root);
        return status_fail(ATTN_ERROR_FORMAT, "%s: expected a JSON object, found something else", name);
    }
    config *c = calloc(1, sizeof *c);
    if (c) c->name = strdup(name);
    if (!c || !c->name) {
        free(c);
        json_decref(root);
        return no_memory(name);
    }
    c->root = root;
    *out = c;
    return ATTN_OK;
}

attn_status config_parse(config **out, const char *name, const char *text, size_t bytes)
{
    *out = NULL;
    json_error_t error;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return status_fail(ATTN_ERROR_FORMAT, "%s: line %d, column %d: %s, expected JSON", name, error.line,
                           error.column, error.text);
    return hold(out, name, root);
}

attn_status config_of_json(config **out, const char *name, const struct json_t *object)
{
    *out = NULL;
    return hold(out, name, json_incref((json_t *)object));
}

attn_status config_open(config **out, const char *path)
{
    *out = NULL;
    unsigned char *text;
    size_t bytes;
    attn_status status = regular_file_expect(path);
    if (status == ATTN_OK) status = whole_file_read(&text, &bytes, path, CONFIG_MOST_BYTES);
    if (status != ATTN_OK) return status;
    status = config_parse(out, path, (const char *)text, bytes);
    free(text);
    return status;
}

void config_destroy(config *c)
{
    if (!c) return;
    for (config *child = c->children, *next; child; child = next) {
        next = child->next;
        config_destroy(child);
    }
    json_decref(c->root);
    free(c->name);
    free(c);
}

attn_status config_status(const config *c)
{
    while (c->parent) c = c->parent;
    return c->status == ATTN_OK ? ATTN_OK : status_fail(c->status, "%s", c->message);
}

/* JSON's null counts as absent: Python writes None so. */
static json_t *present(const config *c, const char *field)
{
    json_t *value = json_object_get(c->root, field);
    return json_is_null(value) ? NULL : value;
}

bool config_has(const config *c, const char *field)
{
    return present(c, field) != NULL;
}

/* A value as a message shows it, cut short. */
static void show(const json_t *value, char *text, size_t size)
{
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    size_t most = 60 < size ? 60 : size - 1;
    if (!value)
        snprintf(text, size, "missing");
    else if (!dumped)
        snprintf(text, size, "unreadable");
    else if (strlen(dumped) <= most)
        snprintf(text, size, "%s", dumped);
    else
        snprintf(text, size, "%.*s...", (int)utf8_shown(dumped, most - 3), dumped);
    free(dumped);
}

static void refuse_value(config *c, attn_status status, const char *field, const json_t *value, const char *expectation)
{
    const char *name = c->name;
    while (c->parent) c = c->parent;
    if (c->status != ATTN_OK) return;
    char text[80];
    show(value, text, sizeof text);
    c->status = status;
    snprintf(c->message, sizeof c->message, "%s: %.80s is %s, expected %s", name, field, text, expectation);
}

void config_refuse(config *c, attn_status status, const char *field, const char *expectation)
{
    refuse_value(c, status, field, json_object_get(c->root, field), expectation);
}

static bool integer_in(const json_t *value, int64_t least, int64_t most, int64_t *integer)
{
    if (!json_is_integer(value)) return false;
    *integer = (int64_t)json_integer_value(value);
    return *integer >= least && *integer <= most;
}

static void refuse_integer(config *c, const char *field, const json_t *value, int64_t least, int64_t most)
{
    char expectation[80];
    snprintf(expectation, sizeof expectation, "an integer from %lld to %lld", (long long)least, (long long)most);
    refuse_value(c, ATTN_ERROR_FORMAT, field, value, expectation);
}

int64_t config_integer(config *c, const char *field, int64_t least, int64_t most)
{
    int64_t integer;
    json_t *value = json_object_get(c->root, field);
    if (integer_in(value, least, most, &integer)) return integer;
    refuse_integer(c, field, value, least, most);
    return least;
}

int64_t config_integer_or(config *c, const char *field, int64_t least, int64_t most, int64_t fallback)
{
    return config_has(c, field) ? config_integer(c, field, least, most) : fallback;
}

double config_number_or(config *c, const char *field, double least, double most, double fallback)
{
    json_t *value = present(c, field);
    if (!value) return fallback;
    double number = json_number_value(value);
    if (json_is_number(value) && isfinite(number) && number >= least && number <= most) return number;
    char expectation[80];
    snprintf(expectation, sizeof expectation, "a number from %g to %g", least, most);
    refuse_value(c, ATTN_ERROR_FORMAT, field, value, expectation);
    return fallback;
}

int64_t config_numbers_or(config *c, const char *field, double least, double most, int64_t room, double *numbers)
{
    json_t *value = present(c, field);
    if (!value) return 0;
    const bool array = json_is_array(value);
    const int64_t count = array ? (int64_t)json_array_size(value) : 1;
    bool good = count >= 1 && count <= room;
    for (int64_t i = 0; good && i < count; i++) {
        const json_t *item = array ? json_array_get(value, (size_t)i) : value;
        const double number = json_number_value(item);
        good = json_is_number(item) && isfinite(number) && number >= least && number <= most;
        if (good) numbers[i] = number;
    }
    if (good) return count;
    char expectation[80];
    snprintf(expectation, sizeof expectation, "1 to %lld numbers from %g to %g", (long long)room, least, most);
    refuse_value(c, ATTN_ERROR_FORMAT, field, value, expectation);
    return 0;
}

config *config_object(config *c, const char *field)
{
    json_t *value = present(c, field);
    if (!json_is_object(value)) return NULL;
    config *child = calloc(1, sizeof *child);
    const size_t size = strlen(c->name) + strlen(field) + sizeof ": ";
    if (child) child->name = malloc(size);
    if (!child || !child->name) {
        free(child);
        refuse_value(c, ATTN_ERROR_MEMORY, field, value, "memory to read it");
        return NULL;
    }
    snprintf(child->name, size, "%s: %s", c->name, field);
    child->root = json_incref(value);
    child->parent = c;
    child->next = c->children;
    c->children = child;
    return child;
}

bool config_bool_or(config *c, const char *field, bool fallback)
{
    json_t *value = present(c, field);
    if (!value) return fallback;
    if (json_is_boolean(value)) return json_is_true(value);
    refuse_value(c, ATTN_ERROR_FORMAT, field, value, "true or false");
    return fallback;
}

const char *config_string(config *c, const char *field)
{
    json_t *value = json_object_get(c->root, field);
    if (json_is_string(value)) return json_string_value(value);
    refuse_value(c, ATTN_ERROR_FORMAT, field, value, "a string");
    return "";
}

const char *config_string_or(config *c, const char *field, const char *fallback)
{
    return config_has(c, field) ? config_string(c, field) : fallback;
}

int config_choice_or(config *c, const char *field, const char *const *names, int fallback)
{
    json_t *value = present(c, field);
    if (!value) return fallback;
    char expectation[300] = "one of";
    for (int i = 0; names[i]; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), names[i]) == 0) return i;
        size_t used = strlen(expectation);
        snprintf(expectation + used, sizeof expectation - used, "%s %s", i ? "," : "", names[i]);
    }
    refuse_value(c, ATTN_ERROR_UNSUPPORTED, field, value, expectation);
    return fallback;
}

bool config_lists(const config *c, const char *field, const char *text)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(c->root, field), i, value)
    {
        if (json_is_string(value) && strcmp(json_string_value(value), text) == 0) return true;
    }
    return false;
}

int64_t config_object_count(config *c, const char *field, int64_t most)
{
    const json_t *object = json_object_get(c->root, field);
    const int64_t count = json_is_object(object) ? (int64_t)json_object_size(object) : 0;
    if (count >= 1 && count <= most) return count;
    char expectation[80];
    snprintf(expectation, sizeof expectation, "an object of 1 to %lld fields", (long long)most);
    refuse_value(c, ATTN_ERROR_FORMAT, field, object, expectation);
    return 1;
}

const char *config_object_string(config *c, const char *field, const char *name)
{
    const json_t *value = json_object_get(json_object_get(c->root, field), name);
    if (json_is_string(value)) return json_string_value(value);
    char place[80];
    snprintf(place, sizeof place, "%.40s: %.30s", field, name);
    refuse_value(c, ATTN_ERROR_FORMAT, place, value, "a string");
    return "";
}

attn_status config_each_integer(config *c, int64_t least, int64_t most,
                                void (*each)(void *argument, const char *name, int64_t value), void *argument)
{
    const char *name;
    json_t *value;
    json_object_foreach(c->root, name, value)
    {
        int64_t integer;
        if (integer_in(value, least, most, &integer)) {
            each(argument, name, integer);
            continue;
        }
        refuse_integer(c, name, value, least, most);
        break;
    }
    return config_status(c);
}

const struct json_t *config_root(const config *c)
{
    return c->root;
}

int64_t config_count(const config *c)
{
    return (int64_t)json_object_size(c->root);
}
