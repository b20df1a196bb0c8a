#include "result.h"

#include <stdlib.h>
#include <string.h>

/* Memory for a library that can only be handed some (JAX): a Python object that exports it by DLPack. */
typedef struct memory {
    PyObject_HEAD void *data;
    element_type element;
    int rank;
    int64_t shape[ARRAY_RANK], stride[ARRAY_RANK];
} memory;

enum { MEMORY_ALIGNMENT = 64 }; /* JAX copies what is aligned to less */

static PyTypeObject *memory_type;

static void memory_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free(((memory *)self)->data);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF((PyObject *)type);
}

/* An export holds a reference to the memory. Its last user may let go of it on any thread. */
static void let_go(void *context)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)context);
    PyGILState_Release(state);
}

static void versioned_deleter(dlpack_managed_versioned *managed)
{
    let_go(managed->context);
    free(managed);
}

static void plain_deleter(dlpack_managed *managed)
{
    let_go(managed->context);
    free(managed);
}

/* Of a capsule that nobody took over: who does renames it. */
static void drop_capsule(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor_versioned"))
        versioned_deleter(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    else if (PyCapsule_IsValid(capsule, "dltensor"))
        plain_deleter(PyCapsule_GetPointer(capsule, "dltensor"));
}

static dlpack_tensor tensor_of(memory *self)
{
    return (dlpack_tensor){.data = self->data,
                           .device_type = DLPACK_CPU,
                           .ndim = self->rank,
                           .code = self->element.code,
                           .bits = self->element.bits,
                           .lanes = 1,
                           .shape = self->shape,
                           .strides = self->stride};
}

/* Whether the consumer names a version that knows the versioned capsule. */
static bool asks_versioned(PyObject *keywords)
{
    PyObject *most = keywords ? PyDict_GetItemString(keywords, "max_version") : NULL;
    if (!most || !PyTuple_Check(most) || PyTuple_Size(most) < 1) return false;
    long major = PyLong_AsLong(PyTuple_GetItem(most, 0));
    PyErr_Clear();
    return major >= DLPACK_MAJOR;
}

static PyObject *memory_dlpack(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    bool versioned = asks_versioned(keywords);
    void *managed = calloc(1, versioned ? sizeof(dlpack_managed_versioned) : sizeof(dlpack_managed));
    if (!managed) return PyErr_NoMemory();
    if (versioned)
        *(dlpack_managed_versioned *)managed = (dlpack_managed_versioned){.version = {DLPACK_MAJOR, 0},
                                                                          .context = self,
                                                                          .deleter = versioned_deleter,
                                                                          .tensor = tensor_of((memory *)self)};
    else
        *(dlpack_managed *)managed =
            (dlpack_managed){.tensor = tensor_of((memory *)self), .context = self, .deleter = plain_deleter};
    PyObject *capsule = PyCapsule_New(managed, versioned ? "dltensor_versioned" : "dltensor", drop_capsule);
    if (capsule)
        Py_INCREF(self);
    else
        free(managed);
    return capsule;
}

static PyObject *memory_device(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return Py_BuildValue("(ii)", DLPACK_CPU, 0);
}

static PyMethodDef memory_methods[] = {{"__dlpack__", (PyCFunction)(void (*)(void))memory_dlpack,
                                        METH_VARARGS | METH_KEYWORDS, "The memory, in a capsule."},
                                       {"__dlpack_device__", memory_device, METH_NOARGS, "The CPU's memory."},
                                       {0}};

bool result_register(void)
{
    static PyType_Slot slots[] = {{Py_tp_dealloc, memory_free}, {Py_tp_methods, memory_methods}, {0, NULL}};
    static PyType_Spec spec = {"libattn._core.Memory", sizeof(memory), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    memory_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return memory_type != NULL;
}

static void set_contiguous(array *view, element_type element, int rank, const int64_t *shape)
{
    view->element = element;
    view->rank = rank;
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        view->shape[i] = shape[i];
        view->stride[i] = stride;
        stride *= shape[i];
    }
}

static bool create_memory(result *r, PyObject *like)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(memory_type, Py_tp_alloc);
    memory *made = (memory *)allocate(memory_type, 0);
    if (!made) return false;
    r->object = (PyObject *)made;
    r->like = like;
    size_t size = (size_t)array_count(&r->view) * element_bytes(r->view.element);
    made->data = aligned_alloc(MEMORY_ALIGNMENT, (size + MEMORY_ALIGNMENT) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT);
    if (!made->data) {
        PyErr_NoMemory();
        return false;
    }
    made->element = r->view.element;
    made->rank = r->view.rank;
    memcpy(made->shape, r->view.shape, sizeof made->shape);
    memcpy(made->stride, r->view.stride, sizeof made->stride);
    r->view.data = made->data;
    return true;
}

static bool create_numpy(result *r, PyObject *like)
{
    PyObject *shape = PyTuple_New(r->view.rank);
    for (int i = 0; shape && i < r->view.rank; i++) {
        PyObject *size = PyLong_FromLongLong(r->view.shape[i]);
        if (!size || PyTuple_SetItem(shape, i, size) != 0) Py_CLEAR(shape);
    }
    if (!shape) return false;
    r->object = array_numpy_empty(shape, like, r->view.element);
    Py_DECREF(shape);
    return r->object && array_borrow(&r->view, r->object, "result");
}

static void set_error(void *context, const char *kind, const char *message)
{
    (void)context;
    PyGILState_STATE state = PyGILState_Ensure();
    PyErr_Format(PyExc_RuntimeError, "%s: %s", kind, message);
    PyGILState_Release(state);
}

static bool create_by_exchange(result *r, const dlpack_exchange *exchange)
{
    dlpack_tensor prototype = {.device_type = DLPACK_CPU,
                               .ndim = r->view.rank,
                               .code = r->view.element.code,
                               .bits = r->view.element.bits,
                               .lanes = 1,
                               .shape = r->view.shape,
                               .strides = r->view.stride};
    dlpack_managed_versioned *managed = NULL;
    if (exchange->allocate(&prototype, &managed, NULL, set_error) != 0) return false;
    char *data = managed->tensor.data;
    r->view.data = data ? data + managed->tensor.byte_offset : NULL;
    for (int i = 0; managed->tensor.strides && i < r->view.rank; i++) r->view.stride[i] = managed->tensor.strides[i];
    return exchange->managed_to_object(managed, (void **)&r->object) == 0;
}

bool result_create(result *r, PyObject *like, element_type element, int rank, const int64_t *shape)
{
    *r = (result){0};
    set_contiguous(&r->view, element, rank, shape);
    const array_type *type = array_type_of(like, "result");
    if (!type) return false;
    if (type->kind == ARRAY_NUMPY) return create_numpy(r, like);
    if (type->kind == ARRAY_EXCHANGE) return create_by_exchange(r, type->exchange);
    return create_memory(r, like);
}

bool result_create_memory(result *r, int rank, const int64_t *shape)
{
    *r = (result){0};
    set_contiguous(&r->view, ELEMENT_F32, rank, shape);
    return create_memory(r, NULL);
}

bool result_borrow(result *r, PyObject *object, const char *name, element_type element, int rank, const int64_t *shape)
{
    *r = (result){0};
    const array_type *type = array_type_of(object, name);
    if (type && type->kind == ARRAY_CAPSULE) /* JAX's must never be written, and do not say so */
        PyErr_Format(PyExc_TypeError, "%s: expected an array of NumPy or PyTorch", name);
    if (!type || type->kind == ARRAY_CAPSULE || !array_borrow(&r->view, object, name)) return false;
    r->object = Py_NewRef(object);
    if (!array_is(&r->view, element)) return array_refuse_type(&r->view, name, element_name(element));
    char expected[SHAPE_TEXT], got[SHAPE_TEXT];
    if (r->view.rank != rank || memcmp(r->view.shape, shape, (size_t)rank * sizeof *shape) != 0) {
        PyErr_Format(PyExc_ValueError, "%s: expected shape %s, got %s", name, shape_text(expected, rank, shape),
                     shape_text(got, r->view.rank, r->view.shape));
        return false;
    }
    if (array_overlaps_itself(&r->view)) {
        PyErr_Format(PyExc_ValueError, "%s: expected strides by which no two elements share memory", name);
        return false;
    }
    if (r->view.read_only) PyErr_Format(PyExc_ValueError, "%s: expected an array that can be written", name);
    return !r->view.read_only;
}

/* like.__array_namespace__().from_dlpack(memory) */
static PyObject *from_memory(PyObject *like, PyObject *memory)
{
    PyObject *library = PyObject_CallMethod(like, "__array_namespace__", NULL);
    PyObject *made = library ? PyObject_CallMethod(library, "from_dlpack", "O", memory) : NULL;
    Py_XDECREF(library);
    return made;
}

PyObject *result_take(result *r)
{
    array_release(&r->view);
    PyObject *taken = r->like ? from_memory(r->like, r->object) : Py_NewRef(r->object);
    Py_CLEAR(r->object);
    return taken;
}

void result_release(result *r)
{
    if (r->object) array_release(&r->view);
    Py_CLEAR(r->object);
}
