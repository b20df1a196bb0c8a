/* What a cached decoding holds between steps.
 *
 *     self keys and values    (row_limit, capacity, key_width) per layer; a row is a hypothesis, `position` of its
 *                             places are filled
 *     cross keys and values   (slots, S, key_width) per layer; a slot is a sequence, which its rows share
 *
 * A dropped sequence's slot stays until a quarter of them are dead; then the live ones move together. */
#ifndef HIDDEN_TRANSFORMER_CACHE_H
#define HIDDEN_TRANSFORMER_CACHE_H

#include "hidden/transformer.h"

typedef struct layer_cache {
    float *self_k, *self_v, *cross_k, *cross_v;
} layer_cache;

struct transformer_cache {
    arena *memory;                               /* holds all of it */
    int64_t layer_count, d, key_width, S, batch; /* key_width: HK * D */
    int64_t rows, row_limit;
    int64_t position, capacity, max_positions;
    int64_t slots;
    int64_t *slot_lengths;     /* (slots) keys to attend to, 0: dead */
    int64_t *slot_of_sequence; /* (batch) */
    /* Cross-attention's queries as (slots, width): row r stands at place[r]. in_place: place[r] is r and no place is
     * empty. */
    int64_t width;
    int64_t *place; /* (row_limit) */
    bool in_place;
    layer_cache *layers;
    float *spare_k, *spare_v; /* (row_limit, capacity, key_width): where a reordering writes */
};

/* Makes room for one more position. */
attn_status transformer_cache_reserve(transformer_cache *c);

#endif
