/* The extension module: its table of functions. Callers in Python give the arguments their meaning; each
 * function here checks types, lengths and positions, so that no call can read or write outside its arrays. */
#include "kernel.h"

static PyMethodDef METHODS[] = {
    /* arrays.c */
    {"tally", py_tally, METH_VARARGS, NULL},
    {"place", py_place, METH_VARARGS, NULL},
    {"gather", py_gather, METH_VARARGS, NULL},
    {"index", py_index, METH_VARARGS, NULL},
    {"probe", py_probe, METH_VARARGS, NULL},
    /* ranges.c */
    {"find_ranges", py_find_ranges, METH_VARARGS, NULL},
    {"range_numbers", py_range_numbers, METH_VARARGS, NULL},
    {"range_codes", py_range_codes, METH_VARARGS, NULL},
    /* sweep.c */
    {"measures", py_measures, METH_NOARGS, NULL},
    {"sweep", py_sweep, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "foretell.kernel._kernel",
    .m_doc = "Compiled loops over event arrays.",
    .m_size = 0,
    .m_methods = METHODS,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&MODULE); }
