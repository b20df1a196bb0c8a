#include "calls.h"

enum { KEY_CACHE, VALUE_CACHE, DESCRIPTION, KEY, VALUE, THREADS, ARGUMENTS };

typedef struct append_arrays {
    array key_cache, value_cache, key, value;
    cache cache;
} append_arrays;

static bool check_four(const array *x, const char *name)
{
    char got[SHAPE_TEXT];
    if (x->rank == 4) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected 4 dimensions, got shape %s", name, shape_text(got, x->rank, x->shape));
    return false;
}

/* New keys of any float type, new values of the same. */
static bool borrow_new(append_arrays *a, PyObject *key, PyObject *value)
{
    if (!narrow_rows_borrow(&a->key, key, "key", 4) || !check_four(&a->key, "key") ||
        !elements_borrow(&a->value, value, "value", a->key.element, 4))
        return false;
    return check_four(&a->value, "value");
}

static bool check_writable(const array *x, PyObject *object, const char *name)
{
    const array_type *type = array_type_of(object, name);
    if (!type) return false;
    if (array_overlaps_itself(x)) {
        PyErr_Format(PyExc_ValueError, "%s: expected strides by which no two elements share memory", name);
        return false;
    }
    if (type->kind != ARRAY_CAPSULE && !x->read_only) return true;
    PyErr_Format(PyExc_ValueError, "%s: expected an array of NumPy or PyTorch that can be written", name);
    return false;
}

static bool borrow_kept(array *x, PyObject *object, const char *name)
{
    return cached_rows_borrow(x, object, name, 4) && check_four(x, name) && check_writable(x, object, name);
}

static bool check_scales(const cache *c, PyObject *scales)
{
    return scales == Py_None || (check_writable(&c->k_scales, PyTuple_GetItem(scales, 0), "key scales") &&
                                 check_writable(&c->v_scales, PyTuple_GetItem(scales, 1), "value scales"));
}

/* New rows beside the cache: its heads, the same T, its last dimension. */
static bool check_new(const array *x, const array *cached, const array *key, const char *name)
{
    char got[SHAPE_TEXT], beside[SHAPE_TEXT];
    if (x->shape[0] == key->shape[0] && x->shape[1] == cached->shape[1] && x->shape[2] == key->shape[2] &&
        x->shape[3] == cached->shape[3])
        return true;
    PyErr_Format(PyExc_ValueError, "%s: shape %s does not agree with %lld keys and a cache of %s", name,
                 shape_text(got, 4, x->shape), (long long)key->shape[2], shape_text(beside, 4, cached->shape));
    return false;
}

/* What is written must be neither what is read nor what is written elsewhere. */
static bool check_apart(const append_arrays *a)
{
    const array *caches[] = {&a->key_cache, &a->value_cache}, *rows[] = {&a->key, &a->value};
    if (array_entangled(caches[0], caches[1])) {
        PyErr_SetString(PyExc_ValueError, "key cache, value cache: expected arrays that share no memory");
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (!array_overlaps(rows[i / 2], caches[i % 2])) continue;
        PyErr_Format(PyExc_ValueError, "%s: expected rows that share no memory with the cache",
                     i / 2 ? "value" : "key");
        return false;
    }
    return true;
}

static bool append(append_arrays *a, PyObject *const *arguments)
{
    attn_parallel parallel = {0};
    if (!borrow_kept(&a->key_cache, arguments[KEY_CACHE], "key cache") ||
        !borrow_kept(&a->value_cache, arguments[VALUE_CACHE], "value cache") ||
        !borrow_new(a, arguments[KEY], arguments[VALUE]) || !check_new(&a->key, &a->key_cache, &a->key, "key") ||
        !check_new(&a->value, &a->value_cache, &a->key, "value") || !check_apart(a) ||
        !cache_open(&a->cache, arguments[DESCRIPTION], &a->key_cache, &a->value_cache, "key", a->key.shape[0]) ||
        !check_scales(&a->cache, PyTuple_GetItem(arguments[DESCRIPTION], 3)) ||
        !threads_read(arguments[THREADS], &parallel))
        return false;
    a->cache.cache.new_dtype = dtype_of(&a->key);
    attn_view k = array_view(&a->key), v = array_view(&a->value);
    const attn_rotary *rotary = a->cache.rotated ? &a->cache.rotary : NULL;
    attn_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = attn_append(&a->cache.cache, a->key.shape[2], &k, &v, rotary, &parallel);
    Py_END_ALLOW_THREADS;
    return call_succeeded(status, attn_error());
}

PyObject *call_append(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    append_arrays a = {0};
    if (!call_counted(count, ARGUMENTS)) return NULL;
    bool appended = append(&a, arguments);
    array *arrays[] = {&a.key_cache, &a.value_cache, &a.key, &a.value};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) array_release(arrays[i]);
    cache_close(&a.cache);
    return appended ? Py_NewRef(Py_None) : NULL;
}

PyObject *call_rotary_tables(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (!call_counted(count, 3)) return NULL;
    int64_t P, R;
    if (!integer_read(arguments[0], "positions", &P) || !integer_read(arguments[1], "dimensions", &R)) return NULL;
    double base = PyFloat_AsDouble(arguments[2]);
    if (PyErr_Occurred()) return argument_refuse(arguments[2], "base", "a number"), NULL;
    result tables[2] = {{0}, {0}};
    PyObject *both = NULL;
    int64_t shape[] = {P, R / 2};
    bool sound = P >= 0 && R >= 0 && R % 2 == 0; /* else it has words for what is wrong */
    if (!sound && !call_succeeded(attn_rotary_fill(NULL, NULL, P, R, base), attn_error())) return NULL;
    if (P > INT64_MAX >> 24 || R > 1 << 20) {
        PyErr_Format(PyExc_ValueError,
                     "positions, dimensions: expected tables that memory has room for, got %lld x %lld", (long long)P,
                     (long long)R / 2);
        return NULL;
    }
    if (result_create_memory(&tables[0], 2, shape) && result_create_memory(&tables[1], 2, shape) &&
        call_succeeded(attn_rotary_fill(tables[0].view.data, tables[1].view.data, P, R, base), attn_error()))
        both = Py_BuildValue("(OO)", tables[0].object, tables[1].object);
    result_release(&tables[0]);
    result_release(&tables[1]);
    return both;
}
