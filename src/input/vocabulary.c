#include "input/vocabulary.h"

#include "base/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Far above any published vocabulary (NLLB has 256,206 pieces); bounds what a hostile file makes us allocate. */
#define LARGEST_ID ((1 << 22) - 1)

/* Pieces by id, and an open-addressing table from piece to id, at most half full. The strings are the json's. */
struct vocabulary {
    json_t *json;
    int64_t size;
    const char **piece;
    uint64_t mask;
    int32_t *slot; /* id, -1: empty */
};

/* Fowler, Noll and Vo's FNV-1a, 64 bits. */
static uint64_t hash(const char *piece, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)piece[i]) * 0x100000001b3u;
    return h;
}

static attn_status read_sizes(vocabulary *v, const char *name)
{
    const char *piece;
    json_t *id;
    json_object_foreach(v->json, piece, id)
    {
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value > LARGEST_ID)
            return status_fail(ATTN_ERROR_FORMAT, "%s: the id of piece \"%.60s\" is not a whole number from 0 to %d",
                               name, piece, LARGEST_ID);
        if (value >= v->size) v->size = value + 1;
    }
    if (v->size == 0) return status_fail(ATTN_ERROR_FORMAT, "%s: empty, expected pieces and their ids", name);
    return ATTN_OK;
}

static attn_status allocate(vocabulary *v, const char *name)
{
    uint64_t slots = 4;
    while (slots < 2 * (uint64_t)json_object_size(v->json)) slots *= 2;
    v->mask = slots - 1;
    v->piece = calloc((size_t)v->size, sizeof *v->piece);
    v->slot = malloc(slots * sizeof *v->slot);
    if (!v->piece || !v->slot) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    memset(v->slot, 0xff, slots * sizeof *v->slot);
    return ATTN_OK;
}

static attn_status fill(vocabulary *v, const char *name)
{
    const char *piece;
    json_t *value;
    json_object_foreach(v->json, piece, value)
    {
        int32_t id = (int32_t)json_integer_value(value);
        if (v->piece[id])
            return status_fail(ATTN_ERROR_FORMAT, "%s: pieces \"%.60s\" and \"%.60s\" have the same id %d", name,
                               v->piece[id], piece, (int)id);
        v->piece[id] = piece;
        uint64_t at = hash(piece, strlen(piece)) & v->mask;
        while (v->slot[at] >= 0) at = (at + 1) & v->mask;
        v->slot[at] = id;
    }
    return ATTN_OK;
}

static attn_status take(vocabulary **out, json_t *json, const json_error_t *error, const char *name)
{
    *out = NULL;
    if (!json) return status_fail(ATTN_ERROR_FORMAT, "%s:%d: %s", name, error->line, error->text);
    vocabulary *v = calloc(1, sizeof *v);
    if (!v) {
        json_decref(json);
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    }
    v->json = json;
    attn_status s = ATTN_OK;
    if (!json_is_object(json)) s = status_fail(ATTN_ERROR_FORMAT, "%s: expected an object of pieces and ids", name);
    if (s == ATTN_OK) s = read_sizes(v, name);
    if (s == ATTN_OK) s = allocate(v, name);
    if (s == ATTN_OK) s = fill(v, name);
    if (s != ATTN_OK) {
        vocabulary_destroy(v);
        return s;
    }
    *out = v;
    return ATTN_OK;
}

attn_status vocabulary_parse(vocabulary **out, const char *text, size_t bytes, const char *name)
{
    json_error_t error;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    return take(out, json, &error, name);
}

attn_status vocabulary_open(vocabulary **out, const char *path)
{
    *out = NULL;
    json_error_t error;
    FILE *f = fopen(path, "rb");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot open it: %m", path);
    json_t *json = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
    fclose(f);
    return take(out, json, &error, path);
}

void vocabulary_destroy(vocabulary *v)
{
    if (!v) return;
    json_decref(v->json);
    free(v->piece);
    free(v->slot);
    free(v);
}

int32_t vocabulary_find(const vocabulary *v, const char *piece, size_t bytes)
{
    for (uint64_t at = hash(piece, bytes) & v->mask; v->slot[at] >= 0; at = (at + 1) & v->mask) {
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
