/* The layout, from which all sizes follow:
 *
 *     title
 *                  column labels, rising to the right
 *     row labels   cells                              scale bar
 *     column axis's name below, row axis's name at the far left, reading upwards */
#include "base/status.h"
#include "view/colour_scale.h"
#include "view/heat_map.h"
#include "view/label.h"
#include "view/surface_file.h"

#include <math.h>
#include <pango/pangocairo.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_PIXELS 2048 /* of the cells' area, each way */
#define WISHED_PIXELS 1000
#define LARGEST_CELL 40
#define SMALLEST_LABELLED_CELL 10
#define LONGEST_LABEL 180 /* pixels; the rest is cut with an ellipsis */
#define MARGIN 20
#define GAP 8
#define SCALE_WIDTH 18

static const double slope = 3.14159265358979323846 / 4; /* of the column labels */

typedef struct picture {
    const attn_seq_heat_map *map;
    colour_scale scale;
    double *levels; /* (rows, columns), pooled */
    int64_t rows, columns;
    int cell_width, cell_height;
    char **row_labels, **column_labels, *title, *row_axis, *column_axis;
    int row_label_width, column_label_width; /* pixels of the widest */
    int left, top, width, height;            /* of the cells */
    int page_width, page_height;
    cairo_t *cairo;
} picture;

static int cell_for(int64_t count)
{
    int64_t size = WISHED_PIXELS / count;
    return size < 1 ? 1 : size > LARGEST_CELL ? LARGEST_CELL : (int)size;
}

static PangoLayout *set_text(const picture *p, const char *text, double size, int most_width, bool strong)
{
    PangoLayout *layout = pango_cairo_create_layout(p->cairo);
    PangoFontDescription *font = pango_font_description_from_string("Sans");
    pango_font_description_set_absolute_size(font, size * PANGO_SCALE);
    if (strong) pango_font_description_set_weight(font, PANGO_WEIGHT_BOLD);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, text, -1);
    int width;
    pango_layout_get_pixel_size(layout, &width, NULL);
    if (width > most_width) {
        pango_layout_set_width(layout, most_width * PANGO_SCALE);
        pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    }
    return layout;
}

static double label_size(int cell)
{
    double size = cell * 0.62;
    return size > 16 ? 16 : size < 8 ? 8 : size;
}

static int widest(const picture *p, char *const *labels, int64_t count, double size)
{
    int most = 0;
    for (int64_t i = 0; i < count; i++) {
        PangoLayout *layout = set_text(p, labels[i], size, LONGEST_LABEL, false);
        int width;
        pango_layout_get_pixel_size(layout, &width, NULL);
        if (width > most) most = width;
        g_object_unref(layout);
    }
    return most < LONGEST_LABEL ? most : LONGEST_LABEL;
}

/* Labels stand where cells are as high as letters and none was averaged away. */
static bool rows_labelled(const picture *p)
{
    return p->cell_height >= SMALLEST_LABELLED_CELL && p->rows == p->map->rows;
}

static bool columns_labelled(const picture *p)
{
    return p->cell_width >= SMALLEST_LABELLED_CELL && p->columns == p->map->columns;
}

static void measure(picture *p)
{
    if (rows_labelled(p)) p->row_label_width = widest(p, p->row_labels, p->rows, label_size(p->cell_height));
    if (columns_labelled(p)) p->column_label_width = widest(p, p->column_labels, p->columns, label_size(p->cell_width));
    p->width = (int)p->columns * p->cell_width;
    p->height = (int)p->rows * p->cell_height;
    int risen = (int)ceil((p->column_label_width + 20) * sin(slope));
    p->left = MARGIN + (*p->row_axis ? 28 : 0) + p->row_label_width + GAP;
    p->top = MARGIN + (*p->title ? 34 : 0) + (p->column_label_width ? risen : 0) + GAP;
    int right = GAP * 3 + SCALE_WIDTH + 60; /* the scale bar and its numbers */
    if (risen > right) right = risen;
    p->page_width = p->left + p->width + right + MARGIN;
    if (p->page_width < 320) p->page_width = 320;
    p->page_height = p->top + (p->height > 120 ? p->height : 120) + (*p->column_axis ? 34 : 0) + MARGIN;
}

static void use_colour(cairo_t *cairo, colour_rgb c)
{
    cairo_set_source_rgb(cairo, c.red / 255.0, c.green / 255.0, c.blue / 255.0);
}

static void draw_cells(const picture *p)
{
    int gap = p->cell_width >= 12 && p->cell_height >= 12 ? 1 : 0;
    cairo_set_antialias(p->cairo, CAIRO_ANTIALIAS_NONE);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            use_colour(p->cairo, colour_scale_at(&p->scale, p->levels[i * p->columns + j]));
            cairo_rectangle(p->cairo, p->left + (double)j * p->cell_width, p->top + (double)i * p->cell_height,
                            p->cell_width - gap, p->cell_height - gap);
            cairo_fill(p->cairo);
        }
    cairo_set_antialias(p->cairo, CAIRO_ANTIALIAS_DEFAULT);
}

/* Shows the layout with its left (align 0), middle (0.5) or right (1) at x, its middle line at y; frees it. */
static void show(const picture *p, PangoLayout *layout, double x, double y, double align)
{
    int width, height;
    pango_layout_get_pixel_size(layout, &width, &height);
    cairo_move_to(p->cairo, x - align * width, y - height / 2.0);
    pango_cairo_show_layout(p->cairo, layout);
    g_object_unref(layout);
}

static void draw_row_labels(const picture *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        PangoLayout *layout = set_text(p, p->row_labels[i], label_size(p->cell_height), LONGEST_LABEL, false);
        show(p, layout, p->left - GAP, p->top + ((double)i + 0.5) * p->cell_height, 1);
    }
}

static void draw_column_labels(const picture *p)
{
    for (int64_t j = 0; j < p->columns; j++) {
        PangoLayout *layout = set_text(p, p->column_labels[j], label_size(p->cell_width), LONGEST_LABEL, false);
        cairo_save(p->cairo);
        cairo_translate(p->cairo, p->left + ((double)j + 0.5) * p->cell_width, p->top - GAP);
        cairo_rotate(p->cairo, -slope);
        show(p, layout, 0, 0, 0);
        cairo_restore(p->cairo);
    }
}

static void draw_scale(const picture *p)
{
    double x = p->left + p->width + GAP * 3, height = p->height > 120 ? (p->height < 400 ? p->height : 400) : 120;
    for (int y = 0; y < (int)height; y++) {
        use_colour(p->cairo, colour_scale_at(&p->scale, 1 - (y + 0.5) / height));
        cairo_rectangle(p->cairo, x, p->top + y, SCALE_WIDTH, 1.5);
        cairo_fill(p->cairo);
    }
    cairo_set_source_rgb(p->cairo, 0.2, 0.2, 0.2);
    for (int tick = 0; tick <= 4; tick++) {
        char number[32];
        double value = p->map->low + ((double)p->map->high - p->map->low) * tick / 4;
        snprintf(number, sizeof number, "%.3g", value);
        double y = p->top + height * (1 - tick / 4.0);
        cairo_rectangle(p->cairo, x + SCALE_WIDTH, y - 0.5, 4, 1);
        cairo_fill(p->cairo);
        show(p, set_text(p, number, 12, 60, false), x + SCALE_WIDTH + 8, y, 0);
    }
}

static void draw_axes(const picture *p)
{
    if (*p->column_axis)
        show(p, set_text(p, p->column_axis, 13, p->page_width - 2 * MARGIN, false), p->left + p->width / 2.0,
             p->page_height - MARGIN - 4, 0.5);
    if (!*p->row_axis) return;
    cairo_save(p->cairo);
    cairo_translate(p->cairo, MARGIN + 6, p->top + p->height / 2.0);
    cairo_rotate(p->cairo, -2 * slope);
    show(p, set_text(p, p->row_axis, 13, p->page_height, false), 0, 0, 0.5);
    cairo_restore(p->cairo);
}

static void draw_page(const picture *p)
{
    cairo_set_source_rgb(p->cairo, 1, 1, 1);
    cairo_paint(p->cairo);
    draw_cells(p);
    cairo_set_source_rgb(p->cairo, 0.07, 0.07, 0.07);
    if (*p->title) show(p, set_text(p, p->title, 17, p->page_width - 2 * MARGIN, true), MARGIN, MARGIN + 10, 0);
    if (p->row_label_width) draw_row_labels(p);
    if (p->column_label_width) draw_column_labels(p);
    draw_scale(p);
    cairo_set_source_rgb(p->cairo, 0.35, 0.35, 0.35);
    draw_axes(p);
}

/* Measures on a surface of one pixel, then draws on one of the right size. */
static attn_status draw(picture *p, const char *path)
{
    cairo_surface_t *probe = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    p->cairo = cairo_create(probe);
    measure(p);
    cairo_destroy(p->cairo);
    cairo_surface_destroy(probe);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p->page_width, p->page_height);
    p->cairo = cairo_create(surface);
    draw_page(p);
    attn_status status;
    if (cairo_status(p->cairo) == CAIRO_STATUS_SUCCESS)
        status = surface_file_save(surface, path);
    else
        status = status_fail(ATTN_ERROR_MEMORY, "%s: %s", path, cairo_status_to_string(cairo_status(p->cairo)));
    cairo_destroy(p->cairo);
    cairo_surface_destroy(surface);
    return status;
}

static bool prepare(picture *p)
{
    const attn_seq_heat_map *map = p->map;
    colour_scale_fill(&p->scale);
    p->levels = heat_map_pool(map, MOST_PIXELS, &p->rows, &p->columns);
    p->row_labels = heat_map_labels(map->row_labels, map->rows);
    p->column_labels = heat_map_labels(map->column_labels, map->columns);
    p->title = label_clean(map->title, HEAT_MAP_TITLE_LENGTH);
    p->row_axis = label_clean(map->row_axis, HEAT_MAP_TITLE_LENGTH);
    p->column_axis = label_clean(map->column_axis, HEAT_MAP_TITLE_LENGTH);
    if (!p->levels || !p->row_labels || !p->column_labels || !p->title || !p->row_axis || !p->column_axis) return false;
    p->cell_width = cell_for(p->columns);
    p->cell_height = cell_for(p->rows);
    /* Square cells, unless one side is so much longer that the other would become a thread. */
    if (p->cell_width < 4 * p->cell_height && p->cell_height < 4 * p->cell_width)
        p->cell_width = p->cell_height = p->cell_width < p->cell_height ? p->cell_width : p->cell_height;
    return true;
}

attn_status attn_seq_heat_map_write_png(const attn_seq_heat_map *map, const char *path)
{
    if (!path) return status_fail(ATTN_ERROR_ARGUMENT, "the picture's path is NULL");
    attn_status status = heat_map_check(map);
    if (status != ATTN_OK) return status;
    picture p = {.map = map};
    if (prepare(&p))
        status = draw(&p, path);
    else
        status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a picture of %lld rows and %lld columns", path,
                             (long long)map->rows, (long long)map->columns);
    heat_map_labels_free(p.row_labels, map->rows);
    heat_map_labels_free(p.column_labels, map->columns);
    free(p.levels);
    free(p.title);
    free(p.row_axis);
    free(p.column_axis);
    return status;
}
