/* Recovery: the manifest, then the ring behind it, group by group.
 *
 * A group that does not check is a torn tail if nothing says that it was durable: then the log ends before it, because
 * nobody was told of it. It is corruption if something does: a later valid group with durable_through at or above its
 * number, or a later incarnation that went on after it. Then what can't be read is marked damaged, its partitions are
 * read-only, and everything else goes on. What is accepted without proof that it is durable is written again and synced
 * before anything new is: the process may have died without the machine, after a sync that failed; then the page cache
 * holds bytes that the disk does not, and takes them for clean. Runs at open, blocking, on the log's thread.
 */
#include "log/recovery.h"

#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- is a group whole? ---- */

/* The batches in an extent, against the headers in the reference frame. */
static bool extent_is_whole(struct recovery *recovery, struct base_bytes payload)
{
	struct log_reference reference;
	char path[OS_POOL_PATH_MAX];
	struct os_file *file;
	if (log_reference_decode(payload, &reference).code != PYR_OK || reference.bytes > RECOVERY_RUN_BYTES_MAX)
		return false;
	log_segment_path(reference.segment_id, path);
	if (os_file_open(recovery->log->disk, path, OS_OPEN_READ, &file).code != PYR_OK)
		return false;
	uint8_t *bytes = malloc(reference.bytes);
	size_t got = 0;
	bool whole = bytes && os_file_read(file, reference.position, bytes, reference.bytes, &got).code == PYR_OK &&
	             got == reference.bytes;
	size_t at = 0;
	for (uint32_t i = 0; i < reference.batch_count && whole; i++) {
		const uint8_t *header = reference.headers + (size_t)i * LOG_REFERENCE_BATCH_BYTES;
		struct codec_batch batch;
		at += log_reference_batch_gap(header);
		whole = at < got &&
		        codec_batch_check((struct base_bytes){bytes + at, got - at}, &batch).code == PYR_OK &&
		        memcmp(bytes + at, header, CODEC_BATCH_HEADER_BYTES) == 0;
		at += whole ? batch.bytes : 0;
	}
	free(bytes);
	os_file_close(file);
	return whole;
}

static bool group_is_whole(struct recovery *recovery, const struct log_group_header *group, struct base_bytes bytes)
{
	size_t at = log_group_frames_at(group);
	for (uint32_t i = 0; i < group->frame_count; i++) {
		struct log_frame frame;
		struct base_bytes payload;
		size_t stride;
		if (log_frame_decode((struct base_bytes){bytes.data + at, bytes.bytes - at}, &frame, &payload, &stride)
		            .code != PYR_OK)
			return false;
		if (frame.kind == LOG_FRAME_REFERENCE && !extent_is_whole(recovery, payload))
			return false;
		at += stride;
	}
	return true;
}

/* ---- replay ---- */

enum replay_end { REPLAY_FILE_OVER, REPLAY_NEXT_FILE, REPLAY_TORN };

/* Does a later file of the incarnation begin with group `last_group + 1`? Then files[i] holds nothing more: a file of
 * which the header was written, but not synced without error, is never used, and another takes its turn. */
static pyr_result goes_on_later(struct recovery *recovery, size_t i, bool *ret_later)
{
	uint64_t incarnation = recovery->files[i].header.incarnation;
	*ret_later = false;
	for (size_t k = i + 1; k < recovery->file_count && !*ret_later; k++) {
		const struct found_file *found = &recovery->files[k];
		struct log_group_header group;
		if (!found->valid || found->header.incarnation != incarnation)
			break;
		PYR_TRY(recovery_load(recovery, found));
		*ret_later = recovery_header_at(recovery, found, LOG_RING_HEADER_BYTES, &group) &&
		             group.number == recovery->last_group + 1;
	}
	return recovery_load(recovery, &recovery->files[i]);
}

/* Group `last_group + 1` can't be read at `position`: it is elsewhere, or was durable and is lost (then the next one that
 * can be read follows), or nobody was told of it. */
static pyr_result pass_unreadable(struct recovery *recovery, size_t i, uint64_t *position, enum replay_end *ret_end)
{
	struct log_group_header group;
	bool later;
	PYR_TRY(goes_on_later(recovery, i, &later));
	if (later) {
		*ret_end = REPLAY_NEXT_FILE;
	} else if (recovery->last_group + 1 > recovery->durable) {
		*ret_end = REPLAY_TORN;
	} else {
		PYR_TRY(recovery_damage_all(recovery));
		if (recovery_next_header(recovery, &recovery->files[i], *position + LOG_BLOCK_BYTES,
		                         recovery->last_group, &group, position))
			recovery->last_group = group.number - 1;
		else
			*ret_end = REPLAY_NEXT_FILE;
	}
	return pyr_ok();
}

static pyr_result replay_group(struct recovery *recovery, uint64_t position, struct log_group_header *group,
                               bool *ret_torn)
{
	struct base_bytes bytes = {recovery->bytes + position, group->bytes};
	bool proven = group->number <= recovery->durable;
	/* Only the last groups, of which nobody knows, are looked at to the end of their extents: the rest was durable. */
	*ret_torn = !proven && !group_is_whole(recovery, group, bytes);
	if (*ret_torn)
		return pyr_ok();
	recovery->position = position;
	PYR_TRY(recovery_apply(recovery, group, bytes));
	recovery->last_group = group->number;
	recovery->last_crc = group->crc;
	recovery->replayed_bytes += group->bytes;
	return pyr_ok();
}

/* Groups of one file, in order, up to the last one of its incarnation that counts. */
static pyr_result replay_file(struct recovery *recovery, size_t i, enum replay_end *ret_end)
{
	const struct found_file *found = &recovery->files[i];
	uint64_t position = LOG_RING_HEADER_BYTES, limit = recovery_limit(recovery, i);
	PYR_TRY(recovery_load(recovery, found));
	*ret_end = REPLAY_FILE_OVER;
	while (recovery->last_group < limit && *ret_end == REPLAY_FILE_OVER) {
		struct log_group_header group;
		bool torn = false;
		bool readable = recovery_header_at(recovery, found, position, &group);
		if (!readable || group.number > recovery->last_group + 1) {
			PYR_TRY(pass_unreadable(recovery, i, &position, ret_end));
			continue;
		}
		if (group.number == recovery->last_group + 1) /* else it is in the manifest already */
			PYR_TRY(replay_group(recovery, position, &group, &torn));
		position += group.bytes;
		if (torn)
			*ret_end = REPLAY_TORN;
		else if (group.flags & LOG_GROUP_LAST && group.number == recovery->last_group)
			*ret_end = REPLAY_NEXT_FILE;
	}
	return pyr_ok();
}

static pyr_result replay(struct recovery *recovery)
{
	bool torn = false;
	uint64_t incarnation = 0;
	recovery->last_group = recovery->head.group;
	for (size_t i = 0; i < recovery->file_count && recovery->files[i].valid; i++) {
		const struct found_file *found = &recovery->files[i];
		enum replay_end end;
		if (found->header.file_id < recovery->head.ring_file_id)
			continue;
		if (torn && found->header.incarnation == incarnation)
			continue;
		if (found->header.incarnation != incarnation)
			PYR_TRY(recovery_find_durable(recovery, i));
		incarnation = found->header.incarnation;
		PYR_TRY(replay_file(recovery, i, &end));
		PYR_TRY(recovery_rewrite(recovery, found));
		torn = end == REPLAY_TORN;
	}
	free(recovery->bytes);
	recovery->bytes = NULL;
	return pyr_ok();
}

/* ---- afterwards ---- */

static void sort_ring_files(struct recovery *recovery)
{
	struct log *log = recovery->log;
	for (size_t i = 0; i < recovery->file_count; i++) {
		struct found_file *found = &recovery->files[i];
		if (found->valid && found->header.file_id >= log->ring.next_id)
			log->ring.next_id = found->header.file_id + 1;
		bool needed = found->valid && found->header.file_id >= recovery->head.ring_file_id;
		base_list_remove(&found->file->node);
		base_list_append(needed ? &log->ring.files : &log->ring.free, &found->file->node);
	}
}

static void settle_partitions(struct recovery *recovery)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&recovery->log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		partition->next_offset = partition->durable_end;
		partition->next_index = partition->durable_index;
		/* With manual commit the driver says how much of this is committed; log_partition_create() knows. */
	}
}

static void note_segment(void *context, const char *name)
{
	struct recovery *recovery = context;
	struct log *log = recovery->log;
	uint64_t id;
	char path[OS_POOL_PATH_MAX];
	if (!base_text_hex64(name, &id))
		return;
	if (id >= recovery->max_segment_id)
		recovery->max_segment_id = id + 1;
	if (log_segment_find(log, id) || !strstr(name, ".seg"))
		return;
	/* Nothing refers to it: left by a crash before its manifest, or after its last reference. */
	log_segment_path(id, path);
	pyr_ignore(os_file_remove(log->disk, path));
}

/* Segments that lost their last partition while the ring was replayed. */
static void drop_dead_segments(struct log *log)
{
	struct base_table_node *node = base_table_next(&log->segments, NULL), *next;
	for (; node; node = next) {
		struct log_segment *segment = BASE_CONTAINER(node, struct log_segment, node);
		next = base_table_next(&log->segments, node);
		if (segment->live_parts == 0)
			log_segment_free(segment);
	}
}

static pyr_result settle_segments(struct recovery *recovery)
{
	struct log *log = recovery->log;
	drop_dead_segments(log);
	recovery->max_segment_id = recovery->head.next_segment_id;
	PYR_TRY(os_directory_list(log->disk, "segments", note_segment, recovery));
	PYR_TRY(os_directory_list(log->disk, "hashes", note_segment, recovery));
	log->next_segment_id = recovery->max_segment_id > 0 ? recovery->max_segment_id : 1;
	return pyr_ok();
}

/* The first ring file is used again only after a manifest says so. Without it all segments would look superfluous. */
static bool manifest_is_lost(const struct recovery *recovery)
{
	return recovery->head.number == 0 && recovery->file_count > 0 && recovery->files[0].valid &&
	       recovery->files[0].header.file_id > 1;
}

static pyr_result recover(struct recovery *recovery, struct pyr_error *error)
{
	struct log *log = recovery->log;
	PYR_TRY(log_manifest_load(log, &recovery->head, error));
	PYR_TRY(recovery_find_files(recovery));
	if (manifest_is_lost(recovery))
		return pyr_fail(error, PYR_CORRUPT,
		                "the data directory has no manifest, though it once had: restore the folder manifest/ "
		                "from a replica or a backup");
	log->manifest_number = recovery->head.number;
	log->replay_group = recovery->head.group;
	log->replay_file_id = recovery->head.ring_file_id;
	log->last_hlc = recovery->head.last_hlc;
	pyr_result replayed = replay(recovery);
	sort_ring_files(recovery);
	if (replayed.code == PYR_CORRUPT)
		return pyr_fail(
			error, PYR_CORRUPT,
			"a record of the catalog is damaged: restore the data directory from a replica or a backup");
	PYR_TRY(replayed);
	settle_partitions(recovery);
	PYR_TRY(settle_segments(recovery));
	log->last_group = log->durable_through = recovery->last_group;
	log->last_group_crc = recovery->last_crc;
	log->since_checkpoint_bytes = recovery->replayed_bytes;
	log->checkpoint_begun_us = os_now_us(log->loop);
	return log_ring_start(log, recovery->last_group);
}

pyr_result log_recover(struct log *log, struct pyr_error *error)
{
	struct recovery recovery = {.log = log};
	log->recovering = true;
	pyr_result result = recover(&recovery, error);
	log->recovering = false;
	free(recovery.bytes);
	free(recovery.files);
	return result;
}
