/* A copy is read back by its list: every file's length and hash are checked on the way (see backup.h). */
#include "backup/backup_priv.h"

#include "backup/list.h"
#include "os/real.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pyr_result make_folders(struct backup_copy *copy, const char *path)
{
	char folder[BACKUP_PATH_MAX];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		PYR_TRY(os_directory_make(copy->to, folder));
	}
	return pyr_ok();
}

static pyr_result sync_folders(struct backup_copy *copy, const char *path)
{
	char folder[BACKUP_PATH_MAX];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		PYR_TRY(os_directory_sync(copy->to, folder));
	}
	return os_directory_sync(copy->to, "");
}

/* Of the file where it was written, if it was, else of the copy's. */
static pyr_result check(struct backup_copy *copy, const struct backup_entry *entry)
{
	uint8_t hash[BASE_BLAKE3_BYTES];
	uint64_t bytes;
	pyr_result result = backup_file_hash(copy, copy->to ? copy->to : copy->from, entry->path, &bytes, hash);
	if (result.code == PYR_NOT_FOUND)
		return pyr_fail(copy->error, PYR_CORRUPT, "%s is missing in the backup", entry->path);
	PYR_TRY(backup_fail(copy, result, entry->path));
	if (bytes != entry->bytes || memcmp(hash, entry->hash, sizeof hash) != 0)
		return pyr_fail(copy->error, PYR_CORRUPT, "%s is not what was backed up: its BLAKE3 differs",
		                entry->path);
	return pyr_ok();
}

/* What was restored is read once more, from the page cache: the hash is that of what was written. */
static pyr_result take_entry(struct backup_copy *copy, const struct backup_entry *entry)
{
	if (!copy->to) {
		PYR_TRY(check(copy, entry));
		backup_count(copy, entry->bytes);
		return pyr_ok();
	}
	PYR_TRY(backup_fail(copy, make_folders(copy, entry->path), entry->path));
	pyr_result result = backup_file_copy(copy, entry->path);
	if (result.code == PYR_NOT_FOUND)
		return pyr_fail(copy->error, PYR_CORRUPT, "%s is missing in the backup", entry->path);
	PYR_TRY(backup_fail(copy, result, entry->path));
	result = check(copy, entry);
	if (result.code != PYR_OK) {
		pyr_ignore(os_file_remove(copy->to, entry->path));
		return result;
	}
	return backup_fail(copy, sync_folders(copy, entry->path), entry->path);
}

static pyr_result take_all(struct backup_copy *copy, const char *from)
{
	struct backup_list list = {0};
	struct backup_entry entry;
	PYR_TRY(backup_list_read(copy->from, from, &list, copy->error));
	pyr_result result = pyr_ok();
	while (result.code == PYR_OK && backup_list_next(&list, &entry))
		result = take_entry(copy, &entry);
	if (result.code == PYR_OK && list.malformed)
		result = pyr_fail(copy->error, PYR_CORRUPT, "%s/" BACKUP_LIST " can't be understood", from);
	backup_list_free(&list);
	return result;
}

static pyr_result run(const char *from, const char *data, const struct backup_watch *watch,
                      struct backup_counts *ret_counts, struct pyr_error *error)
{
	struct backup_copy copy = {.watch = watch, .error = error, .chunk = malloc(BACKUP_CHUNK_BYTES)};
	char path[4096];
	snprintf(path, sizeof path, "%s/" BACKUP_LIST, from);
	pyr_result result = copy.chunk ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (result.code == PYR_OK && !os_real_path_exists(path))
		result = pyr_fail(error, PYR_NOT_FOUND,
		                  "%s has no file " BACKUP_LIST ": it is no backup, or not a whole one", from);
	if (result.code == PYR_OK)
		result = os_real_disk_new(from, &copy.from, error);
	if (result.code == PYR_OK && data)
		result = backup_open_empty(data, &copy.to, error);
	if (result.code == PYR_OK)
		result = take_all(&copy, from);
	*ret_counts = copy.counts;
	if (copy.from)
		os_real_disk_free(copy.from);
	if (copy.to)
		os_real_disk_free(copy.to);
	free(copy.chunk);
	return result;
}

pyr_result backup_restore(const char *from, const char *data, const struct backup_watch *watch,
                          struct backup_counts *ret_counts, struct pyr_error *error)
{
	return run(from, data, watch, ret_counts, error);
}

pyr_result backup_verify(const char *from, const struct backup_watch *watch, struct backup_counts *ret_counts,
                         struct pyr_error *error)
{
	return run(from, NULL, watch, ret_counts, error);
}
