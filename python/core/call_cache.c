#include "calls.h"

enum { KEY, VALUE, DESCRIPTION, ARGUMENTS };

static bool check(cache *c, array *key, array *value, PyObject *const *arguments)
{
    if (!cached_rows_borrow(key, arguments[KEY], "key", 4) || !cached_rows_borrow(value, arguments[VALUE], "value", 4))
        return false;
    if (key->rank != 4 || value->rank != 4) {
        PyErr_SetString(PyExc_ValueError, "key, value: expected 4 dimensions of a cache");
        return false;
    }
    PyObject *lengths = PyTuple_GetItem(arguments[DESCRIPTION], 0);
    if (!cache_open(c, arguments[DESCRIPTION], key, value, "lengths", PyTuple_Size(lengths))) return false;
    if (!c->rotated || c->rotary.R <= key->shape[3]) return true;
    PyErr_Format(PyExc_ValueError, "rotary: dimensions = %lld, expected at most D = %lld of key",
                 (long long)c->rotary.R, (long long)key->shape[3]);
    return false;
}

PyObject *call_check_cache(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (!call_counted(count, ARGUMENTS)) return NULL;
    cache c = {0};
    array key = {0}, value = {0};
    const bool sound = check(&c, &key, &value, arguments);
    array_release(&key);
    array_release(&value);
    cache_close(&c);
    return sound ? Py_NewRef(Py_None) : NULL;
}
