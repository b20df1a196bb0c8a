#include "attn/seq.h"

#include "input/text_infilling.h"
#include "output/rouge.h"
#include "train/seq2seq_started.h"
#include "train/seq2seq_task.h"

typedef struct summarizer_task {
    seq2seq_task base;
    token_pairs restored; /* a batch's, while the model learns to restore text */
} summarizer_task;

/* A text's beginning says what it is about; what does not fit is cut off. */
static attn_status defaults(void *task, const attn_seq_train_options *o, const setting_default **list)
{
    static const setting_default own[] = {{"longest", 128}, {NULL, 0}};
    (void)task;
    (void)o;
    *list = own;
    return ATTN_OK;
}

static attn_status start_from(attn_seq_train_options *o)
{
    return seq2seq_started_settings(o, ATTN_SEQ_TASK_SUMMARIZE, 128);
}

static attn_status load(void *task, const training_setup *setup, training_data_facts *facts)
{
    const train_data_form form = {.long_sources = LONG_SOURCES_CUT, .bart_tokenizer = true};
    return seq2seq_task_load(task, setup, &form, facts);
}

static translator_config configure(const seq2seq_task *k)
{
    const attn_seq_train_options *o = k->options;
    int64_t pieces = tokenizer_vocabulary(k->data.tokenizer, TOKENIZER_TARGET);
    return (translator_config){
        .kind = TRANSLATOR_BART,
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
        .activation = ACTIVATION_GELU,
        .share_encoder_decoder_embeddings = true,
        .tie_word_embeddings = true,
        .dropout = (float)o->dropout,
        .pad_id = tokenizer_find(k->data.tokenizer, TOKENIZER_TARGET, "<pad>"),
        .eos_id = tokenizer_find(k->data.tokenizer, TOKENIZER_TARGET, "</s>"),
        .decoder_start_id = tokenizer_find(k->data.tokenizer, TOKENIZER_TARGET, "</s>"),
    };
}

static attn_status create(void *task, uint64_t key, parameters **p)
{
    seq2seq_task *k = task;
    if (k->options->from) return seq2seq_task_open(k, p);
    translator_config config = configure(k);
    translator *network;
    attn_status s = translator_create(&network, &config, true, key);
    if (s != ATTN_OK) return s;
    network->generation.max_length = k->data.longest_target + 1; /* and the id that it starts from */
    network->generation.limits.forces_first = true;              /* every text begins with it */
    network->generation.limits.first_id = tokenizer_find(k->data.tokenizer, TOKENIZER_TARGET, "<s>");
    seq2seq_task_take(k, seq2seq_of_translator(network), p);
    return ATTN_OK;
}

/* In the run's first steps the batch's texts themselves, damaged and whole, take the place of its pairs. */
static attn_status fetch(void *task, int64_t index, uint64_t key)
{
    summarizer_task *s = task;
    seq2seq_task *k = &s->base;
    if (*k->step >= k->options->denoise) return seq2seq_task_fetch(k, index, key);
    const int64_t first = k->plan.start[index], count = k->plan.start[index + 1] - first;
    token_pairs_clear(&s->restored);
    attn_status status = text_infilling_make(&s->restored, &k->data.train.source, k->plan.order + first, count, 1,
                                             tokenizer_unk_id(k->data.tokenizer), key);
    if (status != ATTN_OK) return status;
    return batch_fill_all(&k->batch, &s->restored, k->model.sizes.pad_id, k->model.sizes.start_id);
}

static attn_status score(const attn_seq_segment *segments, int64_t count, double *scores)
{
    rouge_score rouge;
    attn_status s = rouge_corpus(segments, count, &rouge);
    if (s != ATTN_OK) return s;
    scores[0] = rouge.rouge_l;
    scores[1] = rouge.rouge_1;
    scores[2] = rouge.rouge_2;
    return ATTN_OK;
}

static attn_status validate(void *task, stop_question stop, validation_result *v)
{
    return seq2seq_task_validate(task, score, stop, v);
}

static void clear(void *task)
{
    summarizer_task *s = task;
    token_pairs_clear(&s->restored);
    seq2seq_task_clear(&s->base);
}

attn_status attn_seq_train_summarizer(const attn_seq_train_options *options)
{
    static const training_kind kind = {
        .name = "summarize",
        .unit = "tokens",
        .scores = {"ROUGE-L", "ROUGE-1", "ROUGE-2"},
        .learns_from = "a file of texts and their summaries",
        .defaults = defaults,
        .start_from = start_from,
        .load = load,
        .create = create,
        .plan = seq2seq_task_plan,
        .fetch = fetch,
        .loss = seq2seq_task_loss,
        .validate = validate,
        .save = seq2seq_task_save,
        .rewrite = seq2seq_task_rewrite,
        .clear = clear,
    };
    summarizer_task task = {0};
    return training_run(&kind, &task, options);
}
