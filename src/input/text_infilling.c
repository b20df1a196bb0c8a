#include "input/text_infilling.h"

#include "base/random.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEAN_SPAN 3.0
#define SPAN_BEGINS 0.1f /* at each piece that is in none and does not end one */

typedef struct draws {
    uint64_t key, next;
} draws;

static float draw(draws *d)
{
    return random_unit(random_philox(d->key, d->next++, 0).word[0]);
}

/* Knuth, "The Art of Computer Programming", volume 2, section 3.4.1. */
static int64_t draw_span(draws *d)
{
    double limit = exp(-MEAN_SPAN), product = draw(d);
    int64_t length = 0;
    for (; product > limit; length++) product *= draw(d);
    return length;
}

/* Returns how many ids were written: at most `count`, as a span of no pieces is masked only where others were left out
 * before it. */
static int64_t mask_spans(int32_t *to, const int32_t *ids, int64_t count, int32_t mask_id, draws *d)
{
    int64_t written = 0;
    for (int64_t i = 0; i < count;) {
        if (draw(d) < SPAN_BEGINS) {
            int64_t span = draw_span(d);
            i += span == 0 && written == i ? 1 : span;
            to[written++] = mask_id;
        }
        if (i < count) to[written++] = ids[i++];
    }
    return written;
}

static attn_status reserve(token_pairs *out, int64_t count, int64_t before)
{
    const size_t texts = (size_t)count, most = TEXT_INFILLING_WINDOW + (size_t)before + 1;
    out->source.ids = malloc(texts * most * sizeof *out->source.ids + 1);
    out->target.ids = malloc(texts * most * sizeof *out->target.ids + 1);
    out->source.start = calloc(texts + 1, sizeof *out->source.start);
    out->target.start = calloc(texts + 1, sizeof *out->target.start);
    if (out->source.ids && out->target.ids && out->source.start && out->target.start) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld masked texts", (long long)count);
}

attn_status text_infilling_make(token_pairs *out, const token_side *texts, const int64_t *chosen, int64_t count,
                                int64_t before, int32_t mask_id, uint64_t key)
{
    memset(out, 0, sizeof *out);
    attn_status s = reserve(out, count, before);
    if (s != ATTN_OK) return s;
    out->count = count;
    for (int64_t i = 0; i < count; i++) {
        const int32_t *ids = texts->ids + texts->start[chosen[i]];
        const int64_t pieces = token_side_length(texts, chosen[i]) - before - 1;
        const int64_t window = pieces < TEXT_INFILLING_WINDOW ? pieces : TEXT_INFILLING_WINDOW;
        draws d = {random_derive(key, (uint64_t)i), 0};
        const int32_t *from = ids + before + (int64_t)(draw(&d) * (float)(pieces - window + 1));
        int32_t *source = out->source.ids + out->source.start[i], *target = out->target.ids + out->target.start[i];
        int64_t masked = before + mask_spans(source + before, from, window, mask_id, &d);
        memcpy(source, ids, (size_t)before * sizeof *source);
        memcpy(target, ids, (size_t)before * sizeof *target);
        memcpy(target + before, from, (size_t)window * sizeof *target);
        source[masked] = target[before + window] = ids[before + pieces];
        out->source.start[i + 1] = out->source.start[i] + masked + 1;
        out->target.start[i + 1] = out->target.start[i] + before + window + 1;
    }
    return ATTN_OK;
}
