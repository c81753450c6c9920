/* Virtual time: a heap of events and each loop's timers; the earliest happens next, and time jumps to it.
 *
 * Jobs run whole, at a moment of their own between submission and completion, so that everything the real executors may
 * interleave is interleaved here too, by chance. With one thread an executor keeps the order of submission.
 * Out of memory aborts: the simulator is a test.
 */
#include "os/sim/sim_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_DELAY_US = 200, POST_DELAY_US = 5 };

struct os_sim {
	uint64_t now_us;
	int64_t wall_skew_ms;
	uint64_t random[2];
	uint64_t next_number;
	struct sim_event *heap;
	size_t count;
	size_t capacity;
	struct sim_loop *loops;
	struct sim_port *ports;
	uint32_t cut_chance;
	uint16_t next_port;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* xorshift128+ (Vigna, 2014). */
static uint64_t next_random(struct os_sim *sim)
{
	uint64_t x = sim->random[0], y = sim->random[1];
	sim->random[0] = y;
	x ^= x << 23;
	sim->random[1] = x ^ y ^ x >> 17 ^ y >> 26;
	return sim->random[1] + y;
}

uint64_t os_sim_random_below(struct os_sim *sim, uint64_t below)
{
	assert(below > 0);
	return next_random(sim) % below;
}

uint64_t os_sim_now_us(const struct os_sim *sim)
{
	return sim->now_us;
}

struct os_sim *os_sim_new(uint64_t seed)
{
	struct os_sim *sim = must(calloc(1, sizeof *sim));
	sim->random[0] = seed * 0x9e3779b97f4a7c15u + 1;
	sim->random[1] = ~seed;
	sim->next_port = 1024;
	for (int i = 0; i < 16; i++)
		(void)next_random(sim);
	return sim;
}

struct sim_port **sim_ports(struct os_sim *sim)
{
	return &sim->ports;
}

uint32_t *sim_cut_chance(struct os_sim *sim)
{
	return &sim->cut_chance;
}

uint16_t sim_next_port(struct os_sim *sim)
{
	return sim->next_port++;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

void sim_schedule(struct os_sim *sim, uint64_t delay_us, struct sim_loop *loop, void (*run)(void *argument),
                  void (*drop)(void *argument), void *argument)
{
	if (sim->count == sim->capacity) {
		sim->capacity = sim->capacity ? sim->capacity * 2 : 256;
		sim->heap = must(realloc(sim->heap, sim->capacity * sizeof *sim->heap));
	}
	struct sim_event event = {sim->now_us + delay_us, sim->next_number++, loop, run, drop, argument};
	size_t at = sim->count++;
	for (; at > 0 && before(&event, &sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
		sim->heap[at] = sim->heap[(at - 1) / 2];
	sim->heap[at] = event;
}

static struct sim_event pop_event(struct os_sim *sim)
{
	struct sim_event first = sim->heap[0];
	struct sim_event last = sim->heap[--sim->count];
	size_t at = 0;
	for (size_t child; (child = 2 * at + 1) < sim->count; at = child) {
		if (child + 1 < sim->count && before(&sim->heap[child + 1], &sim->heap[child]))
			child += 1;
		if (!before(&sim->heap[child], &last))
			break;
		sim->heap[at] = sim->heap[child];
	}
	sim->heap[at] = last;
	return first;
}

static void drop_event(const struct sim_event *event)
{
	if (event->drop)
		event->drop(event->argument);
}

/* The live loop whose first timer is due first. */
static struct sim_loop *first_timer(struct os_sim *sim, uint64_t *ret_due_us)
{
	struct sim_loop *first = NULL;
	for (struct sim_loop *loop = sim->loops; loop; loop = loop->next) {
		uint64_t due_us;
		if (loop->dead || !os_timers_next_us(&loop->timers, &due_us))
			continue;
		if (!first || due_us < *ret_due_us) {
			first = loop;
			*ret_due_us = due_us;
		}
	}
	return first;
}

bool os_sim_step(struct os_sim *sim)
{
	uint64_t due_us = 0;
	struct sim_loop *loop = first_timer(sim, &due_us);
	if (loop && (sim->count == 0 || due_us < sim->heap[0].at_us)) {
		if (due_us > sim->now_us)
			sim->now_us = due_us;
		struct os_timer *timer = os_timers_pop(&loop->timers, sim->now_us);
		timer->fire(timer);
		return true;
	}
	if (sim->count == 0)
		return false;
	struct sim_event event = pop_event(sim);
	sim->now_us = event.at_us;
	if (event.loop && event.loop->dead)
		drop_event(&event);
	else
		event.run(event.argument);
	return true;
}

static struct sim_loop *loop_of(struct os_loop *loop)
{
	return (struct sim_loop *)loop;
}

static uint64_t loop_now_us(struct os_loop *loop)
{
	return loop_of(loop)->sim->now_us;
}

/* The world begins at 2025-01-01. */
static int64_t loop_wall_ms(struct os_loop *loop)
{
	const struct os_sim *sim = loop_of(loop)->sim;
	return 1735689600000 + (int64_t)(sim->now_us / 1000) + sim->wall_skew_ms;
}

void os_sim_wall_jump(struct os_sim *sim, int64_t ms)
{
	sim->wall_skew_ms += ms;
}

static void loop_random(struct os_loop *loop, void *ret_bytes, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)ret_bytes)[i] = (uint8_t)next_random(loop_of(loop)->sim);
}

static void loop_timer_start(struct os_loop *loop, struct os_timer *timer, uint64_t delay_us)
{
	os_timers_start(&loop_of(loop)->timers, timer, loop_of(loop)->sim->now_us + delay_us);
}

static void loop_timer_stop(struct os_loop *loop, struct os_timer *timer)
{
	os_timers_stop(&loop_of(loop)->timers, timer);
}

static void run_task(void *argument)
{
	struct os_task *task = argument;
	task->run(task);
}

static void loop_post(struct os_loop *loop, struct os_task *task)
{
	sim_schedule(loop_of(loop)->sim, POST_DELAY_US, loop_of(loop), run_task, NULL, task);
}

struct sim_executor {
	struct os_executor base;
	bool ordered;
	uint64_t last_us; /* when the newest job runs */
	uint64_t last_done_us; /* when the last that ran is told so */
};

static struct os_executor *executor_new(struct os_loop *loop, const char *name, enum os_urgency urgency,
                                        unsigned threads_max, size_t stack_bytes)
{
	(void)name;
	(void)urgency;
	(void)stack_bytes;
	struct sim_executor *executor = must(calloc(1, sizeof *executor));
	executor->base.loop = loop;
	executor->ordered = threads_max == 1;
	return &executor->base;
}

static void executor_free(struct os_executor *executor)
{
	free(executor);
}

static void finish_job(struct os_task *task)
{
	struct os_job *job = (struct os_job *)(void *)task;
	job->done(job);
}

/* A moment in the near future; with `ordered`, behind the one before. */
static uint64_t delayed(struct os_sim *sim, bool ordered, uint64_t *last_us)
{
	uint64_t at_us = sim->now_us + 1 + os_sim_random_below(sim, JOB_DELAY_US);
	if (ordered && at_us <= *last_us)
		at_us = *last_us + 1;
	*last_us = at_us;
	return at_us;
}

static void run_job(void *argument)
{
	struct os_job *job = argument;
	struct sim_executor *executor = (struct sim_executor *)job->executor;
	struct sim_loop *loop = loop_of(executor->base.loop);
	job->run(job);
	job->task.run = finish_job;
	uint64_t done_us = delayed(loop->sim, executor->ordered, &executor->last_done_us);
	sim_schedule(loop->sim, done_us - loop->sim->now_us, loop, run_task, NULL, &job->task);
}

static void submit(struct os_executor *base, struct os_job *job)
{
	struct sim_executor *executor = (struct sim_executor *)base;
	struct os_sim *sim = loop_of(base->loop)->sim;
	uint64_t at_us = delayed(sim, executor->ordered, &executor->last_us);
	sim_schedule(sim, at_us - sim->now_us, loop_of(base->loop), run_job, NULL, job);
}

/* A simulated job never waits. */
static void park(struct os_job *job, bool parked)
{
	(void)job;
	(void)parked;
}

static const struct os_loop_ops sim_loop_ops = {
	.now_us = loop_now_us,
	.wall_ms = loop_wall_ms,
	.random = loop_random,
	.timer_start = loop_timer_start,
	.timer_stop = loop_timer_stop,
	.post = loop_post,
	.defer = loop_post,
	.executor_new = executor_new,
	.executor_free = executor_free,
	.submit = submit,
	.park = park,
};

struct os_loop *os_sim_loop_new(struct os_sim *sim)
{
	struct sim_loop *loop = must(calloc(1, sizeof *loop));
	loop->base.ops = &sim_loop_ops;
	loop->sim = sim;
	loop->next = sim->loops;
	sim->loops = loop;
	return &loop->base;
}

void os_sim_loop_kill(struct os_loop *loop)
{
	loop_of(loop)->dead = true;
}

void os_sim_free(struct os_sim *sim)
{
	while (sim->count > 0) {
		struct sim_event event = pop_event(sim);
		drop_event(&event);
	}
	while (sim->loops) {
		struct sim_loop *loop = sim->loops;
		sim->loops = loop->next;
		os_timers_deinit(&loop->timers);
		free(loop);
	}
	free(sim->heap);
	free(sim);
}
