/* The functions of the extension, each in the file that its comment names. */
#ifndef FORETELL_KERNEL_H
#define FORETELL_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* arrays.c */
PyObject *py_tally(PyObject *self, PyObject *args);
PyObject *py_place(PyObject *self, PyObject *args);
PyObject *py_gather(PyObject *self, PyObject *args);
PyObject *py_index(PyObject *self, PyObject *args);
PyObject *py_probe(PyObject *self, PyObject *args);

/* ranges.c */
PyObject *py_find_ranges(PyObject *self, PyObject *args);
PyObject *py_range_numbers(PyObject *self, PyObject *args);
PyObject *py_range_codes(PyObject *self, PyObject *args);

/* sweep.c */
PyObject *py_measures(PyObject *self, PyObject *args);
PyObject *py_sweep(PyObject *self, PyObject *args);

#endif
