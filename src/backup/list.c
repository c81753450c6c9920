/* Reading the list (see list.h): lines of a hash, a length and a path, and a last one with the hash of all before. */
#include "backup/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BYTES_MAX = 1 << 28, HEX_BYTES = 2 * BASE_BLAKE3_BYTES };

static const char first_line[] = "pyralog backup 1\n", last_word[] = " end\n";

static bool hex_digit(char c, uint8_t *ret_value)
{
	if (c >= '0' && c <= '9')
		*ret_value = (uint8_t)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*ret_value = (uint8_t)(c - 'a' + 10);
	else
		return false;
	return true;
}

static bool read_hash(const char *text, uint8_t ret_hash[BASE_BLAKE3_BYTES])
{
	for (size_t i = 0; i < BASE_BLAKE3_BYTES; i++) {
		uint8_t high, low;
		if (!hex_digit(text[2 * i], &high) || !hex_digit(text[2 * i + 1], &low))
			return false;
		ret_hash[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

pyr_result backup_list_parse(struct base_bytes bytes, struct backup_list *list)
{
	size_t tail = HEX_BYTES + sizeof last_word - 1, head = sizeof first_line - 1;
	uint8_t said[BASE_BLAKE3_BYTES], hash[BASE_BLAKE3_BYTES];
	const char *text = (const char *)bytes.data;
	*list = (struct backup_list){0};
	if (bytes.bytes < head + tail || memcmp(text, first_line, head) != 0 ||
	    memcmp(text + bytes.bytes - (sizeof last_word - 1), last_word, sizeof last_word - 1) != 0 ||
	    !read_hash(text + bytes.bytes - tail, said))
		return pyr_result_of(PYR_CORRUPT);
	base_blake3(&(struct base_bytes){bytes.data, bytes.bytes - tail}, 1, hash);
	if (memcmp(said, hash, sizeof hash) != 0)
		return pyr_result_of(PYR_CORRUPT);
	list->text = malloc(bytes.bytes + 1);
	if (!list->text)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	memcpy(list->text, text, bytes.bytes);
	list->text[bytes.bytes] = 0;
	list->bytes = bytes.bytes - tail;
	list->at = head;
	return pyr_ok();
}

pyr_result backup_list_read(struct os_disk *disk, const char *from, struct backup_list *list, struct pyr_error *error)
{
	struct os_file *file;
	uint64_t bytes = 0;
	size_t got = 0;
	pyr_result result = os_file_open(disk, "BACKUP", OS_OPEN_READ, &file);
	if (result.code == PYR_OK) {
		result = os_file_size(file, &bytes);
		uint8_t *room = result.code == PYR_OK && bytes <= LIST_BYTES_MAX ? malloc(bytes + 1) : NULL;
		if (result.code == PYR_OK)
			result = room ? os_file_read(file, 0, room, bytes, &got) : pyr_result_of(PYR_OUT_OF_MEMORY);
		if (result.code == PYR_OK)
			result = backup_list_parse((struct base_bytes){room, got}, list);
		free(room);
		os_file_close(file);
	}
	return result.code == PYR_OK ? result
	                             : pyr_fail(error, result.code, "%s/BACKUP: %s", from,
	                                        result.code == PYR_CORRUPT ? "the list fails its own hash"
	                                                                   : pyr_code_text(result.code));
}

/* Relative, and never out of the directory. */
static bool is_safe(const char *path)
{
	return path[0] && path[0] != '/' && !strstr(path, "..") && !strstr(path, "//");
}

static bool read_line(const char *line, size_t bytes, struct backup_entry *entry)
{
	char text[HEX_BYTES + 32 + BACKUP_ENTRY_PATH_MAX], *end;
	if (bytes < HEX_BYTES + 4 || bytes >= sizeof text || memchr(line, 0, bytes) || line[HEX_BYTES] != ' ' ||
	    !read_hash(line, entry->hash))
		return false;
	memcpy(text, line, bytes);
	text[bytes] = 0;
	entry->bytes = strtoull(text + HEX_BYTES + 1, &end, 10);
	if (end == text + HEX_BYTES + 1 || *end != ' ' || strlen(end + 1) >= sizeof entry->path || !is_safe(end + 1))
		return false;
	memcpy(entry->path, end + 1, strlen(end + 1) + 1);
	return true;
}

bool backup_list_next(struct backup_list *list, struct backup_entry *ret_entry)
{
	if (list->malformed || list->at >= list->bytes)
		return false;
	const char *line = list->text + list->at;
	const char *end = memchr(line, '\n', list->bytes - list->at);
	if (!end || !read_line(line, (size_t)(end - line), ret_entry)) {
		list->malformed = true;
		return false;
	}
	list->at += (size_t)(end - line) + 1;
	return true;
}

void backup_list_free(struct backup_list *list)
{
	free(list->text);
	*list = (struct backup_list){0};
}
