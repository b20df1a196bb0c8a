/* Two panes side by side: the picture as the model saw it, and the same in grey with the values laid over it. Where
 * patches overlap, a pixel takes the mean of those that cover it. */
#include "base/status.h"
#include "view/attended.h"
#include "view/colour_scale.h"
#include "view/label.h"
#include "view/surface_file.h"

#include <math.h>
#include <pango/pangocairo.h>
#include <stdlib.h>

#define MARGIN 20
#define GAP 16
#define TITLE 34        /* pixels above the panes */
#define CAPTION 26      /* below those of a spectrogram */
#define WISHED_SIDE 448 /* of a pane's longer side */
#define LARGEST_SIDE 2048
#define TITLE_LENGTH 400

typedef struct panes {
    const attn_seq_patches *patches;
    double *level;         /* (height, width) of the picture: 0 to 1 */
    int64_t scale;         /* pixels of the page for one of the picture, or, */
    int64_t every;         /* if larger than 1, pixels of the picture for one of the page */
    int64_t width, height; /* of a pane */
} panes;

static double *spread(const attn_seq_patches *p, const float *values)
{
    int64_t pixels = p->picture.width * p->picture.height;
    double *level = calloc((size_t)pixels, sizeof *level);
    int32_t *covered = calloc((size_t)pixels, sizeof *covered);
    double most = 0;
    for (int64_t i = 0; i < p->rows * p->columns; i++)
        if (values[i] > most) most = values[i];
    for (int64_t i = 0; level && covered && i < p->rows * p->columns; i++) {
        int64_t left = i % p->columns * p->step_x, top = i / p->columns * p->step_y;
        for (int64_t y = top; y < top + p->height; y++)
            for (int64_t x = left; x < left + p->width; x++) {
                level[y * p->picture.width + x] += most > 0 ? values[i] / most : 0;
                covered[y * p->picture.width + x]++;
            }
    }
    for (int64_t i = 0; level && covered && i < pixels; i++)
        if (covered[i] > 1) level[i] /= covered[i];
    if (!covered) {
        free(level);
        level = NULL;
    }
    free(covered);
    return level;
}

static colour_rgb pixel_of(const attn_seq_image *i, int64_t x, int64_t y)
{
    const uint8_t *c = i->pixels + (y * i->width + x) * i->channels;
    return i->channels == 1 ? (colour_rgb){c[0], c[0], c[0]} : (colour_rgb){c[0], c[1], c[2]};
}

/* The more weight, the more colour; the rest lets the picture through. */
static colour_rgb blend(colour_rgb under, colour_rgb over, double level)
{
    double grey = 0.299 * under.red + 0.587 * under.green + 0.114 * under.blue;
    double share = 0.45 + 0.3 * level;
    return (colour_rgb){(unsigned char)lround(share * over.red + (1 - share) * grey),
                        (unsigned char)lround(share * over.green + (1 - share) * grey),
                        (unsigned char)lround(share * over.blue + (1 - share) * grey)};
}

static void draw_pane(const panes *p, cairo_surface_t *surface, int64_t left, const colour_scale *scale)
{
    const attn_seq_image *image = &p->patches->picture;
    unsigned char *bytes = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    cairo_surface_flush(surface);
    for (int64_t y = 0; y < p->height; y++) {
        int64_t from_y = y * p->every / p->scale;
        if (p->patches->upward) from_y = image->height - 1 - from_y;
        uint32_t *row = (uint32_t *)(void *)(bytes + (MARGIN + TITLE + y) * stride) + left;
        for (int64_t x = 0; x < p->width; x++) {
            int64_t from_x = x * p->every / p->scale;
            colour_rgb c = pixel_of(image, from_x, from_y);
            double level = p->level[from_y * image->width + from_x];
            if (scale) c = blend(c, colour_scale_at(scale, level), level);
            row[x] = (uint32_t)c.red << 16 | (uint32_t)c.green << 8 | c.blue;
        }
    }
    cairo_surface_mark_dirty(surface);
}

static void draw_words(cairo_t *cairo, const char *face, int size, const char *words, int64_t top, int64_t width)
{
    PangoLayout *layout = pango_cairo_create_layout(cairo);
    PangoFontDescription *font = pango_font_description_from_string(face);
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_text(layout, words, -1);
    pango_layout_set_width(layout, (int)width * PANGO_SCALE);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    cairo_set_source_rgb(cairo, 0.07, 0.07, 0.07);
    cairo_move_to(cairo, MARGIN, (double)top);
    pango_cairo_show_layout(cairo, layout);
    g_object_unref(layout);
}

static attn_status draw(const panes *p, const char *title, const char *path)
{
    colour_scale scale;
    colour_scale_fill(&scale);
    const int64_t below = MARGIN + TITLE + p->height;
    const int64_t width = 2 * MARGIN + 2 * p->width + GAP;
    const int64_t height = below + (p->patches->upward ? CAPTION : 0) + MARGIN;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    cairo_t *cairo = cairo_create(surface);
    attn_status status;
    if (cairo_status(cairo) == CAIRO_STATUS_SUCCESS) {
        cairo_set_source_rgb(cairo, 1, 1, 1);
        cairo_paint(cairo);
        draw_words(cairo, "Sans Bold", 15, title, MARGIN, width - 2 * MARGIN);
        if (p->patches->upward)
            draw_words(cairo, "Sans", 13, "time runs right, frequency up", below + 8, width - 2 * MARGIN);
        draw_pane(p, surface, MARGIN, NULL);
        draw_pane(p, surface, MARGIN + p->width + GAP, &scale);
        status = surface_file_save(surface, path);
    } else {
        status = status_fail(ATTN_ERROR_MEMORY, "%s: %s", path, cairo_status_to_string(cairo_status(cairo)));
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return status;
}

static void measure(panes *p)
{
    const attn_seq_image *i = &p->patches->picture;
    int64_t side = i->width > i->height ? i->width : i->height;
    p->scale = side < WISHED_SIDE ? WISHED_SIDE / side : 1;
    p->every = side > LARGEST_SIDE ? (side + LARGEST_SIDE - 1) / LARGEST_SIDE : 1;
    p->width = (i->width * p->scale + p->every - 1) / p->every;
    p->height = (i->height * p->scale + p->every - 1) / p->every;
}

attn_status attn_seq_patches_write_png(const attn_seq_patches *patches, const float *values, const char *title,
                                       const char *path)
{
    if (!patches || !values || !path)
        return status_fail(ATTN_ERROR_ARGUMENT, "the picture's patches, values or path are NULL");
    attn_status status = patches_check(patches);
    if (status != ATTN_OK) return status;
    panes p = {.patches = patches, .level = spread(patches, values)};
    char *clean = label_clean(title, TITLE_LENGTH);
    measure(&p);
    if (p.level && clean)
        status = draw(&p, clean, path);
    else
        status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a picture", path);
    free(p.level);
    free(clean);
    return status;
}
