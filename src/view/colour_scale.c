#include "view/colour_scale.h"

#include <math.h>

static unsigned char gamma_encoded(double linear)
{
    if (linear <= 0) return 0;
    double x = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055; /* sRGB, IEC 61966-2-1 */
    return x >= 1 ? 255 : (unsigned char)lround(255 * x);
}

/* Ottosson's matrices from OKLab to linear sRGB. */
static colour_rgb rgb_of_oklab(double lightness, double a, double b)
{
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (colour_rgb){gamma_encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                        gamma_encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                        gamma_encoded(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

void colour_scale_fill(colour_scale *scale)
{
    const double degree = 3.14159265358979323846 / 180;
    for (int i = 0; i < COLOUR_SCALE_STEPS; i++) {
        double t = (double)i / (COLOUR_SCALE_STEPS - 1);
        double hue = (300 - 195 * t) * degree; /* violet to yellow */
        /* The most chroma that sRGB can show all along this path: 0.094 in its middle, 0.19 at its end. */
        double chroma = 0.09 + 0.10 * t * t * t * t;
        scale->step[i] = rgb_of_oklab(0.22 + 0.72 * t, chroma * cos(hue), chroma * sin(hue));
    }
    scale->undefined = (colour_rgb){160, 160, 160};
}

colour_rgb colour_scale_at(const colour_scale *scale, double level)
{
    if (isnan(level)) return scale->undefined;
    double t = level < 0 ? 0 : level > 1 ? 1 : level;
    return scale->step[lround(t * (COLOUR_SCALE_STEPS - 1))];
}
