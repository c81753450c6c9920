/* Reference-counted bytes: a received batch goes to disk, tail cache and fetch response without a copy.
 *
 * A buffer owns one heap block. A slice is a window of a buffer that holds one reference. Reference counts are atomic
 * because a query thread may outlive the shard's interest; the bytes are immutable once a second reference exists.
 */
#ifndef PYRALOG_BASE_BUFFER_H
#define PYRALOG_BASE_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASE_PAGE_BYTES = 4096, BASE_PAGED_BYTES_MIN = 16384, BASE_LARGE_BYTES_MIN = 256 << 10 };

struct base_buffer {
	atomic_uint references;
	size_t capacity; /* bytes at data */
	uint8_t *data; /* uninitialised at birth */
};

/* Where buffers from BASE_LARGE_BYTES_MIN on come from, instead of aligned_alloc(); free() takes them back. For the program's
 * start, before other threads are. */
void base_buffer_set_large_source(void *(*source)(size_t alignment, size_t bytes));

/* A new buffer with one reference, or NULL when memory is out. From BASE_PAGED_BYTES_MIN on it is paged: it begins at a
 * page and owns its last page whole (zeros behind its capacity), so that a disk can take pages of it as they lie. */
struct base_buffer *base_buffer_new(size_t capacity);
bool base_buffer_is_paged(const struct base_buffer *buffer);
struct base_buffer *base_buffer_ref(struct base_buffer *buffer);
void base_buffer_unref(struct base_buffer *buffer); /* NULL is fine */

/* Borrowing view of bytes; says nothing of ownership. */
struct base_bytes {
	const uint8_t *data;
	size_t bytes;
};

/* A window that keeps its buffer alive. owner == NULL: static or borrowed bytes, nothing to release. */
struct base_slice {
	struct base_buffer *owner;
	const uint8_t *data;
	size_t bytes;
};

/* A slice of `buffer`, taking a reference of its own. */
struct base_slice base_slice_of(struct base_buffer *buffer, size_t from, size_t bytes);
struct base_slice base_slice_ref(struct base_slice slice);
struct base_slice base_slice_sub(struct base_slice slice, size_t from, size_t bytes);
void base_slice_release(struct base_slice *slice); /* zeroes it; releasing a zero slice is fine */

/* A fresh copy of bytes in a buffer of its own; owner is NULL when memory is out (and bytes > 0). */
struct base_slice base_slice_copy(const void *data, size_t bytes);

#endif
