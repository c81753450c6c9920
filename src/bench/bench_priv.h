/* What the files of a run share: the plan, which nobody changes, and workers, each with a thread, a loop and connections
 * of its own. */
#ifndef PYRALOG_BENCH_BENCH_PRIV_H
#define PYRALOG_BENCH_BENCH_PRIV_H

#include "base/table.h"
#include "bench/bench.h"
#include "client/admin.h"
#include "os/real.h"

#include <stdatomic.h>

enum { BENCH_STALL_US = 60 * 1000 * 1000 }; /* without an answer that is due */

/* Immutable while workers run, but for `stop`. */
struct bench_plan {
	const struct bench_options *options;
	const struct client_versions *versions;
	const struct bench_payload *payload;
	const struct bench_pool *pool;
	const struct client_range *ranges; /* of each partition, before the start */
	const char *topic;
	uint32_t partitions;
	uint32_t producers; /* connections */
	uint32_t consumers;
	uint32_t committers;
	uint32_t in_flight;
	bool follow; /* consumers begin at the end and are paired with producers */
	double rate;
	uint64_t records; /* 0: until until_us */
	uint64_t start_us;
	uint64_t measure_us;
	uint64_t until_us;
	atomic_bool stop; /* any thread: finish what is under way, send nothing new */
	void *owner; /* the main thread's */
};

/* One connection's view of a partition. */
struct bench_partition {
	int32_t index;
	int64_t start;
	int64_t next; /* the next offset to read */
	/* Following: when the batches were to be sent that have not been read yet, oldest first, as a ring. */
	uint64_t *sent_us;
	size_t sent_capacity, sent_first, sent_count;
};

struct bench_sent {
	uint64_t intended_us;
	uint64_t batch_bytes;
	uint64_t payload_bytes;
};

struct bench_worker;
struct bench_send;

struct bench_producer {
	struct bench_worker *worker;
	struct client_link link;
	struct bench_partition *partitions;
	uint32_t partition_count, next;
	uint32_t per_request; /* partitions */
	struct bench_send *send; /* the request being built */
	struct bench_sent *sent; /* a ring of in_flight places: requests without an answer */
	uint32_t outstanding, sent_first;
	uint64_t batch_cursor; /* in the pool, or in the payload */
	uint64_t requests_left;
	struct bench_sent last;
	double interval_us; /* open loop */
	double due_us;
	uint64_t room_us; /* since when fewer than in_flight are outstanding */
	bool is_ready; /* the broker has answered the greeting */
	bool is_over; /* sends nothing more */
	bool is_settled; /* acks=0: the broker has answered the last question */
};

struct bench_consumer {
	struct bench_worker *worker;
	struct client_link link;
	struct bench_partition *partitions; /* its own, or its producer's */
	uint32_t partition_count, next;
	uint32_t stride, first; /* partition i has index first + i * stride */
	void *request_partitions;
	uint64_t records_left;
	uint64_t asked_us;
	bool is_ready;
	bool is_waiting;
	bool is_over;
};

struct bench_committed {
	uint64_t sent_us;
	uint32_t group;
};

struct codec_kafka_offset_commit_request_partition;

struct bench_committer {
	struct bench_worker *worker;
	struct client_link link;
	struct codec_kafka_offset_commit_request_partition *partitions; /* of every request */
	uint32_t partition_count;
	uint32_t first, next; /* its first group, and the next one's number */
	struct bench_committed *sent; /* a ring of in_flight places: requests without an answer */
	uint32_t outstanding, sent_first;
	uint64_t requests_left;
	bool is_ready;
	bool is_over;
};

struct bench_worker {
	struct os_job job;
	struct bench_plan *plan;
	uint32_t number;
	/* The worker's thread's. */
	struct os_loop *loop;
	struct os_net *net;
	struct os_timer tick;
	struct os_real_alarm *alarm;
	uint64_t alarm_us;
	struct os_task again; /* acks=0: send more once the loop had its turn */
	bool again_posted;
	struct bench_producer *producers;
	uint32_t producer_count;
	struct bench_consumer *consumers;
	uint32_t consumer_count;
	struct bench_committer *committers;
	uint32_t committer_count;
	uint64_t progress_us; /* the last answer, or the last request when none was under way */
	struct pyr_error error;
	pyr_result result;
	/* Figures; the owner's when the job is done. */
	struct bench_flow produced, fetched, committed;
	struct bench_histogram tail_us, late_us;
	uint64_t committed_offsets;
	uint64_t sent_records, acknowledged_records, missed_records, fetched_records;
	uint64_t last_us; /* of an answer */
	/* Read by the main thread meanwhile. */
	_Atomic uint64_t shown_produced, shown_fetched;
};

/* ---- worker.c ---- */

/* `run` of the worker's job. */
void bench_worker_run(struct os_job *job);
/* Ends all workers: with this error. */
[[gnu::format(printf, 3, 4)]] void bench_worker_fail(struct bench_worker *worker, enum pyr_code code,
                                                     const char *format, ...);
void bench_worker_alarm(struct bench_worker *worker, uint64_t due_us);
/* Is an answer at `now_us` measured? */
static inline bool bench_is_measured(const struct bench_plan *plan, uint64_t now_us)
{
	return now_us >= plan->measure_us && now_us < plan->until_us;
}
static inline bool bench_is_time_over(const struct bench_plan *plan, uint64_t now_us)
{
	return now_us >= plan->until_us || atomic_load_explicit(&plan->stop, memory_order_relaxed);
}

/* ---- producer.c ---- */

pyr_result bench_producer_init(struct bench_producer *producer, struct bench_worker *worker, uint32_t number);
void bench_producer_deinit(struct bench_producer *producer);
void bench_producer_pump(struct bench_producer *producer);
bool bench_producer_is_done(const struct bench_producer *producer);
/* Does the broker owe it something? */
bool bench_producer_is_waiting(const struct bench_producer *producer);

/* ---- consumer.c ---- */

pyr_result bench_consumer_init(struct bench_consumer *consumer, struct bench_worker *worker, uint32_t number,
                               struct bench_producer *paired);
void bench_consumer_deinit(struct bench_consumer *consumer);
void bench_consumer_pump(struct bench_consumer *consumer);
bool bench_consumer_is_done(const struct bench_consumer *consumer);

/* ---- committer.c ---- */

pyr_result bench_committer_init(struct bench_committer *committer, struct bench_worker *worker, uint32_t number);
void bench_committer_deinit(struct bench_committer *committer);
void bench_committer_pump(struct bench_committer *committer);
bool bench_committer_is_done(const struct bench_committer *committer);
bool bench_committer_is_waiting(const struct bench_committer *committer);

/* ---- partition.c ---- */

/* Every stride-th partition from `first` on. NULL: memory is out. */
struct bench_partition *bench_partitions_new(const struct bench_plan *plan, uint32_t first, uint32_t stride,
                                             uint32_t *ret_count);
void bench_partitions_free(struct bench_partition *partitions, uint32_t count);
pyr_result bench_partition_push(struct bench_partition *partition, uint64_t sent_us);
bool bench_partition_pop(struct bench_partition *partition, uint64_t *ret_sent_us);

#endif
