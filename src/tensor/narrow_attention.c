/* Attention of narrow tensors: the operator's bf16, on queries, keys and values that lie side by side. */
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/tape_attention.h"

typedef struct narrow_state {
    tensor *q, *kv, *o;
    attn_desc desc;
} narrow_state;

/* Heads of D columns each, from column `from` on, of sequences of `rows` rows that have `stride` columns. */
static attn_output columns_of(uint16_t *data, int64_t from, int64_t rows, int64_t stride, int64_t D)
{
    return (attn_output){data ? data + from : NULL, rows * stride, D, stride};
}

static attn_view read_only(attn_output o)
{
    return (attn_view){o.data, o.batch, o.head, o.row};
}

static int64_t columns(const tensor *x)
{
    return x->shape[x->rank - 1];
}

/* q, kv and o are the tensors' values, or gradients; key and value columns follow the queries' where there is no kv. */
static void place(const narrow_state *a, uint16_t *q, uint16_t *kv, attn_output to[3])
{
    const attn_desc *d = &a->desc;
    const int64_t keys_from = a->kv ? 0 : d->H * d->D, stride = columns(a->kv ? a->kv : a->q);
    to[0] = columns_of(q, 0, d->T, columns(a->q), d->D);
    to[1] = columns_of(a->kv ? kv : q, keys_from, d->S, stride, d->D);
    to[2] = columns_of(a->kv ? kv : q, keys_from + d->HK * d->D, d->S, stride, d->DV);
}

static void narrow_attention_backward(tape *t, void *operation)
{
    narrow_state *a = operation;
    attn_desc *d = &a->desc;
    if (!a->o->narrow_grad) return;
    attn_output to[3];
    place(a, tape_narrow_gradient(t, a->q), a->kv ? tape_narrow_gradient(t, a->kv) : NULL, to);
    if (tape_status(t) != ATTN_OK) return;
    d->grad_q = to[0];
    d->grad_k = to[1];
    d->grad_v = to[2];
    d->grad_o = read_only(columns_of(a->o->narrow_grad, 0, d->T, columns(a->o), d->DV));
    attend_backward(t, d);
}

static bool shapes_agree(const tensor *q, const tensor *kv, int64_t batch, int64_t heads, int64_t key_value_heads)
{
    const tensor *keys = kv ? kv : q;
    if (batch < 1 || heads < 1 || key_value_heads < 1 || heads % key_value_heads) return false;
    if (!tensor_is_narrow(q) || !tensor_is_narrow(keys) || q->rank != 2 || keys->rank != 2) return false;
    if (q->shape[0] % batch || keys->shape[0] % batch) return false;
    if (!kv) return q->shape[1] % (heads + 2 * key_value_heads) == 0;
    return q->shape[1] % heads == 0 && kv->shape[1] == q->shape[1] / heads * 2 * key_value_heads;
}

tensor *tape_narrow_attention(tape *t, tensor *q, tensor *kv, int64_t batch, int64_t heads, int64_t key_value_heads,
                              float softcap, attention_mask mask, float dropout)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!shapes_agree(q, kv, batch, heads, key_value_heads)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "attention in bf16 of %lld columns, %lld sequences, %lld heads",
                                 (long long)columns(q), (long long)batch, (long long)heads));
        return tape_nothing(t);
    }
    const int64_t D = columns(q) / (kv ? heads : heads + 2 * key_value_heads), T = q->shape[0] / batch;
    narrow_state a = {.q = q, .kv = kv};
    a.o = tape_narrow_result(t, 2, (int64_t[]){q->shape[0], heads * D});
    if (!a.o) return tape_nothing(t);
    attn_desc_init(&a.desc, sizeof a.desc, batch, heads, key_value_heads, T, (kv ? kv : q)->shape[0] / batch, D, D);
    a.desc.dtype = ATTN_DTYPE_BF16;
    attn_output places[3];
    place(&a, q->narrow, kv ? kv->narrow : NULL, places);
    a.desc.q = read_only(places[0]);
    a.desc.k = read_only(places[1]);
    a.desc.v = read_only(places[2]);
    a.desc.o = columns_of(a.o->narrow, 0, T, heads * D, D);
    a.desc.softcap = softcap;
    attend_on_tape(t, &a.desc, mask, dropout, NULL);
    narrow_state *kept = tape_record(t, sizeof *kept, narrow_attention_backward);
    if (kept) *kept = a;
    return tape_status(t) == ATTN_OK ? a.o : tape_nothing(t);
}
