/*
 * attn.h - the attention operator, exact, forward and backward, on the CPU.
 *
 *     O = softmax(mask(softcap(scale * Q K^T) + bias)) V,      softcap(x) = c * tanh(x / c)
 *
 * One letter per dimension, here and everywhere in this project:
 *
 *     B   sequences in the batch            T   queries of a sequence
 *     H   query heads                       S   keys of a sequence
 *     HK  key and value heads; HK divides H D   head dimension of Q and K
 *                                           DV  head dimension of V and O
 *
 * Query head h reads key head h / (H / HK): HK = H is multi-head, HK = 1 multi-query, between them grouped-query.
 * Query i stands at position p = i + query_offset. Causal keeps the keys j <= p; a window (l, r) keeps
 * p - l <= j <= p + r.
 *
 * Vaswani et al., "Attention Is All You Need" (2017), equation 1; computed block by block as in Dao et al.,
 * "FlashAttention" (2022), algorithm 1, so that no T x S matrix is ever held.
 */
#ifndef ATTN_ATTN_H
#define ATTN_ATTN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ATTN_API __attribute__((visibility("default")))
#else
#define ATTN_API
#endif

/* What a call returns. The numbers are pinned: they never change their meaning. */
typedef enum attn_status {
    ATTN_OK = 0,
    ATTN_ERROR_ARGUMENT = 1,    /* a value outside what the function takes; nothing was written */
    ATTN_ERROR_UNSUPPORTED = 2, /* a sound request that this version or CPU does not offer; nothing was written */
    ATTN_ERROR_OVERFLOW = 3,    /* sizes whose product does not fit; nothing was written */
    ATTN_ERROR_WORKSPACE = 4,   /* workspace missing, too small or misaligned; nothing was written */
    ATTN_ERROR_MEMORY = 5,      /* the system gave no memory (contexts and models; operators never allocate) */
    ATTN_ERROR_FILE = 6,        /* a file could not be opened, read or written; attn_error() names it */
    ATTN_ERROR_FORMAT = 7,      /* a file's contents are not what was expected; attn_error() names file and field */
    ATTN_ERROR_INTERRUPTED = 8  /* the caller asked to stop; what was saved is whole */
} attn_status;

/* The message of this thread's last failed call into this library, with the offending value; "" before the first. Valid until
 * the thread's next call. Never NULL. */
ATTN_API const char *attn_error(void);

#ifdef __cplusplus
}
#endif
#endif
