/* Names and whole files (see backup_priv.h). */
#include "backup/backup_priv.h"

#include "base/array.h"
#include "os/real.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static void on_name(void *context, const char *name)
{
	struct backup_names *names = context;
	if (strlen(name) >= BACKUP_NAME_MAX)
		return;
	if (!base_array_reserve(&names->names, &names->room, names->count + 1, sizeof names->names[0])) {
		names->out_of_memory = true;
		return;
	}
	snprintf(names->names[names->count++], BACKUP_NAME_MAX, "%s", name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

pyr_result backup_names_list(struct os_disk *disk, const char *folder, struct backup_names *names)
{
	names->count = 0;
	pyr_result result = os_directory_list(disk, folder, on_name, names);
	if (names->out_of_memory)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (names->count > 0)
		qsort(names->names, names->count, sizeof names->names[0], by_name);
	return result.code == PYR_NOT_FOUND ? pyr_ok() : result;
}

bool backup_names_have(const struct backup_names *names, const char *name)
{
	return names->count > 0 && bsearch(name, names->names, names->count, sizeof names->names[0], by_name);
}

void backup_names_deinit(struct backup_names *names)
{
	free(names->names);
	*names = (struct backup_names){0};
}

/* ---- errors and counts ---- */

pyr_result backup_fail(struct backup_copy *copy, pyr_result result, const char *path)
{
	if (result.code == PYR_OK || (copy->error && copy->error->code == result.code && copy->error->text[0]))
		return result;
	return pyr_fail(copy->error, result.code, "%s: %s", path, pyr_code_text(result.code));
}

void backup_count(struct backup_copy *copy, uint64_t bytes)
{
	copy->counts.files += 1;
	copy->counts.bytes += bytes;
	if (copy->watch && copy->watch->file)
		copy->watch->file(copy->watch->context, &copy->counts);
}

/* ---- files ---- */

uint8_t *backup_file_read(struct os_file *file, uint64_t position, size_t bytes)
{
	size_t got = 0;
	uint8_t *room = malloc(bytes + 1);
	if (room && os_file_read(file, position, room, bytes, &got).code == PYR_OK && got == bytes)
		return room;
	free(room);
	return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
	return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* To its end, which may move meanwhile. */
static pyr_result copy_bytes(struct backup_copy *copy, struct os_file *from, struct os_file *to, uint64_t *ret_bytes)
{
	size_t got = 1;
	for (*ret_bytes = 0; got > 0; *ret_bytes += got) {
		PYR_TRY(os_file_read(from, *ret_bytes, copy->chunk, BACKUP_CHUNK_BYTES, &got));
		struct base_bytes piece = {copy->chunk, got};
		if (!is_zero(copy->chunk, got))
			PYR_TRY(os_file_write(to, *ret_bytes, &piece, 1));
	}
	PYR_TRY(os_file_truncate(to, *ret_bytes));
	return os_file_sync(to);
}

pyr_result backup_file_copy(struct backup_copy *copy, const char *path)
{
	struct os_file *from = NULL, *to = NULL;
	uint64_t bytes = 0;
	PYR_TRY(os_file_open(copy->from, path, OS_OPEN_READ, &from));
	pyr_result result = os_file_open(copy->to, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &to);
	if (result.code == PYR_OK)
		result = os_file_truncate(to, 0);
	if (result.code == PYR_OK)
		result = copy_bytes(copy, from, to, &bytes);
	os_file_close(from);
	os_file_close(to);
	if (result.code == PYR_OK)
		backup_count(copy, bytes);
	return result;
}

pyr_result backup_file_hash(struct backup_copy *copy, struct os_disk *disk, const char *path, uint64_t *ret_bytes,
                            uint8_t ret_hash[BASE_BLAKE3_BYTES])
{
	struct os_file *file;
	struct base_hasher *hasher = base_hasher_new();
	if (!hasher)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = os_file_open(disk, path, OS_OPEN_READ, &file);
	size_t got = 1;
	for (*ret_bytes = 0; result.code == PYR_OK && got > 0; *ret_bytes += got) {
		result = os_file_read(file, *ret_bytes, copy->chunk, BACKUP_CHUNK_BYTES, &got);
		if (result.code != PYR_OK)
			break;
		base_hasher_add(hasher, (struct base_bytes){copy->chunk, got});
	}
	if (result.code == PYR_OK)
		os_file_close(file);
	base_hasher_end(hasher, ret_hash);
	return result;
}

pyr_result backup_open_empty(const char *root, struct os_disk **ret_disk, struct pyr_error *error)
{
	struct backup_names names = {0};
	PYR_TRY(os_real_disk_new(root, ret_disk, error));
	pyr_result result = backup_names_list(*ret_disk, "", &names);
	char shard[4096];
	snprintf(shard, sizeof shard, "%s/shard-0", root);
	bool empty = names.count == 0 && !os_real_path_exists(shard);
	backup_names_deinit(&names);
	if (result.code == PYR_OK && empty)
		return result;
	os_real_disk_free(*ret_disk);
	*ret_disk = NULL;
	return pyr_fail(error, empty ? result.code : PYR_EXISTS,
	                "%s is not empty: nothing is written over, choose another directory", root);
}
