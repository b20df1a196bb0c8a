/* The log-probability of given targets: one teacher-forced pass over batches of about equal length. */
#include "attn/seq.h"

#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "model/checked_text.h"
#include "model/length_batches.h"
#include "model/seq_model.h"
#include "model/task_outcome.h"
#include "output/top_candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PAIRS 64
#define MOST_CELLS 2048 /* logits of a batch: this many rows */

typedef struct pair_tokens {
    int32_t *source, *target;
    int64_t source_length, target_length;
} pair_tokens;

typedef struct scoring {
    const attn_seq_model *model;
    const attn_seq_pair *pairs;
    attn_seq_pair_score *scores;
    pair_tokens *tokens;
    length_batches batches;
    tape **tapes; /* one for each worker */
    task_outcome *outcomes;
} scoring;

static attn_status encode_side(const scoring *s, attn_seq_text text, tokenizer_side side, int32_t **ids,
                               int64_t *length)
{
    const char *name = side == TOKENIZER_SOURCE ? "source" : "target";
    attn_status status = checked_text(text.bytes, text.length);
    if (status) return status_fail(status, "%s: %s", name, status_message());
    status = tokenizer_encode(s->model->tokenizer, side, text.bytes, text.length, ids, length);
    if (status) return status;
    int64_t most = s->model->seq2seq.sizes.max_positions;
    if (side == TOKENIZER_SOURCE && s->model->architecture->task == ATTN_SEQ_TASK_SUMMARIZE)
        *length = tokenizer_shorten(s->model->tokenizer, *ids, *length, most);
    if (*length > most)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %lld pieces, the model has positions for %lld", name,
                           (long long)*length, (long long)most);
    return ATTN_OK;
}

/* A pair that cannot be scored keeps its reason; only a lack of memory stops the others. */
static void encode_pair(void *argument, int64_t i, int worker)
{
    (void)worker;
    scoring *s = argument;
    pair_tokens *t = &s->tokens[i];
    attn_seq_pair_score *score = &s->scores[i];
    attn_status status = encode_side(s, s->pairs[i].source, TOKENIZER_SOURCE, &t->source, &t->source_length);
    if (!status) status = encode_side(s, s->pairs[i].target, TOKENIZER_TARGET, &t->target, &t->target_length);
    *score = (attn_seq_pair_score){.status = status, .log_probability = (double)NAN, .tokens = t->target_length};
    if (status) snprintf(score->message, sizeof score->message, "%s", status_message());
}

typedef struct rectangle {
    int64_t batch, source_longest, target_longest;
    int32_t *source, *target;
    int64_t *lengths;
} rectangle;

/* Sources padded, targets shifted right behind the start token and padded. */
static attn_status fill_rectangle(const scoring *s, const int64_t *members, int64_t batch, arena *a, rectangle *r)
{
    const seq2seq_sizes *n = &s->model->seq2seq.sizes;
    *r = (rectangle){.batch = batch};
    for (int64_t i = 0; i < batch; i++) {
        const pair_tokens *t = &s->tokens[members[i]];
        if (t->source_length > r->source_longest) r->source_longest = t->source_length;
        if (t->target_length > r->target_longest) r->target_longest = t->target_length;
    }
    r->source = arena_take_zeroed(a, (size_t)(batch * r->source_longest), sizeof *r->source);
    r->target = arena_take_zeroed(a, (size_t)(batch * r->target_longest), sizeof *r->target);
    r->lengths = arena_take_zeroed(a, (size_t)batch, sizeof *r->lengths);
    if (!r->source || !r->target || !r->lengths)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld pairs", (long long)batch);
    for (int64_t i = 0; i < batch; i++) {
        const pair_tokens *t = &s->tokens[members[i]];
        int32_t *source = r->source + i * r->source_longest, *target = r->target + i * r->target_longest;
        r->lengths[i] = t->source_length;
        for (int64_t j = 0; j < r->source_longest; j++) source[j] = j < t->source_length ? t->source[j] : n->pad_id;
        target[0] = n->start_id;
        for (int64_t j = 1; j < r->target_longest; j++) target[j] = j < t->target_length ? t->target[j - 1] : n->pad_id;
    }
    return ATTN_OK;
}

static attn_status run_batch(scoring *s, int64_t index, tape *t)
{
    const int64_t *members = s->batches.order + s->batches.start[index];
    const seq2seq *m = &s->model->seq2seq;
    tape_begin(t, 0);
    rectangle r;
    attn_status status =
        fill_rectangle(s, members, s->batches.start[index + 1] - s->batches.start[index], tape_arena(t), &r);
    if (status) return status;
    const source_batch source = {r.source, r.batch, r.source_longest, r.lengths};
    const target_batch target = {.ids = r.target, .length = r.target_longest};
    tensor *logits = m->family->logits(t, m->network, &source, &target, NULL);
    status = tape_status(t);
    if (status) return status;
    int64_t vocabulary = m->sizes.target_vocabulary;
    for (int64_t i = 0; i < r.batch; i++) {
        const pair_tokens *pair = &s->tokens[members[i]];
        double sum = 0;
        for (int64_t j = 0; j < pair->target_length; j++) {
            const float *row = logits->value + (i * r.target_longest + j) * vocabulary;
            sum += (double)row[pair->target[j]] - log_normaliser(row, vocabulary);
        }
        attn_seq_pair_score *score = &s->scores[members[i]];
        score->log_probability = isnan(sum) ? (double)NAN : sum; /* one NaN, without a sign */
        if (!isnan(sum)) continue;
        score->status = ATTN_ERROR_FORMAT;
        snprintf(score->message, sizeof score->message, "the model gives logits that are not finite");
    }
    return ATTN_OK;
}

static void run_task(void *argument, int64_t index, int worker)
{
    scoring *s = argument;
    task_outcome_set(&s->outcomes[index], run_batch(s, index, s->tapes[worker]));
}

static attn_status run_batches(scoring *s, int threads)
{
    int workers = s->batches.count < threads ? (int)s->batches.count : threads;
    if (workers == 0) return ATTN_OK;
    s->tapes = calloc((size_t)workers, sizeof(tape *));
    s->outcomes = calloc((size_t)s->batches.count, sizeof *s->outcomes);
    if (!s->tapes || !s->outcomes) return status_fail(ATTN_ERROR_MEMORY, "no memory to score");
    attn_status status = ATTN_OK;
    for (int i = 0; i < workers && !status; i++) status = tape_create(&s->tapes[i], TAPE_INFER, threads / workers);
    if (!status) {
        parallel_for(workers, s->batches.count, run_task, s);
        status = task_outcomes_first(s->outcomes, s->batches.count);
    }
    for (int i = 0; i < workers; i++) tape_destroy(s->tapes[i]);
    return status;
}

/* Batches of the pairs that can be scored. */
static attn_status plan(scoring *s, int64_t count, int threads)
{
    int64_t *usable = malloc((size_t)count * sizeof *usable), *lengths = malloc((size_t)count * sizeof *lengths);
    int64_t n = 0;
    attn_status status = usable && lengths ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "no memory to score");
    for (int64_t i = 0; i < count && !status; i++) {
        if (s->scores[i].status == ATTN_ERROR_MEMORY)
            status = status_fail(ATTN_ERROR_MEMORY, "%s", s->scores[i].message);
        if (s->scores[i].status) continue;
        const pair_tokens *t = &s->tokens[i];
        lengths[n] = t->target_length > t->source_length ? t->target_length : t->source_length;
        usable[n++] = i;
    }
    if (!status) status = length_batches_create(&s->batches, lengths, n, MOST_PAIRS, MOST_CELLS, threads);
    for (int64_t i = 0; i < n && !status; i++) s->batches.order[i] = usable[s->batches.order[i]];
    free(usable);
    free(lengths);
    return status;
}

attn_status attn_seq_score(const attn_seq_model *model, const attn_seq_pair *pairs, int64_t count, int threads,
                           attn_seq_pair_score *scores)
{
    if (!model || (count && (!pairs || !scores)))
        return status_fail(ATTN_ERROR_ARGUMENT, "model, pairs or scores is NULL");
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "count = %lld, expected at least 0", (long long)count);
    if (threads < 0 || threads > PARALLEL_MAX_THREADS)
        return status_fail(ATTN_ERROR_ARGUMENT, "threads = %d, expected 0 to %d", threads, PARALLEL_MAX_THREADS);
    const bool summarizes = model->architecture->task == ATTN_SEQ_TASK_SUMMARIZE;
    attn_status status = seq_model_expect(model, summarizes ? ATTN_SEQ_TASK_SUMMARIZE : ATTN_SEQ_TASK_TRANSLATE);
    if (count == 0 || status) return status;
    if (threads == 0) threads = parallel_default_threads();
    scoring s = {.model = model, .pairs = pairs, .scores = scores};
    s.tokens = calloc((size_t)count, sizeof *s.tokens);
    if (!s.tokens) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld pairs", (long long)count);
    parallel_for(threads, count, encode_pair, &s);
    status = plan(&s, count, threads);
    if (!status) status = run_batches(&s, threads);
    for (int64_t i = 0; i < count; i++) {
        free(s.tokens[i].source);
        free(s.tokens[i].target);
    }
    free(s.tokens);
    free(s.tapes);
    free(s.outcomes);
    length_batches_clear(&s.batches);
    return status;
}
