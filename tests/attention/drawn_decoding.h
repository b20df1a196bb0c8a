/* Random calls of attn_decode, of few queries against keys that a contiguous cache or pages hold. */
#ifndef TESTS_DRAWN_DECODING_H
#define TESTS_DRAWN_DECODING_H

#include "forward_call.h"

/* A random call with few queries, its keys in a contiguous cache. The queries are the last, or anywhere. */
typedef struct decoding {
    call *call;
    attn_desc desc;
    attn_cache cache;
    int64_t page_size;
    void *owned[3];
} decoding;

decoding decoding_create(uint64_t seed);
void decoding_destroy(decoding *x);

/* Elements of O. */
int64_t decoding_outputs(const attn_desc *d);

/* The numbers 0 .. count - 1 in no order. */
void shuffle_pages(uint64_t seed, int32_t *pages, int64_t count);

/* The same keys in pages, in no order; entries of the page table that are not used are none. */
attn_cache decoding_in_pages(decoding *x, uint64_t seed);

void expect_near(uint64_t seed, const char *what, int64_t n, double got, double want, double slack);

#endif
