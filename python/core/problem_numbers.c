#include "problem.h"

#include <math.h>
#include <unistd.h>

static bool read_double(PyObject *object, const char *name, double *value)
{
    *value = PyFloat_AsDouble(object);
    return *value != -1 || !PyErr_Occurred() || argument_refuse(object, name, "a number");
}

static bool float_fits(PyObject *object, const char *name, double wide)
{
    if (!isfinite(wide) || isfinite((float)wide)) return true; /* what is not finite the operator has words for */
    PyErr_Format(PyExc_ValueError, "%s: expected a number that float32 holds, got %R", name, object);
    return false;
}

static bool read_float(PyObject *object, const char *name, float *value)
{
    double wide;
    if (!read_double(object, name, &wide)) return false;
    return float_fits(object, name, wide) && (*value = (float)wide, true);
}

static bool read_window(problem *p, PyObject *object)
{
    if (!PyTuple_Check(object) || PyTuple_Size(object) != 2) {
        PyErr_Format(PyExc_ValueError, "window: expected a tuple (left, right) of integers, -1 for unbounded, got %R",
                     object);
        return false;
    }
    return integer_read(PyTuple_GetItem(object, 0), "window", &p->desc.window_left) &&
           integer_read(PyTuple_GetItem(object, 1), "window", &p->desc.window_right);
}

/* Sequence n's key: the n-th number of the generator SplitMix64 that starts at the seed (Steele, Lea and Flood, "Fast
 * Splittable Pseudorandom Number Generators", 2014). */
static uint64_t derived_key(uint64_t seed, int64_t sequence)
{
    uint64_t z = seed + ((uint64_t)sequence + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool read_keys(const problem *p, PyObject *object, int64_t *keys)
{
    uint64_t seed;
    if (object != Py_None && !integer_is(object))
        return integers_read(object, "seed", INTEGER_OR_EACH, p->sequences, keys);
    if (object == Py_None) {
        if (getentropy(&seed, sizeof seed) != 0) return PyErr_SetFromErrno(PyExc_OSError) != NULL;
    } else {
        PyObject *number = PyNumber_Index(object);
        seed = number ? PyLong_AsUnsignedLongLong(number) : 0;
        Py_XDECREF(number);
        if (PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "seed: expected 0 to 2^64 - 1, got %R", object);
            return false;
        }
    }
    for (int64_t n = 0; n < p->sequences; n++) keys[n] = (int64_t)derived_key(seed, n);
    return true;
}

/* Offsets, unless they are one number, lengths, keys of dropout. */
bool problem_open_sequences(problem *p, PyObject *const *options)
{
    PyObject *offset = options[OPTION_QUERY_OFFSET], *lengths = options[OPTION_KEY_LENGTHS];
    if (p->cached && offset != Py_None && integer_is(offset)) {
        PyErr_Format(PyExc_ValueError,
                     "query_offset: expected None or one integer for each sequence of a cache, got %R", offset);
        return false;
    }
    if (integer_is(offset)) {
        if (!integer_read(offset, "query_offset", &p->desc.query_offset)) return false;
        offset = Py_None;
    }
    bool dropped = p->desc.dropout != 0;
    if (offset == Py_None && lengths == Py_None && !dropped) return true;
    size_t n = (size_t)p->sequences;
    p->per_sequence = n > SIZE_MAX / 32 ? NULL : PyMem_Malloc(3 * n * sizeof *p->per_sequence);
    if (!p->per_sequence) return PyErr_NoMemory() != NULL;
    int64_t *at = p->per_sequence;
    if (offset != Py_None) {
        if (!integers_read(offset, "query_offset", p->cached ? INTEGER_EACH : INTEGER_OR_EACH, p->sequences, at))
            return false;
        p->query_offsets = at;
    }
    if (lengths != Py_None) {
        if (!integers_read(lengths, "key_lengths", INTEGER_EACH, p->sequences, at + n)) return false;
        p->key_lengths = at + n;
    }
    if (dropped) {
        if (!read_keys(p, options[OPTION_SEED], at + 2 * n)) return false;
        p->dropout_keys = (uint64_t *)(at + 2 * n);
    }
    return true;
}

bool problem_open_numbers(problem *p, PyObject *const *options)
{
    attn_desc *d = &p->desc;
    PyObject *scale = options[OPTION_SCALE], *threads = options[OPTION_THREADS], *window = options[OPTION_WINDOW];
    if (scale != Py_None && !(read_double(scale, "scale", &d->scale_f64) && float_fits(scale, "scale", d->scale_f64)))
        return false;
    if (scale != Py_None) d->scale = (float)d->scale_f64;
    if (!read_float(options[OPTION_DROPOUT], "dropout_p", &d->dropout)) return false;
    if (!read_float(options[OPTION_SOFTCAP], "softcap", &d->softcap)) return false;
    if (!truth_read(options[OPTION_CAUSAL], "is_causal", &d->causal)) return false;
    if (window != Py_None && !read_window(p, window)) return false;
    return threads_read(threads, &d->parallel);
}
