#include "attention/idle_strides.h"

#include "attention/sequence.h"

#include <stddef.h>

static void settle(const void **data, int64_t *strides[3], int64_t B, int64_t heads, int64_t rows, int64_t columns)
{
    const int64_t counts[] = {B, heads, rows};
    const bool empty = !B || !heads || !rows || !columns;
    if (empty) *data = NULL;
    for (int n = 0; n < 3; n++)
        if (empty || counts[n] == 1) *strides[n] = 0;
}

static void settle_view(attn_view *view, int64_t B, int64_t heads, int64_t rows, int64_t columns)
{
    settle(&view->data, (int64_t *[]){&view->batch, &view->head, &view->row}, B, heads, rows, columns);
}

static void settle_output(attn_output *out, int64_t B, int64_t heads, int64_t rows, int64_t columns)
{
    attn_view view = {out->data, out->batch, out->head, out->row};
    settle_view(&view, B, heads, rows, columns);
    *out = (attn_output){(void *)(uintptr_t)view.data, view.batch, view.head, view.row};
}

void idle_strides_settle(attn_desc *d)
{
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    settle_view(&d->q, queries_B, d->H, d->T, d->D);
    settle_view(&d->k, keys_B, d->HK, d->S, d->D);
    settle_view(&d->v, keys_B, d->HK, d->S, d->DV);
    settle_output(&d->o, queries_B, d->H, d->T, d->DV);
    settle_output(&d->lse, queries_B, d->H, d->T, 1);
    settle_view(&d->grad_o, queries_B, d->H, d->T, d->DV);
    settle_view(&d->grad_lse, queries_B, d->H, d->T, 1);
    settle_output(&d->grad_q, queries_B, d->H, d->T, d->D);
    settle_output(&d->grad_k, keys_B, d->HK, d->S, d->D);
    settle_output(&d->grad_v, keys_B, d->HK, d->S, d->DV);
    settle_view(&d->score_vector, d->B && d->T && d->S, d->H, 1, d->D);
    settle_output(&d->grad_score_vector, 1, d->H, 1, d->D);
}

void idle_strides_settle_second(const attn_desc *d, attn_second_order *second)
{
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    settle_view(&second->by_grad_q, queries_B, d->H, d->T, d->D);
    settle_view(&second->by_grad_k, keys_B, d->HK, d->S, d->D);
    settle_view(&second->by_grad_v, keys_B, d->HK, d->S, d->DV);
    settle_output(&second->grad_grad_o, queries_B, d->H, d->T, d->DV);
    settle_output(&second->grad_grad_lse, queries_B, d->H, d->T, 1);
}
