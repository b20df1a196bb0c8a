#include "calls.h"

enum { QUERY, KEY, FIRST_OPTION, LSE = FIRST_OPTION + OPTIONS, REGION, ARGUMENTS };

/* start and stop of one dimension, None for all of it. */
static bool read_range(PyObject *range, const char *name, int64_t size, int64_t *first, int64_t *count)
{
    *first = 0;
    *count = size;
    if (range == Py_None) return true;
    if (!PyTuple_Check(range) || PyTuple_Size(range) != 2) {
        PyErr_Format(PyExc_ValueError, "%s: expected a pair (start, stop), got %R", name, range);
        return false;
    }
    int64_t stop;
    if (!integer_read(PyTuple_GetItem(range, 0), name, first) || !integer_read(PyTuple_GetItem(range, 1), name, &stop))
        return false;
    if (0 <= *first && *first <= stop && stop <= size) return *count = stop - *first, true;
    PyErr_Format(PyExc_ValueError, "%s: expected start <= stop within 0 to %lld, got (%lld, %lld)", name,
                 (long long)size, (long long)*first, (long long)stop);
    return false;
}

static bool read_region(const problem *p, PyObject *region, attn_region *r)
{
    const attn_desc *d = &p->desc;
    return read_range(PyTuple_GetItem(region, 0), "sequences", d->B, &r->batch, &r->batches) &&
           read_range(PyTuple_GetItem(region, 1), "heads", p->calls ? d->H : 0, &r->head, &r->heads) &&
           read_range(PyTuple_GetItem(region, 2), "rows", d->T, &r->row, &r->rows);
}

static attn_status column_sums(problem *p, const attn_region *region, const attn_output *sums)
{
    size_t size;
    attn_status status = attn_weights_column_sums_workspace_size(&p->desc, &size);
    if (status != ATTN_OK) return status;
    void *workspace = workspace_take(size);
    if (!workspace) return ATTN_ERROR_MEMORY;
    status = attn_weights_column_sums(&p->desc, region, sums, workspace, size);
    workspace_done();
    return status;
}

static bool borrow_lse(const problem *p, array *x, PyObject *object)
{
    int64_t shape[ARRAY_RANK];
    return rows_match(p, x, object, "lse", p->sum_element, problem_row_shape(p, shape), shape, false);
}

static bool compute(problem *p, PyObject *const *arguments, result *r)
{
    attn_region region;
    array lse = {0};
    bool summed = arguments[LSE] != Py_None;
    if (p->rank > 4) {
        PyErr_Format(PyExc_ValueError, "query: expected at most 4 dimensions, got %d", p->rank);
        return false;
    }
    if (summed && array_is(&p->query, ELEMENT_F64))
        return array_refuse_type(&p->query, "query", "float32, float16 or bfloat16 for column sums");
    if (!read_region(p, arguments[REGION], &region)) return false;
    int64_t all[] = {region.batches, region.heads, region.rows, p->desc.S};
    int64_t sums[] = {region.batches, region.heads, p->desc.S};
    int left_out = 4 - p->rank; /* the dimensions that the arguments do not have */
    if (!(summed ? result_create(r, arguments[QUERY], p->sum_element, 3 - left_out, sums + left_out)
                 : result_create(r, arguments[QUERY], p->sum_element, 4 - left_out, all + left_out)) ||
        (summed && !borrow_lse(p, &lse, arguments[LSE])))
        return false;
    attn_output output = array_output(&r->view, summed ? 0 : 1);
    attn_status status = ATTN_OK;
    problem_select(p, 0);
    Py_BEGIN_ALLOW_THREADS;
    if (p->calls && summed) {
        p->desc.lse = array_output(&lse, 0);
        status = column_sums(p, &region, &output);
    } else if (p->calls) {
        status = attn_weights(&p->desc, &region, &output);
    }
    Py_END_ALLOW_THREADS;
    array_release(&lse);
    return call_finished(p, status);
}

PyObject *call_weights(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    result r = {0};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    /* Values are not looked at; the keys stand where an array of their rows must. */
    if (problem_open(&p, arguments[QUERY], arguments[KEY], arguments[KEY], arguments + FIRST_OPTION) &&
        compute(&p, arguments, &r))
        returned = result_take(&r);
    result_release(&r);
    problem_close(&p);
    return returned;
}
