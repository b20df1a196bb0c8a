#include "calls.h"

enum { OUTS, LSES, THREADS, ARGUMENTS };

/* The parts' arrays; the problem is that of the first part, its queries the rows of O. */
typedef struct merge_arrays {
    problem shape;
    Py_ssize_t count;
    array *outs, *lses;
    attn_part *parts;
    result out, lse;
} merge_arrays;

static bool same_shape(const array *x, const array *first, int rank, const char *name)
{
    char expected[SHAPE_TEXT], got[SHAPE_TEXT];
    bool same = x->rank == rank;
    for (int i = 0; same && i < rank; i++) same = x->shape[i] == first->shape[i];
    if (same) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected shape %s in each part, got %s", name,
                 shape_text(expected, rank, first->shape), shape_text(got, x->rank, x->shape));
    return false;
}

static bool borrow_part(merge_arrays *a, Py_ssize_t n, PyObject *out, PyObject *lse)
{
    const array *first = &a->outs[0];
    bool borrowed = n ? elements_borrow(&a->outs[n], out, "outs", first->element, 2)
                      : narrow_rows_borrow(&a->outs[0], out, "outs", 2);
    if (!borrowed || !same_shape(&a->outs[n], first, first->rank, "outs") || !array_borrow(&a->lses[n], lse, "lses"))
        return false;
    if (!array_is(&a->lses[n], ELEMENT_F32)) return array_refuse_type(&a->lses[n], "lses", "float32");
    return same_shape(&a->lses[n], first, first->rank - 1, "lses");
}

static bool borrow_parts(merge_arrays *a, PyObject *outs, PyObject *lses)
{
    if (PyTuple_Size(outs) != PyTuple_Size(lses) || PyTuple_Size(outs) < 1) {
        PyErr_SetString(PyExc_ValueError, "outs, lses: expected as many of the one as of the other, one at least");
        return false;
    }
    a->count = PyTuple_Size(outs);
    a->outs = PyMem_Calloc((size_t)a->count, sizeof *a->outs);
    a->lses = PyMem_Calloc((size_t)a->count, sizeof *a->lses);
    a->parts = PyMem_Calloc((size_t)a->count, sizeof *a->parts);
    if (!a->outs || !a->lses || !a->parts) return PyErr_NoMemory() != NULL;
    for (Py_ssize_t n = 0; n < a->count; n++)
        if (!borrow_part(a, n, PyTuple_GetItem(outs, n), PyTuple_GetItem(lses, n))) return false;
    return true;
}

/* The sizes of the problem, which has no keys. */
static void open_sizes(merge_arrays *a)
{
    problem *p = &a->shape;
    const array *o = &a->outs[0];
    int rank = p->rank = p->query.rank = o->rank;
    p->calls = 1;
    for (int i = 0; i < rank; i++) p->query.shape[i] = o->shape[i];
    for (int i = 0; i < rank - 4; i++) p->calls *= o->shape[i];
    int64_t B = rank > 3 ? o->shape[rank - 4] : 1, H = rank > 2 ? o->shape[rank - 3] : 1;
    if (H == 0) p->calls = 0;
    attn_desc_init(&p->desc, sizeof p->desc, B, H ? H : 1, H ? H : 1, o->shape[rank - 2], 0, 0, o->shape[rank - 1]);
    p->desc.dtype = dtype_of(o);
}

static attn_status merge_call(merge_arrays *a, int64_t call)
{
    problem *p = &a->shape;
    for (Py_ssize_t n = 0; n < a->count; n++) {
        attn_output lse = array_output(&a->lses[n], 0);
        a->parts[n].o = array_view(&a->outs[n]);
        a->parts[n].o.data = problem_part(p, &a->outs[n], call);
        a->parts[n].lse = (attn_view){problem_part(p, &a->lses[n], call), lse.batch, lse.head, lse.row};
    }
    p->desc.o = array_output(&a->out.view, 1);
    p->desc.lse = array_output(&a->lse.view, 0);
    p->desc.o.data = problem_part(p, &a->out.view, call);
    p->desc.lse.data = problem_part(p, &a->lse.view, call);
    return attn_merge(&p->desc, a->parts, a->count);
}

static bool merge(merge_arrays *a)
{
    attn_status status = ATTN_OK;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < a->shape.calls; call++) status = merge_call(a, call);
    Py_END_ALLOW_THREADS;
    return call_succeeded(status, attn_error());
}

static PyObject *take(merge_arrays *a)
{
    PyObject *out = result_take(&a->out), *lse = out ? result_take(&a->lse) : NULL;
    PyObject *both = lse ? Py_BuildValue("(OO)", out, lse) : NULL;
    Py_XDECREF(out);
    Py_XDECREF(lse);
    return both;
}

static void release(merge_arrays *a)
{
    result_release(&a->out);
    result_release(&a->lse);
    for (Py_ssize_t n = 0; a->outs && a->lses && n < a->count; n++) {
        array_release(&a->outs[n]);
        array_release(&a->lses[n]);
    }
    PyMem_Free(a->outs);
    PyMem_Free(a->lses);
    PyMem_Free(a->parts);
}

PyObject *call_merge(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    merge_arrays a = {0};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (borrow_parts(&a, arguments[OUTS], arguments[LSES])) {
        PyObject *like = PyTuple_GetItem(arguments[OUTS], 0);
        const array *o = &a.outs[0];
        open_sizes(&a);
        if (threads_read(arguments[THREADS], &a.shape.desc.parallel) &&
            result_create(&a.out, like, o->element, o->rank, o->shape) &&
            result_create(&a.lse, like, ELEMENT_F32, o->rank - 1, o->shape) && merge(&a))
            returned = take(&a);
    }
    release(&a);
    return returned;
}
