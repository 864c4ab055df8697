/* Quantiles of a number: selected exactly from the values of each row's window, continuous between two of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantiles.h"
#include "sweep.h"

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The k-th smallest of v[0..n), with the smaller before it and the larger after it. */
static double pick(double *v, int64_t n, int64_t k) {
    int64_t lo = 0, hi = n - 1;
    for (int rounds = 0; lo < hi; rounds++) {
        if (rounds == 64) { /* an order made to be slow */
            qsort(v + lo, (size_t)(hi - lo + 1), sizeof(double), compare);
            break;
        }
        double a = v[lo], b = v[lo + (hi - lo) / 2], c = v[hi];
        double pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i <= j) {
                double t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return v[k];
}

double quantile(double *v, int64_t n, double q) {
    if (n == 0) return NAN;
    double place = (double)(n - 1) * q;
    int64_t k = (int64_t)place;
    double below = pick(v, n, k), above = INFINITY;
    if (place == (double)k) return below;
    for (int64_t i = k + 1; i < n; i++) above = v[i] < above ? v[i] : above;
    return below + (above - below) * (place - (double)k);
}

void sweep_quantiles(Scratch *s, const Block *block, const Output *from, const Output *to) {
    const Input *input = &block->sweep->input[from->input];
    int asked = 0;
    for (const Output *o = from; o < to; o++) asked |= o->measure == QUANTILE;
    if (!asked) return;
    double *raw = room(s, RAW, CHUNK, sizeof(double));
    for (int64_t i = 0; i < block->anchors && !s->fault; i++) {
        const Anchor *a = &block->anchor[i];
        int64_t most = block->bounds[a->last] - block->bounds[a->first], n = 0;
        double *values = room(s, VALUES, most, sizeof(double));
        double *picked = room(s, PICKED, most, sizeof(double));
        int64_t *known = room(s, KNOWN, a->last - a->first + 1, sizeof(int64_t));
        if (s->fault) return;
        known[0] = 0;
        for (int64_t b = a->first; b < a->last; b++) {
            for (int64_t e = block->bounds[b], end = block->bounds[b + 1]; e < end; e += CHUNK) {
                int64_t until = end - e > CHUNK ? e + CHUNK : end;
                const double *v = read_numbers(s, input, e, until, raw);
                for (int64_t j = 0; j < until - e; j++)
                    if (v[j] == v[j]) values[n++] = v[j];
            }
            known[b + 1 - a->first] = n;
        }
        for (int64_t r = a->first_row; r < a->end_row; r++) {
            int window = -1;
            int64_t held = 0;
            for (const Output *o = from; o < to; o++) {
                if (o->measure != QUANTILE) continue;
                if (o->window != window) {
                    int64_t lo = known[block->lo[o->window * block->rows + r] - a->first];
                    held = known[block->hi[r] - a->first] - lo;
                    memcpy(picked, values + lo, (size_t)held * sizeof(double));
                    window = o->window;
                }
                put(o, block->row[r], quantile(picked, held, o->parameter));
            }
        }
    }
}
