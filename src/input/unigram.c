#include "input/unigram.h"

#include "base/status.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* How much less likely than the least likely piece a character is that no piece covers. */
#define UNKNOWN_PENALTY 10.0

typedef struct entry {
    const char *piece;
    size_t bytes;
    int32_t id;
    double score;
} entry;

/* Pieces in the order of their bytes: those that begin alike stand together, so that reading on in a word narrows a
 * range of them, and an empty range ends the search. */
struct unigram {
    entry *entries;
    int64_t count;
    double unknown_score;
    int32_t unk;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->piece, ((const entry *)b)->piece);
}

attn_status unigram_create(unigram **out, const vocabulary *vocabulary, const double *score, int32_t unk,
                           const char *name)
{
    const int64_t size = vocabulary_size(vocabulary);
    unigram *u = *out = calloc(1, sizeof *u);
    if (u) u->entries = calloc((size_t)size + 1, sizeof *u->entries);
    if (!u || !u->entries) {
        free(u);
        *out = NULL;
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", name);
    }
    double least = 0;
    for (int64_t id = 0; id < size; id++) {
        const char *piece = vocabulary_piece(vocabulary, (int32_t)id);
        if (id == 0 || score[id] < least) least = score[id];
        if (*piece) u->entries[u->count++] = (entry){piece, strlen(piece), (int32_t)id, score[id]};
    }
    qsort(u->entries, (size_t)u->count, sizeof *u->entries, by_bytes);
    u->unknown_score = least - UNKNOWN_PENALTY;
    u->unk = unk;
    return ATTN_OK;
}

void unigram_destroy(unigram *u)
{
    if (!u) return;
    free(u->entries);
    free(u);
}

/* The best way to the end of a prefix of the word. */
typedef struct node {
    double score;
    size_t begin; /* of the way's last piece */
    int32_t id;
    bool reached;
} node;

static void offer(node *n, double score, size_t begin, int32_t id)
{
    if (n->reached && score <= n->score) return;
    *n = (node){score, begin, id, true};
}

/* Whether the piece's byte at `depth` comes before `byte`; pieces that end there do. */
static bool before(const entry *e, size_t depth, unsigned char byte, bool or_equal)
{
    unsigned char own = depth < e->bytes ? (unsigned char)e->piece[depth] : 0;
    return own < byte || (or_equal && own == byte);
}

/* The first of entries [low, high), which agree on `depth` bytes, that is not before `byte`. */
static int64_t first_not_before(const unigram *u, int64_t low, int64_t high, size_t depth, unsigned char byte,
                                bool or_equal)
{
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (before(&u->entries[middle], depth, byte, or_equal))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Offers every piece that the word holds at `begin`. */
static void offer_pieces(const unigram *u, const char *word, size_t bytes, size_t begin, node *nodes)
{
    uint32_t point;
    const size_t character = utf8_next(word + begin, bytes - begin, &point);
    const double score = nodes[begin].score;
    bool covered = false;
    int64_t low = 0, high = u->count;
    for (size_t depth = 0; begin + depth < bytes; depth++) {
        const unsigned char byte = (unsigned char)word[begin + depth];
        low = first_not_before(u, low, high, depth, byte, false);
        high = first_not_before(u, low, high, depth, byte, true);
        if (low == high) break;
        const entry *e = &u->entries[low]; /* the shortest of them stands first */
        if (e->bytes != depth + 1) continue;
        offer(&nodes[begin + e->bytes], score + e->score, begin, e->id);
        covered |= e->bytes == character;
    }
    if (!covered) offer(&nodes[begin + character], score + u->unknown_score, begin, u->unk);
}

void unigram_encode(const unigram *u, const char *word, size_t bytes, id_list *ids)
{
    node *nodes = calloc(bytes + 1, sizeof *nodes);
    if (!nodes) {
        ids->failed = true;
        return;
    }
    nodes[0].reached = true;
    for (size_t at = 0; at < bytes; at++) {
        if (nodes[at].reached) offer_pieces(u, word, bytes, at, nodes);
    }
    /* Turn the way round: each node on it tells where its last piece began. */
    size_t next = bytes;
    for (size_t at = bytes; at > 0;) {
        size_t begin = nodes[at].begin;
        nodes[at].begin = next;
        next = at;
        at = begin;
    }
    int32_t last = -1;
    for (size_t at = next; bytes > 0; at = nodes[at].begin) {
        const int32_t id = nodes[at].id;
        if (id != u->unk || last != u->unk) id_list_append(ids, id);
        last = id;
        if (at == bytes) break;
    }
    free(nodes);
}
