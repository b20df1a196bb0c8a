#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "formats/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    idx_array a;
    if (idx_read(&a, memory_file(data, size)) != ATTN_OK) return 0;
    unsigned sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += a.values[i];
    idx_clear(&a);
    volatile unsigned used = sum; /* so that every element is read */
    (void)used;
    return 0;
}
