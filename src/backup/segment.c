/* A segment, copied; one that is complete is verified by what it says of itself, block by block: its file may have been
 * written again, as another's, while it was read. An extent that is still being filled is verified by recovery, which has
 * the ring's references to it. Format: docs/formats/log.md.
 */
#include "backup/backup_priv.h"

#include "base/crc32c.h"
#include "base/cursor.h"
#include "log/format.h"

#include <stdlib.h>

enum { PART_BYTES = 96, DIRECTORY_ENTRY_BYTES = 112, INDEX_BYTES_MAX = 1 << 30 };

/* NULL: not there, or not what its CRC says. */
static uint8_t *read_checked(struct os_file *file, uint64_t position, uint64_t bytes, uint32_t crc)
{
	uint8_t *room = bytes <= INDEX_BYTES_MAX ? backup_file_read(file, position, (size_t)bytes) : NULL;
	if (room && base_crc32c(0, room, (size_t)bytes) == crc)
		return room;
	free(room);
	return NULL;
}

static bool blocks_are_whole(struct os_file *file, const struct log_part *part)
{
	uint64_t bytes = (uint64_t)part->block_count * LOG_BLOCK_ENTRY_BYTES;
	uint8_t *index = read_checked(file, part->index_position, bytes, part->index_crc);
	struct base_reader reader = base_reader_init(index, index ? (size_t)bytes : 0);
	bool good = index;
	for (uint32_t i = 0; i < part->block_count && good; i++) {
		struct log_block block;
		good = log_block_decode(&reader, &block).code == PYR_OK;
		uint8_t *data = good ? read_checked(file, block.position, block.bytes, block.crc) : NULL;
		good = data != NULL;
		free(data);
	}
	free(index);
	return good;
}

static bool parts_are_whole(struct os_file *file, const struct log_segment_trailer *trailer)
{
	uint8_t *directory =
		read_checked(file, trailer->directory_position, trailer->directory_bytes, trailer->directory_crc);
	bool good = directory && trailer->directory_bytes == (uint64_t)trailer->part_count * DIRECTORY_ENTRY_BYTES;
	for (uint32_t i = 0; i < trailer->part_count && good; i++) {
		struct base_reader reader = base_reader_init(directory + (size_t)i * DIRECTORY_ENTRY_BYTES, PART_BYTES);
		struct log_part part;
		good = log_part_decode(&reader, &part).code == PYR_OK && blocks_are_whole(file, &part);
	}
	free(directory);
	return good;
}

static pyr_result verify(struct os_file *file, bool *ret_sealed)
{
	struct log_segment_trailer trailer;
	uint64_t bytes;
	*ret_sealed = false;
	PYR_TRY(os_file_size(file, &bytes));
	if (bytes < LOG_SEGMENT_HEADER_BYTES + LOG_SEGMENT_TRAILER_BYTES)
		return pyr_ok();
	uint8_t *end = backup_file_read(file, bytes - LOG_SEGMENT_TRAILER_BYTES, LOG_SEGMENT_TRAILER_BYTES);
	*ret_sealed =
		end && log_segment_trailer_decode((struct base_bytes){end, LOG_SEGMENT_TRAILER_BYTES}, &trailer).code ==
			       PYR_OK;
	free(end);
	return pyr_result_of(!*ret_sealed || parts_are_whole(file, &trailer) ? PYR_OK : PYR_CORRUPT);
}

pyr_result backup_segment_copy(struct backup_copy *copy, const char *path, bool *ret_sealed)
{
	struct os_file *file;
	PYR_TRY(backup_file_copy(copy, path));
	PYR_TRY(os_file_open(copy->to, path, OS_OPEN_READ, &file));
	pyr_result result = verify(file, ret_sealed);
	os_file_close(file);
	return result;
}
