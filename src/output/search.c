/* Beam search. Each step takes the 2 * beam best continuations of a sequence's live hypotheses, in order: one that ends
 * is finished if it is among the first `beam`; the first `beam` others live on. A sequence is done when `beam`
 * hypotheses are finished, or later, as the model's limits say. Before that, a live one is dropped only when it cannot
 * get among the n best finished any more: on BLEU it pays to wait, for a hypothesis' mean log-probability tends to rise
 * as it grows. Of beam 1 this is greedy decoding. */
#include "output/search.h"

#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "output/live_rows.h"
#include "output/repeated_ngrams.h"
#include "output/token_tree.h"
#include "output/top_candidates.h"
#include "output/worthwhile_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct continuation {
    double log_probability;
    int64_t row;
    int32_t id;
} continuation;

typedef struct search {
    const search_model *model;
    const search_options *options;
    const int64_t *max_lengths;
    int64_t width; /* candidates kept of each row and of each sequence */
    int64_t position;
    token_tree tokens;
    live_rows rows, next;
    candidate *candidates; /* (rows, width) */
    int64_t *candidate_counts;
    int64_t *order, *asked; /* (rows) the rows, those of each sequence with the most probable first; those in logits */
    int32_t *histories;     /* (rows, history_length): each row's ids, start first; NULL where no limit asks for them */
    int32_t *banned;        /* (rows, history_length + 2): ids that may not be next */
    int64_t history_length;
    float *logits;      /* (asked, vocabulary) */
    continuation *best; /* width */
    int64_t *finished;  /* of each sequence */
    double *scores;     /* (batch, beam) of the best of these, best first */
    hypothesis *results;
} search;

static void search_clear(search *s)
{
    live_rows_clear(&s->rows);
    live_rows_clear(&s->next);
    token_tree_clear(&s->tokens);
    free(s->candidates);
    free(s->candidate_counts);
    free(s->order);
    free(s->asked);
    free(s->histories);
    free(s->banned);
    free(s->best);
    free(s->finished);
    free(s->scores);
}

/* What the limits need. */
static attn_status create_limits(search *s, int64_t batch, size_t rows)
{
    size_t cells;
    for (int64_t i = 0; i < batch && s->model->limits.distinct_ngrams > 0; i++) {
        if (s->max_lengths[i] + 1 > s->history_length) s->history_length = s->max_lengths[i] + 1;
    }
    if (!checked_mul(rows, (size_t)s->history_length + 2, &cells))
        return status_fail(ATTN_ERROR_OVERFLOW, "%zu rows of %lld tokens are too many", rows,
                           (long long)s->history_length);
    s->banned = malloc(cells * sizeof *s->banned);
    s->histories = s->history_length ? malloc(cells * sizeof *s->histories) : NULL;
    if (s->banned && (s->histories || !s->history_length)) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "no memory for %zu rows of %lld tokens", rows, (long long)s->history_length);
}

static attn_status search_create(search *s, int64_t batch)
{
    const search_options *o = s->options;
    size_t rows, cells;
    s->width = o->beam == 1 ? 1 : 2 * o->beam;
    if (!checked_mul((size_t)batch, (size_t)o->beam, &rows) || !checked_mul(rows, (size_t)s->width, &cells) ||
        rows > INT32_MAX)
        return status_fail(ATTN_ERROR_OVERFLOW, "a batch of %lld with beam %lld is too large", (long long)batch,
                           (long long)o->beam);
    s->candidates = calloc(cells, sizeof *s->candidates);
    s->candidate_counts = calloc(rows, sizeof *s->candidate_counts);
    s->order = calloc(rows, sizeof *s->order);
    s->asked = calloc(rows, sizeof *s->asked);
    s->best = calloc((size_t)s->width, sizeof *s->best);
    s->finished = calloc((size_t)batch, sizeof *s->finished);
    s->scores = calloc(rows, sizeof *s->scores);
    bool made = live_rows_create(&s->rows, (int64_t)rows) && live_rows_create(&s->next, (int64_t)rows);
    made = made && s->order && s->asked;
    if (!made || !s->candidates || !s->candidate_counts || !s->best || !s->finished || !s->scores)
        return status_fail(ATTN_ERROR_MEMORY, "no memory to search %lld sequences with beam %lld", (long long)batch,
                           (long long)o->beam);
    s->rows.count = batch;
    for (int64_t i = 0; i < batch; i++) {
        s->rows.ids[i] = s->model->start_id;
        s->rows.from[i] = s->rows.sequence_of[i] = i;
        s->rows.nodes[i] = -1;
    }
    return create_limits(s, batch, rows);
}

static double normalized(const search *s, double log_probability, int64_t length)
{
    return s->options->normalize == 0 ? log_probability
                                      : log_probability / pow((double)length, (double)s->options->normalize);
}

/* Of a hypothesis that has ended, among the `beam` best. */
static void count_score(search *s, int64_t sequence, double score)
{
    const int64_t beam = s->options->beam, count = s->finished[sequence]++;
    double *scores = s->scores + sequence * beam;
    int64_t at = count < beam ? count : beam;
    while (at > 0 && scores[at - 1] < score) at--;
    if (at == beam) return;
    memmove(scores + at + 1, scores + at, (size_t)((count < beam ? count : beam - 1) - at) * sizeof *scores);
    scores[at] = score;
}

/* Puts the hypothesis that ends with c among its sequence's n best, if it is one of them. */
static attn_status finish(search *s, int64_t sequence, continuation c)
{
    int64_t n_best = s->options->n_best, length = s->position + 1;
    hypothesis *best = s->results + sequence * n_best;
    float score = (float)normalized(s, c.log_probability, length);
    count_score(s, sequence, (double)score);
    int64_t at = n_best;
    while (at > 0 && (!best[at - 1].ids || best[at - 1].score < score)) at--;
    if (at == n_best) return ATTN_OK;
    int32_t *ids = malloc((size_t)length * sizeof *ids);
    if (!ids) return status_fail(ATTN_ERROR_MEMORY, "no memory for a hypothesis of %lld tokens", (long long)length);
    ids[length - 1] = c.id;
    token_tree_path(&s->tokens, s->rows.nodes[c.row], length - 1, ids);
    hypotheses_clear(&best[n_best - 1], 1);
    memmove(best + at + 1, best + at, (size_t)(n_best - 1 - at) * sizeof *best);
    best[at] = (hypothesis){ids, length, (float)c.log_probability, score};
    return ATTN_OK;
}

/* The `width` best continuations of rows begin .. end - 1 into s->best; equal ones in the order of their rows. */
static int64_t rank_continuations(search *s, int64_t begin, int64_t end)
{
    int64_t held = 0;
    for (int64_t row = begin; row < end; row++) {
        for (int64_t i = 0; i < s->candidate_counts[row]; i++) {
            candidate c = s->candidates[row * s->width + i];
            double total = s->rows.log_probabilities[row] + (double)c.log_probability;
            if (held == s->width && total <= s->best[held - 1].log_probability) break;
            int64_t at = held < s->width ? held++ : held - 1;
            for (; at > 0 && s->best[at - 1].log_probability < total; at--) s->best[at] = s->best[at - 1];
            s->best[at] = (continuation){total, row, c.id};
        }
    }
    return held;
}

/* The best score that a live hypothesis can still reach: at full length, without losing any more. */
static double reachable_score(const search *s, double log_probability, int64_t sequence)
{
    return normalized(s, log_probability, s->options->normalize > 0 ? s->max_lengths[sequence] : s->position + 2);
}

/* Whether the sequence, whose live rows begin at `first` with the most probable, is done before these are hopeless. */
static bool stops(const search *s, int64_t sequence, int64_t first)
{
    const int64_t beam = s->options->beam;
    const search_stopping stopping = s->model->limits.stopping;
    if (s->finished[sequence] < beam || stopping == STOPPING_SURE) return false;
    if (stopping == STOPPING_FULL || s->next.count == first) return true;
    const double best = normalized(s, s->next.log_probabilities[first], s->position + 1);
    return best <= s->scores[sequence * beam + beam - 1];
}

/* Drops the rows added since `first` if the sequence is done, else those that cannot be among the n best any more. What
 * descends from these still counts where it would tell that the search has lasted long enough. */
static void prune(search *s, int64_t sequence, int64_t first)
{
    int64_t n_best = s->options->n_best, kept = first;
    live_rows *next = &s->next;
    if (stops(s, sequence, first)) {
        next->count = first;
        return;
    }
    if (s->finished[sequence] < n_best) return;
    double worst = (double)s->results[sequence * n_best + n_best - 1].score;
    const bool all_count = s->model->limits.stopping == STOPPING_LIKELY;
    if (all_count && next->count > first && reachable_score(s, next->log_probabilities[first], sequence) > worst)
        return;
    for (int64_t r = first; r < next->count; r++) {
        if (reachable_score(s, next->log_probabilities[r], sequence) <= worst) continue;
        live_rows_move(next, r, kept++);
    }
    next->count = kept;
}

static attn_status extend_sequence(search *s, int64_t begin, int64_t end)
{
    int64_t sequence = s->rows.sequence_of[begin], beam = s->options->beam;
    int64_t ranked = rank_continuations(s, begin, end), first = s->next.count, going_on = 0;
    bool last = s->position + 1 >= s->max_lengths[sequence];
    for (int64_t rank = 0; rank < ranked && going_on < beam; rank++) {
        continuation c = s->best[rank];
        bool ends = c.id == s->model->eos_id;
        if (!ends) going_on++;
        if (ends && rank >= beam) continue;
        attn_status status;
        if (ends || last) {
            status = finish(s, sequence, c);
        } else {
            int64_t r = s->next.count++;
            s->next.ids[r] = c.id;
            s->next.from[r] = c.row;
            s->next.sequence_of[r] = sequence;
            s->next.log_probabilities[r] = c.log_probability;
            status = token_tree_add(&s->tokens, c.id, s->rows.nodes[c.row], &s->next.nodes[r]);
        }
        if (status) return status;
    }
    prune(s, sequence, first);
    live_rows_settle(&s->next, begin, first);
    return ATTN_OK;
}

/* The row's ids so far, start first. Returns how many. */
static int64_t collect_history(const search *s, int64_t row, int32_t *history)
{
    token_tree_path(&s->tokens, s->rows.nodes[row], s->position, history + 1);
    history[0] = s->model->start_id;
    return s->position + 1;
}

/* Whether the limits leave but one token at this position. */
static bool forced(const search *s, int32_t *id)
{
    const search_limits *l = &s->model->limits;
    const bool last = l->forces_last && s->position + 2 == l->last_length;
    if (!last && !(l->forces_first && s->position == 0)) return false;
    *id = last ? l->last_id : l->first_id;
    return true;
}

static void find_candidates(void *argument, int64_t index, int worker)
{
    (void)worker;
    search *s = argument;
    const search_model *m = s->model;
    const int64_t row = s->asked[index];
    candidate *top = s->candidates + row * s->width;
    if (forced(s, &top->id)) {
        top->log_probability = 0;
        s->candidate_counts[row] = 1;
        return;
    }
    int32_t *banned = s->banned + row * (s->history_length + 2);
    int64_t count = 0;
    if (m->pad_id >= 0) banned[count++] = m->pad_id;
    if (s->position + 1 < m->limits.min_length) banned[count++] = m->eos_id;
    if (s->histories) {
        int32_t *history = s->histories + row * s->history_length;
        int64_t length = collect_history(s, row, history);
        count += repeated_ngrams(history, length, m->limits.distinct_ngrams, banned + count);
    }
    int64_t held = top_candidates(s->logits + index * m->vocabulary, m->vocabulary, banned, count, s->width, top);
    if (held == 0) top[held++] = (candidate){0, m->eos_id}; /* the limits leave nothing else */
    s->candidate_counts[row] = held;
}

/* Asks for the logits of the most probable rows first, and of the others as far as they are still worth it: half of
 * them, half of the rest, and so on. */
static attn_status find_all_candidates(search *s)
{
    const search_model *m = s->model;
    const step_rows rows = {.count = s->rows.count,
                            .sequence_of = s->rows.sequence_of,
                            .log_probabilities = s->rows.log_probabilities,
                            .candidates = s->candidates,
                            .candidate_counts = s->candidate_counts,
                            .width = s->width,
                            .beam = s->options->beam,
                            .eos_id = m->eos_id};
    most_probable_first(&rows, s->order);
    memset(s->candidate_counts, 0, (size_t)rows.count * sizeof *s->candidate_counts);
    for (int64_t first = 0, share; first < rows.beam; first += share) {
        share = rows.beam - first > 1 ? (rows.beam - first) / 2 : 1;
        const int64_t count = worthwhile_rows(&rows, s->order, first, share, s->asked);
        if (count == 0) break;
        attn_status status = m->logits(m->model, s->asked, count, &s->logits);
        if (status) return status;
        parallel_for(s->options->threads, count, find_candidates, s);
    }
    return ATTN_OK;
}

static attn_status take_step(search *s)
{
    live_rows *rows = &s->rows;
    attn_status status =
        s->model->step(s->model->model, rows->ids, rows->from, rows->sequence_of, rows->count, s->position);
    if (!status) status = find_all_candidates(s);
    if (status) return status;
    s->next.count = 0;
    for (int64_t begin = 0, end; begin < rows->count; begin = end) {
        for (end = begin; end < rows->count && rows->sequence_of[end] == rows->sequence_of[begin]; end++) {
            if (s->candidate_counts[end] < 0)
                return status_fail(ATTN_ERROR_FORMAT, "the model gives logits that are not finite at position %lld",
                                   (long long)s->position);
        }
        status = extend_sequence(s, begin, end);
        if (status) return status;
    }
    live_rows swap = s->rows;
    s->rows = s->next;
    s->next = swap;
    s->position++;
    return ATTN_OK;
}

static attn_status check(const search_model *model, const search_options *o, int64_t batch, const int64_t *max_lengths)
{
    if (o->beam < 1 || o->beam > SEARCH_MAX_BEAM)
        return status_fail(ATTN_ERROR_ARGUMENT, "beam = %lld, expected 1 to %d", (long long)o->beam, SEARCH_MAX_BEAM);
    if (o->n_best < 1 || o->n_best > o->beam)
        return status_fail(ATTN_ERROR_ARGUMENT, "n_best = %lld, expected 1 to the beam, %lld", (long long)o->n_best,
                           (long long)o->beam);
    if (!isfinite(o->normalize))
        return status_fail(ATTN_ERROR_ARGUMENT, "normalize = %g, expected a finite number", (double)o->normalize);
    if (model->vocabulary < 1)
        return status_fail(ATTN_ERROR_ARGUMENT, "vocabulary = %lld, expected at least 1", (long long)model->vocabulary);
    for (int64_t i = 0; i < batch; i++) {
        if (max_lengths[i] < 1)
            return status_fail(ATTN_ERROR_ARGUMENT, "max_lengths[%lld] = %lld, expected at least 1", (long long)i,
                               (long long)max_lengths[i]);
    }
    return ATTN_OK;
}

attn_status search_decode(const search_model *model, const search_options *options, int64_t batch,
                          const int64_t *max_lengths, hypothesis *results)
{
    attn_status status = check(model, options, batch, max_lengths);
    if (status) return status;
    memset(results, 0, (size_t)(batch * options->n_best) * sizeof *results);
    search s = {.model = model, .options = options, .max_lengths = max_lengths, .results = results};
    status = search_create(&s, batch);
    while (!status && s.rows.count > 0) status = take_step(&s);
    search_clear(&s);
    if (status) hypotheses_clear(results, batch * options->n_best);
    return status;
}

void hypotheses_clear(hypothesis *h, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        free(h[i].ids);
        h[i] = (hypothesis){0};
    }
}
