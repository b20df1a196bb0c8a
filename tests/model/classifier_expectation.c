#include "classifier_expectation.h"

#include "base/status.h"
#include "formats/safetensors.h"
#include "tensor/tape.h"

#include <math.h>
#include <stdlib.h>

/* What the file holds; NULL: not that. */
typedef struct expectation {
    const safetensors *file;
    float *values, *logits, *attention;
    int32_t *ids;
    int64_t *lengths;
    float **sinks; /* by layer, NULL but for the last */
    int64_t B, S, heads;
} expectation;

/* NULL where the file has no tensor of that name. */
static float *read(const safetensors *file, const char *name)
{
    const safetensors_tensor *t = safetensors_find(file, name);
    float *values = t ? malloc((size_t)t->count * sizeof *values + 1) : NULL;
    if (!values || safetensors_read_floats(file, t, values) == ATTN_OK) return values;
    free(values);
    return NULL;
}

static attn_status read_ids(expectation *e)
{
    const safetensors_tensor *ids = safetensors_find(e->file, "ids");
    if (!ids) return ATTN_OK;
    float *number = read(e->file, "ids"), *length = read(e->file, "lengths");
    e->S = ids->shape[1];
    e->ids = malloc((size_t)ids->count * sizeof *e->ids);
    e->lengths = malloc((size_t)e->B * sizeof *e->lengths);
    const bool good = number && length && e->ids && e->lengths;
    for (int64_t i = 0; good && i < ids->count; i++) e->ids[i] = (int32_t)number[i];
    for (int64_t i = 0; good && i < e->B; i++) e->lengths[i] = (int64_t)length[i];
    free(number);
    free(length);
    return good ? ATTN_OK : status_fail(ATTN_ERROR_FORMAT, "ids and lengths cannot be read");
}

static attn_status read_all(expectation *e, const classifier *m)
{
    const safetensors_tensor *logits = safetensors_find(e->file, "logits");
    const safetensors_tensor *attention = safetensors_find(e->file, "attention");
    if (!logits || logits->rank != 2 || logits->shape[1] != m->config.label_count)
        return status_fail(ATTN_ERROR_FORMAT, "logits are missing or of another shape");
    e->B = logits->shape[0];
    e->logits = read(e->file, "logits");
    e->values = read(e->file, "values");
    e->attention = read(e->file, "attention");
    e->sinks = calloc((size_t)m->config.layers + 1, sizeof *e->sinks);
    if (e->attention && e->sinks) {
        e->heads = attention->shape[1];
        e->S = attention->shape[2];
        e->sinks[m->config.layers - 1] = malloc((size_t)attention->count * sizeof(float));
    }
    return e->logits && e->sinks ? read_ids(e) : status_fail(ATTN_ERROR_MEMORY, "no memory for what is expected");
}

static void compare(float a, float b, float *largest)
{
    float difference = fabsf(a - b);
    if (!(difference <= *largest)) *largest = difference; /* NaN counts */
}

/* A padding query's weights are nobody's. */
static void compare_attention(const expectation *e, const float *found, float *largest)
{
    for (int64_t b = 0; b < e->B; b++) {
        const int64_t queries = e->lengths ? e->lengths[b] : e->S;
        for (int64_t h = 0; h < e->heads; h++) {
            const int64_t at = (b * e->heads + h) * e->S * e->S;
            for (int64_t i = 0; i < queries * e->S; i++) compare(found[at + i], e->attention[at + i], largest);
        }
    }
}

/* With and without a look at the attention, for which all tokens leave the last layer. */
static attn_status run(const expectation *e, const classifier *m, bool looking, float *largest)
{
    tape *t;
    attn_status status = tape_create(&t, TAPE_INFER, 1);
    if (status != ATTN_OK) return status;
    const classifier_input input = {
        .batch = e->B, .ids = e->ids, .length = e->S, .lengths = e->lengths, .values = e->values};
    const attention_weights_sink sink = {.self = e->sinks};
    const tensor *logits = classifier_logits(t, m, &input, looking ? &sink : NULL);
    status = tape_status(t);
    if (status == ATTN_OK && tensor_count(logits) != e->B * m->config.label_count)
        status = status_fail(ATTN_ERROR_ARGUMENT, "logits of another shape");
    for (int64_t i = 0; status == ATTN_OK && i < tensor_count(logits); i++)
        compare(logits->value[i], e->logits[i], largest);
    if (status == ATTN_OK && looking && e->attention) compare_attention(e, e->sinks[m->config.layers - 1], largest);
    tape_destroy(t);
    return status;
}

attn_status classifier_compare(const classifier *m, const char *expected_path, float *largest)
{
    safetensors *file;
    attn_status status = safetensors_open(&file, expected_path);
    if (status != ATTN_OK) return status;
    expectation e = {.file = file};
    *largest = 0;
    status = read_all(&e, m);
    if (status == ATTN_OK) status = run(&e, m, false, largest);
    if (status == ATTN_OK) status = run(&e, m, true, largest);
    for (int64_t i = 0; e.sinks && i < m->config.layers; i++) free(e.sinks[i]);
    free(e.sinks);
    free(e.values);
    free(e.logits);
    free(e.attention);
    free(e.ids);
    free(e.lengths);
    safetensors_close(file);
    return status;
}
