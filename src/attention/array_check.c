#include "attention/array_check.h"

#include "attention/elements.h"
#include "base/checked.h"
#include "base/status.h"

/* Whether (n - 1) * |stride|, summed over the dimensions, stays addressable with elements of `size` bytes. */
static bool spans_fit(const int64_t *counts, const int64_t *strides, int dimensions, size_t size)
{
    int64_t span = 0;
    for (int n = 0; n < dimensions; n++) {
        int64_t reach, stride = strides[n];
        if (stride == INT64_MIN || !checked_mul_i64(counts[n] - 1, stride < 0 ? -stride : stride, &reach)) return false;
        if (!checked_add_i64(span, reach, &span)) return false;
    }
    return span <= PTRDIFF_MAX / (int64_t)size - 1;
}

static attn_status check_aligned(const char *name, const void *data, int64_t size)
{
    if ((uintptr_t)data % (uintptr_t)size == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%s.data = %p, expected a multiple of its elements' %lld bytes", name, data,
                       (long long)size);
}

attn_status array_check_view(const char *name, const attn_view *view, attn_dtype type, int64_t B, int64_t heads,
                             int64_t rows, int64_t columns)
{
    if (!B || !heads || !rows || !columns) return ATTN_OK;
    if (!view->data)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s.data is NULL, expected %lld x %lld x %lld x %lld elements", name,
                           (long long)B, (long long)heads, (long long)rows, (long long)columns);
    const int64_t counts[] = {B, heads, rows, columns}, strides[] = {view->batch, view->head, view->row, 1};
    if (!spans_fit(counts, strides, 4, (size_t)element_size(type)))
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "%s with strides %lld, %lld, %lld spans more than the address space, expected less", name,
                           (long long)view->batch, (long long)view->head, (long long)view->row);
    return check_aligned(name, view->data, element_size(type));
}

attn_status array_check_output(const char *name, const attn_output *view, attn_dtype type, int64_t B, int64_t heads,
                               int64_t rows, int64_t columns)
{
    const attn_view read = {view->data, view->batch, view->head, view->row};
    attn_status status = array_check_view(name, &read, type, B, heads, rows, columns);
    if (status || !B || !heads || !rows || !columns) return status;
    const struct {
        const char *dimension;
        int64_t count, stride;
    } steps[] = {{"batch", B, view->batch}, {"head", heads, view->head}, {"row", rows, view->row}};
    for (size_t n = 0; n < 3; n++) {
        if (steps[n].count > 1 && !steps[n].stride)
            return status_fail(ATTN_ERROR_ARGUMENT, "%s.%s = 0, expected a stride that keeps its %lld elements apart",
                               name, steps[n].dimension, (long long)steps[n].count);
    }
    return ATTN_OK;
}

attn_status array_check_mask(const char *name, const attn_mask *mask, const attn_desc *d, size_t size)
{
    if (!mask->data || !d->B || !d->T || !d->S) return ATTN_OK;
    const int64_t counts[] = {d->B, d->H, d->T, d->S};
    const int64_t strides[] = {mask->batch, mask->head, mask->row, mask->column};
    if (!spans_fit(counts, strides, 4, size))
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "%s with strides %lld, %lld, %lld, %lld spans more than the address space, expected less",
                           name, (long long)mask->batch, (long long)mask->head, (long long)mask->row,
                           (long long)mask->column);
    return check_aligned(name, mask->data, (int64_t)size);
}

attn_status array_check_list(const char *name, const void *data, size_t size)
{
    if ((uintptr_t)data % size == 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%s = %p, expected a multiple of its elements' %zu bytes", name, data,
                       size);
}

attn_status array_check_workspace(const void *workspace, size_t given, size_t needed)
{
    if (!needed) return ATTN_OK;
    if (!workspace) return status_fail(ATTN_ERROR_WORKSPACE, "workspace is NULL, expected %zu bytes", needed);
    if (given < needed)
        return status_fail(ATTN_ERROR_WORKSPACE, "workspace_size = %zu, expected at least %zu", given, needed);
    if ((uintptr_t)workspace % ATTN_ALIGNMENT)
        return status_fail(ATTN_ERROR_WORKSPACE, "workspace = %p, expected a multiple of %d", workspace,
                           ATTN_ALIGNMENT);
    return ATTN_OK;
}
