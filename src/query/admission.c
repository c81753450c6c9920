/* A counter of free slots and a queue (see admission.h).
 *
 * Invariant: who came first goes first; a slot is free only when nobody waits. Lock: the admission's own, taken alone, or by
 * whoever cancels under the connection's.
 */
#include "query/admission.h"

#include "base/table.h"
#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>

struct query_admission {
	struct os_mutex lock; /* of everything here, and of who waits */
	struct os_condition changed;
	unsigned free_slots;
	unsigned waiting;
	struct base_list queue;
};

struct query_admission *query_admission_new(unsigned slots)
{
	assert(slots > 0);
	struct query_admission *admission = calloc(1, sizeof *admission);
	if (!admission)
		return NULL;
	os_mutex_init(&admission->lock);
	os_condition_init(&admission->changed);
	base_list_init(&admission->queue);
	admission->free_slots = slots;
	return admission;
}

void query_admission_free(struct query_admission *admission)
{
	if (!admission)
		return;
	assert(admission->waiting == 0);
	os_condition_deinit(&admission->changed);
	os_mutex_deinit(&admission->lock);
	free(admission);
}

static void number_places(struct query_admission *admission)
{
	unsigned place = 0;
	for (struct base_list *node = admission->queue.next; node != &admission->queue; node = node->next)
		atomic_store(&BASE_CONTAINER(node, struct query_ticket, node)->place, ++place);
	assert(place == admission->waiting);
}

bool query_admission_try(struct query_admission *admission, struct query_ticket *ticket)
{
	if (ticket->held)
		return true;
	os_mutex_lock(&admission->lock);
	ticket->held = admission->free_slots > 0 && admission->waiting == 0;
	admission->free_slots -= ticket->held;
	os_mutex_unlock(&admission->lock);
	return ticket->held;
}

static bool is_first(const struct query_admission *admission, const struct query_ticket *ticket)
{
	return admission->free_slots > 0 && admission->queue.next == &ticket->node;
}

/* Under the lock. */
static pyr_result queue_up(struct query_admission *admission, struct query_ticket *ticket, const atomic_bool *cancelled)
{
	if (admission->waiting == QUERY_WAITING_MAX)
		return pyr_result_of(PYR_BUSY);
	admission->waiting += 1;
	base_list_append(&admission->queue, &ticket->node);
	number_places(admission);
	while (!is_first(admission, ticket) && !atomic_load(cancelled))
		os_condition_wait(&admission->changed, &admission->lock);
	ticket->held = is_first(admission, ticket) && !atomic_load(cancelled);
	admission->free_slots -= ticket->held;
	admission->waiting -= 1;
	base_list_remove(&ticket->node);
	atomic_store(&ticket->place, 0);
	number_places(admission);
	os_condition_broadcast(&admission->changed); /* the next may be first now */
	return pyr_result_of(ticket->held ? PYR_OK : PYR_CANCELLED);
}

pyr_result query_admission_wait(struct query_admission *admission, struct query_ticket *ticket,
                                const atomic_bool *cancelled, const struct query_waits *waits)
{
	if (query_admission_try(admission, ticket))
		return pyr_ok();
	if (waits)
		waits->begin(waits->context);
	os_mutex_lock(&admission->lock);
	pyr_result result = queue_up(admission, ticket, cancelled);
	os_mutex_unlock(&admission->lock);
	if (waits)
		waits->end(waits->context);
	return result;
}

void query_admission_leave(struct query_admission *admission, struct query_ticket *ticket)
{
	if (!ticket->held)
		return;
	os_mutex_lock(&admission->lock);
	ticket->held = false;
	admission->free_slots += 1;
	os_condition_broadcast(&admission->changed);
	os_mutex_unlock(&admission->lock);
}

void query_admission_wake(struct query_admission *admission)
{
	os_mutex_lock(&admission->lock);
	os_condition_broadcast(&admission->changed);
	os_mutex_unlock(&admission->lock);
}
