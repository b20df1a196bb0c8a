/* Double backward of one tile, on top of backward's (backward_tile.h). Given U, W, Y and Z, the gradients of a loss by
 * backward's results dQ, dK, dV and dBias, let for query i and key j, s the score before the cap f, x the score after
 * everything, m dropout's factor,
 *
 *     a = m dO_i V_j       e = m dO_i Y_j       g = scale (U_i K_j + Q_i W_j)       r = f'(s) g + Z_ij
 *
 * To first order the loss is U dQ + W dK + Y dV + Z dBias, the sum over i, j of p (a - delta_i) r + p e, with
 * delta_i = (sum over j of p a) - dlse_i. With the row sums
 *
 *     rho_i = sum over j of p r          sigma_i = sum over j of p (a r + e) - (2 delta_i + dlse_i) rho_i
 *
 * the chain rule through delta and then through softmax gives
 *
 *     by a:  p (r - rho_i)               by x:  dx = p ((a - delta_i) r - rho_i a + e - sigma_i)
 *     by s:  f'(s) dx + p (a - delta_i) f''(s) g
 *
 * and from these, tile by tile, the gradients by Q, K, V and dO:
 *
 *     by Q:   [by s * scale] K + [dS] W        by K:  [by s * scale]^T Q + [dS]^T U
 *     by dO:  [m * by a] V + [m p] Y           by V:  [m * by a]^T dO
 *
 * with backward's dS = scale * f'(s) p (a - delta_i). `sums` gives the row sums of a tile, `scores` the four tiles in
 * brackets; backward's products kernel does the rest. The scores' own products are backward's two, U and Q against K
 * and W, and dO against Y, all with queries in lanes. */
#ifndef KERNELS_DOUBLE_TILE_H
#define KERNELS_DOUBLE_TILE_H

#include "kernels/backward_tile.h"

typedef struct double_tile {
    const backward_tile *first; /* begin has run on it; scaled products, no function */
    const float *u_t;           /* U^T, as q_t; NULL: zeros, likewise the next two */
    const float *w, *y;         /* rows of W and Y: [key * row + c] */
    int64_t w_row, y_row;
    float *rho, *sigma; /* BACKWARD_QUERIES each */

    /* The tiles, laid out as p_t, where the products stand before: m p and m * by a in first's p_t and ds_t. */
    float *ds_t;   /* dS */
    float *by_s_t; /* by s * scale */
    float *bias_t; /* where Z stands before: dx, the gradient by the bias. NULL: Z is zeros, dx not wanted */
} double_tile;

/* sums adds to rho the tile's sums of p r and to sigma those of p (a r + e); scores reads the finished rho and sigma. A
 * pair whose modification is -inf adds nothing and gets 0 in all tiles, whatever its keys and values hold. */
typedef void double_sums_kernel(const double_tile *tile);
typedef void double_scores_kernel(const double_tile *tile);

typedef struct double_kernels {
    double_sums_kernel *sums;
    double_scores_kernel *scores;
} double_kernels;

#endif
