#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "view/colour_scale.h"
#include "view/label.h"

#include "attn/seq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float values[6] = {0, 0.256f, 1, 2, -1, NAN};

static attn_seq_heat_map small_map(void)
{
    static const char *const rows[] = {"ab", "\xE6\xB3\xA8\xE6\x84\x8F"};
    static const char *const columns[] = {"x", "\xE6\xB3\xA8", "yz"};
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    map.rows = 2;
    map.columns = 3;
    map.values = values;
    map.row_labels = rows;
    map.column_labels = columns;
    return map;
}

static char *drawn(const attn_seq_heat_map *map, attn_seq_colours colours, int64_t width)
{
    char *text;
    if (attn_seq_heat_map_draw(map, colours, width, &text) != ATTN_OK) fail_msg("%s", status_message());
    return text;
}

static void tells_percentages_without_colours(void **state)
{
    (void)state;
    attn_seq_heat_map map = small_map();
    map.title = "a\033title";
    char *text = drawn(&map, ATTN_SEQ_COLOURS_NONE, 80);
    assert_string_equal(text, "a title\n"
                              "                y\n"
                              "        x  \xE6\xB3\xA8   z\n"
                              "  ab    .  26 100\n"
                              "\xE6\xB3\xA8\xE6\x84\x8F  100   .   ?\n"
                              "     percent of the way from 0 to 1\n");
    attn_seq_free(text);
}

static void colours_are_those_of_the_scale(void **state)
{
    (void)state;
    attn_seq_heat_map map = small_map();
    colour_scale scale;
    colour_scale_fill(&scale);
    colour_rgb c = colour_scale_at(&scale, 0.256f);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\033[48;2;%d;%d;%dm  ", c.red, c.green, c.blue);
    char *text = drawn(&map, ATTN_SEQ_COLOURS_TRUE, 80);
    assert_non_null(strstr(text, wanted));
    attn_seq_free(text);
    text = drawn(&map, ATTN_SEQ_COLOURS_256, 80);
    assert_non_null(strstr(text, "\033[48;5;17m  ")); /* the dark end */
    assert_null(strstr(text, "48;2"));
    attn_seq_free(text);
}

static void lines_fit_the_width(void **state)
{
    (void)state;
    float *zeros = calloc(300, sizeof *zeros);
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    map.rows = 3;
    map.columns = 100;
    map.values = zeros;
    for (int64_t width = 20; width < 100; width += 7) {
        char *text = drawn(&map, ATTN_SEQ_COLOURS_NONE, width), *rest = text;
        int rows = 0;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            if (!strstr(line, "percent")) assert_in_range(label_width(line), 0, width);
            rows += strstr(line, "2    .") != NULL;
        }
        assert_true(rows >= 100 * 4 / width); /* so many bands */
        attn_seq_free(text);
    }
    free(zeros);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    attn_seq_heat_map map = small_map();
    char *text = (char *)1;
    assert_int_equal(attn_seq_heat_map_draw(&map, ATTN_SEQ_COLOURS_NONE, 19, &text), ATTN_ERROR_ARGUMENT);
    assert_null(text);
    assert_int_equal(attn_seq_heat_map_draw(&map, ATTN_SEQ_COLOURS_NONE, 10001, &text), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_heat_map_draw(&map, ATTN_SEQ_COLOURS_NONE, 80, NULL), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_heat_map_draw(NULL, ATTN_SEQ_COLOURS_NONE, 80, &text), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_percentages_without_colours),
        cmocka_unit_test(colours_are_those_of_the_scale),
        cmocka_unit_test(lines_fit_the_width),
        cmocka_unit_test(refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
