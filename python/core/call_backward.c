#include "calls.h"

#include <string.h>

enum { QUERY = 1, KEY, VALUE, OUT, LSE, FIRST_OPTION, GRADIENTS = FIRST_OPTION + OPTIONS, ARGUMENTS };

typedef enum gradient {
    GRAD_QUERY,
    GRAD_KEY,
    GRAD_VALUE,
    GRAD_MASK,
    GRAD_SCORE_VECTOR,
    GRAD_SINKS,
    GRADIENT_COUNT
} gradient;

static const char *const names[GRADIENT_COUNT] = {"query", "key", "value", "attn_mask", "score_vector", "sinks"};

typedef struct backward_arrays {
    array grad_out, out, lse;
    bool wanted[GRADIENT_COUNT];
    result results[GRADIENT_COUNT];
    array mask_steps; /* the mask's gradient with the strides by which the operator writes it */
} backward_arrays;

static bool borrow_all(backward_arrays *a, problem *p, PyObject *const *arguments)
{
    int64_t shape[ARRAY_RANK];
    int rank = problem_shape(p, p->desc.DV, shape);
    if (!rows_match(p, &a->grad_out, arguments[0], "grad_out", p->element, rank, shape, true) ||
        !rows_match(p, &a->out, arguments[OUT], "out", p->element, rank, shape, true) ||
        !rows_match(p, &a->lse, arguments[LSE], "lse", p->sum_element, problem_row_shape(p, shape), shape, false))
        return false;
    p->desc.grad_o = array_view(&a->grad_out);
    p->desc.o = array_output(&a->out, 1);
    p->desc.lse = array_output(&a->lse, 0);
    return true;
}

/* Whether there is something that this could be the gradient of. */
static bool offered(const problem *p, gradient which)
{
    return which == GRAD_MASK           ? p->additive_mask
           : which == GRAD_SCORE_VECTOR ? p->additive_scores
           : which == GRAD_SINKS        ? p->has_sinks
                                        : true;
}

static bool read_wanted(backward_arrays *a, const problem *p, PyObject *chosen)
{
    bool on_offer[GRADIENT_COUNT];
    for (int i = 0; i < GRADIENT_COUNT; i++) on_offer[i] = offered(p, i);
    return call_gradients(chosen, GRADIENT_COUNT, names, on_offer, a->wanted);
}

/* What is summed over the dimensions before (B, H, T, D), which are calls of their own, would be written anew by each.
 */
static bool refuse_sums_over_calls(const backward_arrays *a, const problem *p)
{
    bool summed = a->wanted[GRAD_SCORE_VECTOR] || a->wanted[GRAD_SINKS];
    for (int i = 0; a->wanted[GRAD_MASK] && i < p->rank - 4; i++)
        summed |= p->mask.stride[i] == 0 && p->mask.shape[i] > 1;
    if (!summed || p->calls < 2) return true;
    PyErr_Format(PyExc_ValueError,
                 "gradients: expected at most 4 dimensions for a gradient that is summed over the batch, got %d; "
                 "reshape the leading ones into one",
                 p->rank);
    return false;
}

static bool create_gradients(backward_arrays *a, problem *p, PyObject *like)
{
    const array *inputs[GRADIENT_COUNT] = {&p->query, &p->key, &p->value, NULL, &p->score_vector, &p->sinks};
    int64_t shape[ARRAY_RANK];
    attn_desc *d = &p->desc;
    for (int i = 0; i < GRADIENT_COUNT; i++) {
        if (!a->wanted[i]) continue;
        const int64_t *sizes = i == GRAD_MASK ? p->mask_shape : inputs[i]->shape;
        int rank = i == GRAD_MASK ? p->mask_rank : inputs[i]->rank;
        const element_type element = i == GRAD_MASK ? p->sum_element : inputs[i]->element;
        result *r = &a->results[i];
        if (i > GRAD_VALUE ? !result_create(r, like, element, rank, sizes)
                           : !problem_create(p, r, like, element, rank, sizes))
            return false;
    }
    const result *r = a->results;
    for (int i = 0; i < GRADIENT_COUNT && problem_is_empty(p); i++)
        if (a->wanted[i] && r[i].view.data)
            memset(r[i].view.data, 0, (size_t)array_count(&r[i].view) * element_bytes(r[i].view.element));
    if (a->wanted[GRAD_QUERY]) d->grad_q = array_output(&r[GRAD_QUERY].view, 1);
    if (a->wanted[GRAD_KEY]) d->grad_k = array_output(&r[GRAD_KEY].view, 1);
    if (a->wanted[GRAD_VALUE]) d->grad_v = array_output(&r[GRAD_VALUE].view, 1);
    if (a->wanted[GRAD_SCORE_VECTOR]) {
        const array *w = &r[GRAD_SCORE_VECTOR].view;
        d->grad_score_vector = (attn_output){w->data, 0, w->stride[0], 0};
    }
    if (a->wanted[GRAD_SINKS]) d->grad_sinks = r[GRAD_SINKS].view.data;
    if (!a->wanted[GRAD_MASK]) return true;
    a->mask_steps = r[GRAD_MASK].view;
    array_broadcast(&a->mask_steps, problem_mask_shape(p, shape), shape);
    attn_output steps = array_output(&a->mask_steps, 1);
    d->grad_bias =
        (attn_mask_output){steps.data, steps.batch, steps.head, steps.row, a->mask_steps.stride[p->mask.rank - 1]};
    return true;
}

static void select_gradients(const backward_arrays *a, problem *p, int64_t call)
{
    attn_desc *d = &p->desc;
    d->grad_o.data = problem_part(p, &a->grad_out, call);
    d->o.data = problem_part(p, &a->out, call);
    d->lse.data = problem_part(p, &a->lse, call);
    if (a->wanted[GRAD_QUERY]) d->grad_q.data = problem_part(p, &a->results[GRAD_QUERY].view, call);
    if (a->wanted[GRAD_KEY]) d->grad_k.data = problem_part(p, &a->results[GRAD_KEY].view, call);
    if (a->wanted[GRAD_VALUE]) d->grad_v.data = problem_part(p, &a->results[GRAD_VALUE].view, call);
    if (a->wanted[GRAD_MASK]) d->grad_bias.data = problem_part(p, &a->mask_steps, call);
}

static bool compute(const backward_arrays *a, problem *p)
{
    attn_status status = ATTN_OK;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < p->calls; call++) {
        problem_select(p, call);
        select_gradients(a, p, call);
        status = call_operator(&p->desc, attn_backward_workspace_size, attn_backward);
    }
    Py_END_ALLOW_THREADS;
    return call_succeeded(status, attn_error());
}

static PyObject *take(backward_arrays *a)
{
    PyObject *taken = PyDict_New();
    for (int i = 0; taken && i < GRADIENT_COUNT; i++) {
        if (!a->wanted[i]) continue;
        PyObject *made = result_take(&a->results[i]);
        if (!made || PyDict_SetItemString(taken, names[i], made) != 0) Py_CLEAR(taken);
        Py_XDECREF(made);
    }
    return taken;
}

PyObject *call_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    backward_arrays a = {0};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (problem_open(&p, arguments[QUERY], arguments[KEY], arguments[VALUE], arguments + FIRST_OPTION) &&
        call_seeded(&p, arguments[FIRST_OPTION + OPTION_SEED]) && borrow_all(&a, &p, arguments) &&
        read_wanted(&a, &p, arguments[GRADIENTS]) && refuse_sums_over_calls(&a, &p) &&
        create_gradients(&a, &p, arguments[QUERY]) && compute(&a, &p))
        returned = take(&a);
    for (int i = 0; i < GRADIENT_COUNT; i++) result_release(&a.results[i]);
    array_release(&a.grad_out);
    array_release(&a.out);
    array_release(&a.lse);
    problem_close(&p);
    return returned;
}
