#include "input/byte_pairs.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/text_buffer.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge {
    int32_t left, right; /* left -1: an empty place of the table */
    int32_t rank, result;
} merge;

struct byte_pairs {
    const vocabulary *vocabulary;
    const char *name;
    merge *table; /* open addressing, at most half full */
    uint64_t mask;
    int32_t count, unk;
    int64_t most;
    bool whole_words;
};

attn_status byte_pairs_create(byte_pairs **out, const vocabulary *vocabulary, int64_t merge_count, int32_t unk,
                              bool whole_words, const char *name)
{
    uint64_t places = 4;
    while (places < 2 * (uint64_t)merge_count) places *= 2;
    byte_pairs *b = *out = calloc(1, sizeof *b);
    if (b) b->table = malloc(places * sizeof *b->table);
    if (!b || !b->table) {
        free(b);
        *out = NULL;
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    }
    b->vocabulary = vocabulary;
    b->name = name;
    b->mask = places - 1;
    b->most = merge_count;
    b->unk = unk;
    b->whole_words = whole_words;
    for (uint64_t i = 0; i < places; i++) b->table[i].left = -1;
    return ATTN_OK;
}

void byte_pairs_destroy(byte_pairs *b)
{
    if (!b) return;
    free(b->table);
    free(b);
}

/* The merge of the pair, or the empty place where it would stand. The multiplier is that of Fibonacci hashing. */
static merge *place_of(const byte_pairs *b, int32_t left, int32_t right)
{
    uint64_t at = (((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u) >> 20 & b->mask;
    while (b->table[at].left >= 0 && (b->table[at].left != left || b->table[at].right != right))
        at = (at + 1) & b->mask;
    return &b->table[at];
}

static attn_status find(const byte_pairs *b, const char *piece, size_t bytes, int32_t *id)
{
    *id = vocabulary_find(b->vocabulary, piece, bytes);
    if (*id >= 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: merge %d: piece \"%.*s\" is not in the vocabulary", b->name,
                       (int)b->count + 1, (int)(bytes < 60 ? bytes : 60), piece);
}

attn_status byte_pairs_add(byte_pairs *b, const char *left, size_t left_bytes, const char *right, size_t right_bytes)
{
    if (b->count == b->most) return status_fail(ATTN_ERROR_FORMAT, "%s: more merges than were counted", b->name);
    text_buffer joined = {0};
    merge m = {.rank = b->count};
    text_append(&joined, left, left_bytes);
    text_append(&joined, right, right_bytes);
    attn_status s = joined.failed ? status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", b->name) : ATTN_OK;
    if (s == ATTN_OK) s = find(b, left, left_bytes, &m.left);
    if (s == ATTN_OK) s = find(b, right, right_bytes, &m.right);
    if (s == ATTN_OK) s = find(b, joined.bytes, joined.size, &m.result);
    text_clear(&joined);
    if (s != ATTN_OK) return s;
    *place_of(b, m.left, m.right) = m; /* of two merges of one pair the later counts */
    b->count++;
    return ATTN_OK;
}

/* ---- encoding: a list of symbols, and a heap of the merges that may be done next -----------------------------------
 */

typedef struct symbol {
    int32_t id;          /* -1: merged into its left neighbour */
    int64_t left, right; /* neighbours, -1: none */
} symbol;

typedef struct candidate {
    int32_t rank, result;
    int64_t at; /* the left one of the two */
} candidate;

typedef struct merging {
    const byte_pairs *b;
    symbol *symbols;
    candidate *heap;
    int64_t count, heap_count;
} merging;

static bool comes_before(const candidate *x, const candidate *y)
{
    return x->rank != y->rank ? x->rank < y->rank : x->at < y->at;
}

static void swap(candidate *x, candidate *y)
{
    candidate c = *x;
    *x = *y;
    *y = c;
}

/* Every merge ends one symbol and offers two pairs at most: three times as many candidates as symbols are room enough.
 */
static void offer(merging *g, int64_t at)
{
    if (at < 0 || g->symbols[at].right < 0) return;
    const merge *m = place_of(g->b, g->symbols[at].id, g->symbols[g->symbols[at].right].id);
    if (m->left < 0) return;
    int64_t i = g->heap_count++;
    g->heap[i] = (candidate){m->rank, m->result, at};
    for (; i > 0 && comes_before(&g->heap[i], &g->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&g->heap[i], &g->heap[(i - 1) / 2]);
}

static candidate take_first(merging *g)
{
    const candidate first = g->heap[0];
    g->heap[0] = g->heap[--g->heap_count];
    for (int64_t i = 0;;) {
        int64_t least = i;
        for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < g->heap_count; child++) {
            if (comes_before(&g->heap[child], &g->heap[least])) least = child;
        }
        if (least == i) return first;
        swap(&g->heap[i], &g->heap[least]);
        i = least;
    }
}

/* A candidate whose symbols have changed since it was offered no longer counts. */
static void try_merge(merging *g, const candidate *c)
{
    symbol *left = &g->symbols[c->at];
    if (left->id < 0 || left->right < 0) return;
    symbol *right = &g->symbols[left->right];
    const merge *m = place_of(g->b, left->id, right->id);
    if (m->left < 0 || m->result != c->result) return;
    left->id = c->result;
    right->id = -1;
    left->right = right->right;
    if (left->right >= 0) g->symbols[left->right].left = c->at;
    offer(g, left->left);
    offer(g, c->at);
}

static void read_symbols(merging *g, const char *word, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        uint32_t point;
        const size_t length = utf8_next(word + at, bytes - at, &point);
        int32_t id = vocabulary_find(g->b->vocabulary, word + at, length);
        if (id < 0) id = g->b->unk;
        at += length;
        if (id < 0) continue;
        g->symbols[g->count] = (symbol){id, g->count - 1, g->count + 1};
        g->count++;
    }
    if (g->count > 0) g->symbols[g->count - 1].right = -1;
}

void byte_pairs_encode(const byte_pairs *b, const char *word, size_t bytes, id_list *ids)
{
    const int32_t whole = b->whole_words ? vocabulary_find(b->vocabulary, word, bytes) : -1;
    if (whole >= 0) {
        id_list_append(ids, whole);
        return;
    }
    merging g = {.b = b};
    g.symbols = malloc((bytes + 1) * sizeof *g.symbols);
    g.heap = malloc((3 * bytes + 1) * sizeof *g.heap);
    if (g.symbols && g.heap) {
        read_symbols(&g, word, bytes);
        for (int64_t i = 0; i + 1 < g.count; i++) offer(&g, i);
        while (g.heap_count > 0) {
            const candidate c = take_first(&g);
            try_merge(&g, &c);
        }
        for (int64_t i = 0; i < g.count; i++) {
            if (g.symbols[i].id >= 0) id_list_append(ids, g.symbols[i].id);
        }
    } else {
        ids->failed = true;
    }
    free(g.symbols);
    free(g.heap);
}
