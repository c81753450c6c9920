/* Writing again what recovery believes without proof that it is durable (see recovery.c). */
#include "log/recovery.h"

#include <stdlib.h>

static pyr_result rewrite(struct os_disk *disk, const char *path, uint64_t position, struct base_bytes bytes)
{
	struct os_file *file;
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE, &file));
	pyr_result result = os_file_write(file, position, &bytes, 1);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	return result;
}

/* One that is not there, or of an impossible size, was found damaged already. */
static pyr_result rewrite_extent(struct os_disk *disk, const struct log_reference *reference)
{
	char path[OS_POOL_PATH_MAX];
	struct os_file *file;
	size_t got = 0;
	log_segment_path(reference->segment_id, path);
	if (reference->bytes > RECOVERY_RUN_BYTES_MAX)
		return pyr_ok();
	pyr_result result = os_file_open(disk, path, OS_OPEN_READ, &file);
	if (result.code != PYR_OK)
		return result.code == PYR_NOT_FOUND ? pyr_ok() : result;
	uint8_t *bytes = malloc(reference->bytes ? reference->bytes : 1);
	result = pyr_result_of(bytes ? PYR_OK : PYR_OUT_OF_MEMORY);
	if (bytes)
		result = os_file_read(file, reference->position, bytes, reference->bytes, &got);
	os_file_close(file);
	if (result.code == PYR_OK)
		result = rewrite(disk, path, reference->position, (struct base_bytes){bytes, got});
	free(bytes);
	return result;
}

static pyr_result rewrite_extents(struct recovery *recovery, const struct log_group_header *group,
                                  struct base_bytes bytes)
{
	size_t at = log_group_frames_at(group);
	for (uint32_t i = 0; i < group->frame_count; i++) {
		struct log_frame frame;
		struct base_bytes payload;
		struct log_reference reference;
		size_t stride;
		pyr_result decoded = log_frame_decode((struct base_bytes){bytes.data + at, bytes.bytes - at}, &frame,
		                                      &payload, &stride);
		if (stride == 0)
			return pyr_ok();
		at += stride;
		bool refers = decoded.code == PYR_OK && frame.kind == LOG_FRAME_REFERENCE;
		if (refers && log_reference_decode(payload, &reference).code == PYR_OK)
			PYR_TRY(rewrite_extent(recovery->log->disk, &reference));
	}
	return pyr_ok();
}

/* Of the file just replayed: groups that were applied because they are whole, not because they are known durable. */
pyr_result recovery_rewrite(struct recovery *recovery, const struct found_file *found)
{
	uint64_t from = 0, end = LOG_RING_HEADER_BYTES, at;
	struct log_group_header group;
	while (recovery_next_header(recovery, found, end, recovery->durable, &group, &at) &&
	       group.number <= recovery->last_group) {
		PYR_TRY(rewrite_extents(recovery, &group, (struct base_bytes){recovery->bytes + at, group.bytes}));
		from = from ? from : at;
		end = at + group.bytes;
	}
	if (from == 0)
		return pyr_ok();
	return rewrite(recovery->log->disk, found->file->file.path, from,
	               (struct base_bytes){recovery->bytes + from, end - from});
}
