#include "base/status.h"
#include "input/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bits of a weight after the point: a sum of 8-bit pixels times weights, twice over for negative lobes, fits 32. */
#define WEIGHT_BITS 22

/* The pixels that make one output pixel, first to first + count - 1, and their weights. */
typedef struct taps {
    int64_t width;  /* room for weights of each output pixel */
    int64_t *first; /* of each output pixel */
    int64_t *count;
    int32_t *weights; /* (outputs, width) */
} taps;

static double filter_support(image_filter filter)
{
    return filter == IMAGE_BICUBIC ? 2 : 1;
}

/* Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -1/2; or a triangle. */
static double filter_at(image_filter filter, double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (filter == IMAGE_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static void taps_clear(taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weights);
}

static int32_t fixed_point(double weight)
{
    return (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << WEIGHT_BITS));
}

static void fill_output(taps *t, int64_t i, int64_t from, double scale, image_filter filter, double *weights)
{
    const double stretch = scale < 1 ? 1 : scale, support = filter_support(filter) * stretch;
    const double center = ((double)i + 0.5) * scale;
    int64_t first = (int64_t)(center - support + 0.5), end = (int64_t)(center + support + 0.5);
    if (first < 0) first = 0;
    if (end > from) end = from;
    double sum = 0;
    for (int64_t x = first; x < end; x++) {
        weights[x - first] = filter_at(filter, ((double)x - center + 0.5) * (1 / stretch));
        sum += weights[x - first];
    }
    t->first[i] = first;
    t->count[i] = end - first;
    for (int64_t k = 0; k < end - first; k++)
        t->weights[i * t->width + k] = fixed_point(sum != 0 ? weights[k] / sum : weights[k]);
}

static bool taps_fill(taps *t, int64_t from, int64_t to, image_filter filter)
{
    const double scale = (double)from / (double)to;
    const double support = filter_support(filter) * (scale < 1 ? 1 : scale);
    *t = (taps){.width = 2 * (int64_t)ceil(support) + 1};
    t->first = malloc((size_t)to * sizeof *t->first);
    t->count = malloc((size_t)to * sizeof *t->count);
    t->weights = malloc((size_t)(to * t->width) * sizeof *t->weights);
    double *weights = malloc((size_t)t->width * sizeof *weights);
    const bool room = t->first && t->count && t->weights && weights;
    for (int64_t i = 0; room && i < to; i++) fill_output(t, i, from, scale, filter, weights);
    free(weights);
    return room;
}

/* `count` pixels `stride` bytes apart, weighted. */
static uint8_t weighted(const uint8_t *pixels, int64_t stride, const int32_t *weights, int64_t count)
{
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    for (int64_t k = 0; k < count; k++) sum += pixels[k * stride] * weights[k];
    if (sum < 0) return 0;
    return (uint8_t)(sum >> WEIGHT_BITS > 255 ? 255 : sum >> WEIGHT_BITS);
}

static void resize_rows(const taps *t, const picture *from, picture *to)
{
    const int64_t C = from->channels;
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < to->width; x++)
            for (int64_t c = 0; c < C; c++)
                to->pixels[(y * to->width + x) * C + c] = weighted(
                    from->pixels + (y * from->width + t->first[x]) * C + c, C, t->weights + x * t->width, t->count[x]);
}

static void resize_columns(const taps *t, const picture *from, picture *to)
{
    const int64_t row = from->width * from->channels;
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < row; x++)
            to->pixels[y * row + x] =
                weighted(from->pixels + t->first[y] * row + x, row, t->weights + y * t->width, t->count[y]);
}

/* One pass; where the side keeps its length, a copy. */
static attn_status resize_side(picture *out, const char *name, const picture *from, int64_t width, int64_t height,
                               image_filter filter)
{
    attn_status status = picture_create(out, name, width, height, from->channels);
    if (status != ATTN_OK) return status;
    if (width == from->width && height == from->height) {
        memcpy(out->pixels, from->pixels, (size_t)(width * height * from->channels));
        return ATTN_OK;
    }
    taps t;
    const bool rows = width != from->width;
    if (!taps_fill(&t, rows ? from->width : from->height, rows ? width : height, filter)) {
        status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory to resize it", name);
        picture_clear(out);
    } else if (rows)
        resize_rows(&t, from, out);
    else
        resize_columns(&t, from, out);
    taps_clear(&t);
    return status;
}

attn_status image_resize(picture *out, const char *name, const picture *from, int64_t width, int64_t height,
                         image_filter filter)
{
    picture narrowed;
    attn_status status = resize_side(&narrowed, name, from, width, from->height, filter);
    if (status != ATTN_OK) {
        memset(out, 0, sizeof *out);
        return status;
    }
    status = resize_side(out, name, &narrowed, width, height, filter);
    picture_clear(&narrowed);
    return status;
}
