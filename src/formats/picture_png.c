/* PNG through libpng, whose errors jump: the jump ends in `decode`, and everything that must survive it lives in the
 * caller's `png_task`. */
#include "formats/picture.h"

#include "base/status.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct png_task {
    const char *name;
    const unsigned char *bytes;
    size_t size, at;
    png_structp reader;
    png_infop info;
    picture picture;
    png_bytep *rows;
    attn_status status;
    char words[160]; /* libpng's, of what was wrong */
} png_task;

static void keep_error(png_structp reader, png_const_charp words)
{
    png_task *t = png_get_error_ptr(reader);
    snprintf(t->words, sizeof t->words, "%s", words);
    png_longjmp(reader, 1);
}

/* A damaged colour profile or text does not spoil the picture. */
static void ignore_warning(png_structp reader, png_const_charp words)
{
    (void)reader;
    (void)words;
}

static void give_bytes(png_structp reader, png_bytep to, size_t count)
{
    png_task *t = png_get_io_ptr(reader);
    if (count > t->size - t->at) png_error(reader, "it ends too early");
    memcpy(to, t->bytes + t->at, count);
    t->at += count;
}

/* Whatever the file holds becomes 8 bits of grey or RGB. */
static void ask_for_bytes(png_task *t)
{
    png_byte type = png_get_color_type(t->reader, t->info);
    if (png_get_bit_depth(t->reader, t->info) == 16) png_set_strip_16(t->reader);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(t->reader);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(t->reader);
    png_set_strip_alpha(t->reader);
    png_set_interlace_handling(t->reader);
    png_read_update_info(t->reader, t->info);
}

static bool prepare_picture(png_task *t)
{
    png_read_info(t->reader, t->info);
    ask_for_bytes(t);
    const int64_t width = png_get_image_width(t->reader, t->info), height = png_get_image_height(t->reader, t->info);
    const int64_t channels = png_get_color_type(t->reader, t->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    t->status = picture_create(&t->picture, t->name, width, height, channels);
    if (t->status != ATTN_OK) return false;
    if (png_get_rowbytes(t->reader, t->info) != (size_t)(width * channels)) png_error(t->reader, "rows of odd size");
    t->rows = malloc((size_t)height * sizeof *t->rows);
    if (!t->rows) {
        t->status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", t->name);
        return false;
    }
    for (int64_t y = 0; y < height; y++) t->rows[y] = t->picture.pixels + y * width * channels;
    return true;
}

/* false: the status or the words say why. Has no variables of its own, which a jump would leave undefined. */
static bool decode(png_task *t)
{
    if (setjmp(png_jmpbuf(t->reader))) return false;
    png_set_user_limits(t->reader, PICTURE_MOST_SIDE, PICTURE_MOST_SIDE);
    png_set_chunk_malloc_max(t->reader, 1 << 24);
    png_set_read_fn(t->reader, t, give_bytes);
    if (!prepare_picture(t)) return false;
    png_read_image(t->reader, t->rows);
    png_read_end(t->reader, NULL);
    return true;
}

attn_status picture_from_png(picture *out, const char *name, const void *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    png_task t = {.name = name, .bytes = bytes, .size = size};
    t.reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, &t, keep_error, ignore_warning);
    t.info = t.reader ? png_create_info_struct(t.reader) : NULL;
    if (!t.info) {
        png_destroy_read_struct(&t.reader, NULL, NULL);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", name);
    }
    bool whole = decode(&t);
    png_destroy_read_struct(&t.reader, &t.info, NULL);
    free(t.rows);
    if (whole) {
        *out = t.picture;
        return ATTN_OK;
    }
    picture_clear(&t.picture);
    if (t.status != ATTN_OK) return t.status;
    return status_fail(ATTN_ERROR_FORMAT, "%s: PNG data: %s, expected a whole and undamaged picture", name, t.words);
}
