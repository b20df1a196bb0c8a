#include "array.h"

enum { REMEMBERED = 8 };

static array_type types[REMEMBERED];
static int type_count;
static PyObject *numpy_empty, *numpy_float32;

PyObject *array_numpy_empty(PyObject *shape, PyObject *like, element_type element)
{
    const bool plain = element.code == ELEMENT_F32.code && element.bits == ELEMENT_F32.bits;
    PyObject *type = plain ? Py_NewRef(numpy_float32) : PyObject_GetAttrString(like, "dtype");
    PyObject *made = type ? PyObject_CallFunctionObjArgs(numpy_empty, shape, type, NULL) : NULL;
    Py_XDECREF(type);
    return made;
}

/* NumPy is asked for only where it is loaded already: who has no array of its own does not need it. */
static int is_numpy(PyTypeObject *type)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *numpy = modules ? PyDict_GetItemString(modules, "numpy") : NULL;
    PyObject *ndarray = numpy ? PyObject_GetAttrString(numpy, "ndarray") : NULL;
    if (!ndarray) {
        PyErr_Clear();
        return 0;
    }
    int is = PyObject_IsSubclass((PyObject *)type, ndarray);
    Py_DECREF(ndarray);
    if (is != 1 || numpy_empty) return is;
    numpy_float32 = PyObject_CallMethod(numpy, "dtype", "s", "float32");
    numpy_empty = numpy_float32 ? PyObject_GetAttrString(numpy, "empty") : NULL;
    return numpy_empty ? 1 : -1;
}

/* The exchange of the major version that is spoken here, or NULL. */
static const dlpack_exchange *exchange_of(PyTypeObject *type)
{
    PyObject *capsule = PyObject_GetAttrString((PyObject *)type, "__dlpack_c_exchange_api__");
    const dlpack_exchange *exchange = capsule ? PyCapsule_GetPointer(capsule, "dlpack_exchange_api") : NULL;
    Py_XDECREF(capsule); /* the table itself lives as long as the process */
    PyErr_Clear();
    while (exchange && exchange->version.major != DLPACK_MAJOR) exchange = exchange->previous;
    return exchange && exchange->tensor_from_object ? exchange : NULL;
}

static const array_type *remember(PyTypeObject *type, array_kind kind, const dlpack_exchange *exchange)
{
    array_type *entry = &types[type_count < REMEMBERED ? type_count++ : REMEMBERED - 1];
    PyTypeObject *forgotten = entry->type;
    *entry = (array_type){(PyTypeObject *)Py_NewRef((PyObject *)type), kind, exchange,
                          PyObject_HasAttrString((PyObject *)type, "requires_grad"),
                          PyObject_HasAttrString((PyObject *)type, "is_neg")};
    Py_XDECREF((PyObject *)forgotten);
    return entry;
}

const array_type *array_type_of(PyObject *object, const char *name)
{
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < type_count; i++)
        if (types[i].type == type) return &types[i];
    int numpy = is_numpy(type);
    if (numpy < 0) return NULL;
    if (numpy) return remember(type, ARRAY_NUMPY, NULL);
    const dlpack_exchange *exchange = exchange_of(type);
    if (exchange) return remember(type, ARRAY_EXCHANGE, exchange);
    if (PyObject_HasAttrString((PyObject *)type, "__dlpack__")) return remember(type, ARRAY_CAPSULE, NULL);
    PyObject *type_name = PyType_GetName(type);
    if (type_name)
        PyErr_Format(PyExc_TypeError, "%s: expected an array (of NumPy, PyTorch, JAX, ... with __dlpack__), got %U",
                     name, type_name);
    Py_XDECREF(type_name);
    return NULL;
}

PyObject *array_widened(PyObject *object, bool to_double)
{
    if (PyObject_HasAttrString(object, "astype"))
        return PyObject_CallMethod(object, "astype", "s", to_double ? "float64" : "float32");
    return PyObject_CallMethod(object, to_double ? "double" : "float", NULL);
}
