#include "integers.h"

#include <string.h>

static bool refuse_size(const char *name, const char *range)
{
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "%s: expected integers from %s", name, range);
    return false;
}

/* Names the argument of an error that PyLong_AsLongLong and the like have set. Returns false. */
static bool refuse_integer(const char *name, PyObject *object, const char *range)
{
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) return refuse_size(name, range);
    return PyErr_ExceptionMatches(PyExc_TypeError) && argument_refuse(object, name, "an integer");
}

bool integer_is(PyObject *object)
{
    return PyLong_Check(object) || (PyIndex_Check(object) && !PyObject_HasAttrString(object, "__dlpack__"));
}

bool truth_read(PyObject *object, const char *name, bool *value)
{
    if (object == Py_True || object == Py_False) return *value = object == Py_True, true;
    const int truth = PyNumber_Check(object) ? PyObject_IsTrue(object) : -1;
    if (truth < 0) return argument_refuse(object, name, "True or False");
    return *value = truth, true;
}

bool integer_read(PyObject *object, const char *name, int64_t *value)
{
    *value = PyLong_AsLongLong(object);
    return !PyErr_Occurred() || refuse_integer(name, object, "-2^63 to 2^63 - 1");
}

bool integers_count(PyObject *object, const char *name, const char *expected, int64_t *count)
{
    *count = PyObject_Size(object);
    if (*count >= 0) return true;
    return argument_refuse(object, name, expected);
}

static bool refuse_count(const char *name, int64_t count, int64_t got)
{
    PyErr_Format(PyExc_ValueError, "%s: expected a length of %lld, got %lld", name, (long long)count, (long long)got);
    return false;
}

static int64_t element(const array *x, int64_t i)
{
    const char *at = (const char *)x->data + i * x->stride[0] * (x->element.bits / 8);
    bool is_signed = x->element.code == DLPACK_INT;
    int32_t narrow;
    int64_t wide;
    if (x->element.bits == 64) return memcpy(&wide, at, sizeof wide), wide;
    memcpy(&narrow, at, sizeof narrow);
    return is_signed ? narrow : (int64_t)(uint32_t)narrow;
}

static bool read_array(PyObject *object, const char *name, int64_t count, int64_t *values)
{
    array x;
    char shape[SHAPE_TEXT];
    if (!array_borrow(&x, object, name)) return false;
    bool integers = (x.element.code == DLPACK_INT || x.element.code == DLPACK_UINT) && x.element.bits >= 32;
    bool fits = integers && x.rank == 1 && x.shape[0] == count;
    if (!integers)
        array_refuse_type(&x, name, "int64 or int32");
    else if (!fits)
        PyErr_Format(PyExc_ValueError, "%s: expected shape (%lld,), got %s", name, (long long)count,
                     shape_text(shape, x.rank, x.shape));
    for (int64_t i = 0; fits && i < count; i++) values[i] = element(&x, i);
    array_release(&x);
    return fits;
}

static bool read_sequence(PyObject *object, const char *name, int64_t count, int64_t *values)
{
    Py_ssize_t size = PySequence_Size(object);
    if (size < 0) return false;
    if (size != count) return refuse_count(name, count, size);
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PySequence_GetItem(object, i);
        if (!item) return false;
        values[i] = PyLong_AsLongLong(item);
        if (PyErr_Occurred() &&
            PyErr_ExceptionMatches(PyExc_OverflowError)) { /* a key of dropout may use all of its 64 bits */
            PyErr_Clear();
            values[i] = (int64_t)PyLong_AsUnsignedLongLong(item);
        }
        bool read = !PyErr_Occurred() || refuse_integer(name, item, "-2^63 to 2^64 - 1");
        Py_DECREF(item);
        if (!read) return false;
    }
    return true;
}

const char *const INTEGER_EACH = "an array, a list or a tuple of integers, one for each sequence";
const char *const INTEGER_OR_EACH = "an integer, or an array, a list or a tuple of them, one for each sequence";

bool integers_read(PyObject *object, const char *name, const char *expected, int64_t count, int64_t *values)
{
    bool sequence = PyList_Check(object) || PyTuple_Check(object);
    if (!sequence && !array_type_of(object, name) && PyErr_ExceptionMatches(PyExc_TypeError))
        return argument_refuse(object, name, expected);
    return sequence ? read_sequence(object, name, count, values) : read_array(object, name, count, values);
}

bool threads_read(PyObject *threads, attn_parallel *parallel)
{
    if (threads == Py_None) return true;
    int64_t count;
    if (!integer_read(threads, "threads", &count)) return false;
    if (count >= 1 && count <= 1024) return parallel->threads = (int)count, true;
    PyErr_Format(PyExc_ValueError, "threads: expected 1 to 1024, got %lld", (long long)count);
    return false;
}
