/* Shared by the files of the real world: the loop's insides. */
#ifndef PYRALOG_OS_REAL_REAL_PRIV_H
#define PYRALOG_OS_REAL_REAL_PRIV_H

#include "os/real.h"
#include "os/timers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct real_loop {
	struct os_loop base;
	uv_loop_t uv;
	uv_timer_t clock; /* fires when the first of `timers` is due */
	struct os_timers timers;
	uv_signal_t signals[2];
	void (*interrupted)(void *context);
	void *interrupted_context;
	unsigned interrupts;
	uv_signal_t reload;
	void (*reload_asked)(void *context);
	void *reload_context;
	uv_prepare_t before_waiting;
	uv_check_t after_waiting;
	struct base_list deferred;
	size_t received_bytes; /* in this turn, since tasks last ran */

	/* Written by any thread: a stack of tasks, newest first, linked by `next` of their nodes. */
	uv_async_t wake;
	_Atomic(struct base_list *) posted;

	pthread_t thread; /* of os_real_loop_start() */
};

/* After `bytes` were received: a turn in which much arrives lasts for milliseconds, and the answers of a group commit shall
 * not wait for its end. Runs what was posted, and what was deferred, if it is time. */
void real_loop_breathe(struct real_loop *real, size_t bytes);

struct os_executor *real_executor_new(struct os_loop *loop, const char *name, enum os_urgency urgency,
                                      unsigned threads_max, size_t stack_bytes);
void real_executor_free(struct os_executor *executor);
void real_submit(struct os_executor *executor, struct os_job *job);
void real_park(struct os_job *job, bool parked);

#endif
