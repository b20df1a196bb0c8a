#include "input/augment_image.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

#define MOST_SHIFT 0.1
#define MOST_TURN (15 * M_PI / 180)
#define MOST_SCALE 0.15
#define MOST_SLANT 0.15
#define BEND 0.03 /* deviation of the control points, in sizes */

enum { GRID = 5 }; /* control points on a side */

/* Where a pixel of the new image is read from: an affine map about the centre, and displacements that are linear
 * between control points; all in pixels. */
typedef struct warp {
    double xx, xy, yx, yy, x0, y0;
    double bend_x[GRID][GRID], bend_y[GRID][GRID];
} warp;

/* Uniform in (-1, 1). */
static double either_way(uint32_t word)
{
    return 2 * (double)random_unit(word) - 1;
}

/* About normal, deviation 1: the sum of three uniform ones. */
static double about_normal(const random_block *r)
{
    return either_way(r->word[0]) + either_way(r->word[1]) + either_way(r->word[2]);
}

static warp draw(int64_t width, int64_t height, double strength, uint64_t key)
{
    const random_block a = random_philox(key, 0, 0), b = random_philox(key, 1, 0);
    const double turn = MOST_TURN * strength * either_way(a.word[0]),
                 slant = MOST_SLANT * strength * either_way(a.word[1]);
    const double scale_x = exp(MOST_SCALE * strength * either_way(a.word[2]));
    const double scale_y = exp(MOST_SCALE * strength * either_way(a.word[3]));
    warp w = {
        .xx = scale_x * cos(turn),
        .xy = scale_x * (slant * cos(turn) - sin(turn)),
        .yx = scale_y * sin(turn),
        .yy = scale_y * (slant * sin(turn) + cos(turn)),
        .x0 = MOST_SHIFT * strength * (double)width * either_way(b.word[0]),
        .y0 = MOST_SHIFT * strength * (double)height * either_way(b.word[1]),
    };
    for (int i = 0; i < GRID * GRID; i++) {
        const random_block x = random_philox(key, (uint64_t)i, 1), y = random_philox(key, (uint64_t)i, 2);
        w.bend_x[i / GRID][i % GRID] = BEND * strength * (double)width * about_normal(&x);
        w.bend_y[i / GRID][i % GRID] = BEND * strength * (double)height * about_normal(&y);
    }
    return w;
}

/* The displacement at a place between 0 and 1 in both directions. */
static double bend_at(const double bend[GRID][GRID], double x, double y)
{
    const double gx = x * (GRID - 1), gy = y * (GRID - 1);
    const int i = gx < GRID - 2 ? (int)gx : GRID - 2, j = gy < GRID - 2 ? (int)gy : GRID - 2;
    const double u = gx - i, v = gy - j;
    return (1 - v) * ((1 - u) * bend[j][i] + u * bend[j][i + 1]) +
           v * ((1 - u) * bend[j + 1][i] + u * bend[j + 1][i + 1]);
}

static double within(double value, double most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

static void read_between(const unsigned char *from, unsigned char *to, int64_t width, int64_t height, int64_t channels,
                         double x, double y)
{
    x = within(x, (double)(width - 1));
    y = within(y, (double)(height - 1));
    const int64_t i = (int64_t)x, j = (int64_t)y;
    const int64_t right = i + 1 < width ? channels : 0, below = j + 1 < height ? width * channels : 0;
    const double u = x - (double)i, v = y - (double)j;
    const unsigned char *p = from + (j * width + i) * channels;
    for (int64_t c = 0; c < channels; c++, p++) {
        double value = (1 - v) * ((1 - u) * p[0] + u * p[right]) + v * ((1 - u) * p[below] + u * p[below + right]);
        to[c] = (unsigned char)(value + 0.5);
    }
}

void augment_image(const unsigned char *from, unsigned char *to, int64_t width, int64_t height, int64_t channels,
                   double strength, uint64_t key)
{
    if (strength <= 0) {
        memcpy(to, from, (size_t)(width * height * channels));
        return;
    }
    const warp w = draw(width, height, strength, key);
    const double middle_x = 0.5 * (double)(width - 1), middle_y = 0.5 * (double)(height - 1);
    for (int64_t j = 0; j < height; j++) {
        for (int64_t i = 0; i < width; i++, to += channels) {
            const double dx = (double)i - middle_x, dy = (double)j - middle_y;
            const double part_x = ((double)i + 0.5) / (double)width, part_y = ((double)j + 0.5) / (double)height;
            const double x = middle_x + w.xx * dx + w.xy * dy + w.x0 + bend_at(w.bend_x, part_x, part_y);
            const double y = middle_y + w.yx * dx + w.yy * dy + w.y0 + bend_at(w.bend_y, part_x, part_y);
            read_between(from, to, width, height, channels, x, y);
        }
    }
}
