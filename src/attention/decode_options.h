/* What decoding asks of a descriptor beside its cache. */
#ifndef ATTENTION_DECODE_OPTIONS_H
#define ATTENTION_DECODE_OPTIONS_H

#include "attn/attn.h"

/* What decoding does not offer, and what the cache says instead of the descriptor; both were read and checked. */
attn_status decode_check_options(const attn_desc *d, const attn_cache *c);

#endif
