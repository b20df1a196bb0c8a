#include "attention/backward_check.h"

#include "attention/array_check.h"
#include "attention/backward_bias.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/sequence.h"

#include <string.h>

attn_status backward_check_wanted(const char *name, const attn_output *grad, attn_dtype type, int64_t batches,
                                  int64_t heads, int64_t rows, int64_t columns)
{
    return grad->data ? array_check_output(name, grad, type, batches, heads, rows, columns) : ATTN_OK;
}

attn_status backward_check_given(const char *name, const attn_view *view, attn_dtype type, int64_t batches,
                                 int64_t heads, int64_t rows, int64_t columns)
{
    return view->data ? array_check_view(name, view, type, batches, heads, rows, columns) : ATTN_OK;
}

attn_status backward_check(const attn_desc *d, const backward_names *names)
{
    const attn_view o = {d->o.data, d->o.batch, d->o.head, d->o.row};
    const attn_view lse = {d->lse.data, d->lse.batch, d->lse.head, d->lse.row};
    const attn_dtype type = d->dtype, sums = sum_type(type);
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    attn_status status = descriptor_check_inputs(d, true);
    if (!status) status = array_check_view("o", &o, type, queries_B, d->H, d->T, d->DV);
    if (!status) status = array_check_view("lse", &lse, sums, queries_B, d->H, d->T, 1);
    if (!status) status = array_check_view("grad_o", &d->grad_o, type, queries_B, d->H, d->T, d->DV);
    if (!status) status = backward_check_given("grad_lse", &d->grad_lse, sums, queries_B, d->H, d->T, 1);
    if (!status) status = backward_check_wanted(names->grad_q, &d->grad_q, type, queries_B, d->H, d->T, d->D);
    if (!status) status = backward_check_wanted(names->grad_k, &d->grad_k, type, keys_B, d->HK, d->S, d->D);
    if (!status) status = backward_check_wanted(names->grad_v, &d->grad_v, type, keys_B, d->HK, d->S, d->DV);
    if (!status) status = backward_check_wanted("grad_score_vector", &d->grad_score_vector, sums, 1, d->H, 1, d->D);
    return status ? status : backward_bias_check(d);
}

bool backward_is_idle(const attn_desc *d)
{
    if (d->grad_q.data || d->grad_k.data || d->grad_v.data) return false;
    if (!d->B || !d->T) return true;
    if (d->S && d->grad_bias.data) return false;
    return !d->grad_sinks && !d->grad_alibi_slopes && !d->grad_score_vector.data;
}

void backward_zero_sums(const attn_desc *d)
{
    const attn_dtype type = sum_type(d->dtype);
    for (int64_t h = 0; h < d->H && d->grad_score_vector.data; h++)
        memset(output_row_at(type, &d->grad_score_vector, 0, h, 0), 0, (size_t)(d->D * element_size(type)));
    if (d->grad_sinks) memset(d->grad_sinks, 0, (size_t)d->H * sizeof *d->grad_sinks);
    if (d->grad_alibi_slopes) memset(d->grad_alibi_slopes, 0, (size_t)d->H * sizeof *d->grad_alibi_slopes);
}
