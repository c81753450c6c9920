/* Reference-counted bytes (see buffer.h). Header and bytes are one allocation; of a paged buffer the header has a page of
 * its own in front. Any thread. */
#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *(*large_source)(size_t alignment, size_t bytes) = aligned_alloc;

void base_buffer_set_large_source(void *(*source)(size_t alignment, size_t bytes))
{
	large_source = source;
}

static struct base_buffer *paged_new(size_t capacity)
{
	size_t slack = -capacity % BASE_PAGE_BYTES;
	size_t bytes = BASE_PAGE_BYTES + capacity + slack;
	struct base_buffer *buffer = capacity < BASE_LARGE_BYTES_MIN ? aligned_alloc(BASE_PAGE_BYTES, bytes)
	                                                             : large_source(BASE_PAGE_BYTES, bytes);
	if (!buffer)
		return NULL;
	buffer->data = (uint8_t *)buffer + BASE_PAGE_BYTES;
	memset(buffer->data + capacity, 0, slack);
	return buffer;
}

static struct base_buffer *small_new(size_t capacity)
{
	struct base_buffer *buffer = malloc(sizeof *buffer + capacity);
	if (buffer)
		buffer->data = (uint8_t *)(buffer + 1);
	return buffer;
}

struct base_buffer *base_buffer_new(size_t capacity)
{
	if (capacity > SIZE_MAX - 2 * BASE_PAGE_BYTES)
		return NULL;
	struct base_buffer *buffer = capacity < BASE_PAGED_BYTES_MIN ? small_new(capacity) : paged_new(capacity);
	if (!buffer)
		return NULL;
	atomic_init(&buffer->references, 1);
	buffer->capacity = capacity;
	return buffer;
}

bool base_buffer_is_paged(const struct base_buffer *buffer)
{
	return buffer->capacity >= BASE_PAGED_BYTES_MIN;
}

struct base_buffer *base_buffer_ref(struct base_buffer *buffer)
{
	unsigned before = atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
	assert(before > 0);
	(void)before;
	return buffer;
}

void base_buffer_unref(struct base_buffer *buffer)
{
	if (!buffer)
		return;
	unsigned before = atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		free(buffer);
}

struct base_slice base_slice_of(struct base_buffer *buffer, size_t from, size_t bytes)
{
	assert(from <= buffer->capacity && bytes <= buffer->capacity - from);
	return (struct base_slice){.owner = base_buffer_ref(buffer), .data = buffer->data + from, .bytes = bytes};
}

struct base_slice base_slice_ref(struct base_slice slice)
{
	if (slice.owner)
		base_buffer_ref(slice.owner);
	return slice;
}

struct base_slice base_slice_sub(struct base_slice slice, size_t from, size_t bytes)
{
	assert(from <= slice.bytes && bytes <= slice.bytes - from);
	struct base_slice sub = {.owner = slice.owner, .data = slice.data + from, .bytes = bytes};
	return base_slice_ref(sub);
}

void base_slice_release(struct base_slice *slice)
{
	base_buffer_unref(slice->owner);
	*slice = (struct base_slice){0};
}

struct base_slice base_slice_copy(const void *data, size_t bytes)
{
	struct base_buffer *buffer = base_buffer_new(bytes);
	if (!buffer)
		return (struct base_slice){0};
	if (bytes > 0)
		memcpy(buffer->data, data, bytes);
	return (struct base_slice){.owner = buffer, .data = buffer->data, .bytes = bytes};
}
