/* Backward's weights and their gradients by products of tiles of bf16, rounded to it for the products that follow;
 * backward_tile.h gives the contract.
 *
 *     S^T[key][query] += K[key][d] Q[d][query]        dP^T[key][query] += V[key][c] dO[c][query]
 *         16 x 16        16 x 32   32 x 16                 16 x 16         16 x 32   32 x 16
 *
 * The rows of K and V come in tiles (pack_keys), Q and dO by pairs of dimensions as for products of pairs. The tile is
 * gone through in squares of 32 keys by 32 queries. The products take a unit of their own, and what is made of them all
 * the others: so a square's weights are computed, 8 keys after every four products, while the next is multiplied. */
#include "kernels/rounded_slopes.h"
#include "kernels/simd_tiles.h"

extern backward_scores_kernel SIMD_NAMED(backward_tiles_scores);

_Static_assert(BACKWARD_STEP == TILE_BF16, "what begin and the worker round up to is a row of a tile");

/* One square, and how many of its keys have become weights. */
typedef struct score_square {
    int64_t key, query;
    int64_t keys, vectors; /* that are there */
    int64_t done;
} score_square;

/* Keys that become weights at a time: even. */
#define SLICE 8

static int64_t count_squares(const backward_tile *t)
{
    return whole_tiles(t->keys) / TILE_BF16 * (whole_tiles(t->queries) / TILE_BF16);
}

static score_square square_at(const backward_tile *t, int64_t n)
{
    const int64_t across = whole_tiles(t->queries) / TILE_BF16;
    const int64_t key = n / across * TILE_BF16, query = n % across * TILE_BF16;
    const int64_t keys = t->keys - key, queries = t->queries - query;
    return (score_square){.key = key,
                          .query = query,
                          .keys = keys < TILE_BF16 ? keys : TILE_BF16,
                          .vectors = (queries < TILE_BF16 ? queries + SIMD_LANES - 1 : TILE_BF16) / SIMD_LANES};
}

/* The next of the square's scores to weights. */
static inline void weigh_slice(const backward_tile *t, score_square *s)
{
    const int64_t last = s->keys - s->done < SLICE ? s->keys : s->done + SLICE;
    if (s->done >= last) return;
    differentiate_rows(false, t, s->key + s->done, last - s->done, s->query, s->vectors);
    s->done = last;
}

/* 0 in the square behind its last key and query. */
static void silence_beyond(const backward_tile *t, const score_square *s)
{
    const int64_t queries = t->queries - s->query;
    for (int64_t n = 0; n < TILE_BF16; n++)
        for (int64_t m = n < s->keys ? queries : 0; m < TILE_BF16; m++) {
            const int64_t at = (s->key + n) * BACKWARD_QUERIES + s->query + m;
            t->p_bf16[at] = t->ds_bf16[at] = 0;
        }
}

/* The square of dS, a query's keys side by side. */
static void turn_gradients(const backward_tile *t, const score_square *s)
{
    for (int64_t m = 0; m < TILE_BF16; m += 2 * SIMD_LANES)
        for (int64_t n = 0; n < TILE_BF16; n += 2 * SIMD_LANES) {
            const uint16_t *from = t->ds_bf16 + (s->key + n) * BACKWARD_QUERIES + s->query + m;
            float *to = (float *)t->ds_pairs + (s->query + m) * (BACKWARD_KEYS / 2) + (s->key + n) / 2;
            vec low[SIMD_LANES], high[SIMD_LANES];
            for (int64_t i = 0; i < SIMD_LANES; i++, from += 2 * BACKWARD_QUERIES) {
                pairs upper;
                low[i] = pairs_floats(pairs_weave(pairs_load(from), pairs_load(from + BACKWARD_QUERIES), &upper));
                high[i] = pairs_floats(upper);
            }
            vec_transpose(low);
            vec_transpose(high);
            for (int64_t i = 0; i < SIMD_LANES; i++) {
                vec_store(to + i * (BACKWARD_KEYS / 2), low[i]);
                vec_store(to + (i + SIMD_LANES) * (BACKWARD_KEYS / 2), high[i]);
            }
        }
}

/* The square's weights that are left, and what products want beside them. */
static void end_square(const backward_tile *t, score_square *s)
{
    if (!s->keys) return;
    while (s->done < s->keys) weigh_slice(t, s);
    if (!t->p_bf16) return;
    silence_beyond(t, s);
    turn_gradients(t, s);
}

/* Rows of `length` numbers, in tiles, times columns by pairs, both from the square's on. Meanwhile the square before is
 * weighed. */
INLINE void multiply_square(const backward_tile *t, const score_square *s, const uint32_t *rows, const float *columns,
                            int64_t length, float *out, score_square *before)
{
    const int64_t words = whole_tiles(length) / TILE_BF16 * TILE_WORDS, stride = BACKWARD_QUERIES * sizeof(float);
    const uint32_t *upper = rows + s->key / TILE_ROWS * words, *lower = upper + words;
    const float *right = columns + s->query;
    square_zero();
    for (int64_t x = 0; x < words; x += TILE_WORDS, right += TILE_ROWS * BACKWARD_QUERIES) {
        square_dot(upper + x, lower + x, TILE_ROW_BYTES, right, right + TILE_ROWS, stride);
        weigh_slice(t, before);
    }
    square_store(out + s->key * BACKWARD_QUERIES + s->query, BACKWARD_QUERIES);
}

void SIMD_NAMED(backward_tiles_scores)(const backward_tile *t)
{
    const bool called = t->function.call != NULL; /* which asks for all products, and may use tiles of its own */
    score_square before = {0};
    tiles_configure();
    for (int64_t n = 0; n < count_squares(t); n++) {
        const score_square s = square_at(t, n);
        multiply_square(t, &s, t->k_tiles, t->q_t, t->D, t->p_t, &before);
        multiply_square(t, &s, t->v_tiles, t->grad_o_t, t->DV, t->ds_t, &before);
        end_square(t, &before);
        if (!called) before = s;
    }
    tiles_release();
    end_square(t, &before);
    if (!called) return;
    call_function(t, (t->queries + SIMD_LANES - 1) / SIMD_LANES);
    for (int64_t n = 0; n < count_squares(t); n++) {
        score_square s = square_at(t, n);
        end_square(t, &s);
    }
}
