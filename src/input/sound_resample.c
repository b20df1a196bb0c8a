/* Smith and Gossett, "A flexible sampling-rate conversion method" (1984): the filter's impulse response, sinc times a
 * Kaiser window, is tabulated finely once, and interpolated linearly at each input sample's distance. */
#include "base/status.h"
#include "input/spectrogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROSSINGS 32    /* zero crossings of the sinc on each side */
#define STEPS 512       /* table entries between two of them */
#define ROLL_OFF 0.95   /* the filter's edge, as a part of half the lower rate */
#define KAISER_BETA 9.0 /* stop band 90 dB down */
#define PI 3.14159265358979323846

/* Modified Bessel function of the first kind, order 0: its power series. */
static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; term > 1e-12 * sum; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static void fill_table(double *table)
{
    const double middle = bessel_i0(KAISER_BETA);
    for (int i = 0; i <= CROSSINGS * STEPS; i++) {
        const double x = (double)i / STEPS, edge = x / CROSSINGS;
        const double sinc = i ? sin(PI * x * ROLL_OFF) / (PI * x) : ROLL_OFF;
        table[i] = sinc * bessel_i0(KAISER_BETA * sqrt(1 - edge * edge)) / middle;
    }
    table[CROSSINGS * STEPS + 1] = 0;
}

/* The output sample at input position `at`; `squeeze` < 1 lowers the edge where the output has the lower rate. */
static double filtered(const double *table, const sound *from, double at, double squeeze)
{
    const double reach = CROSSINGS / squeeze;
    int64_t first = (int64_t)ceil(at - reach), last = (int64_t)floor(at + reach);
    if (first < 0) first = 0;
    if (last >= from->count) last = from->count - 1;
    double sum = 0;
    for (int64_t i = first; i <= last; i++) {
        const double place = fabs((double)i - at) * squeeze * STEPS;
        const int64_t entry = (int64_t)place;
        if (entry > CROSSINGS * STEPS) continue;
        sum += from->samples[i] * (table[entry] + (place - (double)entry) * (table[entry + 1] - table[entry]));
    }
    return sum * squeeze;
}

/* How long the result is; refused where it would be longer than any sound. */
static attn_status resampled_count(const char *name, const sound *from, int64_t rate, int64_t *count)
{
    if (rate < 1 || rate > SOUND_MOST_RATE || from->rate < 1 || from->rate > SOUND_MOST_RATE)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: resampled from rate %lld to %lld, expected 1 to %d", name,
                           (long long)from->rate, (long long)rate, SOUND_MOST_RATE);
    *count = (from->count * rate + from->rate - 1) / from->rate;
    if (*count <= SOUND_MOST_SAMPLES) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %lld samples at rate %lld, expected at most %lld", name,
                       (long long)*count, (long long)rate, (long long)SOUND_MOST_SAMPLES);
}

attn_status sound_resample(sound *out, const char *name, const sound *from, int64_t rate)
{
    memset(out, 0, sizeof *out);
    int64_t count = 0;
    attn_status status = resampled_count(name, from, rate, &count);
    if (status != ATTN_OK) return status;
    double *table = malloc((CROSSINGS * STEPS + 2) * sizeof *table);
    float *samples = malloc((size_t)(count ? count : 1) * sizeof *samples);
    if (!table || !samples) {
        free(table);
        free(samples);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to resample it", name);
    }
    fill_table(table);
    const double ratio = (double)from->rate / (double)rate, squeeze = ratio > 1 ? 1 / ratio : 1;
    for (int64_t i = 0; i < count; i++)
        samples[i] = ratio == 1 ? from->samples[i] : (float)filtered(table, from, (double)i * ratio, squeeze);
    free(table);
    *out = (sound){rate, count, samples};
    return ATTN_OK;
}
