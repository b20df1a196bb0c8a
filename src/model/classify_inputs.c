/* attn_seq_classify: inputs to what the network takes, batches of about equal length through it, logits to labels. */
#include "attn/seq.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/length_batches.h"
#include "model/looked_at.h"
#include "model/task_outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Enough rows for the dense products to run near the CPU's peak, few enough for a layer's result to stay in cache. */
#define MOST_ROWS 64
#define MOST_CELLS 4096

/* Multiplications that are worth another thread: waking one costs more than a sentence takes. */
#define THREAD_WORK 2e8

typedef struct classifying {
    const attn_seq_model *model;
    const attn_seq_classify_options *options;
    const attn_seq_input *inputs;
    int64_t count;
    int threads;
    prepared_input *prepared; /* of each input */
    task_outcome *outcomes;   /* of each input, for what is no fault of the input; then of each batch */
    length_batches batches;
    tape **tapes; /* one for each worker */
    attn_seq_classification *results;
} classifying;

void attn_seq_classify_options_init(attn_seq_classify_options *options)
{
    if (options) *options = (attn_seq_classify_options){.struct_size = sizeof *options};
}

static attn_status check_kinds(const attn_seq_model *model, const attn_seq_input *inputs, int64_t count)
{
    static const char *const kinds[] = {"text", "an image", "audio"};
    int expected = (int)model->architecture->task - ATTN_SEQ_TASK_CLASSIFY_TEXT;
    for (int64_t i = 0; i < count; i++) {
        int kind = (int)inputs[i].kind;
        if (kind == expected) continue;
        return status_fail(ATTN_ERROR_ARGUMENT, "input %lld is %s, expected %s", (long long)i,
                           kind >= 0 && kind <= 2 ? kinds[kind] : "of no kind", kinds[expected]);
    }
    return ATTN_OK;
}

static attn_status check(const attn_seq_model *model, const attn_seq_classify_options *o, const attn_seq_input *inputs,
                         int64_t count, attn_seq_classification **classifications)
{
    if (!model || !o || !classifications || (count && !inputs))
        return status_fail(ATTN_ERROR_ARGUMENT, "model, options, inputs or classifications is NULL");
    if (o->struct_size != sizeof *o)
        return status_fail(ATTN_ERROR_ARGUMENT, "options->struct_size = %zu, expected %zu", o->struct_size, sizeof *o);
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "count = %lld, expected at least 0", (long long)count);
    if (o->threads < 0 || o->threads > PARALLEL_MAX_THREADS)
        return status_fail(ATTN_ERROR_ARGUMENT, "threads = %d, expected 0 to %d", o->threads, PARALLEL_MAX_THREADS);
    if (!model->classifier)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: a model that %s, expected one that classifies",
                           model->directory, architecture_task_words(model->architecture->task));
    return check_kinds(model, inputs, count);
}

static void prepare(void *argument, int64_t i, int worker)
{
    (void)worker;
    classifying *c = argument;
    task_outcome_set(&c->outcomes[i], prepared_input_make(&c->prepared[i], c->model, &c->inputs[i]));
}

static bool to_be_run(const prepared_input *p)
{
    return p->status == ATTN_OK && !p->blank;
}

/* Batches of the inputs that can be classified: of one each, where their attention is looked at. */
static attn_status plan(classifying *c)
{
    int64_t *usable = malloc((size_t)c->count * sizeof *usable), *lengths = malloc((size_t)c->count * sizeof *lengths);
    attn_status status = usable && lengths ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "no memory to classify");
    int64_t n = 0;
    for (int64_t i = 0; i < c->count && !status; i++) {
        if (!to_be_run(&c->prepared[i])) continue;
        lengths[n] = c->prepared[i].length;
        usable[n++] = i;
    }
    int64_t most_rows = c->options->attention ? 1 : MOST_ROWS;
    if (!status) status = length_batches_create(&c->batches, lengths, n, most_rows, MOST_CELLS, c->threads);
    for (int64_t i = 0; i < n && !status; i++) c->batches.order[i] = usable[c->batches.order[i]];
    free(usable);
    free(lengths);
    return status;
}

static bool gather_texts(const classifying *c, tape *t, const int64_t *members, classifier_input *input)
{
    int64_t count = input->batch, longest = c->prepared[members[0]].length;
    int32_t *ids = tape_take(t, count * longest, sizeof *ids);
    int64_t *lengths = tape_take(t, count, sizeof *lengths);
    if (!ids || !lengths) return false;
    for (int64_t i = 0; i < count; i++) {
        const prepared_input *p = &c->prepared[members[i]];
        memcpy(ids + i * longest, p->ids, (size_t)p->length * sizeof *ids);
        for (int64_t j = p->length; j < longest; j++) ids[i * longest + j] = c->model->classifier->config.pad_id;
        lengths[i] = p->length;
    }
    input->ids = ids;
    input->length = longest;
    input->lengths = lengths;
    return true;
}

static bool gather_values(const classifying *c, tape *t, const int64_t *members, classifier_input *input)
{
    const classifier_config *k = &c->model->classifier->config;
    int64_t each = k->channels * k->rows * k->columns;
    float *values = tape_take(t, input->batch * each, sizeof *values);
    if (!values) return false;
    for (int64_t i = 0; i < input->batch; i++)
        memcpy(values + i * each, c->prepared[members[i]].values, (size_t)each * sizeof *values);
    input->values = values;
    return true;
}

/* The inputs of a batch side by side in the tape's memory. */
static bool gather(const classifying *c, tape *t, const int64_t *members, int64_t count, classifier_input *input)
{
    *input = (classifier_input){.batch = count};
    return c->prepared[members[0]].values ? gather_values(c, t, members, input) : gather_texts(c, t, members, input);
}

static attn_status decide(attn_seq_classification *result, const float *logits, int64_t labels)
{
    float *probabilities = malloc((size_t)labels * sizeof *probabilities);
    if (!probabilities) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld labels", (long long)labels);
    result->probabilities = probabilities;
    int64_t best = 0;
    double sum = 0;
    for (int64_t i = 0; i < labels; i++) {
        if (!isfinite(logits[i])) return status_fail(ATTN_ERROR_FORMAT, "the model's logits are not finite");
        if (logits[i] > logits[best]) best = i;
    }
    for (int64_t i = 0; i < labels; i++) sum += exp((double)logits[i] - logits[best]);
    for (int64_t i = 0; i < labels; i++) probabilities[i] = (float)(exp((double)logits[i] - logits[best]) / sum);
    result->label = best;
    return ATTN_OK;
}

/* Too many weights are the input's own trouble. */
static attn_status look(const classifying *c, int64_t index, looked_at **looked)
{
    attn_seq_classification *result = &c->results[index];
    attn_status status = looked_at_create(looked, c->model, &c->prepared[index]);
    if (status == ATTN_OK) {
        result->attention = &(*looked)->attention;
        result->attention_count = 1;
    }
    if (status != ATTN_ERROR_UNSUPPORTED) return status;
    result->status = status;
    result->message = strdup(status_message());
    return result->message ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "no memory for a message");
}

static attn_status run_batch(const classifying *c, int64_t index, tape *t)
{
    const int64_t *members = c->batches.order + c->batches.start[index];
    int64_t count = c->batches.start[index + 1] - c->batches.start[index];
    int64_t labels = c->model->classifier->config.label_count;
    classifier_input input;
    looked_at *looked = NULL;
    tape_begin(t, 0);
    if (!gather(c, t, members, count, &input)) return tape_status(t);
    attn_status status = c->options->attention ? look(c, members[0], &looked) : ATTN_OK;
    if (status) return status;
    const tensor *logits = classifier_logits(t, c->model->classifier, &input, looked ? &looked->sink : NULL);
    status = tape_status(t);
    for (int64_t i = 0; i < count && !status; i++)
        status = decide(&c->results[members[i]], logits->value + i * labels, labels);
    return status;
}

static void run_task(void *argument, int64_t index, int worker)
{
    classifying *c = argument;
    task_outcome_set(&c->outcomes[index], run_batch(c, index, c->tapes[worker]));
}

/* As many as the work is worth, of those that may be used. */
static int worthwhile_threads(const classifying *c)
{
    const classifier_config *k = &c->model->classifier->config;
    double each = (double)k->layers * (double)k->width * (4 * (double)k->width + 2 * (double)k->ffn), positions = 0;
    for (int64_t i = 0; i < c->count; i++) positions += (double)c->prepared[i].length;
    double threads = 1 + each * positions / THREAD_WORK;
    return threads < c->threads ? (int)threads : c->threads;
}

static attn_status run_batches(classifying *c)
{
    if (c->batches.count == 0) return ATTN_OK;
    c->threads = worthwhile_threads(c);
    int workers = c->batches.count < c->threads ? (int)c->batches.count : c->threads;
    memset(c->outcomes, 0, (size_t)c->count * sizeof *c->outcomes);
    c->tapes = calloc((size_t)workers, sizeof(tape *));
    if (!c->tapes) return status_fail(ATTN_ERROR_MEMORY, "no memory to classify");
    attn_status status = ATTN_OK;
    for (int i = 0; i < workers && !status; i++) status = tape_create(&c->tapes[i], TAPE_INFER, c->threads / workers);
    if (!status) {
        parallel_for(workers, c->batches.count, run_task, c);
        status = task_outcomes_first(c->outcomes, c->batches.count);
    }
    for (int i = 0; i < workers; i++) tape_destroy(c->tapes[i]);
    return status;
}

/* What the preparation found out. */
static attn_status begin_results(classifying *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        attn_seq_classification *r = &c->results[i];
        *r = (attn_seq_classification){.status = c->prepared[i].status, .label = -1, .cut = c->prepared[i].cut};
        if (r->status && !(r->message = strdup(c->prepared[i].message)))
            return status_fail(ATTN_ERROR_MEMORY, "no memory for a message");
    }
    return ATTN_OK;
}

static attn_status classify_all(classifying *c)
{
    c->prepared = calloc((size_t)c->count, sizeof *c->prepared);
    c->outcomes = calloc((size_t)c->count, sizeof *c->outcomes);
    c->results = calloc((size_t)c->count, sizeof *c->results);
    if (!c->prepared || !c->outcomes || !c->results)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld inputs", (long long)c->count);
    parallel_for(c->count < c->threads ? (int)c->count : c->threads, c->count, prepare, c);
    attn_status status = task_outcomes_first(c->outcomes, c->count);
    if (!status) status = begin_results(c);
    if (!status) status = plan(c);
    return status ? status : run_batches(c);
}

attn_status attn_seq_classify(const attn_seq_model *model, const attn_seq_classify_options *options,
                              const attn_seq_input *inputs, int64_t count, attn_seq_classification **classifications)
{
    if (classifications) *classifications = NULL;
    attn_status status = check(model, options, inputs, count, classifications);
    if (status || count == 0) return status;
    classifying c = {.model = model, .options = options, .inputs = inputs, .count = count};
    c.threads = options->threads ? options->threads : parallel_default_threads();
    status = classify_all(&c);
    for (int64_t i = 0; c.prepared && i < count; i++) prepared_input_clear(&c.prepared[i]);
    free(c.prepared);
    free(c.outcomes);
    free(c.tapes);
    length_batches_clear(&c.batches);
    for (int64_t i = 0; c.results && !status && i < count; i++)
        if (!c.results[i].message) c.results[i].message = "";
    if (!status)
        *classifications = c.results;
    else
        attn_seq_classifications_free(c.results, count);
    return status;
}

void attn_seq_classifications_free(attn_seq_classification *classifications, int64_t count)
{
    if (!classifications) return;
    for (int64_t i = 0; i < count; i++) {
        attn_seq_classification *r = &classifications[i];
        if (r->message && *r->message) free((void *)r->message);
        free((void *)r->probabilities);
        looked_at_free(r->attention);
    }
    free(classifications);
}
