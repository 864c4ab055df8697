/* Last, distinct and most frequent categories where they are too many for a count of each.
 *
 * One pass goes forward over an anchor's events and stops at every boundary to serve the rows there. A value
 * holds one unit, which moves to the latest segment that it occurs in: the units after a window's edge are its
 * distinct values.
 */
#include <string.h>

#include "sweep.h"

/* What is known of one code. It belongs to the pass that named it last; a pass finds others' slots free. */
typedef struct {
    int64_t named;
    int64_t count;        /* occurrences so far */
    int64_t segment;      /* where its unit is; -1: nowhere yet */
    int64_t tally, place; /* occurrences in a window that slides, and its place among the codes there */
    int32_t code;
} Slot;

/* By code, or by a hash of it where there are many more codes than events. */
typedef struct {
    Slot *slots;
    uint64_t mask; /* 0: by code */
    int64_t named;
} Slots;

enum { FEW = 4096, GROUP = 64 };

static int open_slots(Scratch *s, Slots *slots, int64_t size, int64_t events) {
    int64_t needed = size;
    slots->mask = 0;
    if (size > FEW && size / 4 > events) {
        for (needed = 64; needed < 2 * events; needed *= 2) continue;
        slots->mask = (uint64_t)needed - 1;
    }
    slots->slots = room(s, SLOTS, needed, sizeof(Slot));
    slots->named = ++s->stamp;
    return slots->slots != NULL;
}

static Slot *find(const Slots *slots, int32_t code) {
    uint64_t at = (uint64_t)code;
    if (slots->mask) {
        at = (at * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & slots->mask;
        while (slots->slots[at].named == slots->named && slots->slots[at].code != code)
            at = (at + 1) & slots->mask;
    }
    Slot *slot = &slots->slots[at];
    if (slot->named != slots->named) *slot = (Slot){.named = slots->named, .segment = -1, .code = code};
    return slot;
}

/* The more frequent of two codes, the smaller of equals. */
typedef struct {
    int32_t code;
    int64_t count;
} Best;

static void contend(Best *best, int32_t code, int64_t count) {
    if (count > best->count || (count == best->count && code < best->code)) *best = (Best){code, count};
}

typedef struct {
    const Input *input;
    const Output *from, *to;
    int asks_distinct, asks_mode, asks_window_mode;
    Slots slots;
    int32_t *raw;
    int64_t *known;         /* values before each boundary */
    int64_t *units, *sums;  /* units by segment, and by GROUP segments */
    int64_t *range;         /* the slots of the values, in order */
    int64_t *present, held; /* the slots of the codes in a window that slides */
    int64_t values, distinct;
    int32_t latest;
    Best mode;
} Pass;

/* Go on over the next events of a segment. */
static void take(Pass *pass, const int32_t *codes, int64_t n, int64_t segment) {
    int counts = pass->asks_distinct || pass->asks_mode;
    int64_t values = pass->values, gained = 0;
    for (int64_t i = 0; i < n; i++) {
        if (codes[i] < 0) continue;
        pass->latest = codes[i];
        values++;
        if (!counts) continue;
        Slot *slot = find(&pass->slots, codes[i]);
        if (slot->segment != segment) {
            if (slot->segment >= 0) {
                pass->units[slot->segment]--;
                pass->sums[slot->segment / GROUP]--;
            } else {
                pass->distinct++;
            }
            slot->segment = segment;
            gained++;
        }
        if (!pass->asks_mode) continue;
        contend(&pass->mode, codes[i], ++slot->count);
        if (pass->asks_window_mode) pass->range[values - 1] = slot - pass->slots.slots;
    }
    pass->units[segment] += gained;
    pass->sums[segment / GROUP] += gained;
    pass->values = values;
}

static double units_between(const Pass *pass, int64_t lo, int64_t hi) {
    int64_t found = 0;
    while (lo < hi) {
        if (lo % GROUP == 0 && lo + GROUP <= hi) {
            found += pass->sums[lo / GROUP];
            lo += GROUP;
        } else {
            found += pass->units[lo++];
        }
    }
    return (double)found;
}

/* The outputs of one row that the pass holds when it comes to the row's cutoff. */
static void serve(const Block *block, const Anchor *a, const Pass *pass, int64_t r) {
    int all = block->sweep->windows;
    int64_t row = block->row[r], hi = block->hi[r] - a->first;
    for (const Output *o = pass->from; o < pass->to; o++) {
        int64_t lo = block->lo[o->window * block->rows + r] - a->first;
        if (o->measure == LAST_CATEGORY)
            put_code(o, row, pass->values > pass->known[lo] ? pass->latest : -1);
        else if (o->measure == DISTINCT && pass->asks_distinct)
            put(o, row, o->window == all ? (double)pass->distinct : units_between(pass, lo, hi));
        else if (o->measure == MODE && o->window == all)
            put_code(o, row, pass->mode.code);
    }
}

static void enter(Pass *pass, int64_t value) {
    Slot *slot = &pass->slots.slots[pass->range[value]];
    if (slot->tally++) return;
    slot->place = pass->held;
    pass->present[pass->held++] = pass->range[value];
}

static void leave(Pass *pass, int64_t value) {
    Slot *slot = &pass->slots.slots[pass->range[value]];
    if (--slot->tally) return;
    int64_t moved = pass->present[slot->place] = pass->present[--pass->held];
    pass->slots.slots[moved].place = slot->place;
}

/* The modes of one window, which slides over the values from row to row; the codes in it are compared anew. */
static void slide(const Block *block, const Anchor *a, Pass *pass, const Output *o) {
    const int64_t *lo = block->lo + (int64_t)o->window * block->rows;
    int64_t begin = 0, end = 0;
    pass->held = 0;
    for (int64_t r = a->first_row; r < a->end_row; r++) {
        int64_t to = pass->known[block->hi[r] - a->first], from = pass->known[lo[r] - a->first];
        while (end < to) enter(pass, end++);
        while (begin > from) enter(pass, --begin);
        while (begin < from) leave(pass, begin++);
        Best best = {-1, 0};
        for (int64_t i = 0; i < pass->held; i++) {
            const Slot *slot = &pass->slots.slots[pass->present[i]];
            contend(&best, slot->code, slot->tally);
        }
        put_code(o, block->row[r], best.code);
    }
    while (begin < end) leave(pass, begin++);
}

static void sweep_anchor(Scratch *s, const Block *block, const Anchor *a, Pass *pass) {
    int64_t m = a->last - a->first, r = a->first_row;
    int64_t events = block->bounds[a->last] - block->bounds[a->first];
    pass->known = room(s, KNOWN, m + 1, sizeof(int64_t));
    pass->units = room(s, UNITS, m + 1, sizeof(int64_t));
    pass->sums = room(s, TALLIES, m / GROUP + 1, sizeof(int64_t));
    if (pass->asks_window_mode) {
        pass->range = room(s, RANGE, events, sizeof(int64_t));
        pass->present = room(s, PICKED, events, sizeof(int64_t));
    }
    if (s->fault || !open_slots(s, &pass->slots, pass->input->size, events)) return;
    memset(pass->units, 0, (size_t)(m + 1) * sizeof(int64_t));
    memset(pass->sums, 0, (size_t)(m / GROUP + 1) * sizeof(int64_t));
    pass->values = pass->distinct = 0;
    pass->latest = -1;
    pass->mode = (Best){-1, 0};
    for (int64_t b = a->first; b <= a->last; b++) {
        pass->known[b - a->first] = pass->values;
        for (; r < a->end_row && block->hi[r] == b; r++) serve(block, a, pass, r);
        if (b == a->last) break;
        for (int64_t e = block->bounds[b], end = block->bounds[b + 1]; e < end; e += CHUNK) {
            int64_t until = end - e > CHUNK ? e + CHUNK : end;
            const int32_t *codes = read_codes(s, pass->input, e, until, pass->raw);
            take(pass, codes, until - e, b - a->first);
        }
    }
    for (const Output *o = pass->from; o < pass->to; o++)
        if (o->measure == MODE && o->window < block->sweep->windows) slide(block, a, pass, o);
}

void sweep_categories(Scratch *s, const Block *block, const Output *from, const Output *to) {
    Pass pass = {.input = &block->sweep->input[from->input], .from = from, .to = to};
    int served = sweep_distinct(s, block, from, to), asked = 0;
    for (const Output *o = from; o < to; o++) {
        pass.asks_distinct |= o->measure == DISTINCT && !served;
        asked |= o->measure != DISTINCT || !served;
        pass.asks_mode |= o->measure == MODE;
        pass.asks_window_mode |= o->measure == MODE && o->window < block->sweep->windows;
    }
    pass.raw = room(s, RAW, CHUNK, sizeof(double));
    for (int64_t i = 0; asked && i < block->anchors && !s->fault; i++)
        sweep_anchor(s, block, &block->anchor[i], &pass);
}
