#include "calls.h"

#include <stdio.h>
#include <string.h>

bool call_counted(Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected) return true;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, count);
    return false;
}

bool call_succeeded(attn_status status, const char *message)
{
    if (status == ATTN_OK) return true;
    if (status == ATTN_ERROR_MEMORY)
        PyErr_NoMemory();
    else
        PyErr_SetString(status == ATTN_ERROR_UNSUPPORTED ? PyExc_NotImplementedError : PyExc_ValueError, message);
    return false;
}

/* The names on offer, as an error tells them: at most as many as fit. */
static void list_names(char *text, size_t size, int count, const char *const *names, const bool *offered)
{
    size_t at = 0;
    text[0] = 0;
    for (int n = 0; n < count; n++) {
        if (!offered[n]) continue;
        int written = snprintf(text + at, size - at, "%s'%s'", at ? ", " : "", names[n]);
        if (written < 0 || (size_t)written >= size - at) return;
        at += (size_t)written;
    }
}

static bool choose(PyObject *name, int count, const char *const *names, const bool *offered, bool *wanted)
{
    for (int n = 0; n < count; n++) {
        if (!offered[n] || !PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, names[n]) != 0) continue;
        wanted[n] = true;
        return true;
    }
    char text[256];
    list_names(text, sizeof text, count, names, offered);
    PyErr_Format(PyExc_ValueError, "gradients: expected names among %s, got %R", text, name);
    return false;
}

bool call_gradients(PyObject *chosen, int count, const char *const *names, const bool *offered, bool *wanted)
{
    if (chosen == Py_None) {
        memcpy(wanted, offered, (size_t)count * sizeof *wanted);
        return true;
    }
    Py_ssize_t given = PyUnicode_Check(chosen) ? -1 : PySequence_Size(chosen);
    if (given < 0) {
        PyErr_SetString(PyExc_TypeError, "gradients: expected a sequence of names");
        return false;
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        PyObject *name = PySequence_GetItem(chosen, i);
        bool known = name && choose(name, count, names, offered, wanted);
        Py_XDECREF(name);
        if (!known) return false;
    }
    return true;
}

bool call_seeded(const problem *p, PyObject *seed)
{
    if (p->desc.dropout == 0 || seed != Py_None) return true;
    PyErr_SetString(PyExc_ValueError, "seed: expected the forward pass's where dropout_p is not 0");
    return false;
}

attn_status call_operator(const attn_desc *desc, workspace_size_function *workspace_size, operator_function *run)
{
    size_t size;
    attn_status status = workspace_size(desc, &size);
    if (status != ATTN_OK) return status;
    void *workspace = workspace_take(size);
    if (!workspace) return ATTN_ERROR_MEMORY;
    status = run(desc, workspace, size);
    workspace_done();
    return status;
}
