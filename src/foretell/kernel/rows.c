/* Measures of the events themselves: straight from positions and times. */
#include <math.h>

#include "sweep.h"

void sweep_rows(const Block *block, const Output *from, const Output *to) {
    const int64_t *times = block->sweep->times;
    for (const Output *o = from; o < to; o++) {
        const int64_t *lo = block->lo + (int64_t)o->window * block->rows;
        for (int64_t r = 0; r < block->rows; r++) {
            int64_t begin = block->bounds[lo[r]], end = block->bounds[block->hi[r]];
            int64_t n = end - begin;
            double value = NAN;
            switch (o->measure) {
            case COUNT: value = (double)n; break;
            case RECENCY: if (n > 0) value = days(times[end - 1], block->cutoff[r]); break;
            case TENURE: if (n > 0) value = days(times[begin], block->cutoff[r]); break;
            case GAP: if (n > 1) value = days(times[begin], times[end - 1]) / (double)(n - 1); break;
            default: continue;
            }
            put(o, block->row[r], value);
        }
    }
}
