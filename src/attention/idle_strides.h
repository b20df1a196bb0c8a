/* Strides that nobody steps along.
 *
 * Checks pass a stride over a dimension of one element, and all strides of an array without elements, whatever they
 * are: there is nothing to reach. But kernels take steps that they do not use, behind the last row, and work out where
 * a row would be. So such strides are made ones that can be multiplied and added, once, as a descriptor is read. */
#ifndef ATTENTION_IDLE_STRIDES_H
#define ATTENTION_IDLE_STRIDES_H

#include "attn/attn.h"

/* Of the descriptor's arrays, its sizes being sound: a stride along one element becomes 0; an array without elements
 * gets only such strides, and NULL data, which says as much. */
void idle_strides_settle(attn_desc *d);

/* The same of second's, whose gradients by Q, K and V the descriptor has by then. */
void idle_strides_settle_second(const attn_desc *d, attn_second_order *second);

#endif
