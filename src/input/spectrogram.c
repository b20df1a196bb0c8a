#include "input/spectrogram.h"

#include "base/plural.h"
#include "base/status.h"

#include <kiss_fftr.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 512 /* of the Fourier transform: the window and zeros */
#define COEFFICIENTS (POINTS / 2 + 1)
#define LOWEST_HERTZ 20.0
#define PRE_EMPHASIS 0.97
#define FLOOR 1.192092955078125e-07 /* of a filter's energy, FLT_EPSILON as the extractor rounds it */
#define PI 3.14159265358979323846

/* A filter's coefficients, first to first + count - 1, and where their weights begin. */
typedef struct mel_filter {
    int first, count, weights;
} mel_filter;

struct spectrogram {
    spectrogram_preparation preparation;
    double window[SPECTROGRAM_WINDOW];
    mel_filter *filters;
    double *weights;
};

static double mel_of_hertz(double hertz)
{
    return 1127.0 * log(1.0 + hertz / 700.0);
}

/* A triangle over (left, center, right), all in mel, at each coefficient; weights may be NULL to count them. A narrow
 * filter between two coefficients has none. */
static mel_filter fill_filter(const spectrogram_preparation *p, int64_t bin, double *weights)
{
    const double low = mel_of_hertz(LOWEST_HERTZ), high = mel_of_hertz((double)(p->rate / 2));
    const double step = (high - low) / (double)(p->bins + 1), left = low + (double)bin * step;
    const double center = low + (double)(bin + 1) * step, right = low + (double)(bin + 2) * step;
    mel_filter f = {0};
    for (int k = 0; k < COEFFICIENTS; k++) {
        const double mel = mel_of_hertz((double)p->rate / POINTS * k);
        const double rise = (mel - left) / (center - left), fall = (right - mel) / (right - center);
        const double weight = rise < fall ? rise : fall;
        if (weight <= 0) continue;
        if (f.count == 0) f.first = k;
        if (weights) weights[f.count] = weight;
        f.count++;
    }
    return f;
}

static bool fill_filters(spectrogram *s)
{
    const int64_t bins = s->preparation.bins;
    int total = 0;
    s->filters = calloc((size_t)bins, sizeof *s->filters);
    for (int64_t b = 0; s->filters && b < bins; b++) {
        s->filters[b] = fill_filter(&s->preparation, b, NULL);
        s->filters[b].weights = total;
        total += s->filters[b].count;
    }
    s->weights = s->filters ? calloc((size_t)total + 1, sizeof *s->weights) : NULL;
    for (int64_t b = 0; s->weights && b < bins; b++)
        fill_filter(&s->preparation, b, s->weights + s->filters[b].weights);
    return s->weights != NULL;
}

attn_status spectrogram_create(spectrogram **out, const spectrogram_preparation *p)
{
    *out = NULL;
    if (p->rate < SPECTROGRAM_LEAST_RATE || p->rate > SOUND_MOST_RATE || p->bins < 1 ||
        p->bins > SPECTROGRAM_MOST_BINS || p->frames < 1 || p->frames > SPECTROGRAM_MOST_FRAMES)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "a spectrogram at rate %lld of %lld bins and %lld frames, expected a rate of %d to %d, 1 to "
                           "%d bins and 1 to %d frames",
                           (long long)p->rate, (long long)p->bins, (long long)p->frames, SPECTROGRAM_LEAST_RATE,
                           SOUND_MOST_RATE, SPECTROGRAM_MOST_BINS, SPECTROGRAM_MOST_FRAMES);
    spectrogram *s = calloc(1, sizeof *s);
    if (s) s->preparation = *p;
    if (!s || !fill_filters(s)) {
        spectrogram_destroy(s);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for a spectrogram's filters");
    }
    for (int i = 0; i < SPECTROGRAM_WINDOW; i++) s->window[i] = 0.5 - 0.5 * cos(2 * PI * i / (SPECTROGRAM_WINDOW - 1));
    *out = s;
    return ATTN_OK;
}

void spectrogram_destroy(spectrogram *s)
{
    if (!s) return;
    free(s->filters);
    free(s->weights);
    free(s);
}

int64_t spectrogram_frames(int64_t count)
{
    return count < SPECTROGRAM_WINDOW ? 0 : 1 + (count - SPECTROGRAM_WINDOW) / SPECTROGRAM_HOP;
}

/* One window without its mean, pre-emphasized, weighted: `points` beyond it stay 0. */
static void condition(const spectrogram *s, const float *samples, float *points)
{
    double mean = 0, before = 0;
    for (int i = 0; i < SPECTROGRAM_WINDOW; i++) mean += samples[i];
    mean /= SPECTROGRAM_WINDOW;
    for (int i = 0; i < SPECTROGRAM_WINDOW; i++) {
        const double x = samples[i] - mean;
        points[i] = (float)((x - PRE_EMPHASIS * (i ? before : x)) * s->window[i]);
        before = x;
    }
}

/* One frame's bins. */
static void measure(const spectrogram *s, const kiss_fft_cpx *coefficients, float *bins)
{
    double power[COEFFICIENTS];
    for (int k = 0; k < COEFFICIENTS; k++) {
        const double r = coefficients[k].r, i = coefficients[k].i;
        power[k] = r * r + i * i;
    }
    for (int64_t b = 0; b < s->preparation.bins; b++) {
        const mel_filter *f = &s->filters[b];
        double energy = 0;
        for (int k = 0; k < f->count; k++) energy += s->weights[f->weights + k] * power[f->first + k];
        bins[b] = (float)log(energy > FLOOR ? energy : FLOOR);
    }
}

static void normalize(const spectrogram_preparation *p, float *out)
{
    const float mean = (float)p->mean, twice = (float)(2 * p->deviation);
    for (int64_t i = 0; p->normalize && i < p->frames * p->bins; i++) out[i] = (out[i] - mean) / twice;
}

/* The sound has the preparation's rate. */
static attn_status compute_frames(const spectrogram *s, const char *name, const sound *from, float *out)
{
    const spectrogram_preparation *p = &s->preparation;
    int64_t frames = spectrogram_frames(from->count);
    if (frames == 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %lld sample%s at rate %lld, expected at least %d", name,
                           (long long)from->count, plural(from->count), (long long)p->rate, SPECTROGRAM_WINDOW);
    if (frames > p->frames) frames = p->frames;
    kiss_fftr_cfg transform = kiss_fftr_alloc(POINTS, 0, NULL, NULL);
    if (!transform) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for its spectrogram", name);
    memset(out, 0, (size_t)(p->frames * p->bins) * sizeof *out);
    float points[POINTS] = {0};
    for (int64_t i = 0; i < frames; i++) {
        kiss_fft_cpx coefficients[COEFFICIENTS];
        condition(s, from->samples + i * SPECTROGRAM_HOP, points);
        kiss_fftr(transform, points, coefficients);
        measure(s, coefficients, out + i * p->bins);
    }
    kiss_fftr_free(transform);
    normalize(p, out);
    return ATTN_OK;
}

attn_status spectrogram_compute(const spectrogram *s, const char *name, const sound *from, float *out)
{
    if (from->rate == s->preparation.rate) return compute_frames(s, name, from, out);
    sound resampled;
    attn_status status = sound_resample(&resampled, name, from, s->preparation.rate);
    if (status != ATTN_OK) return status;
    status = compute_frames(s, name, &resampled, out);
    sound_clear(&resampled);
    return status;
}
