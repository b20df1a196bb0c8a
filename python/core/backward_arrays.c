#include "backward_arrays.h"

#include <stdio.h>
#include <string.h>

bool forward_arrays_borrow(forward_arrays *a, problem *p, PyObject *grad_out, PyObject *out, PyObject *lse,
                           PyObject *grad_lse)
{
    int64_t shape[ARRAY_RANK];
    int rank = problem_shape(p, p->desc.DV, shape);
    if (!rows_match(p, &a->grad_out, grad_out, "grad_out", p->element, rank, shape, true) ||
        !rows_match(p, &a->out, out, "out", p->element, rank, shape, true) ||
        !rows_match(p, &a->lse, lse, "lse", p->sum_element, problem_row_shape(p, shape), shape, false))
        return false;
    a->has_grad_lse = grad_lse != Py_None;
    if (a->has_grad_lse &&
        !rows_match(p, &a->grad_lse, grad_lse, "grad_lse", p->sum_element, problem_row_shape(p, shape), shape, false))
        return false;
    const attn_output by_lse = array_output(&a->grad_lse, 0);
    p->desc.grad_lse = (attn_view){by_lse.data, by_lse.batch, by_lse.head, by_lse.row};
    p->desc.grad_o = array_view(&a->grad_out);
    p->desc.o = array_output(&a->out, 1);
    p->desc.lse = array_output(&a->lse, 0);
    return true;
}

void forward_arrays_select(const forward_arrays *a, problem *p, int64_t call)
{
    p->desc.grad_o.data = problem_part(p, &a->grad_out, call);
    p->desc.o.data = problem_part(p, &a->out, call);
    p->desc.lse.data = problem_part(p, &a->lse, call);
    p->desc.grad_lse.data = problem_part(p, &a->grad_lse, call);
}

void forward_arrays_release(forward_arrays *a)
{
    array_release(&a->grad_out);
    array_release(&a->out);
    array_release(&a->lse);
    array_release(&a->grad_lse);
}

/* The names on offer, as an error tells them: at most as many as fit. */
static void list_names(char *text, size_t size, const gradients *g, const bool *offered)
{
    size_t at = 0;
    text[0] = 0;
    for (int n = 0; n < g->count; n++) {
        if (!offered[n]) continue;
        int written = snprintf(text + at, size - at, "%s'%s'", at ? ", " : "", g->kinds[n].name);
        if (written < 0 || (size_t)written >= size - at) return;
        at += (size_t)written;
    }
}

static bool choose(gradients *g, PyObject *name, const bool *offered)
{
    for (int n = 0; n < g->count; n++) {
        if (!offered[n] || !PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, g->kinds[n].name) != 0)
            continue;
        g->wanted[n] = true;
        return true;
    }
    char text[256];
    list_names(text, sizeof text, g, offered);
    PyErr_Format(PyExc_ValueError, "gradients: expected names among %s, got %R", text, name);
    return false;
}

static bool read_names(gradients *g, PyObject *chosen, const bool *offered)
{
    if (chosen == Py_None) {
        memcpy(g->wanted, offered, (size_t)g->count * sizeof *offered);
        return true;
    }
    Py_ssize_t given = PyUnicode_Check(chosen) ? -1 : PySequence_Size(chosen);
    if (given < 0) {
        return argument_refuse(chosen, "gradients", "a list or a tuple of names");
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        PyObject *name = PySequence_GetItem(chosen, i);
        bool known = name && choose(g, name, offered);
        Py_XDECREF(name);
        if (!known) return false;
    }
    return true;
}

/* What is summed over the dimensions before (B, H, T, D), which are calls of their own, would be written anew by each.
 */
static bool refuse_sums_over_calls(const gradients *g, const problem *p)
{
    bool summed = false;
    for (int n = 0; n < g->count; n++) {
        summed |= g->wanted[n] && g->kinds[n].of == OF_HEADS;
        for (int i = 0; g->wanted[n] && g->kinds[n].of == OF_MASK && i < p->rank - 4; i++)
            summed |= p->mask.stride[i] == 0 && p->mask.shape[i] > 1;
    }
    if (!summed || p->calls < 2) return true;
    PyErr_Format(PyExc_ValueError,
                 "gradients: expected at most 4 dimensions for a gradient that is summed over the batch, got %d; "
                 "reshape the leading ones into one",
                 p->rank);
    return false;
}

bool gradients_choose(gradients *g, const problem *p, PyObject *chosen, const bool *offered)
{
    return read_names(g, chosen, offered) && refuse_sums_over_calls(g, p);
}

static bool create(gradients *g, int n, const problem *p, PyObject *like, const array *input)
{
    result *r = &g->results[n];
    if (g->kinds[n].of == OF_MASK) return result_create(r, like, p->sum_element, p->mask_rank, p->mask_shape);
    if (g->kinds[n].of == OF_HEADS) return result_create(r, like, input->element, input->rank, input->shape);
    return problem_create(p, r, like, input->element, input->rank, input->shape);
}

bool gradients_create(gradients *g, const problem *p, PyObject *like, const array *const *inputs)
{
    for (int n = 0; n < g->count; n++) {
        if (!g->wanted[n]) continue;
        if (!create(g, n, p, like, inputs[n])) return false;
        const array *made = &g->results[n].view;
        if (made->data && problem_leaves(p, g->kinds[n].of == OF_MASK))
            memset(made->data, 0, (size_t)array_count(made) * element_bytes(made->element));
        if (g->kinds[n].of == OF_MASK) g->mask_steps = *made;
    }
    return true;
}

PyObject *gradients_take(gradients *g)
{
    PyObject *taken = PyDict_New();
    for (int n = 0; taken && n < g->count; n++) {
        if (!g->wanted[n]) continue;
        PyObject *made = result_take(&g->results[n]);
        if (!made || PyDict_SetItemString(taken, g->kinds[n].name, made) != 0) Py_CLEAR(taken);
        Py_XDECREF(made);
    }
    return taken;
}

void gradients_release(gradients *g)
{
    for (int n = 0; n < g->count; n++) result_release(&g->results[n]);
}

attn_mask_output mask_broadcast(const problem *p, array *x)
{
    int64_t shape[ARRAY_RANK];
    int rank = problem_mask_shape(p, shape);
    array_broadcast(x, rank, shape);
    attn_output steps = array_output(x, 1);
    return (attn_mask_output){steps.data, steps.batch, steps.head, steps.row, x->stride[rank - 1]};
}
