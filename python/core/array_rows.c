#include "array_rows.h"

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

bool float_rows_borrow(array *x, PyObject *object, const char *name, int rank)
{
    if (!array_borrow(x, object, name)) return false;
    if (!is_narrow(x) && !array_is(x, ELEMENT_F64))
        return array_refuse_type(x, name, "float32, float16, bfloat16 or float64");
    return check_rows(x, name, rank);
}

attn_dtype dtype_of(const array *x)
{
    if (array_is(x, ELEMENT_F32)) return ATTN_DTYPE_F32;
    if (array_is(x, ELEMENT_F64)) return ATTN_DTYPE_F64;
    if (array_is(x, ELEMENT_INT8)) return ATTN_DTYPE_INT8;
    return array_is(x, ELEMENT_F16) ? ATTN_DTYPE_FP16 : ATTN_DTYPE_BF16;
}

static int64_t stride_before(const array *x, int from_end)
{
    return x->rank >= from_end ? x->stride[x->rank - from_end] : 0;
}

attn_view array_view(const array *x)
{
    return (attn_view){x->data, stride_before(x, 4), stride_before(x, 3), stride_before(x, 2)};
}

attn_output array_output(const array *x, int inner)
{
    return (attn_output){x->data, stride_before(x, 3 + inner), stride_before(x, 2 + inner),
                         stride_before(x, 1 + inner)};
}
