/* The ring as a crash left it: its files in order, the groups' headers in them, and what they prove (see recovery.h). */
#include "log/recovery.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

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

pyr_result recovery_find_files(struct recovery *recovery)
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

bool recovery_header_at(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                        struct log_group_header *ret_group)
{
	if (position + LOG_GROUP_HEADER_BYTES > recovery->byte_count)
		return false;
	struct base_bytes bytes = {recovery->bytes + position, recovery->byte_count - position};
	return log_group_header_decode(bytes, ret_group).code == PYR_OK &&
	       ret_group->file_id == found->header.file_id && ret_group->incarnation == found->header.incarnation;
}

/* The next valid group header from `position` on, with a number above `above`. False: none in this file. */
bool recovery_next_header(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                          uint64_t above, struct log_group_header *ret_group, uint64_t *ret_position)
{
	for (; position < recovery->byte_count; position += LOG_BLOCK_BYTES)
		if (recovery_header_at(recovery, found, position, ret_group) && ret_group->number > above) {
			*ret_position = position;
			return true;
		}
	return false;
}

/* All of a ring file, into memory that the next one uses again. */
pyr_result recovery_load(struct recovery *recovery, const struct found_file *found)
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
uint64_t recovery_limit(const struct recovery *recovery, size_t i)
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
		if (!recovery_header_at(recovery, found, position, &group))
			continue;
		any = true;
		if (group.durable_through > *durable)
			*durable = group.durable_through;
	}
	return any;
}

/* Up to which group files[i]'s incarnation is known to have been durable: what its successor counted, or what its newest
 * readable group says, as the number never falls from one group to the next. */
pyr_result recovery_find_durable(struct recovery *recovery, size_t i)
{
	uint64_t incarnation = recovery->files[i].header.incarnation;
	size_t last = i;
	recovery->durable = recovery_limit(recovery, i);
	if (recovery->durable != UINT64_MAX)
		return pyr_ok();
	recovery->durable = recovery->head.state_group;
	while (last + 1 < recovery->file_count && recovery->files[last + 1].valid &&
	       recovery->files[last + 1].header.incarnation == incarnation)
		last += 1;
	for (size_t k = last + 1; k-- > i;) {
		PYR_TRY(recovery_load(recovery, &recovery->files[k]));
		if (durable_in_file(recovery, &recovery->files[k], &recovery->durable))
			break;
	}
	return pyr_ok();
}
