/* Extents: a large run of one partition goes once, straight into a segment file of that partition.
 *
 * The file is one that nobody needs any more (see removal.c), as overwriting is the fastest thing that a disk does, or
 * is reserved ahead with fallocate; it is written past the page cache, which would cost more than the disk does: so in
 * whole blocks. What a used file held before fails the reference's checksums. A large batch lies in the file as it lies
 * in memory, at the same place within its block, and is never copied; what is around it in its first and last block (its
 * request's other bytes) has no meaning. Small batches are packed. The ring gets a reference frame in the same group, so
 * a run counts exactly when its group does. The checkpoint completes the file with an index and makes it a segment like
 * any other.
 * Owner: the log's thread; log_extent_write() runs in a job of each extent's own (write.c), which owns what it is given.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct log_extent *extent_new(struct log *log, struct log_partition *partition, int64_t base_offset)
{
	struct log_extent *extent = calloc(1, sizeof *extent);
	if (!extent)
		return NULL;
	extent->segment = log_segment_new(log, log->next_segment_id);
	if (!extent->segment) {
		free(extent);
		return NULL;
	}
	log->next_segment_id += 1;
	extent->base_offset = base_offset;
	extent->filled = LOG_SEGMENT_HEADER_BYTES;
	log_segment_hold(extent->segment);
	base_list_append(&partition->extents, &extent->node);
	log->extent_count += 1;
	return extent;
}

void log_extent_free(struct log_extent *extent)
{
	os_file_close(extent->write);
	if (extent->segment->written_bytes < extent->filled)
		extent->segment->written_bytes = extent->filled;
	extent->segment->log->extent_count -= 1;
	log_segment_drop(extent->segment);
	free(extent);
}

static void use_spare(struct log *log, struct log_group_extent *place)
{
	log->removal.extent_made_us = os_now_us(log->loop);
	place->spare = log_removal_take_spare(log);
	if (place->spare)
		place->extent->allocated = place->spare->written_bytes;
}

pyr_result log_extent_place(struct log *log, struct log_partition *partition, int64_t base_offset, uint64_t bytes,
                            struct log_group_extent *ret_place)
{
	struct log_extent *extent = NULL;
	uint64_t chunk = partition->config.segment_bytes > bytes ? partition->config.segment_bytes : bytes;
	if (!base_list_empty(&partition->extents))
		extent = BASE_CONTAINER(partition->extents.previous, struct log_extent, node);
	bool create = !extent || extent->closed || extent->filled + bytes > LOG_SEGMENT_HEADER_BYTES + chunk;
	if (create)
		extent = extent_new(log, partition, base_offset);
	if (!extent)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*ret_place = (struct log_group_extent){.extent = extent, .create = create, .position = extent->filled};
	if (create)
		use_spare(log, ret_place);
	extent->filled = log_align(extent->filled + bytes, LOG_BLOCK_BYTES);
	if (extent->filled > extent->allocated) {
		uint64_t step = log->options.ring_file_bytes;
		extent->allocated = extent->filled + (extent->filled + step < chunk ? step : 0);
		ret_place->allocate_to = extent->allocated;
	}
	return pyr_ok();
}

/* ---- runs ---- */

enum { PACKED_SHARE = 16 }; /* a batch below this part of the smallest run is copied: its gaps would cost more */

static bool is_in_place(const struct log *log, const struct log_append *append)
{
	const struct base_buffer *owner = append->batch.owner;
	return owner && base_buffer_is_paged(owner) &&
	       append->batch.bytes >= log->options.extent_min_bytes / PACKED_SHARE;
}

struct log_append *log_extent_next(const struct log *log, const struct log_append *append)
{
	for (struct base_list *node = append->state.node.next; node != &log->group.appends; node = node->next)
		if (log_append_of(node)->partition == append->partition && log_append_of(node)->state.in_extent)
			return log_append_of(node);
	return NULL;
}

struct log_extent_run log_extent_lay(const struct log *log, struct log_append *first)
{
	struct log_extent_run run = {0};
	size_t packed = 0; /* bytes of the packed batches just before */
	for (struct log_append *append = first; append; append = log_extent_next(log, append)) {
		append->state.in_place = is_in_place(log, append);
		if (append->state.in_place) {
			run.packed_bytes += log_align(packed, LOG_BLOCK_BYTES);
			packed = 0;
			append->state.position =
				log_align(run.bytes, LOG_BLOCK_BYTES) + (uintptr_t)append->batch.data % LOG_BLOCK_BYTES;
		} else {
			append->state.position = packed > 0 ? run.bytes : log_align(run.bytes, LOG_BLOCK_BYTES);
			packed += append->batch.bytes;
		}
		run.bytes = append->state.position + append->batch.bytes;
		run.batch_count += 1;
	}
	run.packed_bytes += log_align(packed, LOG_BLOCK_BYTES);
	return run;
}

/* Packed batches become one piece of whole blocks. */
struct packing {
	size_t from, to; /* of the buffer: the piece being filled */
};

static void end_piece(struct packing *packing, struct log_group_extent *place)
{
	if (packing->from == packing->to)
		return;
	size_t end = log_align(packing->to, LOG_BLOCK_BYTES);
	memset(place->packed->data + packing->to, 0, end - packing->to);
	place->parts[place->part_count++] =
		(struct base_bytes){place->packed->data + packing->from, end - packing->from};
	packing->from = packing->to = end;
}

static void pack(struct packing *packing, struct log_group_extent *place, struct log_append *append)
{
	memcpy(place->packed->data + packing->to, append->batch.data, append->batch.bytes);
	struct base_slice copy = base_slice_of(place->packed, packing->to, append->batch.bytes);
	base_slice_release(&append->batch);
	append->batch = copy;
	packing->to += copy.bytes;
}

static void put_in_place(struct log_group_extent *place, const struct log_append *append)
{
	size_t lead = (uintptr_t)append->batch.data % LOG_BLOCK_BYTES;
	place->parts[place->part_count++] =
		(struct base_bytes){append->batch.data - lead, log_align(lead + append->batch.bytes, LOG_BLOCK_BYTES)};
}

pyr_result log_extent_gather(const struct log *log, struct log_append *first, const struct log_extent_run *run,
                             struct log_group_extent *place)
{
	struct packing packing = {0};
	place->parts = malloc(run->batch_count * sizeof *place->parts);
	/* Large enough to be paged, whatever is packed. */
	size_t capacity = run->packed_bytes < BASE_PAGED_BYTES_MIN ? BASE_PAGED_BYTES_MIN : run->packed_bytes;
	place->packed = run->packed_bytes > 0 ? base_buffer_new(capacity) : NULL;
	if (!place->parts || (run->packed_bytes > 0 && !place->packed))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (struct log_append *append = first; append; append = log_extent_next(log, append)) {
		append->state.position += place->position;
		if (append->state.in_place) {
			end_piece(&packing, place);
			put_in_place(place, append);
		} else {
			pack(&packing, place, append);
		}
	}
	end_piece(&packing, place);
	return pyr_ok();
}

/* ---- the file ---- */

static pyr_result create_file(struct log *log, struct log_group_extent *place)
{
	_Alignas(OS_DIRECT_BYTES) uint8_t header[LOG_SEGMENT_HEADER_BYTES];
	struct base_bytes piece = {header, sizeof header};
	struct log_extent *extent = place->extent;
	bool take = place->spare && !os_disk_is_held(log->disk, LOG_HOLD_PATH);
	if (take)
		PYR_TRY(os_file_rename(log->disk, place->spare->file.path, extent->segment->file.path));
	place->spare_taken = take;
	PYR_TRY(os_file_open(log->disk, extent->segment->file.path, OS_OPEN_WRITE | OS_OPEN_CREATE | OS_OPEN_DIRECT,
	                     &extent->write));
	log_segment_header_encode(extent->segment->id, header);
	PYR_TRY(os_file_write(extent->write, 0, &piece, 1));
	return os_directory_sync(log->disk, "segments");
}

pyr_result log_extent_write(struct log *log, struct log_group_extent *place)
{
	if (place->create)
		PYR_TRY(create_file(log, place));
	if (place->allocate_to > 0)
		PYR_TRY(os_file_allocate(place->extent->write, 0, place->allocate_to));
	PYR_TRY(os_file_write(place->extent->write, place->position, place->parts, place->part_count));
	return os_file_sync(place->extent->write);
}
