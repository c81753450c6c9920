/* The place of a folder (see place.h). The file is complete or not there: written under another name, synced, renamed, which keeps
 * its inode. One that makes no sense is that of a copy: then a new number costs nothing. */
#include "node/place.h"

#include "os/real.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_BYTES_MAX = 4096, TEXT_BYTES_MAX = 128 };

static const char place_name[] = "place", draft_name[] = "place.new";

static pyr_result place_of(const char *path, const char *name, struct os_real_place *ret_place)
{
	char full[PATH_BYTES_MAX];
	snprintf(full, sizeof full, "%s/%s", path, name);
	return os_real_place_of(full, ret_place);
}

static uint64_t new_directory(void)
{
	uint64_t directory = 0;
	while (directory == 0)
		os_real_random(&directory, sizeof directory);
	return directory;
}

pyr_result node_place_look(struct os_disk *disk, const char *path, enum node_place_verdict *ret_verdict,
                           uint64_t *ret_directory)
{
	struct os_real_place noted = {0}, found;
	char text[TEXT_BYTES_MAX] = "";
	struct os_file *file;
	uint64_t directory = 0;
	size_t bytes = 0;
	pyr_result result = os_file_open(disk, place_name, OS_OPEN_READ, &file);
	*ret_directory = new_directory();
	*ret_verdict = NODE_PLACE_NEW;
	if (result.code == PYR_NOT_FOUND)
		return pyr_ok();
	PYR_TRY(result);
	result = os_file_read(file, 0, text, sizeof text - 1, &bytes);
	os_file_close(file);
	PYR_TRY(result);
	PYR_TRY(place_of(path, place_name, &found));
	int fields = sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &noted.inode, &noted.born_ns,
	                    &noted.machine, &directory);
	bool same = fields == 4 && noted.inode == found.inode && noted.born_ns == found.born_ns &&
	            noted.machine == found.machine && directory > 0;
	*ret_verdict = same ? NODE_PLACE_SAME : NODE_PLACE_COPY;
	if (same)
		*ret_directory = directory;
	return pyr_ok();
}

static pyr_result write_draft(struct os_file *file, const char *path, uint64_t directory)
{
	struct os_real_place place;
	char text[TEXT_BYTES_MAX];
	PYR_TRY(place_of(path, draft_name, &place));
	int bytes = snprintf(text, sizeof text, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", place.inode,
	                     place.born_ns, place.machine, directory);
	PYR_TRY(os_file_truncate(file, 0));
	PYR_TRY(os_file_write(file, 0, &(struct base_bytes){(const uint8_t *)text, (size_t)bytes}, 1));
	return os_file_sync(file);
}

pyr_result node_place_note(struct os_disk *disk, const char *path, uint64_t directory)
{
	struct os_file *file;
	PYR_TRY(os_file_open(disk, draft_name, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = write_draft(file, path, directory);
	os_file_close(file);
	PYR_TRY(result);
	PYR_TRY(os_file_rename(disk, draft_name, place_name));
	return os_directory_sync(disk, "");
}
