#include "base/parallel.h"
#include "base/status.h"
#include "hidden/transformer_cache.h"

#include <stdlib.h>
#include <string.h>

typedef struct move {
    const transformer_cache *c;
    const int64_t *from;
    const float *old;
    float *new;
} move;

static void move_row(void *argument, int64_t r, int worker)
{
    (void)worker;
    const move *m = argument;
    const int64_t stride = m->c->capacity * m->c->key_width;
    memcpy(m->new + r *stride, m->old + m->from[r] * stride,
           (size_t)(m->c->position * m->c->key_width) * sizeof(float));
}

typedef struct shift {
    transformer_cache *c;
    const int64_t *from;
    int64_t rows;
} shift;

static void shift_array(void *argument, int64_t index, int worker)
{
    (void)worker;
    const shift *s = argument;
    const transformer_cache *c = s->c;
    const layer_cache *l = &c->layers[index / 2];
    float *array = index % 2 ? l->self_v : l->self_k;
    const int64_t stride = c->capacity * c->key_width;
    for (int64_t r = 0; r < s->rows; r++) {
        if (s->from[r] == r) continue;
        memcpy(array + r * stride, array + s->from[r] * stride, (size_t)(c->position * c->key_width) * sizeof(float));
    }
}

/* Whether rows may be copied in ascending order within an array: each from a later one, or from one that stays. */
static bool moves_in_place(const int64_t *from, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++)
        if (from[r] < r && from[from[r]] != from[r]) return false;
    return true;
}

/* In place, as a search that keeps its rows in order allows; else each array is written to the spare one, and becomes
 * the spare one. */
static void move_rows(transformer_cache *c, int threads, const int64_t *from, int64_t rows)
{
    if (!c->position) return;
    if (moves_in_place(from, rows)) {
        shift s = {c, from, rows};
        parallel_for(threads, 2 * c->layer_count, shift_array, &s);
        return;
    }
    for (int64_t i = 0; i < c->layer_count; i++) {
        float **arrays[2] = {&c->layers[i].self_k, &c->layers[i].self_v}, **spares[2] = {&c->spare_k, &c->spare_v};
        for (int a = 0; a < 2; a++) {
            move m = {c, from, *arrays[a], *spares[a]};
            parallel_for(threads, rows, move_row, &m);
            *spares[a] = *arrays[a];
            *arrays[a] = m.new;
        }
    }
}

/* Moves the live slots together, in their order. */
static void compact_slots(transformer_cache *c)
{
    const int64_t size = c->S * c->key_width;
    int64_t live = 0;
    for (int64_t slot = 0; slot < c->slots; slot++) {
        int64_t b = 0;
        while (b < c->batch && c->slot_of_sequence[b] != slot) b++;
        if (b == c->batch) continue;
        for (int64_t i = 0; i < c->layer_count && slot != live; i++) {
            memmove(c->layers[i].cross_k + live * size, c->layers[i].cross_k + slot * size,
                    (size_t)size * sizeof(float));
            memmove(c->layers[i].cross_v + live * size, c->layers[i].cross_v + slot * size,
                    (size_t)size * sizeof(float));
        }
        c->slot_lengths[live] = c->slot_lengths[slot];
        c->slot_of_sequence[b] = live++;
    }
    c->slots = live;
}

/* Drops the sequences that no row belongs to; counts[b] is the number of b's rows. */
static void drop_sequences(transformer_cache *c, const int64_t *counts)
{
    int64_t live = 0;
    for (int64_t b = 0; b < c->batch; b++) {
        if (counts[b]) {
            live++;
        } else if (c->slot_of_sequence[b] >= 0) {
            c->slot_lengths[c->slot_of_sequence[b]] = 0;
            c->slot_of_sequence[b] = -1;
        }
    }
    if (live <= c->slots - c->slots / 4) compact_slots(c);
}

static void place_rows(transformer_cache *c, const int64_t *sequence_of, int64_t rows, int64_t *counts)
{
    c->width = 1;
    for (int64_t b = 0; b < c->batch; b++) {
        if (counts[b] > c->width) c->width = counts[b];
        counts[b] = 0;
    }
    c->in_place = rows == c->slots * c->width;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t b = sequence_of[r];
        c->place[r] = c->slot_of_sequence[b] * c->width + counts[b]++;
        c->in_place &= c->place[r] == r;
    }
    c->rows = rows;
}

static attn_status check_rows(const transformer_cache *c, const int64_t *from, const int64_t *sequence_of, int64_t rows)
{
    if (rows < 0 || rows > c->row_limit)
        return status_fail(ATTN_ERROR_ARGUMENT, "%lld rows in a cache for %lld", (long long)rows,
                           (long long)c->row_limit);
    for (int64_t r = 0; r < rows; r++) {
        if (c->position && (from[r] < 0 || from[r] >= c->rows))
            return status_fail(ATTN_ERROR_ARGUMENT, "row %lld continues row %lld of %lld", (long long)r,
                               (long long)from[r], (long long)c->rows);
        if (sequence_of[r] < 0 || sequence_of[r] >= c->batch || c->slot_of_sequence[sequence_of[r]] < 0)
            return status_fail(ATTN_ERROR_ARGUMENT, "row %lld belongs to sequence %lld, which is not in the cache",
                               (long long)r, (long long)sequence_of[r]);
    }
    return ATTN_OK;
}

attn_status transformer_cache_reorder(transformer_cache *c, int threads, const int64_t *from,
                                      const int64_t *sequence_of, int64_t rows)
{
    attn_status s = check_rows(c, from, sequence_of, rows);
    if (s != ATTN_OK) return s;
    int64_t *counts = calloc((size_t)c->batch, sizeof *counts);
    if (!counts) return status_fail(ATTN_ERROR_MEMORY, "no memory to reorder %lld sequences", (long long)c->batch);
    for (int64_t r = 0; r < rows; r++) counts[sequence_of[r]]++;
    move_rows(c, threads, from, rows);
    drop_sequences(c, counts);
    place_rows(c, sequence_of, rows, counts);
    free(counts);
    return ATTN_OK;
}
