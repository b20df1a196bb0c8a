#include "model/decode_sentences.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/length_batches.h"
#include "model/task_outcome.h"

#include <stdlib.h>
#include <string.h>

/* Enough rows for the dense products to run near the CPU's peak, few enough for a batch's logits to stay in cache. */
#define MOST_ROWS 64
#define MOST_CELLS 4096

/* Weights times rows of a step from which its operations are worth sharing among threads. Of fewer each takes so few
 * microseconds that the threads' meeting costs what is gained (on two cores a sentence of a model of 8 million weights
 * takes as long on both as on one), and many times that while other programs keep one of them waiting. A row more or
 * less hardly counts where the weights themselves must come from memory. */
#define WORK_WORTH_SHARING ((int64_t)1 << 28)
#define ROWS_OF_READING 4

typedef struct decoding {
    const seq2seq *model;
    search_options options; /* of each batch */
    const token_list *sentences;
    hypothesis *results;
    length_batches batches;
    decode_workspace **workspaces; /* one for each worker */
    task_outcome *outcomes;        /* one for each batch */
} decoding;

static attn_status run_batch(decoding *d, int64_t index, decode_workspace *workspace)
{
    const int64_t *members = d->batches.order + d->batches.start[index];
    int64_t count = d->batches.start[index + 1] - d->batches.start[index], n_best = d->options.n_best;
    token_list *sentences = calloc((size_t)count, sizeof *sentences);
    hypothesis *results = calloc((size_t)(count * n_best), sizeof *results);
    attn_status status = sentences && results
                             ? ATTN_OK
                             : status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)count);
    for (int64_t i = 0; i < count && !status; i++) sentences[i] = d->sentences[members[i]];
    if (!status) status = decode_batch(workspace, d->model, &d->options, sentences, count, results);
    for (int64_t i = 0; i < count && !status; i++)
        memcpy(d->results + members[i] * n_best, results + i * n_best, (size_t)n_best * sizeof *results);
    free(sentences);
    free(results);
    return status;
}

static void run_task(void *argument, int64_t index, int worker)
{
    decoding *d = argument;
    task_outcome_set(&d->outcomes[index], run_batch(d, index, d->workspaces[worker]));
}

static int64_t weights_of(const parameters *p)
{
    int64_t weights = 0;
    for (int64_t i = 0; i < p->count; i++) weights += tensor_count(&p->items[i].tensor);
    return weights;
}

/* How many threads a batch's operations run on, of those that there are for it. */
static int threads_within(const decoding *d, int threads)
{
    int64_t most = 0;
    for (int64_t i = 0; i < d->batches.count; i++) {
        const int64_t sentences = d->batches.start[i + 1] - d->batches.start[i];
        if (sentences > most) most = sentences;
    }
    const int64_t rows = most * d->options.beam + ROWS_OF_READING;
    return weights_of(d->model->parameters) >= WORK_WORTH_SHARING / rows ? threads : 1;
}

/* One batch a worker, whose operations then run on its thread alone: less waiting than all workers at one operation. */
static attn_status run_all(decoding *d, int64_t count, int threads)
{
    int workers = d->batches.count < threads ? (int)d->batches.count : threads;
    d->options.threads = threads_within(d, threads / workers);
    d->workspaces = calloc((size_t)workers, sizeof(decode_workspace *));
    d->outcomes = calloc((size_t)d->batches.count, sizeof *d->outcomes);
    if (!d->workspaces || !d->outcomes)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)count);
    attn_status status = ATTN_OK;
    for (int i = 0; i < workers && !status; i++)
        status = decode_workspace_create(&d->workspaces[i], d->options.threads);
    if (!status) {
        parallel_for(workers, d->batches.count, run_task, d);
        status = task_outcomes_first(d->outcomes, d->batches.count);
    }
    for (int i = 0; i < workers; i++) decode_workspace_destroy(d->workspaces[i]);
    return status;
}

attn_status decode_sentences(const seq2seq *m, const search_options *options, const token_list *sentences,
                             int64_t count, hypothesis *results)
{
    if (count == 0) return ATTN_OK;
    memset(results, 0, (size_t)(count * options->n_best) * sizeof *results);
    int threads = options->threads ? options->threads : parallel_default_threads();
    decoding d = {.model = m, .options = *options, .sentences = sentences, .results = results};
    int64_t *lengths = malloc((size_t)count * sizeof *lengths);
    if (!lengths) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)count);
    for (int64_t i = 0; i < count; i++) lengths[i] = sentences[i].length;
    attn_status status = length_batches_create(&d.batches, lengths, count, MOST_ROWS, MOST_CELLS, threads);
    if (!status) status = run_all(&d, count, threads);
    free(lengths);
    free(d.workspaces);
    free(d.outcomes);
    length_batches_clear(&d.batches);
    if (status) hypotheses_clear(results, count * options->n_best);
    return status;
}
