/* Additive, extreme and latest measures of a number: parts lifted from segments, merged over windows.
 *
 * A part's mean is kept as a pair, a shift (the first value) and the mean of what is above it, so that a small
 * spread about a large value survives; parts are merged as Chan, Golub and LeVeque (1983) do. The parts of an
 * anchor's segments stand in a tree of pairs, so that a window of many segments is merged in a few steps.
 */
#include <math.h>
#include <string.h>

#include "sweep.h"

enum { WANT_SUM = 1, WANT_MOMENTS = 2, WANT_MIN = 4, WANT_MAX = 8, WANT_TREND = 16, WANT_LAST = 32 };

static const unsigned WANTS[MEASURES] = {
    [SUM] = WANT_SUM,
    [MEAN] = WANT_SUM,
    [STD] = WANT_MOMENTS,
    [MIN] = WANT_MIN,
    [MAX] = WANT_MAX,
    [TREND] = WANT_TREND | WANT_MOMENTS,
    [LAST] = WANT_LAST,
};

typedef struct {
    double n, sum, min, max;
    double shift, mean, m2;  /* the mean above the shift; squares about the mean */
    double x_mean, sxx, sxv; /* the same of the times, in microseconds after origin */
    int64_t origin;
} Part;

static const Part NOTHING = {.min = INFINITY, .max = -INFINITY};

/* The part of n > 0 values that are not NULL, x being their times after the origin. Sums run in the order of the
 * events, several side by side: segments are short, and a loop's end costs more than an addition. */
static void lift(Part *p, const double *v, const double *x, int64_t n, int64_t origin, unsigned wants) {
    double shift = v[0], sum = 0, min = shift, max = shift, above = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += v[i];
        above += v[i] - shift;
        min = v[i] < min ? v[i] : min;
        max = v[i] > max ? v[i] : max;
    }
    *p = (Part){.n = (double)n, .sum = sum, .min = min, .max = max, .shift = shift, .mean = above / (double)n};
    double mean = p->mean, m2 = 0;
    if (wants & WANT_TREND) {
        double after = 0, sxx = 0, sxv = 0;
        for (int64_t i = 0; i < n; i++) after += x[i];
        double x_mean = after / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double dv = (v[i] - shift) - mean, dx = x[i] - x_mean;
            m2 += dv * dv;
            sxx += dx * dx;
            sxv += dx * dv;
        }
        p->origin = origin;
        p->x_mean = x_mean;
        p->sxx = sxx;
        p->sxv = sxv;
    } else if (wants & WANT_MOMENTS) {
        for (int64_t i = 0; i < n; i++) {
            double dv = (v[i] - shift) - mean;
            m2 += dv * dv;
        }
    }
    p->m2 = m2;
}

static inline void merge(Part *into, const Part *other, unsigned wants) {
    if (other->n == 0) return;
    if (into->n == 0) {
        *into = *other;
        return;
    }
    double n = into->n + other->n;
    into->sum += other->sum;
    into->min = other->min < into->min ? other->min : into->min;
    into->max = other->max > into->max ? other->max : into->max;
    if (wants & WANT_MOMENTS) {
        double share = other->n / n, weight = into->n * share;
        double step = (other->shift - into->shift) + (other->mean - into->mean);
        if (wants & WANT_TREND) {
            double x_step = ticks(into->origin, other->origin) + (other->x_mean - into->x_mean);
            into->sxx += other->sxx + x_step * x_step * weight;
            into->sxv += other->sxv + x_step * step * weight;
            into->x_mean += x_step * share;
        }
        into->m2 += other->m2 + step * step * weight;
        into->mean += step * share;
    }
    into->n = n;
}

typedef struct {
    const Input *input;
    unsigned wants;
    const double *v;           /* the values read last */
    double *raw, *values, *x;  /* memory for them */
    int64_t *known;            /* how many values are before each boundary */
    double *latest;            /* and the last of them */
} Reader;

/* The values from..to that are not NULL, and the times after `from` of each; returns how many there are. */
static int64_t values_of(Scratch *s, const Block *block, Reader *reader, int64_t from, int64_t to) {
    const int64_t *times = block->sweep->times;
    const double *v = read_numbers(s, reader->input, from, to, reader->raw);
    int64_t length = to - from, nulls = 0, n = 0;
    for (int64_t i = 0; i < length; i++) nulls += v[i] != v[i];
    if (reader->wants & WANT_TREND)
        for (int64_t i = 0; i < length; i++) {
            reader->x[n] = ticks(times[from], times[from + i]);
            n += v[i] == v[i];
        }
    reader->v = v;
    if (!nulls) return length;
    n = 0;
    for (int64_t i = 0; i < length; i++) {
        reader->values[n] = v[i];
        n += v[i] == v[i];
    }
    reader->v = reader->values;
    return n;
}

/* The part of a segment, chunk by chunk; returns how many values it holds. */
static int64_t lift_segment(Scratch *s, const Block *block, Reader *reader, int64_t b, Part *part) {
    int64_t found = 0, begin = block->bounds[b], end = block->bounds[b + 1];
    part->n = 0;
    for (int64_t from = begin; from < end; from += CHUNK) {
        int64_t n = values_of(s, block, reader, from, end - from > CHUNK ? from + CHUNK : end);
        if (n == 0) continue;
        found += n;
        reader->latest[b + 1] = reader->v[n - 1];
        if (!(reader->wants & ~(unsigned)WANT_LAST)) continue;
        Part chunk;
        lift(&chunk, reader->v, reader->x, n, block->sweep->times[from], reader->wants);
        merge(part, &chunk, reader->wants);
    }
    return found;
}

/* The tree of an anchor's m segments: level 0 is the segments, each level above holds the pairs of the one below,
 * and starts where that ends. */
static void grow(Part *tree, int64_t m, unsigned wants) {
    for (Part *below = tree; m > 1; m >>= 1) {
        Part *above = below + m;
        for (int64_t j = 0; j < m >> 1; j++) {
            above[j] = below[2 * j + 1];
            merge(&above[j], &below[2 * j], wants);
        }
        below = above;
    }
}

/* Merge segments lo to hi, the later first, in as few aligned powers of two as there are. */
static void merge_range(Part *into, const Part *tree, int64_t m, int64_t lo, int64_t hi, unsigned wants) {
    while (hi > lo) {
        const Part *level = tree;
        int64_t size = m, place = hi, width = 1;
        while (!(place & 1) && hi - 2 * width >= lo) {
            level += size;
            size >>= 1;
            place >>= 1;
            width *= 2;
        }
        merge(into, &level[place - 1], wants);
        hi -= width;
    }
}

/* The parts of each row and window, as columns: finals are made of them output by output. */
typedef enum { STAGED_SUM, STAGED_M2, STAGED_MIN, STAGED_MAX, STAGED_SXX, STAGED_SXV, STAGED_PARTS } Staged;

static double *staged(double *stage, const Block *block, int window, Staged part) {
    return stage + ((int64_t)window * STAGED_PARTS + part) * block->rows;
}

static void stage_rows(const Block *block, const Anchor *anchor, const Part *tree, unsigned wants,
                       const unsigned char *asked, double *stage) {
    int64_t m = anchor->last - anchor->first, rows = block->rows;
    int windows = block->sweep->windows;
    for (int64_t r = anchor->first_row; r < anchor->end_row; r++) {
        Part part = NOTHING;
        int64_t at = block->hi[r] - anchor->first;
        for (int w = 0; w <= windows; w++) {
            if (!asked[w]) continue;
            int64_t edge = block->lo[w * rows + r] - anchor->first;
            merge_range(&part, tree, m, edge, at, wants);
            at = edge < at ? edge : at;
            staged(stage, block, w, STAGED_SUM)[r] = part.sum;
            if (wants & WANT_MOMENTS) staged(stage, block, w, STAGED_M2)[r] = part.m2;
            if (wants & WANT_MIN) staged(stage, block, w, STAGED_MIN)[r] = part.min;
            if (wants & WANT_MAX) staged(stage, block, w, STAGED_MAX)[r] = part.max;
            if (wants & WANT_TREND) {
                staged(stage, block, w, STAGED_SXX)[r] = part.sxx;
                staged(stage, block, w, STAGED_SXV)[r] = part.sxv;
            }
        }
    }
}

/* One final for every row of the block, n being the number of its values. */
#define FINAL(VALUE)                                                                                          \
    for (int64_t r = 0; r < block->rows; r++) {                                                               \
        double n = (double)(known[block->hi[r]] - known[lo[r]]);                                        \
        put(o, block->row[r], (VALUE));                                                                       \
    }                                                                                                         \
    break

static void emit(const Block *block, const Output *o, double *stage, const Reader *reader) {
    const int64_t *lo = block->lo + (int64_t)o->window * block->rows, *known = reader->known;
    const double *sum = staged(stage, block, o->window, STAGED_SUM);
    const double *m2 = staged(stage, block, o->window, STAGED_M2);
    const double *min = staged(stage, block, o->window, STAGED_MIN);
    const double *max = staged(stage, block, o->window, STAGED_MAX);
    const double *sxx = staged(stage, block, o->window, STAGED_SXX);
    const double *sxv = staged(stage, block, o->window, STAGED_SXV);
    switch (o->measure) {
    case SUM: FINAL(n > 0 ? sum[r] : 0.0);
    case MEAN: FINAL(n > 0 ? sum[r] / n : NAN);
    case STD: FINAL(n > 1 ? sqrt(m2[r] / (n - 1)) : NAN);
    case MIN: FINAL(n > 0 ? min[r] : NAN);
    case MAX: FINAL(n > 0 ? max[r] : NAN);
    case LAST: FINAL(n > 0 ? reader->latest[block->hi[r]] : NAN);
    case TREND: FINAL(n > 2 && sxx[r] > 1e-9 * DAY * DAY ? sxv[r] / sxx[r] * DAY : NAN);
    default: break;
    }
}

void sweep_numbers(Scratch *s, const Block *block, const Output *from, const Output *to) {
    Reader reader = {.input = &block->sweep->input[from->input]};
    int windows = block->sweep->windows;
    unsigned char *asked = room(s, ASKED, windows + 1, 1);
    if (!asked) return;
    memset(asked, 0, (size_t)windows + 1);
    for (const Output *o = from; o < to; o++) {
        reader.wants |= WANTS[o->measure];
        if (WANTS[o->measure] & ~(unsigned)WANT_LAST) asked[o->window] = 1;
    }
    if (!reader.wants) return;
    unsigned merged = reader.wants & ~(unsigned)WANT_LAST;
    const Anchor *end = block->anchor + block->anchors;
    int64_t bounds = end[-1].last + 1;
    reader.raw = room(s, RAW, CHUNK, sizeof(double));
    reader.values = room(s, VALUES, CHUNK, sizeof(double));
    reader.x = room(s, DAYS, CHUNK, sizeof(double));
    reader.known = room(s, KNOWN, bounds, sizeof(int64_t));
    reader.latest = room(s, LATEST, bounds, sizeof(double));
    double *stage = room(s, STAGED, (int64_t)(windows + 1) * STAGED_PARTS * block->rows, sizeof(double));
    if (s->fault) return;
    for (const Anchor *a = block->anchor; a < end; a++) {
        int64_t m = a->last - a->first;
        Part *tree = room(s, TREE, 2 * m + 2, sizeof(Part));
        if (!tree) return;
        reader.known[a->first] = 0;
        reader.latest[a->first] = NAN;
        for (int64_t b = a->first; b < a->last; b++) {
            reader.latest[b + 1] = reader.latest[b];
            int64_t found = lift_segment(s, block, &reader, b, &tree[b - a->first]);
            reader.known[b + 1] = reader.known[b] + found;
        }
        if (!merged) continue;
        grow(tree, m, merged);
        stage_rows(block, a, tree, merged, asked, stage);
    }
    for (const Output *o = from; o < to; o++) emit(block, o, stage, &reader);
}
