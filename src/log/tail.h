/* The tail of a partition: the durable batches that no segment has yet, oldest first.
 *
 * A deque of entries in chunks, so that it grows without copying what is there, and so that a snapshot shares chunks
 * instead of copying entries. A chunk is its tail's alone, or shared with snapshots: then what they may look at is never
 * changed (the tail takes a copy), while entries behind that may still be added or dropped.
 * Invariants: entries are in offset order; every chunk but the last is full; an empty tail has no memory.
 * Owner: the log's thread; spans, and fronts that were taken out, are released on any thread.
 */
#ifndef PYRALOG_LOG_TAIL_H
#define PYRALOG_LOG_TAIL_H

#include "base/buffer.h"
#include "base/error.h"
#include "os/file_pool.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A durable batch: on the ring or in an extent, perhaps in memory too. */
struct log_tail_entry {
	int64_t base_offset;
	int64_t last_offset;
	int64_t min_timestamp_ms, max_timestamp_ms;
	uint64_t index;
	struct os_pool_file *file; /* holds a reference */
	uint64_t position; /* of the batch's first byte */
	uint32_t bytes;
	uint32_t prefix_crc; /* of the bytes that the batch's own CRC leaves out */
	struct base_slice slice; /* in the tail cache, or zero */
	struct base_buffer *digest; /* of a large batch in an extent, or NULL; see digest.c */
};

/* Holds references to what its entries refer to; who lets go of it last releases them. */
struct log_tail_chunk {
	atomic_uint references; /* its tail's and those of spans */
	uint16_t room; /* entries there is memory for */
	uint16_t first, end; /* slots that are filled */
	struct log_tail_entry entries[];
};

enum {
	LOG_TAIL_CHUNK_BYTES = 3584, /* one of the sizes that the allocator has */
	LOG_TAIL_CHUNK_ENTRIES = (LOG_TAIL_CHUNK_BYTES - sizeof(struct log_tail_chunk)) / sizeof(struct log_tail_entry),
};

struct log_tail {
	struct log_tail_chunk **chunks; /* [chunk_begin, chunk_end) are there */
	uint32_t chunk_begin, chunk_end, chunk_capacity;
	uint32_t head; /* the first entry's slot */
	size_t count;
};

/* Some consecutive entries, shared with the tail: immutable. */
struct log_tail_span {
	struct log_tail_chunk *chunk; /* a reference */
	uint16_t from, to; /* slots */
};

static inline struct log_tail_entry *log_tail_at(const struct log_tail *tail, size_t i)
{
	size_t at = tail->head + i;
	return &tail->chunks[tail->chunk_begin + at / LOG_TAIL_CHUNK_ENTRIES]->entries[at % LOG_TAIL_CHUNK_ENTRIES];
}

/* The entry that holds `offset`, or the first one after it; tail->count: none. */
size_t log_tail_search(const struct log_tail *tail, int64_t offset);
/* Takes over the entry's references if it succeeds. PYR_OUT_OF_MEMORY. */
pyr_result log_tail_push(struct log_tail *tail, const struct log_tail_entry *entry);
/* Takes the first `count` entries out, to be released by log_tail_release(), on any thread. */
void log_tail_take_front(struct log_tail *tail, size_t count, struct log_tail *ret_front);
void log_tail_release(struct log_tail *tail);
/* Drops the first `count` entries, or those from `from` on, which no span may hold. */
void log_tail_drop_front(struct log_tail *tail, size_t count);
void log_tail_drop_back(struct log_tail *tail, size_t from);
/* Entry `i` is no longer in memory. */
void log_tail_uncache(struct log_tail *tail, size_t i);
/* As many of the entries [from, to) as one span can have, at least the first. */
struct log_tail_span log_tail_share(const struct log_tail *tail, size_t from, size_t to);
void log_tail_span_release(struct log_tail_span *span);

/* A copy with references of its own, and the end of one. */
struct log_tail_entry log_tail_entry_ref(const struct log_tail_entry *entry);
void log_tail_entry_release(struct log_tail_entry *entry);

#endif
