#include "input/spectrogram.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer sounds are parsed, but not resampled: a fuzzer's time is not for filtering. */
#define MOST_SAMPLES 1024
#define LEAST_RATE 4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static spectrogram *filters;
    enum { FRAMES = 5, BINS = 16 };
    const spectrogram_preparation p = {.rate = 16000, .bins = BINS, .frames = FRAMES, .deviation = 1};
    if (!filters && spectrogram_create(&filters, &p) != ATTN_OK) abort();
    sound s;
    if (wav_parse(&s, "sound", data, size) != ATTN_OK) {
        if (s.samples) abort();
        return 0;
    }
    float values[FRAMES * BINS];
    if (s.count <= MOST_SAMPLES && s.rate >= LEAST_RATE && spectrogram_compute(filters, "sound", &s, values) == ATTN_OK)
        for (int i = 0; i < FRAMES * BINS; i++)
            if (!isfinite(values[i])) abort();
    sound_clear(&s);
    return 0;
}
