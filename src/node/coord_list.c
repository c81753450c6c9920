/* Rows of what coordinates (see coord_list.h), page by page: a turn of the loop copies PAGE of them, and serves others before the
 * next, so that a million sessions keep nobody waiting. Pages are of moments that follow each other. */
#include "node/coord_list.h"

#include "base/array.h"
#include "node/ask.h"
#include "os/real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PAGE_ROWS_MAX = 4 * PAGE };

_Static_assert((int)SLOTS <= (int)PAGE_ROWS_MAX, "all slots are one page");

struct listing {
	struct pharaoh *const *pharaoh;
	enum query_coord_kind kind;
	uint8_t *rows; /* the asking thread's */
	size_t count, room; /* room for PAGE_ROWS_MAX more */
	size_t page_max; /* `count` does not pass it */
	size_t cursor; /* 0: that was all */
	uint64_t time_ms;
};

static void add_session(void *context, struct session *session)
{
	struct listing *listing = context;
	struct query_coord_session *row = (struct query_coord_session *)(void *)listing->rows + listing->count;
	if (listing->count == listing->page_max)
		return;
	listing->count += 1;
	*row = (struct query_coord_session){.session = (int64_t)session->id};
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
	struct query_lock *row = (struct query_lock *)(void *)listing->rows + listing->count;
	if (listing->count == listing->page_max)
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
	struct query_slot *rows = (struct query_slot *)(void *)listing->rows;
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		struct authority_owner owner = pharaoh_owner(pharaoh, now_ms, slot);
		struct query_slot *row = &rows[listing->count++];
		*row = (struct query_slot){.slot = slot};
		row->epoch = owner.epoch > 0 ? (int64_t)owner.epoch : -1;
		if (owner.epoch > 0)
			snprintf(row->owner, sizeof row->owner, "%s:%u", owner.host, owner.port);
	}
}

static void list_page(void *context, size_t shard)
{
	struct listing *listing = context;
	const struct pharaoh *pharaoh = *listing->pharaoh;
	uint64_t now_ms = os_real_steady_ms();
	size_t cursor = listing->cursor;
	(void)shard;
	listing->cursor = 0;
	if (!pharaoh)
		return;
	listing->time_ms = pharaoh_time_ms(pharaoh, now_ms);
	listing->page_max = listing->count + PAGE_ROWS_MAX;
	if (listing->kind == QUERY_SLOTS)
		add_slots(listing, pharaoh, now_ms);
	else if (listing->kind == QUERY_SESSIONS)
		listing->cursor = pharaoh_sessions_page(pharaoh, cursor, PAGE, add_session, listing);
	else
		listing->cursor = pharaoh_locks_page(pharaoh, cursor, PAGE, add_lock, listing);
}

pyr_result node_coord_list(const struct node *node, struct pharaoh *const *pharaoh, enum query_coord_kind kind,
                           void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	static const size_t row_bytes[] = {sizeof(struct query_slot), sizeof(struct query_coord_session),
	                                   sizeof(struct query_lock)};
	struct listing listing = {.pharaoh = pharaoh, .kind = kind};
	do {
		if (!base_array_reserve(&listing.rows, &listing.room, (listing.count + PAGE_ROWS_MAX) * row_bytes[kind],
		                        1)) {
			free(listing.rows);
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
		}
		node_ask(node, 1, list_page, &listing);
	} while (listing.cursor > 0);
	*ret_rows = listing.rows;
	*ret_count = listing.count;
	return pyr_ok();
}
