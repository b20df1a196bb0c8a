#include "array.h"

#include <stdio.h>
#include <string.h>

const element_type ELEMENT_F32 = {DLPACK_FLOAT, 32}, ELEMENT_F64 = {DLPACK_FLOAT, 64}, ELEMENT_F16 = {DLPACK_FLOAT, 16},
                   ELEMENT_BF16 = {DLPACK_BFLOAT, 16}, ELEMENT_BOOL = {DLPACK_BOOL, 8}, ELEMENT_INT8 = {DLPACK_INT, 8};

const char *element_name(element_type element)
{
    if (element.code == DLPACK_BFLOAT && element.bits == 16) return "bfloat16";
    if (element.code == DLPACK_INT && element.bits == 8) return "int8";
    if (element.code != DLPACK_FLOAT) return "other";
    return element.bits == 16 ? "float16" : element.bits == 32 ? "float32" : element.bits == 64 ? "float64" : "other";
}

bool array_is(const array *x, element_type element)
{
    return x->element.code == element.code && x->element.bits == element.bits;
}

bool array_refuse_type(const array *x, const char *name, const char *expected)
{
    const char *kind = x->element.code == DLPACK_INT       ? "int"
                       : x->element.code == DLPACK_UINT    ? "uint"
                       : x->element.code == DLPACK_FLOAT   ? "float"
                       : x->element.code == DLPACK_BFLOAT  ? "bfloat"
                       : x->element.code == DLPACK_COMPLEX ? "complex"
                                                           : NULL;
    if (x->element.code == DLPACK_BOOL)
        PyErr_Format(PyExc_TypeError, "%s: expected elements of %s, got bool", name, expected);
    else if (kind)
        PyErr_Format(PyExc_TypeError, "%s: expected elements of %s, got %s%d", name, expected, kind,
                     (int)x->element.bits);
    else
        PyErr_Format(PyExc_TypeError, "%s: expected elements of %s in this machine's byte order, got others of %d bits",
                     name, expected, (int)x->element.bits);
    return false;
}

bool argument_refuse(PyObject *object, const char *name, const char *expected)
{
    PyObject *type = PyType_GetName(Py_TYPE(object));
    PyErr_Clear();
    if (type) PyErr_Format(PyExc_TypeError, "%s: expected %s, got %U", name, expected, type);
    Py_XDECREF(type);
    return false;
}

int64_t array_count(const array *x)
{
    int64_t count = 1;
    for (int i = 0; i < x->rank; i++) count *= x->shape[i];
    return count;
}

bool array_has_rows(const array *x)
{
    return x->stride[x->rank - 1] == 1 || x->shape[x->rank - 1] < 2 || array_count(x) == 0;
}

void array_swap(array *x, int i, int j)
{
    int64_t shape = x->shape[i], stride = x->stride[i];
    x->shape[i] = x->shape[j], x->stride[i] = x->stride[j];
    x->shape[j] = shape, x->stride[j] = stride;
}

static void span(const array *x, intptr_t *first, intptr_t *last)
{
    *first = *last = (intptr_t)x->data;
    for (int i = 0; i < x->rank; i++) {
        intptr_t reach = (intptr_t)(x->shape[i] - 1) * x->stride[i] * (x->element.bits / 8);
        *(reach < 0 ? first : last) += reach;
    }
    *last += x->element.bits / 8;
}

bool array_overlaps(const array *x, const array *y)
{
    if (array_count(x) == 0 || array_count(y) == 0) return false;
    intptr_t a, b, c, d;
    span(x, &a, &b);
    span(y, &c, &d);
    return a < d && c < b;
}

/* Of one element from the next. */
static uint64_t distance(const array *x, int dimension)
{
    const int64_t stride = x->stride[dimension];
    return stride < 0 ? -(uint64_t)stride : (uint64_t)stride;
}

/* The dimension with the least stride among those of more than one element that were not `done`; -1: none. */
static int least_stride(const array *x, unsigned done)
{
    int found = -1;
    for (int i = 0; i < x->rank; i++)
        if (!(done >> i & 1) && x->shape[i] > 1 && (found < 0 || distance(x, i) < distance(x, found))) found = i;
    return found;
}

bool array_overlaps_itself(const array *x)
{
    if (array_count(x) == 0) return false;
    unsigned done = 0;
    uint64_t reach = 0, more; /* from the first to the last element of the dimensions that are done */
    for (int i = least_stride(x, done); i >= 0; i = least_stride(x, done)) {
        if (distance(x, i) <= reach) return true;
        if (__builtin_mul_overflow((uint64_t)x->shape[i] - 1, distance(x, i), &more) ||
            __builtin_add_overflow(reach, more, &reach))
            return true;
        done |= 1U << i;
    }
    return false;
}

bool array_entangled(const array *x, const array *y)
{
    if (!array_overlaps(x, y)) return false;
    const int64_t bytes = x->element.bits / 8, apart = (char *)y->data - (char *)x->data;
    if (x->rank != y->rank || x->rank == ARRAY_RANK || x->element.bits != y->element.bits || apart % bytes) return true;
    array both = *x; /* one array of both, in one more dimension */
    for (int i = 0; i < x->rank; i++) {
        if (x->shape[i] > 1 && y->shape[i] > 1 && x->stride[i] != y->stride[i]) return true;
        if (y->shape[i] > x->shape[i]) both.shape[i] = y->shape[i], both.stride[i] = y->stride[i];
    }
    both.rank = x->rank + 1;
    both.shape[x->rank] = 2;
    both.stride[x->rank] = apart / bytes;
    return array_overlaps_itself(&both);
}

const char *shape_text(char *text, int rank, const int64_t *shape)
{
    char *end = text;
    *end++ = '(';
    for (int i = 0; i < rank; i++) end += sprintf(end, i ? ", %lld" : "%lld", (long long)shape[i]);
    strcpy(end, rank == 1 ? ",)" : ")");
    return text;
}

bool array_broadcast(array *x, int rank, const int64_t *shape)
{
    int added = rank - x->rank;
    if (added < 0) return false;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t size = i < added ? 1 : x->shape[i - added];
        if (size != 1 && size != shape[i]) return false;
        x->stride[i] = size == 1 ? 0 : x->stride[i - added];
        x->shape[i] = shape[i];
    }
    x->rank = rank;
    return true;
}
