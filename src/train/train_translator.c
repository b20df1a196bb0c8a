#include "attn/seq.h"

#include "train/batch_loss.h"
#include "train/train_data.h"
#include "train/training_loop.h"
#include "train/validation.h"

#include <math.h>

typedef struct translator_task {
    const attn_seq_train_options *options;
    int threads;
    train_data data;
    seq2seq model;
    batch_plan plan;
    batch batch;
} translator_task;

static attn_status load(void *task, const training_setup *setup, training_data_facts *facts)
{
    translator_task *k = task;
    k->options = setup->options;
    k->threads = setup->threads;
    attn_status s = train_data_load(&k->data, setup->options, setup->begin, setup->notices);
    *facts = (training_data_facts){.fingerprint = k->data.fingerprint, .validates = k->data.valid.count > 0};
    return s;
}

static translator_config configure(const translator_task *k)
{
    const attn_seq_train_options *o = k->options;
    int64_t pieces = tokenizer_vocabulary(k->data.tokenizer, TOKENIZER_TARGET);
    return (translator_config){
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
    translator_task *k = task;
    translator_config config = configure(k);
    translator *network;
    attn_status s = translator_create(&network, &config, true, key);
    if (s != ATTN_OK) return s;
    k->model = seq2seq_of_translator(network);
    *p = k->model.parameters;
    return ATTN_OK;
}

/* The batch count is the same in every epoch: the lengths, sorted, are. */
static attn_status plan(void *task, uint64_t key, int64_t *batches)
{
    translator_task *k = task;
    batch_plan_clear(&k->plan);
    attn_status s = batch_plan_create(&k->plan, &k->data.train, k->options->batch_tokens, key);
    *batches = k->plan.count;
    return s;
}

static attn_status fetch(void *task, int64_t index, uint64_t key)
{
    (void)key; /* pairs are learnt as they are */
    translator_task *k = task;
    const seq2seq_sizes *n = &k->model.sizes;
    return batch_fill(&k->batch, &k->plan, index, &k->data.train, n->pad_id, n->start_id);
}

static tensor *loss(void *task, tape *t, step_figures *f)
{
    translator_task *k = task;
    f->units = k->batch.tokens;
    return batch_loss(t, &k->model, &k->batch, (float)k->options->label_smoothing, &f->nll, &f->counted);
}

static attn_status validate(void *task, stop_question stop, validation_result *v)
{
    translator_task *k = task;
    double bleu = NAN;
    attn_status s = validation_loss(&v->loss, &k->model, &k->data, k->threads, stop);
    if (s == ATTN_OK) s = validation_bleu(&bleu, &k->model, &k->data, k->threads, stop);
    if (s != ATTN_OK) return s;
    v->scores[0] = bleu;
    v->rank = bleu > 0 ? bleu : -v->loss; /* until the first match of four words the loss tells more */
    return ATTN_OK;
}

static attn_status save(void *task)
{
    const translator_task *k = task;
    const weight_format format = k->options->format == ATTN_SEQ_WEIGHTS_BF16 ? WEIGHTS_BF16 : WEIGHTS_FP32;
    return k->model.family->save(k->model.network, k->options->model, format);
}

static void clear(void *task)
{
    translator_task *k = task;
    batch_clear(&k->batch);
    batch_plan_clear(&k->plan);
    seq2seq_destroy(&k->model);
    train_data_clear(&k->data);
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
        .plan = plan,
        .fetch = fetch,
        .loss = loss,
        .validate = validate,
        .save = save,
        .clear = clear,
    };
    translator_task task = {0};
    return training_run(&kind, &task, options);
}
