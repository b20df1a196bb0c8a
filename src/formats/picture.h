/* A picture in memory, and its reading from PNG and JPEG: 8 bits a channel, grey or RGB, top row first. What a file has
 * beyond that is reduced as Pillow does: 16 bits to their high byte, a palette to its colours, transparency dropped,
 * CMYK to RGB. Nothing in a file is trusted. */
#ifndef FORMATS_PICTURE_H
#define FORMATS_PICTURE_H

#include "attn/attn.h"

/* At most so many pixels, and so many a side; so many bytes of a file. */
#define PICTURE_MOST_PIXELS ((int64_t)1 << 26)
#define PICTURE_MOST_SIDE 65535
#define PICTURE_MOST_BYTES ((size_t)1 << 28)

typedef struct picture {
    int64_t width, height, channels; /* channels: 1 or 3 */
    uint8_t *pixels;                 /* (height, width, channels) */
} picture;

/* On failure *out is all zero. `name` stands for the path in messages. */
attn_status picture_create(picture *out, const char *name, int64_t width, int64_t height, int64_t channels);
attn_status picture_from_png(picture *out, const char *name, const void *bytes, size_t size);
attn_status picture_from_jpeg(picture *out, const char *name, const void *bytes, size_t size);

/* By what the bytes begin with. */
attn_status picture_parse(picture *out, const char *name, const void *bytes, size_t size);

attn_status picture_read(picture *out, const char *path);

/* Frees and zeroes. */
void picture_clear(picture *p);

#endif
