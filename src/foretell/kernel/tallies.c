/* Categories by counting: how often each has occurred before every boundary of an anchor.
 *
 * Counts are whole numbers, so what is in a window is the exact difference of two of them. One pass over the
 * codes serves every measure of them: single categories' counts and shares, distinct, mode and last. Where
 * categories are too many for a count of each, only the single ones that are asked for are counted.
 */
#include <math.h>
#include <string.h>

#include "sweep.h"

/* A count and its code fit one int32_t together, the count above, so that the larger is the more frequent. */
enum { CODE_BITS = 8, MOST = 1 << CODE_BITS, MOST_EVENTS = 1 << (31 - CODE_BITS) };
enum { LANES = 8, MOST_COUNTS = 1 << 22 };

typedef struct {
    const Input *input; /* the codes */
    int64_t width;      /* counts at each boundary */
    int32_t *column;    /* of each category; NULL: the category itself */
    int32_t *now;       /* the counts so far; that of NULLs is before them */
    int32_t *tallies;   /* the counts at each boundary of an anchor */
    int64_t *known;     /* the values before it */
    int32_t *latest;    /* the last of them */
    int32_t *raw;
} Tally;

static int counted(const Sweep *sweep, const Output *o) {
    if (o->input < 0) return 0;
    const Input *input = &sweep->input[o->input];
    if (input->kind != CODES) return 0;
    return input->equals >= 0 ? o->measure == SUM || o->measure == MEAN : input->size <= MOST;
}

static int same_codes(const Input *a, const Input *b) {
    return a->values == b->values && a->index == b->index && a->size == b->size;
}

/* The end of the outputs that one pass serves: those of whole inputs. */
static const Output *together(const Sweep *sweep, const Output *from, const Output *to) {
    const Output *end = from;
    for (const Output *o = from; o < to && counted(sweep, o); o++) {
        if (!same_codes(&sweep->input[o->input], &sweep->input[from->input])) break;
        if (o + 1 == to || o[1].input != o->input) end = o + 1;
    }
    return end;
}

/* Whether the counts of every anchor can be held. */
static int fits(const Block *block, int64_t width) {
    for (const Anchor *a = block->anchor; a < block->anchor + block->anchors; a++) {
        if (block->bounds[a->last] - block->bounds[a->first] >= MOST_EVENTS) return 0;
        if (a->last - a->first >= MOST_COUNTS / width) return 0;
    }
    return 1;
}

static const int32_t *read_columns(Scratch *s, const Tally *tally, int64_t from, int64_t to) {
    const int32_t *codes = read_codes(s, tally->input, from, to, tally->raw);
    if (!tally->column) return codes;
    for (int64_t i = 0; i < to - from; i++) tally->raw[i] = codes[i] < 0 ? -1 : tally->column[codes[i]];
    return tally->raw;
}

static void count(Scratch *s, const Block *block, const Anchor *a, const Tally *tally) {
    int64_t width = tally->width, at = 0, begin = block->bounds[a->first], end = block->bounds[a->last];
    const int64_t *bounds = block->bounds + a->first;
    int32_t *now = tally->now, latest = -1;
    memset(now - 1, 0, (size_t)(width + 1) * sizeof(int32_t));
    memset(tally->tallies, 0, (size_t)width * sizeof(int32_t));
    tally->known[0] = 0;
    tally->latest[0] = -1;
    for (int64_t from = begin, to; from < end; from = to) {
        to = end - from > CHUNK ? from + CHUNK : end;
        const int32_t *codes = read_columns(s, tally, from, to);
        for (int64_t e = from; e < to;) {
            int64_t first = e, stop = bounds[at + 1] < to ? bounds[at + 1] : to;
            for (; e < stop; e++) now[codes[e - from]]++;
            int64_t last = stop - 1;
            while (last >= first && codes[last - from] < 0) last--;
            if (last >= first) latest = codes[last - from];
            if (stop < bounds[at + 1]) break;
            at++;
            memcpy(tally->tallies + at * width, now, (size_t)width * sizeof(int32_t));
            tally->known[at] = stop - begin - now[-1];
            tally->latest[at] = latest;
        }
    }
}

static int64_t distinct(const int32_t *above, const int32_t *below, int64_t width) {
    int32_t found = 0;
    for (int64_t c = 0; c < width; c++) found += above[c] != below[c];
    return found;
}

/* The first of the most frequent, -1 where there is none. */
static int32_t mode(const int32_t *above, const int32_t *below, int64_t width) {
    int32_t best = 0;
    for (int32_t c = 0; c < (int32_t)width; c++) {
        int32_t key = (above[c] - below[c]) * MOST + (MOST - 1 - c);
        best = key > best ? key : best;
    }
    return best < MOST ? -1 : MOST - 1 - best % MOST;
}

static void serve(const Block *block, const Anchor *a, const Output *o, const Tally *tally) {
    const Input *input = &block->sweep->input[o->input];
    const int64_t *lo = block->lo + o->window * block->rows, *known = tally->known;
    int64_t mine = input->equals < 0 ? 0 : tally->column ? tally->column[input->equals] : input->equals;
    for (int64_t r = a->first_row; r < a->end_row; r++) {
        int64_t from = lo[r] - a->first, to = block->hi[r] - a->first, row = block->row[r];
        const int32_t *below = tally->tallies + from * tally->width, *above = tally->tallies + to * tally->width;
        int64_t all = known[to] - known[from];
        switch (o->measure) {
        case SUM: put(o, row, (double)(above[mine] - below[mine])); break;
        case MEAN: put(o, row, all > 0 ? (double)(above[mine] - below[mine]) / (double)all : NAN); break;
        case DISTINCT: put(o, row, (double)distinct(above, below, tally->width)); break;
        case MODE: put_code(o, row, mode(above, below, tally->width)); break;
        case LAST_CATEGORY: put_code(o, row, all > 0 ? tally->latest[to] : -1); break;
        default: break;
        }
    }
}

/* Name a column for each category that is asked for; the first counts all others. Returns their number. */
static int64_t name_columns(Scratch *s, const Sweep *sweep, Tally *tally, const Output *from, const Output *end) {
    int64_t width = 1;
    tally->column = room(s, NAMES, tally->input->size, sizeof(int32_t));
    for (const Output *o = from; tally->column && o < end; o++) {
        int32_t *mine = &tally->column[sweep->input[o->input].equals];
        if (!*mine) *mine = (int32_t)width++;
    }
    return width;
}

const Output *sweep_tallies(Scratch *s, const Block *block, const Output *from, const Output *to) {
    const Sweep *sweep = block->sweep;
    const Output *end = together(sweep, from, to);
    if (end == from) return from;
    Tally tally = {.input = &sweep->input[from->input]};
    int64_t width = tally.input->size > MOST ? name_columns(s, sweep, &tally, from, end) : tally.input->size;
    if (width < 1) width = 1; /* a column without a value has no categories */
    tally.width = (width + LANES - 1) / LANES * LANES;
    int held = fits(block, tally.width);
    int64_t most = 0;
    for (int64_t i = 0; i < block->anchors; i++) {
        int64_t m = block->anchor[i].last - block->anchor[i].first;
        most = m > most ? m : most;
    }
    if (held) {
        tally.now = room(s, UNITS, tally.width + LANES, sizeof(int32_t));
        tally.tallies = room(s, TALLIES, (most + 1) * tally.width, sizeof(int32_t));
        tally.known = room(s, KNOWN, most + 1, sizeof(int64_t));
        tally.latest = room(s, LATEST, most + 1, sizeof(int32_t));
        tally.raw = room(s, RAW, CHUNK, sizeof(double));
        if (!s->fault) tally.now += LANES;
    }
    for (const Anchor *a = block->anchor; held && a < block->anchor + block->anchors && !s->fault; a++) {
        count(s, block, a, &tally);
        for (const Output *o = from; o < end; o++) serve(block, a, o, &tally);
    }
    if (tally.column)
        for (const Output *o = from; o < end; o++) tally.column[sweep->input[o->input].equals] = 0;
    return held ? end : from;
}
