/* preprocessor_config.json of sounds. */
#include "formats/config.h"
#include "formats/json_file.h"
#include "input/spectrogram.h"

#include <jansson.h>

void spectrogram_preparation_init(spectrogram_preparation *p)
{
    *p = (spectrogram_preparation){
        .rate = 16000, .bins = 128, .frames = 1024, .normalize = true, .mean = -4.2677393, .deviation = 4.5689974};
}

attn_status spectrogram_preparation_read(spectrogram_preparation *p, const char *path)
{
    spectrogram_preparation_init(p);
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    p->rate = config_integer_or(f, "sampling_rate", SPECTROGRAM_LEAST_RATE, SOUND_MOST_RATE, p->rate);
    p->bins = config_integer_or(f, "num_mel_bins", 1, SPECTROGRAM_MOST_BINS, p->bins);
    p->frames = config_integer_or(f, "max_length", 1, SPECTROGRAM_MOST_FRAMES, p->frames);
    p->normalize = config_bool_or(f, "do_normalize", true);
    p->mean = config_number_or(f, "mean", -1e6, 1e6, p->mean);
    p->deviation = config_number_or(f, "std", 1e-6, 1e6, p->deviation);
    config_integer_or(f, "feature_size", 1, 1, 1);
    status = config_status(f);
    config_destroy(f);
    return status;
}

attn_status spectrogram_preparation_write(const spectrogram_preparation *p, const char *path)
{
    return json_file_save(json_pack("{s:s, s:i, s:I, s:I, s:I, s:b, s:f, s:f, s:f, s:s, s:b}", "feature_extractor_type",
                                    "ASTFeatureExtractor", "feature_size", 1, "sampling_rate", (json_int_t)p->rate,
                                    "num_mel_bins", (json_int_t)p->bins, "max_length", (json_int_t)p->frames,
                                    "do_normalize", p->normalize, "mean", p->mean, "std", p->deviation, "padding_value",
                                    0.0, "padding_side", "right", "return_attention_mask", 0),
                          path);
}
