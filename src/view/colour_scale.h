/* A perceptually uniform colour scale: dark violet for the low end through blue and green to bright yellow for the high
 * one.
 *
 * It is a path through OKLab (Ottosson, "A perceptual color space for image processing", 2020) whose lightness rises
 * linearly, so that equal steps look equal, also printed in grey and to colour-blind eyes. */
#ifndef VIEW_COLOUR_SCALE_H
#define VIEW_COLOUR_SCALE_H

#define COLOUR_SCALE_STEPS 256

typedef struct colour_rgb {
    unsigned char red, green, blue;
} colour_rgb;

typedef struct colour_scale {
    colour_rgb step[COLOUR_SCALE_STEPS];
    colour_rgb undefined; /* NaN */
} colour_scale;

void colour_scale_fill(colour_scale *scale);

/* The colour of a level, 0 to 1 and clamped to that; NaN gives `undefined`. */
colour_rgb colour_scale_at(const colour_scale *scale, double level);

#endif
