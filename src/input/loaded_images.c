#include "input/loaded_examples.h"

#include "base/checked.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* Images up to this side are taken as they are when no size is told. */
#define OWN_SIDE 64

/* About a square root: 14 of them a side at most, up to OWN_SIDE. */
static int64_t usual_patch(int64_t side)
{
    return side >= 112 ? 16 : side >= 56 ? 8 : side >= 24 ? 4 : side >= 8 ? 2 : 1;
}

/* The sizes that suit images like the first, unless they were told. */
static attn_status choose_sizes(loaded_examples *out, const picture *first, int64_t most_patches)
{
    int64_t side = first->width > first->height ? first->width : first->height;
    if (side > OWN_SIDE) side = OWN_SIDE;
    if (out->side > 0) side = out->side;
    if (out->patch == 0) out->patch = usual_patch(side);
    if (out->side == 0) out->side = (side + out->patch - 1) / out->patch * out->patch;
    if (out->side % out->patch != 0)
        return status_fail(ATTN_ERROR_ARGUMENT, "patch = %lld does not divide image_size = %lld", (long long)out->patch,
                           (long long)out->side);
    const int64_t across = out->side / out->patch;
    if (across <= most_patches / across) return ATTN_OK;
    return status_fail(
        ATTN_ERROR_ARGUMENT,
        "image_size = %lld makes %lld x %lld patches of %lld pixels a side, expected at most %lld in all",
        (long long)out->side, (long long)across, (long long)across, (long long)out->patch, (long long)most_patches);
}

/* An image of the list at its own size; `name` receives what messages call it. */
static attn_status read_image(picture *p, const example_list *l, int64_t i, const char **name)
{
    *name = l->content[i] ? l->content[i] : "image";
    if (!l->pixels) return picture_read(p, l->content[i]);
    attn_status s = picture_create(p, *name, l->width, l->height, 1);
    const size_t size = (size_t)(l->width * l->height);
    if (s == ATTN_OK) memcpy(p->pixels, l->pixels + (size_t)i * size, size);
    return s;
}

/* Image i at the size of all. */
static attn_status read_scaled(picture *p, loaded_examples *out, const example_list *l, int64_t i,
                               const image_sizes *sizes)
{
    const char *name;
    picture own = {0};
    attn_status s = read_image(&own, l, i, &name);
    if (s == ATTN_OK && i == 0) s = choose_sizes(out, &own, sizes->most_patches);
    if (s == ATTN_OK && (own.width != out->side || own.height != out->side)) {
        s = image_resize(p, name, &own, out->side, out->side, sizes->filter);
        picture_clear(&own);
        return s;
    }
    if (s == ATTN_OK)
        *p = own;
    else
        picture_clear(&own);
    return s;
}

/* Grey is repeated; colour becomes its luma (ITU-R 601, as Pillow has it). */
static void store(const picture *p, int64_t channels, uint8_t *to)
{
    const int64_t count = p->width * p->height;
    if (p->channels == channels) {
        memcpy(to, p->pixels, (size_t)(count * channels));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *c = p->pixels + i * p->channels;
        if (channels == 1)
            to[i] = (uint8_t)((19595 * c[0] + 38470 * c[1] + 7471 * c[2] + 0x8000) >> 16);
        else
            memset(to + 3 * i, c[0], 3);
    }
}

static attn_status pack(loaded_examples *out, const picture *pictures)
{
    const int64_t size = out->side * out->side * out->channels;
    size_t bytes;
    if (checked_mul((size_t)out->count, (size_t)size, &bytes)) out->pixels = malloc(bytes + 1);
    if (!out->pixels) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld images", (long long)out->count);
    for (int64_t i = 0; i < out->count; i++) store(&pictures[i], out->channels, out->pixels + i * size);
    return ATTN_OK;
}

attn_status loaded_examples_images(loaded_examples *out, const example_list *l, const image_sizes *sizes)
{
    *out = (loaded_examples){.kind = l->kind, .count = l->count, .side = sizes->side, .patch = sizes->patch};
    out->label = malloc(((size_t)l->count + 1) * sizeof *out->label);
    picture *pictures = calloc((size_t)l->count + 1, sizeof *pictures);
    attn_status s = ATTN_OK;
    if (!out->label || !pictures)
        s = status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld images", (long long)l->count);
    if (out->label) memcpy(out->label, l->label, (size_t)l->count * sizeof *out->label);
    out->channels = sizes->channels;
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++) {
        s = read_scaled(&pictures[i], out, l, i, sizes);
        if (sizes->channels == 0 && pictures[i].channels > out->channels) out->channels = pictures[i].channels;
    }
    if (s == ATTN_OK) s = pack(out, pictures);
    for (int64_t i = 0; pictures && i < l->count; i++) picture_clear(&pictures[i]);
    free(pictures);
    return s;
}
