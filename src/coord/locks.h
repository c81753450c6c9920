/* Locks and ephemeral keys: names that one session holds at a time, under a token that only rises, with others waiting in line.
 *
 * A lock ends with its session, or when that gives it up; the first in line has it then. Whoever holds a lock shows its token
 * to what the lock protects, which refuses tokens below the highest it saw: a holder that was paused until its session ended
 * can do no harm. A lock may carry a value; so does an ephemeral key, which is a lock that nobody waits for.
 *
 * Soft state. What another life granted is claimed again by those who hold it (locks_claim()); until the owner says that all
 * who could have did, it grants nothing of that slot to anybody else (`is_settled`).
 *
 * Invariants: a lock has one holder; tokens rise from holder to holder of a name; those who wait are served in the order in
 * which they came. Failure modes: too many locks, waiting ones or bytes are refused (PYR_BUSY). Owner: one thread.
 * After Burrows, "The Chubby lock service" (2006): sequencers, grace period.
 */
#ifndef PYRALOG_COORD_LOCKS_H
#define PYRALOG_COORD_LOCKS_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "base/table.h"
#include "coord/sessions.h"

enum { LOCKS_NAME_MAX = 255, LOCKS_VALUE_MAX = 4096 };

struct locks;

struct lock {
	struct base_table_node node;
	struct session *holder; /* NULL: those in line wait for a grant */
	uint64_t token;
	struct lock *next_held, **held_link; /* of its holder */
	struct base_list line;
	struct base_slice value;
	uint16_t slot;
	uint8_t name_bytes;
	uint8_t name[];
};

/* Somebody in line: the owner's, who lets it live until `done`. */
struct lock_waiter {
	struct base_list node; /* linked while it is in line */
	struct lock *lock;
	struct session *session;
	struct lock_waiter *next_waiting, **waiting_link; /* of its session */
	struct base_slice value;
	/* The lock is its session's (PYR_OK, `token`), or that has ended (PYR_NOT_FOUND), or the slot is not ours any more
	 * (PYR_NOT_LEADER). The last call. */
	void (*done)(struct lock_waiter *waiter, pyr_result result, uint64_t token);
};

struct locks_options {
	size_t locks_max, waiters_max, bytes_max; /* bytes: of names and values */
	/* The slot's next token: above all that were ever given for it. */
	pyr_result (*take_token)(void *context, uint16_t slot, uint64_t *ret_token);
	bool (*is_settled)(void *context, uint16_t slot);
	void *context;
};

struct locks *locks_new(const struct locks_options *options);
void locks_free(struct locks *locks); /* all sessions have ended */
size_t locks_count(const struct locks *locks);
size_t locks_waiting(const struct locks *locks);
struct lock *locks_find(const struct locks *locks, struct base_bytes name);

/* PYR_OK: it is the session's, under *ret_token, also if it was before. PYR_BUSY: somebody else has it, or may have; `waiter`,
 * if it is not NULL, stands in line then. PYR_TOO_LARGE: a limit is reached; PYR_OUT_OF_MEMORY; PYR_STOPPED: no tokens. */
pyr_result locks_take(struct locks *locks, struct base_bytes name, uint16_t slot, struct session *session,
                      struct base_bytes value, struct lock_waiter *waiter, uint64_t *ret_token);
/* It is out of the line; `done` is not called. */
void locks_give_up(struct locks *locks, struct lock_waiter *waiter);
/* PYR_NOT_FOUND: the session does not hold it under this token. */
pyr_result locks_release(struct locks *locks, struct base_bytes name, const struct session *session, uint64_t token);
/* What another life granted, in a slot that is not settled. The highest token counts: PYR_NOT_FOUND for one below, which is
 * not held any more. */
pyr_result locks_claim(struct locks *locks, struct base_bytes name, uint16_t slot, struct session *session,
                       uint64_t token, struct base_bytes value);
/* Releases all that the session holds, and takes it out of all lines. */
void locks_end_session(struct locks *locks, struct session *session);
/* Slots have become settled: grants what waited for that. */
void locks_settle(struct locks *locks);
/* A slot is not ours any more: nothing is granted, everybody in its lines is told. */
void locks_drop(struct locks *locks, uint16_t slot);
/* All that are held, in any order, a page at a time, as sessions_page() does: `max` places of the table, which have about as many
 * locks. */
size_t locks_page(const struct locks *locks, size_t cursor, size_t max,
                  void (*visit)(void *context, const struct lock *lock), void *context);

static inline size_t lock_line(const struct lock *lock)
{
	size_t count = 0;
	for (const struct base_list *node = lock->line.next; node != &lock->line; node = node->next)
		count += 1;
	return count;
}

#endif
