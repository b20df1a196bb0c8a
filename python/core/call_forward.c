#include "calls.h"

enum { FIRST_OPTION = 3, RETURN_LSE = FIRST_OPTION + OPTIONS, RETURN_WEIGHTS, OUT, ARGUMENTS };

typedef struct forward_results {
    result out, lse, weights;
    bool with_lse, with_weights;
} forward_results;

static bool refuse_overlap(const problem *p, const array *out)
{
    const array *inputs[] = {&p->query, &p->key, &p->value, &p->mask};
    for (int i = 0; i < (p->masked ? 4 : 3); i++)
        if (array_overlaps(out, inputs[i])) {
            PyErr_SetString(PyExc_ValueError, "out: expected an array that shares no memory with an input");
            return false;
        }
    return true;
}

static bool create_out(result *r, const problem *p, PyObject *query, PyObject *given)
{
    int64_t shape[ARRAY_RANK];
    int rank = problem_shape(p, p->desc.DV, shape);
    if (given == Py_None) return problem_create(p, r, query, p->element, rank, shape);
    if (!problem_borrow(p, r, given, "out", p->element, rank, shape) || !refuse_overlap(p, &r->view)) return false;
    if (array_has_rows(&r->view)) return true;
    PyErr_Format(PyExc_ValueError, "out: expected the last dimension contiguous, got stride %lld",
                 (long long)r->view.stride[rank - 1]);
    return false;
}

static bool create_results(forward_results *r, problem *p, PyObject *const *arguments)
{
    int64_t shape[ARRAY_RANK];
    if (!truth_read(arguments[RETURN_LSE], "return_lse", &r->with_lse) ||
        !truth_read(arguments[RETURN_WEIGHTS], "return_weights", &r->with_weights))
        return false;
    if (!create_out(&r->out, p, arguments[0], arguments[OUT])) return false;
    p->desc.o = array_output(&r->out.view, 1);
    if (r->with_lse) {
        if (!problem_create(p, &r->lse, arguments[0], p->sum_element, problem_row_shape(p, shape), shape)) return false;
        p->desc.lse = array_output(&r->lse.view, 0);
    }
    return !r->with_weights ||
           problem_create(p, &r->weights, arguments[0], p->sum_element, problem_shape(p, p->desc.S, shape), shape);
}

/* Every call of the problem. The descriptor's arrays stay what they are while the interpreter's lock is given up: the
 * caller holds the objects, and a buffer or capsule its memory. */
static bool compute(problem *p, const forward_results *r)
{
    attn_status status = ATTN_OK;
    attn_output weights = array_output(&r->weights.view, 1);
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < p->calls; call++) {
        problem_select(p, call);
        p->desc.o.data = problem_part(p, &r->out.view, call);
        if (r->with_lse) p->desc.lse.data = problem_part(p, &r->lse.view, call);
        status = p->cached ? cache_decode(&p->cache, &p->desc)
                           : call_operator(&p->desc, attn_forward_workspace_size, attn_forward);
        if (status != ATTN_OK || !r->with_weights) continue;
        weights.data = problem_part(p, &r->weights.view, call);
        status = attn_weights(&p->desc, NULL, &weights);
    }
    Py_END_ALLOW_THREADS;
    return call_finished(p, status);
}

/* out alone, or a tuple of out and what else was asked for. */
static PyObject *take(forward_results *r)
{
    if (!r->with_lse && !r->with_weights) return result_take(&r->out);
    PyObject *tuple = PyTuple_New(1 + r->with_lse + r->with_weights);
    result *in_order[] = {&r->out, r->with_lse ? &r->lse : &r->weights, &r->weights};
    for (int i = 0; tuple && i < 1 + r->with_lse + r->with_weights; i++) {
        PyObject *taken = result_take(in_order[i]);
        if (!taken || PyTuple_SetItem(tuple, i, taken) != 0) Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *call_forward(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    forward_results r = {0};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (problem_open(&p, arguments[0], arguments[1], arguments[2], arguments + FIRST_OPTION) &&
        create_results(&r, &p, arguments) && compute(&p, &r))
        returned = take(&r);
    result_release(&r.out);
    result_release(&r.lse);
    result_release(&r.weights);
    problem_close(&p);
    return returned;
}
