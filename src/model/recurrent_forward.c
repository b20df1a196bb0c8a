#include "model/recurrent_translator.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

int64_t recurrent_fed_size(const recurrent_config *c)
{
    if (c->attention == RECURRENT_ADDITIVE) return c->hidden_size;
    return c->input_feeding ? c->embedding_size : 0;
}

/* Records the failure on the tape; nothing runs after it. */
static bool fits(tape *t, const recurrent_translator *m, const char *side, int64_t length)
{
    if (length >= 0 && length <= m->config.max_length) return true;
    tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "%s of %lld pieces, expected at most max_length, %lld", side,
                             (long long)length, (long long)m->config.max_length));
    return false;
}

/* The table is the logits' too, whose rows are short; as inputs they are stretched (Press and Wolf 2017). */
tensor *recurrent_embed(tape *t, recurrent_translator *m, const int32_t *ids, int64_t rows)
{
    tensor *x = tape_embed(t, m->embedding, ids, rows, sqrtf((float)m->config.embedding_size));
    return tape_dropout(t, x, m->config.dropout);
}

tensor *recurrent_logits(tape *t, recurrent_translator *m, tensor *a)
{
    return tape_linear(t, a, m->embedding, m->output_bias, ACTIVATION_NONE);
}

/* ---- encoder ---------------------------------------------------------------------------------------------------- */

static tensor *keys_of(tape *t, const recurrent_translator *m, tensor *values)
{
    if (m->config.attention == RECURRENT_UNATTENDED) return NULL;
    return m->key_weight ? tape_linear(t, values, m->key_weight, NULL, ACTIVATION_NONE) : values;
}

/* Both directions' last states side by side. */
static tensor *join(tape *t, tensor *forward, tensor *backward)
{
    return tape_concatenate(t, (tensor *const[]){forward, backward}, 2);
}

/* A decoder's layer begins as the encoder's of its height ended, the highest where there are fewer. */
static void begin_states(tape *t, const recurrent_translator *m, const recurrent_state *last, recurrent_state *states)
{
    const recurrent_config *c = &m->config;
    for (int64_t l = 0; l < c->decoder_layers; l++) {
        const int64_t from = l < c->encoder_layers ? l : c->encoder_layers - 1;
        if (!c->bidirectional) {
            states[l] = last[from];
            continue;
        }
        const recurrent_state *sides = last + 2 * from;
        states[l].h = join(t, sides[0].h, sides[1].h);
        states[l].c = c->cell == RECURRENT_LSTM ? join(t, sides[0].c, sides[1].c) : NULL;
    }
}

void recurrent_encode(tape *t, recurrent_translator *m, const int32_t *ids, int64_t batch, int64_t source_length,
                      const int64_t *lengths, recurrent_memory *out)
{
    const recurrent_config *c = &m->config;
    const recurrent_options o = {c->cell, c->encoder_layers, c->bidirectional, c->dropout};
    const int64_t slots = c->encoder_layers * (c->bidirectional ? 2 : 1);
    *out = (recurrent_memory){.batch = batch, .length = source_length, .lengths = lengths};
    if (!fits(t, m, "source", source_length)) return;
    recurrent_state *last = tape_take(t, slots, sizeof *last);
    out->states = tape_take(t, c->decoder_layers, sizeof *out->states);
    if (tape_status(t) != ATTN_OK) return;
    tensor *x = recurrent_embed(t, m, ids, batch * source_length);
    x = recurrent_stack(t, &o, m->encoder, x, batch, lengths, NULL, last);
    out->values = tape_dropout(t, x, c->dropout);
    out->keys = keys_of(t, m, out->values);
    begin_states(t, m, last, out->states);
}

/* ---- attention -------------------------------------------------------------------------------------------------- */

/* queries (B*T, H) -> contexts (B*T, H) */
static tensor *attend_memory(tape *t, const recurrent_translator *m, const recurrent_memory *memory, tensor *queries,
                             float *weights)
{
    const attention_mask padding = {.key_lengths = memory->lengths};
    if (!m->score_weight)
        return tape_unscaled_attention(t, queries, memory->keys, memory->values, memory->batch, 1, padding, 0, weights);
    queries = tape_linear(t, queries, m->query_weight, NULL, ACTIVATION_NONE);
    return tape_additive_attention(t, queries, memory->keys, memory->values, m->score_weight, memory->batch, 1, padding,
                                   0, weights);
}

/* a = tanh(W [context; d] + b) */
static tensor *combine(tape *t, const recurrent_translator *m, tensor *context, tensor *d)
{
    tensor *x = context ? tape_concatenate(t, (tensor *const[]){context, d}, 2) : d;
    return tape_linear(t, x, m->combine_weight, m->combine_bias, ACTIVATION_TANH);
}

/* ---- decoder, step by step -------------------------------------------------------------------------------------- */

static tensor *step_layers(tape *t, recurrent_translator *m, int64_t batch, recurrent_carry *carry, tensor *x)
{
    const recurrent_config *c = &m->config;
    recurrent_state *next = tape_take(t, c->decoder_layers, sizeof *next);
    for (int64_t l = 0; l < c->decoder_layers && next; l++) {
        if (l > 0) x = tape_dropout(t, x, c->dropout);
        x = recurrent_layer(t, c->cell, &m->decoder[l], x, batch, NULL, false, &carry->states[l], &next[l]);
    }
    carry->states = next;
    return x;
}

tensor *recurrent_step(tape *t, recurrent_translator *m, const recurrent_memory *memory, recurrent_carry *carry,
                       tensor *embedded, float *weights)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    const recurrent_config *c = &m->config;
    tensor *context = NULL, *beside = carry->fed;
    if (c->attention == RECURRENT_ADDITIVE)
        beside = context = attend_memory(t, m, memory, carry->states[c->decoder_layers - 1].h, weights);
    tensor *x = beside ? tape_concatenate(t, (tensor *const[]){embedded, beside}, 2) : embedded;
    tensor *d = step_layers(t, m, memory->batch, carry, x);
    if (!context && memory->keys) context = attend_memory(t, m, memory, d, weights);
    tensor *a = combine(t, m, context, d);
    if (c->input_feeding) carry->fed = a;
    return a;
}

static tensor *zeros(tape *t, int64_t rows, int64_t columns)
{
    tensor *z = tape_result(t, 2, (int64_t[]){rows, columns});
    if (!z) return tape_nothing(t);
    memset(z->value, 0, (size_t)(rows * columns) * sizeof(float));
    z->traced = false;
    return z;
}

/* Row `step` of every sequence, (B, E) of (B*T, E). */
static tensor *rows_of_step(tape *t, tensor *all, int64_t batch, int64_t length, int64_t step)
{
    int64_t *rows = tape_take(t, batch, sizeof *rows);
    for (int64_t b = 0; rows && b < batch; b++) rows[b] = b * length + step;
    return rows ? tape_take_rows(t, all, rows, batch) : tape_nothing(t);
}

static void place_weights(const float *of_step, int64_t batch, int64_t T, int64_t S, int64_t step, float *weights)
{
    for (int64_t b = 0; b < batch; b++)
        memcpy(weights + (b * T + step) * S, of_step + b * S, (size_t)S * sizeof(float));
}

/* What the step before gave enters the next one, so that steps cannot share their products. */
static tensor *decode_stepwise(tape *t, recurrent_translator *m, const recurrent_memory *memory, tensor *embedded,
                               int64_t T, float *weights)
{
    const int64_t B = memory->batch, S = memory->length, E = m->config.embedding_size;
    recurrent_carry carry = {memory->states, m->config.input_feeding ? zeros(t, B, E) : NULL};
    tensor **steps = tape_take(t, T, sizeof *steps);
    float *of_step = weights ? tape_take(t, B * S, sizeof *of_step) : NULL;
    for (int64_t s = 0; s < T && tape_status(t) == ATTN_OK; s++) {
        steps[s] = recurrent_step(t, m, memory, &carry, rows_of_step(t, embedded, B, T, s), of_step);
        if (of_step && tape_status(t) == ATTN_OK) place_weights(of_step, B, T, S, s, weights);
    }
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    tensor *a = tape_concatenate(t, steps, (int)T); /* (B, T*E), the same numbers as (B*T, E) */
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    a->shape[0] = B * T;
    a->shape[1] = E;
    return a;
}

/* ---- decoder, all steps ----------------------------------------------------------------------------------------- */

static tensor *decode_at_once(tape *t, recurrent_translator *m, const recurrent_memory *memory, tensor *embedded,
                              const int64_t *rows, int64_t count, float *weights)
{
    const recurrent_config *c = &m->config;
    const recurrent_options o = {c->cell, c->decoder_layers, false, c->dropout};
    tensor *d = recurrent_stack(t, &o, m->decoder, embedded, memory->batch, NULL, memory->states, NULL);
    tensor *context = memory->keys ? attend_memory(t, m, memory, d, weights) : NULL;
    if (rows && context) context = tape_take_rows(t, context, rows, count);
    if (rows) d = tape_take_rows(t, d, rows, count);
    return combine(t, m, context, d);
}

tensor *recurrent_decode(tape *t, recurrent_translator *m, const recurrent_memory *memory, const int32_t *ids,
                         int64_t target_length, const int64_t *rows, int64_t count, float *weights)
{
    if (tape_status(t) != ATTN_OK || !fits(t, m, "target", target_length)) return tape_nothing(t);
    tensor *embedded = recurrent_embed(t, m, ids, memory->batch * target_length), *a;
    if (recurrent_fed_size(&m->config) == 0) {
        a = decode_at_once(t, m, memory, embedded, rows, count, weights);
    } else {
        a = decode_stepwise(t, m, memory, embedded, target_length, weights);
        if (rows) a = tape_take_rows(t, a, rows, count);
    }
    return tape_dropout(t, a, m->config.dropout);
}
