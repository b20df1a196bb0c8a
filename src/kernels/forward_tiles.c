/* Forward attention on bf16 by products of tiles: as forward_pairs.c, queries in lanes, but whole tiles at a time,
 *
 *     scores[key][query] += K[key][d] Q[d][query]        O[c][query] += V[c][key] weight[key][query]
 *        16 x 16            16 x 32   32 x 16             16 x 16       16 x 32   32 x 16
 *
 * whose right factors are pairs, of dimensions or of keys, as forward_pairs.c makes them, and whose left ones have
 * rows: K's as they stand, V's turned. Both are packed once a chunk, tile by tile, with 0 beyond the last key and
 * dimension, so that every tile is whole. A panel is 16 queries, a strip two panels: two tiles of a left factor times
 * two of a right one keep four sums, and each tile that is loaded is used twice.
 *
 * scratch, for each panel: Q [D / 2][16] of pairs, O [DV][16], largest [16], sum [16], scores
 * [FORWARD_CHUNK][16]; D and DV rounded up to whole tiles. Packed keys are [key / 16][d / 32], packed values
 * [c / 16][key / 32], of tiles.
 *
 * The products take a unit of their own, and the softmax all the others: so one strip's scores are multiplied while the
 * other's weights are computed, 8 keys after every four products, and likewise its values.
 *
 * A strip goes without the keys of a masked chunk, 32 at a time, that none of its queries sees: their weights are 0,
 * and a product of zeros adds 0. */
#include "base/number_format.h"
#include "kernels/simd_parts.h"
#include "kernels/simd_tiles.h"

#define BLOCK_LANES TILE_ROWS
#define GROUP (TILE_ROWS / SIMD_LANES)
#include "kernels/lane_finish.h"
#include "kernels/lane_pairs.h"

#include <string.h>

#define KEY_TILES (FORWARD_CHUNK / TILE_BF16) /* that a packed column of values has, whatever the chunk's keys */
#define STRIP 2                               /* panels */

extern pair_rows_kernel SIMD_NAMED(pack_keys), SIMD_NAMED(pack_values);
extern forward_begin_kernel SIMD_NAMED(forward_tiles_begin);
extern forward_step_kernel SIMD_NAMED(forward_tiles_step);
extern forward_finish_kernel SIMD_NAMED(forward_tiles_finish);

/* The next numbers of a row that has `left` more, maybe none; 0 behind them. */
static pairs row_pairs(const uint16_t *row, int64_t d, int64_t left)
{
    if (left <= 0) return pairs_set1(0);
    return left >= 2 * SIMD_LANES ? pairs_load(row + d) : pairs_load_n(row + d, (int)left);
}

void SIMD_NAMED(pack_keys)(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, uint32_t *to)
{
    const int64_t keys = whole_tiles(count), steps = whole_tiles(columns) / TILE_BF16;
    for (int64_t n = 0; n < keys; n++) {
        uint32_t *at = to + n / TILE_ROWS * steps * TILE_WORDS + n % TILE_ROWS * ROW_WORDS;
        const uint16_t *from = n < count ? rows + n * row : rows;
        for (int64_t d = 0; d < steps * TILE_BF16; d += 2 * SIMD_LANES)
            pairs_store(at + d / TILE_BF16 * TILE_WORDS + d % TILE_BF16 / 2,
                        row_pairs(from, d, n < count ? columns - d : 0));
    }
}

/* SIMD_LANES columns from c on of twice as many keys from n on, turned. */
static void turn_values(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, int64_t c, int64_t n,
                        uint32_t *to)
{
    static const uint16_t nothing[SIMD_LANES];
    const int there = part_at(columns, c);
    vec turned[SIMD_LANES];
    for (int64_t i = 0; i < SIMD_LANES; i++, n += 2) {
        const uint16_t *first = there > 0 && n < count ? rows + n * row + c : nothing;
        const uint16_t *second = there > 0 && n + 1 < count ? rows + (n + 1) * row + c : nothing;
        turned[i] = pairs_floats(pairs_join(first, second, there));
    }
    vec_transpose(turned);
    for (int64_t i = 0; i < SIMD_LANES; i++) vec_store((float *)to + i * ROW_WORDS, turned[i]);
}

void SIMD_NAMED(pack_values)(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, uint32_t *to)
{
    const int64_t keys = whole_tiles(count), all = whole_tiles(columns);
    for (int64_t c = 0; c < all; c += SIMD_LANES)
        for (int64_t n = 0; n < keys; n += 2 * SIMD_LANES)
            turn_values(rows, row, count, columns, c, n,
                        to + (c / TILE_ROWS * KEY_TILES + n / TILE_BF16) * TILE_WORDS + c % TILE_ROWS * ROW_WORDS +
                            n % TILE_BF16 / 2);
}

/* Panel number n of the block. */
static lane_group panel_at(const forward_block *block, int64_t n)
{
    const int64_t dimensions = whole_tiles(block->D) / 2, columns = whole_tiles(block->DV);
    float *q = block->scratch + n * TILE_ROWS * (dimensions + columns + 2 + FORWARD_CHUNK);
    float *o = q + TILE_ROWS * dimensions, *largest = o + TILE_ROWS * columns;
    return (lane_group){.vectors = GROUP,
                        .first = n * TILE_ROWS,
                        .q = q,
                        .o = o,
                        .largest = largest,
                        .sum = largest + TILE_ROWS,
                        .scores = largest + 2 * TILE_ROWS};
}

static int64_t block_panels(const forward_block *block)
{
    return whole_tiles(block->queries) / TILE_ROWS;
}

void SIMD_NAMED(forward_tiles_begin)(const forward_block *block)
{
    const int64_t dimensions = (block->D + 1) / 2, whole = whole_tiles(block->D) / 2;
    for (int64_t n = 0; n < block_panels(block); n++) {
        const lane_group panel = panel_at(block, n);
        begin_group(block, &panel);
        for (int v = 0; v < GROUP; v++)
            transpose_queries(block, panel.first + v * SIMD_LANES, panel.q + v * SIMD_LANES, TILE_ROWS);
        memset(panel.q + dimensions * TILE_ROWS, 0, (size_t)((whole - dimensions) * TILE_ROWS) * sizeof *panel.q);
    }
}

void SIMD_NAMED(forward_tiles_finish)(const forward_block *block)
{
    for (int64_t first = 0; first < block->queries; first += SIMD_LANES) {
        const lane_group panel = panel_at(block, first / TILE_ROWS);
        const int64_t lane = first % TILE_ROWS;
        finish_vector(block, first, panel.o + lane, TILE_ROWS, panel.largest + lane, panel.sum + lane);
    }
}

/* A strip and its part of a chunk, and how far its weights are. */
typedef struct strip_step {
    lane_group panels[STRIP];
    int live; /* panels with queries */
    forward_chunk part;
    int64_t stride, weighed; /* of the modification; keys */
    vec base[STRIP][GROUP], sum[STRIP][GROUP], shrink[STRIP][GROUP];
} strip_step;

/* Keys that are weighed at a time: even. */
#define SLICE 8

/* The next of the strip's scores to pairs of weights. */
INLINE void weigh_slice(strip_step *s)
{
    const int64_t n = s->weighed, last = s->part.keys - n < SLICE ? s->part.keys : n + SLICE;
    if (n >= last) return;
    for (int p = 0; p < s->live; p++) {
        vec base[GROUP], sum[GROUP]; /* in registers */
        for (int v = 0; v < GROUP; v++) base[v] = s->base[p][v], sum[v] = s->sum[p][v];
        weigh_keys(GROUP, &s->part, &s->panels[p], s->stride, n, last, base, sum);
        for (int v = 0; v < GROUP; v++) s->sum[p][v] = sum[v];
    }
    s->weighed = last;
}

/* Two tiles of a left factor, at upper and lower, times two of a right one into tiles 0 to 3; `words` of each are gone
 * through. Meanwhile another strip, or NULL, is weighed. */
INLINE void multiply_tiles(const uint32_t *upper, const uint32_t *lower, const float *first, const float *second,
                           int64_t words, strip_step *other)
{
    square_zero();
    for (int64_t x = 0; x < words; x += TILE_WORDS) {
        square_dot(upper + x, lower + x, TILE_ROW_BYTES, first + x, second + x, TILE_ROW_BYTES);
        if (other) weigh_slice(other);
    }
}

/* The strip's products with its keys. */
static void score_strip(const forward_block *block, const strip_step *s, strip_step *other)
{
    const int64_t words = whole_tiles(block->D) / TILE_BF16 * TILE_WORDS;
    const uint32_t *k = (const uint32_t *)s->part.k_bf16;
    float *first = s->panels[0].scores, *second = s->panels[1].scores;
    for (int64_t n = 0; n < s->part.keys; n += TILE_BF16) {
        multiply_tiles(k, k + words, s->panels[0].q, s->panels[1].q, words, other);
        tile_store(0, first, TILE_ROW_BYTES);
        tile_store(1, second, TILE_ROW_BYTES);
        tile_store(2, first + TILE_WORDS, TILE_ROW_BYTES);
        tile_store(3, second + TILE_WORDS, TILE_ROW_BYTES);
        k += 2 * words, first += 2 * TILE_WORDS, second += 2 * TILE_WORDS;
    }
}

/* The panel's scores of these keys times the scale, the largest into most. */
static void scale_scores(const forward_block *block, const lane_group *panel, int64_t keys, vec most[GROUP])
{
    const vec scale = vec_set1(block->scale);
    for (int v = 0; v < GROUP; v++) most[v] = vec_set1(-INFINITY);
    for (int64_t n = 0; n < keys; n++)
        for (int v = 0; v < GROUP; v++) {
            float *at = panel->scores + n * TILE_ROWS + v * SIMD_LANES;
            const vec score = vec_mul(vec_load(at), scale);
            vec_store(at, score);
            most[v] = vec_max(score, most[v]); /* a NaN is passed over here and found by its weight */
        }
}

/* Everything of the softmax before the weights. */
static void begin_weights(const forward_block *block, strip_step *s)
{
    const bool modified = is_modified(&s->part) || bends(block);
    for (int p = 0; p < s->live; p++) {
        vec most[GROUP];
        scale_scores(block, &s->panels[p], s->part.keys, most);
        if (modified) modify_chunk(GROUP, block, &s->part, &s->panels[p], most);
        raise_largest(GROUP, &s->panels[p], s->part.keys, most, s->base[p], s->shrink[p]);
    }
}

/* The weights that are left; 0 behind the last key. */
static void end_weights(strip_step *s)
{
    if (!s->part.keys) return;
    const int64_t last = (s->part.keys + 1) / 2, whole = whole_tiles(s->part.keys) / 2;
    while (s->weighed < s->part.keys) weigh_slice(s);
    for (int p = 0; p < s->live; p++) {
        const lane_group *panel = &s->panels[p];
        add_sums(GROUP, panel, s->shrink[p], s->sum[p]);
        memset(panel->scores + last * TILE_ROWS, 0, (size_t)((whole - last) * TILE_ROWS) * sizeof *panel->scores);
    }
}

/* A panel's O of 16 columns, shrunk, and the chunk's share of it. */
static void add_share(const lane_group *panel, int64_t c, const vec shrink[GROUP], const float share[TILE_WORDS])
{
    for (int row = 0; row < TILE_ROWS; row++)
        for (int v = 0; v < GROUP; v++) {
            float *o = panel->o + (c + row) * TILE_ROWS + v * SIMD_LANES;
            vec_store(o, vec_fma(vec_load(o), shrink[v], vec_load(share + row * TILE_ROWS + v * SIMD_LANES)));
        }
}

/* 32 columns of O from c on, by the tiles of values at v. */
static void value_tiles(const strip_step *s, const uint32_t *v, int64_t c, strip_step *other)
{
    _Alignas(64) float share[2 * STRIP][TILE_WORDS];
    multiply_tiles(v, v + KEY_TILES * TILE_WORDS, s->panels[0].scores, s->panels[1].scores,
                   whole_tiles(s->part.keys) / TILE_BF16 * TILE_WORDS, other);
    tile_store(0, share[0], TILE_ROW_BYTES);
    tile_store(1, share[1], TILE_ROW_BYTES);
    tile_store(2, share[2], TILE_ROW_BYTES);
    tile_store(3, share[3], TILE_ROW_BYTES);
    for (int n = 0; n < 2 * STRIP; n++)
        if (n % STRIP < s->live)
            add_share(&s->panels[n % STRIP], c + n / STRIP * TILE_ROWS, s->shrink[n % STRIP], share[n]);
}

static bool is_finite(uint16_t x)
{
    return (x & 0x7f80) != 0x7f80;
}

/* Number `key` of packed column c. */
static int64_t packed_at(int64_t c, int64_t key)
{
    return ((c / TILE_ROWS * KEY_TILES + key / TILE_BF16) * TILE_ROWS + c % TILE_ROWS) * TILE_BF16 + key % TILE_BF16;
}

/* Whether all of the chunk's values are finite: 0 times them is 0. */
static bool values_are_finite(const forward_block *block, const forward_chunk *chunk)
{
    vec nothing = vec_zero();
    const int64_t used = whole_tiles(chunk->keys) / TILE_BF16 * TILE_WORDS;
    for (int64_t c = 0; c < whole_tiles(block->DV); c += TILE_ROWS) {
        const uint32_t *v = chunk->v_pairs + c * KEY_TILES * ROW_WORDS;
        for (int64_t n = 0; n < used; n += SIMD_LANES) nothing = pairs_dot(pairs_load(v + n), pairs_set1(0), nothing);
    }
    return vec_sum(nothing) == 0;
}

static bool sees(const forward_chunk *chunk, int64_t stride, int64_t n, int64_t query)
{
    if (chunk->seen) return chunk->seen[n] >> query & 1;
    return chunk->modification[n * stride + query] != -INFINITY;
}

/* Adds the value x of a key, NaN or infinite, in the chunk's place n to column c of the queries that see the key. */
static void add_unbounded(const forward_block *block, const forward_chunk *chunk, const lane_group *panel, int64_t c,
                          int64_t n, uint16_t x)
{
    const int64_t stride = block_vectors(block) * SIMD_LANES, left = block->queries - panel->first;
    for (int64_t m = 0; m < TILE_ROWS && m < left; m++) {
        if (!sees(chunk, stride, n, panel->first + m)) continue;
        uint16_t weight;
        memcpy(&weight, (const char *)(panel->scores + n / 2 * TILE_ROWS + m) + n % 2 * sizeof weight, sizeof weight);
        panel->o[c * TILE_ROWS + m] += bf16_to_float(weight) * bf16_to_float(x);
    }
}

/* value_tiles where a masked key's value may be NaN or infinite, which a weight of 0 would not silence: it is taken as
 * 0 in the tiles, and added to those that see it afterwards. The same sums in the same order otherwise. */
static void value_tiles_selected(const forward_block *block, const strip_step *s, const uint32_t *packed, int64_t c,
                                 strip_step *other)
{
    _Alignas(64) uint16_t finite[2 * KEY_TILES * TILE_WORDS * 2];
    const uint16_t *v = (const uint16_t *)packed;
    for (int64_t i = 0; i < TILE_BF16; i++)
        for (int64_t n = 0; n < whole_tiles(s->part.keys); n++) {
            const uint16_t x = v[packed_at(i, n)];
            finite[packed_at(i, n)] = is_finite(x) ? x : 0;
        }
    value_tiles(s, (const uint32_t *)finite, c, other);
    for (int64_t i = 0; i < TILE_BF16; i++)
        for (int64_t n = 0; n < s->part.keys; n++) {
            const uint16_t x = v[packed_at(i, n)];
            for (int p = 0; p < s->live && !is_finite(x); p++)
                add_unbounded(block, &s->part, &s->panels[p], c + i, n, x);
        }
}

static void value_strip(const forward_block *block, const strip_step *s, bool finite, strip_step *other)
{
    for (int64_t c = 0; c < block->DV && s->part.keys; c += TILE_BF16) {
        const uint32_t *v = s->part.v_pairs + c * KEY_TILES * ROW_WORDS;
        if (finite)
            value_tiles(s, v, c, other);
        else
            value_tiles_selected(block, s, v, c, other);
    }
}

/* The keys of the chunk that queries of the strip see, in whole tiles from the chunk's first on. */
static key_span strip_keys(const forward_block *block, const forward_chunk *chunk, const strip_step *s)
{
    key_span all = {chunk->keys, 0};
    for (int p = 0; p < s->live; p++) {
        const key_span seen = seen_keys(GROUP, block, chunk, &s->panels[p]);
        if (seen.first == seen.last) continue;
        if (seen.first < all.first) all.first = seen.first;
        if (seen.last > all.last) all.last = seen.last;
    }
    if (all.first >= all.last) return (key_span){0, 0};
    all.first -= all.first % TILE_BF16;
    all.last = whole_tiles(all.last) < chunk->keys ? whole_tiles(all.last) : chunk->keys;
    return all;
}

static void begin_strip(const forward_block *block, const forward_chunk *chunk, int64_t panel, strip_step *s)
{
    s->live = 0;
    s->weighed = 0;
    s->stride = block_vectors(block) * SIMD_LANES;
    for (int p = 0; p < STRIP; p++) {
        s->panels[p] = panel_at(block, panel + p);
        s->live += s->panels[p].first < block->queries;
        for (int v = 0; v < GROUP; v++) s->sum[p][v] = vec_zero();
    }
    const key_span span = strip_keys(block, chunk, s);
    s->part = chunk_span(block, chunk, span);
    s->part.k_bf16 += span.first * whole_tiles(block->D);
    s->part.v_pairs += span.first / TILE_BF16 * TILE_WORDS;
}

/* Scores of a strip to where its weights can begin, while the one before is weighed. */
static void score_and_begin(const forward_block *block, strip_step *s, strip_step *before)
{
    const bool called = block->function.call != NULL; /* and may use tiles of its own */
    score_strip(block, s, before);
    if (called) tiles_release();
    if (s->part.keys) begin_weights(block, s);
    if (called) tiles_configure();
}

void SIMD_NAMED(forward_tiles_step)(const forward_block *block, const forward_chunk *chunk)
{
    const bool finite = !is_masked(chunk) || values_are_finite(block, chunk);
    const bool two = block_panels(block) > STRIP;
    strip_step first, second;
    begin_strip(block, chunk, 0, &first);
    tiles_configure();
    score_and_begin(block, &first, NULL);
    if (two) {
        begin_strip(block, chunk, STRIP, &second);
        score_and_begin(block, &second, &first);
    }
    end_weights(&first);
    value_strip(block, &first, finite, two ? &second : NULL);
    if (two) {
        end_weights(&second);
        value_strip(block, &second, finite, NULL);
    }
    tiles_release();
}
