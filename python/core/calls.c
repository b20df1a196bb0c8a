#include "calls.h"

#include <string.h>

bool call_counted(Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected) return true;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, count);
    return false;
}

/* What the operator's messages begin with, and what Python calls that. */
static const struct {
    const char *field, *argument;
} arguments_of[] = {{"dropout =", "dropout_p ="},           {"window_left", "window[0]"},
                    {"window_right", "window[1]"},          {"query_starts", "cu_seqlens_q"},
                    {"key_starts", "cu_seqlens_k"},         {"query_offsets", "query_offset"},
                    {"cache.page_table", "page_table"},     {"cache.lengths", "lengths"},
                    {"rotary: P =", "rotary: positions ="}, {"rotary: R =", "rotary: dimensions ="}};

static void raise_message(PyObject *error, const char *message)
{
    for (size_t n = 0; n < sizeof arguments_of / sizeof arguments_of[0]; n++) {
        const size_t length = strlen(arguments_of[n].field);
        if (strncmp(message, arguments_of[n].field, length) != 0) continue;
        PyErr_Format(error, "%s%s", arguments_of[n].argument, message + length);
        return;
    }
    PyErr_SetString(error, message);
}

bool call_succeeded(attn_status status, const char *message)
{
    if (status == ATTN_OK) return true;
    if (status == ATTN_ERROR_MEMORY)
        PyErr_NoMemory();
    else
        raise_message(status == ATTN_ERROR_UNSUPPORTED ? PyExc_NotImplementedError : PyExc_ValueError, message);
    return false;
}

bool call_finished(problem *p, attn_status status)
{
    return !tile_functions_raise(&p->functions) && call_succeeded(status, attn_error());
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
