#include "input/example_plan.h"

#include "base/random.h"
#include "base/status.h"
#include "input/shuffle.h"

#include <stdlib.h>
#include <string.h>

/* Batches that are sorted by length together: more pad less, fewer mix more. */
#define BATCHES_SORTED 50

enum { KEY_EXAMPLES = 1, KEY_BATCHES };

typedef struct placed_example {
    int64_t length, place, example;
} placed_example;

static int by_length(const void *left, const void *right)
{
    const placed_example *a = left, *b = right;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Sorts runs of the shuffled examples by length. */
static attn_status sort_runs(example_plan *p, const int64_t *lengths)
{
    placed_example *run = malloc(((size_t)p->count + 1) * sizeof *run);
    if (!run) return status_fail(ATTN_ERROR_MEMORY, "out of memory for batches of %lld examples", (long long)p->count);
    for (int64_t i = 0; i < p->count; i++) run[i] = (placed_example){lengths[p->order[i]], i, p->order[i]};
    const int64_t together = BATCHES_SORTED * p->size;
    for (int64_t at = 0; at < p->count; at += together) {
        int64_t left = p->count - at;
        qsort(run + at, (size_t)(left < together ? left : together), sizeof *run, by_length);
    }
    for (int64_t i = 0; i < p->count; i++) p->order[i] = run[i].example;
    free(run);
    return ATTN_OK;
}

/* Shuffles the whole batches; a last smaller one stays where it is. */
static attn_status shuffle_batches(example_plan *p, uint64_t key)
{
    const int64_t whole = p->count / p->size;
    int64_t *cut = malloc(((size_t)whole + 1) * sizeof *cut);
    int64_t *order = malloc(((size_t)p->count + 1) * sizeof *order);
    if (!cut || !order) {
        free(cut);
        free(order);
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for batches of %lld examples", (long long)p->count);
    }
    for (int64_t i = 0; i < whole; i++) cut[i] = i;
    shuffle(cut, whole, key, 0);
    memcpy(order, p->order, (size_t)p->count * sizeof *order);
    for (int64_t i = 0; i < whole; i++)
        memcpy(order + i * p->size, p->order + cut[i] * p->size, (size_t)p->size * sizeof *order);
    free(cut);
    free(p->order);
    p->order = order;
    return ATTN_OK;
}

attn_status example_plan_create(example_plan *out, int64_t count, int64_t size, const int64_t *lengths, uint64_t key)
{
    memset(out, 0, sizeof *out);
    out->count = count;
    out->size = size;
    out->batches = (count + size - 1) / size;
    out->order = malloc(((size_t)count + 1) * sizeof *out->order);
    if (!out->order)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for batches of %lld examples", (long long)count);
    for (int64_t i = 0; i < count; i++) out->order[i] = i;
    shuffle(out->order, count, random_derive(key, KEY_EXAMPLES), 0);
    if (!lengths) return ATTN_OK;
    attn_status s = sort_runs(out, lengths);
    return s == ATTN_OK ? shuffle_batches(out, random_derive(key, KEY_BATCHES)) : s;
}

void example_plan_clear(example_plan *p)
{
    free(p->order);
    *p = (example_plan){0};
}
