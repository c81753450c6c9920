/* Sessions: who is alive, by keep-alives; a million of them in flat arrays of 48 bytes each.
 *
 * A session lives until its time to live has passed without a keep-alive. A keep-alive is a look-up and a store: the session
 * stays where it is in the timing wheel, and is looked at when its old moment comes. Soft state: nothing is durable.
 *
 * Time is what the owner says it is, and passes at most SESSIONS_STEP_MS with each sessions_advance(): a process that was
 * stopped for a minute gives everybody the time to be heard before it ends anybody.
 *
 * Invariants: no session ends before its time to live has passed since the last keep-alive; each ends within
 * SESSIONS_TICK_MS behind that; what it holds is told with it. Failure modes: too many are refused (PYR_BUSY).
 * After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987). Owner: one thread.
 */
#ifndef PYRALOG_COORD_SESSIONS_H
#define PYRALOG_COORD_SESSIONS_H

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SESSIONS_TICK_MS = 32, SESSIONS_STEP_MS = 250, SESSIONS_TTL_MIN_MS = 100, SESSIONS_TTL_MAX_MS = 60000 };

struct sessions;
struct lock;
struct lock_waiter;

struct session {
	uint64_t id; /* 0: nobody's place */
	uint64_t until_ms; /* of the sessions' own time */
	struct lock *held; /* the owner's to use: NULL at first, and to be taken off before the session goes */
	struct lock_waiter *waiting;
	uint16_t ttl_ms, wheel; /* `wheel`: its place in it */
	uint32_t next_of_hash, next_of_wheel, previous_of_wheel; /* places + 1; 0: none */
};

/* NULL: out of memory. */
struct sessions *sessions_new(size_t sessions_max, uint64_t now_ms);
void sessions_free(struct sessions *sessions); /* NULL is fine */
size_t sessions_count(const struct sessions *sessions);
size_t sessions_bytes(const struct sessions *sessions); /* of memory */
/* The sessions' own time when the owner's is `now_ms`: what a promise counts from. With the owner's at the last advance it is
 * earlier: good for asking whether a moment has come. */
uint64_t sessions_time_at(const struct sessions *sessions, uint64_t now_ms);
uint64_t sessions_time_ms(const struct sessions *sessions);

/* A new one; nobody else has, or had, this id, which is not 0. The pointer is good as long as the session lives. PYR_BUSY;
 * PYR_EXISTS; PYR_OUT_OF_MEMORY. */
pyr_result sessions_open(struct sessions *sessions, uint64_t now_ms, uint64_t id, uint32_t ttl_ms,
                         struct session **ret_session);
struct session *sessions_find(const struct sessions *sessions, uint64_t id); /* NULL: it is not there */
void sessions_touch(const struct sessions *sessions, uint64_t now_ms, struct session *session);
/* `held` and `waiting` are NULL. */
void sessions_close(struct sessions *sessions, struct session *session);
/* Time passes; `end` is called with each session that has run out, and closes it, or keeps it by a touch. */
void sessions_advance(struct sessions *sessions, uint64_t now_ms, void (*end)(void *context, struct session *session),
                      void *context);
/* All of them in any order, a page at a time: up to `max` from the cursor on, 0 at first. Where to go on; 0: those were the last.
 * One that is there all the time is in one page; one that comes or goes meanwhile may be. */
size_t sessions_page(const struct sessions *sessions, size_t cursor, size_t max,
                     void (*visit)(void *context, struct session *session), void *context);

#endif
