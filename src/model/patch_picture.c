#include "model/patch_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t byte_of(double x)
{
    return (uint8_t)(x >= 255 ? 255 : x > 0 ? lround(x) : 0); /* NaN gives 0 */
}

/* Normalizing and rescaling undone: (channels, height, width) to (height, width, channels). */
static void restore_image(uint8_t *pixels, const image_preparation *p, const float *values)
{
    int64_t area = p->width * p->height;
    for (int64_t i = 0; i < area; i++)
        for (int64_t c = 0; c < p->channels; c++) {
            double x = values[c * area + i];
            if (p->normalize) x = x * p->deviation[c] + p->mean[c];
            if (p->rescale) x /= p->factor;
            pixels[i * p->channels + c] = byte_of(x);
        }
}

/* The loudest white, the softest black: (frames, bins) to (bins, frames). */
static void draw_spectrogram(uint8_t *pixels, const spectrogram_preparation *p, const float *values)
{
    float low = values[0], high = values[0];
    for (int64_t i = 1; i < p->frames * p->bins; i++) {
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    double scale = high > low ? 255 / ((double)high - low) : 0;
    for (int64_t f = 0; f < p->frames; f++)
        for (int64_t b = 0; b < p->bins; b++)
            pixels[b * p->frames + f] = byte_of((values[f * p->bins + b] - low) * scale);
}

/* Where the edge of a mel filter lies: as many filters as bins are spaced evenly from 20 Hz to half the rate, each as
 * wide as two steps. */
static double edge_frequency(const spectrogram_preparation *p, int64_t edge)
{
    double low = log1p(20.0 / 700), high = log1p((double)p->rate / 2 / 700);
    return 700 * expm1(low + (high - low) * (double)edge / (double)(p->bins + 1));
}

static void label_sound(char *label, size_t size, const attn_seq_model *m, int64_t row, int64_t column)
{
    const classifier_config *c = &m->classifier->config;
    double second = (double)SPECTROGRAM_HOP / (double)m->sound.rate; /* of a frame */
    int64_t frame = column * c->column_stride, bin = row * c->row_stride;
    snprintf(label, size, "%.2f-%.2f s, %.0f-%.0f Hz", (double)frame * second,
             (double)(frame + c->patch_columns) * second, edge_frequency(&m->sound, bin),
             edge_frequency(&m->sound, bin + c->patch_rows + 1));
}

static void label_all(patch_picture *p, const attn_seq_model *m)
{
    static const char *const classes[] = {"[CLS]", "[DIST]"};
    const attn_seq_patches *g = &p->patches;
    for (int64_t i = 0; i < g->leading; i++) snprintf(p->labels[i], sizeof *p->labels, "%s", classes[i]);
    for (int64_t i = 0; i < g->rows * g->columns; i++) {
        char *label = p->labels[g->leading + i];
        int64_t row = i / g->columns, column = i % g->columns;
        if (m->spectrogram)
            label_sound(label, sizeof *p->labels, m, row, column);
        else
            snprintf(label, sizeof *p->labels, "row %lld, column %lld", (long long)row + 1, (long long)column + 1);
    }
}

static attn_seq_patches place(const attn_seq_model *m, const uint8_t *pixels)
{
    const classifier_config *c = &m->classifier->config;
    const patch_grid g = classifier_patch_grid(c);
    return (attn_seq_patches){.picture = {c->columns, c->rows, c->channels, pixels},
                              .leading = g.classes,
                              .rows = g.rows,
                              .columns = g.columns,
                              .width = c->patch_columns,
                              .height = c->patch_rows,
                              .step_x = c->column_stride,
                              .step_y = c->row_stride,
                              .upward = m->spectrogram != NULL};
}

patch_picture *patch_picture_create(const attn_seq_model *model, const float *values)
{
    const classifier_config *c = &model->classifier->config;
    const patch_grid g = classifier_patch_grid(c);
    patch_picture *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->pixels = malloc((size_t)(c->channels * c->rows * c->columns));
    p->labels = calloc((size_t)(g.classes + g.rows * g.columns), sizeof *p->labels);
    if (!p->pixels || !p->labels) {
        patch_picture_free(p);
        return NULL;
    }
    if (model->spectrogram)
        draw_spectrogram(p->pixels, &model->sound, values);
    else
        restore_image(p->pixels, &model->image, values);
    p->patches = place(model, p->pixels);
    label_all(p, model);
    return p;
}

void patch_picture_free(patch_picture *p)
{
    if (!p) return;
    free(p->pixels);
    free(p->labels);
    free(p);
}
