#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"

#include <cairo.h>
#include <unistd.h>

#define PATH "view_patches.png.tmp"

static const uint8_t pixels[6 * 4] = {0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255};
static const float paid[2] = {0, 1};

/* A dark row, a white one, two dark; two patches of 4 x 4 pixels that share two columns. */
static const attn_seq_patches patches = {{6, 4, 1, pixels}, 1, 1, 2, 4, 4, 2, 1, false};

static unsigned pixel_at(cairo_surface_t *s, int x, int y)
{
    const unsigned char *row = cairo_image_surface_get_data(s) + y * cairo_image_surface_get_stride(s);
    return ((const unsigned *)(const void *)row)[x] & 0xFFFFFF;
}

static unsigned darkest_below(cairo_surface_t *s, int top)
{
    unsigned darkest = 255;
    for (int y = top; y < cairo_image_surface_get_height(s); y++)
        for (int x = 0; x < cairo_image_surface_get_width(s); x++)
            if ((pixel_at(s, x, y) & 255) < darkest) darkest = pixel_at(s, x, y) & 255;
    return darkest;
}

/* The left pane is the picture, upside down where it is to be shown so; the right one has the colour of the weights. */
static void lays_weights_over_the_picture(void **state)
{
    (void)state;
    enum { SCALE = 448 / 6, LEFT = 20, TOP = 54, RIGHT = LEFT + 6 * SCALE + 16, MIDDLE = SCALE / 2 };
    for (int upward = 0; upward < 2; upward++) {
        attn_seq_patches p = patches;
        p.upward = upward == 1;
        assert_int_equal(attn_seq_patches_write_png(&p, paid, "title", PATH), ATTN_OK);
        cairo_surface_t *s = cairo_image_surface_create_from_png(PATH);
        assert_int_equal(cairo_surface_status(s), CAIRO_STATUS_SUCCESS);
        int white = upward ? 2 : 1, dark = upward ? 1 : 2;
        assert_int_equal(pixel_at(s, LEFT + MIDDLE, TOP + white * SCALE + MIDDLE), 0xFFFFFF);
        assert_int_equal(pixel_at(s, LEFT + MIDDLE, TOP + dark * SCALE + MIDDLE), 0);
        unsigned none = pixel_at(s, RIGHT + MIDDLE, TOP + MIDDLE), half = pixel_at(s, RIGHT + 3 * SCALE, TOP + MIDDLE),
                 all = pixel_at(s, RIGHT + 5 * SCALE + MIDDLE, TOP + MIDDLE);
        assert_true((none >> 8 & 255) < (half >> 8 & 255)); /* green rises with the weight */
        assert_true((half >> 8 & 255) < (all >> 8 & 255));
        assert_int_equal(darkest_below(s, TOP + 4 * SCALE) < 128, upward); /* words about a spectrogram alone */
        cairo_surface_destroy(s);
        unlink(PATH);
    }
}

static void refuses_patches_outside(void **state)
{
    (void)state;
    attn_seq_patches bad = patches;
    bad.columns = 3;
    assert_int_equal(attn_seq_patches_write_png(&bad, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    bad = patches;
    bad.rows = INT64_MAX;
    assert_int_equal(attn_seq_patches_write_png(&bad, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    bad = patches;
    bad.step_x = 0;
    assert_int_equal(attn_seq_patches_write_png(&bad, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    bad = patches;
    bad.picture.channels = 2;
    assert_int_equal(attn_seq_patches_write_png(&bad, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    bad = patches;
    bad.picture.height = INT64_MAX;
    assert_int_equal(attn_seq_patches_write_png(&bad, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_patches_write_png(NULL, paid, NULL, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_patches_write_png(&patches, NULL, NULL, PATH), ATTN_ERROR_ARGUMENT);
    assert_int_not_equal(access(PATH, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_weights_over_the_picture),
        cmocka_unit_test(refuses_patches_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
