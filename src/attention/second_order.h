/* What double backward is given beside the descriptor, read and checked. */
#ifndef ATTENTION_SECOND_ORDER_H
#define ATTENTION_SECOND_ORDER_H

#include "attn/attn.h"

/* Copies what the caller knew of *second into *out, and reads the descriptor as descriptor_read does into *d, its
 * gradients then second's. Refuses what double backward does not do. Data is not looked at. */
attn_status second_order_read(const attn_desc *desc, const attn_second_order *second, attn_desc *d,
                              attn_second_order *out);

/* Checks of both, once they were read: all arrays. */
attn_status second_order_check(const attn_desc *d, const attn_second_order *second);

/* What is sequence b's of arrays in which sequences are packed: as sequence_read. grad_grad_o is taken to be fp32, or
 * fp64, as the other gradients are. */
attn_second_order second_order_of(const attn_desc *d, const attn_second_order *second, int64_t b);

/* As backward_is_idle: nothing but the sinks' gradient, zeros, remains. */
bool second_order_is_idle(const attn_desc *d, const attn_second_order *second);

#endif
