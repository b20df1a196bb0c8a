/* Recordings as they might have been: faster or slower, sooner or later, louder or softer, noisier; and spectrograms
 * with parts hidden. */
#ifndef INPUT_AUGMENT_AUDIO_H
#define INPUT_AUGMENT_AUDIO_H

#include <stdint.h>

/* The most samples that augment_audio makes of `count`. */
int64_t augment_audio_most(int64_t count);

/* Writes to `to`, which has room for augment_audio_most(count), and returns how many. Strength 1 changes speed (and
 * with it pitch) by up to 15 %, begins with up to a tenth of silence or without up to a twentieth of the recording,
 * changes the level by up to 10 dB, and to every other recording adds white noise 20 to 50 dB below it; 0 copies. A
 * pure function of its arguments. */
int64_t augment_audio(const float *from, int64_t count, float *to, double strength, uint64_t key);

/* Hides one run of frames and one of bins of values (frames, bins) behind `hidden`: each up to a fifth of `sounding`
 * frames or of the bins at strength 1 (Park et al. 2019, SpecAugment, without its warping). */
void augment_spectrogram(float *values, int64_t sounding, int64_t bins, float hidden, double strength, uint64_t key);

#endif
