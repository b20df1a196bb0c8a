#include "input/image.h"

#include "base/status.h"

#include <string.h>

/* ITU-R BT.601 luma with 16 bits after the point, as Pillow rounds it. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static attn_status convert_channels(picture *out, const char *name, const picture *from, int64_t channels)
{
    attn_status status = picture_create(out, name, from->width, from->height, channels);
    if (status != ATTN_OK) return status;
    const int64_t count = from->width * from->height;
    if (channels == from->channels) {
        memcpy(out->pixels, from->pixels, (size_t)(count * channels));
        return ATTN_OK;
    }
    for (int64_t i = 0; i < count; i++) {
        if (channels == 1)
            out->pixels[i] = luma(from->pixels + 3 * i);
        else
            memset(out->pixels + 3 * i, from->pixels[i], 3);
    }
    return ATTN_OK;
}

/* One channel at a time, since a channel has only 256 values. */
static void to_floats(const image_preparation *p, const picture *image, float *out)
{
    const int64_t count = p->width * p->height;
    for (int64_t c = 0; c < p->channels; c++) {
        float value[256];
        for (int i = 0; i < 256; i++) {
            value[i] = p->rescale ? (float)(i * p->factor) : (float)i;
            if (p->normalize) value[i] = (value[i] - (float)p->mean[c]) / (float)p->deviation[c];
        }
        for (int64_t i = 0; i < count; i++) out[c * count + i] = value[image->pixels[i * p->channels + c]];
    }
}

attn_status image_prepare(const image_preparation *p, const char *name, const picture *from, float *out)
{
    if (!p->resize && (from->width != p->width || from->height != p->height))
        return status_fail(ATTN_ERROR_FORMAT, "%s: size is %lld x %lld, expected %lld x %lld", name,
                           (long long)from->width, (long long)from->height, (long long)p->width, (long long)p->height);
    picture coloured, sized;
    attn_status status = convert_channels(&coloured, name, from, p->channels);
    if (status != ATTN_OK) return status;
    status = image_resize(&sized, name, &coloured, p->width, p->height, p->filter);
    picture_clear(&coloured);
    if (status != ATTN_OK) return status;
    to_floats(p, &sized, out);
    picture_clear(&sized);
    return ATTN_OK;
}
