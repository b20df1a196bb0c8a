#include "attention/block_mask.h"

#include "attention/array_check.h"
#include "attention/sequence.h"
#include "base/status.h"

#include <math.h>

/* The kept key blocks of one block of queries: entries[0 .. count - 1], ascending. */
typedef struct list {
    const int64_t *entries;
    int64_t count;
} list;

static const int64_t *starts_of(const attn_desc *d, int64_t b, int64_t h)
{
    const attn_block_mask *mask = &d->block_mask;
    return mask->starts + b * mask->batch + h * mask->head;
}

static list list_of(const attn_desc *d, int64_t b, int64_t h, int64_t query_block)
{
    const int64_t *starts = starts_of(d, b, h) + query_block;
    const int64_t *entries = d->block_mask.entries; /* NULL where all lists are empty */
    return (list){entries ? entries + starts[0] : NULL, starts[1] - starts[0]};
}

static attn_status check_list(const attn_desc *d, int64_t b, int64_t h, int64_t block)
{
    const attn_block_mask *mask = &d->block_mask;
    const int64_t *starts = starts_of(d, b, h) + block;
    if (starts[0] < 0 || starts[1] < starts[0] || starts[1] > mask->count)
        return status_fail(
            ATTN_ERROR_ARGUMENT,
            "block_mask: query block %lld of sequence %lld, head %lld has entries %lld to %lld, expected "
            "them in order and within 0 to count = %lld",
            (long long)block, (long long)b, (long long)h, (long long)starts[0], (long long)starts[1],
            (long long)mask->count);
    int64_t before = -1;
    for (int64_t n = starts[0]; n < starts[1]; n++) {
        if (mask->entries[n] <= before || mask->entries[n] > INT64_MAX / mask->keys)
            return status_fail(
                ATTN_ERROR_ARGUMENT, "block_mask.entries[%lld] = %lld, expected more than %lld and no more than %lld",
                (long long)n, (long long)mask->entries[n], (long long)before, (long long)(INT64_MAX / mask->keys));
        before = mask->entries[n];
    }
    return ATTN_OK;
}

attn_status block_mask_check(const attn_desc *d)
{
    const attn_block_mask *mask = &d->block_mask;
    if (!mask->starts || !d->B || !d->T || !d->S) return ATTN_OK;
    const attn_mask view = {mask->starts, mask->batch, mask->head, 1, 0};
    attn_status status = array_check_mask("block_mask.starts", &view, d, sizeof *mask->starts);
    if (!status && mask->count && !mask->entries)
        status = status_fail(ATTN_ERROR_ARGUMENT, "block_mask.entries is NULL, expected %lld", (long long)mask->count);
    int64_t T, S;
    sequence_largest(d, &T, &S);
    for (int64_t b = 0; !status && b < (mask->batch ? d->B : 1); b++) {
        attn_desc own;
        if (mask->batch) T = sequence_read(d, b, &own)->T;
        for (int64_t h = 0; !status && h < (mask->head ? d->H : 1); h++)
            for (int64_t block = 0; !status && block * mask->queries < T; block++) status = check_list(d, b, h, block);
    }
    return status;
}

/* The first entry at or beyond a block. */
static int64_t first_from(list l, int64_t block)
{
    int64_t low = 0, high = l.count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (l.entries[middle] < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t block_mask_next(const attn_desc *d, const block_tile *tile)
{
    const attn_block_mask *mask = &d->block_mask;
    int64_t next = INT64_MAX, last = (tile->i + tile->ni - 1) / mask->queries;
    for (int64_t block = tile->i / mask->queries; block <= last && next > tile->j; block++) {
        const list l = list_of(d, tile->b, tile->h, block);
        int64_t n = first_from(l, tile->j / mask->keys);
        if (n == l.count) continue;
        int64_t key = l.entries[n] * mask->keys > tile->j ? l.entries[n] * mask->keys : tile->j;
        if (key < next) next = key;
    }
    return next;
}

/* The kept run of keys that begins with entry n of a list, cut to the tile, as offsets into it; false when that entry
 * lies beyond the tile. Neighbouring blocks make one run; *n moves behind it. */
static bool next_run(const attn_desc *d, const block_tile *tile, list l, int64_t *n, int64_t *first, int64_t *last)
{
    const int64_t size = d->block_mask.keys, end = tile->j + tile->nj;
    if (*n >= l.count || l.entries[*n] * size >= end) return false;
    int64_t from = l.entries[*n] * size, block = l.entries[*n];
    do block++, ++*n;
    while (*n < l.count && l.entries[*n] == block && block <= (end - 1) / size);
    *first = from > tile->j ? from - tile->j : 0;
    *last = block > (end - 1) / size ? tile->nj : block * size - tile->j;
    return true;
}

void block_mask_counts(const attn_desc *d, const block_tile *tile, bool *none, bool *all)
{
    const int64_t size = d->block_mask.queries;
    *none = *all = true;
    for (int64_t block = tile->i / size; block <= (tile->i + tile->ni - 1) / size; block++) {
        const list l = list_of(d, tile->b, tile->h, block);
        int64_t n = first_from(l, tile->j / d->block_mask.keys), first, last;
        bool some = next_run(d, tile, l, &n, &first, &last);
        *none &= !some;
        *all &= some && first == 0 && last == tile->nj;
    }
}

static void fill(float *out, int64_t queries, int64_t query_step, int64_t first, int64_t last, int64_t key_step)
{
    for (int64_t m = 0; m < queries; m++)
        for (int64_t n = first; n < last; n++) out[m * query_step + n * key_step] = -INFINITY;
}

void block_mask_cut(const attn_desc *d, const block_tile *tile, float *out, int64_t query_step, int64_t key_step)
{
    const int64_t size = d->block_mask.queries;
    for (int64_t m = 0, rows; m < tile->ni; m += rows, out += rows * query_step) {
        const int64_t i = tile->i + m, left = size - i % size;
        const list l = list_of(d, tile->b, tile->h, i / size);
        int64_t n = first_from(l, tile->j / d->block_mask.keys), done = 0, first, last;
        rows = left < tile->ni - m ? left : tile->ni - m;
        for (; next_run(d, tile, l, &n, &first, &last); done = last) fill(out, rows, query_step, done, first, key_step);
        fill(out, rows, query_step, done, tile->nj, key_step);
    }
}
