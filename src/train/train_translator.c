#include "attn/seq.h"

#include "output/bleu.h"
#include "train/seq2seq_task.h"
#include "train/validation.h"

static attn_status load(void *task, const training_setup *setup, training_data_facts *facts)
{
    return seq2seq_task_load(task, setup, LONG_SOURCES_LEFT_OUT, facts);
}

static translator_config configure(const seq2seq_task *k)
{
    const attn_seq_train_options *o = k->options;
    int64_t pieces = tokenizer_vocabulary(k->data.tokenizer, TOKENIZER_TARGET);
    return (translator_config){
        .kind = TRANSLATOR_MARIAN,
        .vocab_size = pieces,
        .decoder_vocab_size = pieces,
        .d_model = o->width,
        .encoder_layers = o->layers,
        .decoder_layers = o->layers,
        .encoder_heads = o->heads,
        .decoder_heads = o->heads,
        .encoder_ffn_dim = o->ffn,
        .decoder_ffn_dim = o->ffn,
        .max_position_embeddings = k->data.positions,
        .activation = ACTIVATION_RELU,
        .scale_embedding = true,
        .share_encoder_decoder_embeddings = true,
        .tie_word_embeddings = true,
        .dropout = (float)o->dropout,
        .pad_id = (int32_t)pieces - 1,
        .eos_id = 0,
        .decoder_start_id = (int32_t)pieces - 1,
    };
}

static attn_status create(void *task, uint64_t key, parameters **p)
{
    seq2seq_task *k = task;
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
    seq2seq_task *k = task;
    attn_status s = validation_loss(&v->loss, &k->model, &k->data, k->threads, stop);
    if (s == ATTN_OK) s = validation_greedy(v->scores, score, &k->model, &k->data, k->threads, stop);
    if (s != ATTN_OK) return s;
    v->rank = v->scores[0] > 0 ? v->scores[0] : -v->loss; /* until four words match the loss tells more */
    return ATTN_OK;
}

attn_status attn_seq_train_translator(const attn_seq_train_options *options)
{
    static const training_kind kind = {
        .name = "translate",
        .unit = "tokens",
        .scores = {"BLEU"},
        .learns_from = "a file of sentence pairs",
        .load = load,
        .create = create,
        .plan = seq2seq_task_plan,
        .fetch = seq2seq_task_fetch,
        .loss = seq2seq_task_loss,
        .validate = validate,
        .save = seq2seq_task_save,
        .clear = seq2seq_task_clear,
    };
    seq2seq_task task = {0};
    return training_run(&kind, &task, options);
}
