/* Reading what the tail cache let go, in the ring's order, before it is sealed.
 *
 * Small batches are sealed by partition, but lie by time: read one by one they would be scattered reads. The cache lets the
 * oldest go first, so what is not in memory lies between two places of the ring: the system reads it once from the one to the
 * other, and all of it comes from the page cache afterwards. Clients go on, and the cache lets go of more while the sealing
 * lasts: so the second place moves on. A failure shows when the batches themselves are read.
 * The spans are found on the log's thread and read in the background.
 */
#include "log/log_priv.h"

#include <assert.h>

enum { COLD_MIN = 64, PIECE_BYTES = 2 << 20, EXTEND_BYTES = 4 << 20 };

/* Entries that are not in memory come before those that are. */
static size_t count_cold(const struct log_tail *tail)
{
	size_t low = 0, high = tail->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (!log_tail_at(tail, middle)->slice.data)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_before(const struct log_cold_place *a, const struct log_cold_place *b)
{
	return a->file->id != b->file->id ? a->file->id < b->file->id : a->position < b->position;
}

/* False: the entry lies in an extent. */
static bool ring_place(const struct log *log, const struct log_tail_entry *entry, struct log_cold_place *ret_place)
{
	for (struct base_list *node = log->ring.files.next; node != &log->ring.files; node = node->next) {
		struct log_ring_file *file = BASE_CONTAINER(node, struct log_ring_file, node);
		if (&file->file == entry->file) {
			*ret_place = (struct log_cold_place){file, entry->position};
			return true;
		}
	}
	return false;
}

static void widen(struct log_cold_ring *cold, const struct log *log, const struct log_tail_entry *entry)
{
	struct log_cold_place place;
	if (!ring_place(log, entry, &place))
		return;
	if (!cold->from.file || is_before(&place, &cold->from))
		cold->from = place;
	place.position += entry->bytes;
	if (!cold->to.file || is_before(&cold->to, &place))
		cold->to = place;
}

static void add_span(struct log_cold_ring *cold, struct log_ring_file *file)
{
	if (cold->span_count == LOG_COLD_SPANS_MAX)
		return;
	cold->spans[cold->span_count++] = (struct log_cold_span){
		.file = os_pool_file_ref(&file->file),
		.from = file == cold->from.file ? cold->from.position : 0,
		.to = file == cold->to.file ? cold->to.position : file->bytes,
	};
}

static void add_spans(const struct log *log, struct log_cold_ring *cold)
{
	for (struct base_list *at = &cold->from.file->node; at != &log->ring.files; at = at->next) {
		struct log_ring_file *file = BASE_CONTAINER(at, struct log_ring_file, node);
		add_span(cold, file);
		if (file == cold->to.file)
			break;
	}
}

/* The oldest batch that is in memory. */
static bool find_frontier(const struct log *log, struct log_cold_place *ret_place)
{
	struct log_cached oldest;
	if (!log_cache_oldest(log, &oldest))
		return false;
	const struct log_partition *partition = log_partition_find(log, oldest.partition);
	if (!partition)
		return false;
	size_t i = log_tail_search(&partition->tail, oldest.base_offset);
	return i < partition->tail.count && ring_place(log, log_tail_at(&partition->tail, i), ret_place);
}

void log_cold_ring_find(const struct log *log, struct log_cold_ring *ret_cold)
{
	struct base_table_node *node = NULL;
	size_t count = 0;
	*ret_cold = (struct log_cold_ring){0};
	while ((node = base_table_next(&log->partitions, node))) {
		const struct log_tail *tail = &BASE_CONTAINER(node, struct log_partition, node)->tail;
		size_t cold = count_cold(tail);
		if (cold == 0)
			continue;
		count += cold;
		widen(ret_cold, log, log_tail_at(tail, 0));
		widen(ret_cold, log, log_tail_at(tail, cold - 1));
	}
	if (count >= COLD_MIN && ret_cold->from.file)
		add_spans(log, ret_cold);
	else
		ret_cold->to.file = NULL;
	ret_cold->end = (struct log_cold_place){log->ring.current, log->ring.position};
}

void log_cold_ring_extend(const struct log *log, struct log_cold_ring *cold)
{
	struct log_cold_place to;
	if (!find_frontier(log, &to))
		return;
	if (is_before(&cold->end, &to))
		to = cold->end;
	if (!cold->to.file)
		cold->to = to;
	bool far = to.file != cold->to.file || to.position >= cold->to.position + EXTEND_BYTES;
	if (!far || is_before(&to, &cold->to))
		return;
	cold->from = cold->to;
	cold->to = to;
	add_spans(log, cold);
}

/* One piece is read ahead of the one that is waited for, by its last byte: the disk is busy, but not flooded. */
static void read_span(const struct log_cold_span *span)
{
	for (uint64_t at = span->from; at < span->to; at += PIECE_BYTES) {
		uint8_t last;
		os_pool_file_prefetch(span->file, at, span->to - at < PIECE_BYTES ? span->to - at : PIECE_BYTES);
		if (at > span->from)
			pyr_ignore(os_pool_file_read(span->file, at - 1, &last, 1));
	}
}

void log_cold_ring_read(struct log_cold_ring *cold)
{
	for (size_t i = 0; i < cold->span_count; i++)
		read_span(&cold->spans[i]);
	log_cold_ring_release(cold);
}

void log_cold_ring_release(struct log_cold_ring *cold)
{
	for (size_t i = 0; i < cold->span_count; i++)
		os_pool_file_unref(cold->spans[i].file);
	cold->span_count = 0;
}
