/* Sound from WAV files through libsndfile: any sample format, rate and number of channels, mixed to one. Nothing in a
 * file is trusted. */
#ifndef FORMATS_WAV_H
#define FORMATS_WAV_H

#include "attn/attn.h"

/* At most so many samples (of one channel), channels, samples a second; so many bytes of a file. */
#define SOUND_MOST_SAMPLES ((int64_t)1 << 27)
#define SOUND_MOST_CHANNELS 256
#define SOUND_MOST_RATE 768000
#define SOUND_MOST_BYTES ((size_t)1 << 30)

typedef struct sound {
    int64_t rate;   /* samples a second */
    int64_t count;  /* of samples; 0 is possible */
    float *samples; /* full scale is -1 to 1; several channels become their mean */
} sound;

/* On failure *out is all zero. `name` stands for the path in messages. */
attn_status wav_parse(sound *out, const char *name, const void *bytes, size_t size);
attn_status wav_read(sound *out, const char *path);

/* Frees and zeroes. */
void sound_clear(sound *s);

#endif
