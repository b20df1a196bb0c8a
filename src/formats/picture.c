#include "formats/picture.h"

#include "base/status.h"
#include "formats/whole_file.h"

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

attn_status picture_parse(picture *out, const char *name, const void *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return picture_from_png(out, name, bytes, size);
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return picture_from_jpeg(out, name, bytes, size);
    return status_fail(ATTN_ERROR_FORMAT, "%s: begins as neither PNG nor JPEG, expected one of them", name);
}

attn_status picture_read(picture *out, const char *path)
{
    memset(out, 0, sizeof *out);
    unsigned char *bytes;
    size_t size;
    attn_status status = whole_file_read(&bytes, &size, path, PICTURE_MOST_BYTES);
    if (status != ATTN_OK) return status;
    status = picture_parse(out, path, bytes, size);
    free(bytes);
    return status;
}

void picture_clear(picture *p)
{
    free(p->pixels);
    memset(p, 0, sizeof *p);
}
