#include "attention/forward_abreast.h"

#include "attention/elements.h"
#include "kernels/kernels.h"

#define MOST_HEADS 16

/* Every key is seen up to its sequence's length, and nothing is added to its score. */
static bool sees_all(const attn_desc *d)
{
    return !d->causal && d->window_left < 0 && d->window_right < 0 && !d->mask.data && !d->bias.data &&
           !d->alibi_slopes && !d->block_mask.starts && !d->mask_function && !d->sinks;
}

static bool is_plain(const attn_desc *d)
{
    return d->dtype == ATTN_DTYPE_F32 && d->score == ATTN_SCORE_DOT && !d->score_function && !(d->dropout > 0) &&
           !d->query_starts && !d->key_starts;
}

static bool heads_touch(const attn_desc *d)
{
    return d->q.head == d->D && d->k.head == d->D && d->v.head == d->DV && d->o.head == d->DV;
}

int64_t forward_heads_abreast(const attn_desc *d)
{
    const bool lone = d->T == 1 && d->H == d->HK && d->S <= FORWARD_CHUNK;
    if (!lone || !is_plain(d) || !sees_all(d) || !heads_touch(d) || d->DV % kernels_table()->lanes) return 1;
    return d->H < MOST_HEADS ? d->H : MOST_HEADS;
}

size_t forward_abreast_bytes(const attn_desc *d)
{
    return d->T == 1 ? MOST_HEADS * (FORWARD_CHUNK + 1) * sizeof(float) : 0;
}

void forward_abreast_run(const attn_desc *d, int64_t b, int64_t h, int64_t heads, char *piece)
{
    const forward_heads x = {.heads = d->H - h < heads ? d->H - h : heads,
                             .keys = d->key_lengths ? d->key_lengths[b] : d->S,
                             .D = d->D,
                             .DV = d->DV,
                             .scale = d->scale,
                             .softcap = d->softcap,
                             .q = view_at(&d->q, b, h, 0),
                             .k = view_at(&d->k, b, h, 0),
                             .v = view_at(&d->v, b, h, 0),
                             .k_row = d->k.row,
                             .v_row = d->v.row,
                             .o = output_at(&d->o, b, h, 0),
                             .lse = output_at(&d->lse, b, h, 0),
                             .lse_head = d->lse.head,
                             .scratch = (float *)piece};
    kernels_table()->forward_heads(&x);
}
