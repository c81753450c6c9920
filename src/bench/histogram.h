/* Latencies in fixed memory: counts in buckets whose width grows with the value, so that every value up to an hour is
 * kept to three significant digits (as HdrHistogram does it). Histograms of several threads add up.
 *
 * Values are microseconds here, but nothing depends on that. One owner; any thread. */
#ifndef PYRALOG_BENCH_HISTOGRAM_H
#define PYRALOG_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	BENCH_HISTOGRAM_HALF = 1024, /* values below twice that are exact, above one part in so many */
	BENCH_HISTOGRAM_BITS_MAX = 36,
	BENCH_HISTOGRAM_SLOTS = BENCH_HISTOGRAM_HALF * (BENCH_HISTOGRAM_BITS_MAX - 10 + 1),
};

/* Zeroed is empty. About 220 KB. */
struct bench_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t slots[BENCH_HISTOGRAM_SLOTS];
};

/* Values beyond the last slot count as the last slot's; `max` and `sum` stay exact. */
void bench_histogram_add(struct bench_histogram *histogram, uint64_t value);
void bench_histogram_merge(struct bench_histogram *to, const struct bench_histogram *from);
/* The value that `fraction` (0 to 1) of all values do not exceed, rounded up within its slot; 0 when empty. */
uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double fraction);
double bench_histogram_mean(const struct bench_histogram *histogram);

#endif
