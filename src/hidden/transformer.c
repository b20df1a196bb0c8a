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
    const arena_place place = arena_place_now(tape_arena(t));
    for (int64_t i = 0; i < layer_count; i++) {
        x = attend_self(t, o, &layers[i], x, batch, padding, sink ? sink_at(sink->self, i) : NULL);
        x = tape_keep(t, place, transform(t, o, &layers[i], x));
    }
    return x;
}

/* The first `first` of every sequence's rows. */
static tensor *take_first(tape *t, tensor *x, int64_t batch, int64_t first)
{
    const int64_t length = batch ? tensor_rows(x) / batch : 0;
    int64_t *rows = tape_take(t, batch * first, sizeof *rows);
    for (int64_t i = 0; rows && i < batch * first; i++) rows[i] = i / first * length + i % first;
    return tape_take_rows(t, x, rows, batch * first);
}

/* A layer of which only the first rows leave: all are keys and values, but no others are queries. */
static tensor *encode_first(tape *t, const transformer_options *o, const transformer_layer *l, tensor *x, int64_t batch,
                            attention_mask mask, int64_t first)
{
    tensor *h = sublayer_input(t, o, x, l->self_norm_gamma, l->self_norm_beta);
    tensor *y = multi_head_attention(t, o, &l->self, take_first(t, h, batch, first), h, batch, mask, NULL);
    x = sublayer_output(t, o, take_first(t, x, batch, first), y, l->self_norm_gamma, l->self_norm_beta);
    return transform(t, o, l, x);
}

tensor *transformer_encode_first(tape *t, const transformer_options *o, const transformer_layer *layers,
                                 int64_t layer_count, tensor *x, int64_t batch, const int64_t *lengths, int64_t first,
                                 const attention_weights_sink *sink)
{
    const int64_t last = layer_count - 1;
    if (last < 0 || (sink && sink_at(sink->self, last))) {
        x = transformer_encode(t, o, layers, layer_count, x, batch, lengths, sink);
        return take_first(t, x, batch, first);
    }
    x = transformer_encode(t, o, layers, last, x, batch, lengths, sink);
    return encode_first(t, o, &layers[last], x, batch, (attention_mask){.key_lengths = lengths}, first);
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
