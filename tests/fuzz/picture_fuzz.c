#include "input/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fuzzer's pictures are to be small: it shall not spend its time on pixels. */
#define MOST_PIXELS (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    picture p;
    if (picture_parse(&p, "picture", data, size) != ATTN_OK) {
        if (p.pixels) abort();
        return 0;
    }
    image_preparation preparation;
    float values[3 * 9 * 7];
    image_preparation_init(&preparation, 9, 7, size % 2 ? 3 : 1);
    if (p.width * p.height <= MOST_PIXELS && image_prepare(&preparation, "picture", &p, values) != ATTN_OK) abort();
    picture_clear(&p);
    return 0;
}
