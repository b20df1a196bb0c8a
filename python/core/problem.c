#include "problem.h"

#include <string.h>

void *problem_part(const problem *p, const array *x, int64_t call)
{
    int64_t offset = 0;
    for (int i = p->rank - 5; i >= 0; i--) { /* the dimensions before (B, H, T, D) */
        offset += call % p->query.shape[i] * x->stride[i];
        call /= p->query.shape[i];
    }
    return x->data ? (char *)x->data + offset * (x->element.bits / 8) : NULL;
}

void problem_select(problem *p, int64_t call)
{
    attn_desc *d = &p->desc;
    d->q.data = problem_part(p, &p->query, call);
    d->k.data = problem_part(p, &p->key, call);
    d->v.data = problem_part(p, &p->value, call);
    p->functions.first_sequence = call * d->B;
    if (p->masked) (p->additive_mask ? &d->bias : &d->mask)->data = problem_part(p, &p->mask, call);
    if (p->query_offsets) d->query_offsets = p->query_offsets + call * d->B;
    if (p->key_lengths) d->key_lengths = p->key_lengths + call * d->B;
    if (p->dropout_keys) d->dropout_keys = p->dropout_keys + call * d->B;
}

/* key or value beside what it must agree with: the leading dimensions, and the last `last` ones given, -1 for any. */
static bool check_beside(const problem *p, const array *x, const char *name, int64_t heads, int64_t rows,
                         int64_t columns)
{
    int64_t expected[ARRAY_RANK];
    const array *query = &p->query;
    int rank = query->rank;
    bool agree = x->rank == rank;
    for (int i = 0; agree && i < rank; i++) {
        expected[i] = i < rank - 3 ? query->shape[i] : i == rank - 3 ? heads : i == rank - 2 ? rows : columns;
        agree = expected[i] < 0 || expected[i] == x->shape[i];
    }
    if (agree) return true;
    char got[SHAPE_TEXT], beside[SHAPE_TEXT];
    problem_shape_text(p, got, x);
    problem_shape_text(p, beside, query);
    if (rows >= 0)
        PyErr_Format(PyExc_ValueError,
                     "%s: shape %s does not agree with query's %s and a key of %lld heads of %lld rows", name, got,
                     beside, (long long)heads, (long long)rows);
    else
        PyErr_Format(PyExc_ValueError, "%s: shape %s does not agree with query's %s", name, got, beside);
    return false;
}

static bool check_heads(int64_t H, int64_t HK, bool grouped, const problem *p)
{
    char query[SHAPE_TEXT], key[SHAPE_TEXT];
    if (H == HK || (grouped && HK > 0 && H % HK == 0)) return true;
    PyErr_Format(PyExc_ValueError, "key: %lld heads in shape %s for query's %lld in %s: %s", (long long)HK,
                 problem_shape_text(p, key, &p->key), (long long)H, problem_shape_text(p, query, &p->query),
                 grouped ? "they must divide query's" : "expected as many, or enable_gqa=True");
    return false;
}

/* The cache's arrays, in pages or not, as arrays (B, HK, S, D). */
static bool see_cache(problem *p, PyObject *description)
{
    char got[SHAPE_TEXT];
    const array *x = &p->query;
    if (x->rank != 4 || x->shape[2] > ATTN_DECODE_QUERIES) {
        PyErr_Format(PyExc_ValueError, "query: expected 4 dimensions, (B, H, T, D), and T at most %d, got shape %s",
                     ATTN_DECODE_QUERIES, shape_text(got, x->rank, x->shape));
        return false;
    }
    if (p->key.rank != 4 || p->value.rank != 4) {
        PyErr_SetString(PyExc_ValueError, "key, value: expected 4 dimensions of a cache");
        return false;
    }
    p->cached = true;
    return cache_open(&p->cache, description, &p->key, &p->value, "query", p->query.shape[0]);
}

static bool query_borrow(problem *p, PyObject *object)
{
    if (!float_rows_borrow(&p->query, object, "query", 2)) return false;
    p->element = p->query.element;
    p->sum_element = array_is(&p->query, ELEMENT_F64) ? ELEMENT_F64 : ELEMENT_F32;
    return true;
}

/* Keys or values: of query's elements, or as a cache has them. */
static bool keys_borrow(const problem *p, array *x, PyObject *object, const char *name, bool cached)
{
    return cached ? cached_rows_borrow(x, object, name, 2) : elements_borrow(x, object, name, p->element, 2);
}

/* float64 is for checking: what keeps rows or is called with tiles of float32 has none. */
static bool check_width(const problem *p, PyObject *const *options)
{
    const char *beside = options[OPTION_CACHE] != Py_None            ? "a cache"
                         : options[OPTION_SCORE_FUNCTION] != Py_None ? "a score_function"
                         : options[OPTION_MASK_FUNCTION] != Py_None  ? "a mask_function"
                                                                     : NULL;
    if (!beside || !array_is(&p->query, ELEMENT_F64)) return true;
    PyErr_Format(PyExc_TypeError, "query: expected elements of float32, float16 or bfloat16 beside %s, got float64",
                 beside);
    return false;
}

static bool open_shapes(problem *p, PyObject *query, PyObject *key, PyObject *value, PyObject *const *options,
                        bool grouped)
{
    const bool cached = options[OPTION_CACHE] != Py_None;
    if (!query_borrow(p, query) || !check_width(p, options) || !keys_borrow(p, &p->key, key, "key", cached) ||
        !keys_borrow(p, &p->value, value, "value", cached))
        return false;
    if (options[OPTION_STARTS] != Py_None && !problem_see_packed(p)) return false;
    if (options[OPTION_CACHE] != Py_None && !see_cache(p, options[OPTION_CACHE])) return false;
    int rank = p->rank = p->query.rank;
    const int64_t *q = p->query.shape + rank, *k = p->key.shape + p->key.rank, *v = p->value.shape + p->value.rank;
    if (!check_beside(p, &p->key, "key", -1, -1, q[-1])) return false;
    int64_t H = rank > 2 ? q[-3] : 1, HK = rank > 2 ? k[-3] : 1;
    if (!check_beside(p, &p->value, "value", HK, k[-2], -1) || !check_heads(H, HK, grouped, p)) return false;
    p->sequences = p->calls = 1;
    for (int i = 0; i < rank - 3; i++) {
        if (i < rank - 4) p->calls *= p->query.shape[i];
        p->sequences *= p->query.shape[i];
    }
    int64_t B = rank > 3 ? q[-4] : 1;
    /* Without a head there is nothing to compute, and the operator takes one at least. */
    if (H == 0) p->calls = 0;
    attn_desc_init(&p->desc, sizeof p->desc, B, H ? H : 1, HK ? HK : 1, q[-2], k[-2], q[-1], v[-1]);
    p->desc.dtype = dtype_of(&p->query);
    p->desc.q = array_view(&p->query);
    p->desc.k = array_view(&p->key);
    p->desc.v = array_view(&p->value);
    return options[OPTION_STARTS] == Py_None || problem_open_starts(p, options[OPTION_STARTS]);
}

/* A bias is of fp32 beside whatever narrow elements: one as narrow as they are is copied. */
static bool widen_mask(problem *p, PyObject *object)
{
    if (!array_is(&p->mask, ELEMENT_F16) && !array_is(&p->mask, ELEMENT_BF16)) return true;
    array_release(&p->mask);
    p->wide_mask = array_widened(object, p->sum_element.bits == 64);
    return p->wide_mask && array_borrow(&p->mask, p->wide_mask, "attn_mask");
}

static bool open_mask(problem *p, PyObject *object)
{
    char got[SHAPE_TEXT], expected[SHAPE_TEXT];
    int64_t shape[ARRAY_RANK];
    if (!array_borrow(&p->mask, object, "attn_mask") || !widen_mask(p, object)) return false;
    p->masked = true;
    p->additive_mask = array_is(&p->mask, p->sum_element);
    if (!p->additive_mask && !array_is(&p->mask, ELEMENT_BOOL))
        return array_refuse_type(&p->mask, "attn_mask",
                                 p->sum_element.bits == 64 ? "bool or float64" : "bool or float32");
    p->mask_rank = p->mask.rank;
    memcpy(p->mask_shape, p->mask.shape, sizeof p->mask_shape);
    int rank = problem_mask_shape(p, shape);
    if (!array_broadcast(&p->mask, rank, shape)) {
        PyErr_Format(PyExc_ValueError, "attn_mask: shape %s does not broadcast to (..., H, T, S) = %s",
                     shape_text(got, p->mask_rank, p->mask_shape), shape_text(expected, rank, shape));
        return false;
    }
    attn_view view = array_view(&p->mask);
    attn_mask mask = {view.data, view.batch, view.head, view.row, p->mask.stride[rank - 1]};
    if (p->additive_mask)
        p->desc.bias = mask;
    else
        p->desc.mask = mask;
    return true;
}

bool problem_open(problem *p, PyObject *query, PyObject *key, PyObject *value, PyObject *const *options)
{
    memset(p, 0, sizeof *p);
    bool grouped;
    if (!truth_read(options[OPTION_GROUPED], "enable_gqa", &grouped) ||
        !open_shapes(p, query, key, value, options, grouped))
        return false;
    if (options[OPTION_MASK] != Py_None && !open_mask(p, options[OPTION_MASK])) return false;
    if (options[OPTION_BLOCKS] != Py_None && !problem_open_blocks(p, options[OPTION_BLOCKS])) return false;
    if (!tile_functions_open(&p->functions, &p->desc, query, options[OPTION_SCORE_FUNCTION],
                             options[OPTION_MASK_FUNCTION]))
        return false;
    return problem_open_heads(p, options) && problem_open_numbers(p, options) && problem_open_sequences(p, options);
}

void problem_close(problem *p)
{
    array *arrays[] = {&p->query,  &p->key,   &p->value,        &p->mask,         &p->score_vector,
                       &p->slopes, &p->sinks, &p->block_starts, &p->block_entries};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) array_release(arrays[i]);
    Py_CLEAR(p->wide_mask);
    PyMem_Free(p->per_sequence);
    PyMem_Free(p->starts);
    cache_close(&p->cache);
    tile_functions_close(&p->functions);
}
