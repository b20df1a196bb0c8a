#include "train/validation.h"

#include "base/status.h"
#include "model/decode_sentences.h"

#include <stdlib.h>
#include <string.h>

/* Between two questions whether to stop. */
#define SENTENCES_AT_ONCE 512

/* Each different source once, its targets as references: group g's pairs are order[start[g] .. start[g + 1]). */
typedef struct grouped_pairs {
    int64_t count;
    int64_t *start;
    const char **reference; /* in the groups' order */
    token_list *source;
    hypothesis *found;
    attn_seq_segment *segment;
} grouped_pairs;

typedef struct ordered_pair {
    const char *source, *target;
    int64_t index;
} ordered_pair;

static int by_source(const void *left, const void *right)
{
    const ordered_pair *a = left, *b = right;
    int c = strcmp(a->source, b->source);
    return c ? c : (a->index > b->index) - (a->index < b->index);
}

static attn_status allocate(grouped_pairs *g, int64_t pairs)
{
    size_t n = (size_t)pairs + 1;
    g->start = calloc(n, sizeof *g->start);
    g->reference = calloc(n, sizeof *g->reference);
    g->source = calloc(n, sizeof *g->source);
    g->found = calloc(n, sizeof *g->found);
    g->segment = calloc(n, sizeof *g->segment);
    if (g->start && g->reference && g->source && g->found && g->segment) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "out of memory to validate on %lld pairs", (long long)pairs);
}

static void clear(grouped_pairs *g)
{
    for (int64_t i = 0; g->segment && i < g->count; i++) free((char *)g->segment[i].hypothesis);
    if (g->found) hypotheses_clear(g->found, g->count);
    for (int64_t i = 0; g->source && i < g->count; i++) free((int32_t *)g->source[i].ids);
    free(g->start);
    free(g->reference);
    free(g->source);
    free(g->found);
    free(g->segment);
}

/* Begins a group for a source that the model has positions for; *kept says whether it has. */
static attn_status begin_group(grouped_pairs *g, const train_data *data, const char *source, int64_t at, bool *kept)
{
    int32_t *ids = NULL;
    int64_t length = 0;
    attn_status s = tokenizer_encode(data->tokenizer, TOKENIZER_SOURCE, source, strlen(source), &ids, &length);
    if (s != ATTN_OK) return s;
    if (data->policy == LONG_SOURCES_CUT) length = tokenizer_shorten(data->tokenizer, ids, length, data->positions);
    *kept = length <= data->positions;
    if (!*kept) {
        free(ids);
        return ATTN_OK;
    }
    g->source[g->count] = (token_list){ids, length};
    g->start[g->count++] = at;
    return ATTN_OK;
}

static attn_status group(grouped_pairs *g, const train_data *data)
{
    const pair_texts *p = &data->valid_texts;
    attn_status s = allocate(g, p->count);
    if (s != ATTN_OK) return s;
    ordered_pair *order = malloc((size_t)p->count * sizeof *order);
    if (!order) return status_fail(ATTN_ERROR_MEMORY, "out of memory to validate on %lld pairs", (long long)p->count);
    for (int64_t i = 0; i < p->count; i++) order[i] = (ordered_pair){p->source[i], p->target[i], i};
    qsort(order, (size_t)p->count, sizeof *order, by_source);
    int64_t references = 0;
    bool kept = false;
    for (int64_t i = 0; s == ATTN_OK && i < p->count; i++) {
        bool first = i == 0 || strcmp(order[i].source, order[i - 1].source) != 0;
        if (first) s = begin_group(g, data, order[i].source, references, &kept);
        if (s == ATTN_OK && kept) g->reference[references++] = order[i].target;
    }
    g->start[g->count] = references;
    free(order);
    return s;
}

static attn_status translate(grouped_pairs *g, const seq2seq *m, int threads, stop_question stop)
{
    const search_options greedy = {.beam = 1, .n_best = 1, .normalize = 1, .threads = threads};
    for (int64_t at = 0; at < g->count; at += SENTENCES_AT_ONCE) {
        if (stop_asked(stop)) return status_fail(ATTN_ERROR_INTERRUPTED, "stopped during validation");
        int64_t left = g->count - at;
        attn_status s = decode_sentences(m, &greedy, g->source + at,
                                         left < SENTENCES_AT_ONCE ? left : SENTENCES_AT_ONCE, g->found + at);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

static attn_status make_segments(grouped_pairs *g, const tokenizer *k)
{
    for (int64_t i = 0; i < g->count; i++) {
        char *text = NULL;
        attn_status s = tokenizer_decode(k, g->found[i].ids, g->found[i].length, &text);
        if (s != ATTN_OK) return s;
        g->segment[i] = (attn_seq_segment){text, g->reference + g->start[i], g->start[i + 1] - g->start[i]};
    }
    return ATTN_OK;
}

static attn_status score_references(const grouped_pairs *g, segments_scorer score, bool *reachable)
{
    double scores[ATTN_SEQ_TRAIN_SCORES] = {0};
    attn_seq_segment *right = malloc(((size_t)g->count + 1) * sizeof *right);
    if (!right) return status_fail(ATTN_ERROR_MEMORY, "out of memory to validate on %lld pairs", (long long)g->count);
    for (int64_t i = 0; i < g->count; i++) {
        right[i] = g->segment[i];
        right[i].hypothesis = right[i].references[0];
    }
    attn_status s = score(right, g->count, scores);
    *reachable = scores[0] > 0;
    free(right);
    return s;
}

attn_status validation_greedy(double *scores, bool *reachable, segments_scorer score, const seq2seq *m,
                              const train_data *data, int threads, stop_question stop)
{
    grouped_pairs g = {0};
    attn_status s = group(&g, data);
    if (s == ATTN_OK) s = translate(&g, m, threads, stop);
    if (s == ATTN_OK) s = make_segments(&g, data->tokenizer);
    if (s == ATTN_OK) s = score(g.segment, g.count, scores);
    if (s == ATTN_OK) s = score_references(&g, score, reachable);
    clear(&g);
    return s;
}
