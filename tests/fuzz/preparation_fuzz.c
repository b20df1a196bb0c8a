#define _GNU_SOURCE /* memfd_create */
#include "memory_file.h"

#include "input/image.h"
#include "input/spectrogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = memory_file(data, size);
    image_preparation image;
    if (image_preparation_read(&image, path, 3) == ATTN_OK && (image.width < 1 || image.height > IMAGE_MOST_SIDE))
        abort();
    spectrogram_preparation sound;
    spectrogram *filters;
    if (spectrogram_preparation_read(&sound, path) != ATTN_OK) return 0;
    if (spectrogram_create(&filters, &sound) != ATTN_OK) abort();
    spectrogram_destroy(filters);
    return 0;
}
