#include "calls.h"

#include <string.h>

enum { QUERY = 1, KEY, VALUE, OUT, LSE, FIRST_OPTION };
enum { GIVEN = FIRST_OPTION + OPTIONS, GRADIENTS = GIVEN + 5, ARGUMENTS };

/* What is given of the later loss, by the first gradients, and what is wanted: the order of both. */
typedef enum place { AT_QUERY, AT_KEY, AT_VALUE, AT_SINKS, AT_MASK, AT_GRAD_OUT, PLACES } place;

static const char *const names[PLACES] = {"query", "key", "value", "sinks", "attn_mask", "grad_out"};
static const char *const given_names[AT_GRAD_OUT] = {"by_query", "by_key", "by_value", "by_sinks", "by_attn_mask"};

typedef struct double_arrays {
    array grad_out, out, lse, given[AT_GRAD_OUT];
    bool wanted[PLACES];
    result results[PLACES];
    array mask_steps; /* the mask's gradient with the strides by which the operator writes it */
    attn_second_order second;
} double_arrays;

static bool borrow_first(double_arrays *a, problem *p, PyObject *const *arguments)
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

static const array *input_at(const double_arrays *a, const problem *p, place at)
{
    const array *inputs[PLACES] = {&p->query, &p->key, &p->value, &p->sinks, &p->mask, &a->grad_out};
    return inputs[at];
}

/* What the mask's gradient has in the mask's own shape, by the strides that broadcast it. */
static attn_mask_output broadcast_mask(const problem *p, array *x)
{
    int64_t shape[ARRAY_RANK];
    int rank = problem_mask_shape(p, shape);
    array_broadcast(x, rank, shape);
    attn_output steps = array_output(x, 1);
    return (attn_mask_output){steps.data, steps.batch, steps.head, steps.row, x->stride[rank - 1]};
}

static bool borrow_mask(double_arrays *a, const problem *p, PyObject *given)
{
    array *x = &a->given[AT_MASK];
    if (!p->additive_mask) {
        PyErr_SetString(PyExc_ValueError, "by_attn_mask: expected None where there is no attn_mask of float32");
        return false;
    }
    if (!rows_match(p, x, given, given_names[AT_MASK], p->sum_element, p->mask_rank, p->mask_shape, false))
        return false;
    attn_mask_output steps = broadcast_mask(p, x);
    a->second.by_grad_bias = (attn_mask){steps.data, steps.batch, steps.head, steps.row, steps.column};
    return true;
}

static bool borrow_given(double_arrays *a, const problem *p, PyObject *const *given)
{
    attn_view *views[] = {&a->second.by_grad_q, &a->second.by_grad_k, &a->second.by_grad_v};
    if (given[AT_MASK] != Py_None && !borrow_mask(a, p, given[AT_MASK])) return false;
    for (int at = 0; at < AT_MASK; at++) {
        if (given[at] == Py_None) continue;
        if (at == AT_SINKS && !p->has_sinks) {
            PyErr_SetString(PyExc_ValueError, "by_sinks: expected None where there are no sinks");
            return false;
        }
        const array *input = input_at(a, p, at);
        if (!rows_match(p, &a->given[at], given[at], given_names[at], input->element, input->rank, input->shape, true))
            return false;
        if (at == AT_SINKS)
            a->second.by_grad_sinks = a->given[at].data;
        else
            *views[at] = array_view(&a->given[at]);
    }
    return true;
}

static bool read_wanted(double_arrays *a, const problem *p, PyObject *chosen)
{
    const bool offered[PLACES] = {true, true, true, p->has_sinks, p->additive_mask, true};
    return call_gradients(chosen, PLACES, names, offered, a->wanted);
}

/* As backward's: what is summed over dimensions that are calls of their own would be written anew by each. */
static bool refuse_sums_over_calls(const double_arrays *a, const problem *p)
{
    bool summed = a->wanted[AT_SINKS];
    for (int i = 0; a->wanted[AT_MASK] && i < p->rank - 4; i++)
        summed |= p->mask.stride[i] == 0 && p->mask.shape[i] > 1;
    if (!summed || p->calls < 2) return true;
    PyErr_Format(PyExc_ValueError,
                 "gradients: expected at most 4 dimensions for a gradient that is summed over the batch, got %d; "
                 "reshape the leading ones into one",
                 p->rank);
    return false;
}

static bool create(double_arrays *a, problem *p, PyObject *like)
{
    attn_output *outputs[PLACES] = {&a->second.grad_q,     &a->second.grad_k, &a->second.grad_v, NULL, NULL,
                                    &a->second.grad_grad_o};
    for (int at = 0; at < PLACES; at++) {
        if (!a->wanted[at]) continue;
        const array *input = input_at(a, p, at);
        result *r = &a->results[at];
        bool made = at == AT_MASK    ? result_create(r, like, p->sum_element, p->mask_rank, p->mask_shape)
                    : at == AT_SINKS ? result_create(r, like, input->element, input->rank, input->shape)
                                     : problem_create(p, r, like, input->element, input->rank, input->shape);
        if (!made) return false;
        if (problem_is_empty(p) && r->view.data)
            memset(r->view.data, 0, (size_t)array_count(&r->view) * element_bytes(r->view.element));
        if (outputs[at]) *outputs[at] = array_output(&r->view, 1);
    }
    if (a->wanted[AT_SINKS]) a->second.grad_sinks = a->results[AT_SINKS].view.data;
    if (!a->wanted[AT_MASK]) return true;
    a->mask_steps = a->results[AT_MASK].view;
    a->second.grad_bias = broadcast_mask(p, &a->mask_steps);
    return true;
}

static void select_arrays(double_arrays *a, problem *p, int64_t call)
{
    attn_second_order *s = &a->second;
    attn_view *views[] = {&s->by_grad_q, &s->by_grad_k, &s->by_grad_v};
    attn_output *outputs[PLACES] = {&s->grad_q, &s->grad_k, &s->grad_v, NULL, NULL, &s->grad_grad_o};
    p->desc.grad_o.data = problem_part(p, &a->grad_out, call);
    p->desc.o.data = problem_part(p, &a->out, call);
    p->desc.lse.data = problem_part(p, &a->lse, call);
    s->by_grad_bias.data = problem_part(p, &a->given[AT_MASK], call);
    if (a->wanted[AT_MASK]) s->grad_bias.data = problem_part(p, &a->mask_steps, call);
    for (int at = 0; at < AT_SINKS; at++) views[at]->data = problem_part(p, &a->given[at], call);
    for (int at = 0; at < PLACES; at++)
        if (outputs[at] && a->wanted[at]) outputs[at]->data = problem_part(p, &a->results[at].view, call);
}

static attn_status run(const attn_desc *desc, const attn_second_order *second)
{
    size_t size;
    attn_status status = attn_double_backward_workspace_size(desc, second, &size);
    if (status != ATTN_OK) return status;
    void *workspace = workspace_take(size);
    if (!workspace) return ATTN_ERROR_MEMORY;
    status = attn_double_backward(desc, second, workspace, size);
    workspace_done();
    return status;
}

static bool compute(double_arrays *a, problem *p)
{
    attn_status status = ATTN_OK;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < p->calls; call++) {
        problem_select(p, call);
        select_arrays(a, p, call);
        status = run(&p->desc, &a->second);
    }
    Py_END_ALLOW_THREADS;
    return call_succeeded(status, attn_error());
}

static PyObject *take(double_arrays *a)
{
    PyObject *taken = PyDict_New();
    for (int at = 0; taken && at < PLACES; at++) {
        if (!a->wanted[at]) continue;
        PyObject *made = result_take(&a->results[at]);
        if (!made || PyDict_SetItemString(taken, names[at], made) != 0) Py_CLEAR(taken);
        Py_XDECREF(made);
    }
    return taken;
}

PyObject *call_double_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    double_arrays a = {.second.struct_size = sizeof a.second};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (problem_open(&p, arguments[QUERY], arguments[KEY], arguments[VALUE], arguments + FIRST_OPTION) &&
        call_seeded(&p, arguments[FIRST_OPTION + OPTION_SEED]) && borrow_first(&a, &p, arguments) &&
        borrow_given(&a, &p, arguments + GIVEN) && read_wanted(&a, &p, arguments[GRADIENTS]) &&
        refuse_sums_over_calls(&a, &p) && create(&a, &p, arguments[QUERY]) && compute(&a, &p))
        returned = take(&a);
    for (int at = 0; at < PLACES; at++) result_release(&a.results[at]);
    for (int at = 0; at < AT_GRAD_OUT; at++) array_release(&a.given[at]);
    array_release(&a.grad_out);
    array_release(&a.out);
    array_release(&a.lse);
    problem_close(&p);
    return returned;
}
