/* Checks of what a descriptor's fields point to. */
#include "attention/descriptor.h"

#include "attention/array_check.h"
#include "attention/block_mask.h"
#include "attention/elements.h"
#include "attention/sequence.h"
#include "base/plural.h"
#include "base/status.h"

attn_status descriptor_check_masks(const attn_desc *d)
{
    attn_status status = array_check_mask("mask", &d->mask, d, 1);
    if (!status) status = array_check_mask("bias", &d->bias, d, (size_t)element_size(sum_type(d->dtype)));
    return status ? status : block_mask_check(d);
}

/* Where packed sequences begin: in order, within 0 .. rows. */
static attn_status check_starts(const char *name, const int64_t *starts, int64_t B, const char *total, int64_t rows)
{
    int64_t before = 0;
    for (int64_t b = 0; starts && b <= B; b++) {
        if (starts[b] < before || starts[b] > rows)
            return status_fail(ATTN_ERROR_ARGUMENT, "%s[%lld] = %lld, expected %lld to %s = %lld", name, (long long)b,
                               (long long)starts[b], (long long)before, total, (long long)rows);
        before = starts[b];
    }
    return ATTN_OK;
}

attn_status descriptor_check_lists(const attn_desc *d)
{
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } lists[] = {{"query_offsets", d->query_offsets, sizeof *d->query_offsets},
                 {"key_lengths", d->key_lengths, sizeof *d->key_lengths},
                 {"dropout_keys", d->dropout_keys, sizeof *d->dropout_keys},
                 {"query_starts", d->query_starts, sizeof *d->query_starts},
                 {"key_starts", d->key_starts, sizeof *d->key_starts},
                 {"block_mask.starts", d->block_mask.starts, sizeof *d->block_mask.starts},
                 {"block_mask.entries", d->block_mask.entries, sizeof *d->block_mask.entries},
                 {"alibi_slopes", d->alibi_slopes, sizeof *d->alibi_slopes},
                 {"sinks", d->sinks, sizeof *d->sinks},
                 {"grad_sinks", d->grad_sinks, sizeof *d->grad_sinks},
                 {"grad_alibi_slopes", d->grad_alibi_slopes, sizeof *d->grad_alibi_slopes}};
    attn_status status = ATTN_OK;
    for (size_t n = 0; n < sizeof lists / sizeof lists[0] && !status; n++)
        status = array_check_list(lists[n].name, lists[n].data, lists[n].size);
    return status;
}

static attn_status check_key_lengths(const attn_desc *d)
{
    for (int64_t b = 0; d->key_lengths && b < d->B; b++) {
        int64_t most = d->key_starts ? d->key_starts[b + 1] - d->key_starts[b] : d->S;
        if (d->key_lengths[b] < 0 || d->key_lengths[b] > most)
            return status_fail(ATTN_ERROR_ARGUMENT, "key_lengths[%lld] = %lld, expected 0 to %s = %lld", (long long)b,
                               (long long)d->key_lengths[b], d->key_starts ? "the sequence's keys" : "S",
                               (long long)most);
    }
    return ATTN_OK;
}

attn_status descriptor_check_inputs(const attn_desc *d, bool values)
{
    attn_status status = array_check_view("q", &d->q, d->dtype, sequence_query_batches(d), d->H, d->T, d->D);
    const int64_t keys_B = sequence_key_batches(d);
    if (!status) status = array_check_view("k", &d->k, d->dtype, keys_B, d->HK, d->S, d->D);
    if (!status && values) status = array_check_view("v", &d->v, d->dtype, keys_B, d->HK, d->S, d->DV);
    if (!status && d->score == ATTN_SCORE_ADDITIVE)
        status =
            array_check_view("score_vector", &d->score_vector, sum_type(d->dtype), d->B && d->T && d->S, d->H, 1, d->D);
    if (!status) status = descriptor_check_lists(d);
    if (!status) status = check_starts("query_starts", d->query_starts, d->B, "T", d->T);
    if (!status) status = check_starts("key_starts", d->key_starts, d->B, "S", d->S);
    if (!status) status = check_key_lengths(d);
    if (!status) status = descriptor_check_masks(d);
    if (status) return status;
    if (d->dropout > 0 && !d->dropout_keys && d->B)
        return status_fail(ATTN_ERROR_ARGUMENT, "dropout_keys is NULL, expected %lld key%s for dropout = %g",
                           (long long)d->B, plural(d->B), d->dropout);
    return ATTN_OK;
}
