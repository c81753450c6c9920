/* The number of shards, written once (see layout.h). The file is complete or not there: written under another name, synced,
 * renamed. A directory with shards but without the file was damaged, and is not guessed at. */
#include "node/layout.h"

#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 32 };

static const char count_path[] = "shards";
static const char count_new_path[] = "shards.new";

void node_layout_folder(size_t shard, char ret_name[NODE_SHARD_FOLDER_MAX])
{
	snprintf(ret_name, NODE_SHARD_FOLDER_MAX, "shard-%u", (unsigned)shard % NODE_SHARDS_MAX);
}

static pyr_result write_count(struct os_disk *root, size_t count)
{
	char text[TEXT_BYTES_MAX];
	struct os_file *file;
	int bytes = snprintf(text, sizeof text, "%zu\n", count);
	struct base_bytes piece = {(const uint8_t *)text, (size_t)bytes};
	PYR_TRY(os_file_open(root, count_new_path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_write(file, 0, &piece, 1);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	PYR_TRY(result);
	PYR_TRY(os_file_rename(root, count_new_path, count_path));
	return os_directory_sync(root, "");
}

static pyr_result read_count(struct os_disk *root, size_t *ret_count)
{
	char text[TEXT_BYTES_MAX] = "", *end;
	struct os_file *file;
	size_t bytes;
	PYR_TRY(os_file_open(root, count_path, OS_OPEN_READ, &file));
	pyr_result result = os_file_read(file, 0, text, sizeof text - 1, &bytes);
	os_file_close(file);
	PYR_TRY(result);
	unsigned long count = strtoul(text, &end, 10);
	if (end == text || strcmp(end, "\n") != 0 || count == 0 || count > NODE_SHARDS_MAX)
		return pyr_result_of(PYR_CORRUPT);
	*ret_count = count;
	return pyr_ok();
}

static bool is_there(struct os_disk *root, const char *path)
{
	struct os_file *file;
	pyr_result opened = os_file_open(root, path, OS_OPEN_READ, &file);
	if (opened.code == PYR_OK)
		os_file_close(file);
	return opened.code != PYR_NOT_FOUND;
}

static pyr_result make_new(struct os_disk *root, size_t count, struct pyr_error *error)
{
	if (is_there(root, "shard-0/PYRALOG") || is_there(root, "PYRALOG"))
		return pyr_fail(error, PYR_CORRUPT,
		                "the data directory has a log, but no file \"%s\": restore it from a backup, or choose "
		                "another directory with --data",
		                count_path);
	return write_count(root, count);
}

static pyr_result find_count(struct os_disk *root, size_t wanted, size_t fallback, size_t *ret_count,
                             struct pyr_error *error)
{
	pyr_result result = read_count(root, ret_count);
	if (result.code == PYR_NOT_FOUND) {
		*ret_count = wanted > 0 ? wanted : fallback;
		return make_new(root, *ret_count, error);
	}
	if (result.code == PYR_CORRUPT)
		return pyr_fail(error, PYR_CORRUPT,
		                "the file \"%s\" of the data directory is damaged: restore it from a backup",
		                count_path);
	PYR_TRY(result);
	if (wanted > 0 && wanted != *ret_count)
		return pyr_fail(error, PYR_INVALID_CONFIG,
		                "the data directory was made with %zu shards and keeps them: leave --shards out, or "
		                "choose another directory with --data",
		                *ret_count);
	return pyr_ok();
}

pyr_result node_layout_open(struct os_disk *root, size_t wanted, size_t fallback, size_t *ret_count,
                            struct pyr_error *error)
{
	if (error)
		error->code = PYR_OK;
	pyr_result result = os_disk_lock(root, "lock");
	if (result.code == PYR_BUSY)
		return pyr_fail(error, PYR_BUSY,
		                "another process has this data directory open: stop it, or choose another with --data");
	if (result.code == PYR_OK)
		result = find_count(root, wanted, fallback, ret_count, error);
	if (result.code != PYR_OK && error && error->code == PYR_OK)
		return pyr_fail(error, result.code, "the data directory can't be opened: %s",
		                pyr_code_text(result.code));
	return result;
}
