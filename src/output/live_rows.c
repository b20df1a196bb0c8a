#include "output/live_rows.h"

#include <stdlib.h>

bool live_rows_create(live_rows *r, int64_t most)
{
    size_t n = (size_t)most;
    r->ids = calloc(n, sizeof *r->ids);
    r->from = calloc(n, sizeof *r->from);
    r->sequence_of = calloc(n, sizeof *r->sequence_of);
    r->nodes = calloc(n, sizeof *r->nodes);
    r->log_probabilities = calloc(n, sizeof *r->log_probabilities);
    return r->ids && r->from && r->sequence_of && r->nodes && r->log_probabilities;
}

void live_rows_clear(live_rows *r)
{
    free(r->ids);
    free(r->from);
    free(r->sequence_of);
    free(r->nodes);
    free(r->log_probabilities);
}

static void swap_rows(live_rows *r, int64_t a, int64_t b)
{
    int32_t id = r->ids[a];
    int64_t from = r->from[a], at = r->nodes[a];
    double log_probability = r->log_probabilities[a];
    r->ids[a] = r->ids[b];
    r->from[a] = r->from[b];
    r->nodes[a] = r->nodes[b];
    r->log_probabilities[a] = r->log_probabilities[b];
    r->ids[b] = id;
    r->from[b] = from;
    r->nodes[b] = at;
    r->log_probabilities[b] = log_probability;
}

void live_rows_settle(live_rows *r, int64_t begin, int64_t first)
{
    for (int64_t i = first; i < r->count; i++) {
        int64_t own = begin + i - first;
        for (int64_t j = first; j < r->count && r->from[i] != own; j++) {
            bool settled = r->from[j] == begin + j - first;
            if (!settled && r->from[j] == own) swap_rows(r, i, j);
        }
    }
}
