#include "hidden/transformer_cache.h"

#include "base/checked.h"
#include "base/status.h"
#include "hidden/sublayers.h"

#include <string.h>

#define FIRST_CAPACITY 16

/* a * b * c floats; NULL when they do not fit or there is no memory. */
static float *floats(const transformer_cache *cache, int64_t a, int64_t b, int64_t c)
{
    size_t count, bytes;
    if (!checked_mul((size_t)a, (size_t)b, &count) || !checked_mul(count, (size_t)c, &count)) return NULL;
    return checked_mul(count, sizeof(float), &bytes) ? arena_take(cache->memory, bytes) : NULL;
}

/* ---- growing ---------------------------------------------------------------------------------------------------- */

/* Moves one array of filled rows into a new one with room for `capacity` positions. */
static bool widen(const transformer_cache *c, float **rows, int64_t capacity)
{
    float *wider = floats(c, c->row_limit, capacity, c->key_width);
    if (!wider) return false;
    for (int64_t r = 0; r < c->rows && c->position; r++)
        memcpy(wider + r * capacity * c->key_width, *rows + r * c->capacity * c->key_width,
               (size_t)(c->position * c->key_width) * sizeof(float));
    *rows = wider;
    return true;
}

attn_status transformer_cache_reserve(transformer_cache *c)
{
    if (c->position >= c->max_positions)
        return status_fail(ATTN_ERROR_ARGUMENT, "position %lld of a cache for %lld", (long long)c->position,
                           (long long)c->max_positions);
    if (c->position < c->capacity) return ATTN_OK;
    int64_t capacity = c->capacity ? c->capacity * 2 : FIRST_CAPACITY;
    if (capacity > c->max_positions) capacity = c->max_positions;
    c->spare_k = floats(c, c->row_limit, capacity, c->key_width);
    c->spare_v = floats(c, c->row_limit, capacity, c->key_width);
    bool done = c->spare_k && c->spare_v;
    for (int64_t i = 0; i < c->layer_count && done; i++)
        done = widen(c, &c->layers[i].self_k, capacity) && widen(c, &c->layers[i].self_v, capacity);
    if (!done) {
        c->max_positions = 0; /* some arrays are wider than others: of no more use */
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld rows of %lld cached positions",
                           (long long)c->row_limit, (long long)capacity);
    }
    c->capacity = capacity;
    return ATTN_OK;
}

/* ---- creating --------------------------------------------------------------------------------------------------- */

/* Row r of the first rows belongs to sequence r / width. */
static void place_first_rows(transformer_cache *c, int64_t rows_per_sequence)
{
    c->rows = c->row_limit;
    c->width = rows_per_sequence;
    c->in_place = true;
    for (int64_t r = 0; r < c->rows; r++) c->place[r] = r;
    for (int64_t b = 0; b < c->batch; b++) c->slot_of_sequence[b] = b;
}

static attn_status project_memory(transformer_cache *c, tape *t, const transformer_options *o,
                                  const transformer_layer *layers, tensor *memory)
{
    for (int64_t i = 0; i < c->layer_count; i++) {
        const attention_parameters *p = &layers[i].cross;
        c->layers[i].cross_k = attention_keys(t, o, p, memory)->value;
        c->layers[i].cross_v = tape_linear(t, memory, p->v_weight, p->v_bias, ACTIVATION_NONE)->value;
    }
    return tape_status(t);
}

static attn_status check_sizes(const tensor *memory, int64_t batch, const int64_t *lengths, int64_t rows_per_sequence,
                               int64_t max_positions, int64_t *row_limit)
{
    if (batch < 1 || rows_per_sequence < 1 || max_positions < 1 || memory->rank != 2 || memory->shape[0] % batch)
        return status_fail(ATTN_ERROR_ARGUMENT, "a cache of %lld sequences, %lld rows each, %lld positions",
                           (long long)batch, (long long)rows_per_sequence, (long long)max_positions);
    for (int64_t b = 0; lengths && b < batch; b++)
        if (lengths[b] < 0 || lengths[b] > memory->shape[0] / batch)
            return status_fail(ATTN_ERROR_ARGUMENT, "sequence %lld of length %lld, expected 0 to %lld", (long long)b,
                               (long long)lengths[b], (long long)(memory->shape[0] / batch));
    if (!checked_mul_i64(batch, rows_per_sequence, row_limit))
        return status_fail(ATTN_ERROR_OVERFLOW, "%lld sequences of %lld rows", (long long)batch,
                           (long long)rows_per_sequence);
    return ATTN_OK;
}

static bool allocate(transformer_cache *c)
{
    c->slot_lengths = arena_take_zeroed(c->memory, (size_t)c->batch, sizeof *c->slot_lengths);
    c->slot_of_sequence = arena_take_zeroed(c->memory, (size_t)c->batch, sizeof *c->slot_of_sequence);
    c->place = arena_take_zeroed(c->memory, (size_t)c->row_limit, sizeof *c->place);
    c->layers = arena_take_zeroed(c->memory, (size_t)c->layer_count, sizeof *c->layers);
    return c->slot_lengths && c->slot_of_sequence && c->place && c->layers;
}

attn_status transformer_cache_create(transformer_cache **out, tape *t, const transformer_options *o,
                                     const transformer_layer *layers, int64_t layer_count, tensor *memory,
                                     int64_t batch, const int64_t *memory_lengths, int64_t rows_per_sequence,
                                     int64_t max_positions)
{
    if (tape_status(t) != ATTN_OK) return tape_status(t);
    int64_t row_limit = 0;
    attn_status s = check_sizes(memory, batch, memory_lengths, rows_per_sequence, max_positions, &row_limit);
    if (s != ATTN_OK) return s;
    transformer_cache *c = arena_take_zeroed(tape_arena(t), 1, sizeof *c);
    if (!c) return status_fail(ATTN_ERROR_MEMORY, "no memory for a cache");
    c->memory = tape_arena(t);
    c->layer_count = layer_count;
    c->d = memory->shape[1];
    c->key_width = c->d / o->heads * key_value_heads(o);
    c->S = memory->shape[0] / batch;
    c->batch = c->slots = batch;
    c->row_limit = row_limit;
    c->max_positions = max_positions;
    s = allocate(c) ? project_memory(c, t, o, layers, memory)
                    : status_fail(ATTN_ERROR_MEMORY, "no memory for the keys of %lld sequences", (long long)batch);
    if (s != ATTN_OK) return s;
    for (int64_t b = 0; b < batch; b++) c->slot_lengths[b] = memory_lengths ? memory_lengths[b] : c->S;
    place_first_rows(c, rows_per_sequence);
    *out = c;
    return ATTN_OK;
}
