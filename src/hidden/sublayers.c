#include "hidden/sublayers.h"

int64_t key_value_heads(const transformer_options *o)
{
    return o->key_value_heads ? o->key_value_heads : o->heads;
}

tensor *attention_queries(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x)
{
    tensor *q = tape_linear(t, x, p->q_weight, p->q_bias, ACTIVATION_NONE);
    return p->q_norm_gamma ? tape_layer_norm(t, q, NULL, p->q_norm_gamma, p->q_norm_beta, o->norm_epsilon) : q;
}

tensor *attention_keys(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x)
{
    tensor *k = tape_linear(t, x, p->k_weight, p->k_bias, ACTIVATION_NONE);
    return p->k_norm_gamma ? tape_layer_norm(t, k, NULL, p->k_norm_gamma, p->k_norm_beta, o->norm_epsilon) : k;
}

/* What every head attended to, in bf16: x and memory are multiplied by all of their projections at once. */
static tensor *narrow_heads(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x,
                            tensor *memory, int64_t batch, attention_mask mask)
{
    const linear_part parts[] = {{p->q_weight, p->q_bias}, {p->k_weight, p->k_bias}, {p->v_weight, p->v_bias}};
    const bool one = x == memory;
    tensor *q = tape_narrow_linear(t, x, parts, one ? 3 : 1, ACTIVATION_NONE, true), *kv = NULL;
    if (!one) kv = tape_narrow_linear(t, memory, parts + 1, 2, ACTIVATION_NONE, true);
    return tape_narrow_attention(t, q, kv, batch, o->heads, key_value_heads(o), o->softcap, mask, o->attention_dropout);
}

static bool normalizes_heads(const attention_parameters *p)
{
    return p->q_norm_gamma || p->k_norm_gamma;
}

tensor *multi_head_attention(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x,
                             tensor *memory, int64_t batch, attention_mask mask, float *weights)
{
    if (tape_narrows(t) && !normalizes_heads(p) && !weights)
        return tape_linear(t, narrow_heads(t, o, p, x, memory, batch, mask), p->o_weight, p->o_bias, ACTIVATION_NONE);
    tensor *q = attention_queries(t, o, p, x), *k = attention_keys(t, o, p, memory);
    tensor *v = tape_linear(t, memory, p->v_weight, p->v_bias, ACTIVATION_NONE);
    tensor *heads = tape_capped_attention(t, q, k, v, batch, o->heads, o->softcap, mask, o->attention_dropout, weights);
    return tape_linear(t, heads, p->o_weight, p->o_bias, ACTIVATION_NONE);
}

tensor *feed_forward(tape *t, const transformer_options *o, const transformer_layer *layer, tensor *x)
{
    const linear_part first = {layer->fc1_weight, layer->fc1_bias};
    const bool narrow = tape_narrows(t) && o->activation != ACTIVATION_NONE && o->activation_dropout == 0;
    tensor *h = narrow ? tape_narrow_linear(t, x, &first, 1, o->activation, true)
                       : tape_dropout(t, tape_linear(t, x, first.w, first.b, o->activation), o->activation_dropout);
    return tape_linear(t, h, layer->fc2_weight, layer->fc2_bias, ACTIVATION_NONE);
}

tensor *sublayer_input(tape *t, const transformer_options *o, tensor *x, tensor *gamma, tensor *beta)
{
    return o->pre_norm ? tape_layer_norm(t, x, NULL, gamma, beta, o->norm_epsilon) : x;
}

tensor *sublayer_output(tape *t, const transformer_options *o, tensor *x, tensor *y, tensor *gamma, tensor *beta)
{
    tensor *dropped = tape_dropout(t, y, o->dropout);
    return o->pre_norm ? tape_add(t, x, dropped) : tape_layer_norm(t, dropped, x, gamma, beta, o->norm_epsilon);
}
