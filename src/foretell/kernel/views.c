#include "views.h"

#include <string.h>

static const char *const NAMES[] = {"int32", "int64", "float32", "float64"};

int views_open(Views *held, int room) {
    held->used = 0;
    held->room = room;
    held->views = PyMem_Calloc((size_t)room + 1, sizeof(Py_buffer));
    if (!held->views) PyErr_NoMemory();
    return held->views != NULL;
}

void views_close(Views *held) {
    for (int i = 0; i < held->used; i++) PyBuffer_Release(&held->views[i]);
    PyMem_Free(held->views);
    held->views = NULL;
}

int64_t view_length(const Views *held) {
    const Py_buffer *last = &held->views[held->used - 1];
    return (int64_t)(last->len / last->itemsize);
}

void *view_any(Views *held, PyObject *array, const char *name, Type *type, int64_t length, int writable) {
    if (held->used == held->room) {
        PyErr_SetString(PyExc_SystemError, "more arrays than there is room for");
        return NULL;
    }
    Py_buffer *got = &held->views[held->used];
    if (PyObject_GetBuffer(array, got, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return NULL;
    held->used++;
    const char *format = got->format ? got->format : "B";
    int integer = strlen(format) == 1 && strchr("ilq", format[0]) != NULL;
    int real = strlen(format) == 1 && strchr("fd", format[0]) != NULL;
    if (got->ndim != 1 || !(integer || real) || (got->itemsize != 4 && got->itemsize != 8)) {
        PyErr_Format(PyExc_ValueError, "%s: expected one dimension of int32, int64, float32 or float64", name);
        return NULL;
    }
    *type = integer ? (got->itemsize == 4 ? INT32 : INT64) : (got->itemsize == 4 ? FLOAT32 : FLOAT64);
    if (length >= 0 && view_length(held) != length) {
        PyErr_Format(PyExc_ValueError, "%s has %lld items, expected %lld", name, (long long)view_length(held),
                     (long long)length);
        return NULL;
    }
    return got->buf;
}

void *view(Views *held, PyObject *array, const char *name, Type type, int64_t length, int writable) {
    Type found;
    void *items = view_any(held, array, name, &found, length, writable);
    if (items && found != type) {
        PyErr_Format(PyExc_ValueError, "%s is %s, expected %s", name, NAMES[found], NAMES[type]);
        return NULL;
    }
    return items;
}
