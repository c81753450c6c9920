/* The steps of a batch's way, one at a time: what they cost in time, and (by instructions.py) in instructions.
 *
 *   bench_path                  every step: nanoseconds
 *   bench_path STEP COUNT       that step COUNT times, and nothing else: for a profiler
 *
 *   crc       64 KiB that lie in the cache
 *   decode    a Produce request of 4 partitions, batches left as they are
 *   validate  a batch of 100 records of 100 bytes
 *   append    a batch of 10 records of 100 bytes, through a group of 64, to its answer; the disk is simulated
 *   read      what 64 such batches take, from the tail cache, in one answer
 */
#include "base/crc32c.h"
#include "codec/batch.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "log/log.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTITION = 16, GROUP_BATCHES = 64, CRC_BYTES = 64 << 10, REQUEST_PARTITIONS = 4 };

struct waiting {
	struct log_append append;
	size_t *answered;
};

struct bench {
	struct os_sim *sim;
	struct log *log;
	struct base_slice small, large; /* batches of 10 and of 100 records */
	struct base_slice request;
	uint8_t *bytes;
	struct waiting waiting[GROUP_BATCHES];
	int64_t appended; /* records */
};

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "bench_path: %s\n", what);
	exit(1);
}

static struct base_slice make_batch(int records)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	uint8_t value[100];
	memset(value, 'v', sizeof value);
	codec_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
	for (int i = 0; i < records; i++)
		codec_batch_builder_add(&builder, 1700000000000 + i, (struct base_bytes){0},
		                        (struct base_bytes){value, sizeof value}, NULL, 0);
	must(codec_batch_builder_take(&builder, &batch).code == PYR_OK, "out of memory");
	codec_batch_builder_deinit(&builder);
	return batch;
}

/* ---- the log's surroundings ---- */

static pyr_result accept(void *context, struct base_bytes bytes)
{
	(void)context;
	(void)bytes;
	return pyr_ok();
}

static pyr_result take_nothing(void *context, struct base_slice *ret_bytes)
{
	(void)context;
	*ret_bytes = (struct base_slice){0};
	return pyr_ok();
}

static void open_log(struct bench *bench)
{
	static const struct log_observer observer = {.restore = accept, .apply = accept, .snapshot = take_nothing};
	static const struct log_partition_config config = {
		.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 30};
	struct log_options options = log_options_default();
	struct pyr_error error;
	options.checkpoint_bytes = 1 << 30; /* sealing is not part of this */
	bench->sim = os_sim_new(1);
	must(log_open(os_sim_loop_new(bench->sim), os_sim_disk_new(bench->sim), &options, &observer, &bench->log,
	              &error)
	                     .code == PYR_OK,
	     "the log can't be opened");
	must(log_partition_create(bench->log, PARTITION, &config).code == PYR_OK, "out of memory");
}

/* ---- steps ---- */

static void step_crc(struct bench *bench)
{
	bench->bytes[0] = (uint8_t)base_crc32c(0, bench->bytes, CRC_BYTES);
}

static void step_decode(struct bench *bench)
{
	struct base_reader reader = base_reader_init(bench->request.data, bench->request.bytes);
	struct codec_kafka_produce_request message;
	struct codec_arena arena;
	codec_arena_init(&arena, 1 << 20);
	must(codec_kafka_produce_request_decode(&reader, 9, &arena, &message).code == PYR_OK,
	     "the request is malformed");
	codec_arena_deinit(&arena);
}

static void step_validate(struct bench *bench)
{
	struct codec_batch batch;
	struct pyr_error error;
	int64_t min_timestamp_ms;
	must(codec_batch_parse((struct base_bytes){bench->large.data, bench->large.bytes}, &batch).code == PYR_OK &&
	             codec_batch_validate(&batch, 1 << 20, &min_timestamp_ms, &error).code == PYR_OK,
	     "the batch is malformed");
}

static void on_answer(struct log_append *append)
{
	struct waiting *waiting = (struct waiting *)append;
	must(append->result.code == PYR_OK, "an append was refused");
	*waiting->answered += 1;
}

static void append_group(struct bench *bench)
{
	size_t answered = 0;
	for (size_t i = 0; i < GROUP_BATCHES; i++) {
		struct waiting *waiting = &bench->waiting[i];
		*waiting =
			(struct waiting){.append = {.partition = PARTITION, .done = on_answer}, .answered = &answered};
		waiting->append.batch = base_slice_copy(bench->small.data, bench->small.bytes);
		waiting->append.min_timestamp_ms = 1700000000000;
		log_append(bench->log, &waiting->append);
	}
	while (answered < GROUP_BATCHES)
		must(os_sim_step(bench->sim), "nothing happens any more");
	bench->appended += GROUP_BATCHES * 10;
}

static void step_read(struct bench *bench)
{
	if (bench->appended == 0)
		append_group(bench);
	struct log_read read = {.partition = PARTITION, .bytes_max = 1 << 20, .whole_batch_first = true};
	read.offset = bench->appended - GROUP_BATCHES * 10;
	must(log_read(bench->log, &read) && read.slice_count == GROUP_BATCHES, "the tail cache does not have it");
	log_read_release(&read);
}

static const struct step {
	const char *name;
	void (*run)(struct bench *bench);
	unsigned items; /* of one run */
	unsigned runs; /* when timed */
} steps[] = {
	{"crc", step_crc, 1, 20000},
	{"decode", step_decode, 1, 200000},
	{"validate", step_validate, 1, 200000},
	{"append", append_group, GROUP_BATCHES, 2000},
	{"read", step_read, 1, 100000},
};

static struct base_slice make_request(const struct bench *bench)
{
	struct codec_kafka_produce_request message = codec_kafka_produce_request_default;
	struct codec_kafka_produce_request_topic topic = codec_kafka_produce_request_topic_default;
	struct codec_kafka_produce_request_partition partitions[REQUEST_PARTITIONS];
	struct base_writer writer;
	struct base_slice bytes;
	for (int i = 0; i < REQUEST_PARTITIONS; i++) {
		partitions[i] = codec_kafka_produce_request_partition_default;
		partitions[i].index = i;
		partitions[i].records.data = bench->small.data;
		partitions[i].records.bytes = bench->small.bytes;
	}
	topic.name = (struct base_bytes){(const uint8_t *)"flights", 7};
	topic.partitions = partitions;
	topic.partitions_count = REQUEST_PARTITIONS;
	message.acks = -1;
	message.topics = &topic;
	message.topics_count = 1;
	base_writer_init(&writer, 1 << 20);
	codec_kafka_produce_request_encode(&writer, 9, &message);
	must(base_writer_take(&writer, &bytes).code == PYR_OK, "out of memory");
	base_writer_deinit(&writer);
	return bytes;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	must(argc == 1 || count > 0, "usage: bench_path [STEP COUNT]");
	bench.small = make_batch(10);
	bench.large = make_batch(100);
	bench.request = make_request(&bench);
	bench.bytes = calloc(1, CRC_BYTES);
	must(bench.bytes, "out of memory");
	open_log(&bench);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		const struct step *step = &steps[i];
		if (argc == 3 && strcmp(argv[1], step->name) != 0)
			continue;
		unsigned long runs = argc == 3 ? count : step->runs;
		double before = seconds_now();
		for (unsigned long k = 0; k < runs; k++)
			step->run(&bench);
		double each = (seconds_now() - before) / (double)(runs * step->items);
		if (argc == 1)
			printf("%-10s %10.1f ns\n", step->name, each * 1e9);
	}
	return 0;
}
