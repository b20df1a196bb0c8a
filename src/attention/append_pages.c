#include "attention/append_pages.h"

#include "base/status.h"

#include <stdint.h>

/* Pages that are looked at together, a bit for each on the stack: a pool rarely has more, and then one walk over the
 * new rows' entries is enough. */
#define WINDOW 32768

/* Looks at pages first .. first + WINDOW - 1; in *next the least one beyond them, INT64_MAX for none. */
static attn_status check_window(const attn_cache *c, int64_t T, int64_t first, int64_t *next)
{
    uint64_t taken[WINDOW / 64] = {0};
    *next = INT64_MAX;
    for (int64_t b = 0; b < c->B; b++) {
        const int64_t last = c->lengths[b], begin = last < T ? 0 : last - T;
        if (begin == last) continue;
        for (int64_t n = begin / c->page_size; n <= (last - 1) / c->page_size; n++) {
            const int64_t page = c->page_table[b * c->table_row + n], at = page - first;
            if (at < 0) continue;
            if (at >= WINDOW) {
                if (page < *next) *next = page;
                continue;
            }
            const uint64_t bit = (uint64_t)1 << at % 64;
            if (taken[at / 64] & bit)
                return status_fail(ATTN_ERROR_ARGUMENT,
                                   "cache.page_table[%lld][%lld] = %lld, expected a page that gets no other new rows",
                                   (long long)b, (long long)n, (long long)page);
            taken[at / 64] |= bit;
        }
    }
    return ATTN_OK;
}

attn_status append_check_pages_apart(const attn_cache *c, int64_t T)
{
    attn_status status = ATTN_OK;
    int64_t next = c->page_table && T ? 0 : INT64_MAX;
    while (!status && next != INT64_MAX) status = check_window(c, T, next, &next);
    return status;
}
