#include "calls.h"

enum { QUERY, FIRST_OPTION, ROTARY = FIRST_OPTION + OPTIONS, ARGUMENTS };

/* The rows by their own name: a problem calls them query. */
static bool check_rows(PyObject *x)
{
    array rows = {0};
    const bool sound = narrow_rows_borrow(&rows, x, "x", 2);
    array_release(&rows);
    return sound;
}

static bool rotate(problem *p, PyObject *like, PyObject *rotary, result *r)
{
    if (!cache_open_rotary(&p->cache, rotary) || !problem_create(p, r, like, p->element, p->rank, p->query.shape))
        return false;
    attn_output y = array_output(&r->view, 1);
    attn_status status = ATTN_OK;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < p->calls; call++) {
        problem_select(p, call);
        y.data = problem_part(p, &r->view, call);
        status = attn_rotate(&p->desc, NULL, &p->cache.rotary, &y);
    }
    Py_END_ALLOW_THREADS;
    return call_finished(p, status);
}

PyObject *call_rotate(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    result r = {0};
    PyObject *returned = NULL, *x = arguments[QUERY];
    if (!call_counted(count, ARGUMENTS) || !check_rows(x)) return NULL;
    /* The rows stand where keys and values must, which are not looked at. */
    if (problem_open(&p, x, x, x, arguments + FIRST_OPTION) && rotate(&p, x, arguments[ROTARY], &r))
        returned = result_take(&r);
    result_release(&r);
    problem_close(&p);
    return returned;
}
