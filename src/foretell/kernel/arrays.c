/* Steps of a join: count and place rows by key, gather values by position, look keys up in a table. */
#include "kernel.h"

#include <math.h>
#include <string.h>

#include "views.h"

static PyObject *nothing(Views *held, int fine) {
    views_close(held);
    if (!fine) return NULL;
    return Py_NewRef(Py_None);
}

/* tally(keys, offsets): where each key's rows begin, by counting; -1 is left out. */
PyObject *py_tally(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *keys_in, *offsets_in;
    Views held;
    if (!PyArg_ParseTuple(args, "OO", &keys_in, &offsets_in) || !views_open(&held, 2)) return NULL;
    const int32_t *keys = view(&held, keys_in, "keys", INT32, -1, 0);
    int64_t n = keys ? view_length(&held) : 0;
    int64_t *offsets = keys ? view(&held, offsets_in, "offsets", INT64, -1, 1) : NULL;
    if (!offsets) return nothing(&held, 0);
    int64_t size = view_length(&held) - 1, bad = size < 0;
    Py_BEGIN_ALLOW_THREADS;
    if (!bad) {
        memset(offsets, 0, (size_t)(size + 1) * sizeof(int64_t));
        for (int64_t i = 0; i < n; i++) {
            if (keys[i] >= 0 && keys[i] < size)
                offsets[keys[i] + 1]++;
            else
                bad |= keys[i] != -1;
        }
        for (int64_t k = 0; k < size; k++) offsets[k + 1] += offsets[k];
    }
    Py_END_ALLOW_THREADS;
    if (bad) PyErr_SetString(PyExc_ValueError, "keys: expected -1 to size - 1");
    return nothing(&held, !bad);
}

/* place(keys, next, found): each row at the next place of its key; `next` moves on. */
PyObject *py_place(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *keys_in, *next_in, *found_in;
    Views held;
    if (!PyArg_ParseTuple(args, "OOO", &keys_in, &next_in, &found_in) || !views_open(&held, 3)) return NULL;
    const int32_t *keys = view(&held, keys_in, "keys", INT32, -1, 0);
    int64_t n = keys ? view_length(&held) : 0;
    int64_t *next = keys ? view(&held, next_in, "next", INT64, -1, 1) : NULL;
    int64_t size = next ? view_length(&held) : 0;
    int32_t *found = next ? view(&held, found_in, "found", INT32, -1, 1) : NULL;
    if (!found) return nothing(&held, 0);
    int64_t kept = view_length(&held);
    int bad = n > INT32_MAX;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t i = 0; i < n && !bad; i++) {
        if (keys[i] < 0) continue;
        bad = keys[i] >= size || next[keys[i]] < 0 || next[keys[i]] >= kept;
        if (!bad) found[next[keys[i]]++] = (int32_t)i;
    }
    Py_END_ALLOW_THREADS;
    if (bad) PyErr_SetString(PyExc_ValueError, "keys do not fit their offsets");
    return nothing(&held, !bad);
}

#define GATHER(T, ABSENT)                                                                                     \
    do {                                                                                                      \
        const T *from = values;                                                                               \
        T *to = out;                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            int there = index[i] >= 0 && index[i] < length;                                                   \
            bad |= !there && index[i] != -1;                                                                  \
            to[i] = there ? from[index[i]] : (ABSENT);                                                        \
        }                                                                                                     \
    } while (0)

/* gather(values, index, out) */
PyObject *py_gather(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *values_in, *index_in, *out_in;
    Views held;
    Type type = INT32;
    if (!PyArg_ParseTuple(args, "OOO", &values_in, &index_in, &out_in) || !views_open(&held, 3)) return NULL;
    const void *values = view_any(&held, values_in, "values", &type, -1, 0);
    int64_t length = values ? view_length(&held) : 0;
    const int32_t *index = values ? view(&held, index_in, "index", INT32, -1, 0) : NULL;
    int64_t n = index ? view_length(&held) : 0;
    void *out = index ? view(&held, out_in, "out", type, n, 1) : NULL;
    if (!out) return nothing(&held, 0);
    int bad = 0;
    Py_BEGIN_ALLOW_THREADS;
    switch (type) {
    case INT32: GATHER(int32_t, -1); break;
    case INT64: GATHER(int64_t, INT64_MIN); break;
    case FLOAT32: GATHER(float, NAN); break;
    case FLOAT64: GATHER(double, NAN); break;
    }
    Py_END_ALLOW_THREADS;
    if (bad) PyErr_SetString(PyExc_ValueError, "index: expected -1 or a position of the values");
    return nothing(&held, !bad);
}

/* Slots hold positions in the table, -1 where free. A key's first slot: its distance from the least key where
 * the keys are dense (`shift` 64), otherwise the high bits of a product. */
static uint64_t first_slot(int64_t key, int64_t least, int shift) {
    if (shift == 64) return (uint64_t)key - (uint64_t)least;
    return ((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> shift;
}

/* index(table, slots, least, shift): fill the slots; whether all keys differ. */
PyObject *py_index(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *table_in, *slots_in;
    long long least;
    int shift, differ = 1;
    Views held;
    if (!PyArg_ParseTuple(args, "OOLi", &table_in, &slots_in, &least, &shift) || !views_open(&held, 2))
        return NULL;
    const int64_t *table = view(&held, table_in, "table", INT64, -1, 0);
    int64_t m = table ? view_length(&held) : 0;
    int32_t *slots = table ? view(&held, slots_in, "slots", INT32, -1, 1) : NULL;
    if (!slots) return nothing(&held, 0);
    uint64_t room = (uint64_t)view_length(&held);
    int fits = (uint64_t)m < room && m <= INT32_MAX && shift > 0 && shift <= 64 &&
               (shift == 64 || room == UINT64_C(1) << (64 - shift));
    Py_BEGIN_ALLOW_THREADS;
    for (uint64_t s = 0; s < room; s++) slots[s] = -1;
    for (int64_t i = 0; i < m && fits && differ; i++) {
        uint64_t s = first_slot(table[i], least, shift);
        fits = s < room;
        while (fits && slots[s] >= 0 && differ) {
            differ = table[slots[s]] != table[i];
            s = s + 1 == room ? 0 : s + 1;
        }
        if (fits && differ) slots[s] = (int32_t)i;
    }
    Py_END_ALLOW_THREADS;
    if (!fits) PyErr_SetString(PyExc_ValueError, "the slots do not fit the table");
    if (!differ) PyErr_SetString(PyExc_ValueError, "the table holds a key twice");
    return nothing(&held, fits && differ);
}

/* probe(keys, table, slots, least, shift, out) */
PyObject *py_probe(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *keys_in, *table_in, *slots_in, *out_in;
    long long least;
    int shift;
    Views held;
    if (!PyArg_ParseTuple(args, "OOOLiO", &keys_in, &table_in, &slots_in, &least, &shift, &out_in) ||
        !views_open(&held, 4))
        return NULL;
    const int64_t *keys = view(&held, keys_in, "keys", INT64, -1, 0);
    int64_t n = keys ? view_length(&held) : 0;
    const int64_t *table = keys ? view(&held, table_in, "table", INT64, -1, 0) : NULL;
    int64_t m = table ? view_length(&held) : 0;
    const int32_t *slots = table ? view(&held, slots_in, "slots", INT32, -1, 0) : NULL;
    uint64_t room = slots ? (uint64_t)view_length(&held) : 0;
    int32_t *out = slots ? view(&held, out_in, "out", INT32, n, 1) : NULL;
    if (!out) return nothing(&held, 0);
    if (shift < 1 || shift > 64 || room <= (uint64_t)m) {
        PyErr_SetString(PyExc_ValueError, "the slots do not fit the table");
        return nothing(&held, 0);
    }
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t i = 0; i < n; i++) {
        out[i] = -1;
        uint64_t s = first_slot(keys[i], least, shift);
        while (s < room && slots[s] >= 0 && slots[s] < m) {
            if (table[slots[s]] == keys[i]) {
                out[i] = slots[s];
                break;
            }
            s = s + 1 == room ? 0 : s + 1;
        }
    }
    Py_END_ALLOW_THREADS;
    return nothing(&held, 1);
}
