/* Gradients of elements narrower than fp32 are sums all the same: they are summed in fp32, in the workspace behind the
 * parts (backward_parts.h), and rounded once when all rounds are done. Each wanted one has the shape of its array:
 *
 *     [dQ (B, H, T, D) | dK (B, HK, S, D) | dV (B, HK, S, DV) | by dO (B, H, T, DV)]
 *
 * without B where sequences are packed. The last is double backward's alone: for others grad_grad_o is NULL. */
#ifndef ATTENTION_BACKWARD_SUMS_H
#define ATTENTION_BACKWARD_SUMS_H

#include "attn/attn.h"
#include "kernels/kernels.h"

/* What the sums take, 0 for fp32; false when it does not fit. */
bool backward_sums_bytes(const attn_desc *d, const attn_output *grad_grad_o, size_t *bytes);

/* The descriptor with the sums in place of the gradients that are wanted, and *grad_grad_o likewise; both as they are
 * for fp32. */
attn_desc backward_sums_place(const attn_desc *d, attn_output *grad_grad_o, float *at);

/* Writes d's gradients and grad_grad_o from the sums in place of them. */
void backward_sums_write(const kernel_table *table, const attn_desc *d, const attn_output *grad_grad_o,
                         const attn_desc *sums, const attn_output *grad_grad_o_sums);

#endif
