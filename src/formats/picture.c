#include "formats/picture.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>

attn_status picture_create(picture *out, const char *name, int64_t width, int64_t height, int64_t channels)
{
    memset(out, 0, sizeof *out);
    if (width < 1 || height < 1 || width > PICTURE_MOST_SIDE || height > PICTURE_MOST_SIDE ||
        width * height > PICTURE_MOST_PIXELS)
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s: size is %lld x %lld, expected 1 to %d a side and at most %lld pixels", name,
                           (long long)width, (long long)height, PICTURE_MOST_SIDE, (long long)PICTURE_MOST_PIXELS);
    if (channels != 1 && channels != 3)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: %lld channels, expected 1 or 3", name, (long long)channels);
    uint8_t *pixels = calloc((size_t)(width * height * channels), 1);
    if (!pixels) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", name);
    *out = (picture){width, height, channels, pixels};
    return ATTN_OK;
}

void picture_clear(picture *p)
{
    free(p->pixels);
    memset(p, 0, sizeof *p);
}
