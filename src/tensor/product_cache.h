/* The products that were compiled, for the process, under a lock: compiling one takes longer than running it. */
#ifndef TENSOR_PRODUCT_CACHE_H
#define TENSOR_PRODUCT_CACHE_H

#include "tensor/onednn_product.h"

typedef struct cached_product {
    product *product;
    product_key key;
    int64_t users; /* calls that run it now, and the cache while it is in there */
    uint64_t last_use;
} cached_product;

/* The product of this key, compiled if it is new, which the caller releases when it has run. packed: as for
 * product_compile. */
attn_status cached_product_acquire(cached_product **out, const product_key *key, const dense_packed *packed);
void cached_product_release(cached_product *p);

#endif
