#include "model/recurrent_config.h"

#include "base/status.h"
#include "formats/config.h"
#include "formats/json_file.h"

#include <string.h>

/* What no model exceeds by far, so that sizes multiplied with each other stay countable. */
#define MOST_VOCABULARY (1 << 22)
#define MOST_WIDTH (1 << 14)
#define MOST_LAYERS (1 << 7)
#define MOST_LENGTH (1 << 16)

const char *const recurrent_cell_names[] = {"rnn", "lstm", "gru", NULL};
const char *const recurrent_attention_names[] = {"none", "additive", "dot", "general", "concat", NULL};

static attn_status within(const char *name, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected %lld to %lld", name, field, (long long)value,
                       (long long)least, (long long)most);
}

attn_status recurrent_config_check(const recurrent_config *c, const char *name)
{
    const struct {
        const char *field;
        int64_t value, least, most;
    } ranges[] = {
        {"vocab_size", c->vocab_size, 1, MOST_VOCABULARY},
        {"embedding_size", c->embedding_size, 1, MOST_WIDTH},
        {"hidden_size", c->hidden_size, 1, MOST_WIDTH},
        {"encoder_layers", c->encoder_layers, 1, MOST_LAYERS},
        {"decoder_layers", c->decoder_layers, 1, MOST_LAYERS},
        {"max_length", c->max_length, 1, MOST_LENGTH},
        {"pad_token_id", c->pad_id, 0, c->vocab_size - 1},
        {"eos_token_id", c->eos_id, 0, c->vocab_size - 1},
        {"decoder_start_token_id", c->decoder_start_id, 0, c->vocab_size - 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        attn_status status = within(name, ranges[i].field, ranges[i].value, ranges[i].least, ranges[i].most);
        if (status != ATTN_OK) return status;
    }
    if (c->bidirectional && c->hidden_size % 2 != 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: hidden_size is %lld, expected an even number for two directions",
                           name, (long long)c->hidden_size);
    if (!c->input_feeding || c->attention >= RECURRENT_DOT) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT,
                       "%s: input_feeding with attention_type \"%s\", expected dot, general or concat", name,
                       recurrent_attention_names[c->attention]);
}

attn_status recurrent_config_read(recurrent_config *c, const char *path)
{
    static const char *const types[] = {"attn-rnn", NULL};
    memset(c, 0, sizeof *c);
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    if (!config_has(f, "model_type")) config_refuse(f, ATTN_ERROR_FORMAT, "model_type", "\"attn-rnn\"");
    config_choice_or(f, "model_type", types, 0);
    c->cell = (recurrent_cell)config_choice_or(f, "cell_type", recurrent_cell_names, RECURRENT_LSTM);
    c->attention =
        (recurrent_attention)config_choice_or(f, "attention_type", recurrent_attention_names, RECURRENT_GENERAL);
    c->input_feeding = config_bool_or(f, "input_feeding", false);
    c->bidirectional = config_bool_or(f, "bidirectional", true);
    c->vocab_size = config_integer(f, "vocab_size", 1, MOST_VOCABULARY);
    c->embedding_size = config_integer(f, "embedding_size", 1, MOST_WIDTH);
    c->hidden_size = config_integer(f, "hidden_size", 1, MOST_WIDTH);
    c->encoder_layers = config_integer(f, "encoder_layers", 1, MOST_LAYERS);
    c->decoder_layers = config_integer(f, "decoder_layers", 1, MOST_LAYERS);
    c->max_length = config_integer(f, "max_length", 1, MOST_LENGTH);
    c->dropout = (float)config_number_or(f, "dropout", 0, 1, 0);
    c->pad_id = (int32_t)config_integer(f, "pad_token_id", 0, MOST_VOCABULARY);
    c->eos_id = (int32_t)config_integer(f, "eos_token_id", 0, MOST_VOCABULARY);
    c->decoder_start_id = (int32_t)config_integer_or(f, "decoder_start_token_id", 0, MOST_VOCABULARY, c->pad_id);
    status = config_status(f);
    config_destroy(f);
    return status == ATTN_OK ? recurrent_config_check(c, path) : status;
}

attn_status recurrent_config_write(const recurrent_config *c, weight_format format, const char *path)
{
    const char *type = weight_format_dtype(format);
    return json_file_save(
        json_pack("{s:[s], s:s, s:b, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:i, s:i, s:i, s:s}",
                  "architectures", "RecurrentTranslator", "model_type", "attn-rnn", "is_encoder_decoder", 1,
                  "cell_type", recurrent_cell_names[c->cell], "attention_type", recurrent_attention_names[c->attention],
                  "input_feeding", c->input_feeding, "bidirectional", c->bidirectional, "vocab_size",
                  (json_int_t)c->vocab_size, "embedding_size", (json_int_t)c->embedding_size, "hidden_size",
                  (json_int_t)c->hidden_size, "encoder_layers", (json_int_t)c->encoder_layers, "decoder_layers",
                  (json_int_t)c->decoder_layers, "max_length", (json_int_t)c->max_length, "dropout", (double)c->dropout,
                  "pad_token_id", c->pad_id, "eos_token_id", c->eos_id, "decoder_start_token_id", c->decoder_start_id,
                  "dtype", type),
        path);
}
