#include "problem.h"

static bool check_rows(const array *x, const char *name, int rank)
{
    char shape[SHAPE_TEXT];
    if (x->rank < rank) {
        PyErr_Format(PyExc_ValueError, "%s: expected %d dimensions or more, got shape %s", name, rank,
                     shape_text(shape, x->rank, x->shape));
        return false;
    }
    if (!array_has_rows(x)) {
        PyErr_Format(PyExc_ValueError, "%s: expected the last dimension of shape %s contiguous, got stride %lld", name,
                     shape_text(shape, x->rank, x->shape), (long long)x->stride[x->rank - 1]);
        return false;
    }
    return true;
}

bool elements_borrow(array *x, PyObject *object, const char *name, element_type element, int rank)
{
    if (!array_borrow(x, object, name)) return false;
    if (!array_is(x, element)) return array_refuse_type(x, name, element_name(element));
    return check_rows(x, name, rank);
}

bool rows_borrow(array *x, PyObject *object, const char *name, int rank)
{
    return elements_borrow(x, object, name, ELEMENT_F32, rank);
}

bool query_borrow(problem *p, PyObject *object)
{
    array *x = &p->query;
    if (!array_borrow(x, object, "query")) return false;
    p->element = x->element;
    p->sum_element = array_is(x, ELEMENT_F64) ? ELEMENT_F64 : ELEMENT_F32;
    if (!array_is(x, ELEMENT_F32) && !array_is(x, ELEMENT_F64) && !array_is(x, ELEMENT_F16) &&
        !array_is(x, ELEMENT_BF16))
        return array_refuse_type(x, "query", "float32, float16, bfloat16 or float64");
    return check_rows(x, "query", 2);
}

static bool is_narrow(const array *x)
{
    return array_is(x, ELEMENT_F32) || array_is(x, ELEMENT_F16) || array_is(x, ELEMENT_BF16);
}

bool narrow_rows_borrow(array *x, PyObject *object, const char *name, int rank)
{
    if (!array_borrow(x, object, name)) return false;
    if (!is_narrow(x)) return array_refuse_type(x, name, "float32, float16 or bfloat16");
    return check_rows(x, name, rank);
}

bool cached_rows_borrow(array *x, PyObject *object, const char *name, int rank)
{
    if (!array_borrow(x, object, name)) return false;
    if (!is_narrow(x) && !array_is(x, ELEMENT_INT8))
        return array_refuse_type(x, name, "float32, float16, bfloat16 or int8");
    return check_rows(x, name, rank);
}

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
