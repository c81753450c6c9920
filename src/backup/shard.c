/* One shard's folder, while its server goes on. It is held meanwhile: files of segments do not go, unless the disk is full or
 * the server is starting.
 *
 *   1  the names of the segments, and the identity
 *   2  the newest manifest
 *   3  the ring from the manifest's file on, up to a group that is whole
 *   4  the segments: complete ones once, those that are being filled anew each time
 *   5  the names and the identity again
 *
 * What 2 and 3 refer to was there at some time between 1 and 5. A file goes only after what it held was written elsewhere, or
 * deleted, so: if no name of 1 and 4 has gone by 5, everything is there. Else (it was too late to hold it, or could not be
 * held) the round is done again; what was verified and is still there stays, so the next is shorter. Ring files that are used
 * again, and a manifest that is replaced too soon, are found as such.
 */
#include "backup/backup_priv.h"

#include "base/array.h"
#include "base/text.h"
#include "log/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 200, DOUBTS_MAX = 3, MANIFEST_FILE_ID_AT = 40, MANIFEST_HEADER_BYTES = 128 };

struct shard {
	struct backup_copy *copy;
	const char *folder;
	struct backup_names sealed; /* copied and verified */
	struct backup_names before, during, after; /* of segments */
	uint8_t identity[LOG_IDENTITY_BYTES];
	struct backup_names doubted; /* once for each time */
};

static void path_of(const struct shard *shard, const char *part, const char *name, char ret_path[BACKUP_PATH_MAX])
{
	snprintf(ret_path, BACKUP_PATH_MAX, "%s/%s%s%s", shard->folder, part, name ? "/" : "", name ? name : "");
}

static pyr_result list(const struct shard *shard, struct os_disk *disk, const char *part, struct backup_names *names)
{
	char path[BACKUP_PATH_MAX];
	path_of(shard, part, NULL, path);
	return backup_fail(shard->copy, backup_names_list(disk, path, names), path);
}

/* In its place. */
static pyr_result remember(struct backup_names *names, const char *name)
{
	if (!base_array_reserve(&names->names, &names->room, names->count + 1, sizeof names->names[0]))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	size_t at = names->count++;
	for (; at > 0 && strcmp(names->names[at - 1], name) > 0; at--)
		memcpy(names->names[at], names->names[at - 1], BACKUP_NAME_MAX);
	snprintf(names->names[at], BACKUP_NAME_MAX, "%s", name);
	return pyr_ok();
}

static pyr_result read_identity(struct shard *shard, uint8_t ret_bytes[LOG_IDENTITY_BYTES])
{
	char path[BACKUP_PATH_MAX];
	struct os_file *file;
	path_of(shard, "PYRALOG", NULL, path);
	PYR_TRY(backup_fail(shard->copy, os_file_open(shard->copy->from, path, OS_OPEN_READ, &file), path));
	uint8_t *bytes = backup_file_read(file, 0, LOG_IDENTITY_BYTES);
	os_file_close(file);
	if (!bytes)
		return backup_fail(shard->copy, pyr_result_of(PYR_CORRUPT), path);
	memcpy(ret_bytes, bytes, LOG_IDENTITY_BYTES);
	free(bytes);
	return pyr_ok();
}

/* ---- the steps of a round; PYR_BUSY: something changed, do it again ---- */

static pyr_result empty_folder(struct shard *shard, const char *part)
{
	struct backup_names names = {0};
	char path[BACKUP_PATH_MAX];
	pyr_result result = list(shard, shard->copy->to, part, &names);
	for (size_t i = 0; i < names.count && result.code == PYR_OK; i++) {
		path_of(shard, part, names.names[i], path);
		result = os_file_remove(shard->copy->to, path);
	}
	backup_names_deinit(&names);
	return result;
}

/* *ret_file_id: the ring file where replay begins. */
static pyr_result look_into_manifest(struct shard *shard, const char *path, uint64_t *ret_file_id)
{
	struct os_file *file;
	PYR_TRY(os_file_open(shard->copy->to, path, OS_OPEN_READ, &file));
	uint8_t *header = backup_file_read(file, 0, MANIFEST_HEADER_BYTES);
	os_file_close(file);
	if (!header)
		return backup_fail(shard->copy, pyr_result_of(PYR_CORRUPT), path);
	*ret_file_id = base_load_u64le(header + MANIFEST_FILE_ID_AT);
	free(header);
	return pyr_ok();
}

static pyr_result copy_manifest(struct shard *shard, uint64_t *ret_file_id)
{
	struct backup_names names = {0};
	char path[BACKUP_PATH_MAX] = "";
	uint64_t number;
	*ret_file_id = 0;
	PYR_TRY(empty_folder(shard, "manifest"));
	PYR_TRY(list(shard, shard->copy->from, "manifest", &names));
	for (size_t i = 0; i < names.count; i++) /* sorted: the highest comes last */
		if (strlen(names.names[i]) == 16 && base_text_hex64(names.names[i], &number))
			path_of(shard, "manifest", names.names[i], path);
	backup_names_deinit(&names);
	if (!path[0])
		return pyr_ok();
	pyr_result result = backup_file_copy(shard->copy, path);
	if (result.code == PYR_NOT_FOUND)
		return pyr_result_of(PYR_BUSY);
	PYR_TRY(backup_fail(shard->copy, result, path));
	return look_into_manifest(shard, path, ret_file_id);
}

/* It is complete, and not whole. A file that nothing refers to any more, and that is being written again as another's, looks so
 * until it gets its new name: then the next round does not see it. One that stays so is copied as it is and told: left over
 * from a process that died while it did that, which is harmless, or damaged, which whoever reads it will be told again. */
static pyr_result doubt(struct shard *shard, const char *name)
{
	unsigned times = 0;
	for (size_t i = 0; i < shard->doubted.count; i++)
		times += strcmp(shard->doubted.names[i], name) == 0;
	if (times >= DOUBTS_MAX)
		return pyr_ok();
	PYR_TRY(remember(&shard->doubted, name));
	if (times + 1 < DOUBTS_MAX)
		return pyr_result_of(PYR_BUSY);
	shard->copy->counts.doubtful += 1;
	return pyr_ok();
}

static pyr_result copy_segment(struct shard *shard, const char *name)
{
	char path[BACKUP_PATH_MAX];
	bool sealed = false;
	if (backup_names_have(&shard->sealed, name))
		return pyr_ok();
	path_of(shard, "segments", name, path);
	pyr_result result = backup_segment_copy(shard->copy, path, &sealed);
	if (result.code == PYR_NOT_FOUND)
		return pyr_result_of(PYR_BUSY);
	if (result.code == PYR_CORRUPT)
		return doubt(shard, name);
	PYR_TRY(backup_fail(shard->copy, result, path));
	return sealed ? remember(&shard->sealed, name) : pyr_ok();
}

/* Segments that an earlier round copied, and that are gone. */
static pyr_result drop_old_segments(struct shard *shard)
{
	struct backup_names names = {0};
	char path[BACKUP_PATH_MAX];
	pyr_result result = list(shard, shard->copy->to, "segments", &names);
	for (size_t i = 0; i < names.count && result.code == PYR_OK; i++) {
		if (backup_names_have(&shard->during, names.names[i]))
			continue;
		path_of(shard, "segments", names.names[i], path);
		result = os_file_remove(shard->copy->to, path);
	}
	backup_names_deinit(&names);
	return result;
}

static pyr_result copy_segments(struct shard *shard)
{
	PYR_TRY(list(shard, shard->copy->from, "segments", &shard->during));
	PYR_TRY(drop_old_segments(shard));
	for (size_t i = 0; i < shard->during.count; i++)
		PYR_TRY(copy_segment(shard, shard->during.names[i]));
	return pyr_ok();
}

/* Proofs, which nothing needs to open the directory: one that goes meanwhile is not missed. */
static pyr_result copy_leaves(struct shard *shard)
{
	struct backup_names names = {0};
	char path[BACKUP_PATH_MAX];
	pyr_result result = list(shard, shard->copy->from, "hashes", &names);
	for (size_t i = 0; i < names.count && result.code == PYR_OK; i++) {
		path_of(shard, "hashes", names.names[i], path);
		result = backup_file_copy(shard->copy, path);
		if (result.code == PYR_NOT_FOUND) {
			pyr_ignore(os_file_remove(shard->copy->to, path));
			result = pyr_ok();
		}
	}
	backup_names_deinit(&names);
	return result;
}

static bool all_are_in(const struct backup_names *names, const struct backup_names *others)
{
	for (size_t i = 0; i < names->count; i++)
		if (!backup_names_have(others, names->names[i]))
			return false;
	return true;
}

static pyr_result do_round(struct shard *shard)
{
	uint8_t identity[LOG_IDENTITY_BYTES];
	uint64_t file_id = 0;
	char path[BACKUP_PATH_MAX];
	PYR_TRY(list(shard, shard->copy->from, "segments", &shard->before));
	PYR_TRY(read_identity(shard, shard->identity));
	PYR_TRY(copy_manifest(shard, &file_id));
	PYR_TRY(empty_folder(shard, "ring"));
	PYR_TRY(backup_ring_copy(shard->copy, shard->folder, file_id));
	PYR_TRY(copy_segments(shard));
	PYR_TRY(list(shard, shard->copy->from, "segments", &shard->after));
	PYR_TRY(read_identity(shard, identity));
	if (!all_are_in(&shard->before, &shard->after) || !all_are_in(&shard->during, &shard->after) ||
	    memcmp(identity, shard->identity, sizeof identity) != 0)
		return pyr_result_of(PYR_BUSY);
	PYR_TRY(copy_leaves(shard));
	path_of(shard, "PYRALOG", NULL, path);
	return backup_fail(shard->copy, backup_file_copy(shard->copy, path), path);
}

static pyr_result make_folders(struct shard *shard)
{
	static const char *const parts[] = {"ring", "segments", "hashes", "manifest"};
	char path[BACKUP_PATH_MAX];
	PYR_TRY(os_directory_make(shard->copy->to, shard->folder));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		path_of(shard, parts[i], NULL, path);
		PYR_TRY(os_directory_make(shard->copy->to, path));
	}
	return pyr_ok();
}

static pyr_result sync_folders(struct shard *shard)
{
	static const char *const parts[] = {"ring", "segments", "hashes", "manifest"};
	char path[BACKUP_PATH_MAX];
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		path_of(shard, parts[i], NULL, path);
		PYR_TRY(os_directory_sync(shard->copy->to, path));
	}
	return os_directory_sync(shard->copy->to, shard->folder);
}

pyr_result backup_shard_copy(struct backup_copy *copy, const char *folder)
{
	struct shard shard = {.copy = copy, .folder = folder};
	pyr_result result = make_folders(&shard);
	char path[BACKUP_PATH_MAX];
	path_of(&shard, LOG_HOLD_PATH, NULL, path);
	pyr_ignore(os_disk_hold(copy->from, path)); /* of a directory that can't be written: rounds tell what goes */
	for (unsigned round = 0; result.code == PYR_OK; round++) {
		copy->counts.rounds += 1;
		result = do_round(&shard);
		if (result.code != PYR_BUSY || round + 1 == ROUNDS_MAX)
			break;
		result = pyr_ok();
	}
	if (result.code == PYR_BUSY)
		result = pyr_fail(
			copy->error, PYR_BUSY,
			"files of %s go faster than they can be copied: write to a faster disk, or when less is "
			"written",
			folder);
	os_disk_release(copy->from);
	if (result.code == PYR_OK)
		result = sync_folders(&shard);
	backup_names_deinit(&shard.sealed);
	backup_names_deinit(&shard.doubted);
	backup_names_deinit(&shard.before);
	backup_names_deinit(&shard.during);
	backup_names_deinit(&shard.after);
	return backup_fail(copy, result, folder);
}
