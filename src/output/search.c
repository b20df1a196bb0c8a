/* Beam search. Each step takes the 2 * beam best continuations of a sequence's live hypotheses, in order: one that ends
 * is finished if it is among the first `beam`; the first `beam` others live on. A sequence is done when `beam`
 * hypotheses are finished, or later, as the model's limits say, or once no live one can get among the n best any more.
 * Of beam 1 this is greedy decoding. */
#include "output/search.h"

#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "output/allowed_candidates.h"
#include "output/ended_hypotheses.h"
#include "output/live_rows.h"
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
    allowed_candidates allowed;
    candidate *candidates; /* (rows, width) */
    int64_t *candidate_counts;
    int64_t *order, *asked; /* (rows) the rows, those of each sequence with the most probable first; those in logits */
    float *logits;          /* (asked, vocabulary) */
    continuation *best;     /* width */
    ended_hypotheses ended;
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
    free(s->best);
    allowed_candidates_clear(&s->allowed);
    ended_hypotheses_clear(&s->ended);
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
    bool made = live_rows_create(&s->rows, (int64_t)rows) && live_rows_create(&s->next, (int64_t)rows);
    made = ended_hypotheses_create(&s->ended, batch) && made && s->order && s->asked;
    if (!made || !s->candidates || !s->candidate_counts || !s->best)
        return status_fail(ATTN_ERROR_MEMORY, "no memory to search %lld sequences with beam %lld", (long long)batch,
                           (long long)o->beam);
    s->rows.count = batch;
    int64_t longest = 0;
    for (int64_t i = 0; i < batch; i++) {
        if (s->max_lengths[i] > longest) longest = s->max_lengths[i];
        s->rows.ids[i] = s->model->start_id;
        s->rows.from[i] = s->rows.sequence_of[i] = i;
        s->rows.nodes[i] = -1;
    }
    return allowed_candidates_create(&s->allowed, (int64_t)rows, longest);
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
            status = ended_hypotheses_add(&s->ended, sequence, c.log_probability, s->position + 1, &s->tokens,
                                          s->rows.nodes[c.row], c.id);
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
    if (s->next.count > first &&
        ended_hypotheses_suffice(&s->ended, sequence, s->position + 1, s->next.log_probabilities[first]))
        s->next.count = first;
    live_rows_settle(&s->next, begin, first);
    return ATTN_OK;
}

static void find_candidates(void *argument, int64_t index, int worker)
{
    (void)worker;
    search *s = argument;
    const int64_t row = s->asked[index];
    s->candidate_counts[row] =
        allowed_candidates_find(&s->allowed, row, s->position, &s->tokens, s->rows.nodes[row],
                                s->logits + index * s->model->vocabulary, s->width, s->candidates + row * s->width);
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
    search s = {.model = model, .options = options, .max_lengths = max_lengths};
    s.allowed = (allowed_candidates){.limits = &model->limits,
                                     .vocabulary = model->vocabulary,
                                     .start_id = model->start_id,
                                     .eos_id = model->eos_id,
                                     .pad_id = model->pad_id};
    s.ended = (ended_hypotheses){.beam = options->beam,
                                 .n_best = options->n_best,
                                 .normalize = (double)options->normalize,
                                 .stopping = model->limits.stopping,
                                 .max_lengths = max_lengths,
                                 .best = results};
    status = search_create(&s, batch);
    while (!status && s.rows.count > 0) status = take_step(&s);
    search_clear(&s);
    if (status) hypotheses_clear(results, batch * options->n_best);
    return status;
}
