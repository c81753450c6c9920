/* A load generator for whatever speaks Kafka's protocol: how much a broker takes and gives, and how fast it answers.
 *
 * Closed loop: each connection keeps `in_flight` requests under way, and a latency begins when its request is handed to
 * the connection. Open loop (rate > 0): requests have times at which they should be sent, whatever the broker does, and a
 * latency begins then; a request that could not even be sent before the end counts with the time it has waited.
 * Counted is what was answered without an error. Blocking; the calling thread, and `threads` of its own. */
#ifndef PYRALOG_BENCH_BENCH_H
#define PYRALOG_BENCH_BENCH_H

#include "bench/histogram.h"
#include "bench/payload.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum bench_mode {
	BENCH_PRODUCE,
	BENCH_FETCH, /* reads the topic from its beginning, again and again */
	BENCH_TAIL, /* reads what is being produced: from the time of sending to the consumer */
	BENCH_MIXED, /* BENCH_PRODUCE and BENCH_FETCH at once */
	BENCH_COMMIT, /* commits offsets of many groups */
	BENCH_MEMBERS, /* makes a group of `connections` members, and again */
	BENCH_MODE_COUNT,
};

enum {
	BENCH_TOPIC_BYTES_MAX = 249,
	BENCH_CONNECTIONS_MAX = 10000,
	BENCH_THREADS_MAX = 64,
	BENCH_ROUNDS = 3, /* of BENCH_MEMBERS */
};

struct bench_progress {
	double seconds; /* since the start; warm-up included */
	bool is_warming_up;
	bool is_preparing;
	double produced_records_per_s; /* since the last call */
	double fetched_records_per_s;
};

struct bench_options {
	const char *host;
	uint16_t port;
	enum bench_mode mode;
	const char *topic; /* NULL: a fresh one, deleted at the end */
	bool keep; /* do not delete it */
	const char *topic_config; /* of a topic that is created: "key=value,key=value" */
	uint32_t partitions; /* likewise */
	uint32_t connections; /* that produce, and that read */
	uint32_t readers; /* mixed: connections that read */
	uint32_t threads;
	uint32_t in_flight; /* requests, per producing connection */
	uint32_t partitions_per_request;
	uint32_t groups; /* that are committed for */
	uint32_t fetch_bytes; /* of one partition, per request */
	uint64_t prepare_bytes; /* of records put into a fresh topic before it is read */
	struct bench_payload_options payload;
	bool honest; /* build every batch when it is sent */
	bool check; /* verify the checksum of every batch that is read */
	int16_t acks;
	double rate; /* records per second, all connections together; 0: closed loop */
	uint64_t warmup_us;
	uint64_t duration_us; /* behind the warm-up */
	uint64_t records; /* ends the run when so many were produced (or read); 0: duration_us does */
	uint32_t broker_pid; /* 0: not known */
	void (*progress)(void *context, const struct bench_progress *progress); /* each second; may be NULL */
	void *progress_context;
};

/* What was answered while it was measured. */
struct bench_flow {
	uint64_t requests;
	uint64_t records;
	uint64_t batch_bytes; /* as sent: headers and compression included */
	uint64_t payload_bytes; /* keys and values; 0 for reading, which does not look inside */
	struct bench_histogram latency_us;
};

struct bench_result {
	char topic[BENCH_TOPIC_BYTES_MAX + 1];
	uint32_t partitions;
	double seconds; /* measured */
	struct bench_flow produced;
	struct bench_flow fetched;
	struct bench_flow committed; /* records: offsets */
	struct bench_histogram settled_us; /* BENCH_MEMBERS: from the first JoinGroup to the last member's assignment */
	struct bench_histogram tail_us; /* from the intended time of sending until a consumer has the batch */
	struct bench_histogram
		late_us; /* open loop: the generator's own delay, behind the intended time and a free place in flight */
	double compression; /* uncompressed by compressed bytes of the batches; 1 without */
	/* The whole run, warm-up included. */
	uint64_t sent_records;
	uint64_t acknowledged_records;
	uint64_t committed_offsets;
	uint64_t missed_records; /* open loop: scheduled, but there was no time left to send them */
	uint64_t log_records; /* by how much the partitions' high watermarks rose */
	uint64_t fetched_records;
	bool has_usage; /* broker_pid was given */
	double broker_cpu_s; /* while it was measured */
	uint64_t broker_peak_bytes;
	double own_cpu_s;
};

/* The defaults of `pyralog bench`. */
struct bench_options bench_options_default(void);

/* Runs until it is over or interrupted (SIGINT: the result is that of the time until then). *ret_result is freed with
 * free(). PYR_USAGE: options that do not go together; otherwise what the broker or the connection said. */
pyr_result bench_run(const struct bench_options *options, struct bench_result **ret_result, struct pyr_error *error);

const char *bench_mode_name(enum bench_mode mode);
bool bench_mode_produces(enum bench_mode mode);
bool bench_mode_reads(enum bench_mode mode);
void bench_print_table(const struct bench_options *options, const struct bench_result *result, FILE *out);
/* One JSON object with the options and all figures. PYR_OUT_OF_MEMORY. */
pyr_result bench_print_json(const struct bench_options *options, const struct bench_result *result, FILE *out);

#endif
