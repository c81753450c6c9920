/* What a backup knows of the numbers that were given (see handover.h). */
#include "node/handover.h"

#include "coord/obelisk.h"
#include "coord/scarab_issuer.h"
#include "os/real.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 4096, LINE_BYTES_MAX = 1024 };

static const char first_line[] = "pyralog coordination 1\n";

/* ---- writing ---- */

static void write_line(struct base_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_line(struct base_writer *writer, const char *format, ...)
{
	char line[LINE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	int bytes = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	base_write_bytes(writer, line, (size_t)bytes);
}

static void write_sequence(void *context, struct base_bytes name, uint64_t value)
{
	struct base_writer *writer = context;
	char hex[2 * NAMES_NAME_MAX + 1];
	for (size_t i = 0; i < name.bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", name.data[i]);
	write_line(writer, "sequence %" PRIu64 " %s\n", value, hex);
}

/* A folder of the directory, if it is there; opening it makes nothing. */
static pyr_result open_folder(const char *data, const char *folder, struct os_disk **ret_disk, struct pyr_error *error)
{
	char path[PATH_BYTES_MAX];
	snprintf(path, sizeof path, "%s/%s", data, folder);
	*ret_disk = NULL;
	return os_real_path_exists(path) ? os_real_disk_new(path, ret_disk, error) : pyr_ok();
}

static pyr_result write_ids(struct os_disk *disk, struct base_writer *writer)
{
	uint64_t promised;
	int node;
	PYR_TRY(obelisk_look(disk, &promised));
	PYR_TRY(scarab_issuer_look(disk, &node));
	write_line(writer, "ids %d %" PRIu64 "\n", node, promised);
	return pyr_ok();
}

static pyr_result write_clock(struct os_disk *disk, struct base_writer *writer)
{
	uint64_t promised;
	PYR_TRY(obelisk_look(disk, &promised));
	write_line(writer, "timestamps %" PRIu64 "\n", promised);
	return pyr_ok();
}

static pyr_result write_epochs(struct os_disk *disk, struct base_writer *writer)
{
	uint64_t promised;
	PYR_TRY(obelisk_look(disk, &promised));
	write_line(writer, "epochs %" PRIu64 "\n", promised);
	return pyr_ok();
}

static pyr_result write_sequences(struct os_disk *disk, struct base_writer *writer)
{
	return names_look(disk, write_sequence, writer);
}

pyr_result node_handover_write(const char *data, struct base_writer *writer, struct pyr_error *error)
{
	static const struct {
		const char *folder;
		pyr_result (*write)(struct os_disk *disk, struct base_writer *writer);
	} parts[] = {
		{"scarab", write_ids},
		{"pharaoh/clock", write_clock},
		{"pharaoh/epochs", write_epochs},
		{"pharaoh/sequences", write_sequences},
	};
	struct os_disk *disk;
	base_write_bytes(writer, first_line, sizeof first_line - 1);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		PYR_TRY(open_folder(data, parts[i].folder, &disk, error));
		if (!disk)
			continue;
		pyr_result result = parts[i].write(disk, writer);
		os_real_disk_free(disk);
		if (result.code != PYR_OK)
			return pyr_fail(error, result.code, "%s/%s can't be read: %s", data, parts[i].folder,
			                pyr_code_text(result.code));
	}
	return pyr_result_of(writer->failed ? PYR_OUT_OF_MEMORY : PYR_OK);
}

/* ---- reading ---- */

static int digit_of(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static bool parse_sequence(const char *line, uint64_t *ret_value, uint8_t *name, size_t *ret_bytes)
{
	char hex[2 * NAMES_NAME_MAX + 2] = "";
	if (sscanf(line, "sequence %" SCNu64 " %511s", ret_value, hex) != 2)
		return false;
	size_t digits = strlen(hex);
	if (digits % 2 != 0 || digits > (size_t)2 * NAMES_NAME_MAX)
		return false;
	for (size_t i = 0; i < digits; i += 2) {
		int high = digit_of(hex[i]), low = digit_of(hex[i + 1]);
		if (high < 0 || low < 0)
			return false;
		name[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret_bytes = digits / 2;
	return true;
}

static bool parse_line(const char *line, struct node_handover *handover,
                       void (*sequence)(void *context, struct base_bytes name, uint64_t value), void *context)
{
	uint8_t name[NAMES_NAME_MAX];
	uint64_t value;
	size_t bytes;
	if (sscanf(line, "timestamps %" SCNu64, &value) == 1) {
		handover->timestamps_ms = value;
		return true;
	}
	if (sscanf(line, "epochs %" SCNu64, &value) == 1) {
		handover->epochs = value;
		return true;
	}
	int node;
	if (sscanf(line, "ids %d %" SCNu64, &node, &value) == 2 && node >= SCARAB_NODE_KEPT && node < SCARAB_NODES) {
		handover->node = node;
		handover->ids_ms = value;
		return true;
	}
	if (!parse_sequence(line, &value, name, &bytes))
		return false;
	sequence(context, (struct base_bytes){name, bytes}, value);
	return true;
}

pyr_result node_handover_parse(struct base_bytes text, struct node_handover *ret_handover,
                               void (*sequence)(void *context, struct base_bytes name, uint64_t value), void *context)
{
	const uint8_t *at = text.data, *end = at + text.bytes;
	struct node_handover handover = {.node = SCARAB_NODE_KEPT};
	size_t head = sizeof first_line - 1;
	if (text.bytes < head || memcmp(at, first_line, head) != 0)
		return pyr_result_of(PYR_CORRUPT);
	for (at += head; at < end;) {
		const uint8_t *feed = memchr(at, '\n', (size_t)(end - at));
		char line[LINE_BYTES_MAX];
		if (!feed || (size_t)(feed - at) >= sizeof line)
			return pyr_result_of(PYR_CORRUPT);
		memcpy(line, at, (size_t)(feed - at));
		line[feed - at] = '\0';
		if (!parse_line(line, &handover, sequence, context))
			return pyr_result_of(PYR_CORRUPT);
		at = feed + 1;
	}
	*ret_handover = handover;
	return pyr_ok();
}

static pyr_result read_file(struct os_disk *root, struct base_slice *ret_text)
{
	struct os_file *file;
	uint64_t size;
	size_t bytes = 0;
	PYR_TRY(os_file_open(root, NODE_HANDOVER_FILE, OS_OPEN_READ, &file));
	pyr_result result = os_file_size(file, &size);
	if (result.code == PYR_OK && size > NODE_HANDOVER_BYTES_MAX)
		result = pyr_result_of(PYR_CORRUPT);
	struct base_buffer *buffer = result.code == PYR_OK ? base_buffer_new(size + 1) : NULL;
	if (result.code == PYR_OK && !buffer)
		result = pyr_result_of(PYR_OUT_OF_MEMORY);
	if (result.code == PYR_OK)
		result = os_file_read(file, 0, buffer->data, size, &bytes);
	os_file_close(file);
	if (result.code == PYR_OK)
		*ret_text = (struct base_slice){.data = buffer->data, .bytes = bytes, .owner = buffer};
	else
		base_buffer_unref(buffer);
	return result;
}

static void ignore_sequence(void *context, struct base_bytes name, uint64_t value)
{
	(void)context;
	(void)name;
	(void)value;
}

pyr_result node_handover_read(struct os_disk *root, struct node_handover *ret_handover)
{
	struct base_slice text = {0};
	PYR_TRY(read_file(root, &text));
	pyr_result result =
		node_handover_parse((struct base_bytes){text.data, text.bytes}, ret_handover, ignore_sequence, NULL);
	base_slice_release(&text);
	return result;
}

struct raising {
	struct names *sequences;
	pyr_result result;
};

static void raise_sequence(void *context, struct base_bytes name, uint64_t value)
{
	struct raising *raising = context;
	struct names_entry *entry;
	if (raising->result.code == PYR_OK)
		raising->result = names_make(raising->sequences, name, &entry);
	if (raising->result.code == PYR_OK)
		names_raise(raising->sequences, entry, value + NODE_HANDOVER_VALUES);
}

static pyr_result raise_all(struct os_disk *disk, struct base_bytes text, struct pyr_error *error)
{
	struct raising raising = {.result = pyr_ok()};
	struct node_handover handover;
	PYR_TRY(names_open(disk, SIZE_MAX, &raising.sequences, error));
	pyr_result result = node_handover_parse(text, &handover, raise_sequence, &raising);
	if (result.code == PYR_OK)
		result = raising.result;
	if (result.code == PYR_OK)
		result = names_keep(raising.sequences);
	names_close(raising.sequences);
	return result;
}

pyr_result node_handover_sequences(struct os_disk *root, const char *path, struct pyr_error *error)
{
	struct base_slice text = {0};
	struct os_disk *disk;
	PYR_TRY(read_file(root, &text));
	pyr_result result = os_real_disk_new(path, &disk, error);
	if (result.code == PYR_OK) {
		result = raise_all(disk, (struct base_bytes){text.data, text.bytes}, error);
		os_real_disk_free(disk);
	}
	base_slice_release(&text);
	return result;
}

/* ---- going on ---- */

uint64_t node_handover_begin_ms(uint64_t promised_ms, uint64_t epoch_ms)
{
	uint64_t now_ms = os_real_wall_ms() - epoch_ms + NODE_HANDOVER_AHEAD_MS;
	return promised_ms > now_ms ? promised_ms : now_ms;
}

pyr_result node_handover_raise(const char *path, uint64_t value, struct pyr_error *error)
{
	struct obelisk_options options = obelisk_options_default();
	struct obelisk *obelisk;
	struct os_disk *disk;
	PYR_TRY(os_real_disk_new(path, &disk, error));
	pyr_result result = obelisk_open(disk, &options, &obelisk, error);
	if (result.code == PYR_OK) {
		if (obelisk_promised(obelisk) < value)
			result = obelisk_promise(obelisk, value);
		obelisk_close(obelisk);
	}
	os_real_disk_free(disk);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "a counter of the restored directory can't be raised: %s",
		                pyr_code_text(result.code));
	return result;
}
