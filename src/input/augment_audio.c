#include "input/augment_audio.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

#define MOST_SPEED 0.15
#define MOST_DELAY 0.1
#define MOST_CUT 0.05
#define MOST_LEVEL (10 * M_LN10 / 20)
#define LEAST_NOISE (-50 * M_LN10 / 20)
#define NOISE_RANGE (30 * M_LN10 / 20)
#define MOST_HIDDEN 0.2
#define STRONGEST 4.0

int64_t augment_audio_most(int64_t count)
{
    return (int64_t)((double)count * exp(MOST_SPEED * STRONGEST) * (1 + MOST_DELAY * STRONGEST)) + 2;
}

static double either_way(uint32_t word)
{
    return 2 * (double)random_unit(word) - 1;
}

static double loudness(const float *samples, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)samples[i] * samples[i];
    return count > 0 ? sqrt(sum / (double)count) : 0;
}

/* Uniform noise of this deviation: four numbers a block. */
static void add_noise(float *samples, int64_t count, double deviation, uint64_t key)
{
    const double most = deviation * sqrt(3);
    for (int64_t i = 0; i < count; i += 4) {
        const random_block r = random_philox(key, (uint64_t)i, 3);
        for (int64_t j = 0; j < 4 && i + j < count; j++) samples[i + j] += (float)(most * either_way(r.word[j]));
    }
}

int64_t augment_audio(const float *from, int64_t count, float *to, double strength, uint64_t key)
{
    if (strength > STRONGEST) strength = STRONGEST;
    if (strength <= 0 || count == 0) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return count;
    }
    const random_block a = random_philox(key, 0, 0), b = random_philox(key, 1, 0);
    const double speed = exp(MOST_SPEED * strength * either_way(a.word[0]));
    const double level = exp(MOST_LEVEL * fmin(strength, 1) * either_way(a.word[1]));
    const double shift = either_way(a.word[2]) * strength * (double)count;
    const int64_t delay = shift > 0 ? (int64_t)(MOST_DELAY * shift) : 0;
    const double cut = shift < 0 ? -MOST_CUT * shift : 0;
    int64_t made = 0;
    for (; made < delay; made++) to[made] = 0;
    for (double at = cut; at < (double)(count - 1); at += speed) {
        const int64_t i = (int64_t)at;
        const double u = at - (double)i;
        to[made++] = (float)(level * ((1 - u) * from[i] + u * from[i + 1]));
    }
    if (b.word[1] & 1) return made; /* silence between sounds, too, is something to know */
    const double noise = exp(LEAST_NOISE + NOISE_RANGE * (double)random_unit(b.word[0]) * fmin(strength, 1));
    add_noise(to, made, noise * level * loudness(from, count), key);
    return made;
}

/* A run of at most `most` of `count` places: its beginning; its length to *length. */
static int64_t draw_run(int64_t count, double most, const uint32_t *words, int64_t *length)
{
    *length = (int64_t)(fmin(most, 0.8) * (double)count * (double)random_unit(words[0]) + 0.5);
    return (int64_t)((double)(count - *length + 1) * (double)random_unit(words[1]));
}

void augment_spectrogram(float *values, int64_t sounding, int64_t bins, float hidden, double strength, uint64_t key)
{
    if (strength <= 0) return;
    const random_block r = random_philox(key, 0, 4);
    int64_t frames, rows;
    const int64_t frame = draw_run(sounding, MOST_HIDDEN * strength, r.word, &frames);
    const int64_t row = draw_run(bins, MOST_HIDDEN * strength, r.word + 2, &rows);
    for (int64_t i = frame * bins; i < (frame + frames) * bins; i++) values[i] = hidden;
    for (int64_t t = 0; t < sounding; t++) {
        for (int64_t i = 0; i < rows; i++) values[t * bins + row + i] = hidden;
    }
}
