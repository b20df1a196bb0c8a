/* The order in which an epoch takes its examples, and where its batches end. */
#ifndef INPUT_EXAMPLE_PLAN_H
#define INPUT_EXAMPLE_PLAN_H

#include "attn/attn.h"

/* Batch b holds the examples order[b * size .. min((b + 1) * size, count)). */
typedef struct example_plan {
    int64_t count, size, batches;
    int64_t *order;
} example_plan;

/* Shuffles the examples and cuts them in batches of `size`. With lengths, of `count`, examples of about equal length
 * come together, as far as a few dozen batches at a time allow, so that little is padded. A pure function of its
 * arguments: `key` is the epoch's. *out is overwritten, and must be cleared by the caller also after a failure. */
attn_status example_plan_create(example_plan *out, int64_t count, int64_t size, const int64_t *lengths, uint64_t key);
void example_plan_clear(example_plan *p);

static inline int64_t example_plan_begin(const example_plan *p, int64_t batch)
{
    return batch * p->size;
}

static inline int64_t example_plan_size(const example_plan *p, int64_t batch)
{
    int64_t left = p->count - batch * p->size;
    return left < p->size ? left : p->size;
}

#endif
