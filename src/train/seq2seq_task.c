#include "train/seq2seq_task.h"

#include "train/batch_loss.h"
#include "train/seq2seq_started.h"

attn_status seq2seq_task_load(seq2seq_task *k, const training_setup *setup, const train_data_form *form,
                              training_data_facts *facts)
{
    k->options = setup->options;
    k->threads = setup->threads;
    k->step = setup->step;
    k->begin = setup->begin;
    attn_status s = train_data_load(&k->data, setup, form);
    *facts = (training_data_facts){.fingerprint = k->data.fingerprint, .validates = k->data.valid.count > 0};
    return s;
}

void seq2seq_task_take(seq2seq_task *k, seq2seq model, parameters **p)
{
    k->model = model;
    *p = k->model.parameters;
}

/* The batch count is the same in every epoch: the lengths, sorted, are. */
attn_status seq2seq_task_plan(void *task, uint64_t key, int64_t *batches)
{
    seq2seq_task *k = task;
    batch_plan_clear(&k->plan);
    attn_status s = batch_plan_create(&k->plan, &k->data.train, k->options->batch_tokens, key);
    *batches = k->plan.count;
    return s;
}

attn_status seq2seq_task_fetch(void *task, int64_t index, uint64_t key)
{
    (void)key; /* pairs are learnt as they are */
    seq2seq_task *k = task;
    const seq2seq_sizes *n = &k->model.sizes;
    return batch_fill(&k->batch, &k->plan, index, &k->data.train, n->pad_id, n->start_id);
}

tensor *seq2seq_task_loss(void *task, tape *t, step_figures *f)
{
    seq2seq_task *k = task;
    f->units = k->batch.tokens;
    return batch_loss(t, &k->model, &k->batch, (float)k->options->label_smoothing, &f->nll, &f->counted);
}

attn_status seq2seq_task_validate(seq2seq_task *k, segments_scorer score, stop_question stop, validation_result *v)
{
    bool reachable = false;
    attn_status s = validation_loss(&v->loss, &k->model, &k->data, k->threads, stop);
    if (s == ATTN_OK) s = validation_greedy(v->scores, &reachable, score, &k->model, &k->data, k->threads, stop);
    if (s == ATTN_OK) v->rank = reachable && v->scores[0] > 0 ? v->scores[0] : -v->loss;
    return s;
}

attn_status seq2seq_task_save(void *task)
{
    const seq2seq_task *k = task;
    return k->model.family->save(k->model.network, k->options->model, settings_weight_format(k->options));
}

attn_status seq2seq_task_rewrite(void *task)
{
    const seq2seq_task *k = task;
    const char *directory = k->options->model;
    seq2seq best = {0};
    attn_status s = seq2seq_started_open(&best, k->options, directory, false);
    if (s == ATTN_OK) s = best.family->save(best.network, directory, settings_weight_format(k->options));
    seq2seq_destroy(&best);
    return s;
}

attn_status seq2seq_task_open(seq2seq_task *k, parameters **p)
{
    const char *directory = k->begin ? k->options->from : k->options->model;
    attn_status s = seq2seq_started_open(&k->model, k->options, directory, true);
    *p = k->model.parameters;
    return s == ATTN_OK ? seq2seq_started_check(&k->model, k->data.tokenizer, directory) : s;
}

void seq2seq_task_clear(void *task)
{
    seq2seq_task *k = task;
    batch_clear(&k->batch);
    batch_plan_clear(&k->plan);
    seq2seq_destroy(&k->model);
    train_data_clear(&k->data);
}
