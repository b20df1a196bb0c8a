#include "attention/cache.h"

#include "attention/array_check.h"
#include "attention/descriptor.h"
#include "base/checked.h"
#include "base/plural.h"
#include "base/status.h"

#include <stddef.h>
#include <string.h>

/* Multiplied without a check, since attn_cache_init has no status: sizes whose product does not fit are refused when
 * the cache is used. */
static attn_output rows_of(int64_t heads, int64_t rows, int64_t columns)
{
    uint64_t head = (uint64_t)rows * (uint64_t)columns;
    return (attn_output){NULL, (int64_t)((uint64_t)heads * head), (int64_t)head, columns};
}

static int64_t pages_for(int64_t keys, int64_t page_size)
{
    return keys / page_size + (keys % page_size != 0);
}

void attn_cache_init(attn_cache *cache, size_t struct_size, int64_t B, int64_t HK, int64_t S, int64_t D, int64_t DV,
                     int64_t page_size, int64_t pages)
{
    if (!cache) return;
    int64_t rows = page_size > 0 ? page_size : S;
    attn_cache c = {
        .struct_size = struct_size,
        .dtype = ATTN_DTYPE_F32,
        .new_dtype = ATTN_DTYPE_F32,
        .B = B,
        .HK = HK,
        .S = S,
        .D = D,
        .DV = DV,
        .k = rows_of(HK, rows, D),
        .v = rows_of(HK, rows, DV),
        .page_size = page_size,
        .pages = pages,
        .table_row = page_size > 0 ? pages_for(S, page_size) : 0,
        .k_scales = rows_of(HK, rows, 1),
        .v_scales = rows_of(HK, rows, 1),
    };
    descriptor_give(cache, struct_size, &c, sizeof c);
}

static attn_status check_sizes(const attn_cache *c)
{
    const struct {
        const char *name;
        int64_t value, least;
    } sizes[] = {{"B", c->B, 0},        {"HK", c->HK, 1}, {"S", c->S, 0},
                 {"D", c->D, 0},        {"DV", c->DV, 0}, {"page_size", c->page_size, 0},
                 {"pages", c->pages, 0}};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
        if (sizes[n].value < sizes[n].least)
            return status_fail(ATTN_ERROR_ARGUMENT, "cache: %s = %lld, expected at least %lld", sizes[n].name,
                               (long long)sizes[n].value, (long long)sizes[n].least);
    }
    int64_t batches = c->page_size ? c->pages : c->B, rows = c->page_size ? c->page_size : c->S, count;
    int64_t columns = c->D > c->DV ? c->D : c->DV;
    if (!checked_mul_i64(rows, columns, &count) || !checked_mul_i64(c->HK, count, &count) ||
        !checked_mul_i64(batches, count, &count) || count > INT64_MAX / 16)
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "cache: %s = %lld, HK = %lld, %s = %lld, D = %lld, DV = %lld do not fit, expected at most "
                           "2^59 elements",
                           c->page_size ? "pages" : "B", (long long)batches, (long long)c->HK,
                           c->page_size ? "page_size" : "S", (long long)rows, (long long)c->D, (long long)c->DV);
    return ATTN_OK;
}

/* What a cache holds or gets without scales. */
static bool is_float(attn_dtype type)
{
    return type == ATTN_DTYPE_F32 || type == ATTN_DTYPE_BF16 || type == ATTN_DTYPE_FP16;
}

attn_status cache_read(const attn_cache *cache, attn_cache *c)
{
    if (!cache) return status_fail(ATTN_ERROR_ARGUMENT, "cache is NULL, expected a cache");
    size_t given = cache->struct_size;
    if (given < offsetof(attn_cache, k_scales))
        return status_fail(ATTN_ERROR_ARGUMENT, "cache: struct_size = %zu, expected %zu: was attn_cache_init called?",
                           given, sizeof *c);
    memset(c, 0, sizeof *c);
    memcpy(c, cache, given < sizeof *c ? given : sizeof *c);
    attn_status status = descriptor_check_later("cache:", cache, given, sizeof *c);
    if (!status) status = descriptor_check_cpu();
    if (status) return status;
    if (!is_float(c->dtype) && c->dtype != ATTN_DTYPE_INT8)
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "cache: dtype = %d, expected ATTN_DTYPE_F32 (%d), ATTN_DTYPE_BF16 (%d), ATTN_DTYPE_FP16 "
                           "(%d) or ATTN_DTYPE_INT8 (%d)",
                           (int)c->dtype, (int)ATTN_DTYPE_F32, (int)ATTN_DTYPE_BF16, (int)ATTN_DTYPE_FP16,
                           (int)ATTN_DTYPE_INT8);
    if (!is_float(c->new_dtype))
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "cache: new_dtype = %d, expected ATTN_DTYPE_F32 (%d), ATTN_DTYPE_BF16 (%d) or "
                           "ATTN_DTYPE_FP16 (%d)",
                           (int)c->new_dtype, (int)ATTN_DTYPE_F32, (int)ATTN_DTYPE_BF16, (int)ATTN_DTYPE_FP16);
    if (!c->D) c->k.data = NULL; /* without elements, and with strides that nobody checks */
    if (!c->DV) c->v.data = NULL;
    return check_sizes(c);
}

/* An int8 cache has a scale for each row, another none. */
static attn_status check_scales(const attn_cache *c, int64_t batches, int64_t rows)
{
    if (c->dtype != ATTN_DTYPE_INT8) {
        if (!c->k_scales.data && !c->v_scales.data) return ATTN_OK;
        return status_fail(ATTN_ERROR_ARGUMENT, "cache.%s.data is set, expected NULL without ATTN_DTYPE_INT8",
                           c->k_scales.data ? "k_scales" : "v_scales");
    }
    attn_status status =
        array_check_output("cache.k_scales", &c->k_scales, ATTN_DTYPE_F32, batches, c->HK, rows, c->D > 0);
    return status ? status
                  : array_check_output("cache.v_scales", &c->v_scales, ATTN_DTYPE_F32, batches, c->HK, rows, c->DV > 0);
}

attn_status cache_check_arrays(const attn_cache *c)
{
    int64_t batches = c->page_size ? c->pages : c->B, rows = c->page_size ? c->page_size : c->S;
    attn_status status = array_check_output("cache.k", &c->k, c->dtype, batches, c->HK, rows, c->D);
    if (!status) status = array_check_output("cache.v", &c->v, c->dtype, batches, c->HK, rows, c->DV);
    if (!status) status = check_scales(c, batches, rows);
    if (!status) status = array_check_list("cache.lengths", c->lengths, sizeof *c->lengths);
    if (!status) status = array_check_list("cache.page_table", c->page_table, sizeof *c->page_table);
    if (status || !c->B) return status;
    if (!c->lengths)
        return status_fail(ATTN_ERROR_ARGUMENT, "cache.lengths is NULL, expected %lld length%s", (long long)c->B,
                           plural(c->B));
    for (int64_t b = 0; b < c->B; b++) {
        if (c->lengths[b] < 0 || c->lengths[b] > c->S)
            return status_fail(ATTN_ERROR_ARGUMENT, "cache.lengths[%lld] = %lld, expected 0 to S = %lld", (long long)b,
                               (long long)c->lengths[b], (long long)c->S);
    }
    if (!c->page_size != !c->page_table && (c->S || c->page_table))
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "cache.page_table is %s with page_size = %lld, expected both or neither",
                           c->page_table ? "set" : "NULL", (long long)c->page_size);
    if (!c->page_table) return ATTN_OK;
    int64_t entries;
    if (c->table_row < pages_for(c->S, c->page_size))
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "cache.table_row = %lld, expected at least %lld: S = %lld in pages of %lld",
                           (long long)c->table_row, (long long)pages_for(c->S, c->page_size), (long long)c->S,
                           (long long)c->page_size);
    if (!checked_mul_i64(c->B, c->table_row, &entries) || entries > INT64_MAX / 16)
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "cache: B = %lld times table_row = %lld does not fit, expected at most 2^59",
                           (long long)c->B, (long long)c->table_row);
    return ATTN_OK;
}

attn_status cache_check_pages(const attn_cache *c, int64_t b, int64_t first, int64_t last)
{
    if (!c->page_table || first >= last) return ATTN_OK;
    for (int64_t n = first / c->page_size; n <= (last - 1) / c->page_size; n++) {
        int64_t page = c->page_table[b * c->table_row + n];
        if (page < 0 || page >= c->pages)
            return status_fail(ATTN_ERROR_ARGUMENT, "cache.page_table[%lld][%lld] = %lld, expected 0 to %lld",
                               (long long)b, (long long)n, (long long)page, (long long)c->pages - 1);
    }
    return ATTN_OK;
}
