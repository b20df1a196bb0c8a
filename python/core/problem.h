/* The arguments that every call of the operator shares, read into a descriptor. */
#ifndef PYTHON_PROBLEM_H
#define PYTHON_PROBLEM_H

#include "array_rows.h"
#include "attn/attn.h"
#include "integers.h"
#include "kept_keys.h"
#include "result.h"
#include "tile_functions.h"

/* The options, in the order in which the Python functions pass them on; None where one was not given. */
typedef enum option {
    OPTION_MASK,
    OPTION_DROPOUT,
    OPTION_CAUSAL,
    OPTION_SCALE,
    OPTION_GROUPED,
    OPTION_WINDOW,
    OPTION_SOFTCAP,
    OPTION_ALIBI,
    OPTION_SINKS,
    OPTION_QUERY_OFFSET,
    OPTION_KEY_LENGTHS,
    OPTION_SEED,
    OPTION_SCORE_VECTOR,
    OPTION_THREADS,
    OPTION_STARTS,         /* (starts of queries, starts of keys), of packed sequences */
    OPTION_CACHE,          /* what cache_open takes: key and value are a cache's */
    OPTION_BLOCKS,         /* (starts, entries, queries of a block, keys of a block) */
    OPTION_SCORE_FUNCTION, /* this and the next as tile_functions_open takes them */
    OPTION_MASK_FUNCTION,
    OPTIONS
} option;

/* Arrays of `rank` dimensions (..., H, T, D). The last of the leading ones is the descriptor's batch; over those before
 * it, `calls` calls are made. Packed arrays (T, H, D) are seen as (H, T, D). */
typedef struct problem {
    attn_desc desc;
    element_type element;     /* of query, key, value and what is as they are: the result and their gradients */
    element_type sum_element; /* of the log-sum-exp, weights and the like: float64 beside that, else float32 */
    array query, key, value, mask, score_vector, slopes, sinks, block_starts, block_entries;
    PyObject *wide_mask;        /* a mask of float16 or bfloat16, in sum_element; or NULL */
    bool masked, additive_mask; /* a mask was given; it is a bias */
    bool additive_scores, has_sinks, has_slopes;
    int64_t mask_shape[ARRAY_RANK]; /* as it was given */
    int mask_rank;
    int rank;
    int64_t calls, sequences;
    bool packed, cached;
    bool gaps;       /* some rows are no sequence's */
    int64_t *starts; /* those of queries, then those of keys */
    cache cache;
    tile_functions functions;
    int64_t *per_sequence; /* one allocation: offsets, lengths and keys of dropout, those that are given */
    const int64_t *query_offsets, *key_lengths;
    const uint64_t *dropout_keys;
} problem;

/* False with an exception. options: OPTIONS of them. Ends with problem_close in any case. */
bool problem_open(problem *p, PyObject *query, PyObject *key, PyObject *value, PyObject *const *options);
void problem_close(problem *p);

/* A block-sparse mask. A part of problem_open. */
bool problem_open_blocks(problem *p, PyObject *description);

/* Packed sequences: their arrays (T, H, D) seen as (H, T, D), and where each starts. Parts of problem_open. */
bool problem_see_packed(problem *p);
bool problem_open_starts(problem *p, PyObject *starts);

/* (..., H, T, S), or of packed sequences (B, H, T, S) with T and S the longest one's. Returns the rank. */
int problem_mask_shape(const problem *p, int64_t *shape);

/* What has an entry for each head: slopes, sinks, the vector of additive scores. A part of problem_open. */
bool problem_open_heads(problem *p, PyObject *const *options);

/* What is a number: scale, window, dropout and the like; and what has one for each sequence. Parts of problem_open. */
bool problem_open_numbers(problem *p, PyObject *const *options);
bool problem_open_sequences(problem *p, PyObject *const *options);

/* An array of this shape, as it is seen; `rows`: its last dimension contiguous. False with an exception. */
bool rows_match(const problem *p, array *x, PyObject *object, const char *name, element_type element, int rank,
                const int64_t *shape, bool rows);

/* Points the descriptor at the n-th call's inputs; and tells where the n-th call's part of another array starts that
 * has the problem's leading dimensions. */
void problem_select(problem *p, int64_t call);
void *problem_part(const problem *p, const array *x, int64_t call);

/* The shapes of results: (..., H, T, DV), (..., H, T) and (..., H, T, S), by the last dimension; the rank is returned.
 */
int problem_shape(const problem *p, int64_t last, int64_t *shape);
int problem_row_shape(const problem *p, int64_t *shape);

/* As result_create and result_borrow, for an array that begins with the problem's dimensions as they are seen: the
 * object of a packed one is (T, H) and so on, its view (H, T). */
bool problem_create(const problem *p, result *r, PyObject *like, element_type element, int rank, const int64_t *shape);
bool problem_borrow(const problem *p, result *r, PyObject *object, const char *name, element_type element, int rank,
                    const int64_t *shape);

/* The shape of an array that is seen so, as its owner knows it. */
const char *problem_shape_text(const problem *p, char *text, const array *x);

/* Whether some of a gradient, or of a mask's, is written by no call: where it sums over nothing, for a mask may have
 * entries of queries or keys that are none; and where a packed sequence is shorter than its part of the mask. */
static inline bool problem_leaves(const problem *p, bool mask)
{
    return !p->calls || !p->desc.B || !p->desc.T || !p->desc.S || (mask && p->packed);
}

#endif
