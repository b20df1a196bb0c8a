#include "toy_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"

#include <stdlib.h>

void toy_logits(uint64_t history, float *logits)
{
    for (int v = 0; v < VOCABULARY; v++) {
        random_block r = random_philox(history, (uint64_t)v, 1);
        logits[v] = 24 * random_unit(r.word[0]) - (v == EOS ? 0.5f : 0);
    }
}

static attn_status toy_step(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of,
                            int64_t rows, int64_t position)
{
    toy *m = model;
    for (int64_t r = 0; r < rows; r++) {
        uint64_t before = position ? m->histories[from[r]] : m->keys[sequence_of[r]];
        m->scratch[r] = random_derive(before, (uint64_t)ids[r]);
    }
    uint64_t *swap = m->histories;
    m->histories = m->scratch;
    m->scratch = swap;
    m->calls++;
    m->rows_seen += rows;
    return ATTN_OK;
}

static attn_status toy_give_logits(void *model, const int64_t *rows, int64_t count, float **logits)
{
    toy *m = model;
    for (int64_t i = 0; i < count; i++) toy_logits(m->histories[rows[i]], m->logits + i * VOCABULARY);
    m->rows_asked += count;
    *logits = m->logits;
    return ATTN_OK;
}

toy toy_create(uint64_t seed, int64_t batch, int64_t beam)
{
    toy m = {0};
    for (int64_t i = 0; i < 16; i++) m.keys[i] = random_derive(seed, (uint64_t)i);
    size_t rows = (size_t)(batch * beam);
    m.histories = calloc(rows, sizeof *m.histories);
    m.scratch = calloc(rows, sizeof *m.scratch);
    m.logits = calloc(rows * VOCABULARY, sizeof *m.logits);
    assert_true(m.histories && m.scratch && m.logits);
    return m;
}

void toy_destroy(toy *m)
{
    free(m->histories);
    free(m->scratch);
    free(m->logits);
}

search_model toy_model(toy *m, search_limits limits)
{
    return (search_model){m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, limits};
}
