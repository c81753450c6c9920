/* Extents: a large run of one partition goes once, straight into a segment file of that partition.
 *
 * The file is reserved ahead with fallocate; runs begin at block boundaries. The ring gets a reference frame in the same
 * group, so a run counts exactly when its group does. The checkpoint completes the file with an index and makes it a
 * segment like any other. Owner: the log's thread; log_extent_write() runs in the commit job, which owns what it is given.
 */
#include "log/log_priv.h"

#include <assert.h>
#include <stdlib.h>

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
	return extent;
}

void log_extent_free(struct log_extent *extent)
{
	os_file_close(extent->write);
	log_segment_drop(extent->segment);
	free(extent);
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
	extent->filled = log_align(extent->filled + bytes, LOG_BLOCK_BYTES);
	if (extent->filled > extent->allocated) {
		uint64_t step = log->options.ring_file_bytes;
		extent->allocated = extent->filled + (extent->filled + step < chunk ? step : 0);
		ret_place->allocate_to = extent->allocated;
	}
	return pyr_ok();
}

static pyr_result create_file(struct log *log, struct log_extent *extent)
{
	uint8_t header[LOG_SEGMENT_HEADER_BYTES];
	struct base_bytes piece = {header, sizeof header};
	PYR_TRY(os_file_open(log->disk, extent->segment->file.path, OS_OPEN_WRITE | OS_OPEN_CREATE, &extent->write));
	log_segment_header_encode(extent->segment->id, header);
	PYR_TRY(os_file_write(extent->write, 0, &piece, 1));
	return os_directory_sync(log->disk, "segments");
}

pyr_result log_extent_write(struct log *log, const struct log_group_extent *place)
{
	if (place->create)
		PYR_TRY(create_file(log, place->extent));
	if (place->allocate_to > 0)
		PYR_TRY(os_file_allocate(place->extent->write, 0, place->allocate_to));
	PYR_TRY(os_file_write(place->extent->write, place->position, place->parts, place->part_count));
	return os_file_sync(place->extent->write);
}
