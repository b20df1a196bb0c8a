#include "output/bleu.h"

#include "base/status.h"
#include "output/ngrams.h"
#include "output/tokenize_13a.h"
#include "output/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct numbered_text {
    uint32_t *numbers;
    int64_t length;
} numbered_text;

static attn_status number_text(words *w, const char *text, numbered_text *out)
{
    char *tokens;
    attn_status status = tokenize_13a(text, &tokens);
    if (status) return status;
    status = words_number(w, tokens, &out->numbers, &out->length);
    free(tokens);
    return status;
}

static int64_t closest_length(int64_t length, const numbered_text *references, int64_t count)
{
    int64_t closest = references[0].length;
    for (int64_t i = 1; i < count; i++) {
        int64_t candidate = references[i].length;
        int64_t distance = llabs(length - candidate), best = llabs(length - closest);
        if (distance < best || (distance == best && candidate < closest)) closest = candidate;
    }
    return closest;
}

/* Adds the matches of one order: each n-gram counts as often as in the reference that has most of it. */
static attn_status count_order(const numbered_text *hypothesis, const numbered_text *references, int64_t count,
                               int order, bleu_score *sum)
{
    ngrams mine;
    attn_status status = ngrams_count(&mine, hypothesis->numbers, hypothesis->length, order);
    if (status) return status;
    int64_t *clip = calloc((size_t)mine.distinct + 1, sizeof *clip);
    if (!clip) status = status_fail(ATTN_ERROR_MEMORY, "no memory to count n-grams");
    for (int64_t r = 0; r < count && !status; r++) {
        ngrams theirs;
        status = ngrams_count(&theirs, references[r].numbers, references[r].length, order);
        if (status) break;
        ngrams_raise(&mine, &theirs, clip);
        ngrams_clear(&theirs);
    }
    sum->total[order - 1] += mine.total;
    for (int64_t i = 0; i < mine.distinct && !status; i++) {
        sum->correct[order - 1] += mine.items[i].count < clip[i] ? mine.items[i].count : clip[i];
    }
    free(clip);
    ngrams_clear(&mine);
    return status;
}

static attn_status add_segment(words *w, const attn_seq_segment *segment, numbered_text *texts, bleu_score *sum)
{
    attn_status status = number_text(w, segment->hypothesis, &texts[0]);
    for (int64_t r = 0; r < segment->reference_count && !status; r++) {
        status = number_text(w, segment->references[r], &texts[r + 1]);
    }
    if (status) return status;
    for (int order = 1; order <= BLEU_ORDER; order++) {
        status = count_order(&texts[0], texts + 1, segment->reference_count, order, sum);
        if (status) return status;
    }
    sum->hypothesis_length += texts[0].length;
    sum->reference_length += closest_length(texts[0].length, texts + 1, segment->reference_count);
    return ATTN_OK;
}

static void finish(bleu_score *s)
{
    s->brevity_penalty = 1;
    if (s->hypothesis_length < s->reference_length) {
        s->brevity_penalty =
            s->hypothesis_length ? exp(1 - (double)s->reference_length / (double)s->hypothesis_length) : 0;
    }
    bool any = false;
    for (int n = 0; n < BLEU_ORDER; n++) any = any || s->correct[n];
    if (!any) return;
    double halvings = 1, log_sum = 0;
    for (int n = 0; n < BLEU_ORDER && s->total[n]; n++) {
        if (s->correct[n] == 0) halvings *= 2;
        double correct = s->correct[n] ? (double)s->correct[n] : 1 / halvings;
        s->precisions[n] = 100.0 * correct / (double)s->total[n];
    }
    for (int n = 0; n < BLEU_ORDER; n++) log_sum += s->precisions[n] > 0 ? log(s->precisions[n]) : -INFINITY;
    s->score = s->brevity_penalty * exp(log_sum / BLEU_ORDER);
}

attn_status bleu_corpus(const attn_seq_segment *segments, int64_t count, bleu_score *out)
{
    bleu_score sum = {.references = scored_segments_references(segments, count)};
    words *w = words_create();
    if (!w) return status_fail(ATTN_ERROR_MEMORY, "no memory for a table of words");
    attn_status status = ATTN_OK;
    for (int64_t i = 0; i < count && !status; i++) {
        int64_t references = segments[i].reference_count;
        if (references < 1) {
            status = status_fail(ATTN_ERROR_ARGUMENT, "segment %lld has no reference", (long long)i);
            break;
        }
        numbered_text *texts = calloc((size_t)references + 1, sizeof *texts);
        status = texts ? add_segment(w, &segments[i], texts, &sum)
                       : status_fail(ATTN_ERROR_MEMORY, "no memory for %lld references", (long long)references);
        for (int64_t r = 0; texts && r <= references; r++) free(texts[r].numbers);
        free(texts);
        words_reset(w);
    }
    words_destroy(w);
    if (status) return status;
    finish(&sum);
    *out = sum;
    return ATTN_OK;
}

int bleu_signature(const bleu_score *score, char *text, size_t size)
{
    char references[24] = "var";
    if (score->references != REFERENCES_VARY) snprintf(references, sizeof references, "%" PRId64, score->references);
    return snprintf(text, size, "nrefs:%s|case:mixed|eff:no|tok:13a|smooth:exp|version:attn-%s", references,
                    attn_version());
}

int bleu_line(const bleu_score *s, char *text, size_t size)
{
    char signature[160];
    bleu_signature(s, signature, sizeof signature);
    double ratio = s->reference_length ? (double)s->hypothesis_length / (double)s->reference_length : 0;
    const double *p = s->precisions;
    return snprintf(text, size,
                    "BLEU|%s = %.2f %.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %" PRId64
                    " ref_len = %" PRId64 ")",
                    signature, s->score, p[0], p[1], p[2], p[3], s->brevity_penalty, ratio, s->hypothesis_length,
                    s->reference_length);
}
