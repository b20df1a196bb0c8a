#include "train/seq2seq_started.h"

#include "base/status.h"
#include "model/architecture.h"
#include "model/model_files.h"
#include "model/recurrent_config.h"
#include "model/translator_config.h"
#include "train/recurrent_arch.h"
#include "train/started_settings.h"

static attn_status fix_recurrent(attn_seq_train_options *o, const char *path, int64_t longest)
{
    static const attn_seq_attend attentions[] = {[RECURRENT_UNATTENDED] = ATTN_SEQ_ATTEND_NONE,
                                                 [RECURRENT_ADDITIVE] = ATTN_SEQ_ATTEND_ADDITIVE,
                                                 [RECURRENT_DOT] = ATTN_SEQ_ATTEND_DOT,
                                                 [RECURRENT_GENERAL] = ATTN_SEQ_ATTEND_GENERAL,
                                                 [RECURRENT_CONCAT] = ATTN_SEQ_ATTEND_CONCAT};
    recurrent_config c;
    attn_status s = recurrent_config_read(&c, path);
    if (s != ATTN_OK) return s;
    const setting_default fixed[] = {
        {"arch", recurrent_arch_of(c.cell)},  {"attention", attentions[c.attention]},
        {"feeding", c.input_feeding},         {"embedding", (double)c.embedding_size},
        {"vocabulary", (double)c.vocab_size}, {"width", (double)c.hidden_size},
        {"layers", (double)c.encoder_layers}, {NULL, 0},
    };
    setting_prefer(o, "dropout", c.dropout);
    s = started_fix(o, fixed);
    return s == ATTN_OK ? started_longest(o, c.max_length, longest) : s;
}

static attn_status fix_transformer(attn_seq_train_options *o, const char *path, int64_t longest)
{
    translator_config c;
    attn_status s = translator_config_read(&c, path);
    if (s != ATTN_OK) return s;
    const setting_default fixed[] = {
        {"arch", ATTN_SEQ_ARCH_TRANSFORMER},
        {"vocabulary", (double)c.vocab_size},
        {"width", (double)c.d_model},
        {"heads", (double)c.encoder_heads},
        {"key_value_heads", (double)c.key_value_heads},
        {"qk_norm", c.qk_norm},
        {"softcap", c.softcap},
        {"layers", (double)c.encoder_layers},
        {"ffn", (double)c.encoder_ffn_dim},
        {NULL, 0},
    };
    setting_prefer(o, "dropout", c.dropout);
    setting_prefer(o, "attention_dropout", c.attention_dropout);
    s = started_fix(o, fixed);
    return s == ATTN_OK ? started_longest(o, c.max_position_embeddings, longest) : s;
}

attn_status seq2seq_started_settings(attn_seq_train_options *o, attn_seq_task task, int64_t longest)
{
    const architecture *a;
    model_files files;
    attn_status s = architecture_read(&a, o->from);
    if (s == ATTN_OK) s = architecture_expect(a, o->from, task);
    if (s != ATTN_OK) return s;
    started_prefer_rate(o);
    setting_prefer(o, "schedule", ATTN_SEQ_SCHEDULE_FLAT);
    s = model_files_name(&files, o->from);
    if (s == ATTN_OK)
        s = a->family == ARCHITECTURE_RECURRENT ? fix_recurrent(o, files.config, longest)
                                                : fix_transformer(o, files.config, longest);
    model_files_clear(&files);
    return s;
}

attn_status seq2seq_started_open(seq2seq *m, const attn_seq_train_options *o, const char *directory, bool trainable)
{
    *m = (seq2seq){0};
    if (o->arch > ATTN_SEQ_ARCH_TRANSFORMER) {
        recurrent_translator *network;
        attn_status s = recurrent_translator_open(&network, directory, trainable);
        if (s != ATTN_OK) return s;
        network->config.dropout = (float)o->dropout;
        *m = seq2seq_of_recurrent(network);
        return ATTN_OK;
    }
    translator *network;
    attn_status s = translator_open(&network, directory, trainable);
    if (s != ATTN_OK) return s;
    translator_set_dropout(network, (float)o->dropout, (float)o->attention_dropout);
    *m = seq2seq_of_translator(network);
    return ATTN_OK;
}

static attn_status check_rows(int64_t rows, int64_t pieces, const char *field, const char *directory)
{
    if (pieces <= rows) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s/config.json: %s is %lld, expected at least the vocabulary's %lld",
                       directory, field, (long long)rows, (long long)pieces);
}

attn_status seq2seq_started_check(const seq2seq *m, const tokenizer *k, const char *directory)
{
    attn_status s =
        check_rows(m->sizes.source_vocabulary, tokenizer_vocabulary(k, TOKENIZER_SOURCE), "vocab_size", directory);
    if (s != ATTN_OK) return s;
    return check_rows(m->sizes.target_vocabulary, tokenizer_vocabulary(k, TOKENIZER_TARGET), "decoder_vocab_size",
                      directory);
}
