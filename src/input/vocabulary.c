#include "input/vocabulary.h"

#include "base/fnv.h"
#include "base/status.h"
#include "base/utf8.h"
#include "formats/config.h"

#include <stdlib.h>
#include <string.h>

/* Far above any published vocabulary (NLLB has 256,206 pieces); bounds what a hostile file makes us allocate. */
#define LARGEST_ID ((1 << 22) - 1)

/* Pieces by id, and an open-addressing table from piece to id, at most half full. The strings are the
 * json's, or stand one after the other in `text`. */
struct vocabulary {
    config *json;
    char *text;
    int64_t size;
    const char **piece;
    uint64_t mask;
    int32_t *slot; /* id, -1: empty */
};

static void widen(void *argument, const char *piece, int64_t id)
{
    (void)piece;
    vocabulary *v = argument;
    if (id >= v->size) v->size = id + 1;
}

static attn_status allocate(vocabulary *v, int64_t count, const char *name)
{
    if (v->size == 0) return status_fail(ATTN_ERROR_FORMAT, "%s: empty, expected pieces and their ids", name);
    uint64_t slots = 4;
    while (slots < 2 * (uint64_t)count) slots *= 2;
    v->mask = slots - 1;
    v->piece = calloc((size_t)v->size, sizeof *v->piece);
    v->slot = malloc(slots * sizeof *v->slot);
    if (!v->piece || !v->slot) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    memset(v->slot, 0xff, slots * sizeof *v->slot);
    return ATTN_OK;
}

typedef struct filling {
    vocabulary *v;
    const char *name;
    attn_status status;
} filling;

static void place(void *argument, const char *piece, int64_t id)
{
    filling *f = argument;
    vocabulary *v = f->v;
    if (f->status != ATTN_OK) return;
    if (v->piece[id]) {
        f->status = status_fail(ATTN_ERROR_FORMAT, "%s: pieces \"%.*s\" and \"%.*s\" have the same id %lld", f->name,
                                (int)utf8_shown(v->piece[id], 60), v->piece[id], (int)utf8_shown(piece, 60), piece,
                                (long long)id);
        return;
    }
    v->piece[id] = piece;
    uint64_t at = fnv_hash(FNV_EMPTY, piece, strlen(piece)) & v->mask;
    while (v->slot[at] >= 0) at = (at + 1) & v->mask;
    v->slot[at] = (int32_t)id;
}

/* Takes the json, also on failure. */
static attn_status build(vocabulary **out, config *json, const char *name)
{
    vocabulary *v = calloc(1, sizeof *v);
    if (!v) {
        config_destroy(json);
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    }
    v->json = json;
    filling f = {v, name, ATTN_OK};
    attn_status s = config_each_integer(json, 0, LARGEST_ID, widen, v);
    if (s == ATTN_OK) s = allocate(v, config_count(json), name);
    if (s == ATTN_OK) s = config_each_integer(json, 0, LARGEST_ID, place, &f);
    if (s == ATTN_OK) s = f.status;
    if (s != ATTN_OK) {
        vocabulary_destroy(v);
        return s;
    }
    *out = v;
    return ATTN_OK;
}

attn_status vocabulary_parse(vocabulary **out, const char *text, size_t bytes, const char *name)
{
    *out = NULL;
    config *json;
    attn_status s = config_parse(&json, name, text, bytes);
    return s == ATTN_OK ? build(out, json, name) : s;
}

attn_status vocabulary_open(vocabulary **out, const char *path)
{
    *out = NULL;
    config *json;
    attn_status s = config_open(&json, path);
    return s == ATTN_OK ? build(out, json, path) : s;
}

attn_status vocabulary_of_json(vocabulary **out, const struct json_t *object, const char *name)
{
    *out = NULL;
    config *json;
    attn_status s = config_of_json(&json, name, object);
    return s == ATTN_OK ? build(out, json, name) : s;
}

static attn_status fill_from_list(vocabulary *v, const char *const *pieces, int64_t count, const char *name)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < count; i++) bytes += strlen(pieces[i]) + 1;
    v->size = count;
    v->text = malloc(bytes + 1);
    attn_status s = v->text ? allocate(v, count, name) : status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    filling f = {v, name, s};
    char *to = v->text;
    for (int64_t i = 0; i < count && f.status == ATTN_OK; i++) {
        const size_t length = strlen(pieces[i]);
        if (vocabulary_find(v, pieces[i], length) >= 0)
            return status_fail(ATTN_ERROR_FORMAT, "%s: piece \"%.*s\" stands there twice", name,
                               (int)utf8_shown(pieces[i], 60), pieces[i]);
        memcpy(to, pieces[i], length + 1);
        place(&f, to, i);
        to += length + 1;
    }
    return f.status;
}

attn_status vocabulary_create(vocabulary **out, const char *const *pieces, int64_t count, const char *name)
{
    *out = NULL;
    vocabulary *v = calloc(1, sizeof *v);
    if (!v) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    attn_status s = fill_from_list(v, pieces, count, name);
    if (s != ATTN_OK) {
        vocabulary_destroy(v);
        return s;
    }
    *out = v;
    return ATTN_OK;
}

void vocabulary_destroy(vocabulary *v)
{
    if (!v) return;
    config_destroy(v->json);
    free(v->text);
    free(v->piece);
    free(v->slot);
    free(v);
}

int32_t vocabulary_find(const vocabulary *v, const char *piece, size_t bytes)
{
    for (uint64_t at = fnv_hash(FNV_EMPTY, piece, bytes) & v->mask; v->slot[at] >= 0; at = (at + 1) & v->mask) {
        const char *found = v->piece[v->slot[at]];
        if (strlen(found) == bytes && memcmp(found, piece, bytes) == 0) return v->slot[at];
    }
    return -1;
}

const char *vocabulary_piece(const vocabulary *v, int32_t id)
{
    return id >= 0 && id < v->size ? v->piece[id] : NULL;
}

int64_t vocabulary_size(const vocabulary *v)
{
    return v->size;
}
