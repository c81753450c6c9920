/* A binary heap of armed timers, shared by both loops. One owner thread. */
#ifndef PYRALOG_OS_TIMERS_H
#define PYRALOG_OS_TIMERS_H

#include "os/loop.h"

#include <stdbool.h>

struct os_timers {
	struct os_timer **heap; /* heap[0] is due first */
	size_t count;
	size_t capacity;
};

void os_timers_deinit(struct os_timers *timers);
/* Arms or re-arms. Aborts when memory is out: a lost timer would hang a client, and the array is some kilobytes. */
void os_timers_start(struct os_timers *timers, struct os_timer *timer, uint64_t due_us);
void os_timers_stop(struct os_timers *timers, struct os_timer *timer);
/* The timer that is due first, disarmed, if it is due by now_us; or NULL. */
struct os_timer *os_timers_pop(struct os_timers *timers, uint64_t now_us);
/* False: nothing is armed. */
bool os_timers_next_us(const struct os_timers *timers, uint64_t *ret_due_us);

#endif
