#include "base/status.h"
#include "formats/int8_rows.h"
#include "model/weights_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries in the file's order, with the names and numbers that were made for them alone. */
typedef struct weight_list {
    safetensors_entry *entries;
    int64_t count;
    char **names;
    float **scales;
    int64_t made;
} weight_list;

static void add(weight_list *l, const parameter *p, safetensors_type type)
{
    const tensor *w = &p->tensor;
    l->entries[l->count++] = (safetensors_entry){p->name, type, w->rank, w->shape, w->value};
}

static attn_status add_scales(weight_list *l, const parameter *p, const char *path)
{
    const tensor *w = &p->tensor;
    const safetensors_entry matrix = {p->name, SAFETENSORS_I8, w->rank, w->shape, w->value};
    const size_t size = strlen(p->name) + sizeof INT8_ROWS_SUFFIX;
    char *name = l->names[l->made] = malloc(size);
    float *scales = l->scales[l->made++] = malloc(((size_t)w->shape[0] + 1) * sizeof *scales);
    if (!name || !scales) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    snprintf(name, size, "%s" INT8_ROWS_SUFFIX, p->name);
    for (int64_t i = 0; i < w->shape[0]; i++) {
        attn_status status = int8_row_scale(path, &matrix, i, &scales[i]);
        if (status != ATTN_OK) return status;
    }
    l->entries[l->count++] = (safetensors_entry){name, SAFETENSORS_F32, 1, w->shape, scales};
    return ATTN_OK;
}

/* The bytes come last, so that all fp32 is aligned and need not be copied by who maps the file. */
static attn_status list_int8(weight_list *l, const parameters *p, const char *path)
{
    attn_status status = ATTN_OK;
    for (int64_t i = 0; i < p->count && status == ATTN_OK; i++) {
        if (p->items[i].tensor.rank == 2)
            status = add_scales(l, &p->items[i], path);
        else
            add(l, &p->items[i], SAFETENSORS_F32);
    }
    for (int64_t i = 0; i < p->count; i++)
        if (p->items[i].tensor.rank == 2) add(l, &p->items[i], SAFETENSORS_I8);
    return status;
}

static void list_floats(weight_list *l, const parameters *p, const safetensors_entry *more, int64_t more_count,
                        safetensors_type type)
{
    for (int64_t i = 0; i < p->count; i++) add(l, &p->items[i], type);
    for (int64_t i = 0; i < more_count; i++) {
        l->entries[l->count] = more[i];
        l->entries[l->count++].type = type;
    }
}

static void clear(weight_list *l)
{
    for (int64_t i = 0; i < l->made; i++) {
        free(l->names[i]);
        free(l->scales[i]);
    }
    free(l->names);
    free(l->scales);
    free(l->entries);
}

attn_status weights_write(const parameters *p, const safetensors_entry *more, int64_t more_count, weight_format format,
                          const char *path)
{
    const char *const metadata[][2] = {{"format", "pt"}};
    const size_t most = (size_t)(2 * p->count + more_count) + 1;
    weight_list l = {
        .entries = calloc(most, sizeof *l.entries),
        .names = calloc(most, sizeof *l.names),
        .scales = calloc(most, sizeof *l.scales),
    };
    attn_status status =
        l.entries && l.names && l.scales ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    if (status == ATTN_OK && format == WEIGHTS_INT8)
        status = list_int8(&l, p, path);
    else if (status == ATTN_OK)
        list_floats(&l, p, more, more_count, format == WEIGHTS_BF16 ? SAFETENSORS_BF16 : SAFETENSORS_F32);
    if (status == ATTN_OK) status = safetensors_write(path, l.entries, l.count, metadata, 1);
    clear(&l);
    return status;
}
