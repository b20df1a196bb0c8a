#include "hidden/sublayers.h"

/* Sinks are optional, and so is each layer's place in them. */
static float *sink_at(float *const *arrays, int64_t layer)
{
    return arrays ? arrays[layer] : NULL;
}

static tensor *attend_self(tape *t, const transformer_options *o, const transformer_layer *l, tensor *x, int64_t batch,
                           attention_mask mask, float *weights)
{
    tensor *h = sublayer_input(t, o, x, l->self_norm_gamma, l->self_norm_beta);
    tensor *y = multi_head_attention(t, o, &l->self, h, h, batch, mask, weights);
    return sublayer_output(t, o, x, y, l->self_norm_gamma, l->self_norm_beta);
}

static tensor *attend_memory(tape *t, const transformer_options *o, const transformer_layer *l, tensor *x,
                             tensor *memory, int64_t batch, attention_mask mask, float *weights)
{
    tensor *h = sublayer_input(t, o, x, l->cross_norm_gamma, l->cross_norm_beta);
    tensor *y = multi_head_attention(t, o, &l->cross, h, memory, batch, mask, weights);
    return sublayer_output(t, o, x, y, l->cross_norm_gamma, l->cross_norm_beta);
}

static tensor *transform(tape *t, const transformer_options *o, const transformer_layer *l, tensor *x)
{
    tensor *h = sublayer_input(t, o, x, l->final_norm_gamma, l->final_norm_beta);
    tensor *y = feed_forward(t, o, l, h);
    return sublayer_output(t, o, x, y, l->final_norm_gamma, l->final_norm_beta);
}

tensor *transformer_encode(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                           tensor *x, int64_t batch, const int64_t *lengths, const attention_weights_sink *sink)
{
    const attention_mask padding = {.key_lengths = lengths};
    for (int64_t i = 0; i < layer_count; i++) {
        x = attend_self(t, o, &layers[i], x, batch, padding, sink ? sink_at(sink->self, i) : NULL);
        x = transform(t, o, &layers[i], x);
    }
    return x;
}

tensor *transformer_decode(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                           tensor *x, tensor *memory, int64_t batch, const int64_t *memory_lengths,
                           const attention_weights_sink *sink)
{
    const attention_mask causal = {.causal = true}, padding = {.key_lengths = memory_lengths};
    for (int64_t i = 0; i < layer_count; i++) {
        x = attend_self(t, o, &layers[i], x, batch, causal, sink ? sink_at(sink->self, i) : NULL);
        x = attend_memory(t, o, &layers[i], x, memory, batch, padding, sink ? sink_at(sink->cross, i) : NULL);
        x = transform(t, o, &layers[i], x);
    }
    return x;
}
