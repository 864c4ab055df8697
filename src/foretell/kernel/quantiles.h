/* Exact quantiles of values in memory. */
#ifndef FORETELL_QUANTILES_H
#define FORETELL_QUANTILES_H

#include <stdint.h>

/* Between the two nearest of v[0..n), which are put into another order; NaN where n is 0. */
double quantile(double *v, int64_t n, double q);

#endif
