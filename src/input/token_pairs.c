#include "base/status.h"
#include "input/pairs.h"

#include <stdlib.h>
#include <string.h>

/* A side that grows as pairs are added. */
typedef struct growing_side {
    token_side *side;
    int64_t used, capacity;
} growing_side;

static attn_status append(growing_side *g, int64_t pair, const int32_t *ids, int64_t count)
{
    if (g->used + count > g->capacity) {
        int64_t capacity = 2 * (g->used + count) + 1024;
        int32_t *grown = realloc(g->side->ids, (size_t)capacity * sizeof *grown);
        if (!grown) return status_fail(ATTN_ERROR_MEMORY, "out of memory after %lld tokens", (long long)g->used);
        g->side->ids = grown;
        g->capacity = capacity;
    }
    memcpy(g->side->ids + g->used, ids, (size_t)count * sizeof *ids);
    g->used += count;
    g->side->start[pair + 1] = g->used;
    return ATTN_OK;
}

static attn_status encode_pair(token_pairs *out, growing_side *source, growing_side *target, const tokenizer *k,
                               const char *source_text, const char *target_text, int64_t longest, long_sources policy)
{
    int32_t *source_ids = NULL, *target_ids = NULL;
    int64_t source_count = 0, target_count = 0;
    attn_status s = tokenizer_encode(k, TOKENIZER_SOURCE, source_text, strlen(source_text), &source_ids, &source_count);
    if (s == ATTN_OK)
        s = tokenizer_encode(k, TOKENIZER_TARGET, target_text, strlen(target_text), &target_ids, &target_count);
    if (s == ATTN_OK && source_count > longest && policy == LONG_SOURCES_CUT) {
        source_count = tokenizer_shorten(k, source_ids, source_count, longest);
        out->cut++;
    }
    if (s == ATTN_OK && (source_count > longest || target_count > longest)) {
        out->too_long++;
    } else if (s == ATTN_OK) {
        s = append(source, out->count, source_ids, source_count);
        if (s == ATTN_OK) s = append(target, out->count, target_ids, target_count);
        if (s == ATTN_OK) out->count++;
    }
    free(source_ids);
    free(target_ids);
    return s;
}

attn_status token_pairs_encode(token_pairs *out, const tokenizer *k, const pair_texts *texts, int64_t longest,
                               long_sources policy)
{
    memset(out, 0, sizeof *out);
    growing_side source = {.side = &out->source}, target = {.side = &out->target};
    out->source.start = calloc((size_t)texts->count + 1, sizeof *out->source.start);
    out->target.start = calloc((size_t)texts->count + 1, sizeof *out->target.start);
    if (!out->source.start || !out->target.start)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld pairs", (long long)texts->count);
    for (int64_t i = 0; i < texts->count; i++) {
        attn_status s = encode_pair(out, &source, &target, k, texts->source[i], texts->target[i], longest, policy);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

void token_pairs_clear(token_pairs *p)
{
    token_side *sides[] = {&p->source, &p->target};
    for (int i = 0; i < 2; i++) {
        free(sides[i]->ids);
        free(sides[i]->start);
    }
    memset(p, 0, sizeof *p);
}
