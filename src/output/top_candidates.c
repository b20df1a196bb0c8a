/* A row is swept twice in vectors, for block maxima and for the sum; then only those blocks are looked into whose
 * maximum reaches the count-th largest maximum: no other can hold one of the `count` largest. */
#include "output/top_candidates.h"

#include "output/logit_row.h"

#include <math.h>

#define BLOCK 64
#define MOST_BLOCKS 1024

/* Logits whose maximum is kept together: longer blocks in vocabularies beyond 65,536. */
static int64_t block_length(int64_t vocabulary)
{
    int64_t block = BLOCK;
    while ((vocabulary - 1) / block >= MOST_BLOCKS) block *= 2;
    return block;
}

/* Puts (value, id) into the sorted top; equal values stay in the order in which they came. Returns how many it holds.
 */
static inline int64_t insert(candidate *top, int64_t held, int64_t count, float value, int32_t id)
{
    if (held == count && !(value > top[count - 1].log_probability)) return held;
    int64_t at = held < count ? held : count - 1;
    for (; at > 0 && top[at - 1].log_probability < value; at--) top[at] = top[at - 1];
    top[at] = (candidate){value, id};
    return held < count ? held + 1 : count;
}

/* The count-th largest maximum; -inf where there are fewer blocks. */
static float reachable(const float *maxima, int64_t blocks, int64_t count)
{
    candidate best[TOP_CANDIDATES_MAX];
    int64_t held = 0;
    for (int64_t b = 0; b < blocks; b++) held = insert(best, held, count, maxima[b], 0);
    return held < count ? -INFINITY : best[count - 1].log_probability;
}

/* Takes the banned ids' logits away, and out of their blocks' maxima. */
static void ban(float *logits, int64_t vocabulary, const int32_t *banned, int64_t count, int64_t block, float *maxima)
{
    for (int64_t i = 0; i < count; i++) logits[banned[i]] = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        int64_t b = banned[i] / block, end = vocabulary - b * block < block ? vocabulary : (b + 1) * block;
        maxima[b] = -INFINITY;
        for (int64_t v = b * block; v < end; v++) maxima[b] = fmaxf(maxima[b], logits[v]);
    }
}

int64_t top_candidates(float *logits, int64_t vocabulary, const int32_t *banned, int64_t banned_count, int64_t count,
                       candidate *top)
{
    float maxima[MOST_BLOCKS];
    int64_t block = block_length(vocabulary), blocks = (vocabulary + block - 1) / block;
    const logit_row_functions *row = logit_row();
    float maximum = row->block_maxima(logits, vocabulary, block, maxima);
    double normaliser = (double)maximum + log(row->sum_exponentials(logits, vocabulary, maximum));
    if (!isfinite(normaliser)) return -1;
    ban(logits, vocabulary, banned, banned_count, block, maxima);
    float floor = reachable(maxima, blocks, count);
    int64_t held = 0;
    for (int64_t b = 0; b < blocks; b++) {
        if (maxima[b] < floor) continue;
        int64_t end = vocabulary - b * block < block ? vocabulary : (b + 1) * block;
        for (int64_t v = b * block; v < end; v++) {
            if (logits[v] < floor || logits[v] == -INFINITY) continue;
            held = insert(top, held, count, logits[v], (int32_t)v);
        }
    }
    for (int64_t i = 0; i < held; i++) top[i].log_probability = (float)((double)top[i].log_probability - normaliser);
    return held;
}

double log_normaliser(const float *logits, int64_t vocabulary)
{
    float maxima[MOST_BLOCKS];
    const logit_row_functions *row = logit_row();
    float maximum = row->block_maxima(logits, vocabulary, block_length(vocabulary), maxima);
    return (double)maximum + log(row->sum_exponentials(logits, vocabulary, maximum));
}
