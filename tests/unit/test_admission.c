/* query/admission.h and parked jobs: slots, the order of the queue, cancelling, and threads that stand in for waiting ones. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/table.h"
#include "os/real.h"
#include "os/thread.h"
#include "query/admission.h"

#include <pthread.h>
#include <sched.h>

enum { WAITERS = 8, JOBS = 40, THREADS = 2 };

/* ---- the queue ---- */

struct waiter {
	struct query_admission *admission;
	struct query_ticket ticket;
	atomic_bool cancelled;
	atomic_uint *admitted; /* how many were, over all */
	unsigned order; /* which one this was, from 1 */
	unsigned waits; /* begun, and ended */
	pyr_result result;
	pthread_t thread;
};

static void on_wait(void *context)
{
	((struct waiter *)context)->waits += 1;
}

static void *wait_in_line(void *context)
{
	struct waiter *waiter = context;
	struct query_waits waits = {on_wait, on_wait, waiter};
	waiter->result = query_admission_wait(waiter->admission, &waiter->ticket, &waiter->cancelled, &waits);
	if (waiter->ticket.held)
		waiter->order = atomic_fetch_add(waiter->admitted, 1) + 1;
	query_admission_leave(waiter->admission, &waiter->ticket);
	return NULL;
}

static void start_waiting(struct waiter *waiter, struct query_admission *admission, atomic_uint *admitted,
                          unsigned place)
{
	*waiter = (struct waiter){.admission = admission, .admitted = admitted};
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_in_line, waiter), 0);
	while (atomic_load(&waiter->ticket.place) != place)
		sched_yield();
}

static void first_come_first_served(void **state)
{
	struct query_admission *admission = query_admission_new(1);
	struct query_ticket holder = {.held = false};
	struct waiter waiters[WAITERS];
	atomic_uint admitted = 0;
	(void)state;
	assert_true(query_admission_try(admission, &holder));
	assert_true(query_admission_try(admission, &holder)); /* it has its turn already */
	for (unsigned i = 0; i < WAITERS; i++)
		start_waiting(&waiters[i], admission, &admitted, i + 1);
	/* One in the middle is cancelled: those behind it move up. */
	atomic_store(&waiters[3].cancelled, true);
	query_admission_wake(admission);
	pthread_join(waiters[3].thread, NULL);
	assert_int_equal(waiters[3].result.code, PYR_CANCELLED);
	assert_int_equal(atomic_load(&waiters[4].ticket.place), 4);
	query_admission_leave(admission, &holder);
	for (unsigned i = 0; i < WAITERS; i++) {
		if (i == 3)
			continue;
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].result.code, PYR_OK);
		assert_int_equal(waiters[i].order, i < 3 ? i + 1 : i);
		assert_int_equal(waiters[i].waits, 2);
	}
	assert_true(query_admission_try(admission, &holder));
	query_admission_leave(admission, &holder);
	query_admission_leave(admission, &holder); /* not held: nothing */
	query_admission_free(admission);
}

static void slots_are_shared(void **state)
{
	struct query_admission *admission = query_admission_new(2);
	struct query_ticket tickets[3] = {{.held = false}};
	atomic_bool cancelled = true;
	(void)state;
	assert_true(query_admission_try(admission, &tickets[0]));
	assert_true(query_admission_try(admission, &tickets[1]));
	assert_false(query_admission_try(admission, &tickets[2]));
	/* Cancelled before it waited. */
	assert_int_equal(query_admission_wait(admission, &tickets[2], &cancelled, NULL).code, PYR_CANCELLED);
	query_admission_leave(admission, &tickets[0]);
	assert_true(query_admission_try(admission, &tickets[2]));
	for (size_t i = 1; i < 3; i++)
		query_admission_leave(admission, &tickets[i]);
	query_admission_free(admission);
}

/* ---- parked jobs ---- */

struct crowd {
	struct os_loop *loop;
	struct os_mutex lock;
	struct os_condition changed;
	unsigned parked; /* all of them must be before one goes on */
	unsigned running, running_max; /* jobs that are not parked, at a time */
	unsigned done;
};

struct crowd_job {
	struct os_job job;
	struct crowd *crowd;
};

static void count_running(struct crowd *crowd, int by)
{
	crowd->running += (unsigned)by;
	if (crowd->running > crowd->running_max)
		crowd->running_max = crowd->running;
}

static void park_with_all(struct os_job *job)
{
	struct crowd *crowd = BASE_CONTAINER(job, struct crowd_job, job)->crowd;
	os_mutex_lock(&crowd->lock);
	count_running(crowd, 1);
	os_mutex_unlock(&crowd->lock);
	os_mutex_lock(&crowd->lock);
	count_running(crowd, -1);
	os_mutex_unlock(&crowd->lock);
	os_job_park(job);
	os_mutex_lock(&crowd->lock);
	crowd->parked += 1;
	os_condition_broadcast(&crowd->changed);
	while (crowd->parked < JOBS)
		os_condition_wait(&crowd->changed, &crowd->lock);
	os_mutex_unlock(&crowd->lock);
	os_job_unpark(job);
}

static void on_done(struct os_job *job)
{
	struct crowd *crowd = BASE_CONTAINER(job, struct crowd_job, job)->crowd;
	if (++crowd->done == JOBS)
		os_real_loop_stop(crowd->loop);
}

/* With two threads, forty jobs that each wait for all the others end only if those that wait lend their places. */
static void parked_jobs_make_room(void **state)
{
	struct crowd crowd = {.loop = os_real_loop_new()};
	struct os_executor *executor = os_executor_new(crowd.loop, "test", OS_ORDINARY, THREADS, 1 << 18);
	struct crowd_job jobs[JOBS] = {0};
	(void)state;
	os_mutex_init(&crowd.lock);
	os_condition_init(&crowd.changed);
	for (int round = 0; round < 3; round++) {
		crowd.parked = crowd.done = 0;
		for (size_t i = 0; i < JOBS; i++) {
			jobs[i] = (struct crowd_job){{.run = park_with_all, .done = on_done}, &crowd};
			os_submit(executor, &jobs[i].job);
		}
		os_real_loop_run(crowd.loop);
		assert_int_equal(crowd.done, JOBS);
	}
	assert_in_range(crowd.running_max, 1, THREADS);
	os_executor_free(executor);
	os_real_loop_free(crowd.loop);
	os_condition_deinit(&crowd.changed);
	os_mutex_deinit(&crowd.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(slots_are_shared),
		cmocka_unit_test(parked_jobs_make_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
