/* backup/list.h with hostile bytes. The list's own hash is put right, so that lines are reached; paths stay below the directory
 * they are for. */
#include "backup/list.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(struct base_bytes bytes)
{
	struct backup_list list;
	struct backup_entry entry;
	if (backup_list_parse(bytes, &list).code != PYR_OK)
		return;
	while (backup_list_next(&list, &entry)) {
		assert(entry.path[0] && entry.path[0] != '/' && !strstr(entry.path, ".."));
		assert(strlen(entry.path) < sizeof entry.path);
	}
	backup_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char first[] = "pyralog backup 1\n";
	uint8_t hash[BASE_BLAKE3_BYTES];
	size_t head = sizeof first - 1, used = head + bytes;
	check((struct base_bytes){data, bytes});
	char *text = malloc(used + 80);
	assert(text);
	memcpy(text, first, head);
	memcpy(text + head, data, bytes);
	base_blake3(&(struct base_bytes){(uint8_t *)text, used}, 1, hash);
	for (size_t i = 0; i < sizeof hash; i++)
		used += (size_t)snprintf(text + used, 3, "%02x", hash[i]);
	used += (size_t)snprintf(text + used, 8, " end\n");
	check((struct base_bytes){(uint8_t *)text, used});
	free(text);
	return 0;
}
