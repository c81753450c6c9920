/* Numbers by name that only rise (see names.h).
 *
 * A record is checked by its own CRC. A file is complete before its name is durable; what is appended later is read up to the
 * first record that is not whole, behind which nothing was ever synced. */
#include "coord/names.h"

#include "base/array.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_BYTES = 32,
	RECORD_HEADER_BYTES = 13, /* CRC, number, length of the name */
	FILE_HEADER_BYTES = 8,
	FILE_BYTES_MAX = 1 << 30,
	SPARE_BYTES = 1 << 20, /* a file may grow by so much beyond twice what is in force */
};

static const char magic[FILE_HEADER_BYTES + 1] = "PYRNAME1";
static const char lock_path[] = "lock", draft_path[] = "draft";

struct names_entry {
	struct base_table_node node;
	uint64_t kept, staged, word;
	struct names_entry *next_staged;
	bool is_staged;
	uint8_t name_bytes;
	uint8_t name[];
};

struct names {
	struct os_disk *disk;
	size_t names_max;
	struct base_table table;
	struct names_entry *staged; /* newest first */
	uint64_t live_bytes; /* of one record for each name */
	uint64_t generation;
	bool stopped;

	/* Those of a keep under way are its thread's. */
	bool keeping;
	struct names_entry *kept_now;
	struct base_slice bytes; /* to be written */
	struct os_file *file;
	uint64_t file_bytes;
	bool anew; /* into a file of the next generation */
};

/* ---- the table ---- */

static bool is_named(const struct base_table_node *node, const void *key)
{
	const struct names_entry *entry =
		BASE_CONTAINER((struct base_table_node *)(uintptr_t)node, struct names_entry, node);
	const struct base_bytes *name = key;
	return entry->name_bytes == name->bytes && memcmp(entry->name, name->data, name->bytes) == 0;
}

struct names_entry *names_find(const struct names *names, struct base_bytes name)
{
	struct base_table_node *node =
		base_table_find(&names->table, base_hash_bytes(name.data, name.bytes), is_named, &name);
	return node ? BASE_CONTAINER(node, struct names_entry, node) : NULL;
}

pyr_result names_make(struct names *names, struct base_bytes name, struct names_entry **ret_entry)
{
	struct names_entry *entry;
	if (name.bytes == 0 || name.bytes > NAMES_NAME_MAX)
		return pyr_result_of(PYR_USAGE);
	if ((entry = names_find(names, name))) {
		*ret_entry = entry;
		return pyr_ok();
	}
	if (names->table.count >= names->names_max)
		return pyr_result_of(PYR_BUSY);
	if (!(entry = malloc(sizeof *entry + name.bytes)))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*entry = (struct names_entry){.name_bytes = (uint8_t)name.bytes};
	memcpy(entry->name, name.data, name.bytes);
	if (!base_table_insert(&names->table, &entry->node, base_hash_bytes(name.data, name.bytes))) {
		free(entry);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	names->live_bytes += RECORD_HEADER_BYTES + name.bytes;
	*ret_entry = entry;
	return pyr_ok();
}

size_t names_count(const struct names *names)
{
	return names->table.count;
}

uint64_t names_kept(const struct names_entry *entry)
{
	return entry->kept;
}

uint64_t *names_word(struct names_entry *entry)
{
	return &entry->word;
}

void names_raise(struct names *names, struct names_entry *entry, uint64_t number)
{
	if (number <= entry->staged)
		return;
	entry->staged = number;
	if (entry->is_staged)
		return;
	entry->is_staged = true;
	entry->next_staged = names->staged;
	names->staged = entry;
}

void names_each(const struct names *names, void (*visit)(void *context, struct base_bytes name, uint64_t kept),
                void *context)
{
	for (struct base_table_node *node = NULL; (node = base_table_next(&names->table, node));) {
		const struct names_entry *entry = BASE_CONTAINER(node, struct names_entry, node);
		visit(context, (struct base_bytes){entry->name, entry->name_bytes}, entry->kept);
	}
}

bool names_stopped(const struct names *names)
{
	return names->stopped;
}

/* ---- records ---- */

static void write_record(struct base_writer *writer, const struct names_entry *entry, uint64_t number)
{
	uint8_t record[RECORD_HEADER_BYTES + NAMES_NAME_MAX];
	size_t bytes = RECORD_HEADER_BYTES + (size_t)entry->name_bytes;
	base_store_u64le(record + 4, number);
	record[12] = entry->name_bytes;
	memcpy(record + RECORD_HEADER_BYTES, entry->name, entry->name_bytes);
	base_store_u32le(record, base_crc32c(0, record + 4, bytes - 4));
	base_write_bytes(writer, record, bytes);
}

/* PYR_CORRUPT: no whole record is here. */
static pyr_result read_record(struct base_reader *reader, struct base_bytes *ret_name, uint64_t *ret_number)
{
	const uint8_t *at = reader->at;
	uint32_t crc = base_read_u32le(reader);
	*ret_number = base_read_u64le(reader);
	ret_name->bytes = base_read_u8(reader);
	ret_name->data = base_read_bytes(reader, ret_name->bytes);
	PYR_TRY(base_reader_check(reader, PYR_CORRUPT));
	bool right = ret_name->bytes > 0 && crc == base_crc32c(0, at + 4, (size_t)(reader->at - at) - 4);
	return pyr_result_of(right ? PYR_OK : PYR_CORRUPT);
}

static pyr_result take_records(struct names *names, struct base_bytes bytes)
{
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	struct base_bytes name;
	struct names_entry *entry;
	uint64_t number;
	while (read_record(&reader, &name, &number).code == PYR_OK) {
		PYR_TRY(names_make(names, name, &entry));
		entry->kept = entry->staged = number > entry->kept ? number : entry->kept;
	}
	return pyr_ok();
}

/* ---- files ---- */

static void file_path(uint64_t generation, char ret_path[PATH_BYTES])
{
	snprintf(ret_path, PATH_BYTES, "names-%016llx", (unsigned long long)generation);
}

struct found {
	uint64_t newest, older; /* 0: none */
};

static void note_file(void *context, const char *name)
{
	struct found *found = context;
	char path[PATH_BYTES];
	uint64_t generation = strncmp(name, "names-", 6) == 0 ? strtoull(name + 6, NULL, 16) : 0;
	file_path(generation, path);
	if (generation == 0 || strcmp(path, name) != 0)
		return;
	if (generation > found->newest) {
		found->older = found->newest;
		found->newest = generation;
	} else {
		found->older = generation;
	}
}

static pyr_result read_file(struct names *names, uint64_t generation, struct pyr_error *error)
{
	char path[PATH_BYTES];
	struct os_file *file;
	uint64_t bytes;
	size_t got = 0;
	file_path(generation, path);
	PYR_TRY(os_file_open(names->disk, path, OS_OPEN_READ, &file));
	pyr_result result = os_file_size(file, &bytes);
	struct base_buffer *buffer =
		result.code == PYR_OK && bytes <= FILE_BYTES_MAX ? base_buffer_new(bytes + 1) : NULL;
	if (!buffer)
		result = pyr_result_of(PYR_OUT_OF_MEMORY);
	if (result.code == PYR_OK)
		result = os_file_read(file, 0, buffer->data, bytes, &got);
	if (result.code == PYR_OK && (got < FILE_HEADER_BYTES || memcmp(buffer->data, magic, FILE_HEADER_BYTES) != 0))
		result = pyr_fail(error, PYR_CORRUPT, "\"%s\" does not begin as a file of names: restore it", path);
	if (result.code == PYR_OK)
		result = take_records(names,
		                      (struct base_bytes){buffer->data + FILE_HEADER_BYTES, got - FILE_HEADER_BYTES});
	base_buffer_unref(buffer);
	os_file_close(file);
	return result;
}

static pyr_result write_at(struct os_file *file, uint64_t position, struct base_slice slice)
{
	struct base_bytes bytes = {slice.data, slice.bytes};
	PYR_TRY(os_file_write(file, position, &bytes, 1));
	return pyr_result_of(os_file_sync(file).code == PYR_OK ? PYR_OK : PYR_STOPPED);
}

/* A draft has no name that counts until it is whole. */
static pyr_result write_draft(struct names *names, struct os_file **ret_file)
{
	struct os_file *file;
	char path[PATH_BYTES];
	file_path(names->generation + 1, path);
	PYR_TRY(os_file_open(names->disk, draft_path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_truncate(file, 0);
	if (result.code == PYR_OK)
		result = write_at(file, 0, names->bytes);
	if (result.code == PYR_OK)
		result = os_file_rename(names->disk, draft_path, path);
	if (result.code == PYR_OK && os_directory_sync(names->disk, "").code != PYR_OK)
		result = pyr_result_of(PYR_STOPPED); /* which of two files the next opening finds is not known */
	if (result.code == PYR_OK)
		*ret_file = file;
	else
		os_file_close(file);
	return result;
}

static pyr_result write_anew(struct names *names)
{
	struct os_file *file;
	char path[PATH_BYTES];
	PYR_TRY(write_draft(names, &file));
	file_path(names->generation, path);
	if (names->generation > 0)
		pyr_ignore(os_file_remove(names->disk, path)); /* if not: at the next opening */
	os_file_close(names->file);
	names->file = file;
	names->generation += 1;
	names->file_bytes = names->bytes.bytes;
	return pyr_ok();
}

/* ---- keeping ---- */

static bool encode(struct names *names)
{
	struct base_writer writer;
	base_writer_init(&writer, FILE_BYTES_MAX);
	if (names->anew) {
		base_write_bytes(&writer, magic, FILE_HEADER_BYTES);
		for (struct base_table_node *node = NULL; (node = base_table_next(&names->table, node));) {
			const struct names_entry *entry = BASE_CONTAINER(node, struct names_entry, node);
			if (entry->staged > 0)
				write_record(&writer, entry, entry->staged);
		}
	} else {
		for (const struct names_entry *entry = names->kept_now; entry; entry = entry->next_staged)
			write_record(&writer, entry, entry->staged);
	}
	bool done = base_writer_take(&writer, &names->bytes).code == PYR_OK;
	base_writer_deinit(&writer);
	return done;
}

/* What is kept is in the records: an entry may be raised meanwhile, and is staged once more in the end. */
bool names_keep_begin(struct names *names)
{
	if (names->keeping || !names->staged)
		return false;
	names->keeping = true;
	names->kept_now = names->staged;
	names->staged = NULL;
	names->anew = !names->file || names->file_bytes > 2 * names->live_bytes + SPARE_BYTES;
	if (!encode(names))
		names->bytes = (struct base_slice){0};
	return true;
}

pyr_result names_keep_run(struct names *names)
{
	assert(names->keeping);
	if (names->stopped)
		return pyr_result_of(PYR_STOPPED);
	if (!names->bytes.owner)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (names->anew)
		return write_anew(names);
	PYR_TRY(write_at(names->file, names->file_bytes, names->bytes));
	names->file_bytes += names->bytes.bytes;
	return pyr_ok();
}

/* The records themselves say what is durable now. */
static void note_kept(struct names *names)
{
	size_t from = names->anew ? FILE_HEADER_BYTES : 0;
	struct base_reader reader = base_reader_init(names->bytes.data + from, names->bytes.bytes - from);
	struct base_bytes name;
	uint64_t number;
	while (base_reader_left(&reader) > 0 && read_record(&reader, &name, &number).code == PYR_OK) {
		struct names_entry *entry = names_find(names, name);
		assert(entry && number >= entry->kept);
		entry->kept = number;
	}
}

void names_keep_end(struct names *names, pyr_result result)
{
	assert(names->keeping);
	names->keeping = false;
	if (result.code == PYR_OK)
		note_kept(names);
	names->stopped |= result.code == PYR_STOPPED;
	for (struct names_entry *entry = names->kept_now, *next; entry; entry = next) {
		next = entry->next_staged;
		entry->is_staged = entry->staged > entry->kept;
		entry->next_staged = names->staged;
		if (entry->is_staged)
			names->staged = entry;
	}
	names->kept_now = NULL;
	base_slice_release(&names->bytes);
}

pyr_result names_keep(struct names *names)
{
	if (!names_keep_begin(names))
		return pyr_result_of(names->stopped ? PYR_STOPPED : PYR_OK);
	pyr_result result = names_keep_run(names);
	names_keep_end(names, result);
	return result;
}

/* ---- life ---- */

/* What is there may be in the page cache alone: it is written anew, and synced, before anything of it counts. */
static pyr_result recover(struct names *names, struct pyr_error *error)
{
	struct found found = {0};
	char path[PATH_BYTES];
	PYR_TRY(os_directory_list(names->disk, "", note_file, &found));
	names->generation = found.newest;
	if (found.newest > 0)
		PYR_TRY(read_file(names, found.newest, error));
	names->anew = true;
	if (!encode(names))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = write_anew(names);
	base_slice_release(&names->bytes);
	file_path(found.older, path);
	if (result.code == PYR_OK && found.older > 0)
		pyr_ignore(os_file_remove(names->disk, path));
	return result;
}

pyr_result names_open(struct os_disk *disk, size_t names_max, struct names **ret_names, struct pyr_error *error)
{
	struct pyr_error detail = {0};
	struct names *names = calloc(1, sizeof *names);
	if (!names)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	names->disk = disk;
	names->names_max = names_max;
	pyr_result result = os_disk_lock(disk, lock_path);
	if (result.code == PYR_BUSY)
		result = pyr_fail(&detail, PYR_BUSY, "another process has these names open: stop it first");
	if (result.code == PYR_OK)
		result = recover(names, &detail);
	if (result.code == PYR_OK) {
		*ret_names = names;
		return result;
	}
	names_close(names);
	if (detail.text[0])
		return pyr_fail(error, result.code, "%s", detail.text);
	return pyr_fail(error, result.code, "the file of names can't be opened: %s", pyr_code_text(result.code));
}

void names_close(struct names *names)
{
	if (!names)
		return;
	assert(!names->keeping);
	for (struct base_table_node *node = NULL; (node = base_table_next(&names->table, NULL));) {
		base_table_remove(&names->table, node);
		free(BASE_CONTAINER(node, struct names_entry, node));
	}
	base_table_deinit(&names->table);
	os_file_close(names->file);
	free(names);
}

/* A file goes when the next one is there: then the folder is looked at again. */
static pyr_result look(struct names *names)
{
	enum { LOOKS = 8 };
	pyr_result result = pyr_result_of(PYR_NOT_FOUND);
	for (int i = 0; i < LOOKS && result.code == PYR_NOT_FOUND; i++) {
		struct found found = {0};
		PYR_TRY(os_directory_list(names->disk, "", note_file, &found));
		result = found.newest > 0 ? read_file(names, found.newest, NULL) : pyr_ok();
	}
	return result;
}

pyr_result names_look(struct os_disk *disk, void (*visit)(void *context, struct base_bytes name, uint64_t kept),
                      void *context)
{
	struct names *names = calloc(1, sizeof *names);
	if (!names)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	names->disk = disk;
	names->names_max = SIZE_MAX;
	pyr_result result = look(names);
	if (result.code == PYR_OK)
		names_each(names, visit, context);
	names_close(names);
	return result;
}
