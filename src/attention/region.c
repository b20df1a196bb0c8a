#include "attention/region.h"

#include "base/status.h"

static attn_status check_part(const char *name, int64_t first, int64_t count, int64_t whole)
{
    if (first < 0 || count < 0 || first > whole || count > whole - first)
        return status_fail(ATTN_ERROR_ARGUMENT, "region: %s %lld, %lld of them, expected within 0 to %lld", name,
                           (long long)first, (long long)count, (long long)whole);
    return ATTN_OK;
}

attn_status region_read(const attn_desc *d, const attn_region *region, attn_region *out)
{
    *out = region ? *region : (attn_region){0, d->B, 0, d->H, 0, d->T};
    attn_status status = check_part("batch", out->batch, out->batches, d->B);
    if (!status) status = check_part("head", out->head, out->heads, d->H);
    if (!status && !d->query_starts) return check_part("row", out->row, out->rows, d->T);
    for (int64_t b = out->batch; !status && b < out->batch + out->batches; b++)
        status = check_part("row", out->row, out->rows, d->query_starts[b + 1] - d->query_starts[b]);
    return status;
}
