/* Reading the inputs: every kind as doubles with NaN, or as codes with -1. */
#include <math.h>

#include "sweep.h"

/* Each event's place in the values, or one past them where it has none; a place that is not there is a fault. */
#define EACH(LOAD)                                                                                            \
    if (input->index) {                                                                                       \
        const int32_t *index = input->index + from;                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            int64_t at = index[i];                                                                            \
            if (at >= 0 && at < input->length) {                                                              \
                LOAD;                                                                                         \
            } else {                                                                                          \
                into[i] = absent;                                                                             \
                bad |= at != -1;                                                                              \
            }                                                                                                 \
        }                                                                                                     \
    } else {                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            int64_t at = from + i;                                                                            \
            LOAD;                                                                                             \
        }                                                                                                     \
    }

const double *read_numbers(Scratch *scratch, const Input *input, int64_t from, int64_t to, double *into) {
    const double absent = NAN;
    int64_t n = to - from;
    int bad = 0, strange = 0;
    if (input->kind == DOUBLES) {
        const double *values = input->values;
        if (!input->index) return values + from;
        EACH(into[i] = values[at]);
    } else if (input->kind == FLOATS) {
        const float *values = input->values;
        EACH(into[i] = values[at]);
    } else {
        const int32_t *codes = input->values;
        int32_t equals = (int32_t)input->equals;
        EACH(into[i] = codes[at] < 0 ? absent : (double)(codes[at] == equals);
             strange |= codes[at] < -1 || codes[at] >= input->size);
    }
    if (bad) scratch->fault = BAD_INDEX;
    if (strange) scratch->fault = BAD_CODE;
    return into;
}

const int32_t *read_codes(Scratch *scratch, const Input *input, int64_t from, int64_t to, int32_t *into) {
    const int32_t absent = -1;
    const int32_t *codes = input->values;
    int64_t n = to - from;
    int bad = 0, strange = 0;
    EACH(into[i] = codes[at]);
    for (int64_t i = 0; i < n; i++) {
        strange |= into[i] < -1 || into[i] >= input->size;
        if (into[i] >= input->size) into[i] = absent;
    }
    if (bad) scratch->fault = BAD_INDEX;
    if (strange) scratch->fault = BAD_CODE;
    return into;
}
