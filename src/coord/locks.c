/* Locks (see locks.h). A lock is in the table while it is held or waited for. */
#include "coord/locks.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct locks {
	struct locks_options options;
	struct base_table table;
	size_t waiters, bytes;
};

/* ---- the table ---- */

static bool is_named(const struct base_table_node *node, const void *key)
{
	const struct lock *lock = BASE_CONTAINER((struct base_table_node *)(uintptr_t)node, struct lock, node);
	const struct base_bytes *name = key;
	return lock->name_bytes == name->bytes && memcmp(lock->name, name->data, name->bytes) == 0;
}

struct lock *locks_find(const struct locks *locks, struct base_bytes name)
{
	struct base_table_node *node =
		base_table_find(&locks->table, base_hash_bytes(name.data, name.bytes), is_named, &name);
	return node ? BASE_CONTAINER(node, struct lock, node) : NULL;
}

static pyr_result make(struct locks *locks, struct base_bytes name, uint16_t slot, struct lock **ret_lock)
{
	assert(name.bytes > 0 && name.bytes <= LOCKS_NAME_MAX);
	if (locks->table.count >= locks->options.locks_max)
		return pyr_result_of(PYR_TOO_LARGE);
	struct lock *lock = malloc(sizeof *lock + name.bytes);
	if (!lock)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*lock = (struct lock){.slot = slot, .name_bytes = (uint8_t)name.bytes};
	memcpy(lock->name, name.data, name.bytes);
	base_list_init(&lock->line);
	if (!base_table_insert(&locks->table, &lock->node, base_hash_bytes(name.data, name.bytes))) {
		free(lock);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	locks->bytes += name.bytes;
	*ret_lock = lock;
	return pyr_ok();
}

static void drop_value(struct locks *locks, struct base_slice *value)
{
	locks->bytes -= value->bytes;
	base_slice_release(value);
}

static void remove_if_unused(struct locks *locks, struct lock *lock)
{
	if (lock->holder || !base_list_empty(&lock->line))
		return;
	base_table_remove(&locks->table, &lock->node);
	locks->bytes -= lock->name_bytes;
	drop_value(locks, &lock->value);
	free(lock);
}

/* ---- who holds, who waits ---- */

static void hold(struct lock *lock, struct session *session, uint64_t token)
{
	assert(!lock->holder && token > lock->token);
	lock->holder = session;
	lock->token = token;
	lock->next_held = session->held;
	lock->held_link = &session->held;
	if (session->held)
		session->held->held_link = &lock->next_held;
	session->held = lock;
}

static void let_go(struct locks *locks, struct lock *lock)
{
	assert(lock->holder);
	*lock->held_link = lock->next_held;
	if (lock->next_held)
		lock->next_held->held_link = lock->held_link;
	lock->holder = NULL;
	drop_value(locks, &lock->value);
}

static void stand_in_line(struct locks *locks, struct lock *lock, struct session *session, struct lock_waiter *waiter)
{
	waiter->lock = lock;
	waiter->session = session;
	base_list_append(&lock->line, &waiter->node);
	waiter->next_waiting = session->waiting;
	waiter->waiting_link = &session->waiting;
	if (session->waiting)
		session->waiting->waiting_link = &waiter->next_waiting;
	session->waiting = waiter;
	locks->waiters += 1;
}

static void leave_line(struct locks *locks, struct lock_waiter *waiter)
{
	base_list_remove(&waiter->node);
	*waiter->waiting_link = waiter->next_waiting;
	if (waiter->next_waiting)
		waiter->next_waiting->waiting_link = waiter->waiting_link;
	waiter->lock = NULL;
	locks->waiters -= 1;
}

static void tell(struct locks *locks, struct lock_waiter *waiter, pyr_result result, uint64_t token)
{
	leave_line(locks, waiter);
	if (result.code != PYR_OK)
		drop_value(locks, &waiter->value);
	waiter->done(waiter, result, token);
}

static pyr_result next_token(struct locks *locks, const struct lock *lock, uint64_t *ret_token)
{
	return locks->options.take_token(locks->options.context, lock->slot, ret_token);
}

/* To the first in line. Without tokens nothing is granted any more, and everybody is told. */
static void grant_next(struct locks *locks, struct lock *lock)
{
	while (!lock->holder && !base_list_empty(&lock->line) &&
	       locks->options.is_settled(locks->options.context, lock->slot)) {
		struct lock_waiter *waiter = BASE_CONTAINER(lock->line.next, struct lock_waiter, node);
		uint64_t token = 0;
		pyr_result result = next_token(locks, lock, &token);
		if (result.code == PYR_OK) {
			hold(lock, waiter->session, token);
			lock->value = waiter->value;
			waiter->value = (struct base_slice){0};
		}
		tell(locks, waiter, result, token);
	}
	remove_if_unused(locks, lock);
}

/* ---- what is asked ---- */

static pyr_result copy_value(struct locks *locks, struct base_bytes value, struct base_slice *ret_value)
{
	*ret_value = (struct base_slice){0};
	if (value.bytes > LOCKS_VALUE_MAX || locks->bytes + value.bytes > locks->options.bytes_max)
		return pyr_result_of(PYR_TOO_LARGE);
	if (value.bytes > 0)
		*ret_value = base_slice_copy(value.data, value.bytes);
	if (value.bytes > 0 && !ret_value->owner)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	locks->bytes += value.bytes;
	return pyr_ok();
}

static bool is_free(const struct locks *locks, const struct lock *lock)
{
	return !lock->holder && base_list_empty(&lock->line) &&
	       locks->options.is_settled(locks->options.context, lock->slot);
}

static pyr_result take_made(struct locks *locks, struct lock *lock, struct session *session, struct base_bytes value,
                            struct lock_waiter *waiter, uint64_t *ret_token)
{
	struct base_slice copy;
	if (lock->holder == session) {
		*ret_token = lock->token;
		return pyr_ok();
	}
	bool now = is_free(locks, lock);
	if (!now && !waiter)
		return pyr_result_of(PYR_BUSY);
	if (!now && locks->waiters >= locks->options.waiters_max)
		return pyr_result_of(PYR_TOO_LARGE);
	PYR_TRY(copy_value(locks, value, &copy));
	if (!now) {
		waiter->value = copy;
		stand_in_line(locks, lock, session, waiter);
		return pyr_result_of(PYR_BUSY);
	}
	pyr_result result = next_token(locks, lock, ret_token);
	if (result.code != PYR_OK) {
		drop_value(locks, &copy);
		return result;
	}
	hold(lock, session, *ret_token);
	lock->value = copy;
	return pyr_ok();
}

pyr_result locks_take(struct locks *locks, struct base_bytes name, uint16_t slot, struct session *session,
                      struct base_bytes value, struct lock_waiter *waiter, uint64_t *ret_token)
{
	struct lock *lock = locks_find(locks, name);
	if (!lock)
		PYR_TRY(make(locks, name, slot, &lock));
	pyr_result result = take_made(locks, lock, session, value, waiter, ret_token);
	remove_if_unused(locks, lock);
	return result;
}

void locks_give_up(struct locks *locks, struct lock_waiter *waiter)
{
	struct lock *lock = waiter->lock;
	assert(lock);
	leave_line(locks, waiter);
	drop_value(locks, &waiter->value);
	remove_if_unused(locks, lock);
}

pyr_result locks_release(struct locks *locks, struct base_bytes name, const struct session *session, uint64_t token)
{
	struct lock *lock = locks_find(locks, name);
	if (!lock || !lock->holder || lock->holder != session || lock->token != token)
		return pyr_result_of(PYR_NOT_FOUND);
	let_go(locks, lock);
	grant_next(locks, lock);
	return pyr_ok();
}

pyr_result locks_claim(struct locks *locks, struct base_bytes name, uint16_t slot, struct session *session,
                       uint64_t token, struct base_bytes value)
{
	struct lock *lock = locks_find(locks, name);
	struct base_slice copy;
	if (lock && lock->holder == session && lock->token == token)
		return pyr_ok();
	if (locks->options.is_settled(locks->options.context, slot) || token == 0 || (lock && lock->token >= token))
		return pyr_result_of(PYR_NOT_FOUND);
	PYR_TRY(copy_value(locks, value, &copy));
	pyr_result result = lock ? pyr_ok() : make(locks, name, slot, &lock);
	if (result.code != PYR_OK) {
		drop_value(locks, &copy);
		return result;
	}
	if (lock->holder)
		let_go(locks, lock);
	hold(lock, session, token);
	lock->value = copy;
	return pyr_ok();
}

void locks_end_session(struct locks *locks, struct session *session)
{
	while (session->waiting) {
		struct lock *lock = session->waiting->lock;
		tell(locks, session->waiting, pyr_result_of(PYR_NOT_FOUND), 0);
		remove_if_unused(locks, lock);
	}
	while (session->held) {
		struct lock *lock = session->held;
		let_go(locks, lock);
		grant_next(locks, lock);
	}
}

/* ---- slots ---- */

/* Locks may go while they are visited: the next is found first, and none that stays moves. */
static void each_lock(struct locks *locks, void (*visit)(struct locks *locks, struct lock *lock, uint16_t slot),
                      uint16_t slot)
{
	struct base_table_node *node = base_table_next(&locks->table, NULL), *next;
	for (; node; node = next) {
		next = base_table_next(&locks->table, node);
		visit(locks, BASE_CONTAINER(node, struct lock, node), slot);
	}
}

static void settle_one(struct locks *locks, struct lock *lock, uint16_t slot)
{
	(void)slot;
	if (!lock->holder)
		grant_next(locks, lock);
}

void locks_settle(struct locks *locks)
{
	each_lock(locks, settle_one, 0);
}

static void drop_one(struct locks *locks, struct lock *lock, uint16_t slot)
{
	if (lock->slot != slot)
		return;
	while (!base_list_empty(&lock->line))
		tell(locks, BASE_CONTAINER(lock->line.next, struct lock_waiter, node), pyr_result_of(PYR_NOT_LEADER),
		     0);
	if (lock->holder)
		let_go(locks, lock);
	remove_if_unused(locks, lock);
}

void locks_drop(struct locks *locks, uint16_t slot)
{
	each_lock(locks, drop_one, slot);
}

static size_t reversed(size_t bits)
{
	size_t result = 0;
	for (size_t i = 0; i < sizeof bits * 8; i++, bits >>= 1)
		result = result << 1 | (bits & 1);
	return result;
}

/* Buckets are visited by their number's bits in reverse: when the table grows, what a bucket splits into has been visited as it was.
 * The trick is Pieter Noordhuis's, for Redis's SCAN. */
size_t locks_page(const struct locks *locks, size_t cursor, size_t max,
                  void (*visit)(void *context, const struct lock *lock), void *context)
{
	size_t mask = locks->table.bucket_count - 1;
	for (size_t i = 0; locks->table.bucket_count > 0 && i < max; i++) {
		for (struct base_table_node *node = locks->table.buckets[cursor & mask]; node; node = node->next) {
			const struct lock *lock = BASE_CONTAINER(node, struct lock, node);
			if (lock->holder)
				visit(context, lock);
		}
		cursor = reversed(reversed(cursor | ~mask) + 1);
		if (cursor == 0)
			break;
	}
	return locks->table.bucket_count > 0 ? cursor : 0;
}

/* ---- life ---- */

struct locks *locks_new(const struct locks_options *options)
{
	struct locks *locks = calloc(1, sizeof *locks);
	if (locks)
		locks->options = *options;
	return locks;
}

void locks_free(struct locks *locks)
{
	if (!locks)
		return;
	assert(locks->table.count == 0 && locks->waiters == 0 && locks->bytes == 0);
	base_table_deinit(&locks->table);
	free(locks);
}

size_t locks_count(const struct locks *locks)
{
	return locks->table.count;
}

size_t locks_waiting(const struct locks *locks)
{
	return locks->waiters;
}
