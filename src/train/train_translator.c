#include "attn/seq.h"

#include "output/bleu.h"
#include "train/recurrent_arch.h"
#include "train/seq2seq_started.h"
#include "train/seq2seq_task.h"

static attn_status defaults(void *task, const attn_seq_train_options *o, const setting_default **list)
{
    static const setting_default recurrent[] = {{"layers", 1}, {"dropout", 0.2}, {NULL, 0}};
    static const char *const not_of_recurrent[] = {"heads", "ffn", "key_value_heads", "qk_norm", "softcap", NULL};
    static const char *const not_of_transformer[] = {"attention", "feeding", "embedding", NULL};
    const bool is_recurrent = o->arch > ATTN_SEQ_ARCH_TRANSFORMER;
    (void)task;
    *list = is_recurrent ? recurrent : NULL;
    if (o->start == ATTN_SEQ_TRAIN_RESUME) return ATTN_OK; /* complete by now */
    return is_recurrent ? settings_refuse(o, not_of_recurrent, "a recurrent network")
                        : settings_refuse(o, not_of_transformer, "a Transformer");
}

static attn_status start_from(attn_seq_train_options *o)
{
    return seq2seq_started_settings(o, ATTN_SEQ_TASK_TRANSLATE, 256);
}

static attn_status load(void *task, const training_setup *setup, training_data_facts *facts)
{
    const train_data_form form = {.long_sources = LONG_SOURCES_LEFT_OUT};
    return seq2seq_task_load(task, setup, &form, facts);
}

static translator_config configure(const seq2seq_task *k)
{
    const attn_seq_train_options *o = k->options;
    int64_t pieces = tokenizer_vocabulary(k->data.tokenizer, TOKENIZER_TARGET);
    return (translator_config){
        .kind = o->key_value_heads || o->qk_norm || o->softcap > 0 ? TRANSLATOR_OWN : TRANSLATOR_MARIAN,
        .vocab_size = pieces,
        .decoder_vocab_size = pieces,
        .d_model = o->width,
        .encoder_layers = o->layers,
        .decoder_layers = o->layers,
        .encoder_heads = o->heads,
        .decoder_heads = o->heads,
        .key_value_heads = o->key_value_heads,
        .qk_norm = o->qk_norm,
        .softcap = (float)o->softcap,
        .encoder_ffn_dim = o->ffn,
        .decoder_ffn_dim = o->ffn,
        .max_position_embeddings = k->data.positions,
        .activation = ACTIVATION_RELU,
        .scale_embedding = true,
        .share_encoder_decoder_embeddings = true,
        .tie_word_embeddings = true,
        .dropout = (float)o->dropout,
        .attention_dropout = (float)o->attention_dropout,
        .pad_id = (int32_t)pieces - 1,
        .eos_id = 0,
        .decoder_start_id = (int32_t)pieces - 1,
    };
}

static recurrent_config configure_recurrent(const seq2seq_task *k)
{
    static const recurrent_attention attentions[] = {[ATTN_SEQ_ATTEND_NONE] = RECURRENT_UNATTENDED,
                                                     [ATTN_SEQ_ATTEND_ADDITIVE] = RECURRENT_ADDITIVE,
                                                     [ATTN_SEQ_ATTEND_DOT] = RECURRENT_DOT,
                                                     [ATTN_SEQ_ATTEND_GENERAL] = RECURRENT_GENERAL,
                                                     [ATTN_SEQ_ATTEND_CONCAT] = RECURRENT_CONCAT};
    const attn_seq_train_options *o = k->options;
    const int64_t pieces = tokenizer_vocabulary(k->data.tokenizer, TOKENIZER_TARGET);
    return (recurrent_config){
        .cell = recurrent_arch_cell(o->arch),
        .attention = attentions[o->attention],
        .input_feeding = o->feeding,
        .bidirectional = true,
        .vocab_size = pieces,
        .embedding_size = o->embedding ? o->embedding : o->width,
        .hidden_size = o->width,
        .encoder_layers = o->layers,
        .decoder_layers = o->layers,
        .max_length = k->data.positions,
        .dropout = (float)o->dropout,
        .pad_id = (int32_t)pieces - 1,
        .eos_id = 0,
        .decoder_start_id = (int32_t)pieces - 1,
    };
}

static attn_status create_recurrent(seq2seq_task *k, uint64_t key, parameters **p)
{
    const recurrent_config config = configure_recurrent(k);
    recurrent_translator *network;
    attn_status s = recurrent_translator_create(&network, &config, true, key);
    if (s == ATTN_OK) seq2seq_task_take(k, seq2seq_of_recurrent(network), p);
    return s;
}

static attn_status create(void *task, uint64_t key, parameters **p)
{
    seq2seq_task *k = task;
    if (k->options->from) return seq2seq_task_open(k, p);
    if (k->options->arch != ATTN_SEQ_ARCH_TRANSFORMER) return create_recurrent(k, key, p);
    translator_config config = configure(k);
    translator *network;
    attn_status s = translator_create(&network, &config, true, key);
    if (s == ATTN_OK) seq2seq_task_take(k, seq2seq_of_translator(network), p);
    return s;
}

static attn_status score(const attn_seq_segment *segments, int64_t count, double *scores)
{
    bleu_score bleu;
    attn_status s = bleu_corpus(segments, count, &bleu);
    if (s == ATTN_OK) scores[0] = bleu.score;
    return s;
}

static attn_status validate(void *task, stop_question stop, validation_result *v)
{
    return seq2seq_task_validate(task, score, stop, v);
}

attn_status attn_seq_train_translator(const attn_seq_train_options *options)
{
    static const training_kind kind = {
        .name = "translate",
        .unit = "tokens",
        .scores = {"BLEU"},
        .learns_from = "a file of sentence pairs",
        .defaults = defaults,
        .start_from = start_from,
        .load = load,
        .create = create,
        .plan = seq2seq_task_plan,
        .fetch = seq2seq_task_fetch,
        .loss = seq2seq_task_loss,
        .validate = validate,
        .save = seq2seq_task_save,
        .rewrite = seq2seq_task_rewrite,
        .clear = seq2seq_task_clear,
    };
    seq2seq_task task = {0};
    return training_run(&kind, &task, options);
}
