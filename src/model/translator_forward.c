#include "model/translator.h"

#include "base/status.h"

#include <math.h>

/* Records the failure on the tape; nothing runs after it. */
static bool fits(tape *t, const translator *m, const char *side, int64_t length)
{
    if (length >= 0 && length <= m->config.max_position_embeddings) return true;
    tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "%s of %lld pieces, expected at most max_position_embeddings, %lld",
                             side, (long long)length, (long long)m->config.max_position_embeddings));
    return false;
}

/* The learned positions of rows, row r at position first + r % period. */
static tensor *embed_positions(tape *t, const translator *m, const translator_embedding *e, int64_t rows, int64_t first,
                               int64_t period)
{
    int32_t *ids = tape_take(t, rows, sizeof *ids);
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    first += translator_family_of(m->config.kind)->position_offset;
    for (int64_t r = 0; r < rows; r++) ids[r] = (int32_t)(first + r % period);
    return tape_embed(t, e->learned_positions, ids, rows, 1);
}

/* dropout(norm(scale * table[ids] + positions)), row r at position first + r % period. */
static tensor *embed(tape *t, const translator *m, const translator_embedding *e, const int32_t *ids, int64_t rows,
                     int64_t first, int64_t period)
{
    float scale = m->config.scale_embedding ? sqrtf((float)m->config.d_model) : 1;
    tensor *x = tape_embed(t, e->table, ids, rows, scale), *positions = NULL;
    if (e->positions)
        x = tape_add_rows(t, x, e->positions + first * m->config.d_model, period);
    else
        positions = embed_positions(t, m, e, rows, first, period);
    if (e->norm_gamma)
        x = tape_layer_norm(t, x, positions, e->norm_gamma, e->norm_beta, m->encoder_options.norm_epsilon);
    else if (positions)
        x = tape_add(t, x, positions);
    return tape_dropout(t, x, m->config.dropout);
}

tensor *translator_project(tape *t, translator *m, tensor *x)
{
    return tape_linear(t, x, m->output_weight, m->output_bias, ACTIVATION_NONE);
}

tensor *translator_encode(tape *t, translator *m, const int32_t *ids, int64_t batch, int64_t source_length,
                          const int64_t *lengths, const attention_weights_sink *sink)
{
    if (!fits(t, m, "source", source_length)) return tape_nothing(t);
    tensor *x = embed(t, m, &m->source, ids, batch * source_length, 0, source_length);
    return transformer_encode(t, &m->encoder_options, m->encoder, m->config.encoder_layers, x, batch, lengths, sink);
}

/* The decoder without its output projection. */
static tensor *decode_hidden(tape *t, translator *m, tensor *memory, const int64_t *memory_lengths, const int32_t *ids,
                             int64_t batch, int64_t target_length, const attention_weights_sink *sink)
{
    if (!fits(t, m, "target", target_length)) return tape_nothing(t);
    tensor *x = embed(t, m, &m->target, ids, batch * target_length, 0, target_length);
    return transformer_decode(t, &m->decoder_options, m->decoder, m->config.decoder_layers, x, memory, batch,
                              memory_lengths, sink);
}

tensor *translator_decode(tape *t, translator *m, tensor *memory, const int64_t *memory_lengths, const int32_t *ids,
                          int64_t batch, int64_t target_length, const attention_weights_sink *sink)
{
    return translator_project(t, m, decode_hidden(t, m, memory, memory_lengths, ids, batch, target_length, sink));
}

tensor *translator_decode_rows(tape *t, translator *m, tensor *memory, const int64_t *memory_lengths,
                               const int32_t *ids, int64_t batch, int64_t target_length, const int64_t *rows,
                               int64_t count)
{
    tensor *x = decode_hidden(t, m, memory, memory_lengths, ids, batch, target_length, NULL);
    return translator_project(t, m, tape_take_rows(t, x, rows, count));
}

tensor *translator_step(tape *t, translator *m, transformer_cache *cache, const int32_t *ids, int64_t rows,
                        int64_t position, const attention_weights_sink *sink)
{
    if (!fits(t, m, "target", position + 1)) return tape_nothing(t);
    tensor *x = embed(t, m, &m->target, ids, rows, position, 1);
    return transformer_step(t, &m->decoder_options, m->decoder, m->config.decoder_layers, x, cache, sink);
}
