#include "calls.h"

static PyObject *cpu(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    return Py_BuildValue("(sss)", attn_cpu_name(), attn_cpu_found(), attn_cpu_used());
}

static PyMethodDef functions[] = {
    {"forward", (PyCFunction)(void (*)(void))call_forward, METH_FASTCALL, NULL},
    {"backward", (PyCFunction)(void (*)(void))call_backward, METH_FASTCALL, NULL},
    {"double_backward", (PyCFunction)(void (*)(void))call_double_backward, METH_FASTCALL, NULL},
    {"merge", (PyCFunction)(void (*)(void))call_merge, METH_FASTCALL, NULL},
    {"append", (PyCFunction)(void (*)(void))call_append, METH_FASTCALL, NULL},
    {"check_cache", (PyCFunction)(void (*)(void))call_check_cache, METH_FASTCALL, NULL},
    {"rotary_tables", (PyCFunction)(void (*)(void))call_rotary_tables, METH_FASTCALL, NULL},
    {"rotate", (PyCFunction)(void (*)(void))call_rotate, METH_FASTCALL, NULL},
    {"weights", (PyCFunction)(void (*)(void))call_weights, METH_FASTCALL, NULL},
    {"cpu", cpu, METH_NOARGS, NULL},
    {0}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "libattn._core", .m_size = -1,
                                        .m_methods = functions};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    if (!workspace_register())
        PyErr_NoMemory();
    else if (result_register() && PyModule_AddStringConstant(module, "version", attn_version()) == 0)
        return module;
    Py_DECREF(module);
    return NULL;
}
