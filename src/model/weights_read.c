#include "model/weights_file.h"

#include "base/status.h"
#include "formats/int8_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct weight_source {
    const safetensors *file;
    const weight_rules *rules;
    const void *model;
    const safetensors_tensor **weights; /* by parameter, NULL: absent and allowed to be */
    const safetensors_tensor **scales;  /* by parameter, NULL: it has none */
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
    const size_t prefix = s->rules->prefix ? strlen(s->rules->prefix) : 0;
    if (!*found && prefix && strncmp(name, s->rules->prefix, prefix) == 0) *found = find_used(s, name + prefix);
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

static attn_status locate_scales(const weight_source *s, const safetensors_tensor *t, const safetensors_tensor **scales)
{
    if (!s->rules->int8_rows) return ATTN_OK;
    attn_status status = int8_rows_find_scales(s->file, t, scales);
    if (status == ATTN_OK && *scales) s->used[*scales - safetensors_at(s->file, 0)] = true;
    return status;
}

static attn_status locate(const weight_source *s, int64_t index, const parameter *p)
{
    const safetensors_tensor **found = &s->weights[index];
    attn_status status = find_weight(s, p->name, found);
    if (status != ATTN_OK) return status;
    if (*found) {
        status = weights_check_shape(s->file, *found, p->tensor.rank, p->tensor.shape);
        return status == ATTN_OK ? locate_scales(s, *found, &s->scales[index]) : status;
    }
    if (s->rules->optional && strcmp(p->name, s->rules->optional) == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing", safetensors_path(s->file), p->name);
}

/* A weight that is absent is zero, as it was allocated. */
static attn_status read_weight(const weight_source *s, int64_t index, const parameter *p)
{
    const safetensors_tensor *t = s->weights[index], *scales = s->scales[index];
    if (!t || p->placed) return ATTN_OK;
    if (!scales) return safetensors_read_floats(s->file, t, p->tensor.value);
    int8_rows_read(t, scales, p->tensor.value);
    return ATTN_OK;
}

static attn_status fill(parameters *p, const weight_source *s, bool trainable)
{
    for (int64_t i = 0; i < p->count; i++) {
        attn_status status = locate(s, i, &p->items[i]);
        if (status != ATTN_OK) return status;
        const float *lying = s->weights[i] && !trainable ? safetensors_floats(s->weights[i]) : NULL;
        if (lying) parameters_place(p, i, lying);
    }
    attn_status status = parameters_allocate(p, trainable);
    for (int64_t i = 0; i < p->count && status == ATTN_OK; i++) status = read_weight(s, i, &p->items[i]);
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

static attn_status open_source(weight_source *s, const parameters *p)
{
    s->weights = calloc((size_t)p->count + 1, sizeof *s->weights);
    s->scales = calloc((size_t)p->count + 1, sizeof *s->scales);
    s->used = calloc((size_t)safetensors_count(s->file) + 1, sizeof *s->used);
    if (s->weights && s->scales && s->used) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", safetensors_path(s->file));
}

static void close_source(weight_source *s)
{
    free(s->weights);
    free(s->scales);
    free(s->used);
}

attn_status weights_read(parameters *p, const weight_rules *rules, const void *model, const safetensors *file,
                         bool trainable, weights_unused *unused)
{
    weight_source s = {.file = file, .rules = rules, .model = model};
    attn_status status = open_source(&s, p);
    if (status == ATTN_OK) status = fill(p, &s, trainable);
    if (status == ATTN_OK) count_unused(&s, unused);
    close_source(&s);
    return status;
}

static void note_drawn(weights_drawn *drawn, const char *name)
{
    const size_t used = strlen(drawn->names);
    snprintf(drawn->names + used, sizeof drawn->names - used, "%s%s", drawn->count++ ? ", " : "", name);
}

static attn_status locate_needed(const weight_source *s, int64_t index, const parameter *p, weights_drawn *drawn)
{
    const weight_need need = s->rules->need_of(s->model, p);
    const safetensors_tensor *found = NULL;
    attn_status status = need == WEIGHT_WELCOME ? find_weight(s, p->name, &found) : ATTN_OK;
    if (status != ATTN_OK) return status;
    if (need == WEIGHT_NEEDED || found) return locate(s, index, p);
    note_drawn(drawn, p->name);
    return ATTN_OK;
}

attn_status weights_renew(parameters *p, const weight_rules *rules, const void *model, const safetensors *file,
                          weights_drawn *drawn)
{
    *drawn = (weights_drawn){0};
    weight_source s = {.file = file, .rules = rules, .model = model};
    attn_status status = open_source(&s, p);
    for (int64_t i = 0; i < p->count && status == ATTN_OK; i++) status = locate_needed(&s, i, &p->items[i], drawn);
    for (int64_t i = 0; i < p->count && status == ATTN_OK; i++) status = read_weight(&s, i, &p->items[i]);
    close_source(&s);
    return status;
}
