/* The sweep's call: its arguments, the blocks of anchors, and the boundaries of their rows. */
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "views.h"

/* In the order of Measure: the name, and what it is taken of. */
static const struct {
    const char *name;
    Accepts accepts;
} TABLE[MEASURES] = {
    {"count", OF_ROWS},
    {"recency", OF_ROWS},
    {"tenure", OF_ROWS},
    {"gap", OF_ROWS},
    {"decayed_count", OF_ROWS},
    {"sum", OF_NUMBER},
    {"mean", OF_NUMBER},
    {"std", OF_NUMBER},
    {"min", OF_NUMBER},
    {"max", OF_NUMBER},
    {"last", OF_NUMBER},
    {"trend", OF_NUMBER},
    {"decayed_sum", OF_NUMBER},
    {"quantile", OF_NUMBER},
    {"last_category", OF_CATEGORY},
    {"distinct", OF_CATEGORY},
    {"mode", OF_CATEGORY},
};

/* A block ends with the anchor that fills it: its scratch should stay in the cache. */
enum { BLOCK_ROWS = 512, BLOCK_EVENTS = 16384 };

void *room(Scratch *scratch, int which, int64_t items, size_t bytes) {
    Store *store = &scratch->store[which];
    size_t needed = (size_t)(items < 1 ? 1 : items);
    if (needed > SIZE_MAX / 2 / bytes) {
        scratch->fault = NO_MEMORY;
        return NULL;
    }
    needed *= bytes;
    if (needed > store->bytes) {
        size_t larger = needed + needed / 2;
        char *items_now = realloc(store->items, larger);
        if (!items_now) {
            scratch->fault = NO_MEMORY;
            return NULL;
        }
        if (which <= LAST_ZEROED) memset(items_now + store->bytes, 0, larger - store->bytes);
        store->items = items_now;
        store->bytes = larger;
    }
    return store->items;
}

/* The first of from..to whose time is after an instant, or `to`. */
static int64_t after(const int64_t *times, int64_t from, int64_t to, int64_t instant) {
    const int64_t *base = times + from;
    for (int64_t n = to - from; n > 0;) {
        int64_t half = (n + 1) / 2;
        base = base[half - 1] <= instant ? base + half : base; /* without a branch: it would be guessed wrong */
        n -= half;
    }
    return base - times;
}

typedef struct {
    int64_t cutoff;
    int32_t row;
} Dated;

static int by_cutoff(const void *a, const void *b) {
    const Dated *x = a, *y = b;
    int order = (x->cutoff > y->cutoff) - (x->cutoff < y->cutoff);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* An anchor's rows into the block, by cutoff. */
static void list_rows(Scratch *s, Block *block, const Anchor *a, const int32_t *order) {
    const int64_t *cutoffs = block->sweep->cutoffs;
    int64_t n = a->end_row - a->first_row;
    int ascending = 1;
    int32_t *row = block->row + a->first_row;
    int64_t *cutoff = block->cutoff + a->first_row;
    for (int64_t i = 0; i < n; i++) {
        row[i] = order[i];
        cutoff[i] = cutoffs[order[i]];
        ascending &= i == 0 || cutoff[i - 1] <= cutoff[i];
    }
    if (ascending) return;
    Dated *dated = room(s, SORTED, n, sizeof(Dated));
    if (!dated) return;
    for (int64_t i = 0; i < n; i++) dated[i] = (Dated){cutoff[i], row[i]};
    qsort(dated, (size_t)n, sizeof(Dated), by_cutoff);
    for (int64_t i = 0; i < n; i++) {
        row[i] = dated[i].row;
        cutoff[i] = dated[i].cutoff;
    }
}

/* An anchor's boundaries: where its rows' cutoffs and window edges fall between its events from..to. */
static void divide(Scratch *s, Block *block, Anchor *a, int64_t next, int64_t from, int64_t to) {
    const Sweep *sweep = block->sweep;
    const int64_t *times = sweep->times;
    unsigned char *marks = room(s, MARKS, to - from + 1, 1); /* all 0 between two calls */
    int64_t *places = room(s, PLACES, to - from + 1, sizeof(int64_t));
    if (s->fault) return;
    int bad = 0;
    for (int64_t e = from + 1; e < to; e++) bad |= times[e] < times[e - 1];
    if (bad) {
        s->fault = BAD_TIMES;
        return;
    }
    int64_t last = from;
    marks[0] = 1;
    for (int64_t r = a->first_row; r < a->end_row; r++) {
        last = after(times, last, to, block->cutoff[r]);
        marks[last - from] = 1;
        block->hi[r] = last - from;
        int64_t end = last;
        for (int w = 0; w < sweep->windows; w++) {
            int64_t *lo = &block->lo[w * block->rows + r];
            if (sweep->sizes) {
                end = last - from > sweep->sizes[w] ? last - sweep->sizes[w] : from;
            } else {
                const int64_t *edges = sweep->edges + w * sweep->rows;
                int64_t edge = edges[block->row[r]], begin = from;
                /* Edges mostly move on with the cutoffs. */
                if (r > a->first_row && edges[block->row[r - 1]] <= edge) begin += lo[-1];
                end = after(times, begin, end, edge);
            }
            marks[end - from] = 1;
            *lo = end - from;
        }
        block->lo[sweep->windows * block->rows + r] = 0;
    }
    a->first = next;
    for (int64_t at = 0, end = last - from; at <= end; at++) {
        const unsigned char *mark = memchr(marks + at, 1, (size_t)(end - at) + 1);
        at = mark - marks;
        marks[at] = 0;
        places[at] = next;
        block->bounds[next++] = from + at;
    }
    a->last = next - 1;
    for (int64_t r = a->first_row; r < a->end_row; r++) {
        block->hi[r] = places[block->hi[r]];
        for (int w = 0; w <= sweep->windows; w++) {
            int64_t *lo = &block->lo[w * block->rows + r];
            *lo = places[*lo];
        }
    }
}

/* The next block of anchors from..to; returns the anchor after it. */
static int64_t fill(Scratch *s, Block *block, int64_t from, int64_t to) {
    const Sweep *sweep = block->sweep;
    const int64_t *rows = sweep->row_offsets, *events = sweep->offsets;
    int64_t end = from, held = 0, bounds = 0;
    block->anchors = block->rows = 0;
    for (; end < to && block->rows < BLOCK_ROWS && held < BLOCK_EVENTS; end++) {
        int64_t mine = rows[end + 1] - rows[end], n = events[end + 1] - events[end];
        if (!mine) continue;
        int64_t most = mine * (sweep->windows + 1);
        bounds += sweep->sizes ? mine + most : 1 + (most < n ? most : n);
        block->rows += mine;
        held += n;
        block->anchors += sweep->sizes ? mine : 1;
    }
    if (!block->rows) return end;
    block->anchor = room(s, ANCHORS, block->anchors, sizeof(Anchor));
    block->bounds = room(s, BOUNDS, bounds, sizeof(int64_t));
    block->row = room(s, ROWS, block->rows, sizeof(int32_t));
    block->cutoff = room(s, CUTOFFS, block->rows, sizeof(int64_t));
    block->hi = room(s, HI, block->rows, sizeof(int64_t));
    block->lo = room(s, LO, block->rows * (sweep->windows + 1), sizeof(int64_t));
    int64_t row = 0, next = 0;
    Anchor *a = block->anchor;
    for (; from < end && !s->fault; from++) {
        int64_t mine = rows[from + 1] - rows[from];
        if (!mine) continue;
        Anchor whole = {.first_row = row, .end_row = row + mine};
        list_rows(s, block, &whole, sweep->order + rows[from]);
        /* Where events are counted each row is an anchor of its own, with the last events that it sees: boundaries
         * of other rows, which lie where later events are few or many, must not part its sums. */
        for (int64_t end_row = row + mine; row < end_row && !s->fault; next = a++->last + 1) {
            int64_t begin = events[from], stop = events[from + 1];
            *a = whole;
            if (sweep->sizes) {
                *a = (Anchor){.first_row = row, .end_row = row + 1};
                int64_t most = sweep->windows ? sweep->sizes[sweep->windows - 1] : 0;
                stop = after(sweep->times, begin, stop, block->cutoff[row]);
                begin = stop - begin > most ? stop - most : begin;
            }
            divide(s, block, a, next, begin, stop);
            row = a->end_row;
        }
    }
    return end;
}

static void sweep_block(Scratch *s, const Block *block) {
    const Sweep *sweep = block->sweep;
    const Output *last = sweep->output + sweep->outputs;
    sweep_decays(s, block);
    for (const Output *from = sweep->output, *to; from < last && !s->fault; from = to) {
        for (to = from; to < last && to->input == from->input; to++) continue;
        if (from->input < 0) {
            sweep_rows(block, from, to);
            continue;
        }
        const Input *input = &sweep->input[from->input];
        const Output *counted = sweep_tallies(s, block, from, last);
        if (counted > from) {
            to = counted;
        } else if (input->kind == CODES && input->equals < 0) {
            sweep_categories(s, block, from, to);
        } else {
            sweep_numbers(s, block, from, to);
            sweep_quantiles(s, block, from, to);
        }
    }
}

static Fault run(const Sweep *sweep, int64_t from, int64_t to) {
    Scratch scratch = {.fault = FINE};
    Block block = {.sweep = sweep};
    while (from < to && !scratch.fault) {
        from = fill(&scratch, &block, from, to);
        if (block.rows && !scratch.fault) sweep_block(&scratch, &block);
    }
    for (int i = 0; i < STORES; i++) free(scratch.store[i].items);
    return scratch.fault;
}

/* An input from (values, index or None, size, equals): size -1 where it is a number. */
static int parse_input(Views *held, PyObject *item, int64_t events, Input *input) {
    PyObject *values, *index;
    long long size, equals;
    Type type = INT32;
    if (!PyArg_ParseTuple(item, "OOLL", &values, &index, &size, &equals)) return 0;
    input->values = view_any(held, values, "values", &type, index == Py_None ? events : -1, 0);
    if (!input->values) return 0;
    input->length = view_length(held);
    input->kind = type == FLOAT64 ? DOUBLES : type == FLOAT32 ? FLOATS : CODES;
    input->size = size;
    input->equals = equals;
    input->index = NULL;
    if (type == INT64 || (input->kind == CODES) != (size >= 0) || equals < -1 || equals >= (size < 0 ? 0 : size)) {
        PyErr_SetString(PyExc_ValueError, "expected floats, or int32 codes with a size that `equals` is below");
        return 0;
    }
    if (index != Py_None && !(input->index = view(held, index, "index", INT32, events, 0))) return 0;
    return 1;
}

/* An output from (measure, input or -1, window, parameter, column). */
static int parse_output(Views *held, PyObject *item, const Sweep *sweep, Output *output) {
    PyObject *column;
    int measure;
    Type type = INT32;
    if (!PyArg_ParseTuple(item, "iiidO", &measure, &output->input, &output->window, &output->parameter, &column))
        return 0;
    int fits = measure >= 0 && measure < MEASURES && output->window >= 0 && output->window <= sweep->windows &&
               output->input < sweep->inputs;
    if (fits && TABLE[measure].accepts == OF_ROWS) {
        fits = output->input == -1;
    } else if (fits) {
        const Input *input = output->input < 0 ? NULL : &sweep->input[output->input];
        int category = input && input->kind == CODES && input->equals < 0;
        fits = input && category == (TABLE[measure].accepts == OF_CATEGORY);
    }
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "an output does not fit its input");
        return 0;
    }
    output->measure = (Measure)measure;
    output->column = view_any(held, column, "column", &type, sweep->rows, 1);
    if (!output->column) return 0;
    output->wide = type == FLOAT64;
    if ((measure == LAST_CATEGORY || measure == MODE) ? type != INT32 : type != FLOAT32 && type != FLOAT64) {
        PyErr_SetString(PyExc_ValueError, "a column has the wrong type");
        return 0;
    }
    return 1;
}

static int ascending(const int64_t *offsets, int64_t n, int64_t end) {
    int fine = offsets[0] >= 0 && offsets[n] <= end;
    for (int64_t i = 0; i < n; i++) fine &= offsets[i] <= offsets[i + 1];
    return fine;
}

static int parse(Views *held, PyObject *args, Sweep *sweep, int64_t *first, int64_t *end) {
    PyObject *offsets, *times, *inputs, *outputs, *row_offsets, *order, *cutoffs, *edges, *sizes;
    long long from, to;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOLL", &offsets, &times, &inputs, &outputs, &row_offsets, &order, &cutoffs,
                          &edges, &sizes, &from, &to))
        return 0;
    Py_ssize_t n_inputs = PyTuple_Size(inputs), n_outputs = PyTuple_Size(outputs);
    if (n_inputs < 0 || n_outputs < 0) return 0;
    if (n_inputs > 1 << 24 || n_outputs > 1 << 24) {
        PyErr_SetString(PyExc_ValueError, "too many inputs or outputs");
        return 0;
    }
    if (!views_open(held, (int)(7 + 2 * n_inputs + n_outputs))) return 0;
    sweep->input = PyMem_Calloc((size_t)n_inputs + 1, sizeof(Input));
    sweep->output = PyMem_Calloc((size_t)n_outputs + 1, sizeof(Output));
    if (!sweep->input || !sweep->output) {
        PyErr_NoMemory();
        return 0;
    }
    if (!(sweep->times = view(held, times, "times", INT64, -1, 0))) return 0;
    int64_t events = view_length(held);
    if (!(sweep->offsets = view(held, offsets, "offsets", INT64, -1, 0))) return 0;
    int64_t anchors = view_length(held) - 1;
    if (!(sweep->row_offsets = view(held, row_offsets, "row_offsets", INT64, anchors + 1, 0))) return 0;
    if (!(sweep->cutoffs = view(held, cutoffs, "cutoffs", INT64, -1, 0))) return 0;
    sweep->rows = view_length(held);
    if (!(sweep->edges = view(held, edges, "edges", INT64, -1, 0))) return 0;
    int64_t all_edges = view_length(held), windows = sweep->rows ? all_edges / sweep->rows : 0;
    int fine = sweep->rows * windows == all_edges;
    if (sizes != Py_None) {
        if (!(sweep->sizes = view(held, sizes, "sizes", INT64, -1, 0))) return 0;
        windows = view_length(held);
        fine = all_edges == 0;
        for (int64_t w = 0; w < windows; w++) fine &= sweep->sizes[w] > (w ? sweep->sizes[w - 1] : 0);
    }
    if (!(sweep->order = view(held, order, "order", INT32, -1, 0))) return 0;
    int64_t ordered = view_length(held);
    fine &= from >= 0 && to <= anchors && from <= to && windows <= 1 << 20;
    if (fine && from < to)
        fine = ascending(sweep->offsets + from, to - from, events) &&
               ascending(sweep->row_offsets + from, to - from, ordered);
    for (int64_t i = fine && from < to ? sweep->row_offsets[from] : 0; fine && i < sweep->row_offsets[to]; i++)
        fine = sweep->order[i] >= 0 && sweep->order[i] < sweep->rows;
    if (!fine) {
        PyErr_SetString(PyExc_ValueError, "offsets, rows and edges do not fit one another");
        return 0;
    }
    sweep->windows = (int)windows;
    for (; sweep->inputs < (int)n_inputs; sweep->inputs++)
        if (!parse_input(held, PyTuple_GetItem(inputs, sweep->inputs), events, &sweep->input[sweep->inputs]))
            return 0;
    for (; sweep->outputs < (int)n_outputs; sweep->outputs++)
        if (!parse_output(held, PyTuple_GetItem(outputs, sweep->outputs), sweep, &sweep->output[sweep->outputs]))
            return 0;
    *first = from;
    *end = to;
    return 1;
}

/* sweep(offsets, times, inputs, outputs, row_offsets, order, cutoffs, edges, sizes or None, first anchor,
 * end anchor) */
PyObject *py_sweep(PyObject *self, PyObject *args) {
    (void)self;
    Views held = {0};
    Sweep sweep = {0};
    int64_t first, end;
    int done = parse(&held, args, &sweep, &first, &end);
    if (done) {
        Fault fault;
        Py_BEGIN_ALLOW_THREADS;
        fault = run(&sweep, first, end);
        Py_END_ALLOW_THREADS;
        done = fault == FINE;
        if (fault == NO_MEMORY) PyErr_NoMemory();
        if (fault == BAD_INDEX) PyErr_SetString(PyExc_ValueError, "index: expected -1 or a position of the values");
        if (fault == BAD_CODE) PyErr_SetString(PyExc_ValueError, "codes: expected -1 to size - 1");
        if (fault == BAD_TIMES) PyErr_SetString(PyExc_ValueError, "times must ascend within an anchor");
    }
    PyMem_Free(sweep.input);
    PyMem_Free(sweep.output);
    views_close(&held);
    return done ? Py_NewRef(Py_None) : NULL;
}

/* measures(): their names in order, each with what it is taken of. */
PyObject *py_measures(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    static const char *const ACCEPTS[] = {"rows", "number", "category"};
    PyObject *list = PyTuple_New(MEASURES);
    for (int i = 0; list && i < MEASURES; i++) {
        PyObject *pair = Py_BuildValue("(ss)", TABLE[i].name, ACCEPTS[TABLE[i].accepts]);
        if (!pair || PyTuple_SetItem(list, i, pair) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}
