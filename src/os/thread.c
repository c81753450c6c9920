/* Locks and conditions over pthreads (see thread.h). A pthread call fails here only when it is misused: asserted. */
#include "os/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

static void must(int failed)
{
	assert(failed == 0);
	(void)failed;
}

void os_mutex_init(struct os_mutex *mutex)
{
	must(pthread_mutex_init(&mutex->mutex, NULL));
}

void os_mutex_deinit(struct os_mutex *mutex)
{
	must(pthread_mutex_destroy(&mutex->mutex));
}

void os_mutex_lock(struct os_mutex *mutex)
{
	must(pthread_mutex_lock(&mutex->mutex));
}

void os_mutex_unlock(struct os_mutex *mutex)
{
	must(pthread_mutex_unlock(&mutex->mutex));
}

void os_condition_init(struct os_condition *condition)
{
	pthread_condattr_t attributes;
	must(pthread_condattr_init(&attributes));
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
	must(pthread_cond_init(&condition->condition, &attributes));
	must(pthread_condattr_destroy(&attributes));
}

void os_condition_deinit(struct os_condition *condition)
{
	must(pthread_cond_destroy(&condition->condition));
}

void os_condition_signal(struct os_condition *condition)
{
	must(pthread_cond_signal(&condition->condition));
}

void os_condition_broadcast(struct os_condition *condition)
{
	must(pthread_cond_broadcast(&condition->condition));
}

void os_condition_wait(struct os_condition *condition, struct os_mutex *mutex)
{
	must(pthread_cond_wait(&condition->condition, &mutex->mutex));
}

bool os_condition_wait_for(struct os_condition *condition, struct os_mutex *mutex, uint64_t timeout_us)
{
	struct timespec until;
	must(clock_gettime(CLOCK_MONOTONIC, &until));
	uint64_t nanoseconds = (uint64_t)until.tv_nsec + timeout_us % 1000000 * 1000;
	until.tv_sec += (time_t)(timeout_us / 1000000 + nanoseconds / 1000000000);
	until.tv_nsec = (long)(nanoseconds % 1000000000);
	int failed = pthread_cond_timedwait(&condition->condition, &mutex->mutex, &until);
	assert(failed == 0 || failed == ETIMEDOUT);
	return failed == 0;
}

/* ---- threads ---- */

static void *run_thread(void *context)
{
	struct os_thread *thread = context;
	thread->run(thread->context);
	return NULL;
}

pyr_result os_thread_start(struct os_thread *thread, const char *name, void (*run)(void *context), void *context)
{
	sigset_t all, before;
	thread->run = run;
	thread->context = context;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&thread->thread, NULL, run_thread, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pthread_setname_np(thread->thread, name);
	return pyr_ok();
}

void os_thread_join(struct os_thread *thread)
{
	must(pthread_join(thread->thread, NULL));
}
