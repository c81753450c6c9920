/* pyralog inspect: what lies in a data directory that nobody has open: ring files and their groups, segments and their parts.
 *
 * Reads only; what is damaged is told in its row, and the rest is shown all the same. Formats: docs/formats/log.md.
 */
#include "base/array.h"
#include "base/crc32c.h"
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "log/format.h"
#include "node/layout.h"
#include "node/node.h"
#include "os/real.h"
#include "os/terminal.h"
#include "shell/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 4096, NAME_BYTES_MAX = 64, DIRECTORY_ENTRY_BYTES = 112, DIRECTORY_BYTES_MAX = 1 << 30 };

static const struct cli_option inspect_options[] = {
	{"groups", NULL, "", "the groups of the ring's files"},
	{"parts", NULL, "", "the parts of segments: what each has of which partition"},
	{"format", "FORMAT", "", "table, plain or json; a table at a terminal, plain otherwise"},
	CLI_COMMON_OPTIONS,
};

enum what { FILES, GROUPS, PARTS };

static const struct cli_column file_columns[] = {
	{"SHARD", true},      {"KIND", false},  {"NAME", false}, {"BYTES", true},   {"FIRST-GROUP", true},
	{"LAST-GROUP", true}, {"FRAMES", true}, {"PARTS", true}, {"RECORDS", true}, {"STATE", false}};
static const struct cli_column group_columns[] = {{"SHARD", true},      {"FILE", false},           {"GROUP", true},
                                                  {"POSITION", true},   {"BYTES", true},           {"FRAMES", true},
                                                  {"PARTITIONS", true}, {"DURABLE-THROUGH", true}, {"STATE", false}};
static const struct cli_column part_columns[] = {{"SHARD", true}, {"SEGMENT", false},  {"PARTITION", true},
                                                 {"START", true}, {"END", true},       {"RECORDS", true},
                                                 {"BYTES", true}, {"COMPACTED", false}};

struct inspection {
	struct cli_option *options;
	enum what what;
	enum cli_format format;
	struct os_disk *root, *disk; /* the directory, the shard's folder */
	size_t shard;
	struct cli_table table;
	char (*names)[NAME_BYTES_MAX]; /* of the folder at hand */
	size_t name_count, name_room;
	struct shell_progress progress;
};

static void print_help(void)
{
	printf("usage: pyralog inspect DIR [OPTIONS]\n\nShows what lies in a data directory that no server has open; "
	       "changes nothing.\n\n");
	cli_options_help(inspect_options, stdout);
	printf("\nexamples:\n  pyralog inspect pyralog-data\n  pyralog inspect pyralog-data --parts --format json\n");
}

/* ---- files ---- */

static void on_name(void *context, const char *name)
{
	struct inspection *inspection = context;
	if (strlen(name) >= sizeof inspection->names[0] ||
	    !base_array_reserve(&inspection->names, &inspection->name_room, inspection->name_count + 1,
	                        sizeof inspection->names[0]))
		return;
	memcpy(inspection->names[inspection->name_count++], name, strlen(name) + 1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list_names(struct inspection *inspection, const char *folder)
{
	inspection->name_count = 0;
	pyr_ignore(os_directory_list(inspection->disk, folder, on_name, inspection)); /* none: nothing to show */
	if (inspection->name_count > 0)
		qsort(inspection->names, inspection->name_count, sizeof inspection->names[0], by_name);
}

/* The bytes there, for the caller to free(); NULL: they are not there, or memory is out. */
static uint8_t *read_bytes(struct os_file *file, uint64_t position, size_t bytes)
{
	size_t got = 0;
	uint8_t *room = malloc(bytes + 1);
	if (room && os_file_read(file, position, room, bytes, &got).code == PYR_OK && got == bytes)
		return room;
	free(room);
	return NULL;
}

static void tell_progress(struct inspection *inspection, const char *folder, size_t done)
{
	char text[128];
	snprintf(text, sizeof text, "shard %zu, %s: %zu of %zu files", inspection->shard, folder, done,
	         inspection->name_count);
	shell_progress_tell(&inspection->progress, (double)done / (double)inspection->name_count, text);
}

/* Calls `show` with each file of the folder, opened. */
static void each_file(struct inspection *inspection, const char *folder,
                      void (*show)(struct inspection *inspection, const char *name, struct os_file *file,
                                   uint64_t bytes))
{
	list_names(inspection, folder);
	for (size_t i = 0; i < inspection->name_count; i++) {
		char path[128];
		struct os_file *file;
		uint64_t bytes = 0;
		tell_progress(inspection, folder, i);
		snprintf(path, sizeof path, "%s/%s", folder, inspection->names[i]);
		if (os_file_open(inspection->disk, path, OS_OPEN_READ, &file).code != PYR_OK)
			continue;
		if (os_file_size(file, &bytes).code == PYR_OK)
			show(inspection, inspection->names[i], file, bytes);
		os_file_close(file);
	}
}

/* ---- the ring ---- */

struct ring_state {
	uint64_t groups, first, last, frames, records, damaged;
};

static uint64_t count_damaged(const struct log_group_header *group, const uint8_t *bytes, uint64_t *records)
{
	size_t at = log_group_frames_at(group);
	uint64_t damaged = 0;
	for (uint32_t i = 0; i < group->frame_count && at < group->bytes; i++) {
		struct log_frame frame = {0};
		struct base_bytes payload;
		size_t stride = 0;
		bool whole =
			log_frame_decode((struct base_bytes){bytes + at, group->bytes - at}, &frame, &payload, &stride)
				.code == PYR_OK;
		damaged += !whole;
		if (stride == 0)
			break; /* not even where the next one begins is known */
		bool has_records = frame.kind == LOG_FRAME_DATA || frame.kind == LOG_FRAME_REFERENCE;
		*records += whole && has_records ? frame.record_count : 0;
		at += stride;
	}
	return damaged;
}

static void show_group(struct inspection *inspection, const char *name, uint64_t position,
                       const struct log_group_header *group, uint64_t damaged)
{
	struct cli_table *table = &inspection->table;
	if (inspection->what != GROUPS)
		return;
	cli_table_row(table);
	cli_table_set(table, 0, "%zu", inspection->shard);
	cli_table_set(table, 1, "%s", name);
	cli_table_set(table, 2, "%" PRIu64, group->number);
	cli_table_set(table, 3, "%" PRIu64, position);
	cli_table_set(table, 4, "%u", group->bytes);
	cli_table_set(table, 5, "%u", group->frame_count);
	cli_table_set(table, 6, "%u", group->directory_count);
	cli_table_set(table, 7, "%" PRIu64, group->durable_through);
	if (damaged > 0)
		cli_table_set(table, 8, "%" PRIu64 " damaged frames", damaged);
	else
		cli_table_set(table, 8, "ok");
}

/* The group there, whole, for the caller to free(); NULL: none. */
static uint8_t *read_group(struct os_file *file, uint64_t position, uint64_t file_bytes,
                           struct log_group_header *ret_group)
{
	uint8_t *head = read_bytes(file, position, LOG_GROUP_HEADER_BYTES);
	uint32_t bytes = head ? base_load_u32le(head + 12) : 0;
	free(head);
	if (bytes < LOG_GROUP_HEADER_BYTES || bytes > LOG_GROUP_BYTES_MAX || position + bytes > file_bytes)
		return NULL;
	uint8_t *group = read_bytes(file, position, bytes);
	if (group && log_group_header_decode((struct base_bytes){group, bytes}, ret_group).code == PYR_OK)
		return group;
	free(group);
	return NULL;
}

/* What an earlier use of the file left behind its groups does not count. */
static void walk_groups(struct inspection *inspection, const char *name, struct os_file *file, uint64_t file_bytes,
                        const struct log_ring_header *header, struct ring_state *state)
{
	struct log_group_header group = {0};
	for (uint64_t at = LOG_RING_HEADER_BYTES; at < file_bytes; at += group.bytes) {
		uint8_t *bytes = read_group(file, at, file_bytes, &group);
		bool ours = bytes && group.file_id == header->file_id && group.incarnation == header->incarnation &&
		            (state->groups == 0 || group.number == state->last + 1);
		uint64_t damaged = ours ? count_damaged(&group, bytes, &state->records) : 0;
		free(bytes);
		if (!ours)
			return;
		show_group(inspection, name, at, &group, damaged);
		state->first = state->groups == 0 ? group.number : state->first;
		state->last = group.number;
		state->groups += 1;
		state->frames += group.frame_count;
		state->damaged += damaged;
		if (group.flags & LOG_GROUP_LAST)
			return;
	}
}

static void begin_file(struct inspection *inspection, const char *kind, const char *name, uint64_t bytes)
{
	cli_table_row(&inspection->table);
	cli_table_set(&inspection->table, 0, "%zu", inspection->shard);
	cli_table_set(&inspection->table, 1, "%s", kind);
	cli_table_set(&inspection->table, 2, "%s", name);
	cli_table_set(&inspection->table, 3, "%" PRIu64, bytes);
}

static void show_ring_file(struct inspection *inspection, const char *name, struct os_file *file, uint64_t bytes)
{
	struct ring_state state = {0};
	struct log_ring_header header = {0};
	struct cli_table *table = &inspection->table;
	uint8_t *head = read_bytes(file, 0, LOG_RING_HEADER_BYTES);
	bool known = head &&
	             log_ring_header_decode((struct base_bytes){head, LOG_RING_HEADER_BYTES}, &header).code == PYR_OK;
	free(head);
	if (known)
		walk_groups(inspection, name, file, bytes, &header, &state);
	if (inspection->what != FILES)
		return;
	begin_file(inspection, "ring", name, bytes);
	if (state.groups > 0) {
		cli_table_set(table, 4, "%" PRIu64, state.first);
		cli_table_set(table, 5, "%" PRIu64, state.last);
		cli_table_set(table, 6, "%" PRIu64, state.frames);
		cli_table_set(table, 8, "%" PRIu64, state.records);
	}
	if (state.damaged > 0)
		cli_table_set(table, 9, "%" PRIu64 " damaged frames", state.damaged);
	else
		cli_table_set(table, 9, "%s", !known ? "no header" : state.groups > 0 ? "ok" : "empty");
}

/* ---- segments ---- */

static void show_part(struct inspection *inspection, const char *name, const struct log_part *part)
{
	struct cli_table *table = &inspection->table;
	if (inspection->what != PARTS)
		return;
	cli_table_row(table);
	cli_table_set(table, 0, "%zu", inspection->shard);
	cli_table_set(table, 1, "%s", name);
	cli_table_set(table, 2, "%u", part->partition);
	cli_table_set(table, 3, "%" PRId64, part->base_offset);
	cli_table_set(table, 4, "%" PRId64, part->end_offset);
	cli_table_set(table, 5, "%" PRIu64, part->record_count);
	cli_table_set(table, 6, "%" PRIu64, part->bytes);
	cli_table_set(table, 7, "%s", part->flags & LOG_PART_COMPACTED ? "yes" : "no");
}

/* False: the directory is damaged. */
static bool walk_parts(struct inspection *inspection, const char *name, struct os_file *file,
                       const struct log_segment_trailer *trailer, uint64_t *records)
{
	uint8_t *directory = trailer->directory_bytes <= DIRECTORY_BYTES_MAX
	                             ? read_bytes(file, trailer->directory_position, trailer->directory_bytes)
	                             : NULL;
	bool whole = directory && base_crc32c(0, directory, trailer->directory_bytes) == trailer->directory_crc;
	for (uint32_t i = 0; whole && i < trailer->part_count; i++) {
		size_t at = (size_t)i * DIRECTORY_ENTRY_BYTES;
		struct log_part part;
		whole = at + DIRECTORY_ENTRY_BYTES <= trailer->directory_bytes;
		if (!whole)
			break;
		struct base_reader reader = base_reader_init(directory + at, DIRECTORY_ENTRY_BYTES);
		whole = log_part_decode(&reader, &part).code == PYR_OK;
		if (whole) {
			show_part(inspection, name, &part);
			*records += part.record_count;
		}
	}
	free(directory);
	return whole;
}

static void show_segment(struct inspection *inspection, const char *name, struct os_file *file, uint64_t bytes)
{
	struct log_segment_trailer trailer = {0};
	struct cli_table *table = &inspection->table;
	uint64_t records = 0;
	uint8_t *tail = bytes >= LOG_SEGMENT_TRAILER_BYTES
	                        ? read_bytes(file, bytes - LOG_SEGMENT_TRAILER_BYTES, LOG_SEGMENT_TRAILER_BYTES)
	                        : NULL;
	bool sealed = tail &&
	              log_segment_trailer_decode((struct base_bytes){tail, LOG_SEGMENT_TRAILER_BYTES}, &trailer).code ==
	                      PYR_OK;
	free(tail);
	bool whole = sealed && walk_parts(inspection, name, file, &trailer, &records);
	if (inspection->what != FILES)
		return;
	begin_file(inspection, "segment", name, bytes);
	if (whole) {
		cli_table_set(table, 7, "%u", trailer.part_count);
		cli_table_set(table, 8, "%" PRIu64, records);
	}
	cli_table_set(table, 9, "%s",
	              whole    ? "ok"
	              : sealed ? "damaged directory"
	                       : "no directory: an extent, or spare");
}

/* ---- the directory ---- */

/* Opening a disk makes its folder: so first, whether this is a data directory at all. */
static pyr_result count_shards(const char *data, size_t *ret_count, struct pyr_error *error)
{
	char path[PATH_BYTES_MAX], text[32] = "";
	snprintf(path, sizeof path, "%s/shards", data);
	FILE *file = os_terminal_open_input(path);
	long count = file && fgets(text, sizeof text, file) ? strtol(text, NULL, 10) : 0;
	if (file)
		os_terminal_close(file, false);
	if (count < 1 || count > NODE_SHARDS_MAX)
		return pyr_fail(error, PYR_NOT_FOUND, "%s is not a data directory", data);
	*ret_count = (size_t)count;
	return pyr_ok();
}

static pyr_result inspect_shard(struct inspection *inspection, const char *data, struct pyr_error *error)
{
	char folder[NODE_SHARD_FOLDER_MAX], path[PATH_BYTES_MAX];
	node_layout_folder(inspection->shard, folder);
	snprintf(path, sizeof path, "%s/%s", data, folder);
	PYR_TRY(os_real_disk_new(path, &inspection->disk, error));
	if (inspection->what != PARTS)
		each_file(inspection, "ring", show_ring_file);
	if (inspection->what != GROUPS)
		each_file(inspection, "segments", show_segment);
	os_real_disk_free(inspection->disk);
	inspection->disk = NULL;
	return pyr_ok();
}

static pyr_result inspect(struct inspection *inspection, const char *data, struct pyr_error *error)
{
	size_t shards = 0;
	bool groups = cli_option_get(inspection->options, "groups")[0];
	bool parts = cli_option_get(inspection->options, "parts")[0];
	if (groups && parts)
		return pyr_fail(error, PYR_USAGE, "--groups or --parts, not both");
	PYR_TRY(cli_broker_format(inspection->options, &inspection->format, error));
	inspection->what = groups ? GROUPS : parts ? PARTS : FILES;
	if (groups)
		cli_table_init(&inspection->table, group_columns, sizeof group_columns / sizeof group_columns[0]);
	else if (parts)
		cli_table_init(&inspection->table, part_columns, sizeof part_columns / sizeof part_columns[0]);
	else
		cli_table_init(&inspection->table, file_columns, sizeof file_columns / sizeof file_columns[0]);
	PYR_TRY(count_shards(data, &shards, error));
	PYR_TRY(os_real_disk_new(data, &inspection->root, error));
	if (os_disk_lock(inspection->root, "lock").code != PYR_OK)
		return pyr_fail(error, PYR_BUSY, "%s can't be locked: stop the server that has it open", data);
	shell_progress_begin(&inspection->progress, cli_color(inspection->options), stderr, SHELL_PROGRESS_US);
	for (inspection->shard = 0; inspection->shard < shards; inspection->shard++)
		PYR_TRY(inspect_shard(inspection, data, error));
	shell_progress_clear(&inspection->progress);
	return cli_table_print(&inspection->table, inspection->format, inspection->options);
}

const struct cli_option *cli_inspect_options(void)
{
	return inspect_options;
}

int cli_inspect(int argc, char **argv)
{
	struct cli_option options[sizeof inspect_options / sizeof inspect_options[0]];
	struct inspection inspection = {.options = options};
	struct pyr_error error = {0};
	memcpy(options, inspect_options, sizeof options);
	if (argc == 0 || strncmp(argv[0], "--", 2) == 0) {
		print_help();
		return argc > 0 && strcmp(argv[0], "--help") == 0 ? 0 : 2;
	}
	pyr_result done = cli_options_parse(options, argc - 1, argv + 1, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	if (done.code == PYR_OK)
		done = inspect(&inspection, argv[0], &error);
	cli_table_free(&inspection.table);
	free(inspection.names);
	if (inspection.root)
		os_real_disk_free(inspection.root);
	return cli_end("inspect", options, done, &error);
}
