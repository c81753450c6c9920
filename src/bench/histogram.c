/* Buckets (see histogram.h): a value keeps its eleven leading bits, and the slot's number is those and how many bits were
 * dropped. Source: HdrHistogram, "HDR: High Dynamic Range". One owner. */
#include "bench/histogram.h"

static unsigned dropped_bits(uint64_t value)
{
	return value < 2 * BENCH_HISTOGRAM_HALF ? 0 : 63 - 10 - (unsigned)__builtin_clzll(value);
}

static unsigned slot_of(uint64_t value)
{
	const uint64_t last = ((uint64_t)1 << BENCH_HISTOGRAM_BITS_MAX) - 1;
	if (value > last)
		value = last;
	unsigned dropped = dropped_bits(value);
	return dropped * BENCH_HISTOGRAM_HALF + (unsigned)(value >> dropped);
}

/* The largest value that the slot holds. */
static uint64_t slot_top(unsigned slot)
{
	unsigned dropped = slot < 2 * BENCH_HISTOGRAM_HALF ? 0 : slot / BENCH_HISTOGRAM_HALF - 1;
	uint64_t leading = slot - dropped * BENCH_HISTOGRAM_HALF;
	return ((leading + 1) << dropped) - 1;
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t value)
{
	histogram->count += 1;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->slots[slot_of(value)] += 1;
}

void bench_histogram_merge(struct bench_histogram *to, const struct bench_histogram *from)
{
	to->count += from->count;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
	for (unsigned i = 0; i < BENCH_HISTOGRAM_SLOTS; i++)
		to->slots[i] += from->slots[i];
}

uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double fraction)
{
	uint64_t seen = 0;
	double wanted = fraction * (double)histogram->count;
	for (unsigned i = 0; i < BENCH_HISTOGRAM_SLOTS; i++) {
		seen += histogram->slots[i];
		if (histogram->slots[i] > 0 && (double)seen >= wanted) {
			uint64_t top = slot_top(i);
			return top < histogram->max && i + 1 < BENCH_HISTOGRAM_SLOTS ? top : histogram->max;
		}
	}
	return histogram->max;
}

double bench_histogram_mean(const struct bench_histogram *histogram)
{
	return histogram->count > 0 ? (double)histogram->sum / (double)histogram->count : 0;
}
