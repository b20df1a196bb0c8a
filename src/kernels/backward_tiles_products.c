/* Backward's three sums by products of tiles of bf16, from one tile of weights and gradients that
 * backward_tiles_scores.c left; backward_tile.h gives the contract.
 *
 *     dV[key][c] += P^T[key][query] dO[query][c]      dK[key][d] += dS^T[key][query] Q[query][d]
 *     dQ[query][d] += dS[query][key] K[key][d]
 *
 * of 16 x 16, 16 x 32 and 32 x 16. The left factors' rows stand as scores left them; the right ones' are packed as
 * pairs, [column / 16][row / 32] of tiles, 0 behind the last row and column. The gradients' rows are read into tiles
 * and written from them, 32 x 32 at a time; where not all of these are there, by way of a square that has the rest. */
#include "kernels/kernels.h"
#include "kernels/simd_pairs.h"
#include "kernels/simd_tiles.h"

#include <string.h>

extern pair_rows_kernel SIMD_NAMED(pack_rows);
extern backward_products_kernel SIMD_NAMED(backward_tiles_products);

#define PACKED_STEPS (BACKWARD_QUERIES / TILE_BF16) /* that packed columns have, whatever the rows */

_Static_assert(BACKWARD_QUERIES == BACKWARD_KEYS, "rows of weights are as long as those of gradients turned");

void SIMD_NAMED(pack_rows)(const uint16_t *rows, int64_t row, int64_t count, int64_t columns, uint32_t *to)
{
    const pairs nothing = pairs_set1(0);
    for (int64_t n = 0; n < whole_tiles(count); n += 2)
        for (int64_t c = 0; c < whole_tiles(columns); c += 2 * SIMD_LANES) {
            const int there = (int)(columns - c < 2 * SIMD_LANES ? columns - c : 2 * SIMD_LANES);
            const bool first = n < count && there > 0;
            const bool second = n + 1 < count && there > 0;
            pairs high, low = pairs_weave(first ? pairs_load_n(rows + n * row + c, there) : nothing,
                                          second ? pairs_load_n(rows + (n + 1) * row + c, there) : nothing, &high);
            uint32_t *at = to + n / TILE_BF16 * TILE_WORDS + n % TILE_BF16 / 2 * ROW_WORDS;
            const int64_t place = c / TILE_ROWS * PACKED_STEPS * TILE_WORDS + c % TILE_ROWS, next = c + SIMD_LANES;
            pairs_store(at + place, low);
            pairs_store(at + next / TILE_ROWS * PACKED_STEPS * TILE_WORDS + next % TILE_ROWS, high);
        }
}

/* out (rows, columns) += left right, summed over `length`. */
typedef struct tile_product {
    const uint16_t *left; /* [row * BACKWARD_QUERIES + k] */
    const uint32_t *right;
    int64_t length;
    float *out;
    int64_t out_row, rows, columns;
} tile_product;

/* A square of it from this row and column on, added to the one at `to`. */
static void add_square(const tile_product *p, int64_t row, int64_t column, float *to, int64_t to_row)
{
    const int64_t stride = BACKWARD_QUERIES * sizeof *p->left;
    const uint16_t *left = p->left + row * BACKWARD_QUERIES;
    const uint32_t *right = p->right + column / TILE_ROWS * PACKED_STEPS * TILE_WORDS;
    square_load(to, to_row);
    for (int64_t k = 0; k < p->length; k += TILE_BF16, right += TILE_WORDS)
        square_dot(left + k, left + TILE_ROWS * BACKWARD_QUERIES + k, stride, right, right + PACKED_STEPS * TILE_WORDS,
                   TILE_ROW_BYTES);
    square_store(to, to_row);
}

static void copy_rows(const float *from, int64_t from_row, int64_t rows, int64_t columns, float *to, int64_t to_row)
{
    for (int64_t n = 0; n < rows; n++) memcpy(to + n * to_row, from + n * from_row, (size_t)columns * sizeof *to);
}

static void add_product(const tile_product *p)
{
    _Alignas(64) float square[TILE_BF16 * TILE_BF16];
    for (int64_t row = 0; row < p->rows; row += TILE_BF16)
        for (int64_t column = 0; column < p->columns; column += TILE_BF16) {
            const int64_t rows = p->rows - row, columns = p->columns - column;
            float *out = p->out + row * p->out_row + column;
            if (rows >= TILE_BF16 && columns >= TILE_BF16) {
                add_square(p, row, column, out, p->out_row);
                continue;
            }
            const int64_t height = rows < TILE_BF16 ? rows : TILE_BF16,
                          width = columns < TILE_BF16 ? columns : TILE_BF16;
            memset(square, 0, sizeof square);
            copy_rows(out, p->out_row, height, width, square, TILE_BF16);
            add_square(p, row, column, square, TILE_BF16);
            copy_rows(square, TILE_BF16, height, width, out, p->out_row);
        }
}

void SIMD_NAMED(backward_tiles_products)(const backward_tile *t)
{
    const uint16_t *turned = (const uint16_t *)t->ds_pairs;
    tiles_configure();
    if (t->grad_v)
        add_product(&(tile_product){t->p_bf16, t->grad_o_pairs, t->queries, t->grad_v, t->grad_v_row, t->keys, t->DV});
    if (t->grad_k)
        add_product(&(tile_product){t->ds_bf16, t->q_pairs, t->queries, t->grad_k, t->grad_k_row, t->keys, t->D});
    if (t->grad_q)
        add_product(&(tile_product){turned, t->k_pairs, t->keys, t->grad_q, t->grad_q_row, t->queries, t->D});
    tiles_release();
}
