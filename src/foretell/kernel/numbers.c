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
    double x_mean, sxx, sxv; /* the same of the events' days after origin */
    int64_t origin;
} Part;

static const Part NOTHING = {.min = INFINITY, .max = -INFINITY};

static double total(const double *v, int64_t n, double shift) {
    double a = 0, b = 0, c = 0, d = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a += v[i] - shift;
        b += v[i + 1] - shift;
        c += v[i + 2] - shift;
        d += v[i + 3] - shift;
    }
    for (; i < n; i++) a += v[i] - shift;
    return (a + b) + (c + d);
}

/* The sum of (v - shift - mean)(w - w_mean), both already shifted. */
static double products(const double *v, double v_shift, double v_mean, const double *w, double w_shift,
                       double w_mean, int64_t n) {
    double a = 0, b = 0;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        a += ((v[i] - v_shift) - v_mean) * ((w[i] - w_shift) - w_mean);
        b += ((v[i + 1] - v_shift) - v_mean) * ((w[i + 1] - w_shift) - w_mean);
    }
    if (i < n) a += ((v[i] - v_shift) - v_mean) * ((w[i] - w_shift) - w_mean);
    return a + b;
}

/* The part of n values that are not NULL; x are their days after the origin. */
static void lift(Part *p, const double *v, const double *x, int64_t n, int64_t origin, unsigned wants) {
    *p = NOTHING;
    p->n = (double)n;
    if (n == 0) return;
    if (wants & WANT_SUM) p->sum = total(v, n, 0.0);
    if (wants & WANT_MIN)
        for (int64_t i = 0; i < n; i++) p->min = v[i] < p->min ? v[i] : p->min;
    if (wants & WANT_MAX)
        for (int64_t i = 0; i < n; i++) p->max = v[i] > p->max ? v[i] : p->max;
    if (wants & WANT_MOMENTS) {
        p->shift = v[0];
        p->mean = total(v, n, p->shift) / p->n;
        p->m2 = products(v, p->shift, p->mean, v, p->shift, p->mean, n);
    }
    if (wants & WANT_TREND) {
        p->origin = origin;
        p->x_mean = total(x, n, 0.0) / p->n;
        p->sxx = products(x, 0.0, p->x_mean, x, 0.0, p->x_mean, n);
        p->sxv = products(x, 0.0, p->x_mean, v, p->shift, p->mean, n);
    }
}

static void merge(Part *into, const Part *other, unsigned wants) {
    if (other->n == 0) return;
    if (into->n == 0) {
        *into = *other;
        return;
    }
    double n = into->n + other->n;
    if (wants & WANT_SUM) into->sum += other->sum;
    if (wants & WANT_MIN) into->min = other->min < into->min ? other->min : into->min;
    if (wants & WANT_MAX) into->max = other->max > into->max ? other->max : into->max;
    if (wants & WANT_MOMENTS) {
        double share = other->n / n, weight = into->n * share;
        double step = (other->shift - into->shift) + (other->mean - into->mean);
        if (wants & WANT_TREND) {
            double x_step = days(into->origin, other->origin) + (other->x_mean - into->x_mean);
            into->sxx += other->sxx + x_step * x_step * weight;
            into->sxv += other->sxv + x_step * step * weight;
            into->x_mean += x_step * share;
        }
        into->m2 += other->m2 + step * step * weight;
        into->mean += step * share;
    }
    into->n = n;
}

/* What is known of an input at each boundary: how many values are before it, and the last of them. */
typedef struct {
    int64_t *known;
    double *latest;
} Running;

typedef struct {
    const Input *input;
    unsigned wants;
    double *raw, *values, *x;
    Part *tree;
    Running at;
} Reader;

/* The part of a segment, chunk by chunk; returns how many values it holds, and the last of them. */
static int64_t lift_segment(Scratch *s, const Block *block, Reader *reader, int64_t b, Part *part) {
    const int64_t *times = block->sweep->times;
    int64_t found = 0;
    *part = NOTHING;
    for (int64_t from = block->bounds[b], end = block->bounds[b + 1]; from < end; from += CHUNK) {
        int64_t to = end - from > CHUNK ? from + CHUNK : end, n = 0;
        const double *v = read_numbers(s, reader->input, from, to, reader->raw);
        double *values = reader->values;
        if (reader->wants & WANT_TREND)
            for (int64_t e = from; e < to; e++) {
                values[n] = v[e - from];
                reader->x[n] = days(times[from], times[e]);
                n += v[e - from] == v[e - from];
            }
        else
            for (int64_t i = 0; i < to - from; i++) {
                values[n] = v[i];
                n += v[i] == v[i];
            }
        if (n == 0) continue;
        found += n;
        reader->at.latest[b + 1] = values[n - 1];
        if (from == block->bounds[b]) {
            lift(part, values, reader->x, n, times[from], reader->wants);
        } else {
            Part next;
            lift(&next, values, reader->x, n, times[from], reader->wants);
            merge(part, &next, reader->wants);
        }
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
        double n = (double)(at.known[block->hi[r]] - at.known[lo[r]]);                                        \
        put(o, block->row[r], (VALUE));                                                                       \
    }                                                                                                         \
    break

static void emit(const Block *block, const Output *o, double *stage, Running at) {
    const int64_t *lo = block->lo + (int64_t)o->window * block->rows;
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
    case LAST: FINAL(n > 0 ? at.latest[block->hi[r]] : NAN);
    case TREND: FINAL(n > 2 && sxx[r] > 1e-9 ? sxv[r] / sxx[r] : NAN);
    default: break;
    }
}

void sweep_numbers(Scratch *s, const Block *block, const Output *from, const Output *to) {
    Reader reader = {.input = &block->sweep->input[from->input]};
    int windows = block->sweep->windows;
    unsigned char *asked = room(s, TICKS, windows + 1, 1);
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
    reader.at.known = room(s, KNOWN, bounds, sizeof(int64_t));
    reader.at.latest = room(s, LATEST, bounds, sizeof(double));
    double *stage = room(s, STAGED, (int64_t)(windows + 1) * STAGED_PARTS * block->rows, sizeof(double));
    if (s->fault) return;
    for (const Anchor *a = block->anchor; a < end; a++) {
        int64_t m = a->last - a->first;
        Part *tree = reader.tree = room(s, TREE, 2 * m + 2, sizeof(Part));
        if (!tree) return;
        reader.at.known[a->first] = 0;
        reader.at.latest[a->first] = NAN;
        for (int64_t b = a->first; b < a->last; b++) {
            reader.at.latest[b + 1] = reader.at.latest[b];
            int64_t found = lift_segment(s, block, &reader, b, &tree[b - a->first]);
            reader.at.known[b + 1] = reader.at.known[b] + found;
        }
        if (!merged) continue;
        grow(tree, m, merged);
        stage_rows(block, a, tree, merged, asked, stage);
    }
    for (const Output *o = from; o < to; o++) emit(block, o, stage, reader.at);
}
