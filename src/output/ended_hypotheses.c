#include "output/ended_hypotheses.h"

#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool ended_hypotheses_create(ended_hypotheses *e, int64_t batch)
{
    e->counts = calloc((size_t)batch, sizeof *e->counts);
    e->scores = calloc((size_t)(batch * e->beam), sizeof *e->scores);
    return e->counts && e->scores;
}

void ended_hypotheses_clear(ended_hypotheses *e)
{
    free(e->counts);
    free(e->scores);
}

static double normalized(const ended_hypotheses *e, double log_probability, int64_t length)
{
    return e->normalize == 0 ? log_probability : log_probability / pow((double)length, e->normalize);
}

/* Among the `beam` best. */
static void count_score(ended_hypotheses *e, int64_t sequence, double score)
{
    const int64_t beam = e->beam, count = e->counts[sequence]++;
    double *scores = e->scores + sequence * beam;
    int64_t at = count < beam ? count : beam;
    while (at > 0 && scores[at - 1] < score) at--;
    if (at == beam) return;
    memmove(scores + at + 1, scores + at, (size_t)((count < beam ? count : beam - 1) - at) * sizeof *scores);
    scores[at] = score;
}

attn_status ended_hypotheses_add(ended_hypotheses *e, int64_t sequence, double log_probability, int64_t length,
                                 const token_tree *tokens, int64_t node, int32_t last)
{
    const int64_t n_best = e->n_best;
    const float score = (float)normalized(e, log_probability, length);
    hypothesis *best = e->best + sequence * n_best;
    count_score(e, sequence, (double)score);
    int64_t at = n_best;
    while (at > 0 && (!best[at - 1].ids || best[at - 1].score < score)) at--;
    if (at == n_best) return ATTN_OK;
    int32_t *ids = malloc((size_t)length * sizeof *ids);
    if (!ids) return status_fail(ATTN_ERROR_MEMORY, "no memory for a hypothesis of %lld tokens", (long long)length);
    ids[length - 1] = last;
    token_tree_path(tokens, node, length - 1, ids);
    hypotheses_clear(&best[n_best - 1], 1);
    memmove(best + at + 1, best + at, (size_t)(n_best - 1 - at) * sizeof *best);
    best[at] = (hypothesis){ids, length, (float)log_probability, score};
    return ATTN_OK;
}

/* The best score that one of `length` tokens can still reach: at full length, without losing any more. */
static double reachable_score(const ended_hypotheses *e, double log_probability, int64_t sequence, int64_t length)
{
    return normalized(e, log_probability, e->normalize > 0 ? e->max_lengths[sequence] : length + 1);
}

/* Whether those that ended are as many as the beam is wide, and the rule asks no more. */
static bool stops(const ended_hypotheses *e, int64_t sequence, int64_t length, double likeliest)
{
    if (e->counts[sequence] < e->beam || e->stopping == STOPPING_SURE) return false;
    if (e->stopping == STOPPING_FULL) return true;
    return normalized(e, likeliest, length) <= e->scores[sequence * e->beam + e->beam - 1];
}

bool ended_hypotheses_suffice(const ended_hypotheses *e, int64_t sequence, int64_t length, double likeliest)
{
    if (stops(e, sequence, length, likeliest)) return true;
    if (e->counts[sequence] < e->n_best) return false;
    const double worst = (double)e->best[sequence * e->n_best + e->n_best - 1].score;
    return reachable_score(e, likeliest, sequence, length) <= worst;
}
