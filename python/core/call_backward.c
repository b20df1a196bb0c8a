#include "backward_arrays.h"
#include "calls.h"

enum { QUERY = 1, KEY, VALUE, OUT, LSE, GRAD_LSE, FIRST_OPTION, GRADIENTS = FIRST_OPTION + OPTIONS, ARGUMENTS };

typedef enum gradient {
    GRAD_QUERY,
    GRAD_KEY,
    GRAD_VALUE,
    GRAD_MASK,
    GRAD_SCORE_VECTOR,
    GRAD_SINKS,
    GRAD_SLOPES,
    GRADIENT_COUNT
} gradient;

static const gradient_kind kinds[GRADIENT_COUNT] = {
    {"query", OF_ROWS},         {"key", OF_ROWS},    {"value", OF_ROWS},        {"attn_mask", OF_MASK},
    {"score_vector", OF_HEADS}, {"sinks", OF_HEADS}, {"alibi_slopes", OF_HEADS}};

static bool choose(gradients *g, const problem *p, PyObject *chosen)
{
    const bool offered[GRADIENT_COUNT] = {true,         true,         true, p->additive_mask, p->additive_scores,
                                          p->has_sinks, p->has_slopes};
    return gradients_choose(g, p, chosen, offered);
}

static bool create(gradients *g, problem *p, PyObject *like)
{
    const array *inputs[GRADIENT_COUNT] = {&p->query,        &p->key,   &p->value, NULL,
                                           &p->score_vector, &p->sinks, &p->slopes};
    const result *r = g->results;
    attn_desc *d = &p->desc;
    if (!gradients_create(g, p, like, inputs)) return false;
    if (g->wanted[GRAD_QUERY]) d->grad_q = array_output(&r[GRAD_QUERY].view, 1);
    if (g->wanted[GRAD_KEY]) d->grad_k = array_output(&r[GRAD_KEY].view, 1);
    if (g->wanted[GRAD_VALUE]) d->grad_v = array_output(&r[GRAD_VALUE].view, 1);
    if (g->wanted[GRAD_SCORE_VECTOR]) {
        const array *w = &r[GRAD_SCORE_VECTOR].view;
        d->grad_score_vector = (attn_output){w->data, 0, w->stride[0], 0};
    }
    if (g->wanted[GRAD_SINKS]) d->grad_sinks = r[GRAD_SINKS].view.data;
    if (g->wanted[GRAD_SLOPES]) d->grad_alibi_slopes = r[GRAD_SLOPES].view.data;
    if (g->wanted[GRAD_MASK]) d->grad_bias = mask_broadcast(p, &g->mask_steps);
    return true;
}

static void select_gradients(const gradients *g, problem *p, int64_t call)
{
    attn_desc *d = &p->desc;
    if (g->wanted[GRAD_QUERY]) d->grad_q.data = problem_part(p, &g->results[GRAD_QUERY].view, call);
    if (g->wanted[GRAD_KEY]) d->grad_k.data = problem_part(p, &g->results[GRAD_KEY].view, call);
    if (g->wanted[GRAD_VALUE]) d->grad_v.data = problem_part(p, &g->results[GRAD_VALUE].view, call);
    if (g->wanted[GRAD_MASK]) d->grad_bias.data = problem_part(p, &g->mask_steps, call);
}

static bool compute(const forward_arrays *a, const gradients *g, problem *p)
{
    attn_status status = ATTN_OK;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t call = 0; status == ATTN_OK && call < p->calls; call++) {
        problem_select(p, call);
        forward_arrays_select(a, p, call);
        select_gradients(g, p, call);
        status = call_operator(&p->desc, attn_backward_workspace_size, attn_backward);
    }
    Py_END_ALLOW_THREADS;
    return call_finished(p, status);
}

PyObject *call_backward(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    problem p;
    forward_arrays a = {0};
    gradients g = {.kinds = kinds, .count = GRADIENT_COUNT};
    PyObject *returned = NULL;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    if (problem_open(&p, arguments[QUERY], arguments[KEY], arguments[VALUE], arguments + FIRST_OPTION) &&
        call_seeded(&p, arguments[FIRST_OPTION + OPTION_SEED]) && tile_functions_differentiable(&p.functions) &&
        forward_arrays_borrow(&a, &p, arguments[0], arguments[OUT], arguments[LSE], arguments[GRAD_LSE]) &&
        choose(&g, &p, arguments[GRADIENTS]) && create(&g, &p, arguments[QUERY]) && compute(&a, &g, &p))
        returned = gradients_take(&g);
    gradients_release(&g);
    forward_arrays_release(&a);
    problem_close(&p);
    return returned;
}
