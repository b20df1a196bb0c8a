#include "backward_arrays.h"
#include "calls.h"

enum { QUERY = 1, KEY, VALUE, OUT, LSE, GRAD_LSE, FIRST_OPTION };
enum { GIVEN = FIRST_OPTION + OPTIONS, GRADIENTS = GIVEN + 5, ARGUMENTS };

/* What is given of the later loss, by the first gradients, and what is wanted: the order of both. */
typedef enum place { AT_QUERY, AT_KEY, AT_VALUE, AT_SINKS, AT_MASK, AT_GRAD_OUT, AT_GRAD_LSE, PLACES } place;

static const gradient_kind kinds[PLACES] = {{"query", OF_ROWS},   {"key", OF_ROWS},       {"value", OF_ROWS},
                                            {"sinks", OF_HEADS},  {"attn_mask", OF_MASK}, {"grad_out", OF_ROWS},
                                            {"grad_lse", OF_ROWS}};
static const char *const given_names[AT_GRAD_OUT] = {"by_query", "by_key", "by_value", "by_sinks", "by_attn_mask"};

typedef struct double_arrays {
    forward_arrays first;
    array given[AT_GRAD_OUT];
    gradients gradients;
    attn_second_order second;
} double_arrays;

/* How masks and sinks are seen in any case: as they were given, where the rows of packed sequences are seen (H, T). */
static const problem as_given;

static const array *input_at(const double_arrays *a, const problem *p, place at)
{
    const array *inputs[PLACES] = {&p->query,          &p->key,           &p->value, &p->sinks, &p->mask,
                                   &a->first.grad_out, &a->first.grad_lse};
    return inputs[at];
}

static bool borrow_mask(double_arrays *a, const problem *p, PyObject *given)
{
    array *x = &a->given[AT_MASK];
    if (!p->additive_mask) {
        PyErr_SetString(PyExc_ValueError, "by_attn_mask: expected None where there is no attn_mask of float32");
        return false;
    }
    if (!rows_match(&as_given, x, given, given_names[AT_MASK], p->sum_element, p->mask_rank, p->mask_shape, false))
        return false;
    attn_mask_output steps = mask_broadcast(p, x);
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
        if (!rows_match(at == AT_SINKS ? &as_given : p, &a->given[at], given[at], given_names[at], input->element,
                        input->rank, input->shape, true))
            return false;
        if (at == AT_SINKS)
            a->second.by_grad_sinks = a->given[at].data;
        else
            *views[at] = array_view(&a->given[at]);
    }
    return true;
}

static bool choose(double_arrays *a, const problem *p, PyObject *chosen)
{
    const bool offered[PLACES] = {true, true, true, p->has_sinks, p->additive_mask, true, a->first.has_grad_lse};
    return gradients_choose(&a->gradients, p, chosen, offered);
}

static bool create(double_arrays *a, const problem *p, PyObject *like)
{
    attn_second_order *s = &a->second;
    gradients *g = &a->gradients;
    attn_output *outputs[PLACES] = {&s->grad_q, &s->grad_k, &s->grad_v, NULL, NULL, &s->grad_grad_o, &s->grad_grad_lse};
    const array *inputs[PLACES];
    for (int at = 0; at < PLACES; at++) inputs[at] = input_at(a, p, at);
    if (!gradients_create(g, p, like, inputs)) return false;
    for (int at = 0; at < PLACES; at++)
        if (outputs[at] && g->wanted[at]) *outputs[at] = array_output(&g->results[at].view, at != AT_GRAD_LSE);
    if (g->wanted[AT_SINKS]) s->grad_sinks = g->results[AT_SINKS].view.data;
    if (g->wanted[AT_MASK]) s->grad_bias = mask_broadcast(p, &g->mask_steps);
    return true;
}

static void select_arrays(double_arrays *a, problem *p, int64_t call)
{
    attn_second_order *s = &a->second;
    const gradients *g = &a->gradients;
    attn_view *views[] = {&s->by_grad_q, &s->by_grad_k, &s->by_grad_v};
    attn_output *outputs[PLACES] = {&s->grad_q, &s->grad_k, &s->grad_v, NULL, NULL, &s->grad_grad_o, &s->grad_grad_lse};
    forward_arrays_select(&a->first, p, call);
    s->by_grad_bias.data = problem_part(p, &a->given[AT_MASK], call);
    if (g->wanted[AT_MASK]) s->grad_bias.data = problem_part(p, &g->mask_steps, call);
    for (int at = 0; at < AT_SINKS; at++) views[at]->data = problem_part(p, &a->given[at], call);
    for (int at = 0; at < PLACES; at++)
        if (outputs[at] && g->wanted[at]) outputs[at]->data = problem_part(p, &g->results[at].view, call);
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
    return call_finished(p, status);
}

static bool check_function(PyObject *function)
{
    if (function == Py_None) return true;
    PyErr_SetString(PyExc_NotImplementedError,
                    "score_function: expected None where gradients of gradients are computed: "
                    "it tells its derivative, not how that changes");
    return false;
}

PyObject *call_double_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    double_arrays a = {.gradients = {.kinds = kinds, .count = PLACES}, .second.struct_size = sizeof a.second};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (problem_open(&p, arguments[QUERY], arguments[KEY], arguments[VALUE], arguments + FIRST_OPTION) &&
        check_function(arguments[FIRST_OPTION + OPTION_SCORE_FUNCTION]) &&
        call_seeded(&p, arguments[FIRST_OPTION + OPTION_SEED]) &&
        forward_arrays_borrow(&a.first, &p, arguments[0], arguments[OUT], arguments[LSE], arguments[GRAD_LSE]) &&
        borrow_given(&a, &p, arguments + GIVEN) && choose(&a, &p, arguments[GRADIENTS]) &&
        create(&a, &p, arguments[QUERY]) && compute(&a, &p))
        returned = gradients_take(&a.gradients);
    gradients_release(&a.gradients);
    for (int at = 0; at < AT_GRAD_OUT; at++) array_release(&a.given[at]);
    forward_arrays_release(&a.first);
    problem_close(&p);
    return returned;
}
