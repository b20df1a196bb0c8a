#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "formats/int8_rows.h"
#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(const safetensors *s, const safetensors_tensor *t, float *values)
{
    const safetensors_tensor *scales;
    if (int8_rows_find_scales(s, t, &scales) == ATTN_OK && scales) int8_rows_read(t, scales, values);
}

/* Opens, and reads every tensor that it says is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    safetensors *s;
    if (safetensors_open(&s, memory_file(data, size)) != ATTN_OK) return 0;
    safetensors_metadata(s, "format");
    for (int64_t i = 0; i < safetensors_count(s); i++) {
        const safetensors_tensor *t = safetensors_at(s, i);
        float *values = malloc((size_t)t->count * sizeof *values + 1);
        if (values) safetensors_read_floats(s, t, values);
        if (values) read_rows(s, t, values);
        free(values);
        if (safetensors_find(s, t->name) != t) abort();
    }
    safetensors_close(s);
    return 0;
}
