/* Typed views of Python buffers: each is checked for type, contiguity and length before its memory is read. */
#ifndef FORETELL_VIEWS_H
#define FORETELL_VIEWS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

typedef struct {
    Py_buffer *views;
    int used, room;
} Views;

typedef enum { INT32, INT64, FLOAT32, FLOAT64 } Type;

/* Room for this many views; 0 with an exception set where there is no memory. */
int views_open(Views *held, int room);
void views_close(Views *held);

/* The memory of an array of this type and of `length` items (-1: any), or NULL with an exception set. */
void *view(Views *held, PyObject *array, const char *name, Type type, int64_t length, int writable);

/* The same for an array of any of the four types: says which. */
void *view_any(Views *held, PyObject *array, const char *name, Type *type, int64_t length, int writable);

/* How many items the view that was taken last has. */
int64_t view_length(const Views *held);

#endif
