#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "view/colour_scale.h"
#include "view/heat_map.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "view_heat_map.png.tmp"

static attn_seq_heat_map map_of(int64_t rows, int64_t columns, const float *values)
{
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    map.rows = rows;
    map.columns = columns;
    map.values = values;
    return map;
}

static cairo_surface_t *drawn(const attn_seq_heat_map *map)
{
    if (attn_seq_heat_map_write_png(map, PATH) != ATTN_OK) fail_msg("%s", status_message());
    cairo_surface_t *picture = cairo_image_surface_create_from_png(PATH);
    assert_int_equal(cairo_surface_status(picture), CAIRO_STATUS_SUCCESS);
    unlink(PATH);
    return picture;
}

/* How many pixels have exactly this colour. */
static int64_t count_colour(cairo_surface_t *picture, colour_rgb c)
{
    uint32_t want = (uint32_t)c.red << 16 | (uint32_t)c.green << 8 | c.blue;
    int64_t count = 0;
    for (int y = 0; y < cairo_image_surface_get_height(picture); y++) {
        const uint32_t *row = (const uint32_t *)(cairo_image_surface_get_data(picture) +
                                                 (size_t)y * (size_t)cairo_image_surface_get_stride(picture));
        for (int x = 0; x < cairo_image_surface_get_width(picture); x++) count += (row[x] & 0xffffff) == want;
    }
    return count;
}

static void colours_each_cell_by_its_value(void **state)
{
    (void)state;
    const float values[4] = {0.1f, 0.9f, NAN, 0.1f};
    attn_seq_heat_map map = map_of(2, 2, values);
    colour_scale scale;
    colour_scale_fill(&scale);
    cairo_surface_t *picture = drawn(&map);
    int64_t cell = 39 * 39; /* 40 pixels, one of them the gap */
    assert_in_range(count_colour(picture, colour_scale_at(&scale, 0.1f)), 2 * cell, 2 * cell + 40); /* and the scale */
    assert_in_range(count_colour(picture, colour_scale_at(&scale, 0.9f)), cell, cell + 40);
    assert_in_range(count_colour(picture, scale.undefined), cell, cell + 40);
    cairo_surface_destroy(picture);
}

static void labels_of_any_script_and_none(void **state)
{
    (void)state;
    const char *rows[] = {"\xC3\xA9t\xC3\xA9", "\xE6\xB3\xA8\xE6\x84\x8F", "\xD8\xB3\xD9\x84", "\xFF\033[0m", ""};
    char longest[5000];
    memset(longest, 'w', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    const char *columns[] = {longest, "b"};
    const float values[10] = {0};
    attn_seq_heat_map map = map_of(5, 2, values);
    map.row_labels = rows;
    map.column_labels = columns;
    map.title = longest;
    map.row_axis = longest;
    map.column_axis = "<b>&</b>";
    cairo_surface_t *picture = drawn(&map);
    assert_in_range(cairo_image_surface_get_width(picture), 320, 1000);
    cairo_surface_destroy(picture);
}

static void stays_bounded(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{2000, 2000}, {1, 65536}, {65536, 1}, {3000, 7}, {101, 99}, {1, 1}};
    for (int i = 0; i < 6; i++) {
        float *values = calloc((size_t)(sizes[i][0] * sizes[i][1]), sizeof *values);
        assert_non_null(values);
        attn_seq_heat_map map = map_of(sizes[i][0], sizes[i][1], values);
        cairo_surface_t *picture = drawn(&map);
        assert_in_range(cairo_image_surface_get_width(picture), 300, 2600);
        assert_in_range(cairo_image_surface_get_height(picture), 100, 2600);
        cairo_surface_destroy(picture);
        free(values);
    }
}

static void averages_what_is_too_large(void **state)
{
    (void)state;
    const float values[12] = {0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0};
    attn_seq_heat_map map = map_of(2, 6, values);
    int64_t rows, columns;
    double *levels = heat_map_pool(&map, 3, &rows, &columns);
    assert_int_equal(rows, 2);
    assert_int_equal(columns, 3);
    const double expected[6] = {0.5, 1, 0, 0.5, 0, 0};
    for (int i = 0; i < 6; i++) assert_true(levels[i] == expected[i]);
    free(levels);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    const float values[4] = {0};
    attn_seq_heat_map good = map_of(2, 2, values), bad;
    assert_int_equal(attn_seq_heat_map_write_png(NULL, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_heat_map_write_png(&good, NULL), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.rows = 0;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.columns = INT64_MAX;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.values = NULL;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.high = 0;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.low = NAN;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    bad = good;
    bad.struct_size = 8;
    assert_int_equal(attn_seq_heat_map_write_png(&bad, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_heat_map_write_png(&good, "no/such/directory/x.png"), ATTN_ERROR_FILE);
    assert_int_not_equal(access(PATH, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_each_cell_by_its_value),
        cmocka_unit_test(labels_of_any_script_and_none),
        cmocka_unit_test(stays_bounded),
        cmocka_unit_test(averages_what_is_too_large),
        cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
