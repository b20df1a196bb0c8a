#define _GNU_SOURCE /* asprintf */
#include "model/translator.h"

#include "base/status.h"
#include "formats/safetensors.h"
#include "model/translator_config.h"
#include "model/translator_names.h"
#include "model/translator_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file's place in a directory, in a buffer that frees itself with the others at the end. */
static char *in_directory(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

typedef struct weight_source {
    const char *path;
    const safetensors *file;
    const translator_config *config;
    const safetensors_tensor **weights; /* by parameter, NULL: absent and allowed to be */
    int64_t next;
} weight_source;

/* Two weights that the model ties are one only if the file agrees. */
static attn_status check_equal(const weight_source *s, const safetensors_tensor *a, const safetensors_tensor *b)
{
    if (a->type == b->type && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s and %s differ, expected the same values in tied weights",
                       s->path, a->name, b->name);
}

/* The weight under any of its names. Only a tied weight is under several; names of an untied one are fallbacks. */
static attn_status find_weight(const weight_source *s, const char *name, const safetensors_tensor **found)
{
    const char *const *other = translator_other_names(s->config, name);
    *found = safetensors_find(s->file, name);
    for (; other && *other; other++) {
        const safetensors_tensor *t = safetensors_find(s->file, *other);
        if (!t) continue;
        if (!*found)
            *found = t;
        else if (s->config->tie_word_embeddings) {
            attn_status status = check_equal(s, *found, t);
            if (status != ATTN_OK) return status;
        }
    }
    return ATTN_OK;
}

static void show_shape(char *text, size_t size, int rank, const int64_t *shape)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < size) snprintf(text + used, size - used, ")");
}

static attn_status check_shape(const weight_source *s, const safetensors_tensor *t, int rank, const int64_t *shape)
{
    if (t->rank == rank && memcmp(t->shape, shape, (size_t)rank * sizeof *shape) == 0) return ATTN_OK;
    char found[200], expected[200];
    show_shape(found, sizeof found, t->rank, t->shape);
    show_shape(expected, sizeof expected, rank, shape);
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s has shape %s, expected %s from config.json", s->path, t->name, found,
                       expected);
}

static attn_status locate(void *argument, tensor **slot, const char *name, int rank, const int64_t *shape)
{
    (void)slot;
    weight_source *s = argument;
    const safetensors_tensor *found;
    attn_status status = find_weight(s, name, &found);
    if (status != ATTN_OK) return status;
    if (!found && strcmp(name, TRANSLATOR_OUTPUT_BIAS) != 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing", s->path, name);
    if (found && (status = check_shape(s, found, rank, shape)) != ATTN_OK) return status;
    s->weights[s->next++] = found;
    return ATTN_OK;
}

static attn_status read_weights(translator *m, const weight_source *s)
{
    for (int64_t i = 0; i < m->parameters.count; i++) {
        if (!s->weights[i]) continue; /* a bias that is absent is zero, as it was allocated */
        attn_status status = safetensors_read_floats(s->file, s->weights[i], m->parameters.items[i].tensor.value);
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}

static attn_status read_position_table(translator *m, const weight_source *s, const char *name, float **positions)
{
    const int64_t shape[2] = {m->config.max_position_embeddings, m->config.d_model};
    const safetensors_tensor *t = safetensors_find(s->file, name);
    if (!t) return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing beside its twin", s->path, name);
    attn_status status = check_shape(s, t, 2, shape);
    if (status != ATTN_OK) return status;
    *positions = malloc((size_t)t->count * sizeof **positions);
    if (!*positions) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %s", s->path, name);
    return safetensors_read_floats(s->file, t, *positions);
}

static attn_status read_positions(translator *m, const weight_source *s)
{
    if (translator_family_of(m->config.kind)->learned_positions) return ATTN_OK; /* weights like any others */
    m->positions_stored = safetensors_find(s->file, TRANSLATOR_ENCODER_POSITIONS) != NULL ||
                          safetensors_find(s->file, TRANSLATOR_DECODER_POSITIONS) != NULL;
    if (!m->positions_stored) return translator_compute_positions(m);
    attn_status status = read_position_table(m, s, TRANSLATOR_ENCODER_POSITIONS, &m->source.positions);
    if (status != ATTN_OK) return status;
    return read_position_table(m, s, TRANSLATOR_DECODER_POSITIONS, &m->target.positions);
}

static attn_status fill_from(translator *m, weight_source *s, bool trainable)
{
    s->weights = calloc((size_t)m->parameters.count, sizeof *s->weights);
    if (!s->weights) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", s->path);
    attn_status status = translator_visit(m, locate, s);
    if (status == ATTN_OK) status = translator_allocate(m, trainable);
    if (status == ATTN_OK) status = read_weights(m, s);
    if (status == ATTN_OK) status = read_positions(m, s);
    if (status == ATTN_OK && !trainable) status = translator_pack(m);
    free(s->weights);
    return status;
}

static attn_status open_files(translator **m, const char *config_path, const char *weights_path, bool trainable)
{
    translator_config config;
    safetensors *file = NULL;
    attn_status status = translator_config_read(&config, config_path);
    if (status == ATTN_OK) status = safetensors_open(&file, weights_path);
    if (status == ATTN_OK) status = translator_declare(m, &config);
    if (status == ATTN_OK) {
        weight_source s = {.path = weights_path, .file = file, .config = &config};
        status = fill_from(*m, &s, trainable);
    }
    safetensors_close(file);
    return status;
}

attn_status translator_open(translator **out, const char *directory, bool trainable)
{
    *out = NULL;
    translator *m = NULL;
    char *config_path = in_directory(directory, "config.json");
    char *weights_path = in_directory(directory, "model.safetensors");
    attn_status status = config_path && weights_path
                             ? open_files(&m, config_path, weights_path, trainable)
                             : status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", directory);
    free(config_path);
    free(weights_path);
    if (status != ATTN_OK) {
        translator_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static attn_status write_weights(const translator *m, const char *path, weight_format format)
{
    const parameters *p = &m->parameters;
    safetensors_type type = format == WEIGHTS_BF16 ? SAFETENSORS_BF16 : SAFETENSORS_F32;
    const int64_t positions_shape[2] = {m->config.max_position_embeddings, m->config.d_model};
    const char *const metadata[][2] = {{"format", "pt"}};
    safetensors_entry *entries = calloc((size_t)p->count + 2, sizeof *entries);
    if (!entries) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    int64_t count = 0;
    for (; count < p->count; count++) {
        const tensor *w = &p->items[count].tensor;
        entries[count] = (safetensors_entry){p->items[count].name, type, w->rank, w->shape, w->value};
    }
    if (m->positions_stored) {
        entries[count++] =
            (safetensors_entry){TRANSLATOR_ENCODER_POSITIONS, type, 2, positions_shape, m->source.positions};
        entries[count++] =
            (safetensors_entry){TRANSLATOR_DECODER_POSITIONS, type, 2, positions_shape, m->target.positions};
    }
    attn_status status = safetensors_write(path, entries, count, metadata, 1);
    free(entries);
    return status;
}

attn_status translator_save(const translator *m, const char *directory, weight_format format)
{
    char *config_path = in_directory(directory, "config.json");
    char *generation_path = in_directory(directory, "generation_config.json");
    char *weights_path = in_directory(directory, "model.safetensors");
    attn_status status = ATTN_OK;
    if (!config_path || !generation_path || !weights_path)
        status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory to save it", directory);
    if (status == ATTN_OK) status = translator_config_write(&m->config, format, config_path);
    if (status == ATTN_OK) status = translator_generation_write(&m->config, generation_path);
    if (status == ATTN_OK) status = write_weights(m, weights_path, format);
    free(config_path);
    free(generation_path);
    free(weights_path);
    return status;
}
