#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        free(values);
        if (safetensors_find(s, t->name) != t) abort();
    }
    safetensors_close(s);
    return 0;
}
