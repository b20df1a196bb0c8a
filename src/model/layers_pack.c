#include "model/layers_pack.h"

static attn_status pack_attention(const attention_parameters *p)
{
    tensor *const weights[] = {p->q_weight, p->k_weight, p->v_weight, p->o_weight};
    for (int i = 0; i < 4; i++) {
        attn_status status = weights[i] ? parameters_pack(weights[i]) : ATTN_OK;
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}

attn_status layers_pack(const transformer_layer *layers, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        attn_status status = pack_attention(&layers[i].self);
        if (status == ATTN_OK) status = pack_attention(&layers[i].cross);
        if (status == ATTN_OK) status = parameters_pack(layers[i].fc1_weight);
        if (status == ATTN_OK) status = parameters_pack(layers[i].fc2_weight);
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}
