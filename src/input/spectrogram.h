/* Sound as a model takes it: the log mel spectrogram that transformers' ASTFeatureExtractor computes in NumPy. Windows
 * of 400 samples (Hann), one every 160, whatever the rate; of each: mean subtracted, pre-emphasis of 0.97, power of 512
 * Fourier coefficients, triangular filters spaced evenly in mel from 20 Hz to half the rate, logarithm.
 *
 * At 16,000 samples a second, the extractor's default, torchaudio (which transformers prefers where it is installed)
 * computes the same; at other rates it takes windows of 25 ms instead. */
#ifndef INPUT_SPECTROGRAM_H
#define INPUT_SPECTROGRAM_H

#include "formats/wav.h"

#define SPECTROGRAM_MOST_BINS 1024
#define SPECTROGRAM_MOST_FRAMES 65536
#define SPECTROGRAM_LEAST_RATE 100
#define SPECTROGRAM_WINDOW 400
#define SPECTROGRAM_HOP 160

typedef struct spectrogram_preparation {
    int64_t rate;   /* samples a second; a sound of another rate is resampled */
    int64_t bins;   /* mel filters */
    int64_t frames; /* of the result: a longer sound is cut, a shorter one padded with 0 before normalizing */
    bool normalize;
    double mean, deviation; /* normalized: (x - mean) / (2 deviation) */
} spectrogram_preparation;

/* ASTFeatureExtractor's defaults: 16,000 samples a second, 128 bins, 1024 frames, AudioSet's mean and deviation. */
void spectrogram_preparation_init(spectrogram_preparation *p);

/* preprocessor_config.json. */
attn_status spectrogram_preparation_read(spectrogram_preparation *p, const char *path);
attn_status spectrogram_preparation_write(const spectrogram_preparation *p, const char *path);

/* The filters and the window of a preparation; constant once made, and so shared by threads. */
typedef struct spectrogram spectrogram;

attn_status spectrogram_create(spectrogram **out, const spectrogram_preparation *p);
void spectrogram_destroy(spectrogram *s); /* NULL is ignored */

/* The frames that a sound of `count` samples at the preparation's rate has: 0 below one window. */
int64_t spectrogram_frames(int64_t count);

/* out (frames, bins). A sound that has not one window is refused. `name` stands for the sound in messages. */
attn_status spectrogram_compute(const spectrogram *s, const char *name, const sound *from, float *out);

/* The sound at another rate: `rate` samples for each from->rate, through a windowed sinc filter that keeps what is
 * below 0.95 of the lower rate's half. On failure *out is all zero. */
attn_status sound_resample(sound *out, const char *name, const sound *from, int64_t rate);

#endif
