#include "model/generation.h"

#include "base/status.h"
#include "formats/config.h"
#include "model/model_files.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#define MOST_LENGTH (INT64_C(1) << 32)

generation_settings generation_standard(void)
{
    return (generation_settings){.beam = 5, .length_penalty = 1};
}

static search_stopping read_stopping(config *f)
{
    static const char field[] = "early_stopping";
    const json_t *value = json_object_get(config_root(f), field);
    if (!config_has(f, field)) return STOPPING_LIKELY;
    if (json_is_boolean(value)) return json_is_true(value) ? STOPPING_FULL : STOPPING_LIKELY;
    if (json_is_string(value) && !strcmp(json_string_value(value), "never")) return STOPPING_SURE;
    config_refuse(f, ATTN_ERROR_FORMAT, field, "true, false or \"never\"");
    return STOPPING_LIKELY;
}

static void read_fields(generation_settings *g, config *f, int64_t vocabulary)
{
    *g = generation_standard();
    g->beam = config_integer_or(f, "num_beams", 1, SEARCH_MAX_BEAM, g->beam);
    g->length_penalty = config_number_or(f, "length_penalty", -1000, 1000, g->length_penalty);
    g->max_length = config_integer_or(f, "max_length", 0, MOST_LENGTH, 0);
    g->limits.min_length = config_integer_or(f, "min_length", 0, MOST_LENGTH, 0);
    g->limits.distinct_ngrams = config_integer_or(f, "no_repeat_ngram_size", 0, MOST_LENGTH, 0);
    g->limits.forces_first = config_has(f, "forced_bos_token_id");
    g->limits.forces_last = config_has(f, "forced_eos_token_id");
    g->limits.last_id = (int32_t)config_integer_or(f, "forced_eos_token_id", 0, vocabulary - 1, 0);
    g->limits.stopping = read_stopping(f);
    g->limits.first_id = (int32_t)config_integer_or(f, "forced_bos_token_id", 0, vocabulary - 1, 0);
}

static attn_status read_file(generation_settings *g, const char *path, int64_t vocabulary)
{
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    read_fields(g, f, vocabulary);
    status = config_status(f);
    config_destroy(f);
    return status;
}

attn_status generation_read(generation_settings *g, const char *directory, int64_t vocabulary)
{
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK)
        status = read_file(g, access(files.generation, F_OK) == 0 ? files.generation : files.config, vocabulary);
    model_files_clear(&files);
    return status;
}
