#include "expectation.h"

#include "base/status.h"
#include "formats/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tensor of this rank as floats; its shape goes to `shape`. */
static attn_status read_floats(const safetensors *s, const char *name, int rank, int64_t *shape, float **values)
{
    const safetensors_tensor *t = safetensors_find(s, name);
    if (!t || t->rank != rank) return status_fail(ATTN_ERROR_FORMAT, "%s is missing or of another rank", name);
    memcpy(shape, t->shape, (size_t)rank * sizeof *shape);
    *values = malloc((size_t)t->count * sizeof **values + 1);
    if (!*values) return status_fail(ATTN_ERROR_MEMORY, "no memory for %s", name);
    return safetensors_read_floats(s, t, *values);
}

static attn_status read_ids(const safetensors *s, const char *name, int64_t *rows, int64_t *columns, int32_t **ids)
{
    int64_t shape[2];
    float *values = NULL;
    attn_status status = read_floats(s, name, 2, shape, &values);
    if (status == ATTN_OK) {
        int64_t count = shape[0] * shape[1];
        *rows = shape[0];
        *columns = shape[1];
        *ids = malloc((size_t)count * sizeof **ids + 1);
        if (!*ids) status = status_fail(ATTN_ERROR_MEMORY, "no memory for %s", name);
        for (int64_t i = 0; *ids && i < count; i++) (*ids)[i] = (int32_t)values[i];
    }
    free(values);
    return status;
}

static attn_status read_lengths(const safetensors *s, expectation *e)
{
    int64_t count;
    float *values = NULL;
    attn_status status = read_floats(s, "source_lengths", 1, &count, &values);
    if (status == ATTN_OK && count != e->B) status = status_fail(ATTN_ERROR_FORMAT, "source_lengths: not one a source");
    if (status == ATTN_OK) {
        e->lengths = malloc((size_t)e->B * sizeof *e->lengths + 1);
        if (!e->lengths) status = status_fail(ATTN_ERROR_MEMORY, "no memory for source_lengths");
        for (int64_t b = 0; e->lengths && b < e->B; b++) e->lengths[b] = (int64_t)values[b];
    }
    free(values);
    return status;
}

static attn_status read_all(const safetensors *s, expectation *e)
{
    int64_t shape[3] = {0}, rows;
    attn_status status = read_ids(s, "source_ids", &e->B, &e->S, &e->source_ids);
    if (status == ATTN_OK) status = read_ids(s, "target_ids", &rows, &e->T, &e->target_ids);
    if (status == ATTN_OK) status = read_lengths(s, e);
    if (status == ATTN_OK) status = read_floats(s, "encoder", 3, shape, &e->encoder);
    e->d = shape[2];
    if (status == ATTN_OK) status = read_floats(s, "logits", 3, shape, &e->logits);
    e->V = shape[2];
    return status;
}

attn_status expectation_read(expectation *e, const char *path)
{
    memset(e, 0, sizeof *e);
    safetensors *s;
    attn_status status = safetensors_open(&s, path);
    if (status != ATTN_OK) return status;
    status = read_all(s, e);
    safetensors_close(s);
    if (status != ATTN_OK) expectation_clear(e);
    return status;
}

void expectation_clear(expectation *e)
{
    free(e->source_ids);
    free(e->target_ids);
    free(e->lengths);
    free(e->encoder);
    free(e->logits);
    memset(e, 0, sizeof *e);
}

/* A NaN on either side is an infinite difference. */
static void compare(const float *got, const float *expected, int64_t count, float *largest)
{
    for (int64_t i = 0; i < count; i++) {
        float difference = fabsf(got[i] - expected[i]);
        if (!(difference <= *largest)) *largest = isnan(difference) ? INFINITY : difference;
    }
}

static attn_status check_sizes(const expectation *e, const translator *m)
{
    if (e->d == m->config.d_model && e->V == m->config.decoder_vocab_size) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "width %lld and vocabulary %lld, the model has %lld and %lld",
                       (long long)e->d, (long long)e->V, (long long)m->config.d_model,
                       (long long)m->config.decoder_vocab_size);
}

static attn_status run_whole(const expectation *e, translator *m, tape *t, float *largest)
{
    tape_begin(t, 1);
    tensor *memory = translator_encode(t, m, e->source_ids, e->B, e->S, e->lengths, NULL);
    tensor *logits = translator_decode(t, m, memory, e->lengths, e->target_ids, e->B, e->T, NULL);
    if (tape_status(t) != ATTN_OK) return tape_status(t);
    for (int64_t b = 0; b < e->B; b++)
        compare(memory->value + b * e->S * e->d, e->encoder + b * e->S * e->d, e->lengths[b] * e->d, largest);
    compare(logits->value, e->logits, e->B * e->T * e->V, largest);
    return ATTN_OK;
}

static attn_status run_step(const expectation *e, translator *m, tape *t, transformer_cache *cache, int64_t p,
                            int32_t *ids, float *largest)
{
    for (int64_t b = 0; b < e->B; b++) ids[b] = e->target_ids[b * e->T + p];
    tape_begin(t, 1);
    tensor *logits = translator_project(t, m, translator_step(t, m, cache, ids, e->B, p, NULL));
    if (tape_status(t) != ATTN_OK) return tape_status(t);
    for (int64_t b = 0; b < e->B; b++)
        compare(logits->value + b * e->V, e->logits + (b * e->T + p) * e->V, e->V, largest);
    return ATTN_OK;
}

static attn_status run_all_steps(const expectation *e, translator *m, tape *t, transformer_cache *cache, float *largest)
{
    attn_status status = ATTN_OK;
    int32_t *ids = malloc((size_t)e->B * sizeof *ids + 1);
    if (!ids) status = status_fail(ATTN_ERROR_MEMORY, "no memory for ids");
    for (int64_t p = 0; status == ATTN_OK && p < e->T; p++) status = run_step(e, m, t, cache, p, ids, largest);
    free(ids);
    return status;
}

static attn_status run_steps(const expectation *e, translator *m, tape *t, float *largest)
{
    tape_begin(t, 1);
    tape *each;
    transformer_cache *cache = NULL;
    tensor *memory = translator_encode(t, m, e->source_ids, e->B, e->S, e->lengths, NULL);
    attn_status status = tape_status(t);
    if (status == ATTN_OK)
        status = transformer_cache_create(&cache, t, &m->decoder_options, m->decoder, m->config.decoder_layers, memory,
                                          e->B, e->lengths, 1, e->T);
    if (status == ATTN_OK) status = tape_create(&each, TAPE_INFER, 2);
    if (status != ATTN_OK) return status;
    status = run_all_steps(e, m, each, cache, largest);
    tape_destroy(each);
    return status;
}

typedef attn_status (*comparison)(const expectation *e, translator *m, tape *t, float *largest);

static attn_status on_tape(comparison run, const expectation *e, translator *m, float *largest)
{
    *largest = 0;
    attn_status status = check_sizes(e, m);
    if (status != ATTN_OK) return status;
    tape *t;
    status = tape_create(&t, TAPE_INFER, 2);
    if (status != ATTN_OK) return status;
    status = run(e, m, t, largest);
    tape_destroy(t);
    return status;
}

attn_status expectation_compare_whole(const expectation *e, translator *m, float *largest)
{
    return on_tape(run_whole, e, m, largest);
}

attn_status expectation_compare_steps(const expectation *e, translator *m, float *largest)
{
    return on_tape(run_steps, e, m, largest);
}
