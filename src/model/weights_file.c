#include "model/weights_file.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------------------ */

typedef struct weight_source {
    const safetensors *file;
    const weight_rules *rules;
    const void *model;
    const safetensors_tensor **weights; /* by parameter, NULL: absent and allowed to be */
    bool *used;                         /* by tensor of the file */
} weight_source;

/* Two weights that the model ties are one only if the file agrees. */
static attn_status check_equal(const weight_source *s, const safetensors_tensor *a, const safetensors_tensor *b)
{
    if (a->type == b->type && a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s and %s differ, expected the same values in tied weights",
                       safetensors_path(s->file), a->name, b->name);
}

static const safetensors_tensor *find_used(const weight_source *s, const char *name)
{
    const safetensors_tensor *t = safetensors_find(s->file, name);
    if (t) s->used[t - safetensors_at(s->file, 0)] = true;
    return t;
}

static attn_status find_weight(const weight_source *s, const char *name, const safetensors_tensor **found)
{
    const char *const *other = s->rules->other_names ? s->rules->other_names(s->model, name) : NULL;
    *found = find_used(s, name);
    for (; other && *other; other++) {
        const safetensors_tensor *t = find_used(s, *other);
        if (!t) continue;
        if (!*found)
            *found = t;
        else if (s->rules->names_agree) {
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

attn_status weights_check_shape(const safetensors *file, const safetensors_tensor *t, int rank, const int64_t *shape)
{
    if (t->rank == rank && memcmp(t->shape, shape, (size_t)rank * sizeof *shape) == 0) return ATTN_OK;
    char found[200], expected[200];
    show_shape(found, sizeof found, t->rank, t->shape);
    show_shape(expected, sizeof expected, rank, shape);
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s has shape %s, expected %s from config.json", safetensors_path(file),
                       t->name, found, expected);
}

static attn_status locate(const weight_source *s, const parameter *p, const safetensors_tensor **found)
{
    attn_status status = find_weight(s, p->name, found);
    if (status != ATTN_OK) return status;
    if (*found) return weights_check_shape(s->file, *found, p->tensor.rank, p->tensor.shape);
    if (s->rules->optional && strcmp(p->name, s->rules->optional) == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing", safetensors_path(s->file), p->name);
}

static attn_status fill(parameters *p, const weight_source *s, bool trainable)
{
    for (int64_t i = 0; i < p->count; i++) {
        attn_status status = locate(s, &p->items[i], &s->weights[i]);
        if (status != ATTN_OK) return status;
        const float *lying = s->weights[i] && !trainable ? safetensors_floats(s->weights[i]) : NULL;
        if (lying) parameters_place(p, i, lying);
    }
    attn_status status = parameters_allocate(p, trainable);
    for (int64_t i = 0; i < p->count && status == ATTN_OK; i++) {
        tensor *w = &p->items[i].tensor;
        /* a weight that is absent is zero, as it was allocated */
        if (s->weights[i] && !p->items[i].placed) status = safetensors_read_floats(s->file, s->weights[i], w->value);
    }
    return status;
}

static bool is_weight(const safetensors_tensor *t)
{
    return t->type == SAFETENSORS_F32 || t->type == SAFETENSORS_BF16 || t->type == SAFETENSORS_F16 ||
           t->type == SAFETENSORS_F64;
}

static void count_unused(const weight_source *s, weights_unused *unused)
{
    *unused = (weights_unused){0};
    for (const char *const *name = s->rules->elsewhere; name && *name; name++) find_used(s, *name);
    for (int64_t i = 0; i < safetensors_count(s->file); i++) {
        const safetensors_tensor *t = safetensors_at(s->file, i);
        if (s->used[i] || !is_weight(t)) continue;
        if (unused->count++ == 0) snprintf(unused->first, sizeof unused->first, "%s", t->name);
    }
}

attn_status weights_read(parameters *p, const weight_rules *rules, const void *model, const safetensors *file,
                         bool trainable, weights_unused *unused)
{
    weight_source s = {.file = file, .rules = rules, .model = model};
    s.weights = calloc((size_t)p->count + 1, sizeof *s.weights);
    s.used = calloc((size_t)safetensors_count(file) + 1, sizeof *s.used);
    attn_status status = s.weights && s.used
                             ? fill(p, &s, trainable)
                             : status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", safetensors_path(file));
    if (status == ATTN_OK) count_unused(&s, unused);
    free(s.weights);
    free(s.used);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

attn_status weights_write(const parameters *p, const safetensors_entry *more, int64_t more_count, weight_format format,
                          const char *path)
{
    safetensors_type type = format == WEIGHTS_BF16 ? SAFETENSORS_BF16 : SAFETENSORS_F32;
    const char *const metadata[][2] = {{"format", "pt"}};
    safetensors_entry *entries = calloc((size_t)(p->count + more_count) + 1, sizeof *entries);
    if (!entries) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    int64_t count = 0;
    for (; count < p->count; count++) {
        const tensor *w = &p->items[count].tensor;
        entries[count] = (safetensors_entry){p->items[count].name, type, w->rank, w->shape, w->value};
    }
    for (int64_t i = 0; i < more_count; i++) {
        entries[count] = more[i];
        entries[count++].type = type;
    }
    attn_status status = safetensors_write(path, entries, count, metadata, 1);
    free(entries);
    return status;
}
