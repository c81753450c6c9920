/* Who may run a large statement now: a few at once, the others wait in the order they came, so that small statements, which
 * never ask, find processor and memory.
 *
 * A ticket belongs to a session: at most one of its statements waits or runs. Any thread; whoever waits blocks its own.
 */
#ifndef PYRALOG_QUERY_ADMISSION_H
#define PYRALOG_QUERY_ADMISSION_H

#include "base/error.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { QUERY_WAITING_MAX = 1000 };

struct query_admission;

struct query_ticket {
	struct base_list node;
	bool held; /* its session's thread only */
	atomic_uint place; /* in the queue, from 1; 0: it does not wait */
};

/* Called around a wait, on the waiting thread; see query_session_set_waits(). */
struct query_waits {
	void (*begin)(void *context);
	void (*end)(void *context);
	void *context;
};

struct query_admission *query_admission_new(unsigned slots); /* NULL: memory is out */
void query_admission_free(struct query_admission *admission); /* nobody waits; NULL is fine */
/* True: the ticket is held, or was already. False: others run, or wait. */
bool query_admission_try(struct query_admission *admission, struct query_ticket *ticket);
/* Waits until the ticket is held. PYR_BUSY: too many wait. PYR_CANCELLED: *cancelled became true, which is looked at when
 * it begins to wait and at each query_admission_wake(). */
pyr_result query_admission_wait(struct query_admission *admission, struct query_ticket *ticket,
                                const atomic_bool *cancelled, const struct query_waits *waits);
void query_admission_leave(struct query_admission *admission, struct query_ticket *ticket); /* fine if not held */
void query_admission_wake(struct query_admission *admission);

#endif
