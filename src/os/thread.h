/* The few things a blocking thread needs: a lock, a condition with a deadline. Order of locks: docs/ARCHITECTURE.md.
 *
 * Only os/ and the hand-over between a query's thread and the shards use these; the hot path has no lock. */
#ifndef PYRALOG_OS_THREAD_H
#define PYRALOG_OS_THREAD_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct os_mutex {
	pthread_mutex_t mutex;
};

struct os_condition {
	pthread_cond_t condition;
};

/* A thread for a loop that is not ours: a library's. */
struct os_thread {
	pthread_t thread;
	void (*run)(void *context);
	void *context;
};

/* `thread` lives until it is joined; it takes no signals. `name` has at most 15 characters. PYR_OUT_OF_MEMORY. */
pyr_result os_thread_start(struct os_thread *thread, const char *name, void (*run)(void *context), void *context);
void os_thread_join(struct os_thread *thread);

/* In a loop that waits for another thread without sleeping. */
static inline void os_thread_pause(void)
{
#if defined __x86_64__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield");
#endif
}

void os_mutex_init(struct os_mutex *mutex);
void os_mutex_deinit(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

void os_condition_init(struct os_condition *condition);
void os_condition_deinit(struct os_condition *condition);
void os_condition_signal(struct os_condition *condition);
void os_condition_broadcast(struct os_condition *condition);
void os_condition_wait(struct os_condition *condition, struct os_mutex *mutex);
/* False when `timeout_us` passed first. */
bool os_condition_wait_for(struct os_condition *condition, struct os_mutex *mutex, uint64_t timeout_us);

#endif
