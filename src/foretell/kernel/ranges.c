/* Aggregates over ranges of events. Each row has a range [start, stop) of event positions, and one value comes
 * of it. A row whose range begins where the last row's began, and reaches further, goes on from there: so rows
 * sorted by (start, stop) read the past that they share once. Going on and starting anew add in the same order,
 * and give the same bits. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ranges.h"

typedef struct {
    Py_buffer view;
    int64_t count;
    int held;
} Array;

/* `kind` is 'f' for doubles and 'i' for whole numbers of `size` bytes. */
static int open_array(PyObject *object, Array *array, char kind, Py_ssize_t size, int writable, const char *name)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, &array->view, flags) < 0)
        return -1;
    array->held = 1;
    const char *format = array->view.format ? array->view.format : "B";
    const char *known = kind == 'f' ? "d" : "ilq";
    if (array->view.ndim != 1 || array->view.itemsize != size || strlen(format) != 1 || !strchr(known, *format)) {
        PyErr_Format(PyExc_TypeError, "%s: found an array of '%s', expected one dimension of %c%zd", name, format,
                     kind, size);
        return -1;
    }
    array->count = array->view.len / size;
    return 0;
}

static void close_arrays(Array *arrays, int count)
{
    for (int i = 0; i < count; i++)
        if (arrays[i].held)
            PyBuffer_Release(&arrays[i].view);
}

/* The first position in times[from, to) whose time is after `moment`. */
static int64_t first_after(const int64_t *times, int64_t from, int64_t to, int64_t moment)
{
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (times[middle] > moment)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

PyObject *find_ranges(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *given[7];
    Array a[7] = {{{0}, 0, 0}};
    static const char *names[7] = {"offsets", "times", "anchors", "low", "high", "starts", "stops"};
    if (!PyArg_ParseTuple(args, "OOOOOOO", &given[0], &given[1], &given[2], &given[3], &given[4], &given[5],
                          &given[6]))
        return NULL;
    for (int i = 0; i < 7; i++)
        if (open_array(given[i], &a[i], 'i', 8, i > 4, names[i]) < 0) {
            close_arrays(a, 7);
            return NULL;
        }
    const int64_t *offsets = a[0].view.buf, *times = a[1].view.buf, *anchors = a[2].view.buf;
    const int64_t *low = a[3].view.buf, *high = a[4].view.buf;
    int64_t *starts = a[5].view.buf, *stops = a[6].view.buf;
    int64_t groups = a[0].count - 1, events = a[1].count, rows = a[2].count;
    int sound = groups >= 0 && a[3].count == rows && a[4].count == rows && a[5].count == rows && a[6].count == rows;
    if (sound) {
        Py_BEGIN_ALLOW_THREADS
        for (int64_t row = 0; row < rows && sound; row++) {
            int64_t anchor = anchors[row];
            starts[row] = stops[row] = 0;
            if (anchor == -1)
                continue;
            sound = anchor >= 0 && anchor < groups;
            if (!sound)
                break;
            int64_t from = offsets[anchor], to = offsets[anchor + 1];
            sound = from >= 0 && from <= to && to <= events;
            if (!sound)
                break;
            starts[row] = first_after(times, from, to, low[row]);
            stops[row] = first_after(times, starts[row], to, high[row]);
        }
        Py_END_ALLOW_THREADS
    }
    close_arrays(a, 7);
    if (!sound) {
        PyErr_SetString(PyExc_ValueError, "offsets, anchors and rows do not fit together");
        return NULL;
    }
    Py_RETURN_NONE;
}

typedef struct {
    const int64_t *starts, *stops;
    const int32_t *index; /* of each event, into the values; NULL: the values are the events' own */
    int64_t rows, events, values;
} Rows;

/* The arrays that every reduction has: starts, stops, values, index or None, and what comes out. */
static int open_rows(PyObject **given, Array *a, Rows *rows, char kind, Py_ssize_t size, char made)
{
    if (open_array(given[0], &a[0], 'i', 8, 0, "starts") < 0 || open_array(given[1], &a[1], 'i', 8, 0, "stops") < 0 ||
        open_array(given[2], &a[2], kind, size, 0, "values") < 0 || open_array(given[4], &a[4], made, 8, 1, "out") < 0)
        return -1;
    if (given[3] != Py_None && open_array(given[3], &a[3], 'i', 4, 0, "index") < 0)
        return -1;
    *rows = (Rows){a[0].view.buf, a[1].view.buf, given[3] != Py_None ? a[3].view.buf : NULL, a[0].count, 0, a[2].count};
    rows->events = rows->index ? a[3].count : rows->values;
    if (a[1].count != rows->rows || a[4].count != rows->rows) {
        PyErr_SetString(PyExc_ValueError, "starts, stops and out are of different lengths");
        return -1;
    }
    return 0;
}

/* An event's place among the values: -1 for NULL, -2 where it lies outside them. */
static inline int64_t place_of(const Rows *rows, int64_t event)
{
    if (!rows->index)
        return event;
    int64_t place = rows->index[event];
    return place >= -1 && place < rows->values ? place : -2;
}

static inline int inside(const Rows *rows, int64_t row)
{
    return rows->starts[row] >= 0 && rows->starts[row] <= rows->stops[row] && rows->stops[row] <= rows->events;
}

typedef struct {
    int64_t start, reached;
} Span;

/* Whether the row's range goes on where the last one ended; otherwise the span begins anew. */
static inline int goes_on(Span *span, const Rows *rows, int64_t row)
{
    if (span->start == rows->starts[row] && span->reached <= rows->stops[row])
        return 1;
    span->start = span->reached = rows->starts[row];
    return 0;
}

enum { SOUND, OUTSIDE, NO_MEMORY };

static PyObject *done(Array *arrays, int count, int state)
{
    close_arrays(arrays, count);
    if (state == NO_MEMORY)
        return PyErr_NoMemory();
    if (state == OUTSIDE) {
        PyErr_SetString(PyExc_ValueError, "a range, an index or a code lies outside its array");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Puts the k-th smallest in its place, smaller ones before it. Pivots are drawn, the same ones each time: no order
 * of the values makes it slow. */
static double select_kth(double *values, int64_t count, int64_t k)
{
    uint64_t seed = 0x9E3779B97F4A7C15u;
    int64_t low = 0, high = count - 1;
    while (low < high) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        double pivot = values[low + (int64_t)(seed % (uint64_t)(high - low + 1))];
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                double swapped = values[i];
                values[i++] = values[j];
                values[j--] = swapped;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return values[k];
}

/* Between the two nearest values, as SQL's QUANTILE_CONT. */
static double quantile_of(double *values, int64_t count, double q)
{
    double place = (double)(count - 1) * q;
    int64_t below = (int64_t)floor(place);
    double share = place - (double)below, lower = select_kth(values, count, below), upper;
    if (share <= 0 || below + 1 >= count)
        return lower;
    upper = values[below + 1];
    for (int64_t i = below + 2; i < count; i++)
        if (values[i] < upper)
            upper = values[i];
    return lower * (1 - share) + upper * share;
}

enum { SUM, MEAN, STD, QUANTILE };

static int reduce_numbers(const Rows *rows, int kind, const double *values, double q, double *out)
{
    Span span = {-1, -1};
    int64_t count = 0, longest = 0;
    double sum = 0, first = 0, mean = 0, squares = 0, *kept = NULL;
    for (int64_t row = 0; row < rows->rows; row++) {
        if (!inside(rows, row))
            return OUTSIDE;
        int64_t length = rows->stops[row] - rows->starts[row];
        longest = length > longest ? length : longest;
    }
    if (kind == QUANTILE && longest) {
        kept = malloc((size_t)longest * sizeof(double));
        if (!kept)
            return NO_MEMORY;
    }
    for (int64_t row = 0; row < rows->rows; row++) {
        if (!goes_on(&span, rows, row)) {
            count = 0;
            sum = mean = squares = 0;
        }
        for (; span.reached < rows->stops[row]; span.reached++) {
            int64_t place = place_of(rows, span.reached);
            if (place == -2) {
                free(kept);
                return OUTSIDE;
            }
            double value = place < 0 ? NAN : values[place];
            if (isnan(value))
                continue;
            count++;
            if (kind == STD) { /* Welford, about the first value: no cancellation, however large the mean */
                if (count == 1)
                    first = value;
                double off = value - first - mean;
                mean += off / (double)count;
                squares += off * (value - first - mean);
            } else if (kind == QUANTILE) {
                kept[count - 1] = value;
            } else {
                sum += value;
            }
        }
        if (count < (kind == STD ? 2 : 1))
            out[row] = NAN;
        else if (kind == STD)
            out[row] = sqrt(squares / (double)(count - 1));
        else if (kind == QUANTILE)
            out[row] = quantile_of(kept, count, q);
        else
            out[row] = kind == MEAN ? sum / (double)count : sum;
    }
    free(kept);
    return SOUND;
}

PyObject *range_numbers(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *given[5];
    Array a[5] = {{{0}, 0, 0}};
    Rows rows;
    int kind, state;
    double q;
    if (!PyArg_ParseTuple(args, "iOOOOdO", &kind, &given[0], &given[1], &given[2], &given[3], &q, &given[4]))
        return NULL;
    if (open_rows(given, a, &rows, 'f', 8, 'f') < 0) {
        close_arrays(a, 5);
        return NULL;
    }
    if (!(q >= 0 && q <= 1) || kind < SUM || kind > QUANTILE)
        return done(a, 5, OUTSIDE);
    Py_BEGIN_ALLOW_THREADS
    state = reduce_numbers(&rows, kind, a[2].view.buf, q, a[4].view.buf);
    Py_END_ALLOW_THREADS
    return done(a, 5, state);
}

/* How often a code was met since the span that `since` numbers began. */
typedef struct {
    int64_t since, count;
} Tally;

enum { DISTINCT, MODE, LEAST, GREATEST };

static int reduce_codes(const Rows *rows, int kind, const int32_t *codes, int64_t size, int64_t *out)
{
    Span span = {-1, -1};
    int64_t begun = 0, distinct = 0, best = -1;
    Tally *tallies = kind > MODE ? NULL : calloc((size_t)size + 1, sizeof(Tally));
    if (kind <= MODE && !tallies)
        return NO_MEMORY;
    for (int64_t row = 0; row < rows->rows; row++) {
        int sound = inside(rows, row);
        if (sound && !goes_on(&span, rows, row)) {
            begun++;
            distinct = 0;
            best = -1;
        }
        for (; sound && span.reached < rows->stops[row]; span.reached++) {
            int64_t place = place_of(rows, span.reached);
            int64_t code = place >= 0 ? codes[place] : -1;
            sound = place != -2 && code >= -1 && code < size;
            if (!sound || code < 0)
                continue;
            if (!tallies) {
                if (best < 0 || (kind == LEAST ? code < best : code > best))
                    best = code;
                continue;
            }
            Tally *tally = &tallies[code];
            if (tally->since != begun)
                *tally = (Tally){begun, 0};
            distinct += tally->count == 0;
            tally->count++;
            if (best < 0 || tally->count > tallies[best].count || (tally->count == tallies[best].count && code < best))
                best = code;
        }
        if (!sound) {
            free(tallies);
            return OUTSIDE;
        }
        out[row] = kind == DISTINCT ? distinct : best;
    }
    free(tallies);
    return SOUND;
}

PyObject *range_codes(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *given[5];
    Array a[5] = {{{0}, 0, 0}};
    Rows rows;
    int kind, state;
    long long size;
    if (!PyArg_ParseTuple(args, "iOOOOLO", &kind, &given[0], &given[1], &given[2], &given[3], &size, &given[4]))
        return NULL;
    if (open_rows(given, a, &rows, 'i', 4, 'i') < 0) {
        close_arrays(a, 5);
        return NULL;
    }
    if (size < 0 || size > INT32_MAX || kind < DISTINCT || kind > GREATEST)
        return done(a, 5, OUTSIDE);
    Py_BEGIN_ALLOW_THREADS
    state = reduce_codes(&rows, kind, a[2].view.buf, size, a[4].view.buf);
    Py_END_ALLOW_THREADS
    return done(a, 5, state);
}
