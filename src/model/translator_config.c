#include "model/translator_config.h"

#include "base/status.h"
#include "formats/config.h"
#include "formats/json_file.h"
#include "model/activation_names.h"
#include "model/config_limits.h"

#include <string.h>

static attn_status within(const char *name, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected %lld to %lld", name, field, (long long)value,
                       (long long)least, (long long)most);
}

static attn_status check_heads(const char *name, const char *field, int64_t heads, int64_t width)
{
    attn_status status = within(name, field, heads, 1, width);
    if (status != ATTN_OK || width % heads == 0) return status;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected a divisor of d_model, %lld", name, field,
                       (long long)heads, (long long)width);
}

static attn_status check_attention(const translator_config *c, const char *name)
{
    const int64_t shared = c->key_value_heads ? c->key_value_heads : 1;
    if (shared < 0 || c->encoder_heads % shared || c->decoder_heads % shared)
        return status_fail(ATTN_ERROR_FORMAT, "%s: num_key_value_heads is %lld, expected a divisor of the heads", name,
                           (long long)c->key_value_heads);
    return ATTN_OK;
}

attn_status translator_config_check(const translator_config *c, const char *name)
{
    const struct {
        const char *field;
        int64_t value, least, most;
    } ranges[] = {
        {"vocab_size", c->vocab_size, 1, MOST_VOCABULARY},
        {"decoder_vocab_size", c->decoder_vocab_size, 1, MOST_VOCABULARY},
        {"d_model", c->d_model, 1, MOST_WIDTH},
        {"encoder_layers", c->encoder_layers, 0, MOST_LAYERS},
        {"decoder_layers", c->decoder_layers, 0, MOST_LAYERS},
        {"encoder_ffn_dim", c->encoder_ffn_dim, 1, MOST_WIDTH},
        {"decoder_ffn_dim", c->decoder_ffn_dim, 1, MOST_WIDTH},
        {"max_position_embeddings", c->max_position_embeddings, 1, MOST_POSITIONS},
        {"pad_token_id", c->pad_id, 0, c->vocab_size - 1},
        {"pad_token_id", c->pad_id, 0, c->decoder_vocab_size - 1},
        {"eos_token_id", c->eos_id, 0, c->vocab_size - 1},
        {"eos_token_id", c->eos_id, 0, c->decoder_vocab_size - 1},
        {"decoder_start_token_id", c->decoder_start_id, 0, c->decoder_vocab_size - 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        attn_status status = within(name, ranges[i].field, ranges[i].value, ranges[i].least, ranges[i].most);
        if (status != ATTN_OK) return status;
    }
    attn_status status = check_heads(name, "encoder_attention_heads", c->encoder_heads, c->d_model);
    if (status == ATTN_OK) status = check_heads(name, "decoder_attention_heads", c->decoder_heads, c->d_model);
    if (status == ATTN_OK) status = check_attention(c, name);
    if (status != ATTN_OK) return status;
    if (!c->share_encoder_decoder_embeddings || c->decoder_vocab_size == c->vocab_size) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: decoder_vocab_size is %lld, expected %lld, as the embeddings are shared",
                       name, (long long)c->decoder_vocab_size, (long long)c->vocab_size);
}

static void read_sizes(config *f, translator_config *c)
{
    c->vocab_size = config_integer(f, "vocab_size", 1, MOST_VOCABULARY);
    c->decoder_vocab_size = c->vocab_size;
    if (translator_family_of(c->kind)->separate_vocabularies)
        c->decoder_vocab_size = config_integer_or(f, "decoder_vocab_size", 1, MOST_VOCABULARY, c->vocab_size);
    c->d_model = config_integer(f, "d_model", 1, MOST_WIDTH);
    c->encoder_layers = config_integer(f, "encoder_layers", 0, MOST_LAYERS);
    c->decoder_layers = config_integer(f, "decoder_layers", 0, MOST_LAYERS);
    c->encoder_heads = config_integer(f, "encoder_attention_heads", 1, MOST_WIDTH);
    c->decoder_heads = config_integer(f, "decoder_attention_heads", 1, MOST_WIDTH);
    c->encoder_ffn_dim = config_integer(f, "encoder_ffn_dim", 1, MOST_WIDTH);
    c->decoder_ffn_dim = config_integer(f, "decoder_ffn_dim", 1, MOST_WIDTH);
    c->max_position_embeddings = config_integer_or(f, "max_position_embeddings", 1, MOST_POSITIONS, 1024);
}

/* BART's encoder and decoder always share their embedding; an output projection of its own is not run. */
static void read_sharing(config *f, translator_config *c)
{
    const bool separate = translator_family_of(c->kind)->separate_vocabularies;
    c->tie_word_embeddings = config_bool_or(f, "tie_word_embeddings", true);
    c->share_encoder_decoder_embeddings =
        !separate || (config_bool_or(f, "share_encoder_decoder_embeddings", true) && c->tie_word_embeddings);
    if (!separate && !c->tie_word_embeddings) config_refuse(f, ATTN_ERROR_UNSUPPORTED, "tie_word_embeddings", "true");
}

static int32_t read_id(config *f, const char *field, const translator_config *c, int32_t standard)
{
    if (standard == TRANSLATOR_ID_REQUIRED) return (int32_t)config_integer(f, field, 0, MOST_VOCABULARY);
    if (standard == TRANSLATOR_ID_PAD) standard = c->pad_id;
    return (int32_t)config_integer_or(f, field, 0, MOST_VOCABULARY, standard);
}

static void read_attention(config *f, translator_config *c)
{
    if (!translator_family_of(c->kind)->chosen_attention) return;
    c->key_value_heads = config_integer_or(f, "num_key_value_heads", 1, MOST_WIDTH, 0);
    c->qk_norm = config_bool_or(f, "use_qk_norm", false);
    c->softcap = (float)config_number_or(f, "attn_logit_softcapping", 0, 1e6, 0);
}

static void read_rest(config *f, translator_config *c)
{
    const translator_family *family = translator_family_of(c->kind);
    read_sharing(f, c);
    read_attention(f, c);
    c->activation = activation_read(f, "activation_function", ACTIVATION_GELU);
    c->scale_embedding = config_bool_or(f, "scale_embedding", false);
    c->dropout = (float)config_number_or(f, "dropout", 0, 1, 0.1);
    c->attention_dropout = (float)config_number_or(f, "attention_dropout", 0, 1, 0);
    c->activation_dropout = (float)config_number_or(f, "activation_dropout", 0, 1, 0);
    c->pad_id = read_id(f, "pad_token_id", c, family->pad_id);
    c->eos_id = read_id(f, "eos_token_id", c, family->eos_id);
    c->decoder_start_id = read_id(f, "decoder_start_token_id", c, family->decoder_start_id);
}

attn_status translator_config_read(translator_config *c, const char *path)
{
    const char *types[TRANSLATOR_KINDS + 1] = {NULL};
    for (int kind = 0; kind < TRANSLATOR_KINDS; kind++) types[kind] = translator_family_of(kind)->model_type;
    memset(c, 0, sizeof *c);
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    if (!config_has(f, "model_type"))
        config_refuse(f, ATTN_ERROR_FORMAT, "model_type", "one of marian, bart, attn-transformer");
    c->kind = (translator_kind)config_choice_or(f, "model_type", types, 0);
    read_sizes(f, c);
    read_rest(f, c);
    status = config_status(f);
    config_destroy(f);
    return status == ATTN_OK ? translator_config_check(c, path) : status;
}

/* torch_dtype is the name that transformers knew before version 5. */
attn_status translator_config_write(const translator_config *c, weight_format format, const char *path)
{
    const char *type = weight_format_dtype(format);
    const translator_family *family = translator_family_of(c->kind);
    const bool separate = family->separate_vocabularies; /* the other families' configurations lack those fields */
    json_t *json = json_pack(
        "{s:[s], s:s, s:b, s:I, s:o*, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "architectures",
        family->architecture, "model_type", family->model_type, "is_encoder_decoder", 1, "vocab_size",
        (json_int_t)c->vocab_size, "decoder_vocab_size", separate ? json_integer(c->decoder_vocab_size) : NULL,
        "d_model", (json_int_t)c->d_model, "encoder_layers", (json_int_t)c->encoder_layers, "decoder_layers",
        (json_int_t)c->decoder_layers, "encoder_attention_heads", (json_int_t)c->encoder_heads,
        "decoder_attention_heads", (json_int_t)c->decoder_heads, "encoder_ffn_dim", (json_int_t)c->encoder_ffn_dim,
        "decoder_ffn_dim", (json_int_t)c->decoder_ffn_dim, "max_position_embeddings",
        (json_int_t)c->max_position_embeddings, "activation_function", activation_name(c->activation));
    json_t *rest =
        json_pack("{s:b, s:o*, s:b, s:o*, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:n, s:i, s:i, s:b, s:s, s:s}",
                  "scale_embedding", c->scale_embedding, "share_encoder_decoder_embeddings",
                  separate ? json_boolean(c->share_encoder_decoder_embeddings) : NULL, "tie_word_embeddings",
                  c->tie_word_embeddings, "static_position_embeddings", separate ? json_true() : NULL, "dropout",
                  (double)c->dropout, "attention_dropout", (double)c->attention_dropout, "activation_dropout",
                  (double)c->activation_dropout, "encoder_layerdrop", 0.0, "decoder_layerdrop", 0.0, "pad_token_id",
                  c->pad_id, "eos_token_id", c->eos_id, "bos_token_id", "forced_eos_token_id", c->eos_id,
                  "decoder_start_token_id", c->decoder_start_id, "use_cache", 1, "dtype", type, "torch_dtype", type);
    json_t *attention = !family->chosen_attention
                            ? json_object()
                            : json_pack("{s:I, s:b, s:f}", "num_key_value_heads",
                                        (json_int_t)(c->key_value_heads ? c->key_value_heads : c->encoder_heads),
                                        "use_qk_norm", c->qk_norm, "attn_logit_softcapping", (double)c->softcap);
    return json_file_save(json_joined(json_joined(json, rest), attention), path);
}

static json_t *stopping_json(search_stopping s)
{
    return s == STOPPING_SURE ? json_string("never") : json_boolean(s == STOPPING_FULL);
}

/* What generate() does unless told: never <pad>, end at </s>, at most as many pieces as there are positions. */
attn_status translator_generation_write(const translator_config *c, const generation_settings *g, const char *path)
{
    const search_limits *l = &g->limits;
    json_t *json = json_pack(
        "{s:[[i]], s:i, s:i, s:o*, s:i, s:I, s:I}", "bad_words_ids", c->pad_id, "decoder_start_token_id",
        c->decoder_start_id, "eos_token_id", c->eos_id, "forced_eos_token_id",
        l->forces_last ? json_integer(l->last_id) : NULL, "pad_token_id", c->pad_id, "max_length",
        (json_int_t)(g->max_length ? g->max_length : c->max_position_embeddings), "num_beams", (json_int_t)g->beam);
    json_t *rest =
        json_pack("{s:o*, s:o*, s:o*, s:o*, s:o*}", "length_penalty",
                  g->length_penalty != 1 ? json_real(g->length_penalty) : NULL, "min_length",
                  l->min_length ? json_integer(l->min_length) : NULL, "no_repeat_ngram_size",
                  l->distinct_ngrams ? json_integer(l->distinct_ngrams) : NULL, "forced_bos_token_id",
                  l->forces_first ? json_integer(l->first_id) : NULL, "early_stopping", stopping_json(l->stopping));
    return json_file_save(json_joined(json, rest), path);
}
