/* The ring's files, copied while groups are appended to them.
 *
 * Each is read from its beginning to its end, in order of file id, so a group may be there in part, and one behind it whole
 * that was written later: the copy ends before the first group that is not whole, as a log ends after a power cut. Everything
 * that was acknowledged before the copying began lies in front of that. What is not whole in the original either, though later
 * groups prove that it was durable, is damage, and told. Format: docs/formats/log.md.
 */
#include "backup/backup_priv.h"

#include "base/array.h"
#include "log/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RING_FILES_MAX = 65536 };

struct ring_file {
	char path[BACKUP_PATH_MAX];
	struct log_ring_header header;
};

struct ring {
	struct ring_file *files; /* in order of file id */
	size_t count, room;
};

/* ---- files ---- */

/* The header at the beginning, or its second copy. */
static bool read_header(struct os_disk *disk, const char *path, struct log_ring_header *ret_header)
{
	struct os_file *file;
	if (os_file_open(disk, path, OS_OPEN_READ, &file).code != PYR_OK)
		return false;
	uint8_t *bytes = backup_file_read(file, 0, LOG_RING_HEADER_BYTES);
	os_file_close(file);
	bool good =
		bytes &&
		log_ring_header_decode((struct base_bytes){bytes, LOG_RING_HEADER_BYTES}, ret_header).code == PYR_OK;
	free(bytes);
	return good;
}

static int by_file_id(const void *a, const void *b)
{
	uint64_t one = ((const struct ring_file *)a)->header.file_id,
		 two = ((const struct ring_file *)b)->header.file_id;
	return one < two ? -1 : one > two;
}

static pyr_result find_files(struct backup_copy *copy, const char *folder, uint64_t first_file_id, struct ring *ring)
{
	struct backup_names names = {0};
	char path[BACKUP_PATH_MAX];
	snprintf(path, sizeof path, "%s/ring", folder);
	pyr_result result = backup_names_list(copy->from, path, &names);
	for (size_t i = 0; i < names.count && result.code == PYR_OK; i++) {
		struct ring_file file;
		snprintf(file.path, sizeof file.path, "%s/ring/%s", folder, names.names[i]);
		if (!read_header(copy->from, file.path, &file.header) || file.header.file_id < first_file_id)
			continue; /* free, or not in use yet */
		if (!base_array_reserve(&ring->files, &ring->room, ring->count + 1, sizeof file))
			result = pyr_result_of(PYR_OUT_OF_MEMORY);
		else
			ring->files[ring->count++] = file;
	}
	backup_names_deinit(&names);
	if (ring->count > 0)
		qsort(ring->files, ring->count, sizeof *ring->files, by_file_id);
	return result;
}

static pyr_result copy_files(struct backup_copy *copy, const struct ring *ring)
{
	for (size_t i = 0; i < ring->count; i++) {
		struct log_ring_header now;
		pyr_result result = backup_file_copy(copy, ring->files[i].path);
		if (result.code == PYR_NOT_FOUND ||
		    (result.code == PYR_OK && !read_header(copy->from, ring->files[i].path, &now)))
			return pyr_result_of(PYR_BUSY);
		PYR_TRY(backup_fail(copy, result, ring->files[i].path));
		if (now.file_id != ring->files[i].header.file_id)
			return pyr_result_of(PYR_BUSY);
	}
	return pyr_ok();
}

/* ---- groups ---- */

static bool frames_are_whole(const struct log_group_header *group, const uint8_t *bytes)
{
	size_t at = log_group_frames_at(group);
	for (uint32_t i = 0; i < group->frame_count; i++) {
		struct log_frame frame;
		struct base_bytes payload;
		size_t stride = 0;
		if (at >= group->bytes ||
		    log_frame_decode((struct base_bytes){bytes + at, group->bytes - at}, &frame, &payload, &stride)
		                    .code != PYR_OK)
			return false;
		at += stride;
	}
	return true;
}

/* A whole group of the file's at this position; `expected` 0: of any number. */
static bool read_group(struct os_file *file, const struct log_ring_header *header, uint64_t at, uint64_t expected,
                       struct log_group_header *ret_group)
{
	uint8_t *head = at + LOG_GROUP_HEADER_BYTES <= header->bytes
	                        ? backup_file_read(file, at, LOG_GROUP_HEADER_BYTES)
	                        : NULL;
	uint32_t bytes = head ? base_load_u32le(head + 12) : 0;
	free(head);
	if (bytes < LOG_GROUP_HEADER_BYTES || bytes > LOG_GROUP_BYTES_MAX || at + bytes > header->bytes)
		return false;
	uint8_t *group = backup_file_read(file, at, bytes);
	bool good = group && log_group_header_decode((struct base_bytes){group, bytes}, ret_group).code == PYR_OK &&
	            ret_group->file_id == header->file_id && ret_group->incarnation == header->incarnation &&
	            (expected == 0 || ret_group->number == expected) && frames_are_whole(ret_group, group);
	free(group);
	return good;
}

static bool group_is_at(struct os_disk *disk, const struct ring_file *at, uint64_t position, uint64_t expected,
                        struct log_group_header *ret_group)
{
	struct os_file *file;
	if (os_file_open(disk, at->path, OS_OPEN_READ, &file).code != PYR_OK)
		return false;
	bool good = read_group(file, &at->header, position, expected, ret_group);
	os_file_close(file);
	return good;
}

/* Where the file's whole groups end; *expected becomes the number of the next. */
static pyr_result walk_file(struct backup_copy *copy, const struct ring_file *ring_file, uint64_t *expected,
                            uint64_t *ret_end)
{
	struct os_file *file;
	struct log_group_header group;
	PYR_TRY(os_file_open(copy->to, ring_file->path, OS_OPEN_READ, &file));
	*ret_end = LOG_RING_HEADER_BYTES;
	while (read_group(file, &ring_file->header, *ret_end, *expected, &group)) {
		*expected = group.number + 1;
		*ret_end += group.bytes;
		if (group.flags & LOG_GROUP_LAST)
			break;
	}
	os_file_close(file);
	return pyr_ok();
}

/* ---- the end ---- */

/* Is there a later group, which proves that the one at `position` was durable? */
static bool later_group_exists(struct backup_copy *copy, const struct ring *ring, size_t i, uint64_t position,
                               uint64_t expected)
{
	const struct ring_file *file = &ring->files[i];
	struct log_group_header group;
	for (uint64_t at = position + LOG_BLOCK_BYTES; at < file->header.bytes; at += LOG_BLOCK_BYTES)
		if (group_is_at(copy->to, file, at, 0, &group) && group.number > expected)
			return true;
	for (i++; i < ring->count; i++)
		if (group_is_at(copy->to, &ring->files[i], LOG_RING_HEADER_BYTES, 0, &group) && group.number > expected)
			return true;
	return false;
}

static pyr_result cut(struct backup_copy *copy, const struct ring *ring, size_t i, uint64_t end)
{
	struct os_file *file;
	PYR_TRY(os_file_open(copy->to, ring->files[i].path, OS_OPEN_WRITE, &file));
	pyr_result result = os_file_truncate(file, end);
	if (result.code == PYR_OK)
		result = os_file_truncate(file, ring->files[i].header.bytes);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	for (i++; i < ring->count && result.code == PYR_OK; i++)
		result = os_file_remove(copy->to, ring->files[i].path);
	return result;
}

/* Of the newest incarnation; what earlier ones wrote does not change any more. */
static pyr_result find_end(struct backup_copy *copy, const struct ring *ring)
{
	uint64_t newest = ring->count > 0 ? ring->files[ring->count - 1].header.incarnation : 0, expected = 0, end = 0;
	struct log_group_header group;
	size_t first = 0, last;
	while (first < ring->count && ring->files[first].header.incarnation != newest)
		first++;
	if (first == ring->count)
		return pyr_ok();
	expected = ring->files[first].header.first_group;
	for (last = first; last < ring->count; last++) {
		PYR_TRY(walk_file(copy, &ring->files[last], &expected, &end));
		bool goes_on = last + 1 < ring->count &&
		               group_is_at(copy->to, &ring->files[last + 1], LOG_RING_HEADER_BYTES, expected, &group);
		if (!goes_on)
			break;
	}
	if (last == ring->count)
		return pyr_ok();
	if (!group_is_at(copy->from, &ring->files[last], end, expected, &group) &&
	    later_group_exists(copy, ring, last, end, expected))
		return pyr_fail(copy->error, PYR_CORRUPT,
		                "%s is damaged at %" PRIu64 ": group %" PRIu64
		                " can't be read, and later ones are there",
		                ring->files[last].path, end, expected);
	return cut(copy, ring, last, end);
}

pyr_result backup_ring_copy(struct backup_copy *copy, const char *folder, uint64_t first_file_id)
{
	struct ring ring = {0};
	pyr_result result = find_files(copy, folder, first_file_id, &ring);
	if (result.code == PYR_OK)
		result = copy_files(copy, &ring);
	if (result.code == PYR_OK)
		result = find_end(copy, &ring);
	free(ring.files);
	return result;
}
