/* Tails of partitions (see tail.h). */
#include "log/tail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = LOG_TAIL_CHUNK_ENTRIES, FEW = 4 }; /* a partition with a batch or two takes a small chunk */

/* ---- entries ---- */

struct log_tail_entry log_tail_entry_ref(const struct log_tail_entry *entry)
{
	struct log_tail_entry copy = *entry;
	os_pool_file_ref(copy.file);
	copy.slice = base_slice_ref(copy.slice);
	if (copy.digest)
		base_buffer_ref(copy.digest);
	return copy;
}

void log_tail_entry_release(struct log_tail_entry *entry)
{
	os_pool_file_unref(entry->file);
	base_slice_release(&entry->slice);
	base_buffer_unref(entry->digest);
}

/* ---- chunks ---- */

static struct log_tail_chunk *chunk_new(size_t room)
{
	struct log_tail_chunk *chunk = malloc(sizeof *chunk + room * sizeof *chunk->entries);
	if (!chunk)
		return NULL;
	atomic_init(&chunk->references, 1);
	chunk->room = (uint16_t)room;
	chunk->first = chunk->end = 0;
	return chunk;
}

/* Nobody but the tail's thread can begin to share it. */
static bool is_shared(const struct log_tail_chunk *chunk)
{
	return atomic_load_explicit(&chunk->references, memory_order_acquire) > 1;
}

static void chunk_unref(struct log_tail_chunk *chunk)
{
	if (atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t slot = chunk->first; slot < chunk->end; slot++)
		log_tail_entry_release(&chunk->entries[slot]);
	free(chunk);
}

/* In the same slots, with references of their own. */
static struct log_tail_chunk *chunk_copy(const struct log_tail_chunk *chunk, size_t first)
{
	struct log_tail_chunk *copy = chunk_new(ENTRIES);
	if (!copy)
		return NULL;
	copy->first = (uint16_t)first;
	copy->end = chunk->end;
	for (size_t slot = first; slot < chunk->end; slot++)
		copy->entries[slot] = log_tail_entry_ref(&chunk->entries[slot]);
	return copy;
}

/* Moves its entries from `slot` on to slot `to` of another chunk. */
static struct log_tail_chunk *chunk_split(struct log_tail_chunk *chunk, size_t slot, size_t to)
{
	size_t count = chunk->end - slot;
	struct log_tail_chunk *rest = chunk_new(to == 0 && count <= FEW ? FEW : ENTRIES);
	if (!rest)
		return NULL;
	rest->first = (uint16_t)to;
	rest->end = (uint16_t)(to + count);
	memcpy(&rest->entries[to], &chunk->entries[slot], count * sizeof *rest->entries);
	chunk->end = (uint16_t)slot;
	return rest;
}

/* ---- the deque ---- */

static struct log_tail_chunk **last_chunk(const struct log_tail *tail)
{
	return &tail->chunks[tail->chunk_end - 1];
}

/* Room for one more pointer to a chunk. */
static bool reserve_chunk(struct log_tail *tail)
{
	uint32_t count = tail->chunk_end - tail->chunk_begin;
	if (tail->chunk_end < tail->chunk_capacity)
		return true;
	if (tail->chunk_begin == 0 || count > tail->chunk_capacity / 2) {
		uint32_t capacity = tail->chunk_capacity ? tail->chunk_capacity * 2 : 1;
		struct log_tail_chunk **chunks = realloc(tail->chunks, capacity * sizeof(struct log_tail_chunk *));
		if (!chunks)
			return false;
		tail->chunks = chunks;
		tail->chunk_capacity = capacity;
	}
	if (tail->chunk_begin > 0)
		memmove(tail->chunks, tail->chunks + tail->chunk_begin, count * sizeof(struct log_tail_chunk *));
	tail->chunk_begin = 0;
	tail->chunk_end = count;
	return true;
}

static pyr_result add_chunk(struct log_tail *tail)
{
	if (!reserve_chunk(tail))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct log_tail_chunk *chunk = chunk_new(tail->count == 0 ? FEW : ENTRIES);
	if (!chunk)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	tail->chunks[tail->chunk_end++] = chunk;
	return pyr_ok();
}

/* A small chunk becomes one of the usual size. */
static pyr_result widen_last(struct log_tail *tail)
{
	struct log_tail_chunk *chunk = *last_chunk(tail);
	struct log_tail_chunk *wide = chunk_copy(chunk, tail->chunk_end - tail->chunk_begin == 1 ? tail->head : 0);
	if (!wide)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	chunk_unref(chunk);
	*last_chunk(tail) = wide;
	return pyr_ok();
}

pyr_result log_tail_push(struct log_tail *tail, const struct log_tail_entry *entry)
{
	size_t at = tail->head + tail->count;
	size_t slot = at % ENTRIES;
	assert(tail->count == 0 || log_tail_at(tail, tail->count - 1)->last_offset < entry->base_offset);
	if (at == (size_t)ENTRIES * (tail->chunk_end - tail->chunk_begin))
		PYR_TRY(add_chunk(tail));
	else if (slot == (*last_chunk(tail))->room)
		PYR_TRY(widen_last(tail));
	struct log_tail_chunk *chunk = *last_chunk(tail);
	chunk->entries[slot] = *entry;
	chunk->end = (uint16_t)(slot + 1);
	tail->count += 1;
	return pyr_ok();
}

/* The chunk that holds the offset or what follows it, then the entry in it. */
size_t log_tail_search(const struct log_tail *tail, int64_t offset)
{
	size_t low = tail->chunk_begin, high = tail->chunk_end;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct log_tail_chunk *chunk = tail->chunks[middle];
		if (chunk->entries[chunk->end - 1].last_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == tail->chunk_end)
		return tail->count;
	const struct log_tail_chunk *chunk = tail->chunks[low];
	size_t slot = low == tail->chunk_begin ? tail->head : 0, end = chunk->end;
	while (slot < end) {
		size_t middle = slot + (end - slot) / 2;
		if (chunk->entries[middle].last_offset < offset)
			slot = middle + 1;
		else
			end = middle;
	}
	return (low - tail->chunk_begin) * ENTRIES + slot - tail->head;
}

void log_tail_release(struct log_tail *tail)
{
	for (uint32_t i = tail->chunk_begin; i < tail->chunk_end; i++)
		chunk_unref(tail->chunks[i]);
	free(tail->chunks);
	*tail = (struct log_tail){0};
}

/* The first chunk's entries before `slot` are not the tail's any more. In a shared chunk they stay until it goes. */
static void pass_over(struct log_tail *tail, size_t slot)
{
	struct log_tail_chunk *chunk = tail->chunks[tail->chunk_begin];
	tail->head = (uint32_t)slot;
	if (is_shared(chunk))
		return;
	for (size_t i = chunk->first; i < slot; i++)
		log_tail_entry_release(&chunk->entries[i]);
	chunk->first = (uint16_t)slot;
}

void log_tail_drop_front(struct log_tail *tail, size_t count)
{
	assert(count <= tail->count);
	if (count == tail->count) {
		log_tail_release(tail);
		return;
	}
	size_t at = tail->head + count;
	for (size_t i = 0; i < at / ENTRIES; i++) {
		chunk_unref(tail->chunks[tail->chunk_begin++]);
		tail->head = 0;
	}
	tail->count -= count;
	pass_over(tail, at % ENTRIES);
}

void log_tail_drop_back(struct log_tail *tail, size_t from)
{
	if (from == 0) {
		log_tail_release(tail);
		return;
	}
	while (tail->count > from) {
		struct log_tail_chunk *chunk = *last_chunk(tail);
		log_tail_entry_release(&chunk->entries[--chunk->end]);
		tail->count -= 1;
		if (chunk->end == 0) {
			chunk_unref(chunk);
			tail->chunk_end -= 1;
		}
	}
}

/* The chunk in which the front ends goes with the front; what stays of it is moved. Without memory for that, the front's part
 * is released here and now. */
static void split_front(struct log_tail *tail, size_t slot, struct log_tail *front)
{
	struct log_tail_chunk **place = &tail->chunks[tail->chunk_begin], *chunk = *place;
	bool is_last = tail->chunk_end - tail->chunk_begin == 1;
	struct log_tail_chunk *rest = is_shared(chunk) ? NULL : chunk_split(chunk, slot, is_last ? 0 : slot);
	if (!rest) {
		pass_over(tail, slot);
		return;
	}
	front->chunks[front->chunk_end++] = chunk;
	tail->head = rest->first;
	*place = rest;
}

void log_tail_take_front(struct log_tail *tail, size_t count, struct log_tail *ret_front)
{
	assert(count <= tail->count);
	*ret_front = (struct log_tail){0};
	if (count == tail->count) {
		*ret_front = *tail;
		*tail = (struct log_tail){0};
		return;
	}
	uint32_t whole = (uint32_t)((tail->head + count) / ENTRIES);
	size_t slot = (tail->head + count) % ENTRIES;
	ret_front->chunks = malloc((whole + 1) * sizeof(struct log_tail_chunk *));
	if (!ret_front->chunks) {
		log_tail_drop_front(tail, count);
		return;
	}
	memcpy(ret_front->chunks, tail->chunks + tail->chunk_begin, whole * sizeof(struct log_tail_chunk *));
	ret_front->chunk_end = whole;
	tail->chunk_begin += whole;
	tail->head = whole > 0 ? 0 : tail->head;
	tail->count -= count;
	if (slot > tail->head)
		split_front(tail, slot, ret_front);
}

void log_tail_uncache(struct log_tail *tail, size_t i)
{
	size_t slot = (tail->head + i) % ENTRIES;
	size_t chunk_at = tail->chunk_begin + (tail->head + i) / ENTRIES;
	struct log_tail_chunk *chunk = tail->chunks[chunk_at];
	if (!chunk->entries[slot].slice.data)
		return;
	if (is_shared(chunk)) {
		struct log_tail_chunk *copy = chunk_copy(chunk, chunk_at == tail->chunk_begin ? tail->head : 0);
		if (!copy)
			return; /* memory is out: it stays in the cache as long as in the tail */
		chunk_unref(chunk);
		tail->chunks[chunk_at] = chunk = copy;
	}
	base_slice_release(&chunk->entries[slot].slice);
}

/* ---- spans ---- */

struct log_tail_span log_tail_share(const struct log_tail *tail, size_t from, size_t to)
{
	size_t slot = (tail->head + from) % ENTRIES;
	size_t end = slot + (to - from) < ENTRIES ? slot + (to - from) : ENTRIES;
	struct log_tail_chunk *chunk = tail->chunks[tail->chunk_begin + (tail->head + from) / ENTRIES];
	assert(from < to && to <= tail->count);
	atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
	return (struct log_tail_span){.chunk = chunk, .from = (uint16_t)slot, .to = (uint16_t)end};
}

void log_tail_span_release(struct log_tail_span *span)
{
	chunk_unref(span->chunk);
}
