/* Decayed counts and sums: a recurrence over the events in their order, one rate at a time. */
#include <math.h>

#include "sweep.h"

static int decays(const Output *o) { return o->measure == DECAYED_COUNT || o->measure == DECAYED_SUM; }

/* The state of one output at each boundary of an anchor: what it was worth at the last event before it. */
static void run(Scratch *s, const Block *block, const Anchor *a, const Output *o, const double *factors,
                double *raw, double *states) {
    const Input *input = o->measure == DECAYED_SUM ? &block->sweep->input[o->input] : NULL;
    double state = states[0] = 0.0;
    for (int64_t b = a->first; b < a->last; b++) {
        for (int64_t e = block->bounds[b], end = block->bounds[b + 1]; e < end; e += CHUNK) {
            int64_t until = end - e > CHUNK ? e + CHUNK : end;
            const double *f = factors + (e - block->bounds[a->first]);
            if (input) {
                const double *v = read_numbers(s, input, e, until, raw);
                for (int64_t i = 0; i < until - e; i++) state = state * f[i] + (v[i] == v[i] ? v[i] : 0.0);
            } else {
                for (int64_t i = 0; i < until - e; i++) state = state * f[i] + 1.0;
            }
        }
        states[b + 1 - a->first] = state;
    }
}

static void sweep_rate(Scratch *s, const Block *block, const Anchor *a, double rate) {
    const int64_t *times = block->sweep->times;
    int64_t begin = block->bounds[a->first], end = block->bounds[a->last];
    double *factors = room(s, FACTORS, end - begin, sizeof(double));
    double *tails = room(s, TAILS, a->end_row - a->first_row, sizeof(double));
    double *states = room(s, STATES, a->last - a->first + 1, sizeof(double));
    double *raw = room(s, RAW, CHUNK, sizeof(double));
    if (s->fault) return;
    for (int64_t e = begin; e < end; e++) {
        int together = e == begin || times[e] == times[e - 1];
        factors[e - begin] = together ? 1.0 : exp(-rate * days(times[e - 1], times[e]));
    }
    for (int64_t r = a->first_row; r < a->end_row; r++) {
        int64_t latest = block->bounds[block->hi[r]] - 1;
        tails[r - a->first_row] = latest < begin ? 0.0 : exp(-rate * days(times[latest], block->cutoff[r]));
    }
    const Output *last = block->sweep->output + block->sweep->outputs;
    for (const Output *o = block->sweep->output; o < last; o++) {
        if (!decays(o) || o->parameter != rate) continue;
        run(s, block, a, o, factors, raw, states);
        for (int64_t r = a->first_row; r < a->end_row; r++)
            put(o, block->row[r], states[block->hi[r] - a->first] * tails[r - a->first_row]);
    }
}

void sweep_decays(Scratch *s, const Block *block) {
    const Output *first = block->sweep->output, *last = first + block->sweep->outputs;
    for (const Output *o = first; o < last; o++) {
        int seen = !decays(o);
        for (const Output *p = first; p < o && !seen; p++) seen = decays(p) && p->parameter == o->parameter;
        for (int64_t i = 0; i < block->anchors && !seen && !s->fault; i++)
            sweep_rate(s, block, &block->anchor[i], o->parameter);
    }
}
