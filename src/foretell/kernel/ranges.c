/* Aggregates over ranges of events. Each row has a range [start, stop) of event positions, and one value comes
 * of it. A row whose range begins where the last row's began, and reaches no less far, goes on from there: rows
 * sorted by (start, stop) read the past that they share once. Going on and starting anew add in the same order,
 * and give the same bits. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>

#include "quantiles.h"
#include "views.h"

typedef enum { SOUND, OUTSIDE, NO_MEMORY } State;

static PyObject *done(Views *held, State state) {
    views_close(held);
    if (state == NO_MEMORY) return PyErr_NoMemory();
    if (state == OUTSIDE) {
        PyErr_SetString(PyExc_ValueError, "a range, an index or a code lies outside its array");
        return NULL;
    }
    return Py_NewRef(Py_None);
}

static PyObject *refused(Views *held) {
    views_close(held);
    return NULL;
}

/* The first position in times[from, to) whose time is after `moment`. */
static int64_t first_after(const int64_t *times, int64_t from, int64_t to, int64_t moment) {
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (times[middle] > moment)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* find_ranges(offsets, times, anchors, low, high, starts, stops): the events of each row's anchor with
 * low < time <= high; none for the anchor -1. */
PyObject *py_find_ranges(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *offsets_in, *times_in, *anchors_in, *low_in, *high_in, *starts_in, *stops_in;
    Views held;
    if (!PyArg_ParseTuple(args, "OOOOOOO", &offsets_in, &times_in, &anchors_in, &low_in, &high_in, &starts_in,
                          &stops_in) ||
        !views_open(&held, 7))
        return NULL;
    const int64_t *offsets = view(&held, offsets_in, "offsets", INT64, -1, 0);
    int64_t anchors = offsets ? view_length(&held) - 1 : 0;
    const int64_t *times = offsets ? view(&held, times_in, "times", INT64, -1, 0) : NULL;
    int64_t events = times ? view_length(&held) : 0;
    const int64_t *anchor = times ? view(&held, anchors_in, "anchors", INT64, -1, 0) : NULL;
    int64_t rows = anchor ? view_length(&held) : 0;
    const int64_t *low = anchor ? view(&held, low_in, "low", INT64, rows, 0) : NULL;
    const int64_t *high = low ? view(&held, high_in, "high", INT64, rows, 0) : NULL;
    int64_t *starts = high ? view(&held, starts_in, "starts", INT64, rows, 1) : NULL;
    int64_t *stops = starts ? view(&held, stops_in, "stops", INT64, rows, 1) : NULL;
    if (!stops) return refused(&held);
    State state = SOUND;
    Py_BEGIN_ALLOW_THREADS;
    for (int64_t row = 0; row < rows && state == SOUND; row++) {
        int64_t a = anchor[row], from = 0, to = 0;
        if (a >= 0 && a < anchors) {
            from = offsets[a];
            to = offsets[a + 1];
        }
        if (a < -1 || a >= anchors || from < 0 || from > to || to > events) {
            state = OUTSIDE;
        } else {
            starts[row] = first_after(times, from, to, low[row]);
            stops[row] = first_after(times, starts[row], to, high[row]);
        }
    }
    Py_END_ALLOW_THREADS;
    return done(&held, state);
}

typedef struct {
    const int64_t *starts, *stops;
    const int32_t *index; /* of each event, into the values; NULL: the values are the events' own */
    int64_t rows, events, values;
} Rows;

/* The arrays that both kinds of values come with. The values' own memory, or NULL with an exception set. */
static const void *open_rows(Views *held, Rows *rows, PyObject *starts, PyObject *stops, PyObject *values,
                             Type type, PyObject *index) {
    rows->index = NULL;
    rows->starts = view(held, starts, "starts", INT64, -1, 0);
    rows->rows = rows->starts ? view_length(held) : 0;
    rows->stops = rows->starts ? view(held, stops, "stops", INT64, rows->rows, 0) : NULL;
    const void *found = rows->stops ? view(held, values, "values", type, -1, 0) : NULL;
    if (!found) return NULL;
    rows->events = rows->values = view_length(held);
    if (index != Py_None) {
        rows->index = view(held, index, "index", INT32, -1, 0);
        if (!rows->index) return NULL;
        rows->events = view_length(held);
    }
    return found;
}

static int64_t longest_of(const Rows *rows) {
    int64_t longest = 0;
    for (int64_t row = 0; row < rows->rows; row++) {
        int64_t start = rows->starts[row], stop = rows->stops[row];
        if (start < 0 || start > stop || stop > rows->events) return -1;
        if (stop - start > longest) longest = stop - start;
    }
    return longest;
}

/* An event's place among the values: -1 for NULL, -2 where it lies outside them. */
static inline int64_t place_of(const Rows *rows, int64_t event) {
    int64_t place = rows->index ? rows->index[event] : event;
    return place >= -1 && place < rows->values ? place : -2;
}

typedef struct {
    int64_t start, reached;
} Span;

/* Whether the row's range goes on where the last one ended; otherwise the span begins anew. */
static inline int goes_on(Span *span, const Rows *rows, int64_t row) {
    if (span->start == rows->starts[row] && span->reached <= rows->stops[row]) return 1;
    span->start = span->reached = rows->starts[row];
    return 0;
}

enum { SUM, MEAN, STD, QUANTILE };

static State reduce_numbers(const Rows *rows, int kind, const double *values, double q, double *out) {
    Span span = {-1, -1};
    int64_t count = 0, longest = longest_of(rows);
    double sum = 0, first = 0, mean = 0, squares = 0, *kept = NULL;
    if (longest < 0) return OUTSIDE;
    if (kind == QUANTILE && longest) {
        kept = malloc((size_t)longest * sizeof(double));
        if (!kept) return NO_MEMORY;
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
            if (isnan(value)) continue;
            count++;
            if (kind == STD) { /* Welford, about the first value: no cancellation, however large the mean */
                if (count == 1) first = value;
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
            out[row] = quantile(kept, count, q);
        else
            out[row] = kind == MEAN ? sum / (double)count : sum;
    }
    free(kept);
    return SOUND;
}

/* range_numbers(kind, starts, stops, values, index, q, out) */
PyObject *py_range_numbers(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *starts_in, *stops_in, *values_in, *index_in, *out_in;
    Views held;
    Rows rows;
    int kind;
    double q;
    if (!PyArg_ParseTuple(args, "iOOOOdO", &kind, &starts_in, &stops_in, &values_in, &index_in, &q, &out_in) ||
        !views_open(&held, 5))
        return NULL;
    const double *values = open_rows(&held, &rows, starts_in, stops_in, values_in, FLOAT64, index_in);
    double *out = values ? view(&held, out_in, "out", FLOAT64, rows.rows, 1) : NULL;
    if (!out) return refused(&held);
    if (!(q >= 0 && q <= 1) || kind < SUM || kind > QUANTILE) {
        PyErr_SetString(PyExc_ValueError, "expected one of the kinds of numbers, and a q from 0 to 1");
        return refused(&held);
    }
    State state;
    Py_BEGIN_ALLOW_THREADS;
    state = reduce_numbers(&rows, kind, values, q, out);
    Py_END_ALLOW_THREADS;
    return done(&held, state);
}

/* How often a code was met since the span that `since` numbers began. */
typedef struct {
    int64_t since, count;
} Tally;

enum { DISTINCT, MODE, LEAST, GREATEST };

static State reduce_codes(const Rows *rows, int kind, const int32_t *codes, int64_t size, int64_t *out) {
    Span span = {-1, -1};
    int64_t begun = 0, distinct = 0, best = -1;
    if (longest_of(rows) < 0) return OUTSIDE;
    Tally *tallies = kind > MODE ? NULL : calloc((size_t)size + 1, sizeof(Tally));
    if (kind <= MODE && !tallies) return NO_MEMORY;
    for (int64_t row = 0; row < rows->rows; row++) {
        if (!goes_on(&span, rows, row)) {
            begun++;
            distinct = 0;
            best = -1;
        }
        for (; span.reached < rows->stops[row]; span.reached++) {
            int64_t place = place_of(rows, span.reached), code = place >= 0 ? codes[place] : -1;
            if (place == -2 || code < -1 || code >= size) {
                free(tallies);
                return OUTSIDE;
            }
            if (code < 0) continue;
            if (!tallies) {
                if (best < 0 || (kind == LEAST ? code < best : code > best)) best = code;
                continue;
            }
            Tally *tally = &tallies[code];
            if (tally->since != begun) *tally = (Tally){begun, 0};
            distinct += tally->count == 0;
            tally->count++;
            int64_t most = best < 0 ? 0 : tallies[best].count;
            if (tally->count > most || (tally->count == most && code < best)) best = code;
        }
        out[row] = kind == DISTINCT ? distinct : best;
    }
    free(tallies);
    return SOUND;
}

/* range_codes(kind, starts, stops, codes, index, size, out) */
PyObject *py_range_codes(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *starts_in, *stops_in, *codes_in, *index_in, *out_in;
    Views held;
    Rows rows;
    int kind;
    long long size;
    if (!PyArg_ParseTuple(args, "iOOOOLO", &kind, &starts_in, &stops_in, &codes_in, &index_in, &size,
                          &out_in) ||
        !views_open(&held, 5))
        return NULL;
    const int32_t *codes = open_rows(&held, &rows, starts_in, stops_in, codes_in, INT32, index_in);
    int64_t *out = codes ? view(&held, out_in, "out", INT64, rows.rows, 1) : NULL;
    if (!out) return refused(&held);
    if (size < 0 || size > INT32_MAX || kind < DISTINCT || kind > GREATEST) {
        PyErr_SetString(PyExc_ValueError, "expected one of the kinds of codes, and a size that 32 bits hold");
        return refused(&held);
    }
    State state;
    Py_BEGIN_ALLOW_THREADS;
    state = reduce_codes(&rows, kind, codes, size, out);
    Py_END_ALLOW_THREADS;
    return done(&held, state);
}
