/* Counts and shares of single categories: one pass over the codes serves every category that is asked for.
 * Counts are whole numbers, so a window is the exact difference of two running counts. */
#include <math.h>
#include <string.h>

#include "sweep.h"

static int counts(const Sweep *sweep, const Output *o) {
    if (o->input < 0) return 0;
    const Input *input = &sweep->input[o->input];
    return input->kind == CODES && input->equals >= 0;
}

static int same_source(const Input *a, const Input *b) { return a->values == b->values && a->index == b->index; }

/* The end of the outputs that one pass serves. */
static const Output *together(const Sweep *sweep, const Output *from, const Output *to) {
    const Output *o = from, *end = from;
    for (; o < to && counts(sweep, o) && same_source(&sweep->input[o->input], &sweep->input[from->input]); o++) {
        if (o->measure != SUM && o->measure != MEAN) return end;
        if (o + 1 == to || o[1].input != o->input) end = o + 1;
    }
    return end;
}

const Output *sweep_shares(Scratch *s, const Block *block, const Output *from, const Output *to) {
    const Sweep *sweep = block->sweep;
    const Output *end = together(sweep, from, to);
    if (end == from) return from;
    const Input *input = &sweep->input[from->input];
    int64_t bounds = block->anchor[block->anchors - 1].last + 1, width = 1;
    /* Each category's column in the tallies, from 1 on; column 0 counts all values. */
    int32_t *column = room(s, NAMES, input->size, sizeof(int32_t));
    if (!column) return end;
    for (const Output *o = from; o < end; o++) {
        int32_t *mine = &column[sweep->input[o->input].equals];
        if (!*mine) *mine = (int32_t)width++;
    }
    int64_t *tallies = room(s, TALLIES, bounds * width, sizeof(int64_t));
    int32_t *raw = room(s, RAW, CHUNK, sizeof(double));
    for (int64_t i = 0; i < block->anchors && !s->fault; i++) {
        const Anchor *a = &block->anchor[i];
        memset(tallies + a->first * width, 0, (size_t)width * sizeof(int64_t));
        for (int64_t b = a->first; b < a->last; b++) {
            int64_t *tally = tallies + (b + 1) * width, nulls = 0;
            memcpy(tally, tally - width, (size_t)width * sizeof(int64_t));
            int64_t before = tally[0];
            for (int64_t e = block->bounds[b], stop = block->bounds[b + 1]; e < stop; e += CHUNK) {
                int64_t until = stop - e > CHUNK ? e + CHUNK : stop;
                const int32_t *codes = read_codes(s, input, e, until, raw);
                for (int64_t j = 0; j < until - e; j++) {
                    if (codes[j] < 0)
                        nulls++;
                    else
                        tally[column[codes[j]]]++;
                }
            }
            tally[0] = before + (block->bounds[b + 1] - block->bounds[b]) - nulls;
        }
    }
    for (const Output *o = from; o < end && !s->fault; o++) {
        const int64_t *lo = block->lo + (int64_t)o->window * block->rows;
        int64_t mine = column[sweep->input[o->input].equals];
        for (int64_t r = 0; r < block->rows; r++) {
            const int64_t *above = tallies + block->hi[r] * width, *below = tallies + lo[r] * width;
            double found = (double)(above[mine] - below[mine]), all = (double)(above[0] - below[0]);
            put(o, block->row[r], o->measure == SUM ? found : all > 0 ? found / all : NAN);
        }
    }
    for (const Output *o = from; o < end; o++) column[sweep->input[o->input].equals] = 0;
    return end;
}
