#include "attention/decode_options.h"

#include "attention/descriptor.h"
#include "attention/sequence.h"
#include "base/status.h"

static attn_status check_same(const char *name, int64_t cache, int64_t desc)
{
    if (cache == desc) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "cache: %s = %lld, expected the descriptor's %lld", name, (long long)cache,
                       (long long)desc);
}

attn_status decode_check_options(const attn_desc *d, const attn_cache *c)
{
    attn_status status = descriptor_check_narrow(d, "attn_decode");
    if (status) return status;
    if (d->T > ATTN_DECODE_QUERIES)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "T = %lld, expected at most %d in attn_decode", (long long)d->T,
                           ATTN_DECODE_QUERIES);
    if (d->score != ATTN_SCORE_DOT)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "score = %d, expected ATTN_SCORE_DOT (%d) in attn_decode",
                           (int)d->score, (int)ATTN_SCORE_DOT);
    if (d->score_function)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "score_function is set, expected NULL in attn_decode");
    if (d->dropout > 0)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "dropout = %g, expected 0 in attn_decode", d->dropout);
    if (d->key_lengths)
        return status_fail(ATTN_ERROR_ARGUMENT, "key_lengths is set, expected NULL: the cache has the lengths");
    if (sequence_packed(d))
        return status_fail(ATTN_ERROR_ARGUMENT, "%s is set, expected NULL: the cache has the lengths",
                           d->query_starts ? "query_starts" : "key_starts");
    if (d->query_offset && !d->query_offsets)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "query_offset = %lld, expected 0: the queries are the last, unless query_offsets says else",
                           (long long)d->query_offset);
    const struct {
        const char *name;
        int64_t cache, desc;
    } sizes[] = {{"B", c->B, d->B}, {"HK", c->HK, d->HK}, {"S", c->S, d->S}, {"D", c->D, d->D}, {"DV", c->DV, d->DV}};
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0] && !status; n++)
        status = check_same(sizes[n].name, sizes[n].cache, sizes[n].desc);
    return status;
}
