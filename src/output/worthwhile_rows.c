#include "output/worthwhile_rows.h"

#include "output/search.h"

#include <math.h>

static int64_t sequence_end(const step_rows *s, int64_t begin)
{
    int64_t end = begin;
    while (end < s->count && s->sequence_of[end] == s->sequence_of[begin]) end++;
    return end;
}

void most_probable_first(const step_rows *s, int64_t *order)
{
    for (int64_t begin = 0, end; begin < s->count; begin = end) {
        end = sequence_end(s, begin);
        for (int64_t row = begin; row < end; row++) {
            int64_t at = row;
            for (; at > begin && s->log_probabilities[order[at - 1]] < s->log_probabilities[row]; at--)
                order[at] = order[at - 1];
            order[at] = row;
        }
    }
}

/* The beam-th most probable continuation of the rows order[begin .. end - 1] that goes on; -inf where there are fewer.
 */
static double reached(const step_rows *s, const int64_t *order, int64_t begin, int64_t end)
{
    double best[SEARCH_MAX_BEAM];
    int64_t held = 0;
    for (int64_t i = begin; i < end; i++) {
        const candidate *c = s->candidates + order[i] * s->width;
        for (int64_t k = 0; k < s->candidate_counts[order[i]]; k++) {
            const double total = s->log_probabilities[order[i]] + (double)c[k].log_probability;
            if (c[k].id == s->eos_id || (held == s->beam && total <= best[held - 1])) continue;
            int64_t at = held < s->beam ? held++ : held - 1;
            for (; at > 0 && best[at - 1] < total; at--) best[at] = best[at - 1];
            best[at] = total;
        }
    }
    return held == s->beam ? best[held - 1] : -INFINITY;
}

int64_t worthwhile_rows(const step_rows *s, const int64_t *order, int64_t first, int64_t share, int64_t *chosen)
{
    int64_t count = 0;
    for (int64_t begin = 0, end; begin < s->count; begin = end) {
        end = sequence_end(s, begin);
        const int64_t from = begin + first, to = end < from + share ? end : from + share;
        if (from >= to) continue;
        const double floor = reached(s, order, begin, from);
        for (int64_t i = from; i < to && !(s->log_probabilities[order[i]] < floor); i++) chosen[count++] = order[i];
    }
    return count;
}
