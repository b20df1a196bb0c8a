#include "output/chrf.h"

#include "base/status.h"
#include "base/utf8.h"
#include "output/ngrams.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAR_ORDER 6
#define BETA 2

typedef struct match_counts {
    int64_t hypothesis[CHAR_ORDER], reference[CHAR_ORDER], match[CHAR_ORDER];
} match_counts;

typedef struct counted_text {
    uint32_t *points; /* white space left out */
    ngrams orders[CHAR_ORDER];
} counted_text;

static void counted_text_clear(counted_text *t)
{
    for (int n = 0; n < CHAR_ORDER; n++) ngrams_clear(&t->orders[n]);
    free(t->points);
}

static attn_status count_text(const char *text, counted_text *out)
{
    size_t bytes = strlen(text);
    *out = (counted_text){.points = malloc((bytes + 1) * sizeof *out->points)};
    if (!out->points) return status_fail(ATTN_ERROR_MEMORY, "no memory for a line of %zu bytes", bytes);
    int64_t count = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t point;
        size_t length = utf8_read(text + at, bytes - at, &point);
        if (!length) {
            /* A byte that is not UTF-8 is a character of its own, as Python's surrogate escapes have it. */
            point = 0xDC00u + (unsigned char)text[at];
            length = 1;
        }
        if (!utf8_is_space(point)) out->points[count++] = point;
        at += length;
    }
    for (int n = 0; n < CHAR_ORDER; n++) {
        attn_status status = ngrams_count(&out->orders[n], out->points, count, n + 1);
        if (status) {
            counted_text_clear(out);
            return status;
        }
    }
    return ATTN_OK;
}

static match_counts compare_texts(const counted_text *hypothesis, const counted_text *reference)
{
    match_counts c;
    for (int n = 0; n < CHAR_ORDER; n++) {
        const ngrams *h = &hypothesis->orders[n], *r = &reference->orders[n];
        c.hypothesis[n] = r->total ? h->total : 0; /* no hits are missed where the reference has none of that order */
        c.reference[n] = r->total;
        c.match[n] = ngrams_matches(h, r);
    }
    return c;
}

static double f_score(const match_counts *c)
{
    double precision = 0, recall = 0, factor = BETA * BETA;
    int orders = 0;
    for (int n = 0; n < CHAR_ORDER; n++) {
        if (!c->hypothesis[n] || !c->reference[n]) continue;
        precision += (double)c->match[n] / (double)c->hypothesis[n];
        recall += (double)c->match[n] / (double)c->reference[n];
        orders++;
    }
    if (precision + recall == 0) return 0;
    precision /= orders;
    recall /= orders;
    return 100 * ((1 + factor) * precision * recall / (factor * precision + recall));
}

static attn_status add_segment(const attn_seq_segment *segment, match_counts *sum)
{
    counted_text hypothesis;
    attn_status status = count_text(segment->hypothesis, &hypothesis);
    if (status) return status;
    match_counts best = {0};
    double best_score = -1;
    for (int64_t r = 0; r < segment->reference_count; r++) {
        counted_text reference;
        status = count_text(segment->references[r], &reference);
        if (status) break;
        match_counts counts = compare_texts(&hypothesis, &reference);
        counted_text_clear(&reference);
        double score = f_score(&counts);
        if (score <= best_score) continue;
        best_score = score;
        best = counts;
    }
    counted_text_clear(&hypothesis);
    for (int n = 0; n < CHAR_ORDER; n++) {
        sum->hypothesis[n] += best.hypothesis[n];
        sum->reference[n] += best.reference[n];
        sum->match[n] += best.match[n];
    }
    return status;
}

attn_status chrf_corpus(const attn_seq_segment *segments, int64_t count, chrf_score *out)
{
    match_counts sum = {0};
    for (int64_t i = 0; i < count; i++) {
        if (segments[i].reference_count < 1)
            return status_fail(ATTN_ERROR_ARGUMENT, "segment %lld has no reference", (long long)i);
        attn_status status = add_segment(&segments[i], &sum);
        if (status) return status;
    }
    *out = (chrf_score){.score = f_score(&sum), .references = scored_segments_references(segments, count)};
    return ATTN_OK;
}

int chrf_signature(const chrf_score *score, char *text, size_t size)
{
    char references[24] = "var";
    if (score->references != REFERENCES_VARY) snprintf(references, sizeof references, "%" PRId64, score->references);
    return snprintf(text, size, "nrefs:%s|case:mixed|eff:yes|nc:6|nw:0|space:no|version:attn-%s", references,
                    attn_version());
}

int chrf_line(const chrf_score *score, char *text, size_t size)
{
    char signature[160];
    chrf_signature(score, signature, sizeof signature);
    return snprintf(text, size, "chrF2|%s = %.2f", signature, score->score);
}
