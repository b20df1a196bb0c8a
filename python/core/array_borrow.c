/* How arrays of other libraries are seen, each by its own way. */
#include "array.h"

#include <string.h>

static bool set_rank(array *x, int rank, const char *name)
{
    if (rank > ARRAY_RANK) {
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d dimensions, got %d", name, ARRAY_RANK, rank);
        return false;
    }
    x->rank = rank;
    return true;
}

static bool see_tensor(array *x, const dlpack_tensor *tensor, const char *name)
{
    if (tensor->device_type != DLPACK_CPU) {
        PyErr_Format(PyExc_ValueError, "%s: expected an array in the CPU's memory, got one on DLPack device (%d, %d)",
                     name, (int)tensor->device_type, (int)tensor->device_id);
        return false;
    }
    if (!set_rank(x, tensor->ndim, name)) return false;
    x->element = (element_type){tensor->code, tensor->lanes == 1 ? tensor->bits : 0};
    x->data = (char *)tensor->data + (tensor->data ? tensor->byte_offset : 0);
    int64_t contiguous = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        x->shape[i] = tensor->shape[i];
        x->stride[i] = tensor->strides ? tensor->strides[i] : contiguous;
        contiguous *= x->shape[i];
    }
    return true;
}

/* The letter of the struct module's format that NumPy tells of native elements. */
static element_type element_of(const char *format, Py_ssize_t size)
{
    uint8_t bits = (uint8_t)(size * 8), code = UINT8_MAX;
    if (format && format[0] == 'Z') code = DLPACK_COMPLEX;
    if (format && format[0] && !format[1]) {
        if (strchr("fdeg", format[0])) code = DLPACK_FLOAT;
        if (strchr("bhilqn", format[0])) code = DLPACK_INT;
        if (strchr("BHILQN", format[0])) code = DLPACK_UINT;
        if (format[0] == '?') code = DLPACK_BOOL;
    }
    return (element_type){code, bits};
}

/* Whether an array of NumPy's is of ml_dtypes' bfloat16, which NumPy does not know and gives no buffer of. */
static bool is_bfloat16(PyObject *object)
{
    PyObject *type = PyObject_GetAttrString(object, "dtype"),
             *name = type ? PyObject_GetAttrString(type, "name") : NULL;
    bool is = name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "bfloat16") == 0;
    Py_XDECREF(name);
    Py_XDECREF(type);
    PyErr_Clear();
    return is;
}

/* The buffer of an array, or of its bits where it is of bfloat16. */
static bool take_buffer(array *x, PyObject *object, bool *bits)
{
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT;
    *bits = false;
    if (PyObject_GetBuffer(object, &x->buffer, flags) == 0) return true;
    PyErr_Clear();
    PyObject *view = is_bfloat16(object) ? PyObject_CallMethod(object, "view", "s", "uint16") : NULL;
    *bits = view && PyObject_GetBuffer(view, &x->buffer, flags) == 0; /* which keeps the view */
    Py_XDECREF(view);
    PyErr_Clear();
    return *bits;
}

static bool see_buffer(array *x, PyObject *object, const char *name)
{
    bool bits;
    if (!take_buffer(x, object, &bits)) {
        PyErr_Format(PyExc_TypeError, "%s: expected an array of plain numbers, got one whose dtype has no buffer",
                     name);
        return false;
    }
    x->buffered = true;
    if (!set_rank(x, x->buffer.ndim, name)) return false;
    x->element = bits ? ELEMENT_BF16 : element_of(x->buffer.format, x->buffer.itemsize);
    x->data = x->buffer.buf;
    x->read_only = x->buffer.readonly;
    for (int i = 0; i < x->rank; i++) {
        x->shape[i] = x->buffer.shape[i];
        if (x->buffer.strides[i] % x->buffer.itemsize != 0) {
            PyErr_Format(PyExc_ValueError,
                         "%s: expected strides of whole elements, got %zd bytes between elements of %zd", name,
                         x->buffer.strides[i], x->buffer.itemsize);
            return false;
        }
        x->stride[i] = x->buffer.strides[i] / x->buffer.itemsize;
    }
    return true;
}

/* object.__dlpack__(max_version=(1, 0)), or without the argument where the library is older than it. */
static PyObject *capsule_of(PyObject *object)
{
    PyObject *method = PyObject_GetAttrString(object, "__dlpack__");
    if (!method) return NULL;
    PyObject *arguments = PyTuple_New(0), *keywords = Py_BuildValue("{s(ii)}", "max_version", DLPACK_MAJOR, 0);
    PyObject *capsule = arguments && keywords ? PyObject_Call(method, arguments, keywords) : NULL;
    if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        capsule = PyObject_CallNoArgs(method);
    }
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    Py_DECREF(method);
    return capsule;
}

/* What a library raised when asked where the elements are: of a sparse tensor, or of one that has none. */
static bool refuse_unseen(PyObject *object, const char *name)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
    return argument_refuse(object, name, "a dense array of numbers in the CPU's memory, as DLPack knows them");
}

/* The capsule stays ours to drop, with its name: nobody takes the tensor over, and its destructor frees it. */
static bool see_capsule(array *x, PyObject *object, const char *name)
{
    x->capsule = capsule_of(object);
    if (!x->capsule) return refuse_unseen(object, name);
    if (PyCapsule_IsValid(x->capsule, "dltensor_versioned")) {
        const dlpack_managed_versioned *managed = PyCapsule_GetPointer(x->capsule, "dltensor_versioned");
        if (managed->version.major != DLPACK_MAJOR) {
            PyErr_Format(PyExc_ValueError, "%s: expected DLPack version %d, got %d", name, DLPACK_MAJOR,
                         (int)managed->version.major);
            return false;
        }
        x->read_only = managed->flags & (DLPACK_READ_ONLY | DLPACK_IS_COPIED);
        return see_tensor(x, &managed->tensor, name);
    }
    const dlpack_managed *managed = PyCapsule_GetPointer(x->capsule, "dltensor");
    return managed && see_tensor(x, &managed->tensor, name);
}

/* Whether PyTorch records now: within torch.no_grad() nobody expects a gradient to flow. */
static int records(void)
{
    PyObject *torch = PyDict_GetItemString(PyImport_GetModuleDict(), "torch");
    PyObject *enabled = torch ? PyObject_CallMethod(torch, "is_grad_enabled", NULL) : Py_NewRef(Py_True);
    int is = enabled ? PyObject_IsTrue(enabled) : -1;
    Py_XDECREF(enabled);
    return is;
}

/* What would be cut off silently is refused: a gradient that the caller expects to flow through. */
static bool refuse_recorded(PyObject *object, const char *name)
{
    PyObject *wanted = PyObject_GetAttrString(object, "requires_grad");
    if (!wanted) return false;
    int recorded = PyObject_IsTrue(wanted);
    Py_DECREF(wanted);
    if (recorded > 0) recorded = records();
    if (recorded == 0) return true;
    if (recorded > 0)
        PyErr_Format(
            PyExc_ValueError,
            "%s: requires a gradient, which does not flow through this call: use libattn.torch, or %s.detach()", name,
            name);
    return false;
}

/* PyTorch's lazy negation, as of x.conj().imag, is in no DLPack: what is read would be the wrong numbers. */
static bool refuse_negated(PyObject *object, const char *name)
{
    static PyObject *method;
    if (!method) method = PyUnicode_InternFromString("is_neg");
    PyObject *negated = method ? PyObject_CallMethodObjArgs(object, method, NULL) : NULL;
    const int is = negated ? PyObject_IsTrue(negated) : -1;
    Py_XDECREF(negated);
    if (is == 0) return true;
    if (is > 0)
        PyErr_Format(PyExc_ValueError,
                     "%s: has its negative bit set, and its memory holds other numbers: use %s.resolve_neg()", name,
                     name);
    return false;
}

static bool see(array *x, PyObject *object, const char *name)
{
    const array_type *type = array_type_of(object, name);
    if (!type || (type->differentiable && !refuse_recorded(object, name))) return false;
    if (type->negatable && !refuse_negated(object, name)) return false;
    if (type->kind == ARRAY_NUMPY) return see_buffer(x, object, name);
    if (type->kind == ARRAY_CAPSULE) return see_capsule(x, object, name);
    dlpack_tensor tensor;
    if (type->exchange->tensor_from_object(object, &tensor) != 0) return refuse_unseen(object, name);
    return see_tensor(x, &tensor, name);
}

bool array_borrow(array *x, PyObject *object, const char *name)
{
    x->read_only = x->buffered = false;
    x->capsule = NULL;
    if (!see(x, object, name)) {
        array_release(x);
        return false;
    }
    if (x->element.bits >= 8 && (uintptr_t)x->data % (x->element.bits / 8) != 0) {
        PyErr_Format(PyExc_ValueError, "%s: expected data aligned to %d bytes", name, x->element.bits / 8);
        array_release(x);
        return false;
    }
    return true;
}

void array_release(array *x)
{
    if (x->buffered) PyBuffer_Release(&x->buffer);
    Py_CLEAR(x->capsule);
    x->buffered = false;
}
