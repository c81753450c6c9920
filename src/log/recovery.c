/* Recovery: the manifest, then the ring behind it, group by group.
 *
 * A group that does not check is a torn tail if nothing says that it was durable: then the log ends before it, because
 * nobody was told of it. It is corruption if something does: a later valid group with durable_through at or above its
 * number, or a later incarnation that went on after it. Then what can't be read is marked damaged, its partitions are
 * read-only, and everything else goes on. What is accepted without proof that it is durable is written again and synced
 * before anything new is: the process may have died without the machine, after a sync that failed; then the page cache
 * holds bytes that the disk does not, and takes them for clean. Runs at open, blocking, on the log's thread.
 */
#include "base/crc32c.h"
#include "base/text.h"
#include "log/log_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXTENT_RUN_BYTES_MAX = 2 * LOG_GROUP_BYTES_MAX };

/* One ring file as it lies on the disk. */
struct found_file {
	struct log_ring_file *file;
	struct log_ring_header header;
	bool valid;
};

struct recovery {
	struct log *log;
	struct log_manifest_head head;
	struct found_file *files; /* in order of file id, the invalid ones last */
	size_t file_count, file_capacity;
	bool out_of_memory;
	uint64_t durable; /* groups of the incarnation being replayed were durable up to this */
	uint64_t last_group; /* applied */
	uint32_t last_crc;
	uint64_t replayed_bytes;
	uint64_t max_segment_id;
	/* The file being replayed, whole. */
	uint8_t *bytes;
	size_t byte_count, byte_capacity;
	struct log_ring_file *file;
	uint64_t position; /* of the group being applied */
};

/* ---- finding the ring's files ---- */

static void note_ring_file(void *context, const char *name)
{
	struct recovery *recovery = context;
	uint64_t slot;
	if (strlen(name) != 16 || !base_text_hex64(name, &slot))
		return;
	if (!base_array_reserve(&recovery->files, &recovery->file_capacity, recovery->file_count + 1,
	                        sizeof *recovery->files)) {
		recovery->out_of_memory = true;
		return;
	}
	struct log_ring_file *file = log_ring_file_new(recovery->log, slot);
	recovery->out_of_memory |= !file;
	if (file) {
		base_list_append(&recovery->log->ring.free, &file->node); /* until sort_ring_files() knows better */
		recovery->files[recovery->file_count++] = (struct found_file){.file = file};
	}
	if (slot >= recovery->log->ring.next_slot)
		recovery->log->ring.next_slot = slot + 1;
}

/* Both copies of the header may be gone: the first group knows the file too. */
static bool header_from_group(struct os_file *file, uint64_t size, struct log_ring_header *ret_header)
{
	enum { PEEK_BYTES = 1 << 20 };
	struct log_group_header group;
	size_t bytes = size > PEEK_BYTES ? PEEK_BYTES : (size_t)size, got = 0;
	uint8_t *peek = malloc(bytes);
	bool found = peek && os_file_read(file, LOG_RING_HEADER_BYTES, peek, bytes, &got).code == PYR_OK &&
	             log_group_header_decode((struct base_bytes){peek, got}, &group).code == PYR_OK;
	if (found)
		*ret_header = (struct log_ring_header){
			.file_id = group.file_id, .incarnation = group.incarnation, .bytes = size};
	free(peek);
	return found;
}

static pyr_result read_ring_header(struct log *log, struct found_file *found)
{
	uint8_t block[LOG_RING_HEADER_BYTES];
	struct os_file *file;
	size_t got = 0;
	uint64_t size = 0;
	PYR_TRY(os_file_open(log->disk, found->file->file.path, OS_OPEN_READ, &file));
	pyr_result result = os_file_size(file, &size);
	if (result.code == PYR_OK)
		result = os_file_read(file, 0, block, sizeof block, &got);
	if (result.code == PYR_OK) {
		pyr_result decoded = log_ring_header_decode((struct base_bytes){block, got}, &found->header);
		found->valid = decoded.code == PYR_OK || header_from_group(file, size, &found->header);
		if (decoded.code == PYR_UNSUPPORTED_FEATURE)
			result = decoded;
	}
	os_file_close(file);
	found->file->bytes = size;
	found->file->id = found->valid ? found->header.file_id : 0;
	return result;
}

static int by_file_id(const void *a, const void *b)
{
	const struct found_file *x = a, *y = b;
	if (x->valid != y->valid)
		return x->valid ? -1 : 1;
	return x->header.file_id < y->header.file_id ? -1 : x->header.file_id > y->header.file_id;
}

static pyr_result find_ring_files(struct recovery *recovery)
{
	PYR_TRY(os_directory_list(recovery->log->disk, "ring", note_ring_file, recovery));
	if (recovery->out_of_memory)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < recovery->file_count; i++)
		PYR_TRY(read_ring_header(recovery->log, &recovery->files[i]));
	if (recovery->file_count > 0)
		qsort(recovery->files, recovery->file_count, sizeof *recovery->files, by_file_id);
	recovery->log->ring.count = (uint32_t)recovery->file_count;
	return pyr_ok();
}

/* ---- damage ---- */

/* Something of the partition at its end could not be read; how much, a later frame may tell. */
static pyr_result open_damage(struct log_partition *partition)
{
	if (partition->damage_count > 0 && partition->damages[partition->damage_count - 1].end_offset == INT64_MAX)
		return pyr_ok();
	return log_partition_damage(partition, partition->durable_end, INT64_MAX);
}

static void close_damage(struct log_partition *partition, int64_t at)
{
	struct log_damage *last = partition->damage_count > 0 ? &partition->damages[partition->damage_count - 1] : NULL;
	if (last && last->end_offset == INT64_MAX && last->base_offset < at)
		last->end_offset = at;
}

static pyr_result damage_all(struct recovery *recovery)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&recovery->log->partitions, node))) {
		struct log_partition *partition = BASE_CONTAINER(node, struct log_partition, node);
		if (partition->id != LOG_PARTITION_SYSTEM)
			PYR_TRY(open_damage(partition));
	}
	return pyr_ok();
}

static pyr_result damage_directory(struct recovery *recovery, const struct log_group_header *group, const uint8_t *at)
{
	for (uint32_t i = 0; i < group->directory_count; i++) {
		uint32_t id = base_load_u32le(at + LOG_GROUP_HEADER_BYTES + (size_t)i * LOG_DIRECTORY_ENTRY_BYTES);
		struct log_partition *partition = log_partition_need(recovery->log, id);
		if (!partition)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		if (id != LOG_PARTITION_SYSTEM)
			PYR_TRY(open_damage(partition));
	}
	return pyr_ok();
}

/* ---- applying frames ---- */

/* A frame at an index that was there already: what came before at or above it is void. */
static void discard_from(struct log_partition *partition, int64_t offset, uint64_t index)
{
	size_t from = partition->tail.count;
	while (from > 0 && (log_tail_at(&partition->tail, from - 1)->index >= index ||
	                    log_tail_at(&partition->tail, from - 1)->last_offset >= offset))
		from -= 1;
	for (size_t i = from; i < partition->tail.count; i++)
		partition->tail_bytes -= log_tail_at(&partition->tail, i)->bytes;
	log_tail_drop_back(&partition->tail, from);
	log_producers_rollback(&partition->producers, offset);
	if (partition->durable_end > offset)
		partition->durable_end = offset;
	partition->durable_index = index;
}

static pyr_result apply_batch(struct recovery *recovery, struct log_partition *partition, const struct log_frame *frame,
                              const struct codec_batch *batch, struct log_tail_entry *entry)
{
	struct log *log = recovery->log;
	if (entry->base_offset < 0 || batch->last_offset_delta < 0 || entry->base_offset > INT64_MAX - (1LL << 32))
		return pyr_result_of(PYR_CORRUPT);
	entry->last_offset = entry->base_offset + batch->last_offset_delta;
	entry->max_timestamp_ms = batch->max_timestamp_ms;
	/* The header tells the first record's time stamp; later ones may be earlier, and are not read here. */
	entry->min_timestamp_ms = codec_batch_is_append_time(batch) ? batch->max_timestamp_ms : INT64_MIN;
	entry->bytes = (uint32_t)batch->bytes;
	if (entry->base_offset < partition->durable_end || entry->index < partition->durable_index)
		discard_from(partition, entry->base_offset, entry->index);
	close_damage(partition, entry->base_offset);
	if (entry->base_offset > partition->durable_end && partition->damage_count == 0)
		PYR_TRY(log_partition_damage(partition, partition->durable_end, entry->base_offset));
	os_pool_file_ref(entry->file);
	pyr_result pushed = log_tail_push(&partition->tail, entry);
	if (pushed.code != PYR_OK) {
		os_pool_file_unref(entry->file);
		return pushed;
	}
	if (batch->producer_id >= 0)
		PYR_TRY(log_producers_append(&partition->producers, batch, entry->base_offset, NULL,
		                             (int64_t)(frame->hlc >> 20), log->options.producers_max));
	partition->tail_bytes += entry->bytes;
	partition->durable_end = entry->last_offset + 1;
	partition->durable_index = entry->index + 1;
	partition->term = frame->term;
	if (entry->max_timestamp_ms > partition->max_timestamp_ms)
		partition->max_timestamp_ms = entry->max_timestamp_ms;
	return pyr_ok();
}

static pyr_result apply_data(struct recovery *recovery, struct log_partition *partition, const struct log_frame *frame,
                             struct base_bytes payload)
{
	struct codec_batch batch;
	struct log_tail_entry entry = {
		.base_offset = frame->base_offset,
		.index = frame->index,
		.file = &recovery->file->file,
		.position = recovery->position + (uint64_t)(payload.data - (recovery->bytes + recovery->position)),
		.prefix_crc = base_crc32c(0, payload.data, log_frame_prefix_bytes(LOG_FRAME_DATA, payload.bytes)),
	};
	if (codec_batch_parse(payload, &batch).code != PYR_OK)
		return pyr_result_of(PYR_CORRUPT);
	return apply_batch(recovery, partition, frame, &batch, &entry);
}

static struct log_extent *need_extent(struct recovery *recovery, struct log_partition *partition, uint64_t segment_id,
                                      int64_t base_offset)
{
	struct log *log = recovery->log;
	for (struct base_list *node = partition->extents.next; node != &partition->extents; node = node->next)
		if (BASE_CONTAINER(node, struct log_extent, node)->segment->id == segment_id)
			return BASE_CONTAINER(node, struct log_extent, node);
	struct log_extent *extent = calloc(1, sizeof *extent);
	if (!extent)
		return NULL;
	extent->segment = log_segment_find(log, segment_id);
	if (!extent->segment)
		extent->segment = log_segment_new(log, segment_id);
	if (!extent->segment) {
		free(extent);
		return NULL;
	}
	log_segment_hold(extent->segment);
	extent->closed = true;
	extent->base_offset = base_offset;
	base_list_append(&partition->extents, &extent->node);
	log->extent_count += 1;
	return extent;
}

static pyr_result apply_reference(struct recovery *recovery, struct log_partition *partition,
                                  const struct log_group_header *group, const struct log_frame *frame,
                                  struct base_bytes payload)
{
	struct log_reference reference;
	PYR_TRY(log_reference_decode(payload, &reference));
	uint64_t known_index = group->number <= recovery->head.state_group ? partition->durable_index : 0;
	if (frame->index + reference.batch_count <= known_index)
		return pyr_ok(); /* all of it; the file may be gone, merged or retained away */
	struct log_segment *segment = log_segment_find(recovery->log, reference.segment_id);
	if (!segment || !segment->sealed) { /* sealed: what was committed of it is in the manifest */
		struct log_extent *extent = need_extent(recovery, partition, reference.segment_id, frame->base_offset);
		if (!extent)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		if (extent->filled < log_align(reference.position + reference.bytes, LOG_BLOCK_BYTES))
			extent->filled = log_align(reference.position + reference.bytes, LOG_BLOCK_BYTES);
		segment = extent->segment;
	}
	int64_t offset = frame->base_offset;
	uint64_t position = reference.position;
	for (uint32_t i = 0; i < reference.batch_count; i++) {
		const uint8_t *header = reference.headers + (size_t)i * LOG_REFERENCE_BATCH_BYTES;
		struct codec_batch batch;
		PYR_TRY(codec_batch_parse_header(header, &batch));
		position += log_reference_batch_gap(header);
		struct log_tail_entry entry = {
			.base_offset = offset,
			.index = frame->index + i,
			.file = &segment->file,
			.position = position,
			.prefix_crc = base_crc32c(0, header, LOG_BATCH_PREFIX_BYTES),
		};
		if (entry.index >= known_index)
			PYR_TRY(apply_batch(recovery, partition, frame, &batch, &entry));
		offset += batch.last_offset_delta + 1;
		position += batch.bytes;
	}
	return pyr_ok();
}

/* What the manifest holds already is not applied twice. */
static bool is_in_manifest(const struct recovery *recovery, const struct log_group_header *group,
                           const struct log_partition *partition, const struct log_frame *frame)
{
	if (group->number > recovery->head.state_group)
		return false;
	/* Of a reference frame the manifest may hold the first batches: apply_reference() looks at each. */
	return frame->kind == LOG_FRAME_RECORD ||
	       (frame->kind != LOG_FRAME_REFERENCE && frame->index < partition->durable_index);
}

/* A record may have been refused when it was first applied (a second creation of one name): then it is again. */
static pyr_result replay_record(struct log *log, struct base_bytes record)
{
	pyr_result applied = log_record_apply(log, record);
	bool fatal = applied.code == PYR_CORRUPT || applied.code == PYR_OUT_OF_MEMORY ||
	             applied.code == PYR_UNSUPPORTED_FEATURE;
	return fatal ? applied : pyr_ok();
}

static pyr_result apply_frame(struct recovery *recovery, const struct log_group_header *group,
                              const struct log_frame *frame, struct base_bytes payload)
{
	struct log *log = recovery->log;
	struct log_partition *partition = log_partition_need(log, frame->partition);
	if (!partition)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (frame->hlc > log->last_hlc)
		log->last_hlc = frame->hlc;
	if (is_in_manifest(recovery, group, partition, frame))
		return pyr_ok();
	switch (frame->kind) {
	case LOG_FRAME_DATA:
		return apply_data(recovery, partition, frame, payload);
	case LOG_FRAME_REFERENCE:
		return apply_reference(recovery, partition, group, frame, payload);
	case LOG_FRAME_RECORD:
		return replay_record(log, payload);
	case LOG_FRAME_TRUNCATE:
		discard_from(partition, frame->base_offset, frame->index + 1);
		return pyr_ok();
	default:
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	}
}

/* A frame that fails its checksum in a durable group. Its header may still tell whose it is. */
static pyr_result damage_frame(struct recovery *recovery, const struct log_frame *frame)
{
	if (frame->partition == LOG_PARTITION_SYSTEM)
		return pyr_result_of(PYR_CORRUPT); /* the catalog can't go on with a gap */
	struct log_partition *partition = log_partition_need(recovery->log, frame->partition);
	return partition ? open_damage(partition) : pyr_result_of(PYR_OUT_OF_MEMORY);
}

static pyr_result apply_group(struct recovery *recovery, const struct log_group_header *group, struct base_bytes bytes)
{
	size_t at = log_group_frames_at(group);
	for (uint32_t i = 0; i < group->frame_count; i++) {
		struct log_frame frame;
		struct base_bytes payload;
		size_t stride;
		pyr_result decoded = log_frame_decode((struct base_bytes){bytes.data + at, bytes.bytes - at}, &frame,
		                                      &payload, &stride);
		if (decoded.code != PYR_OK && stride == 0)
			return damage_directory(recovery, group, bytes.data); /* and nothing behind it can be found */
		PYR_TRY(decoded.code == PYR_OK ? apply_frame(recovery, group, &frame, payload)
		                               : damage_frame(recovery, &frame));
		at += stride;
	}
	return pyr_ok();
}

/* ---- is a group whole? ---- */

/* The batches in an extent, against the headers in the reference frame. */
static bool extent_is_whole(struct recovery *recovery, struct base_bytes payload)
{
	struct log_reference reference;
	char path[OS_POOL_PATH_MAX];
	struct os_file *file;
	if (log_reference_decode(payload, &reference).code != PYR_OK || reference.bytes > EXTENT_RUN_BYTES_MAX)
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

static bool header_at(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                      struct log_group_header *ret_group)
{
	if (position + LOG_GROUP_HEADER_BYTES > recovery->byte_count)
		return false;
	struct base_bytes bytes = {recovery->bytes + position, recovery->byte_count - position};
	return log_group_header_decode(bytes, ret_group).code == PYR_OK &&
	       ret_group->file_id == found->header.file_id && ret_group->incarnation == found->header.incarnation;
}

/* The next valid group header from `position` on, with a number above `above`. False: none in this file. */
static bool next_header(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                        uint64_t above, struct log_group_header *ret_group, uint64_t *ret_position)
{
	for (; position < recovery->byte_count; position += LOG_BLOCK_BYTES)
		if (header_at(recovery, found, position, ret_group) && ret_group->number > above) {
			*ret_position = position;
			return true;
		}
	return false;
}

/* All of a ring file, into memory that the next one uses again. */
static pyr_result load_file(struct recovery *recovery, const struct found_file *found)
{
	struct os_file *file;
	if (recovery->file == found->file)
		return pyr_ok();
	recovery->file = NULL;
	if (!base_array_reserve(&recovery->bytes, &recovery->byte_capacity, found->file->bytes, 1))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	PYR_TRY(os_file_open(recovery->log->disk, found->file->file.path, OS_OPEN_READ, &file));
	pyr_result result = os_file_read(file, 0, recovery->bytes, found->file->bytes, &recovery->byte_count);
	os_file_close(file);
	if (result.code == PYR_OK)
		recovery->file = found->file;
	return result;
}

/* The last group of files[i]'s incarnation that counts: known from the one after it. */
static uint64_t limit_of(const struct recovery *recovery, size_t i)
{
	for (size_t k = i + 1; k < recovery->file_count && recovery->files[k].valid; k++)
		if (recovery->files[k].header.incarnation != recovery->files[i].header.incarnation &&
		    recovery->files[k].header.first_group > 0)
			return recovery->files[k].header.after_group;
	return UINT64_MAX;
}

/* The largest durable_through that any valid header of the loaded file tells; false: it has none. */
static bool durable_in_file(const struct recovery *recovery, const struct found_file *found, uint64_t *durable)
{
	bool any = false;
	for (uint64_t position = LOG_RING_HEADER_BYTES; position < recovery->byte_count; position += LOG_BLOCK_BYTES) {
		struct log_group_header group;
		if (!header_at(recovery, found, position, &group))
			continue;
		any = true;
		if (group.durable_through > *durable)
			*durable = group.durable_through;
	}
	return any;
}

/* Up to which group files[i]'s incarnation is known to have been durable: what its successor counted, or what its newest
 * readable group says, as the number never falls from one group to the next. */
static pyr_result find_durable(struct recovery *recovery, size_t i)
{
	uint64_t incarnation = recovery->files[i].header.incarnation;
	size_t last = i;
	recovery->durable = limit_of(recovery, i);
	if (recovery->durable != UINT64_MAX)
		return pyr_ok();
	recovery->durable = recovery->head.state_group;
	while (last + 1 < recovery->file_count && recovery->files[last + 1].valid &&
	       recovery->files[last + 1].header.incarnation == incarnation)
		last += 1;
	for (size_t k = last + 1; k-- > i;) {
		PYR_TRY(load_file(recovery, &recovery->files[k]));
		if (durable_in_file(recovery, &recovery->files[k], &recovery->durable))
			break;
	}
	return pyr_ok();
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
		PYR_TRY(load_file(recovery, found));
		*ret_later = header_at(recovery, found, LOG_RING_HEADER_BYTES, &group) &&
		             group.number == recovery->last_group + 1;
	}
	return load_file(recovery, &recovery->files[i]);
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
		PYR_TRY(damage_all(recovery));
		if (next_header(recovery, &recovery->files[i], *position + LOG_BLOCK_BYTES, recovery->last_group,
		                &group, position))
			recovery->last_group = group.number - 1;
		else
			*ret_end = REPLAY_NEXT_FILE;
	}
	return pyr_ok();
}

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
	if (reference->bytes > EXTENT_RUN_BYTES_MAX)
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
static pyr_result rewrite_unproven(struct recovery *recovery, const struct found_file *found)
{
	uint64_t from = 0, end = LOG_RING_HEADER_BYTES, at;
	struct log_group_header group;
	while (next_header(recovery, found, end, recovery->durable, &group, &at) &&
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
	PYR_TRY(apply_group(recovery, group, bytes));
	recovery->last_group = group->number;
	recovery->last_crc = group->crc;
	recovery->replayed_bytes += group->bytes;
	return pyr_ok();
}

/* Groups of one file, in order, up to the last one of its incarnation that counts. */
static pyr_result replay_file(struct recovery *recovery, size_t i, enum replay_end *ret_end)
{
	const struct found_file *found = &recovery->files[i];
	uint64_t position = LOG_RING_HEADER_BYTES, limit = limit_of(recovery, i);
	PYR_TRY(load_file(recovery, found));
	*ret_end = REPLAY_FILE_OVER;
	while (recovery->last_group < limit && *ret_end == REPLAY_FILE_OVER) {
		struct log_group_header group;
		bool torn = false;
		bool readable = header_at(recovery, found, position, &group);
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
			PYR_TRY(find_durable(recovery, i));
		incarnation = found->header.incarnation;
		PYR_TRY(replay_file(recovery, i, &end));
		PYR_TRY(rewrite_unproven(recovery, found));
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
	PYR_TRY(find_ring_files(recovery));
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
