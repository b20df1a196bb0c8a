/* Sentence pairs: read as text from files, then turned into token ids. */
#ifndef INPUT_PAIRS_H
#define INPUT_PAIRS_H

#include "attn/attn.h"
#include "input/tokenizer.h"

/* Texts end in NUL. Pairs that cannot be learnt from are left out and counted; structure that is wrong is an error. */
typedef struct pair_texts {
    int64_t count, capacity;
    char **source, **target;
    int64_t empty;           /* left out: a side without text */
    int64_t invalid;         /* left out: invalid UTF-8 or a NUL byte */
    char first_invalid[256]; /* "file:line" of the first of those; "" when none */
} pair_texts;

/* Source TAB target on every line, plain or gzip; further columns are ignored (Tatoeba's third one holds its authors).
 * A line without a tab is a FORMAT error that names file:line. Adds to *p, which is zeroed before the first use. */
attn_status pair_texts_read_tsv(pair_texts *p, const char *path);

/* Line i of one file belongs to line i of the other; files of different lengths are a FORMAT error. */
attn_status pair_texts_read_aligned(pair_texts *p, const char *source_path, const char *target_path);

void pair_texts_clear(pair_texts *p);

/* Token ids, each side ended by </s>: pair i is ids[start[i] .. start[i + 1]), one run for each side. */
typedef struct token_side {
    int32_t *ids;
    int64_t *start; /* count + 1 */
} token_side;

typedef struct token_pairs {
    int64_t count;
    token_side source, target;
    int64_t too_long; /* left out: a side of more than `longest` tokens */
    int64_t cut;      /* sources that were cut to `longest` tokens */
} token_pairs;

/* What becomes of a source of more than `longest` tokens. */
typedef enum long_sources { LONG_SOURCES_LEFT_OUT, LONG_SOURCES_CUT } long_sources;

/* *out may be clear or anything: it is overwritten, and must be cleared by the caller also after a failure. The texts
 * are no longer needed afterwards. */
attn_status token_pairs_encode(token_pairs *out, const tokenizer *k, const pair_texts *texts, int64_t longest,
                               long_sources policy);

void token_pairs_clear(token_pairs *p);

static inline int64_t token_side_length(const token_side *s, int64_t pair)
{
    return s->start[pair + 1] - s->start[pair];
}

#endif
