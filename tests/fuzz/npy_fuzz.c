#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "formats/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    npy_array a;
    if (npy_read(&a, memory_file(data, size)) != ATTN_OK) return 0;
    double sum = 0;
    for (int64_t i = 0; i < a.count; i++) sum += a.flags ? a.flags[i] : a.values[i];
    if ((a.flags == NULL) == (a.values == NULL)) abort();
    npy_clear(&a);
    volatile double used = sum; /* so that every element is read */
    (void)used;
    return 0;
}
