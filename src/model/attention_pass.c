#include "model/attention_pass.h"

#include "base/status.h"

#include <string.h>

/* Arrays of one pass over one part, on the tape's arena: one for each layer, those before `first` left out. */
static float **take_arrays(tape *t, int64_t layers, int64_t first, int64_t last, int64_t floats)
{
    float **arrays = arena_take_zeroed(tape_arena(t), (size_t)layers, sizeof *arrays);
    for (int64_t l = first; arrays && l <= last; l++) {
        arrays[l] = arena_take_zeroed(tape_arena(t), (size_t)floats, sizeof **arrays);
        if (!arrays[l]) return NULL;
    }
    return arrays;
}

static attn_status run(tape *t, translator *m, token_list source, token_list target,
                       const attention_weights_sink *encoder, const attention_weights_sink *decoder)
{
    int32_t *shifted = arena_take(tape_arena(t), (size_t)target.length * sizeof *shifted);
    if (!shifted) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld tokens", (long long)target.length);
    shifted[0] = m->config.decoder_start_id;
    memcpy(shifted + 1, target.ids, (size_t)(target.length - 1) * sizeof *shifted);
    tensor *memory = translator_encode(t, m, source.ids, 1, source.length, &source.length, encoder);
    translator_decode(t, m, memory, &source.length, shifted, 1, target.length, decoder);
    return tape_status(t);
}

/* A (layers, heads, rows, columns) block from one array a layer into the whole. */
static void place(float *whole, float **arrays, int64_t layers, int64_t heads, int64_t rows, int64_t columns,
                  int64_t row_offset, int64_t row_total, int64_t column_offset, int64_t column_total)
{
    for (int64_t l = 0; l < layers; l++) {
        for (int64_t h = 0; h < heads; h++) {
            for (int64_t r = 0; r < rows; r++) {
                int64_t row = (l * heads + h) * row_total + row_offset + r;
                memcpy(whole + row * column_total + column_offset, arrays[l] + (h * rows + r) * columns,
                       (size_t)columns * sizeof *whole);
            }
        }
    }
}

attn_status attend_part(tape *t, translator *m, token_list source, token_list target, const attend_block *b,
                        float *encoder, float *decoder, float *cross)
{
    const translator_config *c = &m->config;
    int64_t S = source.length, T = target.length, H = c->decoder_heads;
    tape_begin(t, 0);
    attention_weights_sink in = {
        .self = take_arrays(t, c->encoder_layers, 0, c->encoder_layers - 1, c->encoder_heads * S * S)};
    attention_weights_sink out = {.self = take_arrays(t, c->decoder_layers, 0, c->decoder_layers - 1, H * T * T),
                                  .cross = take_arrays(t, c->decoder_layers, 0, c->decoder_layers - 1, H * T * S)};
    if (!in.self || !out.self || !out.cross) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    attn_status status = run(t, m, source, target, &in, &out);
    if (status) return status;
    place(encoder, in.self, c->encoder_layers, c->encoder_heads, S, S, b->source_offset, b->source_total,
          b->source_offset, b->source_total);
    place(decoder, out.self, c->decoder_layers, H, T, T, b->target_offset, b->target_total, b->target_offset,
          b->target_total);
    place(cross, out.cross, c->decoder_layers, H, T, S, b->target_offset, b->target_total, b->source_offset,
          b->source_total);
    return ATTN_OK;
}

attn_status attend_alignment(tape *t, translator *m, token_list source, token_list target, float *mean)
{
    int64_t S = source.length, T = target.length, H = m->config.decoder_heads, layers = m->config.decoder_layers;
    int64_t layer = layers > 1 ? layers - 2 : 0;
    tape_begin(t, 0);
    attention_weights_sink out = {.self = take_arrays(t, layers, 0, -1, 0),
                                  .cross = take_arrays(t, layers, layer, layer, H * T * S)};
    if (!out.self || !out.cross) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    attn_status status = run(t, m, source, target, NULL, &out);
    if (status) return status;
    for (int64_t i = 0; i < T * S; i++) {
        float sum = 0;
        for (int64_t h = 0; h < H; h++) sum += out.cross[layer][h * T * S + i];
        mean[i] = sum / (float)H;
    }
    return ATTN_OK;
}
