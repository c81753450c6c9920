/* Rows of what coordinates (see coord_list.h). A million sessions are copied in some milliseconds. */
#include "node/coord_list.h"

#include "node/ask.h"
#include "os/real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	struct pharaoh *const *pharaoh;
	enum query_coord_kind kind;
	void *rows;
	size_t count, max;
	uint64_t time_ms;
	bool failed;
};

static void add_session(void *context, struct session *session)
{
	struct listing *listing = context;
	struct query_coord_session *row = (struct query_coord_session *)listing->rows + listing->count;
	if (listing->count == listing->max)
		return;
	listing->count += 1;
	row->session = (int64_t)session->id;
	row->slot = codec_pharaoh_session_slot(session->id);
	row->ttl_ms = session->ttl_ms;
	row->left_ms = session->until_ms > listing->time_ms ? (int64_t)(session->until_ms - listing->time_ms) : 0;
	for (const struct lock *lock = session->held; lock; lock = lock->next_held)
		row->locks += 1;
}

/* SQL's texts are UTF-8: of other names, and of control characters, the bytes that are none are shown as '?'. */
static void copy_name(char *to, const uint8_t *name, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = name[i] >= 0x20 && name[i] < 0x7f ? (char)name[i] : '?';
	to[bytes] = '\0';
}

static void add_lock(void *context, const struct lock *lock)
{
	struct listing *listing = context;
	struct query_lock *row = (struct query_lock *)listing->rows + listing->count;
	if (listing->count == listing->max)
		return;
	listing->count += 1;
	*row = (struct query_lock){
		.slot = lock->slot,
		.session = (int64_t)lock->holder->id,
		.token = (int64_t)lock->token,
		.waiting = (int64_t)lock_line(lock),
		.value_bytes = (int64_t)lock->value.bytes,
	};
	copy_name(row->name, lock->name, lock->name_bytes);
}

static void add_slots(struct listing *listing, const struct pharaoh *pharaoh, uint64_t now_ms)
{
	struct query_slot *rows = listing->rows;
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		struct authority_owner owner = pharaoh_owner(pharaoh, now_ms, slot);
		struct query_slot *row = &rows[listing->count++];
		row->slot = slot;
		row->epoch = owner.epoch > 0 ? (int64_t)owner.epoch : -1;
		if (owner.epoch > 0)
			snprintf(row->owner, sizeof row->owner, "%s:%u", owner.host, owner.port);
	}
}

static void list(void *context, size_t shard)
{
	static const size_t row_bytes[] = {sizeof(struct query_slot), sizeof(struct query_coord_session),
	                                   sizeof(struct query_lock)};
	struct listing *listing = context;
	struct pharaoh *pharaoh = *listing->pharaoh;
	uint64_t now_ms = os_real_steady_ms();
	(void)shard;
	if (!pharaoh)
		return;
	struct pharaoh_metrics metrics = pharaoh_metrics_get(pharaoh, now_ms);
	listing->max = listing->kind == QUERY_SLOTS      ? SLOTS
	               : listing->kind == QUERY_SESSIONS ? metrics.sessions
	                                                 : metrics.locks;
	listing->time_ms = pharaoh_time_ms(pharaoh, now_ms);
	listing->rows = calloc(listing->max + 1, row_bytes[listing->kind]);
	listing->failed = !listing->rows;
	if (listing->failed)
		return;
	if (listing->kind == QUERY_SLOTS)
		add_slots(listing, pharaoh, now_ms);
	else if (listing->kind == QUERY_SESSIONS)
		pharaoh_sessions_each(pharaoh, add_session, listing);
	else
		pharaoh_locks_each(pharaoh, add_lock, listing);
}

pyr_result node_coord_list(const struct node *node, struct pharaoh *const *pharaoh, enum query_coord_kind kind,
                           void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	struct listing listing = {.pharaoh = pharaoh, .kind = kind};
	node_ask(node, 1, list, &listing);
	if (listing.failed)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	*ret_rows = listing.rows;
	*ret_count = listing.count;
	return pyr_ok();
}
