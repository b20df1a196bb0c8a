#include "attention/second_order.h"

#include "attention/array_check.h"
#include "attention/backward_check.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/idle_strides.h"
#include "attention/sequence.h"
#include "base/status.h"

#include <string.h>

void attn_second_order_init(attn_second_order *second, size_t struct_size, const attn_desc *desc)
{
    if (!second) return;
    attn_second_order s = {.struct_size = struct_size};
    if (desc && desc->struct_size >= offsetof(attn_desc, parallel)) {
        attn_desc own; /* for its strides */
        attn_desc_init(&own, sizeof own, desc->B, desc->H, desc->HK, desc->T, desc->S, desc->D, desc->DV);
        s.by_grad_q = own.q, s.by_grad_k = own.k, s.by_grad_v = own.v;
        s.grad_q = own.grad_q, s.grad_k = own.grad_k, s.grad_v = own.grad_v, s.grad_grad_o = own.o;
        s.grad_grad_lse = own.lse;
    }
    descriptor_give(second, struct_size, &s, sizeof s);
}

static attn_status refuse(const attn_desc *d)
{
    if (d->score != ATTN_SCORE_DOT)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "score = %d in double backward, expected ATTN_SCORE_DOT (%d)",
                           (int)d->score, (int)ATTN_SCORE_DOT);
    if (d->score_function)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "score_function is set in double backward, expected NULL: it tells "
                                                   "its slopes, not how they change");
    return ATTN_OK;
}

attn_status second_order_read(const attn_desc *desc, const attn_second_order *second, attn_desc *d,
                              attn_second_order *out)
{
    attn_status status = descriptor_read(desc, d);
    if (!status) status = refuse(d);
    if (status) return status;
    if (!second) return status_fail(ATTN_ERROR_ARGUMENT, "second is NULL, expected what attn_second_order_init fills");
    const size_t given = second->struct_size;
    if (given < offsetof(attn_second_order, grad_grad_lse))
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "second: struct_size = %zu, expected %zu: was attn_second_order_init called?", given,
                           sizeof *out);
    memset(out, 0, sizeof *out);
    memcpy(out, second, given < sizeof *out ? given : sizeof *out);
    out->struct_size = sizeof *out;
    status = descriptor_check_later("second's", second, given, sizeof *out);
    if (status) return status;
    if ((out->by_grad_sinks || out->grad_sinks) && !d->sinks)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s is set but sinks is NULL, expected both",
                           out->grad_sinks ? "grad_sinks" : "by_grad_sinks");
    if ((out->by_grad_bias.data || out->grad_bias.data) && !d->bias.data)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s has data but bias has none, expected both",
                           out->grad_bias.data ? "grad_bias" : "by_grad_bias");
    d->grad_q = out->grad_q, d->grad_k = out->grad_k, d->grad_v = out->grad_v;
    d->grad_sinks = out->grad_sinks;
    d->grad_alibi_slopes = NULL, d->grad_score_vector.data = NULL;
    d->grad_bias = out->grad_bias;
    idle_strides_settle(d);
    idle_strides_settle_second(d, out);
    return ATTN_OK;
}

attn_status second_order_check(const attn_desc *d, const attn_second_order *second)
{
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    attn_status status = backward_check(d, &(backward_names){"second's grad_q", "second's grad_k", "second's grad_v"});
    if (!status) status = backward_check_given("by_grad_q", &second->by_grad_q, d->dtype, queries_B, d->H, d->T, d->D);
    if (!status) status = backward_check_given("by_grad_k", &second->by_grad_k, d->dtype, keys_B, d->HK, d->S, d->D);
    if (!status) status = backward_check_given("by_grad_v", &second->by_grad_v, d->dtype, keys_B, d->HK, d->S, d->DV);
    if (!status)
        status = backward_check_wanted("grad_grad_o", &second->grad_grad_o, d->dtype, queries_B, d->H, d->T, d->DV);
    if (!status)
        status = backward_check_wanted("grad_grad_lse", &second->grad_grad_lse, sum_type(d->dtype), queries_B, d->H,
                                       d->T, 1);
    if (!status)
        status = array_check_mask("by_grad_bias", &second->by_grad_bias, d, (size_t)element_size(sum_type(d->dtype)));
    if (!status) status = array_check_list("by_grad_sinks", second->by_grad_sinks, sizeof *second->by_grad_sinks);
    return status;
}

attn_second_order second_order_of(const attn_desc *d, const attn_second_order *second, int64_t b)
{
    attn_second_order own = *second;
    if (d->query_starts) {
        sequence_move_view(&own.by_grad_q, d->dtype, d->query_starts[b]);
        sequence_move_output(&own.grad_grad_lse, sum_type(d->dtype), d->query_starts[b]);
        sequence_move_output(&own.grad_grad_o, sum_type(d->dtype), d->query_starts[b]);
    }
    if (d->key_starts) {
        sequence_move_view(&own.by_grad_k, d->dtype, d->key_starts[b]);
        sequence_move_view(&own.by_grad_v, d->dtype, d->key_starts[b]);
    }
    return own;
}

bool second_order_is_idle(const attn_desc *d, const attn_second_order *second)
{
    return backward_is_idle(d) && !second->grad_grad_o.data && !second->grad_grad_lse.data;
}
