/* npy as seq.h offers it. */
#include "base/checked.h"
#include "base/status.h"
#include "formats/npy.h"

#include "attn/seq.h"

#include <string.h>

_Static_assert(sizeof((attn_seq_array){0}.shape) == sizeof((npy_array){0}.shape), "as many dimensions as npy has");

attn_status attn_seq_array_read_npy(attn_seq_array *out, const char *path)
{
    if (!out || !path) return status_fail(ATTN_ERROR_ARGUMENT, "the array's %s is NULL", out ? "path" : "place");
    npy_array read;
    attn_status status = npy_read(&read, path);
    *out = (attn_seq_array){.rank = read.rank, .count = read.count, .values = read.values, .flags = read.flags};
    memcpy(out->shape, read.shape, sizeof out->shape);
    return status;
}

attn_status attn_seq_array_write_npy(const char *path, int rank, const int64_t *shape, const float *values)
{
    if (!path) return status_fail(ATTN_ERROR_ARGUMENT, "the array's path is NULL");
    if (rank < 0 || rank > NPY_MOST_RANK || (rank && !shape))
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: %d dimensions, expected 0 to %d", path, rank, NPY_MOST_RANK);
    int64_t bytes = sizeof *values;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return status_fail(ATTN_ERROR_ARGUMENT, "%s: dimension %d is %lld, expected 0 or more", path, i,
                               (long long)shape[i]);
        if (!checked_mul_i64(bytes, shape[i], &bytes))
            return status_fail(ATTN_ERROR_OVERFLOW, "%s: dimensions 0 to %d hold more bytes than 2^63", path, i);
    }
    if (bytes && !values) return status_fail(ATTN_ERROR_ARGUMENT, "%s: the values are NULL", path);
    return npy_write(path, rank, shape, values);
}

void attn_seq_array_clear(attn_seq_array *array)
{
    if (!array) return;
    npy_array held = {.values = array->values, .flags = array->flags};
    npy_clear(&held);
    memset(array, 0, sizeof *array);
}
