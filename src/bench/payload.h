/* What is sent: an endless source of records, and a pool of batches built from it before the clock starts.
 *
 * random: printable characters from a seed, no two records of a batch alike, nothing that compression could find.
 * flights: the rows of a CSV file with a header line as JSON objects, keyed by their column `carrier`; fields without quotes.
 * A pool is immutable once made: several threads send from it. */
#ifndef PYRALOG_BENCH_PAYLOAD_H
#define PYRALOG_BENCH_PAYLOAD_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/compress.h"

#include <stdint.h>

enum bench_payload_kind { BENCH_RANDOM, BENCH_FLIGHTS };

struct bench_payload_options {
	enum bench_payload_kind kind;
	const char *flights_path;
	uint64_t seed;
	uint32_t record_bytes; /* random only: of the value */
	uint32_t batch_records;
	uint32_t keys; /* random only: so many different ones, drawn at random; 0: records have none */
	enum codec_compression codec;
};

struct bench_payload;

/* Reads the file if there is one. PYR_USAGE, PYR_IO, PYR_OUT_OF_MEMORY with a sentence. */
pyr_result bench_payload_new(const struct bench_payload_options *options, struct bench_payload **ret_payload,
                             struct pyr_error *error);
void bench_payload_free(struct bench_payload *payload);

struct bench_batch {
	struct base_slice bytes;
	uint64_t payload_bytes; /* keys and values */
};

/* The batch that a position in the source begins with; *cursor moves on. Any thread, each with its own cursor. */
pyr_result bench_payload_build(const struct bench_payload *payload, int64_t timestamp_ms, uint64_t *cursor,
                               struct bench_batch *ret_batch);

struct bench_pool {
	struct bench_batch *batches;
	uint32_t count;
	uint64_t bytes; /* of all batches */
	uint64_t raw_bytes; /* the same, uncompressed */
	uint64_t payload_bytes;
};

pyr_result bench_pool_init(struct bench_pool *pool, const struct bench_payload *payload, int64_t timestamp_ms,
                           struct pyr_error *error);
void bench_pool_deinit(struct bench_pool *pool);

#endif
