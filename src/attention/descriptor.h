/* The caller's descriptor, read into one of this library's own size and checked. */
#ifndef ATTENTION_DESCRIPTOR_H
#define ATTENTION_DESCRIPTOR_H

#include "attn/attn.h"

/* What an init function does with a struct of the caller's, of `given` bytes: as much of ours, of `known`, as that
 * holds, zeros behind it. */
void descriptor_give(void *out, size_t given, const void *ours, size_t known);

/* Copies desc into *d, fields that its caller did not know zeroed, and checks all that needs no data: sizes, options,
 * threads. */
attn_status descriptor_read(const attn_desc *desc, attn_desc *d);

/* That ATTN_CPU, where it is set, names an instruction set: for calls without a descriptor; descriptor_read asks too.
 */
attn_status descriptor_check_cpu(void);

/* Checks of a descriptor that was read: the inputs of every direction, Q, K, the masks, lengths, offsets, and the
 * dropout keys (V where `values`). */
attn_status descriptor_check_inputs(const attn_desc *d, bool values);

/* Whether O or the log-sum-exp is wanted and has elements: forward, and what merges its results, write no more. What is
 * not so takes no time, which must not grow with sizes that no array bounds. */
bool descriptor_writes_rows(const attn_desc *d);

/* That no sequences are packed, for a call that does not take them. */
attn_status descriptor_check_unpacked(const attn_desc *d, const char *call);

/* That elements are fp32 or narrower, for a call that takes no others. */
attn_status descriptor_check_narrow(const attn_desc *d, const char *call);

/* That a struct of a later version, of `bytes`, not absurdly many, holds zeros beyond what is known here; `what` begins
 * the message. */
attn_status descriptor_check_later(const char *what, const void *given, size_t bytes, size_t known);

/* The caller's thread count. */
attn_status descriptor_check_parallel(const attn_parallel *parallel);

/* The masks and the bias that are read; the starts of packed sequences must have been checked. */
attn_status descriptor_check_masks(const attn_desc *d);

/* That the lists which are given, of numbers a sequence, a head or a block, are aligned. */
attn_status descriptor_check_lists(const attn_desc *d);

#endif
