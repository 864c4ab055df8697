/* Aggregates over ranges of events: see ranges.c. */
#ifndef FORETELL_RANGES_H
#define FORETELL_RANGES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *find_ranges(PyObject *self, PyObject *args);
PyObject *range_numbers(PyObject *self, PyObject *args);
PyObject *range_codes(PyObject *self, PyObject *args);

#define RANGE_METHODS                                                                                                  \
    {"find_ranges", find_ranges, METH_VARARGS, "Each row's events in a window."},                                      \
    {"range_numbers", range_numbers, METH_VARARGS, "Sums, means, deviations, quantiles."},                             \
    {"range_codes", range_codes, METH_VARARGS, "The number of different codes, or one of them."}

#endif
