/* A run: topic, payload, workers, and what came of it (see bench.h).
 *
 * The calling thread's loop asks the broker for what is needed before and after; while workers run it only shows progress
 * and looks at the broker's process at both ends of the measured time. Failure modes: any error ends the run, and a topic
 * that was made for it is deleted all the same. */
#include "bench/bench_priv.h"
#include "bench/members.h"

#include "os/environment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	LEAD_US = 100 * 1000,
	PROGRESS_US = 1000 * 1000,
	PREPARE_CONNECTIONS = 4,
	PREPARE_IN_FLIGHT = 4,
	PARTITIONS_MAX = 1 << 20
};

struct run {
	const struct bench_options *options;
	struct os_loop *loop;
	struct os_net *net;
	struct client_admin admin;
	struct bench_payload *payload;
	struct bench_pool pool;
	struct client_range *ranges;
	char topic[BENCH_TOPIC_BYTES_MAX + 1];
	uint32_t partitions;
	bool is_ours; /* the topic: delete it */
	bool is_interrupted;
	bool is_preparing;
	struct bench_members *groups[BENCH_ROUNDS]; /* BENCH_MEMBERS; NULL: not yet begun */
	uint32_t round;

	/* Of the workers that run now. */
	struct bench_plan *plan;
	struct bench_worker *workers;
	uint32_t workers_left;
	struct os_timer second, measure_begins, measure_ends;
	uint64_t shown_us, shown_produced, shown_fetched;
	struct os_process_usage broker_before, broker_after, own_before, own_after;
	bool broker_failed;
};

struct bench_options bench_options_default(void)
{
	return (struct bench_options){
		.host = "127.0.0.1",
		.port = 9092,
		.topic_config = "",
		.partitions = 4,
		.connections = 4,
		.readers = 1,
		.threads = 1,
		.in_flight = 4,
		.partitions_per_request = 1,
		.groups = 1000,
		.fetch_bytes = 1 << 20,
		.prepare_bytes = 256 << 20,
		.payload = {.seed = 1, .record_bytes = 100, .batch_records = 1000},
		.acks = -1,
		.warmup_us = 1000000,
		.duration_us = 5000000,
	};
}

const char *bench_mode_name(enum bench_mode mode)
{
	static const char *const names[] = {"produce", "fetch", "tail", "mixed", "commit", "members"};
	assert(mode < BENCH_MODE_COUNT);
	return names[mode];
}

bool bench_mode_produces(enum bench_mode mode)
{
	return mode == BENCH_PRODUCE || mode == BENCH_TAIL || mode == BENCH_MIXED;
}

bool bench_mode_reads(enum bench_mode mode)
{
	return mode == BENCH_FETCH || mode == BENCH_TAIL || mode == BENCH_MIXED;
}

/* ---- while workers run ---- */

static void on_second(struct os_timer *timer)
{
	struct run *run = BASE_CONTAINER(timer, struct run, second);
	const struct bench_options *options = run->options;
	uint64_t now_us = os_now_us(run->loop), produced = 0, fetched = 0;
	for (uint32_t i = 0; i < options->threads; i++) {
		produced += atomic_load_explicit(&run->workers[i].shown_produced, memory_order_relaxed);
		fetched += atomic_load_explicit(&run->workers[i].shown_fetched, memory_order_relaxed);
	}
	double seconds = (double)(now_us - run->shown_us) / 1e6;
	struct bench_progress progress = {
		.seconds = (double)(now_us - run->plan->start_us) / 1e6,
		.is_preparing = run->is_preparing,
		.is_warming_up = now_us < run->plan->measure_us + PROGRESS_US / 2,
		.produced_records_per_s = (double)(produced - run->shown_produced) / seconds,
		.fetched_records_per_s = (double)(fetched - run->shown_fetched) / seconds,
	};
	run->shown_us = now_us;
	run->shown_produced = produced;
	run->shown_fetched = fetched;
	options->progress(options->progress_context, &progress);
	os_timer_start(run->loop, &run->second, PROGRESS_US);
}

static void look_at_processes(struct run *run, struct os_process_usage *broker, struct os_process_usage *own)
{
	if (run->options->broker_pid != 0 && os_process_usage(run->options->broker_pid, broker).code != PYR_OK)
		run->broker_failed = true;
	pyr_ignore(os_process_usage(0, own));
}

static void on_measure_begins(struct os_timer *timer)
{
	struct run *run = BASE_CONTAINER(timer, struct run, measure_begins);
	if (run->options->broker_pid != 0) /* a peak since the process began is better than none */
		pyr_ignore(os_process_reset_peak(run->options->broker_pid));
	look_at_processes(run, &run->broker_before, &run->own_before);
}

static void on_measure_ends(struct os_timer *timer)
{
	struct run *run = BASE_CONTAINER(timer, struct run, measure_ends);
	look_at_processes(run, &run->broker_after, &run->own_after);
}

static void on_worker_done(struct os_job *job)
{
	struct bench_worker *worker = BASE_CONTAINER(job, struct bench_worker, job);
	struct run *run = worker->plan->owner;
	run->workers_left -= 1;
	if (run->workers_left == 0)
		os_real_loop_stop(run->loop);
}

static void on_interrupt(void *context)
{
	struct run *run = context;
	run->is_interrupted = true;
	if (run->plan)
		atomic_store(&run->plan->stop, true);
	if (run->round < BENCH_ROUNDS && run->groups[run->round])
		bench_members_stop(run->groups[run->round]);
}

static pyr_result first_error(const struct run *run, struct pyr_error *error)
{
	for (uint32_t i = 0; i < run->options->threads; i++)
		if (run->workers[i].result.code != PYR_OK)
			return pyr_fail(error, run->workers[i].result.code, "%s", run->workers[i].error.text);
	return pyr_ok();
}

static void start_timers(struct run *run)
{
	const struct bench_plan *plan = run->plan;
	uint64_t now_us = os_now_us(run->loop);
	run->second.fire = on_second;
	run->measure_begins.fire = on_measure_begins;
	run->measure_ends.fire = on_measure_ends;
	run->shown_us = now_us;
	run->shown_produced = run->shown_fetched = 0;
	if (run->options->progress)
		os_timer_start(run->loop, &run->second, PROGRESS_US);
	os_timer_start(run->loop, &run->measure_begins, plan->measure_us - now_us);
	if (plan->until_us != UINT64_MAX)
		os_timer_start(run->loop, &run->measure_ends, plan->until_us - now_us);
}

static void stop_timers(struct run *run)
{
	os_timer_stop(run->loop, &run->second);
	os_timer_stop(run->loop, &run->measure_begins);
	if (run->measure_ends.slot != 0 || run->plan->until_us == UINT64_MAX)
		look_at_processes(run, &run->broker_after, &run->own_after);
	os_timer_stop(run->loop, &run->measure_ends);
}

/* Runs the plan on `threads` workers until all are done. The workers stay for their figures. */
static pyr_result run_workers(struct run *run, struct bench_plan *plan, struct pyr_error *error)
{
	uint32_t threads = run->options->threads;
	struct os_executor *executor = os_executor_new(run->loop, "bench", OS_ORDINARY, threads, 1 << 20);
	run->workers = calloc(threads, sizeof *run->workers);
	if (!executor || !run->workers) {
		os_executor_free(executor);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	run->plan = plan;
	run->workers_left = threads;
	start_timers(run);
	for (uint32_t i = 0; i < threads; i++) {
		run->workers[i].plan = plan;
		run->workers[i].number = i;
		run->workers[i].progress_us = plan->start_us;
		run->workers[i].job.run = bench_worker_run;
		run->workers[i].job.done = on_worker_done;
		os_submit(executor, &run->workers[i].job);
	}
	os_real_loop_run(run->loop);
	assert(run->workers_left == 0);
	stop_timers(run);
	os_executor_free(executor);
	run->plan = NULL;
	return first_error(run, error);
}

static void free_workers(struct run *run)
{
	free(run->workers);
	run->workers = NULL;
}

/* ---- the two kinds of plan ---- */

static void plan_common(struct run *run, struct bench_plan *plan)
{
	*plan = (struct bench_plan){.options = run->options,
	                            .owner = run,
	                            .versions = &run->admin.versions,
	                            .payload = run->payload,
	                            .pool = &run->pool,
	                            .ranges = run->ranges,
	                            .topic = run->topic,
	                            .partitions = run->partitions};
	plan->start_us = os_now_us(run->loop) + LEAD_US;
	plan->measure_us = plan->start_us;
	plan->until_us = UINT64_MAX;
}

static struct bench_plan plan_prepare(struct run *run, uint64_t records)
{
	struct bench_plan plan;
	plan_common(run, &plan);
	plan.producers = PREPARE_CONNECTIONS;
	plan.in_flight = PREPARE_IN_FLIGHT;
	plan.records = records;
	return plan;
}

static struct bench_plan plan_run(struct run *run)
{
	const struct bench_options *options = run->options;
	struct bench_plan plan;
	plan_common(run, &plan);
	plan.follow = options->mode == BENCH_TAIL;
	plan.producers = bench_mode_produces(options->mode) ? options->connections : 0;
	plan.consumers = options->mode == BENCH_MIXED      ? options->readers
	                 : bench_mode_reads(options->mode) ? options->connections
	                                                   : 0;
	plan.committers = options->mode == BENCH_COMMIT ? options->connections : 0;
	plan.in_flight = options->in_flight;
	plan.rate = options->rate;
	plan.records = options->records;
	plan.measure_us = plan.start_us + options->warmup_us;
	if (options->records == 0)
		plan.until_us = plan.measure_us + options->duration_us;
	return plan;
}

/* ---- before ---- */

static pyr_result check_options(const struct bench_options *options, struct pyr_error *error)
{
	if (options->mode == BENCH_TAIL && options->acks == 0)
		return pyr_fail(error, PYR_USAGE, "--acks 0 tells nothing to follow: give --mode tail --acks 1 or all");
	if (options->rate > 0 && !bench_mode_produces(options->mode))
		return pyr_fail(error, PYR_USAGE, "--rate is for producing: --mode %s goes as fast as it can",
		                bench_mode_name(options->mode));
	if (options->mode == BENCH_COMMIT && options->groups < options->connections)
		return pyr_fail(error, PYR_USAGE,
		                "--groups %u are less than --connections %u: give each connection one", options->groups,
		                options->connections);
	if (options->threads > options->connections)
		return pyr_fail(error, PYR_USAGE, "--threads %u are more than --connections %u: give each thread one",
		                options->threads, options->connections);
	if (options->topic && (options->topic[0] == '\0' || strlen(options->topic) > BENCH_TOPIC_BYTES_MAX))
		return pyr_fail(error, PYR_USAGE, "--topic needs a name of 1 to %d characters", BENCH_TOPIC_BYTES_MAX);
	return pyr_ok();
}

static void name_topic(struct run *run)
{
	uint64_t number;
	if (run->options->topic) {
		snprintf(run->topic, sizeof run->topic, "%s", run->options->topic);
		return;
	}
	os_random(run->loop, &number, sizeof number);
	snprintf(run->topic, sizeof run->topic, "bench-%016llx", (unsigned long long)number);
}

static pyr_result open_topic(struct run *run, struct pyr_error *error)
{
	const struct bench_options *options = run->options;
	name_topic(run);
	PYR_TRY(client_admin_topic(&run->admin, run->topic, &run->partitions, error));
	if (run->partitions == 0) {
		PYR_TRY(client_admin_create(&run->admin, run->topic, options->partitions, options->topic_config,
		                            error));
		run->partitions = options->partitions;
		run->is_ours = !options->keep && !options->topic;
	}
	if (run->partitions > PARTITIONS_MAX)
		return pyr_fail(error, PYR_USAGE, "the topic %s has more than %d partitions", run->topic,
		                PARTITIONS_MAX);
	if (options->mode == BENCH_TAIL && options->connections > run->partitions)
		return pyr_fail(
			error, PYR_USAGE,
			"--mode tail needs a partition for each connection: the topic %s has %u, --connections are %u",
			run->topic, run->partitions, options->connections);
	run->ranges = calloc(run->partitions, sizeof *run->ranges);
	if (!run->ranges)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return client_admin_ranges(&run->admin, run->topic, run->partitions, run->ranges, error);
}

static uint64_t records_in(const struct run *run, const struct client_range *ranges)
{
	uint64_t records = 0;
	for (uint32_t i = 0; i < run->partitions; i++)
		records += (uint64_t)(ranges[i].end - ranges[i].start);
	return records;
}

/* An empty topic gets something to be read. */
static pyr_result prepare(struct run *run, struct pyr_error *error)
{
	const struct bench_options *options = run->options;
	if ((options->mode != BENCH_FETCH && options->mode != BENCH_MIXED) || records_in(run, run->ranges) > 0)
		return pyr_ok();
	uint64_t batch_bytes = run->pool.payload_bytes / run->pool.count;
	uint64_t batches = options->prepare_bytes / (batch_bytes > 0 ? batch_bytes : 1);
	if (batches < run->partitions)
		batches = run->partitions;
	struct bench_plan plan = plan_prepare(run, batches * options->payload.batch_records);
	run->is_preparing = true;
	pyr_result result = run_workers(run, &plan, error);
	free_workers(run);
	run->is_preparing = false;
	PYR_TRY(result);
	return client_admin_ranges(&run->admin, run->topic, run->partitions, run->ranges, error);
}

static pyr_result open_run(struct run *run, struct pyr_error *error)
{
	const struct bench_options *options = run->options;
	run->loop = os_real_loop_new();
	run->net = run->loop ? os_real_net_new(run->loop) : NULL;
	if (!run->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(os_real_on_interrupt(run->loop, on_interrupt, run));
	PYR_TRY(bench_payload_new(&options->payload, &run->payload, error));
	PYR_TRY(bench_pool_init(&run->pool, run->payload, os_wall_ms(run->loop), error));
	PYR_TRY(client_admin_open(&run->admin, run->loop, run->net, options->host, options->port, error));
	PYR_TRY(open_topic(run, error));
	if (options->mode == BENCH_COMMIT || options->mode == BENCH_MEMBERS)
		PYR_TRY(client_admin_coordinator(&run->admin, run->topic, error));
	return prepare(run, error);
}

/* ---- after ---- */

static void add_flow(struct bench_flow *to, const struct bench_flow *from)
{
	to->requests += from->requests;
	to->records += from->records;
	to->batch_bytes += from->batch_bytes;
	to->payload_bytes += from->payload_bytes;
	bench_histogram_merge(&to->latency_us, &from->latency_us);
}

static void add_worker(struct bench_result *result, const struct bench_worker *worker)
{
	add_flow(&result->produced, &worker->produced);
	add_flow(&result->fetched, &worker->fetched);
	add_flow(&result->committed, &worker->committed);
	bench_histogram_merge(&result->tail_us, &worker->tail_us);
	bench_histogram_merge(&result->late_us, &worker->late_us);
	result->sent_records += worker->sent_records;
	result->acknowledged_records += worker->acknowledged_records;
	result->committed_offsets += worker->committed_offsets;
	result->missed_records += worker->missed_records;
	result->fetched_records += worker->fetched_records;
}

static void add_usage(const struct run *run, struct bench_result *result)
{
	result->has_usage = run->options->broker_pid != 0;
	result->broker_cpu_s = (double)(run->broker_after.cpu_us - run->broker_before.cpu_us) / 1e6;
	result->broker_peak_bytes = run->broker_after.peak_bytes;
	result->own_cpu_s = (double)(run->own_after.cpu_us - run->own_before.cpu_us) / 1e6;
}

/* The measured time ends with the last answer if nothing else ends it. */
static double measured_seconds(const struct run *run, const struct bench_plan *plan)
{
	uint64_t last_us = plan->measure_us;
	for (uint32_t i = 0; i < run->options->threads; i++)
		if (run->workers[i].last_us > last_us)
			last_us = run->workers[i].last_us;
	bool ended_early = plan->until_us == UINT64_MAX || run->is_interrupted;
	return (double)((ended_early ? last_us : plan->until_us) - plan->measure_us) / 1e6;
}

/* What was acknowledged must be there. */
static pyr_result compare_with_log(struct run *run, struct bench_result *result, struct pyr_error *error)
{
	uint64_t before = records_in(run, run->ranges);
	struct client_range *after = calloc(run->partitions, sizeof *after);
	if (!after)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result asked = client_admin_ranges(&run->admin, run->topic, run->partitions, after, error);
	for (uint32_t i = 0; i < run->partitions; i++)
		after[i].start = run->ranges[i].start; /* retention may have raised it */
	if (asked.code == PYR_OK)
		result->log_records = records_in(run, after) - before;
	free(after);
	PYR_TRY(asked);
	if (result->log_records < result->acknowledged_records)
		return pyr_fail(error, PYR_CANCELLED,
		                "%llu records were acknowledged, but the broker's partitions grew by %llu only",
		                (unsigned long long)result->acknowledged_records,
		                (unsigned long long)result->log_records);
	return pyr_ok();
}

static pyr_result measure(struct run *run, struct bench_result *result, struct pyr_error *error)
{
	struct bench_plan plan = plan_run(run);
	if (run->is_interrupted)
		return pyr_fail(error, PYR_CANCELLED, "interrupted before anything was measured");
	PYR_TRY(run_workers(run, &plan, error));
	if (run->broker_failed)
		return pyr_fail(error, PYR_USAGE, "there is no process %u: give --pid the broker's",
		                run->options->broker_pid);
	for (uint32_t i = 0; i < run->options->threads; i++)
		add_worker(result, &run->workers[i]);
	add_usage(run, result);
	result->seconds = measured_seconds(run, &plan);
	result->partitions = run->partitions;
	result->compression = (double)run->pool.raw_bytes / (double)run->pool.bytes;
	memcpy(result->topic, run->topic, sizeof result->topic);
	return compare_with_log(run, result, error);
}

/* The same group, under another name, again and again. */
static pyr_result measure_members(struct run *run, struct bench_result *result, struct pyr_error *error)
{
	look_at_processes(run, &run->broker_before, &run->own_before);
	for (run->round = 0; run->round < BENCH_ROUNDS; run->round++) {
		struct bench_members_plan plan = {run->options, &run->admin.versions, run->topic, run->partitions,
		                                  run->round};
		uint64_t settled_us;
		PYR_TRY(bench_members_run(&plan, run->loop, run->net, &run->groups[run->round], &settled_us, error));
		bench_members_close(run->groups[run->round]);
		bench_histogram_add(&result->settled_us, settled_us);
		result->seconds += (double)settled_us / 1e6;
	}
	look_at_processes(run, &run->broker_after, &run->own_after);
	if (run->broker_failed)
		return pyr_fail(error, PYR_USAGE, "there is no process %u: give --pid the broker's",
		                run->options->broker_pid);
	add_usage(run, result);
	result->partitions = run->partitions;
	result->compression = 1;
	memcpy(result->topic, run->topic, sizeof result->topic);
	return pyr_ok();
}

/* The topic goes even after a failure; what that says is less interesting than what failed first. */
static pyr_result close_run(struct run *run, pyr_result result, struct pyr_error *error)
{
	if (run->is_ours) {
		pyr_result deleted = client_admin_delete(&run->admin, run->topic, result.code == PYR_OK ? error : NULL);
		result = result.code == PYR_OK ? deleted : result;
	}
	free_workers(run);
	for (uint32_t i = 0; i < BENCH_ROUNDS; i++)
		if (run->groups[i])
			bench_members_close(run->groups[i]);
	client_admin_close(&run->admin);
	if (run->loop)
		os_real_loop_free(run->loop);
	os_real_net_free(run->net);
	client_admin_deinit(&run->admin);
	for (uint32_t i = 0; i < BENCH_ROUNDS; i++)
		if (run->groups[i])
			bench_members_free(run->groups[i]);
	bench_pool_deinit(&run->pool);
	bench_payload_free(run->payload);
	free(run->ranges);
	return result;
}

pyr_result bench_run(const struct bench_options *options, struct bench_result **ret_result, struct pyr_error *error)
{
	struct run run = {.options = options};
	PYR_TRY(check_options(options, error));
	struct bench_result *result = calloc(1, sizeof *result);
	if (!result)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result done = open_run(&run, error);
	if (done.code == PYR_OK)
		done = options->mode == BENCH_MEMBERS ? measure_members(&run, result, error)
		                                      : measure(&run, result, error);
	done = close_run(&run, done, error);
	if (done.code == PYR_OK)
		*ret_result = result;
	else
		free(result);
	return done;
}
