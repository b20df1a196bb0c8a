#include "problem.h"

static const element_type ELEMENT_I64 = {DLPACK_INT, 64};

static bool borrow_integers(array *x, PyObject *object, const char *name, int rank)
{
    char got[SHAPE_TEXT];
    if (!array_borrow(x, object, name)) return false;
    if (!array_is(x, ELEMENT_I64)) return array_refuse_type(x, name, "int64");
    if (x->rank == rank && array_has_rows(x)) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected %d dimensions, the last contiguous, got shape %s", name, rank,
                 shape_text(got, x->rank, x->shape));
    return false;
}

static int64_t blocks(int64_t size, int64_t block)
{
    return size / block + (size % block != 0);
}

bool problem_open_blocks(problem *p, PyObject *description)
{
    char got[SHAPE_TEXT];
    int64_t longest[4];
    array *starts = &p->block_starts;
    attn_block_mask *mask = &p->desc.block_mask;
    if (p->rank > 4) {
        PyErr_Format(PyExc_ValueError, "block_mask: expected at most 4 dimensions of query, got %d", p->rank);
        return false;
    }
    if (!borrow_integers(starts, PyTuple_GetItem(description, 0), "block_mask.starts", 3) ||
        !borrow_integers(&p->block_entries, PyTuple_GetItem(description, 1), "block_mask.entries", 1))
        return false;
    if (!integer_read(PyTuple_GetItem(description, 2), "block_size", &mask->queries) ||
        !integer_read(PyTuple_GetItem(description, 3), "block_size", &mask->keys))
        return false;
    int rank = problem_mask_shape(p, longest);
    int64_t B = p->desc.B, H = p->desc.H;
    int64_t rows = mask->queries > 0 ? blocks(longest[rank - 2], mask->queries) + 1 : 0;
    if ((starts->shape[0] != 1 && starts->shape[0] != B) || (starts->shape[1] != 1 && starts->shape[1] != H) ||
        (mask->queries > 0 && starts->shape[2] != rows)) {
        PyErr_Format(PyExc_ValueError,
                     "block_mask.starts: shape %s does not broadcast to (B, H, query blocks + 1) = (%lld, %lld, %lld)",
                     shape_text(got, 3, starts->shape), (long long)B, (long long)H, (long long)rows);
        return false;
    }
    mask->starts = starts->data;
    mask->batch = starts->shape[0] == 1 ? 0 : starts->stride[0];
    mask->head = starts->shape[1] == 1 ? 0 : starts->stride[1];
    mask->entries = p->block_entries.data;
    mask->count = p->block_entries.shape[0];
    return true;
}
