#include "base/status.h"
#include "view/colour_scale.h"
#include "view/heat_map.h"
#include "view/label.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_LABEL_HEIGHT 14 /* lines that a column's label, written downwards, may take */

typedef struct drawing {
    const attn_seq_heat_map *map;
    attn_seq_colours colours;
    colour_scale scale;
    char **rows, **columns; /* labels */
    size_t row_label_width, cell_width;
    FILE *out;
} drawing;

/* The nearest of the 6 x 6 x 6 colours that every 256-colour terminal shares: levels 0, 95, 135, 175, 215, 255. */
static int cube_step(unsigned char x)
{
    return x < 48 ? 0 : x < 115 ? 1 : (x - 35) / 40;
}

static void draw_cell(const drawing *d, double level)
{
    if (d->colours == ATTN_SEQ_COLOURS_NONE) {
        int percent = isnan(level) ? -1 : (int)lround(100 * level);
        if (percent < 0)
            fputs("   ?", d->out);
        else if (percent == 0)
            fputs("   .", d->out);
        else
            fprintf(d->out, "%4d", percent);
        return;
    }
    colour_rgb c = colour_scale_at(&d->scale, level);
    if (d->colours == ATTN_SEQ_COLOURS_TRUE)
        fprintf(d->out, "\033[48;2;%d;%d;%dm  ", c.red, c.green, c.blue);
    else
        fprintf(d->out, "\033[48;5;%dm  ", 16 + 36 * cube_step(c.red) + 6 * cube_step(c.green) + cube_step(c.blue));
}

static void end_colours(const drawing *d)
{
    if (d->colours != ATTN_SEQ_COLOURS_NONE) fputs("\033[0m", d->out);
}

static void spaces(const drawing *d, size_t count)
{
    fprintf(d->out, "%*s", (int)count, "");
}

/* The label at the right end of `width` cells, cut with an ellipsis where it does not fit. */
static void draw_row_label(const drawing *d, const char *label, size_t width)
{
    size_t cells;
    const int bytes = (int)label_cut(label, width, &cells);
    const bool whole = !label[bytes];
    spaces(d, width - cells - !whole);
    fprintf(d->out, "%.*s%s", bytes, label, whole ? "" : LABEL_ELLIPSIS);
}

static size_t letters_of(const char *label)
{
    size_t count = 0, cells;
    for (size_t n; (n = label_first(label, &cells)); label += n) count++;
    return count;
}

/* The letter that a label, written downwards and ending at the bottom of `height` lines, has on one line. */
static void draw_column_letter(const drawing *d, const char *label, size_t line, size_t height)
{
    size_t letters = letters_of(label), cells;
    size_t shown = letters > height ? height : letters;
    if (line < height - shown) {
        spaces(d, d->cell_width);
        return;
    }
    size_t index = line - (height - shown);
    if (letters > height && index == height - 1) {
        spaces(d, d->cell_width - 1);
        fputs(LABEL_ELLIPSIS, d->out);
        return;
    }
    size_t n = label_first(label, &cells);
    for (; index; index--) {
        label += n;
        n = label_first(label, &cells);
    }
    spaces(d, d->cell_width - cells);
    fwrite(label, 1, n, d->out);
}

static void draw_column_labels(const drawing *d, int64_t first, int64_t end)
{
    size_t height = 1;
    for (int64_t j = first; j < end; j++) {
        size_t letters = letters_of(d->columns[j]);
        if (letters > height) height = letters;
    }
    if (height > COLUMN_LABEL_HEIGHT) height = COLUMN_LABEL_HEIGHT;
    for (size_t line = 0; line < height; line++) {
        spaces(d, d->row_label_width + 1);
        for (int64_t j = first; j < end; j++) draw_column_letter(d, d->columns[j], line, height);
        fputc('\n', d->out);
    }
}

/* Columns first .. end - 1 of all rows. */
static void draw_band(const drawing *d, int64_t first, int64_t end)
{
    draw_column_labels(d, first, end);
    for (int64_t i = 0; i < d->map->rows; i++) {
        draw_row_label(d, d->rows[i], d->row_label_width);
        fputc(' ', d->out);
        for (int64_t j = first; j < end; j++)
            draw_cell(d, heat_map_level(d->map, d->map->values[i * d->map->columns + j]));
        end_colours(d);
        fputc('\n', d->out);
    }
}

static void draw_scale(const drawing *d)
{
    spaces(d, d->row_label_width + 1);
    if (d->colours == ATTN_SEQ_COLOURS_NONE) {
        fprintf(d->out, "percent of the way from %g to %g\n", (double)d->map->low, (double)d->map->high);
        return;
    }
    fprintf(d->out, "%g ", (double)d->map->low);
    for (int i = 0; i < 10; i++) draw_cell(d, i / 9.0);
    end_colours(d);
    fprintf(d->out, " %g\n", (double)d->map->high);
}

static void draw_axes(const drawing *d)
{
    char *row = label_clean(d->map->row_axis, HEAT_MAP_LABEL_LENGTH);
    char *column = label_clean(d->map->column_axis, HEAT_MAP_LABEL_LENGTH);
    if (row && column && (*row || *column)) fprintf(d->out, "rows: %s, columns: %s\n", row, column);
    free(row);
    free(column);
}

static void draw_all(drawing *d, size_t width)
{
    for (int64_t i = 0; i < d->map->rows; i++) {
        size_t w = label_width(d->rows[i]);
        if (w > d->row_label_width) d->row_label_width = w;
    }
    if (d->row_label_width > width / 3) d->row_label_width = width / 3;
    char *title = label_clean(d->map->title, HEAT_MAP_TITLE_LENGTH);
    if (title && *title) fprintf(d->out, "%s\n", title);
    free(title);
    draw_axes(d);
    int64_t band = (int64_t)((width - d->row_label_width - 1) / d->cell_width);
    for (int64_t first = 0; first < d->map->columns; first += band) {
        int64_t end = d->map->columns - first < band ? d->map->columns : first + band;
        if (first) fputc('\n', d->out);
        draw_band(d, first, end);
    }
    draw_scale(d);
}

static attn_status draw(drawing *d, size_t width, char **text)
{
    char *bytes = NULL;
    size_t size = 0;
    d->rows = heat_map_labels(d->map->row_labels, d->map->rows);
    d->columns = heat_map_labels(d->map->column_labels, d->map->columns);
    d->out = open_memstream(&bytes, &size);
    bool whole = d->rows && d->columns && d->out;
    if (whole) draw_all(d, width);
    if (d->out) {
        whole &= !ferror(d->out);
        whole &= fclose(d->out) == 0;
    }
    heat_map_labels_free(d->rows, d->map->rows);
    heat_map_labels_free(d->columns, d->map->columns);
    if (!whole) {
        free(bytes);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for a drawing of %lld rows and %lld columns",
                           (long long)d->map->rows, (long long)d->map->columns);
    }
    *text = bytes;
    return ATTN_OK;
}

attn_status attn_seq_heat_map_draw(const attn_seq_heat_map *map, attn_seq_colours colours, int64_t width, char **text)
{
    if (!text) return status_fail(ATTN_ERROR_ARGUMENT, "text is NULL");
    *text = NULL;
    attn_status status = heat_map_check(map);
    if (status != ATTN_OK) return status;
    if (width < 20 || width > 10000)
        return status_fail(ATTN_ERROR_ARGUMENT, "the terminal's width is %lld, expected 20 to 10000", (long long)width);
    drawing d = {.map = map, .colours = colours, .cell_width = colours == ATTN_SEQ_COLOURS_NONE ? 4 : 2};
    colour_scale_fill(&d.scale);
    return draw(&d, (size_t)width, text);
}
