#include "formats/int8_rows.h"

#include "base/number_format.h"
#include "base/plural.h"
#include "base/status.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_BYTE 127
/* Times -128, which files may hold though none is written here, still finite. */
#define LARGEST_SCALE (FLT_MAX / 128)

/* ---- writing ------------------------------------------------------------------------------------------------ */

attn_status int8_row_scale(const char *path, const safetensors_entry *e, int64_t i, float *scale)
{
    const float *row = e->values + i * e->shape[1];
    float largest = 0;
    for (int64_t j = 0; j < e->shape[1]; j++) {
        if (!(fabsf(row[j]) <= LARGEST_SCALE * LARGEST_BYTE))
            return status_fail(ATTN_ERROR_ARGUMENT, "%s: %s[%lld, %lld] is %g, expected a finite number up to %g", path,
                               e->name, (long long)i, (long long)j, (double)row[j],
                               (double)(LARGEST_SCALE * LARGEST_BYTE));
        if (fabsf(row[j]) > largest) largest = fabsf(row[j]);
    }
    *scale = largest / LARGEST_BYTE;
    return ATTN_OK;
}

/* A subnormal scale is itself rounded, so that a quotient may be beyond the largest byte. */
void int8_row_encode(int64_t columns, const float *row, float scale, int8_t *bytes)
{
    for (int64_t j = 0; j < columns; j++) {
        const float q = scale > 0 ? rintf(row[j] / scale) : 0;
        bytes[j] = (int8_t)fmaxf(-LARGEST_BYTE, fminf(LARGEST_BYTE, q));
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* At any alignment. */
static float load_scale(const safetensors_tensor *scales, int64_t i)
{
    const unsigned char *b = scales->bytes + 4 * i;
    return float_of_bits((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
}

static attn_status check_scales(const safetensors *s, const safetensors_tensor *t, const safetensors_tensor *scales)
{
    const char *path = safetensors_path(s);
    if (scales->type != SAFETENSORS_F32)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: dtype is %s, expected F32 of an I8 tensor's scales", path,
                           scales->name, safetensors_type_name(scales->type));
    if (scales->rank != 1 || scales->shape[0] != t->shape[0])
        return status_fail(
            ATTN_ERROR_FORMAT,
            "%s: %.200s has %d dimension%s and %lld element%s, expected one dimension of %lld, the rows of "
            "%.200s",
            path, scales->name, scales->rank, plural(scales->rank), (long long)scales->count, plural(scales->count),
            (long long)t->shape[0], t->name);
    for (int64_t i = 0; i < scales->count; i++) {
        const float scale = load_scale(scales, i);
        if (!(scale >= 0 && scale <= LARGEST_SCALE))
            return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s[%lld] is %g, expected 0 to %g", path, scales->name,
                               (long long)i, (double)scale, (double)LARGEST_SCALE);
    }
    return ATTN_OK;
}

static attn_status find(const safetensors *s, const safetensors_tensor *t, const safetensors_tensor **scales)
{
    const size_t size = strlen(t->name) + sizeof INT8_ROWS_SUFFIX;
    char *name = malloc(size);
    if (!name) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a tensor's name", safetensors_path(s));
    snprintf(name, size, "%s" INT8_ROWS_SUFFIX, t->name);
    *scales = safetensors_find(s, name);
    free(name);
    return ATTN_OK;
}

attn_status int8_rows_find_scales(const safetensors *s, const safetensors_tensor *t, const safetensors_tensor **scales)
{
    attn_status status = find(s, t, scales);
    if (status != ATTN_OK) return status;
    if (t->type != SAFETENSORS_I8) {
        if (!*scales) return ATTN_OK;
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: dtype is %s, expected I8 where there is %.200s",
                           safetensors_path(s), t->name, safetensors_type_name(t->type), (*scales)->name);
    }
    if (t->rank != 2)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: dtype is I8 with %d dimension%s, expected the 2 of a matrix",
                           safetensors_path(s), t->name, t->rank, plural(t->rank));
    if (!*scales)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s" INT8_ROWS_SUFFIX " is missing, expected beside an I8 tensor",
                           safetensors_path(s), t->name);
    return check_scales(s, t, *scales);
}

void int8_rows_read(const safetensors_tensor *t, const safetensors_tensor *scales, float *values)
{
    const int64_t rows = t->shape[0], columns = t->shape[1];
    for (int64_t i = 0; i < rows; i++) {
        const int8_t *q = (const int8_t *)t->bytes + i * columns;
        const float scale = load_scale(scales, i);
        for (int64_t j = 0; j < columns; j++) values[i * columns + j] = scale * (float)q[j];
    }
}
