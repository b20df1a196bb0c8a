/* Arrays of other libraries, seen without a copy: NumPy's by the buffer protocol, PyTorch's by DLPack's C exchange,
 * others by a DLPack capsule. */
#ifndef PYTHON_ARRAY_H
#define PYTHON_ARRAY_H

#include "binding.h"
#include "dlpack_abi.h"

enum { ARRAY_RANK = 8 }; /* dimensions at most */

/* How arrays of a type are read and made. */
typedef enum array_kind { ARRAY_NUMPY, ARRAY_EXCHANGE, ARRAY_CAPSULE } array_kind;

typedef struct array_type {
    PyTypeObject *type;
    array_kind kind;
    const dlpack_exchange *exchange; /* of ARRAY_EXCHANGE */
    bool differentiable;             /* its arrays have requires_grad */
    bool negatable;                  /* and is_neg: their numbers may be the negatives of what their memory holds */
} array_type;

typedef struct element_type {
    uint8_t code, bits; /* enum dlpack_code */
} element_type;

typedef struct array {
    void *data;
    element_type element;
    int rank;
    int64_t shape[ARRAY_RANK], stride[ARRAY_RANK]; /* strides in elements */
    bool read_only;
    PyObject *capsule; /* what keeps data alive: this, the buffer, or the caller's own reference */
    Py_buffer buffer;
    bool buffered;
} array;

/* The entry of object's type, remembered; NULL with TypeError, naming the argument, where it is no array. */
const array_type *array_type_of(PyObject *object, const char *name);

/* numpy.empty(shape) of float32, or of the elements of `like`, which is NumPy's, where others are asked for. NULL with
 * an exception. */
PyObject *array_numpy_empty(PyObject *shape, PyObject *like, element_type element);

/* object as an array of float32 or float64, by its own library: a new reference, or NULL with an exception. */
PyObject *array_widened(PyObject *object, bool to_double);

/* Sees object as *x until array_release. False with an exception that names the argument: TypeError for no array,
 * ValueError for one that is not in this CPU's memory, misaligned, recorded for differentiation, or negated without its
 * memory's knowing. */
bool array_borrow(array *x, PyObject *object, const char *name);
void array_release(array *x);

/* Whether x's elements are of a type. */
bool array_is(const array *x, element_type element);
extern const element_type ELEMENT_F32, ELEMENT_F64, ELEMENT_F16, ELEMENT_BF16, ELEMENT_BOOL, ELEMENT_INT8;

/* Its name: "float32", or "other". */
const char *element_name(element_type element);

/* An element's bytes. */
static inline size_t element_bytes(element_type element)
{
    return element.bits / 8;
}

/* Sets TypeError: the name's element type is not what was expected. Returns false. */
bool array_refuse_type(const array *x, const char *name, const char *expected);

/* TypeError: the name's argument is not what was expected. Returns false. */
bool argument_refuse(PyObject *object, const char *name, const char *expected);

/* The elements that x has, and whether its memory, first to last element, meets that of y. */
int64_t array_count(const array *x);
bool array_overlaps(const array *x, const array *y);

/* Whether rows, the last dimension, are contiguous: no stride separates less than two elements. */
bool array_has_rows(const array *x);

/* Whether two elements of x may share memory, as strides of 0 make them do; and whether one of x's and one of y's may,
 * which lie beside one another where they are laid out alike. False for sure, true where strides are too odd to tell.
 */
bool array_overlaps_itself(const array *x);
bool array_entangled(const array *x, const array *y);

/* Exchanges two dimensions. */
void array_swap(array *x, int i, int j);

/* The shape as Python writes it, in a buffer of the caller's. */
enum { SHAPE_TEXT = ARRAY_RANK * 22 + 4 };
const char *shape_text(char *text, int rank, const int64_t *shape);

/* Makes *x a view of `rank` dimensions of this shape: dimensions are put before, and those of size 1 repeat by stride
 * 0. False, without an exception, where the shapes do not agree. */
bool array_broadcast(array *x, int rank, const int64_t *shape);

#endif
