/* The manifest: a snapshot of what the log knows, from which recovery starts before it replays the ring.
 *
 * Written whole under a temporary name, synced, renamed, directory synced: a manifest under its final name is complete.
 * Body: the observer's state; each partition with its parts and producers; the parts that the checkpoint just made.
 * Encoding runs on the log's thread, writing and loading block.
 */
#include "base/crc32c.h"
#include "base/text.h"
#include "log/log_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x4d525950 /* "PYRM" */, HEADER_BYTES = 128, BODY_BYTES_MAX = 1 << 30 };

static const char temporary_path[] = "manifest/new";

void log_manifest_path(uint64_t number, char ret_path[OS_POOL_PATH_MAX])
{
	snprintf(ret_path, OS_POOL_PATH_MAX, "manifest/%016" PRIx64, number);
}

/* ---- encoding ---- */

void log_manifest_encode_parts(const struct log_part *parts, size_t count, struct base_writer *writer)
{
	base_write_u32le(writer, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		log_part_encode(&parts[i], writer);
}

/* Where the partition's replay begins: behind what is sealed once the checkpoint under way is done. */
static void sealed_end(const struct log_partition *partition, int64_t *ret_offset, uint64_t *ret_index)
{
	size_t open = log_tail_search(&partition->tail, partition->high_watermark);
	*ret_offset = partition->durable_end;
	*ret_index = partition->durable_index;
	if (open < partition->tail.count) {
		*ret_offset = log_tail_at(&partition->tail, open)->base_offset;
		*ret_index = log_tail_at(&partition->tail, open)->index;
	}
}

static void encode_partition(const struct log_partition *partition, struct base_writer *writer)
{
	int64_t next_offset;
	uint64_t next_index;
	sealed_end(partition, &next_offset, &next_index);
	base_write_u32le(writer, partition->id);
	base_write_u8(writer, partition->read_only);
	base_write_u64le(writer, partition->term);
	base_write_u64le(writer, (uint64_t)partition->log_start_offset);
	base_write_u64le(writer, (uint64_t)next_offset);
	base_write_u64le(writer, next_index);
	base_write_u64le(writer, (uint64_t)partition->max_timestamp_ms);
	base_write_u16le(writer, (uint16_t)partition->damage_count);
	for (size_t i = 0; i < partition->damage_count; i++) {
		base_write_u64le(writer, (uint64_t)partition->damages[i].base_offset);
		base_write_u64le(writer, (uint64_t)partition->damages[i].end_offset);
	}
	log_producers_encode(&partition->producers, writer);
	log_manifest_encode_parts(partition->parts, partition->part_count, writer);
}

pyr_result log_manifest_encode(struct log *log, struct base_writer *writer)
{
	struct base_slice observed = {0};
	PYR_TRY(log->observer.snapshot(log->observer.context, &observed));
	base_write_u32le(writer, (uint32_t)observed.bytes);
	base_write_bytes(writer, observed.data, observed.bytes);
	base_slice_release(&observed);
	base_write_u32le(writer, (uint32_t)log->partitions.count);
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node)))
		encode_partition(BASE_CONTAINER(node, struct log_partition, node), writer);
	return pyr_result_of(writer->failed ? PYR_OUT_OF_MEMORY : PYR_OK);
}

static void encode_header(const struct log_manifest_head *head, struct base_bytes body, uint8_t ret_bytes[HEADER_BYTES])
{
	memset(ret_bytes, 0, HEADER_BYTES);
	base_store_u32le(ret_bytes, MAGIC);
	base_store_u32le(ret_bytes + 8, LOG_FORMAT_VERSION);
	base_store_u64le(ret_bytes + 16, head->number);
	base_store_u64le(ret_bytes + 24, head->group);
	base_store_u64le(ret_bytes + 32, head->state_group);
	base_store_u64le(ret_bytes + 40, head->ring_file_id);
	base_store_u64le(ret_bytes + 48, head->next_segment_id);
	base_store_u64le(ret_bytes + 56, head->last_hlc);
	base_store_u64le(ret_bytes + 64, body.bytes);
	base_store_u32le(ret_bytes + 72, base_crc32c(0, body.data, body.bytes));
	base_store_u32le(ret_bytes + 4, base_crc32c(0, ret_bytes + 8, HEADER_BYTES - 8));
}

static pyr_result write_file(struct os_disk *disk, const struct base_bytes pieces[2])
{
	struct os_file *file;
	PYR_TRY(os_file_open(disk, temporary_path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_truncate(file, 0);
	if (result.code == PYR_OK)
		result = os_file_write(file, 0, pieces, 2);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	return result;
}

pyr_result log_manifest_write(struct os_disk *disk, const struct log_manifest_head *head, struct base_bytes body)
{
	uint8_t header[HEADER_BYTES];
	char path[OS_POOL_PATH_MAX];
	encode_header(head, body, header);
	PYR_TRY(write_file(disk, (struct base_bytes[2]){{header, sizeof header}, body}));
	log_manifest_path(head->number, path);
	PYR_TRY(os_file_rename(disk, temporary_path, path));
	/* Which of the two manifests counts, nobody knows now. */
	if (os_directory_sync(disk, "manifest").code != PYR_OK)
		return pyr_result_of(PYR_STOPPED);
	/* The one before is of no use now; if it can't be removed, the highest number still wins. */
	if (head->number > 1) {
		log_manifest_path(head->number - 1, path);
		pyr_ignore(os_file_remove(disk, path));
	}
	return pyr_ok();
}

/* ---- loading ---- */

static void find_newest(void *context, const char *name)
{
	uint64_t *newest = context;
	uint64_t number;
	if (strlen(name) == 16 && base_text_hex64(name, &number) && number > *newest)
		*newest = number;
}

static pyr_result decode_header(const uint8_t *at, struct log_manifest_head *ret_head, uint64_t *ret_bytes,
                                uint32_t *ret_crc)
{
	if (base_load_u32le(at) != MAGIC || base_load_u32le(at + 4) != base_crc32c(0, at + 8, HEADER_BYTES - 8))
		return pyr_result_of(PYR_CORRUPT);
	if (base_load_u32le(at + 8) != LOG_FORMAT_VERSION)
		return pyr_result_of(PYR_UNSUPPORTED_FEATURE);
	*ret_head = (struct log_manifest_head){
		.number = base_load_u64le(at + 16),
		.group = base_load_u64le(at + 24),
		.state_group = base_load_u64le(at + 32),
		.ring_file_id = base_load_u64le(at + 40),
		.next_segment_id = base_load_u64le(at + 48),
		.last_hlc = base_load_u64le(at + 56),
	};
	*ret_bytes = base_load_u64le(at + 64);
	*ret_crc = base_load_u32le(at + 72);
	return pyr_result_of(*ret_bytes <= BODY_BYTES_MAX ? PYR_OK : PYR_CORRUPT);
}

static pyr_result read_file(struct os_file *file, struct log_manifest_head *ret_head, struct base_slice *ret_body)
{
	uint8_t header[HEADER_BYTES];
	size_t got = 0;
	uint64_t bytes;
	uint32_t crc;
	PYR_TRY(os_file_read(file, 0, header, sizeof header, &got));
	if (got != sizeof header)
		return pyr_result_of(PYR_CORRUPT);
	PYR_TRY(decode_header(header, ret_head, &bytes, &crc));
	struct base_buffer *buffer = base_buffer_new(bytes);
	if (!buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = os_file_read(file, HEADER_BYTES, buffer->data, bytes, &got);
	if (result.code == PYR_OK && (got != bytes || base_crc32c(0, buffer->data, bytes) != crc))
		result = pyr_result_of(PYR_CORRUPT);
	if (result.code == PYR_OK)
		*ret_body = base_slice_of(buffer, 0, bytes);
	base_buffer_unref(buffer);
	return result;
}

static pyr_result decode_parts(struct log *log, struct base_reader *reader)
{
	uint32_t count = base_read_u32le(reader);
	for (uint32_t i = 0; i < count && !reader->failed; i++) {
		struct log_part part;
		PYR_TRY(log_part_decode(reader, &part));
		struct log_partition *partition = log_partition_find(log, part.partition);
		if (!partition)
			return pyr_result_of(PYR_CORRUPT);
		if (!log_segment_find(log, part.segment_id) && !log_segment_new(log, part.segment_id))
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		log_segment_find(log, part.segment_id)->sealed = true;
		PYR_TRY(log_parts_push(log, partition, &part));
	}
	return base_reader_check(reader, PYR_CORRUPT);
}

static pyr_result decode_damages(struct log_partition *partition, struct base_reader *reader)
{
	uint16_t count = base_read_u16le(reader);
	if (count == 0)
		return pyr_ok();
	partition->damages = calloc(count, sizeof *partition->damages);
	if (!partition->damages)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	partition->damage_count = count;
	for (uint16_t i = 0; i < count; i++) {
		partition->damages[i].base_offset = (int64_t)base_read_u64le(reader);
		partition->damages[i].end_offset = (int64_t)base_read_u64le(reader);
	}
	return base_reader_check(reader, PYR_CORRUPT);
}

static pyr_result decode_partition(struct log *log, struct base_reader *reader)
{
	struct log_partition *partition = log_partition_need(log, base_read_u32le(reader));
	if (!partition)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	partition->read_only = base_read_u8(reader);
	partition->term = base_read_u64le(reader);
	partition->log_start_offset = (int64_t)base_read_u64le(reader);
	partition->next_offset = partition->durable_end = (int64_t)base_read_u64le(reader);
	partition->high_watermark = partition->durable_end;
	partition->next_index = partition->durable_index = base_read_u64le(reader);
	partition->max_timestamp_ms = (int64_t)base_read_u64le(reader);
	PYR_TRY(decode_damages(partition, reader));
	PYR_TRY(log_producers_decode(&partition->producers, reader));
	return decode_parts(log, reader);
}

/* What the checkpoint that wrote this manifest could not read. */
static pyr_result decode_new_damages(struct log *log, struct base_reader *reader)
{
	uint32_t count = base_read_u32le(reader);
	for (uint32_t i = 0; i < count && !reader->failed; i++) {
		struct log_partition *partition = log_partition_find(log, base_read_u32le(reader));
		int64_t from = (int64_t)base_read_u64le(reader);
		int64_t to = (int64_t)base_read_u64le(reader);
		if (!partition)
			return pyr_result_of(PYR_CORRUPT);
		PYR_TRY(log_partition_damage(partition, from, to));
	}
	return base_reader_check(reader, PYR_CORRUPT);
}

/* A part may have been deleted while it was being sealed. */
static void trim_all(struct log *log)
{
	struct base_table_node *node = NULL;
	while ((node = base_table_next(&log->partitions, node)))
		log_parts_trim(log, BASE_CONTAINER(node, struct log_partition, node));
}

static pyr_result apply_body(struct log *log, struct base_bytes body)
{
	struct base_reader reader = base_reader_init(body.data, body.bytes);
	uint32_t observed_bytes = base_read_u32le(&reader);
	const uint8_t *observed = base_read_bytes(&reader, observed_bytes);
	PYR_TRY(base_reader_check(&reader, PYR_CORRUPT));
	PYR_TRY(log->observer.restore(log->observer.context, (struct base_bytes){observed, observed_bytes}));
	uint32_t count = base_read_u32le(&reader);
	for (uint32_t i = 0; i < count && !reader.failed; i++)
		PYR_TRY(decode_partition(log, &reader));
	PYR_TRY(decode_parts(log, &reader));
	trim_all(log);
	return decode_new_damages(log, &reader);
}

pyr_result log_manifest_load(struct log *log, struct log_manifest_head *ret_head, struct pyr_error *error)
{
	uint64_t newest = 0;
	char path[OS_POOL_PATH_MAX];
	struct os_file *file;
	struct base_slice body = {0};
	*ret_head = (struct log_manifest_head){0};
	PYR_TRY(os_directory_list(log->disk, "manifest", find_newest, &newest));
	if (newest == 0)
		return log->observer.restore(log->observer.context, (struct base_bytes){0});
	log_manifest_path(newest, path);
	PYR_TRY(os_file_open(log->disk, path, OS_OPEN_READ, &file));
	pyr_result result = read_file(file, ret_head, &body);
	os_file_close(file);
	if (result.code == PYR_OK)
		result = apply_body(log, (struct base_bytes){body.data, body.bytes});
	base_slice_release(&body);
	if (result.code == PYR_CORRUPT)
		return pyr_fail(error, PYR_CORRUPT,
		                "the manifest %s is damaged: restore the data directory from a replica or a backup",
		                path);
	if (result.code == PYR_UNSUPPORTED_FEATURE)
		return pyr_fail(error, result.code,
		                "the manifest %s was written by a newer version: upgrade the program", path);
	return result;
}
