/* The factors of dropout for one tile; dropout.h says how they are drawn. */
#include "kernels/kernels.h"
#include "kernels/simd_dropout.h"
#include "kernels/simd_parts.h"

extern dropout_factors_kernel SIMD_NAMED(dropout_factors);

/* Queries in lanes: one draw decides for four keys of every lane. */
static void fill_lanes(const dropout_draw *draw, const dropout_tile *tile)
{
    vec factor = vec_set1(draw->kept_factor);
    int64_t last = tile->key + tile->keys;
    for (int64_t m = 0; m < tile->queries; m += SIMD_LANES) {
        int rest = part_at(tile->queries, m);
        for (int64_t quad = tile->key / 4; 4 * quad < last; quad++) {
            vmask kept[4];
            dropout_keeps_quad(draw, tile->query + m, quad, kept);
            for (int64_t w = 0; w < 4; w++) {
                int64_t n = 4 * quad + w - tile->key;
                if (n < 0 || n >= tile->keys) continue;
                vec_store_n(tile->factors + n * tile->key_step + m, vec_select(kept[w], factor, vec_zero()), rest);
            }
        }
    }
}

void SIMD_NAMED(dropout_factors)(const dropout_draw *draw, const dropout_tile *tile)
{
    if (tile->query_step == 1) {
        fill_lanes(draw, tile);
        return;
    }
    for (int64_t m = 0; m < tile->queries; m++)
        for (int64_t n = 0; n < tile->keys; n++) {
            bool kept = dropout_keeps(draw, tile->query + m, tile->key + n);
            tile->factors[m * tile->query_step + n * tile->key_step] = kept ? draw->kept_factor : 0;
        }
}
