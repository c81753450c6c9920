/* Ten thousand partitions, each with one small record a second, for some virtual minutes: files, open files, memory for the
 * tail and bytes written stay within bounds, and after a power cut everything is there.
 *
 *   sim_many [--minutes N]
 */
#include "codec/batch.h"
#include "log/log.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 10000, FIRST = 16, VALUE_BYTES = 100, SECOND_US = 1000000, OPEN_FILES_MAX = 24 };

/* The bounds. Bytes written to disk for each byte appended, with everything counted: frames, padding and prefilling of the
 * ring, sealing, indexes, merging, manifests. */
static const double AMPLIFICATION_MAX = 5;
static const size_t FILES_MAX = 40;

struct partition {
	struct log_append append;
	bool busy;
	int64_t acknowledged;
};

struct run {
	struct os_sim *sim;
	struct os_disk *disk;
	struct os_loop *loop;
	struct log *log;
	struct base_slice batch;
	struct partition *partitions;
	size_t wrong; /* answers other than PYR_OK */
	size_t files_max, open_max;
	unsigned passed, failed;
};

static struct run the_run; /* answers find it here */

static void check(bool right, const char *what)
{
	the_run.passed += right;
	the_run.failed += !right;
	if (!right)
		fprintf(stderr, "wrong: %s\n", what);
}

static pyr_result accept(void *context, struct base_bytes bytes)
{
	(void)context;
	(void)bytes;
	return pyr_ok();
}

static pyr_result take_snapshot(void *context, struct base_slice *ret_bytes)
{
	(void)context;
	*ret_bytes = (struct base_slice){0};
	return pyr_ok();
}

static void open_log(struct run *run)
{
	static const struct log_observer observer = {.restore = accept, .apply = accept, .snapshot = take_snapshot};
	static const struct log_partition_config config = {
		.retention_ms = -1, .retention_bytes = -1, .segment_bytes = 1 << 28};
	struct log_options options = log_options_default();
	struct pyr_error error = {0};
	options.ring_file_bytes = 4 << 20;
	options.checkpoint_bytes = 32 << 20;
	options.tail_cache_bytes = 8 << 20;
	options.open_files_max = OPEN_FILES_MAX;
	run->loop = os_sim_loop_new(run->sim);
	if (log_open(run->loop, run->disk, &options, &observer, &run->log, &error).code != PYR_OK) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	for (uint32_t i = 0; i < PARTITIONS; i++)
		if (log_partition_create(run->log, FIRST + i, &config).code != PYR_OK)
			abort();
}

static void make_batch(struct base_slice *ret_batch)
{
	struct codec_batch_builder builder;
	uint8_t value[VALUE_BYTES] = {0};
	codec_batch_builder_init(&builder, CODEC_NONE, 4096);
	codec_batch_builder_add(&builder, 1700000000000, (struct base_bytes){0},
	                        (struct base_bytes){value, sizeof value}, NULL, 0);
	if (codec_batch_builder_take(&builder, ret_batch).code != PYR_OK)
		abort();
	codec_batch_builder_deinit(&builder);
}

static void on_answer(struct log_append *append)
{
	struct partition *partition = (struct partition *)(void *)append;
	partition->busy = false;
	if (append->result.code == PYR_OK && append->base_offset == partition->acknowledged)
		partition->acknowledged += 1;
	else
		the_run.wrong += 1;
}

static void send(struct run *run, uint32_t i)
{
	struct partition *partition = &run->partitions[i];
	partition->busy = true;
	partition->append = (struct log_append){.partition = FIRST + i, .done = on_answer};
	partition->append.batch = base_slice_copy(run->batch.data, run->batch.bytes);
	log_append(run->log, &partition->append);
}

static void pass_until(struct run *run, uint64_t until_us)
{
	while (os_sim_now_us(run->sim) < until_us && os_sim_step(run->sim))
		;
}

/* A tenth of the partitions every tenth of a second, as unrelated producers would. */
static void one_second(struct run *run)
{
	enum { SLICES = 10 };
	for (uint32_t slice = 0; slice < SLICES; slice++) {
		uint64_t until_us = os_sim_now_us(run->sim) + SECOND_US / SLICES;
		for (uint32_t i = slice; i < PARTITIONS; i += SLICES)
			if (!run->partitions[i].busy)
				send(run, i);
		pass_until(run, until_us);
	}
	size_t files = os_sim_disk_file_count(run->disk), open = os_sim_disk_open_files(run->disk);
	run->files_max = files > run->files_max ? files : run->files_max;
	run->open_max = open > run->open_max ? open : run->open_max;
}

static void check_bounds(struct run *run, unsigned seconds)
{
	struct log_metrics metrics = log_metrics_get(run->log);
	double written = (double)os_sim_disk_written_bytes(run->disk), appended = (double)metrics.bytes;
	printf("%llu batches of %zu bytes in %u virtual seconds, %llu groups, %llu checkpoints\n",
	       (unsigned long long)metrics.batches, run->batch.bytes, seconds, (unsigned long long)metrics.groups,
	       (unsigned long long)metrics.checkpoints);
	printf("%.1f bytes written for each appended (ring %.1f, sealed %.1f); at most %zu files, %zu of them open\n",
	       written / appended, (double)metrics.ring_bytes / appended, (double)metrics.sealed_bytes / appended,
	       run->files_max, run->open_max);
	check(run->wrong == 0, "every append is answered, in order");
	check(metrics.batches + PARTITIONS >= (uint64_t)PARTITIONS * seconds, "one record a second goes through");
	check(metrics.checkpoints >= 2, "there were checkpoints");
	check(written / appended <= AMPLIFICATION_MAX, "bytes written for each appended");
	check(run->files_max <= FILES_MAX, "files on disk");
	check(run->open_max <= OPEN_FILES_MAX, "open files");
	check(metrics.cached_bytes <= 8 << 20, "the tail cache keeps its limit");
}

static void check_after_power_cut(struct run *run)
{
	os_sim_loop_kill(run->loop);
	log_abandon(run->log);
	os_sim_disk_crash(run->disk);
	open_log(run);
	size_t lost = 0;
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		struct log_partition_info info;
		if (log_partition_get(run->log, FIRST + i, &info).code != PYR_OK ||
		    info.high_watermark < run->partitions[i].acknowledged || info.read_only)
			lost += 1;
	}
	check(lost == 0, "all of it is there after a power cut");
}

int main(int argc, char **argv)
{
	struct run *run = &the_run;
	unsigned seconds = 120;
	if (argc == 3 && strcmp(argv[1], "--minutes") == 0)
		seconds = 60 * (unsigned)strtoul(argv[2], NULL, 10);
	run->sim = os_sim_new(1);
	run->disk = os_sim_disk_new(run->sim);
	run->partitions = calloc(PARTITIONS, sizeof *run->partitions);
	if (!run->partitions)
		abort();
	make_batch(&run->batch);
	open_log(run);
	for (unsigned i = 0; i < seconds; i++)
		one_second(run);
	check_bounds(run, seconds);
	check_after_power_cut(run);
	os_sim_loop_kill(run->loop);
	log_abandon(run->log);
	os_sim_disk_free(run->disk);
	os_sim_free(run->sim);
	base_slice_release(&run->batch);
	free(run->partitions);
	printf("%u passed, %u failed\n", run->passed, run->failed);
	return run->failed > 0;
}
