/* A worker: one thread with a loop, and producers and consumers on it, from the start to the end of a run.
 *
 * Failure modes: the first error of any worker stops all of them; answers that do not come for a minute are an error.
 * What the main thread sets up before the job starts and reads when it is done belongs to the job in between. */
#include "bench/bench_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum { TICK_US = 5000 };

void bench_worker_fail(struct bench_worker *worker, enum pyr_code code, const char *format, ...)
{
	va_list arguments;
	atomic_store(&worker->plan->stop, true);
	os_real_loop_stop(worker->loop);
	if (worker->result.code != PYR_OK)
		return;
	worker->result = pyr_result_of(code);
	worker->error.code = code;
	va_start(arguments, format);
	vsnprintf(worker->error.text, sizeof worker->error.text, format, arguments);
	va_end(arguments);
}

void bench_worker_alarm(struct bench_worker *worker, uint64_t due_us)
{
	if (due_us >= worker->alarm_us)
		return;
	worker->alarm_us = due_us;
	os_real_alarm_set(worker->alarm, due_us);
}

static void pump_producers(struct bench_worker *worker)
{
	for (uint32_t i = 0; i < worker->producer_count; i++)
		bench_producer_pump(&worker->producers[i]);
}

static void on_alarm(void *context)
{
	struct bench_worker *worker = context;
	worker->alarm_us = UINT64_MAX;
	pump_producers(worker);
}

static void on_again(struct os_task *task)
{
	struct bench_worker *worker = BASE_CONTAINER(task, struct bench_worker, again);
	worker->again_posted = false;
	pump_producers(worker);
}

static bool is_done(const struct bench_worker *worker)
{
	for (uint32_t i = 0; i < worker->producer_count; i++)
		if (!bench_producer_is_done(&worker->producers[i]))
			return false;
	for (uint32_t i = 0; i < worker->committer_count; i++)
		if (!bench_committer_is_done(&worker->committers[i]))
			return false;
	for (uint32_t i = 0; i < worker->consumer_count; i++)
		if (!bench_consumer_is_done(&worker->consumers[i]))
			return false;
	return true;
}

static bool is_waiting(const struct bench_worker *worker)
{
	bool waiting = false;
	for (uint32_t i = 0; i < worker->producer_count; i++)
		waiting = waiting || bench_producer_is_waiting(&worker->producers[i]);
	for (uint32_t i = 0; i < worker->committer_count; i++)
		waiting = waiting || bench_committer_is_waiting(&worker->committers[i]);
	for (uint32_t i = 0; i < worker->consumer_count; i++)
		waiting = waiting || !worker->consumers[i].is_ready || worker->consumers[i].is_waiting;
	return waiting;
}

/* Starts what waits for the start, notices the end, and that nothing goes on. */
static void on_tick(struct os_timer *timer)
{
	struct bench_worker *worker = BASE_CONTAINER(timer, struct bench_worker, tick);
	uint64_t now_us = os_now_us(worker->loop);
	pump_producers(worker);
	for (uint32_t i = 0; i < worker->committer_count; i++)
		bench_committer_pump(&worker->committers[i]);
	for (uint32_t i = 0; i < worker->consumer_count; i++)
		bench_consumer_pump(&worker->consumers[i]);
	if (now_us > worker->progress_us + BENCH_STALL_US && is_waiting(worker))
		bench_worker_fail(worker, PYR_NETWORK, "the broker gave no answer for %d s: see its log",
		                  BENCH_STALL_US / 1000000);
	else if (is_done(worker) || worker->result.code != PYR_OK)
		os_real_loop_stop(worker->loop);
	else
		os_timer_start(worker->loop, &worker->tick, TICK_US);
}

static uint32_t share(uint32_t all, const struct bench_worker *worker)
{
	uint32_t threads = worker->plan->options->threads;
	return all / threads + (worker->number < all % threads);
}

static pyr_result open_connections(struct bench_worker *worker)
{
	const struct bench_plan *plan = worker->plan;
	uint32_t threads = plan->options->threads;
	uint32_t producers = share(plan->producers, worker), consumers = share(plan->consumers, worker);
	uint32_t committers = share(plan->committers, worker);
	worker->producers = calloc(producers + 1, sizeof *worker->producers);
	worker->consumers = calloc(consumers + 1, sizeof *worker->consumers);
	worker->committers = calloc(committers + 1, sizeof *worker->committers);
	if (!worker->producers || !worker->consumers || !worker->committers)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (; worker->producer_count < producers; worker->producer_count++)
		PYR_TRY(bench_producer_init(&worker->producers[worker->producer_count], worker,
		                            worker->number + worker->producer_count * threads));
	for (; worker->committer_count < committers; worker->committer_count++)
		PYR_TRY(bench_committer_init(&worker->committers[worker->committer_count], worker,
		                             worker->number + worker->committer_count * threads));
	for (; worker->consumer_count < consumers; worker->consumer_count++)
		PYR_TRY(bench_consumer_init(&worker->consumers[worker->consumer_count], worker,
		                            worker->number + worker->consumer_count * threads,
		                            plan->follow ? &worker->producers[worker->consumer_count] : NULL));
	return pyr_ok();
}

static pyr_result open_world(struct bench_worker *worker)
{
	worker->loop = os_real_loop_new();
	if (!worker->loop)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	worker->net = os_real_net_new(worker->loop);
	worker->alarm = os_real_alarm_new(worker->loop, on_alarm, worker);
	return pyr_result_of(worker->net && worker->alarm ? PYR_OK : PYR_OUT_OF_MEMORY);
}

/* One past the counts: the connection whose init failed half-way. */
static void close_world(struct bench_worker *worker, bool failed_to_open)
{
	uint32_t producers = worker->producer_count + (failed_to_open && worker->producers);
	uint32_t consumers = worker->consumer_count + (failed_to_open && worker->consumers);
	uint32_t committers = worker->committer_count + (failed_to_open && worker->committers);
	os_timer_stop(worker->loop, &worker->tick);
	os_real_alarm_free(worker->alarm);
	for (uint32_t i = 0; i < producers; i++)
		client_link_close(&worker->producers[i].link);
	for (uint32_t i = 0; i < consumers; i++)
		client_link_close(&worker->consumers[i].link);
	for (uint32_t i = 0; i < committers; i++)
		client_link_close(&worker->committers[i].link);
	os_real_loop_free(worker->loop);
	os_real_net_free(worker->net);
	for (uint32_t i = 0; i < consumers; i++)
		bench_consumer_deinit(&worker->consumers[i]);
	for (uint32_t i = 0; i < producers; i++)
		bench_producer_deinit(&worker->producers[i]);
	for (uint32_t i = 0; i < committers; i++)
		bench_committer_deinit(&worker->committers[i]);
	free(worker->producers);
	free(worker->consumers);
	free(worker->committers);
}

void bench_worker_run(struct os_job *job)
{
	struct bench_worker *worker = BASE_CONTAINER(job, struct bench_worker, job);
	worker->alarm_us = UINT64_MAX;
	worker->again.run = on_again;
	worker->tick.fire = on_tick;
	bool opened = open_world(worker).code == PYR_OK && open_connections(worker).code == PYR_OK;
	if (!worker->loop) {
		worker->result = pyr_fail(&worker->error, PYR_OUT_OF_MEMORY, "out of memory");
		return;
	}
	if (opened) {
		os_timer_start(worker->loop, &worker->tick, 0);
		os_real_loop_run(worker->loop);
	} else {
		bench_worker_fail(worker, PYR_NETWORK,
		                  "can't open all connections: are there enough file descriptors?");
	}
	close_world(worker, !opened);
}
