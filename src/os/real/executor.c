/* Threads for blocking work. A thread is started when work waits and none is idle, up to the limit, and stays.
 *
 * A job that is parked lends its place: for each there may be one thread more, which leaves when it has nothing to do and
 * there are too many. Invariant: a job begins only while fewer than threads_max run that are not parked.
 * Lock: executor->lock, taken alone. Everything in the struct but `base` is under it.
 */
#include "os/real/real_priv.h"
#include "os/thread.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

struct real_executor {
	struct os_executor base;
	const char *name;
	enum os_urgency urgency;
	size_t stack_bytes;
	unsigned threads_max;
	pthread_t *threads;
	unsigned thread_count;
	unsigned idle;
	unsigned running, parked; /* jobs: those that are not parked, and those that are */
	size_t queued;
	bool stopping;
	struct os_mutex lock;
	struct os_condition work;
	struct base_list queue;
};

static void finish_job(struct os_task *task)
{
	struct os_job *job = (struct os_job *)(void *)task;
	job->done(job);
}

/* More than there is use for: what was parked runs again. */
static bool is_surplus(const struct real_executor *executor)
{
	return !executor->stopping && executor->thread_count > executor->threads_max + executor->parked;
}

/* The thread is nobody's to wait for any more. */
static void leave(struct real_executor *executor)
{
	unsigned i = 0;
	while (!pthread_equal(executor->threads[i], pthread_self()))
		i++;
	assert(i < executor->thread_count);
	executor->threads[i] = executor->threads[--executor->thread_count];
	pthread_detach(pthread_self());
}

static struct base_list *take(struct real_executor *executor)
{
	if (executor->running >= executor->threads_max)
		return NULL;
	struct base_list *node = base_list_pop(&executor->queue);
	executor->queued -= node != NULL;
	executor->running += node != NULL;
	return node;
}

static bool is_over(const struct real_executor *executor)
{
	return executor->stopping && executor->queued == 0;
}

/* NULL: the thread ends. */
static struct os_job *next_job(struct real_executor *executor, bool ran)
{
	struct base_list *node = NULL;
	os_mutex_lock(&executor->lock);
	executor->running -= ran;
	executor->idle += 1;
	while (!(node = take(executor)) && !is_over(executor) && !is_surplus(executor))
		os_condition_wait(&executor->work, &executor->lock);
	executor->idle -= 1;
	if (!node && is_surplus(executor))
		leave(executor);
	else if (!node)
		os_condition_broadcast(&executor->work); /* others wait for the queue's last, too */
	os_mutex_unlock(&executor->lock);
	return node ? (struct os_job *)(void *)node : NULL;
}

static void *work(void *argument)
{
	struct real_executor *executor = argument;
	struct os_job *job;
	bool ran = false;
	pthread_setname_np(pthread_self(), executor->name);
	os_real_thread_urgency(executor->urgency);
	while ((job = next_job(executor, ran))) {
		ran = true;
		job->run(job);
		assert(!job->parked);
		job->task.run = finish_job;
		os_loop_post(executor->base.loop, &job->task);
	}
	return NULL;
}

/* Under the lock. Signals belong to the loop's thread: a worker blocks them all. */
static bool start_thread(struct real_executor *executor)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, executor->stack_bytes);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&executor->threads[executor->thread_count], &attributes, work, executor);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	executor->thread_count += failed == 0;
	return failed == 0;
}

struct os_executor *real_executor_new(struct os_loop *loop, const char *name, enum os_urgency urgency,
                                      unsigned threads_max, size_t stack_bytes)
{
	assert(threads_max > 0 && stack_bytes >= 65536);
	struct real_executor *executor = calloc(1, sizeof *executor);
	if (!executor)
		return NULL;
	executor->base.loop = loop;
	executor->name = name;
	executor->urgency = urgency;
	executor->stack_bytes = stack_bytes;
	executor->threads_max = threads_max;
	os_mutex_init(&executor->lock);
	os_condition_init(&executor->work);
	base_list_init(&executor->queue);
	executor->threads = calloc(threads_max + OS_JOBS_PARKED_MAX, sizeof *executor->threads);
	/* One thread from the start, so that submitted work always runs. */
	os_mutex_lock(&executor->lock);
	bool started = executor->threads && start_thread(executor);
	os_mutex_unlock(&executor->lock);
	if (!started) {
		free(executor->threads);
		free(executor);
		return NULL;
	}
	return &executor->base;
}

static void want_thread(struct real_executor *executor)
{
	/* A failure to start one more thread is no failure: those that run take the work. */
	if (executor->queued > executor->idle && executor->thread_count < executor->threads_max + executor->parked)
		(void)start_thread(executor);
	os_condition_signal(&executor->work);
}

void real_park(struct os_job *job, bool parked)
{
	struct real_executor *executor = (struct real_executor *)job->executor;
	os_mutex_lock(&executor->lock);
	if (parked && executor->parked < OS_JOBS_PARKED_MAX) {
		assert(!job->parked);
		job->parked = true;
		executor->parked += 1;
		executor->running -= 1;
		want_thread(executor);
	} else if (!parked && job->parked) {
		job->parked = false;
		executor->parked -= 1;
		executor->running += 1;
		if (is_surplus(executor))
			os_condition_signal(&executor->work); /* an idle one leaves */
	}
	os_mutex_unlock(&executor->lock);
}

void real_submit(struct os_executor *base, struct os_job *job)
{
	struct real_executor *executor = (struct real_executor *)base;
	os_mutex_lock(&executor->lock);
	assert(!executor->stopping);
	base_list_append(&executor->queue, &job->task.node);
	executor->queued += 1;
	want_thread(executor);
	os_mutex_unlock(&executor->lock);
}

void real_executor_free(struct os_executor *base)
{
	struct real_executor *executor = (struct real_executor *)base;
	os_mutex_lock(&executor->lock);
	executor->stopping = true;
	os_condition_broadcast(&executor->work);
	os_mutex_unlock(&executor->lock);
	for (unsigned i = 0; i < executor->thread_count; i++)
		pthread_join(executor->threads[i], NULL);
	os_condition_deinit(&executor->work);
	os_mutex_deinit(&executor->lock);
	free(executor->threads);
	free(executor);
}
