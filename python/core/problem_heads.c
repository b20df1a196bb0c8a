#include "problem.h"

static bool open_score_vector(problem *p, PyObject *object)
{
    char got[SHAPE_TEXT];
    const attn_desc *d = &p->desc;
    array *w = &p->score_vector;
    if (object == Py_None) return true;
    if (!elements_borrow(w, object, "score_vector", p->sum_element, 1)) return false;
    if (w->rank != 2 || w->shape[0] != d->H || w->shape[1] != d->D) {
        PyErr_Format(PyExc_ValueError, "score_vector: expected shape (H, D) = (%lld, %lld), got %s", (long long)d->H,
                     (long long)d->D, shape_text(got, w->rank, w->shape));
        return false;
    }
    p->additive_scores = true;
    p->desc.score = ATTN_SCORE_ADDITIVE;
    p->desc.scale = 1;
    p->desc.score_vector = (attn_view){w->data, 0, w->stride[0], 0};
    return true;
}

/* (H), one number a head, into *data; NULL where there is none. */
static bool open_numbers(const problem *p, array *x, PyObject *object, const char *name, const float **data)
{
    char got[SHAPE_TEXT];
    if (object == Py_None) return true;
    if (!rows_borrow(x, object, name, 1)) return false;
    if (x->rank == 1 && x->shape[0] == p->desc.H) return *data = x->data, true;
    PyErr_Format(PyExc_ValueError, "%s: expected shape (H,) = (%lld,), got %s", name, (long long)p->desc.H,
                 shape_text(got, x->rank, x->shape));
    return false;
}

bool problem_open_heads(problem *p, PyObject *const *options)
{
    p->has_sinks = options[OPTION_SINKS] != Py_None;
    p->has_slopes = options[OPTION_ALIBI] != Py_None;
    return open_score_vector(p, options[OPTION_SCORE_VECTOR]) &&
           open_numbers(p, &p->slopes, options[OPTION_ALIBI], "alibi_slopes", &p->desc.alibi_slopes) &&
           open_numbers(p, &p->sinks, options[OPTION_SINKS], "sinks", &p->desc.sinks);
}
