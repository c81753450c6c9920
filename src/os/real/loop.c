/* The real loop: libuv turns, our heap keeps the timers, posted tasks arrive on a stack without a lock.
 *
 * Invariant: the wake-up is sent when the stack turns non-empty, so none is lost and a burst costs one. The loop takes the
 * whole stack at once and turns it round: tasks run in the order in which they were posted.
 */
#include "os/real/real_priv.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { TURN_BYTES = 2 << 20 }; /* received before deferred tasks run anyway */

static struct real_loop *real_of(struct os_loop *loop)
{
	return (struct real_loop *)loop;
}

static uint64_t now_us(struct os_loop *loop)
{
	struct timespec now;
	(void)loop;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t wall_ms(struct os_loop *loop)
{
	struct timespec now;
	(void)loop;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fill_random(struct os_loop *loop, void *ret_bytes, size_t bytes)
{
	(void)loop;
	for (size_t done = 0; done < bytes;) {
		ssize_t got = getrandom((char *)ret_bytes + done, bytes - done, 0);
		if (got > 0)
			done += (size_t)got;
	}
}

static void on_clock(uv_timer_t *clock);

static void arm_clock(struct real_loop *real)
{
	uint64_t due_us;
	if (!os_timers_next_us(&real->timers, &due_us)) {
		uv_timer_stop(&real->clock);
		return;
	}
	uint64_t now = now_us(&real->base);
	uint64_t delay_ms = due_us <= now ? 0 : (due_us - now + 999) / 1000;
	uv_update_time(&real->uv);
	uv_timer_start(&real->clock, on_clock, delay_ms, 0);
}

static void on_clock(uv_timer_t *clock)
{
	struct real_loop *real = clock->data;
	struct os_timer *timer;
	uint64_t now = now_us(&real->base);
	while ((timer = os_timers_pop(&real->timers, now)))
		timer->fire(timer);
	arm_clock(real);
}

static void timer_start(struct os_loop *loop, struct os_timer *timer, uint64_t delay_us)
{
	struct real_loop *real = real_of(loop);
	os_timers_start(&real->timers, timer, now_us(loop) + delay_us);
	if (real->timers.heap[0] == timer)
		arm_clock(real);
}

static void timer_stop(struct os_loop *loop, struct os_timer *timer)
{
	os_timers_stop(&real_of(loop)->timers, timer);
}

static void post(struct os_loop *loop, struct os_task *task)
{
	struct real_loop *real = real_of(loop);
	struct base_list *newest = atomic_load_explicit(&real->posted, memory_order_relaxed);
	do
		task->node.next = newest;
	while (!atomic_compare_exchange_weak_explicit(&real->posted, &newest, &task->node, memory_order_release,
	                                              memory_order_relaxed));
	if (!newest)
		uv_async_send(&real->wake);
}

static void defer(struct os_loop *loop, struct os_task *task)
{
	base_list_append(&real_of(loop)->deferred, &task->node);
}

static void run_deferred(struct real_loop *real)
{
	real->received_bytes = 0;
	for (struct base_list *node; (node = base_list_pop(&real->deferred));) {
		struct os_task *task = (struct os_task *)(void *)node;
		task->run(task);
	}
}

/* Behind the events of a turn, and once more before waiting: timers fire between the two. */
static void on_after_waiting(uv_check_t *check)
{
	run_deferred(check->data);
}

static void on_before_waiting(uv_prepare_t *prepare)
{
	run_deferred(prepare->data);
}

static struct base_list *take_posted(struct real_loop *real)
{
	struct base_list *newest = atomic_exchange_explicit(&real->posted, NULL, memory_order_acquire), *oldest = NULL;
	while (newest) {
		struct base_list *before = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = before;
	}
	return oldest;
}

static void run_posted(struct real_loop *real)
{
	for (struct base_list *node = take_posted(real), *next; node; node = next) {
		struct os_task *task = (struct os_task *)(void *)node;
		next = node->next; /* the task is its sender's again once it runs */
		task->run(task);
	}
}

static void on_wake(uv_async_t *wake)
{
	run_posted(wake->data);
}

void real_loop_breathe(struct real_loop *real, size_t bytes)
{
	real->received_bytes += bytes;
	bool posted = atomic_load_explicit(&real->posted, memory_order_relaxed) != NULL;
	if (!posted && real->received_bytes < TURN_BYTES)
		return;
	if (posted)
		run_posted(real);
	run_deferred(real);
}

static const struct os_loop_ops real_loop_ops = {
	.now_us = now_us,
	.wall_ms = wall_ms,
	.random = fill_random,
	.timer_start = timer_start,
	.timer_stop = timer_stop,
	.post = post,
	.defer = defer,
	.executor_new = real_executor_new,
	.executor_free = real_executor_free,
	.submit = real_submit,
	.park = real_park,
};

struct os_loop *os_real_loop_new(void)
{
	struct real_loop *real = calloc(1, sizeof *real);
	if (!real)
		return NULL;
	real->base.ops = &real_loop_ops;
	/* A write to a peer that is gone, or over a limit on files, is an error like another, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (uv_loop_init(&real->uv) != 0) {
		free(real);
		return NULL;
	}
	real->uv.data = real;
	uv_timer_init(&real->uv, &real->clock);
	real->clock.data = real;
	uv_async_init(&real->uv, &real->wake, on_wake);
	real->wake.data = real;
	uv_prepare_init(&real->uv, &real->before_waiting);
	uv_check_init(&real->uv, &real->after_waiting);
	real->before_waiting.data = real->after_waiting.data = real;
	uv_prepare_start(&real->before_waiting, on_before_waiting);
	uv_check_start(&real->after_waiting, on_after_waiting);
	base_list_init(&real->deferred);
	return &real->base;
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void os_real_loop_free(struct os_loop *loop)
{
	struct real_loop *real = real_of(loop);
	if (!real)
		return;
	uv_walk(&real->uv, close_handle, NULL);
	uv_run(&real->uv, UV_RUN_DEFAULT);
	int busy = uv_loop_close(&real->uv);
	assert(busy == 0);
	(void)busy;
	os_timers_deinit(&real->timers);
	free(real);
}

void os_real_loop_run(struct os_loop *loop)
{
	uv_run(&real_of(loop)->uv, UV_RUN_DEFAULT);
}

static void *run_loop(void *context)
{
	os_real_loop_run(context);
	return NULL;
}

/* Signals belong to the thread that began: this one blocks them all. */
pyr_result os_real_loop_start(struct os_loop *loop, const char *name)
{
	struct real_loop *real = real_of(loop);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&real->thread, NULL, run_loop, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pthread_setname_np(real->thread, name);
	return pyr_ok();
}

void os_real_loop_join(struct os_loop *loop)
{
	pthread_join(real_of(loop)->thread, NULL);
}

void os_real_loop_stop(struct os_loop *loop)
{
	uv_stop(&real_of(loop)->uv);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct real_loop *real = handle->data;
	if (real->interrupts++ > 0)
		_exit(128 + number);
	real->interrupted(real->interrupted_context);
}

pyr_result os_real_on_interrupt(struct os_loop *loop, void (*interrupted)(void *context), void *context)
{
	static const int numbers[2] = {SIGINT, SIGTERM};
	struct real_loop *real = real_of(loop);
	real->interrupted = interrupted;
	real->interrupted_context = context;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&real->uv, &real->signals[i]);
		real->signals[i].data = real;
		if (uv_signal_start(&real->signals[i], on_signal, numbers[i]) != 0)
			return pyr_result_of(PYR_INTERNAL);
	}
	return pyr_ok();
}

static void on_reload(uv_signal_t *handle, int number)
{
	struct real_loop *real = handle->data;
	(void)number;
	real->reload_asked(real->reload_context);
}

pyr_result os_real_on_reload(struct os_loop *loop, void (*asked)(void *context), void *context)
{
	struct real_loop *real = real_of(loop);
	real->reload_asked = asked;
	real->reload_context = context;
	uv_signal_init(&real->uv, &real->reload);
	real->reload.data = real;
	return pyr_result_of(uv_signal_start(&real->reload, on_reload, SIGHUP) == 0 ? PYR_OK : PYR_INTERNAL);
}
