/* Distinct categories where there are too many for a count of each.
 *
 * One pass goes forward over an anchor's events and stops at every boundary to serve the rows there. A value
 * holds one unit, which moves to the latest segment that it occurs in: the units after a window's edge are its
 * distinct values.
 */
#include <string.h>

#include "sweep.h"

enum { MOST = 1 << 16, GROUP = 64 };

/* Places of units: 0 before all segments, for values not seen yet (below 0, it counts those that were), then each
 * segment. Groups of segments have their own sums, after that of place 0. */
typedef struct {
    int64_t *stamps; /* by code: of the segment that holds its unit, from `first` on; what is older is void */
    int64_t first;
    int64_t *units, *sums;
} Units;

/* The values of n events of a segment. */
static void take(const Units *units, const int32_t *codes, int64_t n, int64_t segment) {
    int64_t values = 0;
    for (int64_t i = 0; i < n; i++) {
        if (codes[i] < 0) continue;
        int64_t held = units->stamps[codes[i]] - units->first;
        held = held < 0 ? -1 : held;
        units->stamps[codes[i]] = units->first + segment;
        units->units[held + 1]--;
        units->sums[(held + GROUP) / GROUP]--;
        values++;
    }
    units->units[segment + 1] += values;
    units->sums[(segment + GROUP) / GROUP] += values;
}

static int64_t between(const Units *units, int64_t lo, int64_t hi) {
    int64_t found = 0;
    while (lo < hi) {
        if (lo % GROUP == 0 && lo + GROUP <= hi) {
            found += units->sums[lo / GROUP + 1];
            lo += GROUP;
        } else {
            found += units->units[++lo];
        }
    }
    return found;
}

/* The rows from r on whose cutoff is at a boundary; returns the row after them. */
static int64_t serve(const Block *block, const Anchor *a, const Units *units, const Output *from, const Output *to,
                     int64_t boundary, int64_t r) {
    for (; r < a->end_row && block->hi[r] == boundary; r++)
        for (const Output *o = from; o < to; o++) {
            if (o->measure != DISTINCT) continue;
            int64_t lo = block->lo[o->window * block->rows + r];
            int64_t found = lo == a->first ? -units->units[0] : between(units, lo - a->first, boundary - a->first);
            put(o, block->row[r], (double)found);
        }
    return r;
}

static void sweep_anchor(Scratch *s, const Block *block, const Anchor *a, const Output *from, const Output *to) {
    const Input *input = &block->sweep->input[from->input];
    int64_t m = a->last - a->first, b = a->first, end = block->bounds[a->last];
    Units units = {.stamps = room(s, STAMPS, input->size, sizeof(int64_t)), .first = s->stamp + 1};
    units.units = room(s, UNITS, m + 1, sizeof(int64_t));
    units.sums = room(s, TALLIES, m / GROUP + 2, sizeof(int64_t));
    int32_t *raw = room(s, RAW, CHUNK, sizeof(double));
    if (s->fault) return;
    s->stamp += m;
    memset(units.units, 0, (size_t)(m + 1) * sizeof(int64_t));
    memset(units.sums, 0, (size_t)(m / GROUP + 2) * sizeof(int64_t));
    int64_t r = serve(block, a, &units, from, to, b, a->first_row);
    for (int64_t at = block->bounds[b], until; at < end; at = until) {
        until = end - at > CHUNK ? at + CHUNK : end;
        const int32_t *codes = read_codes(s, input, at, until, raw);
        for (int64_t e = at, stop; e < until; e = stop) {
            stop = block->bounds[b + 1] < until ? block->bounds[b + 1] : until;
            take(&units, codes + (e - at), stop - e, b - a->first);
            if (stop < block->bounds[b + 1]) continue;
            r = serve(block, a, &units, from, to, ++b, r);
        }
    }
}

int sweep_distinct(Scratch *s, const Block *block, const Output *from, const Output *to) {
    if (block->sweep->input[from->input].size > MOST) return 0;
    int asked = 0;
    for (const Output *o = from; o < to; o++) asked |= o->measure == DISTINCT;
    for (int64_t i = 0; asked && i < block->anchors && !s->fault; i++)
        sweep_anchor(s, block, &block->anchor[i], from, to);
    return 1;
}
