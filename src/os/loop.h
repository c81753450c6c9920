/* The event loop: time, chance, timers, messages from other threads and work on other threads.
 *
 * A loop and all that hangs on it belong to one thread, its owner; only os_loop_post() may be called from any thread.
 * Two implementations: os/real (libuv, system clock) and os/sim (virtual time, seeded chance, everything in one
 * thread). Whoever needs time or chance gets a loop handed in; nothing else in Pyralog knows them.
 */
#ifndef PYRALOG_OS_LOOP_H
#define PYRALOG_OS_LOOP_H

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_loop;
struct os_executor;

/* How soon a thread runs when it has work and others run: a wish to the scheduler. */
enum os_urgency {
	OS_PROMPT, /* at once, for a moment: commits, which wait for the disk between two */
	OS_ORDINARY,
	OS_BACKGROUND, /* a small share while others have work */
};

/* A message to a loop: embedded in the sender's struct, which must live until `run` is called. */
struct os_task {
	struct base_list node;
	void (*run)(struct os_task *task); /* on the loop's thread */
};

/* One-shot timer: embedded; zero it before the first use. */
struct os_timer {
	void (*fire)(struct os_timer *timer);
	uint64_t due_us;
	size_t slot; /* place in the loop's heap + 1; 0 while not armed */
};

/* Blocking work for an executor: `run` on one of its threads, then `done` on the loop's thread. `run` touches only
 * what the job owns. The struct is the submitter's again when `done` is called. */
struct os_job {
	struct os_task task;
	struct os_executor *executor;
	void (*run)(struct os_job *job);
	void (*done)(struct os_job *job);
	bool parked;
};

struct os_loop_ops {
	uint64_t (*now_us)(struct os_loop *loop);
	int64_t (*wall_ms)(struct os_loop *loop);
	void (*random)(struct os_loop *loop, void *ret_bytes, size_t bytes);
	void (*timer_start)(struct os_loop *loop, struct os_timer *timer, uint64_t delay_us);
	void (*timer_stop)(struct os_loop *loop, struct os_timer *timer);
	void (*post)(struct os_loop *loop, struct os_task *task);
	void (*defer)(struct os_loop *loop, struct os_task *task);
	struct os_executor *(*executor_new)(struct os_loop *loop, const char *name, enum os_urgency urgency,
	                                    unsigned threads_max, size_t stack_bytes);
	void (*executor_free)(struct os_executor *executor);
	void (*submit)(struct os_executor *executor, struct os_job *job);
	void (*park)(struct os_job *job, bool parked);
};

struct os_loop {
	const struct os_loop_ops *ops;
};

/* What every executor starts with, so that os_submit() finds its loop. */
struct os_executor {
	struct os_loop *loop;
};

/* Microseconds since an arbitrary start; never goes back. */
static inline uint64_t os_now_us(struct os_loop *loop)
{
	return loop->ops->now_us(loop);
}

/* Milliseconds since 1970-01-01 UTC; may jump. */
static inline int64_t os_wall_ms(struct os_loop *loop)
{
	return loop->ops->wall_ms(loop);
}

static inline void os_random(struct os_loop *loop, void *ret_bytes, size_t bytes)
{
	loop->ops->random(loop, ret_bytes, bytes);
}

/* (Re)arms the timer to fire once, no earlier than `delay_us` from now. */
static inline void os_timer_start(struct os_loop *loop, struct os_timer *timer, uint64_t delay_us)
{
	loop->ops->timer_start(loop, timer, delay_us);
}

/* Stopping a timer that is not armed is fine. */
static inline void os_timer_stop(struct os_loop *loop, struct os_timer *timer)
{
	loop->ops->timer_stop(loop, timer);
}

/* Runs the task on the loop's thread, soon, in the order of posting per sender. Any thread. */
static inline void os_loop_post(struct os_loop *loop, struct os_task *task)
{
	loop->ops->post(loop, task);
}

/* Runs the task at the end of the loop's turn, before it waits again: what many events of one turn want is then done once.
 * From the loop's thread only; not again before it ran. */
static inline void os_loop_defer(struct os_loop *loop, struct os_task *task)
{
	loop->ops->defer(loop, task);
}

/* Threads for blocking work, started as needed up to `threads_max`. With one thread, jobs run, and are told done, in order of
 * submission.
 * NULL when memory is out. `name` is static and at most 15 characters. */
static inline struct os_executor *os_executor_new(struct os_loop *loop, const char *name, enum os_urgency urgency,
                                                  unsigned threads_max, size_t stack_bytes)
{
	return loop->ops->executor_new(loop, name, urgency, threads_max, stack_bytes);
}

/* Waits until all submitted work has run; their `done` calls still come through the loop. */
static inline void os_executor_free(struct os_executor *executor)
{
	if (executor)
		executor->loop->ops->executor_free(executor);
}

/* From the loop's thread only. */
static inline void os_submit(struct os_executor *executor, struct os_job *job)
{
	job->executor = executor;
	job->parked = false;
	executor->loop->ops->submit(executor, job);
}

/* From within a job's `run`: it waits for something now, so another job may run meanwhile, on one more thread. It goes on at
 * once when it is unparked, also if more than threads_max run then; none is begun until fewer do. At most
 * OS_JOBS_PARKED_MAX are parked: one more keeps its place among those that run. */
enum { OS_JOBS_PARKED_MAX = 1024 };

static inline void os_job_park(struct os_job *job)
{
	job->executor->loop->ops->park(job, true);
}

static inline void os_job_unpark(struct os_job *job)
{
	job->executor->loop->ops->park(job, false);
}

#endif
