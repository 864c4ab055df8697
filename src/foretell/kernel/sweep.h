/* A sweep: measures of the events before each row's cutoff, over nested windows.
 *
 * Rows are taken in blocks of anchors. For each anchor the cutoffs and window edges of its rows divide its
 * events at boundaries; a segment lies between two that follow one another, and is never empty. What is read
 * of a segment rests on its events alone, and what is made of a row on the segments before its cutoff: no later
 * event can change it.
 */
#ifndef FORETELL_SWEEP_H
#define FORETELL_SWEEP_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    COUNT,
    RECENCY,
    TENURE,
    GAP,
    DECAYED_COUNT,
    SUM,
    MEAN,
    STD,
    MIN,
    MAX,
    LAST,
    TREND,
    DECAYED_SUM,
    QUANTILE,
    LAST_CATEGORY,
    DISTINCT,
    MODE,
    MEASURES
} Measure;

typedef enum { OF_ROWS, OF_NUMBER, OF_CATEGORY } Accepts;

typedef enum { DOUBLES, FLOATS, CODES } Kind;

typedef struct {
    Kind kind;
    const void *values;   /* double, float or int32_t */
    const int32_t *index; /* by event, or NULL: values are by event */
    int64_t length;       /* of values */
    int64_t size;         /* codes are below it */
    int64_t equals;       /* a category that makes codes a number; -1: none */
} Input;

typedef struct {
    Measure measure;
    int input;        /* -1: the events themselves */
    int window;       /* the number of windows: all history */
    double parameter; /* a decay's rate per day, or a quantile's q */
    void *column;     /* by row: double, float, or int32_t for a category */
    int wide;         /* double */
} Output;

typedef struct {
    const int64_t *offsets, *times; /* events by anchor */
    const int64_t *row_offsets;     /* rows by anchor: positions in order */
    const int32_t *order;           /* the rows */
    const int64_t *cutoffs, *edges; /* by row; edges by window and row */
    const int64_t *sizes;           /* by window, ascending: how many of the last events; NULL: by edges */
    int64_t rows;
    int windows, inputs, outputs;
    Input *input;
    Output *output; /* in the order of their inputs */
} Sweep;

typedef struct {
    int64_t first_row, end_row;       /* rows of the block, by cutoff */
    int64_t first, last;              /* its boundaries in the block: the first is its first event */
} Anchor;

/* Some anchors' rows and boundaries, all numbered from 0 in the block. */
typedef struct {
    const Sweep *sweep;
    int64_t anchors, rows;
    Anchor *anchor;
    int64_t *bounds; /* events before each boundary */
    int32_t *row;    /* each row's place in the columns */
    int64_t *cutoff;
    int64_t *hi; /* each row's boundary at its cutoff */
    int64_t *lo; /* by window, all history after them, and row: the boundary at the window's edge */
} Block;

typedef enum { FINE, NO_MEMORY, BAD_INDEX, BAD_CODE, BAD_TIMES } Fault;

/* Memory that is kept from block to block and grows on demand. */
typedef struct {
    void *items;
    size_t bytes;
} Store;

/* Which store holds what. */
enum {
    MARKS,
    SLOTS,
    NAMES,
    STAMPS,
    LAST_ZEROED = STAMPS,
    ANCHORS,
    BOUNDS,
    ROWS,
    CUTOFFS,
    HI,
    LO,
    SORTED,
    PLACES,
    RAW,
    VALUES,
    DAYS,
    TREE,
    LATEST,
    KNOWN,
    STAGED,
    FACTORS,
    TAILS,
    STATES,
    TALLIES,
    RANGE,
    PICKED,
    UNITS,
    ASKED,
    STORES
};

typedef struct {
    Store store[STORES];
    Fault fault;
    int64_t stamp; /* counts up through a sweep: what was written under an older stamp is void */
} Scratch;

/* Room for so many items of so many bytes in one of the stores; NULL and a fault where there is no memory. Old
 * items are kept; new room is zero in the stores up to LAST_ZEROED. */
void *room(Scratch *scratch, int which, int64_t items, size_t bytes);

#define DAY 86400e6 /* in microseconds */

/* Microseconds from one instant to another, without overflow. */
static inline double ticks(int64_t from, int64_t to) {
    const int64_t far = INT64_C(1) << 62;
    if (from > -far && from < far && to > -far && to < far) return (double)(to - from);
    return (double)to - (double)from;
}

static inline double days(int64_t from, int64_t to) { return ticks(from, to) / DAY; }

static inline double within(double value, double most) {
    value = value > most ? most : value;
    return value < -most ? -most : value;
}

/* An output's value of one row; one that is too large for the column becomes the largest that it holds. */
static inline void put(const Output *output, int64_t row, double value) {
    if (output->wide)
        ((double *)output->column)[row] = within(value, DBL_MAX);
    else
        ((float *)output->column)[row] = (float)within(value, FLT_MAX);
}

static inline void put_code(const Output *output, int64_t row, int32_t code) {
    ((int32_t *)output->column)[row] = code;
}

enum { CHUNK = 1024 };

/* read.c: the values of events from..to, NaN being NULL, and codes, -1 being NULL; at most CHUNK of them, in
 * the memory given or in the input's own. */
const double *read_numbers(Scratch *, const Input *, int64_t from, int64_t to, double *into);
const int32_t *read_codes(Scratch *, const Input *, int64_t from, int64_t to, int32_t *into);

/* The outputs from..to of a sweep, all of one input, for the rows of a block; each takes those of its measures. */
void sweep_rows(const Block *, const Output *from, const Output *to);                  /* rows.c */
void sweep_numbers(Scratch *, const Block *, const Output *from, const Output *to);    /* numbers.c */
void sweep_quantiles(Scratch *, const Block *, const Output *from, const Output *to);  /* quantiles.c */
void sweep_categories(Scratch *, const Block *, const Output *from, const Output *to); /* categories.c */

/* distinct.c: the same, of distinct alone. Returns whether it took them: not where categories are very many. */
int sweep_distinct(Scratch *, const Block *, const Output *from, const Output *to);

/* The decayed outputs of all inputs. */
void sweep_decays(Scratch *, const Block *); /* decays.c */

/* tallies.c: outputs of inputs that share their codes. Returns the end of those that it took: `from` where the
 * outputs there are not of that kind, or there is too much to count. */
const Output *sweep_tallies(Scratch *, const Block *, const Output *from, const Output *to);

#endif
