#include "problem.h"

#include <string.h>

int problem_row_shape(const problem *p, int64_t *shape)
{
    memcpy(shape, p->query.shape, (size_t)(p->rank - 1) * sizeof *shape);
    return p->rank - 1;
}

int problem_shape(const problem *p, int64_t last, int64_t *shape)
{
    shape[problem_row_shape(p, shape)] = last;
    return p->rank;
}

bool problem_see_packed(problem *p)
{
    array *arrays[] = {&p->query, &p->key, &p->value};
    const char *names[] = {"query", "key", "value"};
    char got[SHAPE_TEXT];
    for (int i = 0; i < 3; i++) {
        if (arrays[i]->rank != 3) {
            PyErr_Format(PyExc_ValueError, "%s: expected shape (T, H, D) of packed sequences, got %s", names[i],
                         shape_text(got, arrays[i]->rank, arrays[i]->shape));
            return false;
        }
        array_swap(arrays[i], 0, 1);
    }
    return p->packed = true;
}

/* What starts are. */
#define STARTS "an array, a list or a tuple of integers"

bool problem_open_starts(problem *p, PyObject *starts)
{
    int64_t count;
    PyObject *queries = PyTuple_GetItem(starts, 0), *keys = PyTuple_GetItem(starts, 1);
    if (!integers_count(queries, "cu_seqlens_q", STARTS, &count)) return false;
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "cu_seqlens_q: expected B + 1 entries, got 0");
        return false;
    }
    p->starts = PyMem_Malloc(2 * (size_t)count * sizeof *p->starts);
    if (!p->starts) return PyErr_NoMemory() != NULL;
    if (!integers_read(queries, "cu_seqlens_q", STARTS, count, p->starts) ||
        !integers_read(keys, "cu_seqlens_k", STARTS, count, p->starts + count))
        return false;
    const int64_t *q = p->starts, *k = p->starts + count;
    p->gaps = q[0] != 0 || q[count - 1] != p->desc.T || k[0] != 0 || k[count - 1] != p->desc.S;
    p->desc.B = p->sequences = count - 1;
    p->desc.query_starts = p->starts;
    p->desc.key_starts = p->starts + count;
    return true;
}

/* Starts that make no sense are the operator's to refuse. */
static int64_t longest(const int64_t *starts, int64_t sequences)
{
    int64_t most = 0;
    for (int64_t b = 0; b < sequences; b++)
        if (starts[b] >= 0 && starts[b + 1] > starts[b] && starts[b + 1] - starts[b] > most)
            most = starts[b + 1] - starts[b];
    return most;
}

int problem_mask_shape(const problem *p, int64_t *shape)
{
    const attn_desc *d = &p->desc;
    if (!p->packed) return problem_shape(p, d->S, shape);
    shape[0] = d->B;
    shape[1] = p->query.shape[0];
    shape[2] = longest(d->query_starts, d->B);
    shape[3] = longest(d->key_starts, d->B);
    return 4;
}

/* The shape of the object behind an array that is seen as `shape`. */
static const int64_t *outward(const problem *p, int rank, const int64_t *shape, int64_t *swapped)
{
    if (!p->packed) return shape;
    memcpy(swapped, shape, (size_t)rank * sizeof *shape);
    swapped[0] = shape[1];
    swapped[1] = shape[0];
    return swapped;
}

const char *problem_shape_text(const problem *p, char *text, const array *x)
{
    int64_t swapped[ARRAY_RANK];
    return shape_text(text, x->rank, outward(p, x->rank, x->shape, swapped));
}

bool problem_create(const problem *p, result *r, PyObject *like, element_type element, int rank, const int64_t *shape)
{
    int64_t swapped[ARRAY_RANK];
    if (!result_create(r, like, element, rank, outward(p, rank, shape, swapped))) return false;
    /* What the operator does not write. */
    if (p->gaps && r->view.data) memset(r->view.data, 0, (size_t)array_count(&r->view) * element_bytes(element));
    if (p->packed) array_swap(&r->view, 0, 1);
    return true;
}

bool problem_borrow(const problem *p, result *r, PyObject *object, const char *name, element_type element, int rank,
                    const int64_t *shape)
{
    int64_t swapped[ARRAY_RANK];
    if (!result_borrow(r, object, name, element, rank, outward(p, rank, shape, swapped))) return false;
    if (p->packed) array_swap(&r->view, 0, 1);
    return true;
}

bool rows_match(const problem *p, array *x, PyObject *object, const char *name, element_type element, int rank,
                const int64_t *shape, bool rows)
{
    char expected[SHAPE_TEXT], got[SHAPE_TEXT];
    if (!array_borrow(x, object, name)) return false;
    if (!array_is(x, element)) return array_refuse_type(x, name, element_name(element));
    if (p->packed && x->rank == rank) array_swap(x, 0, 1);
    bool same = x->rank == rank;
    for (int i = 0; same && i < rank; i++) same = x->shape[i] == shape[i];
    if (!same) {
        array wanted = {.rank = rank};
        memcpy(wanted.shape, shape, (size_t)rank * sizeof *shape);
        PyErr_Format(PyExc_ValueError, "%s: expected shape %s, got %s", name, problem_shape_text(p, expected, &wanted),
                     x->rank == rank ? problem_shape_text(p, got, x) : shape_text(got, x->rank, x->shape));
        return false;
    }
    if (!rows || array_has_rows(x)) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected the last dimension of shape %s contiguous, got stride %lld", name,
                 shape_text(got, rank, shape), (long long)x->stride[rank - 1]);
    return false;
}
