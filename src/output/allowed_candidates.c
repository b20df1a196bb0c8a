#include "output/allowed_candidates.h"

#include "base/checked.h"
#include "base/status.h"
#include "output/repeated_ngrams.h"

#include <stdlib.h>

attn_status allowed_candidates_create(allowed_candidates *a, int64_t rows, int64_t longest)
{
    size_t cells;
    a->history_length = a->limits->distinct_ngrams > 0 ? longest + 1 : 0;
    if (!checked_mul((size_t)rows, (size_t)a->history_length + 2, &cells))
        return status_fail(ATTN_ERROR_OVERFLOW, "%lld rows of %lld tokens are too many", (long long)rows,
                           (long long)a->history_length);
    a->banned = malloc(cells * sizeof *a->banned);
    a->histories = a->history_length ? malloc(cells * sizeof *a->histories) : NULL;
    if (a->banned && (a->histories || !a->history_length)) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld rows of %lld tokens", (long long)rows,
                       (long long)a->history_length);
}

void allowed_candidates_clear(allowed_candidates *a)
{
    free(a->histories);
    free(a->banned);
}

/* Whether the limits leave but one token behind so many. */
static bool forced(const search_limits *l, int64_t length, int32_t *id)
{
    const bool last = l->forces_last && length + 2 == l->last_length;
    if (!last && !(l->forces_first && length == 0)) return false;
    *id = last ? l->last_id : l->first_id;
    return true;
}

int64_t allowed_candidates_find(const allowed_candidates *a, int64_t row, int64_t length, const token_tree *tokens,
                                int64_t node, float *logits, int64_t width, candidate *top)
{
    const search_limits *l = a->limits;
    if (forced(l, length, &top->id)) {
        top->log_probability = 0;
        return 1;
    }
    int32_t *banned = a->banned + row * (a->history_length + 2);
    int64_t count = 0;
    if (a->pad_id >= 0) banned[count++] = a->pad_id;
    if (length + 1 < l->min_length) banned[count++] = a->eos_id;
    if (a->histories) {
        int32_t *history = a->histories + row * a->history_length;
        history[0] = a->start_id;
        token_tree_path(tokens, node, length, history + 1);
        count += repeated_ngrams(history, length + 1, l->distinct_ngrams, banned + count);
    }
    const int64_t held = top_candidates(logits, a->vocabulary, banned, count, width, top);
    if (held == 0) top[0] = (candidate){0, a->eos_id};
    return held == 0 ? 1 : held;
}
