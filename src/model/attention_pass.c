#include "model/attention_pass.h"

#include "base/status.h"

#include <string.h>

/* Arrays of one pass over one part, on the tape's arena: one for each layer, those before `first` left out. */
static float **take_arrays(tape *t, int64_t layers, int64_t first, int64_t last, int64_t floats)
{
    float **arrays = arena_take_zeroed(tape_arena(t), (size_t)layers + 1, sizeof *arrays);
    for (int64_t l = first; arrays && l <= last; l++) {
        arrays[l] = arena_take_zeroed(tape_arena(t), (size_t)floats, sizeof **arrays);
        if (!arrays[l]) return NULL;
    }
    return arrays;
}

static attn_status run(tape *t, const seq2seq *m, token_list source, token_list target, const seq2seq_sink *sink)
{
    int32_t *shifted = arena_take(tape_arena(t), (size_t)target.length * sizeof *shifted);
    if (!shifted) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld tokens", (long long)target.length);
    shifted[0] = m->sizes.start_id;
    memcpy(shifted + 1, target.ids, (size_t)(target.length - 1) * sizeof *shifted);
    const source_batch from = {source.ids, 1, source.length, &source.length};
    const target_batch to = {.ids = shifted, .length = target.length};
    m->family->logits(t, m->network, &from, &to, sink);
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

attn_status attend_part(tape *t, const seq2seq *m, token_list source, token_list target, const attend_block *b,
                        float *encoder, float *decoder, float *cross)
{
    const attended_layers e = m->sizes.encoder, d = m->sizes.decoder, x = m->sizes.cross;
    const int64_t S = source.length, T = target.length;
    tape_begin(t, 0);
    const seq2seq_sink sink = {.encoder = take_arrays(t, e.layers, 0, e.layers - 1, e.heads * S * S),
                               .decoder = take_arrays(t, d.layers, 0, d.layers - 1, d.heads * T * T),
                               .cross = take_arrays(t, x.layers, 0, x.layers - 1, x.heads * T * S)};
    if (!sink.encoder || !sink.decoder || !sink.cross)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    attn_status status = run(t, m, source, target, &sink);
    if (status) return status;
    place(encoder, sink.encoder, e.layers, e.heads, S, S, b->source_offset, b->source_total, b->source_offset,
          b->source_total);
    place(decoder, sink.decoder, d.layers, d.heads, T, T, b->target_offset, b->target_total, b->target_offset,
          b->target_total);
    place(cross, sink.cross, x.layers, x.heads, T, S, b->target_offset, b->target_total, b->source_offset,
          b->source_total);
    return ATTN_OK;
}

attn_status attend_alignment(tape *t, const seq2seq *m, token_list source, token_list target, float *mean)
{
    const int64_t S = source.length, T = target.length, H = m->sizes.cross.heads, layers = m->sizes.cross.layers;
    const int64_t layer = layers > 1 ? layers - 2 : 0;
    memset(mean, 0, (size_t)(T * S) * sizeof *mean);
    if (layers == 0) return ATTN_OK;
    tape_begin(t, 0);
    const seq2seq_sink sink = {.cross = take_arrays(t, layers, layer, layer, H * T * S)};
    if (!sink.cross) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    attn_status status = run(t, m, source, target, &sink);
    if (status) return status;
    for (int64_t i = 0; i < T * S; i++) {
        for (int64_t h = 0; h < H; h++) mean[i] += sink.cross[layer][h * T * S + i];
        mean[i] /= (float)H;
    }
    return ATTN_OK;
}
