#include "model/recurrent_decoding.h"

#include "base/checked.h"
#include "base/status.h"

#include <string.h>

/* The arrays of states hold `rows` rows each, those of the step before; at first the batch's. */
struct recurrent_decoding {
    arena *arena; /* holds all of it */
    recurrent_translator *model;
    recurrent_memory memory;
    int64_t rows, most_rows;
    int64_t H, E;
    float *states; /* (layers, 2, most_rows, H): h and c */
    float *fed;    /* (most_rows, E) */
    /* The memory of every row's sequence, beside one another: as the sequences lie, or copied. */
    int64_t attended_rows;
    int64_t *attended_sequence; /* (most_rows) */
    int64_t *lengths;           /* (most_rows) */
    float *values, *keys;       /* (most_rows, S, H), taken when first needed; keys may be values */
};

static float *state_at(const recurrent_decoding *d, int64_t layer, int which)
{
    return d->states + (2 * layer + which) * d->most_rows * d->H;
}

static void keep_states(recurrent_decoding *d, const recurrent_state *states, int64_t rows)
{
    const size_t bytes = (size_t)(rows * d->H) * sizeof(float);
    for (int64_t l = 0; l < d->model->config.decoder_layers; l++) {
        memcpy(state_at(d, l, 0), states[l].h->value, bytes);
        if (states[l].c) memcpy(state_at(d, l, 1), states[l].c->value, bytes);
    }
    d->rows = rows;
}

attn_status recurrent_decoding_create(recurrent_decoding **out, tape *t, recurrent_translator *m,
                                      const recurrent_memory *memory, int64_t most_rows)
{
    const recurrent_config *c = &m->config;
    *out = NULL;
    size_t floats;
    arena *a = tape_arena(t);
    recurrent_decoding *d = arena_take_zeroed(a, 1, sizeof *d);
    if (!d || !checked_mul((size_t)most_rows, (size_t)(2 * c->decoder_layers * c->hidden_size), &floats))
        return status_fail(ATTN_ERROR_MEMORY, "no memory to decode %lld rows", (long long)most_rows);
    d->arena = a;
    d->model = m;
    d->memory = *memory;
    d->most_rows = most_rows;
    d->H = c->hidden_size;
    d->E = c->embedding_size;
    d->states = arena_take_zeroed(a, floats, sizeof *d->states);
    d->fed = arena_take_zeroed(a, (size_t)(most_rows * d->E), sizeof *d->fed);
    d->attended_sequence = arena_take_zeroed(a, (size_t)most_rows, sizeof *d->attended_sequence);
    d->lengths = arena_take_zeroed(a, (size_t)most_rows, sizeof *d->lengths);
    if (!d->states || !d->fed || !d->attended_sequence || !d->lengths)
        return status_fail(ATTN_ERROR_MEMORY, "no memory to decode %lld rows", (long long)most_rows);
    keep_states(d, memory->states, memory->batch);
    *out = d;
    return ATTN_OK;
}

/* ---- attended memory -------------------------------------------------------------------------------------------- */

static bool take_copies(recurrent_decoding *d)
{
    if (d->values) return true;
    const size_t floats = (size_t)(d->most_rows * d->memory.length * d->H);
    const bool same = d->memory.keys == d->memory.values;
    d->values = arena_take(d->arena, floats * sizeof *d->values);
    d->keys = same ? d->values : arena_take(d->arena, floats * sizeof *d->keys);
    return d->values && d->keys;
}

static void copy_sequence(recurrent_decoding *d, int64_t row, int64_t sequence)
{
    const int64_t floats = d->memory.length * d->H;
    memcpy(d->values + row * floats, d->memory.values->value + sequence * floats, (size_t)floats * sizeof(float));
    if (d->keys != d->values)
        memcpy(d->keys + row * floats, d->memory.keys->value + sequence * floats, (size_t)floats * sizeof(float));
    d->lengths[row] = d->memory.lengths[sequence];
    d->attended_sequence[row] = sequence;
}

/* Copies only rows whose sequence is another than before: mostly none. */
static bool follow(recurrent_decoding *d, const int64_t *sequence_of, int64_t rows)
{
    if (!take_copies(d)) return false;
    for (int64_t r = 0; r < rows; r++)
        if (r >= d->attended_rows || d->attended_sequence[r] != sequence_of[r]) copy_sequence(d, r, sequence_of[r]);
    d->attended_rows = rows > d->attended_rows ? rows : d->attended_rows;
    return true;
}

static bool is_whole_batch(const recurrent_decoding *d, const int64_t *sequence_of, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++)
        if (sequence_of[r] != r) return false;
    return rows == d->memory.batch;
}

static tensor *view(tape *t, const recurrent_decoding *d, int64_t rows, float *values)
{
    tensor *v = tape_take(t, 1, sizeof *v);
    if (!v) return tape_nothing(t);
    *v = (tensor){.rank = 2, .shape = {rows * d->memory.length, d->H}, .value = values};
    return v;
}

static recurrent_memory memory_of_rows(tape *t, recurrent_decoding *d, const int64_t *sequence_of, int64_t rows)
{
    recurrent_memory memory = d->memory;
    memory.batch = rows;
    if (!memory.keys || is_whole_batch(d, sequence_of, rows)) return memory;
    if (!follow(d, sequence_of, rows))
        tape_fail(t, status_fail(ATTN_ERROR_MEMORY, "no memory to decode %lld rows", (long long)d->most_rows));
    memory.lengths = d->lengths;
    memory.values = view(t, d, rows, d->values);
    memory.keys = d->keys == d->values ? memory.values : view(t, d, rows, d->keys);
    return memory;
}

/* ---- a step ----------------------------------------------------------------------------------------------------- */

/* Row r of the result is row which[r] of what was kept. */
static tensor *gather(tape *t, const float *kept, const int64_t *which, int64_t rows, int64_t width)
{
    tensor *y = tape_result(t, 2, (int64_t[]){rows, width});
    if (!y) return tape_nothing(t);
    for (int64_t r = 0; r < rows; r++)
        memcpy(y->value + r * width, kept + which[r] * width, (size_t)width * sizeof(float));
    return y;
}

static recurrent_carry carry_of_rows(tape *t, const recurrent_decoding *d, const int64_t *which, int64_t rows)
{
    const recurrent_config *c = &d->model->config;
    recurrent_carry carry = {.states = tape_take(t, c->decoder_layers, sizeof *carry.states)};
    for (int64_t l = 0; l < c->decoder_layers && carry.states; l++) {
        carry.states[l].h = gather(t, state_at(d, l, 0), which, rows, d->H);
        carry.states[l].c = c->cell == RECURRENT_LSTM ? gather(t, state_at(d, l, 1), which, rows, d->H) : NULL;
    }
    if (c->input_feeding) carry.fed = gather(t, d->fed, which, rows, d->E);
    return carry;
}

tensor *recurrent_decoding_step(tape *t, recurrent_decoding *d, const int32_t *ids, const int64_t *from,
                                const int64_t *sequence_of, int64_t rows, int64_t position)
{
    recurrent_translator *m = d->model;
    if (position >= m->config.max_length) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "target of %lld pieces, expected at most max_length, %lld",
                                 (long long)position + 1, (long long)m->config.max_length));
        return tape_nothing(t);
    }
    const recurrent_memory memory = memory_of_rows(t, d, sequence_of, rows);
    recurrent_carry carry = carry_of_rows(t, d, position ? from : sequence_of, rows);
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    tensor *a = recurrent_step(t, m, &memory, &carry, recurrent_embed(t, m, ids, rows), NULL);
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    keep_states(d, carry.states, rows);
    if (carry.fed) memcpy(d->fed, carry.fed->value, (size_t)(rows * d->E) * sizeof(float));
    return a;
}
