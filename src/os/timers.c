/* A binary heap of timers (see timers.h). Invariant: heap[t->slot - 1] == t for every armed timer. */
#include "os/timers.h"

#include <assert.h>
#include <stdlib.h>

void os_timers_deinit(struct os_timers *timers)
{
	free(timers->heap);
	*timers = (struct os_timers){0};
}

static void place(struct os_timers *timers, size_t at, struct os_timer *timer)
{
	timers->heap[at] = timer;
	timer->slot = at + 1;
}

static void sift_up(struct os_timers *timers, size_t at)
{
	struct os_timer *timer = timers->heap[at];
	while (at > 0 && timers->heap[(at - 1) / 2]->due_us > timer->due_us) {
		place(timers, at, timers->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(timers, at, timer);
}

static void sift_down(struct os_timers *timers, size_t at)
{
	struct os_timer *timer = timers->heap[at];
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < timers->count && timers->heap[child + 1]->due_us < timers->heap[child]->due_us)
			child += 1;
		if (child >= timers->count || timers->heap[child]->due_us >= timer->due_us)
			break;
		place(timers, at, timers->heap[child]);
		at = child;
	}
	place(timers, at, timer);
}

void os_timers_start(struct os_timers *timers, struct os_timer *timer, uint64_t due_us)
{
	os_timers_stop(timers, timer);
	if (timers->count == timers->capacity) {
		timers->capacity = timers->capacity ? timers->capacity * 2 : 64;
		timers->heap = realloc(timers->heap, timers->capacity * sizeof(struct os_timer *));
		if (!timers->heap)
			abort();
	}
	timer->due_us = due_us;
	place(timers, timers->count++, timer);
	sift_up(timers, timer->slot - 1);
}

void os_timers_stop(struct os_timers *timers, struct os_timer *timer)
{
	if (timer->slot == 0)
		return;
	size_t at = timer->slot - 1;
	assert(at < timers->count && timers->heap[at] == timer);
	struct os_timer *last = timers->heap[--timers->count];
	timer->slot = 0;
	if (last == timer)
		return;
	place(timers, at, last);
	sift_up(timers, at);
	sift_down(timers, last->slot - 1);
}

struct os_timer *os_timers_pop(struct os_timers *timers, uint64_t now_us)
{
	if (timers->count == 0 || timers->heap[0]->due_us > now_us)
		return NULL;
	struct os_timer *timer = timers->heap[0];
	os_timers_stop(timers, timer);
	return timer;
}

bool os_timers_next_us(const struct os_timers *timers, uint64_t *ret_due_us)
{
	if (timers->count > 0)
		*ret_due_us = timers->heap[0]->due_us;
	return timers->count > 0;
}
