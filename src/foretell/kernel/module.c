/* The extension module: its table of functions. Arguments are checked by their Python callers for meaning,
 * and here for type and length, so that no call can read outside its buffers. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ranges.h"

static PyMethodDef methods[] = {
    RANGE_METHODS,
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "foretell.kernel._kernel",
    .m_doc = "Compiled loops over event arrays.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module); }
