#include "base/random.h"
#include "base/status.h"
#include "tensor/tape_attention.h"

attn_view attend_view(const float *data, int64_t rows, int64_t heads, int64_t D)
{
    return (attn_view){data, rows * heads * D, D, heads * D};
}

attn_output attend_output(float *data, int64_t rows, int64_t heads, int64_t D)
{
    return (attn_output){data, rows * heads * D, D, heads * D};
}

static void keep_failure(tape *t, attn_status status)
{
    if (status != ATTN_OK) tape_fail(t, status_fail(status, "attention: %s", attn_error()));
}

void attend(tape *t, const attn_desc *desc, const attn_output *weights)
{
    size_t size = 0;
    if (tape_status(t) != ATTN_OK) return;
    keep_failure(t, attn_forward_workspace_size(desc, &size));
    void *workspace = tape_take(t, (int64_t)size, 1);
    if (tape_status(t) != ATTN_OK) return;
    keep_failure(t, attn_forward(desc, workspace, size));
    if (weights && tape_status(t) == ATTN_OK) keep_failure(t, attn_weights(desc, NULL, weights));
}

void attend_backward(tape *t, const attn_desc *desc)
{
    size_t size = 0;
    if (tape_status(t) != ATTN_OK) return;
    keep_failure(t, attn_backward_workspace_size(desc, &size));
    void *workspace = tape_take(t, (int64_t)size, 1);
    if (tape_status(t) == ATTN_OK) keep_failure(t, attn_backward(desc, workspace, size));
}

/* One dropout key per sequence, from the operation's own. */
static const uint64_t *dropout_keys(tape *t, int64_t batch)
{
    uint64_t *keys = tape_take(t, batch, sizeof *keys), key = tape_key(t);
    for (int64_t b = 0; keys && b < batch; b++) keys[b] = random_derive(key, (uint64_t)b);
    return keys;
}

void attend_on_tape(tape *t, attn_desc *d, attention_mask mask, float dropout, const attn_output *weights)
{
    const bool training = tape_get_mode(t) == TAPE_TRAIN;
    if (training) d->lse = (attn_output){tape_take(t, d->B * d->H * d->T, sizeof(float)), d->H * d->T, d->T, 1};
    d->key_lengths = mask.key_lengths;
    d->causal = mask.causal;
    d->query_offset = mask.query_offset;
    d->parallel.threads = tape_threads(t);
    if (training && dropout > 0) {
        d->dropout = dropout;
        d->dropout_keys = dropout_keys(t, d->B);
    }
    attend(t, d, weights);
}

typedef struct attention_state {
    tensor *q, *k, *v, *o; /* (B*T, H*D), (B*S, HK*D), (B*S, HK*DV), (B*T, H*DV) */
    tensor *w;             /* (H*D), of additive scores; NULL: dot products */
    attn_desc desc;
} attention_state;

/* What an operator's gradient is written to; libattn writes, so a gradient that already holds something gets its own
 * array. */
static float *gradient_memory(tape *t, tensor *x, bool *add)
{
    float *grad = tape_gradient(t, x, add);
    return grad && *add ? tape_take(t, tensor_count(x), sizeof(float)) : grad;
}

static void attention_backward(tape *t, void *operation)
{
    attention_state *a = operation;
    attn_desc *d = &a->desc;
    if (!a->o->grad) return;
    bool add_q, add_k, add_v, add_w;
    float *dq = gradient_memory(t, a->q, &add_q), *dk = gradient_memory(t, a->k, &add_k),
          *dv = gradient_memory(t, a->v, &add_v), *dw = a->w ? gradient_memory(t, a->w, &add_w) : NULL;
    d->grad_o = attend_view(a->o->grad, d->T, d->H, d->DV);
    d->grad_q = attend_output(dq, d->T, d->H, d->D);
    d->grad_k = attend_output(dk, d->S, d->HK, d->D);
    d->grad_v = attend_output(dv, d->S, d->HK, d->DV);
    d->grad_score_vector.data = dw;
    attend_backward(t, d);
    if (tape_status(t) != ATTN_OK) return;
    if (dq && add_q) tape_add_gradient(t, dq, a->q);
    if (dk && add_k) tape_add_gradient(t, dk, a->k);
    if (dv && add_v) tape_add_gradient(t, dv, a->v);
    if (dw && add_w) tape_add_gradient(t, dw, a->w);
}

static bool shapes_agree(const tensor *q, const tensor *k, const tensor *v, const tensor *w, int64_t batch,
                         int64_t heads)
{
    if (w && tensor_count(w) != q->shape[q->rank - 1]) return false;
    if (batch < 1 || heads < 1 || q->rank != 2 || k->rank != 2 || v->rank != 2) return false;
    if (q->shape[0] % batch || k->shape[0] % batch || k->shape[0] != v->shape[0]) return false;
    const int64_t D = q->shape[1] / heads, HK = D ? k->shape[1] / D : 0;
    if (HK < 1 || heads % HK || (w && HK != heads)) return false;
    return q->shape[1] == heads * D && k->shape[1] == HK * D && v->shape[1] % HK == 0;
}

/* All four operations: additive scores by a score vector w, else dot products; scale 0 is 1 / sqrt(D), softcap 0 none.
 */
static tensor *attend_tensors(tape *t, const attention_state *inputs, float scale, float softcap, int64_t batch,
                              int64_t heads, attention_mask mask, float dropout, float *weights)
{
    tensor *q = inputs->q, *k = inputs->k, *v = inputs->v, *w = inputs->w;
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!shapes_agree(q, k, v, w, batch, heads)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT,
                                 "attention of (%lld, %lld) to (%lld, %lld), %lld sequences, %lld heads",
                                 (long long)q->shape[0], (long long)q->shape[1], (long long)k->shape[0],
                                 (long long)k->shape[1], (long long)batch, (long long)heads));
        return tape_nothing(t);
    }
    const int64_t T = q->shape[0] / batch, S = k->shape[0] / batch, D = q->shape[1] / heads;
    const int64_t HK = k->shape[1] / D, DV = v->shape[1] / HK;
    tensor *o = tape_result(t, 2, (int64_t[]){batch * T, heads * DV});
    if (!o) return tape_nothing(t);
    attn_desc d;
    attn_desc_init(&d, sizeof d, batch, heads, HK, T, S, D, DV);
    d.q = attend_view(q->value, T, heads, D);
    d.k = attend_view(k->value, S, HK, D);
    d.v = attend_view(v->value, S, HK, DV);
    d.o = attend_output(o->value, T, heads, DV);
    if (scale > 0) d.scale = scale;
    d.softcap = softcap;
    if (w) d.score = ATTN_SCORE_ADDITIVE, d.score_vector.data = w->value;
    const attn_output shown = {weights, heads * T * S, T * S, S};
    attend_on_tape(t, &d, mask, dropout, weights ? &shown : NULL);
    attention_state *kept = tape_record(t, sizeof *kept, attention_backward);
    if (kept) *kept = (attention_state){q, k, v, o, w, d};
    return tape_status(t) == ATTN_OK ? o : tape_nothing(t);
}

tensor *tape_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads, attention_mask mask,
                       float dropout, float *weights)
{
    return tape_capped_attention(t, q, k, v, batch, heads, 0, mask, dropout, weights);
}

tensor *tape_capped_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads, float softcap,
                              attention_mask mask, float dropout, float *weights)
{
    const attention_state inputs = {.q = q, .k = k, .v = v};
    return attend_tensors(t, &inputs, 0, softcap, batch, heads, mask, dropout, weights);
}

tensor *tape_unscaled_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads,
                                attention_mask mask, float dropout, float *weights)
{
    const attention_state inputs = {.q = q, .k = k, .v = v};
    return attend_tensors(t, &inputs, 1, 0, batch, heads, mask, dropout, weights);
}

tensor *tape_additive_attention(tape *t, tensor *q, tensor *k, tensor *v, tensor *w, int64_t batch, int64_t heads,
                                attention_mask mask, float dropout, float *weights)
{
    const attention_state inputs = {.q = q, .k = k, .v = v, .w = w};
    return attend_tensors(t, &inputs, 1, 0, batch, heads, mask, dropout, weights);
}
