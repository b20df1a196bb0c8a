#include "input/batches.h"

#include "base/random.h"
#include "base/status.h"
#include "input/shuffle.h"

#include <stdlib.h>
#include <string.h>

typedef struct sort_key {
    int64_t target, source;
    uint32_t chance;
    int64_t pair;
} sort_key;

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Total, so that the order does not depend on the sorting algorithm. */
static int by_length(const void *left, const void *right)
{
    const sort_key *a = left, *b = right;
    int c = compare(a->target, b->target);
    if (c == 0) c = compare(a->source, b->source);
    if (c == 0) c = compare(a->chance, b->chance);
    return c ? c : compare(a->pair, b->pair);
}

static sort_key *sorted(const token_pairs *pairs, uint64_t key)
{
    sort_key *keys = malloc(((size_t)pairs->count + 1) * sizeof *keys);
    if (!keys) return NULL;
    for (int64_t i = 0; i < pairs->count; i++) {
        keys[i] = (sort_key){token_side_length(&pairs->target, i), token_side_length(&pairs->source, i),
                             random_philox(key, (uint64_t)i, 0).word[0], i};
    }
    qsort(keys, (size_t)pairs->count, sizeof *keys, by_length);
    return keys;
}

/* Pairs from keys[first] on that fit one batch. */
static int64_t fitting(const sort_key *keys, int64_t first, int64_t count, int64_t tokens)
{
    int64_t source = 0, target = 0, n = 0;
    while (first + n < count) {
        const sort_key *k = &keys[first + n];
        if (k->source > source) source = k->source;
        if (k->target > target) target = k->target;
        if (n > 0 && (n + 1) * (source + target) > tokens) break;
        n++;
    }
    return n;
}

/* Lays out the batches whose first pairs (in sorted order) are the shuffled cut[]. */
static void lay_out(batch_plan *out, const sort_key *keys, const int64_t *cut, int64_t count, int64_t tokens)
{
    int64_t at = 0;
    for (int64_t b = 0; b < out->count; b++) {
        out->start[b] = at;
        int64_t size = fitting(keys, cut[b], count, tokens);
        for (int64_t i = 0; i < size; i++) out->order[at++] = keys[cut[b] + i].pair;
    }
    out->start[out->count] = at;
}

attn_status batch_plan_create(batch_plan *out, const token_pairs *pairs, int64_t tokens, uint64_t key)
{
    memset(out, 0, sizeof *out);
    sort_key *keys = sorted(pairs, key);
    int64_t *cut = malloc(((size_t)pairs->count + 1) * sizeof *cut);
    out->start = malloc(((size_t)pairs->count + 1) * sizeof *out->start);
    out->order = malloc(((size_t)pairs->count + 1) * sizeof *out->order);
    attn_status s = ATTN_OK;
    if (!keys || !cut || !out->start || !out->order) {
        s = status_fail(ATTN_ERROR_MEMORY, "out of memory for batches of %lld pairs", (long long)pairs->count);
    } else {
        for (int64_t at = 0; at < pairs->count; at += fitting(keys, at, pairs->count, tokens)) cut[out->count++] = at;
        shuffle(cut, out->count, key, 1);
        lay_out(out, keys, cut, pairs->count, tokens);
    }
    free(keys);
    free(cut);
    return s;
}

void batch_plan_clear(batch_plan *p)
{
    free(p->start);
    free(p->order);
    memset(p, 0, sizeof *p);
}

/* One block: the lengths first, for their alignment, then the three rectangles. */
static bool reserve(batch *b)
{
    size_t source = (size_t)(b->count * b->source_length), target = (size_t)(b->count * b->target_length);
    size_t bytes = (size_t)b->count * sizeof *b->source_lengths + (source + 2 * target) * sizeof *b->source;
    if (bytes > b->capacity) {
        free(b->memory);
        b->memory = malloc(bytes);
        b->capacity = b->memory ? bytes : 0;
    }
    if (!b->memory) return false;
    b->source_lengths = b->memory;
    b->source = (int32_t *)(b->source_lengths + b->count);
    b->decoder_input = b->source + source;
    b->expected = b->decoder_input + target;
    return true;
}

static void fill_row(batch *b, int64_t row, const token_pairs *pairs, int64_t pair, int32_t pad_id, int32_t start_id)
{
    int64_t source_length = token_side_length(&pairs->source, pair);
    int64_t target_length = token_side_length(&pairs->target, pair);
    const int32_t *source_ids = pairs->source.ids + pairs->source.start[pair];
    const int32_t *target_ids = pairs->target.ids + pairs->target.start[pair];
    int32_t *source = b->source + row * b->source_length;
    int32_t *input = b->decoder_input + row * b->target_length, *expected = b->expected + row * b->target_length;
    for (int64_t i = 0; i < b->source_length; i++) source[i] = i < source_length ? source_ids[i] : pad_id;
    for (int64_t i = 0; i < b->target_length; i++) {
        expected[i] = i < target_length ? target_ids[i] : -1;
        input[i] = i == 0 ? start_id : i < target_length ? target_ids[i - 1] : pad_id;
    }
    b->source_lengths[row] = source_length;
    b->tokens += source_length + target_length;
}

/* chosen: NULL for the first `count`. */
static attn_status fill(batch *b, const int64_t *chosen, int64_t count, const token_pairs *pairs, int32_t pad_id,
                        int32_t start_id)
{
    b->count = count;
    b->source_length = b->target_length = b->tokens = 0;
    for (int64_t r = 0; r < b->count; r++) {
        int64_t pair = chosen ? chosen[r] : r, source = token_side_length(&pairs->source, pair),
                target = token_side_length(&pairs->target, pair);
        if (source > b->source_length) b->source_length = source;
        if (target > b->target_length) b->target_length = target;
    }
    if (!reserve(b))
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for a batch of %lld pairs", (long long)b->count);
    for (int64_t r = 0; r < b->count; r++) fill_row(b, r, pairs, chosen ? chosen[r] : r, pad_id, start_id);
    return ATTN_OK;
}

attn_status batch_fill(batch *b, const batch_plan *plan, int64_t index, const token_pairs *pairs, int32_t pad_id,
                       int32_t start_id)
{
    const int64_t first = plan->start[index];
    return fill(b, plan->order + first, plan->start[index + 1] - first, pairs, pad_id, start_id);
}

attn_status batch_fill_all(batch *b, const token_pairs *pairs, int32_t pad_id, int32_t start_id)
{
    return fill(b, NULL, pairs->count, pairs, pad_id, start_id);
}

void batch_clear(batch *b)
{
    free(b->memory);
    memset(b, 0, sizeof *b);
}
