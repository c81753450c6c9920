/* A whole directory: its shards one after the other, then the list of all files with their hashes (see backup.h).
 *
 * The list is written last, under another name, synced and renamed: a copy that has it is complete. When it is put back, the
 * file that makes a directory one that a server opens comes last.
 */
#include "backup/backup_priv.h"

#include "base/array.h"
#include "base/cursor.h"
#include "node/handover.h"
#include "node/layout.h"
#include "node/node.h"
#include "os/real.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 256, LIST_BYTES_MAX = 1 << 28, HEX_BYTES = 2 * BASE_BLAKE3_BYTES };

static const char first_line[] = "pyralog backup 1\n";

static void hex_of(const uint8_t hash[BASE_BLAKE3_BYTES], char ret_text[HEX_BYTES + 1])
{
	for (size_t i = 0; i < BASE_BLAKE3_BYTES; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", hash[i]);
}

/* ---- writing the list ---- */

static pyr_result add_file(struct backup_copy *copy, struct base_writer *list, const char *path)
{
	uint8_t hash[BASE_BLAKE3_BYTES];
	char hex[HEX_BYTES + 1], line[LINE_BYTES_MAX];
	uint64_t bytes;
	PYR_TRY(backup_fail(copy, backup_file_hash(copy, copy->to, path, &bytes, hash), path));
	hex_of(hash, hex);
	base_write_bytes(list, line, (size_t)snprintf(line, sizeof line, "%s %" PRIu64 " %s\n", hex, bytes, path));
	return pyr_ok();
}

static pyr_result add_folder(struct backup_copy *copy, struct base_writer *list, const char *folder)
{
	struct backup_names names = {0};
	char path[2 * BACKUP_PATH_MAX];
	pyr_result result = backup_names_list(copy->to, folder, &names);
	for (size_t i = 0; i < names.count && result.code == PYR_OK; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
		result = add_file(copy, list, path);
	}
	backup_names_deinit(&names);
	return result;
}

static pyr_result add_shard(struct backup_copy *copy, struct base_writer *list, const char *folder)
{
	static const char *const parts[] = {"hashes", "manifest", "ring", "segments"};
	char path[BACKUP_PATH_MAX];
	snprintf(path, sizeof path, "%s/PYRALOG", folder);
	PYR_TRY(add_file(copy, list, path));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
		PYR_TRY(add_folder(copy, list, path));
	}
	return pyr_ok();
}

static pyr_result write_file(struct os_disk *disk, const char *path, struct base_bytes bytes)
{
	struct os_file *file;
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_write(file, 0, &bytes, 1);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	return result;
}

static pyr_result end_list(struct backup_copy *copy, struct base_writer *list)
{
	struct base_slice text = {0};
	uint8_t hash[BASE_BLAKE3_BYTES];
	char hex[HEX_BYTES + 1], line[LINE_BYTES_MAX];
	if (list->failed)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	base_blake3(&(struct base_bytes){list->buffer->data, list->bytes}, 1, hash);
	hex_of(hash, hex);
	base_write_bytes(list, line, (size_t)snprintf(line, sizeof line, "%s end\n", hex));
	PYR_TRY(base_writer_take(list, &text));
	pyr_result result = write_file(copy->to, BACKUP_LIST ".new", (struct base_bytes){text.data, text.bytes});
	base_slice_release(&text);
	PYR_TRY(result);
	PYR_TRY(os_file_rename(copy->to, BACKUP_LIST ".new", BACKUP_LIST));
	return os_directory_sync(copy->to, "");
}

/* ---- making one ---- */

static pyr_result count_shards(struct backup_copy *copy, const char *data, size_t *ret_count)
{
	struct os_file *file;
	char text[32] = "";
	size_t bytes = 0;
	if (os_file_open(copy->from, "shards", OS_OPEN_READ, &file).code != PYR_OK)
		return pyr_fail(copy->error, PYR_NOT_FOUND, "%s is no data directory: it has no file \"shards\"", data);
	pyr_result result = os_file_read(file, 0, text, sizeof text - 1, &bytes);
	os_file_close(file);
	PYR_TRY(result);
	*ret_count = strtoul(text, NULL, 10);
	if (*ret_count == 0 || *ret_count > NODE_SHARDS_MAX)
		return pyr_fail(copy->error, PYR_CORRUPT, "the file \"shards\" of %s is damaged", data);
	return pyr_ok();
}

/* What the copy must know of the numbers that its original gave: behind all records that may have them. */
static pyr_result write_handover(struct backup_copy *copy, const char *data)
{
	struct base_writer writer;
	struct base_slice text = {0};
	base_writer_init(&writer, NODE_HANDOVER_BYTES_MAX);
	pyr_result result = node_handover_write(data, &writer, copy->error);
	if (result.code == PYR_OK)
		result = base_writer_take(&writer, &text);
	base_writer_deinit(&writer);
	if (result.code == PYR_OK)
		result = write_file(copy->to, NODE_HANDOVER_FILE, (struct base_bytes){text.data, text.bytes});
	if (result.code == PYR_OK)
		backup_count(copy, text.bytes);
	base_slice_release(&text);
	return backup_fail(copy, result, NODE_HANDOVER_FILE);
}

/* Shard 0 comes last: it has the catalog, and what the others hold is then known there. */
static pyr_result copy_all(struct backup_copy *copy, const char *data)
{
	struct base_writer list;
	size_t count = 0;
	char folder[NODE_SHARD_FOLDER_MAX];
	PYR_TRY(count_shards(copy, data, &count));
	for (size_t i = count; i-- > 0;) {
		node_layout_folder(i, folder);
		PYR_TRY(backup_shard_copy(copy, folder));
	}
	PYR_TRY(write_handover(copy, data));
	PYR_TRY(backup_fail(copy, backup_file_copy(copy, "shards"), "shards"));
	base_writer_init(&list, LIST_BYTES_MAX);
	base_write_bytes(&list, first_line, sizeof first_line - 1);
	pyr_result result = pyr_ok();
	for (size_t i = 0; i < count && result.code == PYR_OK; i++) {
		node_layout_folder(i, folder);
		result = add_shard(copy, &list, folder);
	}
	if (result.code == PYR_OK)
		result = add_file(copy, &list, NODE_HANDOVER_FILE);
	if (result.code == PYR_OK)
		result = add_file(copy, &list, "shards");
	if (result.code == PYR_OK)
		result = end_list(copy, &list);
	base_writer_deinit(&list);
	return result;
}

static pyr_result open_existing(const char *root, const char *file_name, struct os_disk **ret_disk,
                                struct pyr_error *error)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", root, file_name);
	if (!os_real_path_exists(path))
		return pyr_fail(error, PYR_NOT_FOUND,
		                "%s has no file \"%s\": it is not what is looked for, or not whole", root, file_name);
	return os_real_disk_new(root, ret_disk, error);
}

static void end_copy(struct backup_copy *copy)
{
	if (copy->from)
		os_real_disk_free(copy->from);
	if (copy->to)
		os_real_disk_free(copy->to);
	free(copy->chunk);
}

pyr_result backup_make(const char *data, const char *to, const struct backup_watch *watch,
                       struct backup_counts *ret_counts, struct pyr_error *error)
{
	struct backup_copy copy = {.watch = watch, .error = error, .chunk = malloc(BACKUP_CHUNK_BYTES)};
	pyr_result result = copy.chunk ? open_existing(data, "shards", &copy.from, error)
	                               : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (result.code == PYR_OK)
		result = backup_open_empty(to, &copy.to, error);
	if (result.code == PYR_OK)
		result = backup_fail(&copy, copy_all(&copy, data), to);
	*ret_counts = copy.counts;
	end_copy(&copy);
	return result;
}
