/* Checks of one array of the caller's by itself: that it is there, aligned, and spans no more than memory does. The
 * name appears in the message. */
#ifndef ATTENTION_ARRAY_CHECK_H
#define ATTENTION_ARRAY_CHECK_H

#include "attn/attn.h"

/* One array of elements of a type, with `rows` rows of `columns`, for `heads` heads. */
attn_status array_check_view(const char *name, const attn_view *view, attn_dtype type, int64_t B, int64_t heads,
                             int64_t rows, int64_t columns);
attn_status array_check_output(const char *name, const attn_output *view, attn_dtype type, int64_t B, int64_t heads,
                               int64_t rows, int64_t columns);

/* A broadcastable one, (B, H, T, S) of elements of `size` bytes. */
attn_status array_check_mask(const char *name, const attn_mask *mask, const attn_desc *d, size_t size);

/* A list, aligned to its elements of `size` bytes. */
attn_status array_check_list(const char *name, const void *data, size_t size);

/* The caller's workspace against what is needed. */
attn_status array_check_workspace(const void *workspace, size_t given, size_t needed);

#endif
