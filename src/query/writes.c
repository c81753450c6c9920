/* Rows to append (see writes.h): fields become records, each in one block of memory with its texts. */
#include "query/writes.h"

#include "base/cursor.h"
#include "query/fields_write.h"
#include "query/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 1000 };

/* What a record points into. */
struct block {
	size_t used, room;
	uint8_t bytes[];
};

static struct block *block_of(const struct query_record *record)
{
	return (struct block *)(uintptr_t)((const uint8_t *)record->topic - sizeof(struct block));
}

/* ---- the list ---- */

void query_writes_cut(struct query_writes *writes, size_t count)
{
	while (writes->count > count) {
		struct block *block = block_of(&writes->records[--writes->count]);
		writes->bytes -= block->room;
		free(block);
	}
}

void query_writes_deinit(struct query_writes *writes)
{
	query_writes_cut(writes, 0);
	query_writes_forget_savepoints(writes);
	free(writes->savepoints);
	free(writes->records);
	*writes = (struct query_writes){0};
}

static bool make_room(struct query_writes *writes)
{
	if (writes->count < writes->room)
		return true;
	size_t room = writes->room ? writes->room * 2 : 64;
	struct query_record *records = realloc(writes->records, room * sizeof *records);
	if (!records)
		return false;
	writes->records = records;
	writes->room = room;
	return true;
}

/* ---- fields ---- */

static void *take(struct block *block, size_t bytes, size_t align)
{
	size_t at = (block->used + align - 1) / align * align;
	assert(at + bytes <= block->room);
	block->used = at + bytes;
	return block->bytes + at;
}

static struct base_bytes copy(struct block *block, struct base_bytes from)
{
	if (!from.data)
		return from;
	uint8_t *to = take(block, from.bytes + 1, 1);
	memcpy(to, from.data, from.bytes);
	return (struct base_bytes){to, from.bytes};
}

static int digit_of(uint8_t c)
{
	return isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* bytea's text: \x and hexadecimal digits; anything else is what it is. */
static pyr_result copy_bytea(struct block *block, const struct query_field *field, struct base_bytes *ret_bytes,
                             struct query_error *error)
{
	struct base_bytes text = field->text;
	*ret_bytes = copy(block, text);
	if (field->is_bytes || !text.data || text.bytes < 2 || text.data[0] != '\\' || text.data[1] != 'x')
		return pyr_ok();
	uint8_t *to = (uint8_t *)(uintptr_t)ret_bytes->data;
	for (size_t i = 2; i < text.bytes; i += 2) {
		int high = digit_of(text.data[i]), low = i + 1 < text.bytes ? digit_of(text.data[i + 1]) : -1;
		if (high < 0 || low < 0)
			return query_fail(error, "22023", "invalid hexadecimal data in a bytea");
		to[i / 2 - 1] = (uint8_t)(high << 4 | low);
	}
	ret_bytes->bytes = text.bytes / 2 - 1;
	return pyr_ok();
}

/* Text, or an int4 in binary. */
static pyr_result read_partition(const struct query_field *field, int32_t *ret_partition, struct query_error *error)
{
	struct base_bytes text = field->text;
	char room[16], *end;
	if (field->is_bytes && text.bytes == 4)
		text.bytes = (size_t)snprintf(room, sizeof room, "%d", (int)base_load_u32be(text.data)),
		text.data = (const uint8_t *)room;
	char copied[16];
	snprintf(copied, sizeof copied, "%.*s", (int)text.bytes, (const char *)text.data);
	long partition = strtol(copied, &end, 10);
	if (end == copied || *end || text.bytes >= sizeof copied)
		return query_fail(error, "22P02", "invalid input syntax for type integer: \"%.*s\"", (int)text.bytes,
		                  (const char *)text.data);
	if (partition < 0 || partition > INT32_MAX)
		return query_fail(error, "23514", "a topic has no partition %ld", partition);
	*ret_partition = (int32_t)partition;
	return pyr_ok();
}

static pyr_result read_time(const struct query_field *field, int64_t *ret_ms, struct query_error *error)
{
	int64_t us = field->us;
	if (field->is_bytes && field->text.bytes == 8) /* a timestamptz in binary, which counts from 2000 */
		us = (int64_t)base_load_u64be(field->text.data) + 946684800000000;
	else if (!field->is_time && !query_timestamp_read(field->text, &us))
		return query_fail(error, "22007", "invalid input syntax for type timestamp with time zone: \"%.*s\"",
		                  (int)field->text.bytes, (const char *)field->text.data);
	if (us < 0)
		return query_fail(error, "22008", "a record's timestamp is not before 1970");
	*ret_ms = us / 1000;
	return pyr_ok();
}

/* {"name": "text"}: each value a string or null. */
static pyr_result fill_headers(struct query_record *record, json_t *object, struct block *block,
                               struct query_error *error)
{
	struct codec_header *headers =
		take(block, json_object_size(object) * sizeof *headers + 1, _Alignof(struct codec_header));
	const char *name;
	json_t *value;
	record->headers = headers;
	json_object_foreach(object, name, value)
	{
		const char *text = json_string_value(value);
		if (!text && !json_is_null(value))
			return query_fail(error, "22023", "the header \"%s\" must be a string or null", name);
		headers[record->header_count++] = (struct codec_header){
			.key = copy(block, (struct base_bytes){(const uint8_t *)name, strlen(name)}),
			.value = copy(block, (struct base_bytes){(const uint8_t *)text, json_string_length(value)}),
		};
	}
	return pyr_ok();
}

static pyr_result read_headers(struct query_record *record, struct base_bytes text, struct block *block,
                               struct query_error *error)
{
	json_error_t detail;
	json_t *object = json_loadb((const char *)text.data, text.bytes, JSON_REJECT_DUPLICATES, &detail);
	pyr_result result;
	if (!json_is_object(object) || json_object_size(object) > HEADERS_MAX)
		result = query_fail(error, "22P02", "headers are a JSON object of at most %d names and strings",
		                    HEADERS_MAX);
	else
		result = fill_headers(record, object, block, error);
	json_decref(object);
	return result;
}

static pyr_result set_field(struct query_record *record, unsigned column, const struct query_field *field,
                            struct block *block, struct query_error *error)
{
	if ((!field->text.data && !field->is_time) || column >= QUERY_WRITE_COLUMNS)
		return pyr_ok();
	switch (column) {
	case QUERY_WRITE_KEY:
		record->key = copy(block, field->text);
		return pyr_ok();
	case QUERY_WRITE_VALUE:
		record->value = copy(block, field->text);
		return pyr_ok();
	case QUERY_WRITE_KEY_BYTES:
		return copy_bytea(block, field, &record->key, error);
	case QUERY_WRITE_VALUE_BYTES:
		return copy_bytea(block, field, &record->value, error);
	case QUERY_WRITE_HEADERS:
		return read_headers(record, field->text, block, error);
	case QUERY_WRITE_TIMESTAMP:
		return read_time(field, &record->timestamp_ms, error);
	default:
		return read_partition(field, &record->partition, error);
	}
}

/* Enough for all texts and, a header taking more than it has letters, for headers. */
static size_t block_bytes(const struct query_insert *insert, const struct query_field *fields)
{
	size_t bytes = strlen(insert->topic) + 64;
	for (size_t i = 0; i < insert->column_count; i++)
		bytes += fields[i].text.bytes * (insert->columns[i] == QUERY_WRITE_HEADERS ? 16 : 1) + 1;
	return bytes;
}

static pyr_result add(struct query_writes *writes, const struct query_insert *insert, const struct query_field *fields,
                      struct base_bytes value, struct query_error *error)
{
	size_t room = block_bytes(insert, fields) + value.bytes, name_bytes = strlen(insert->topic) + 1;
	if (writes->bytes + room > QUERY_WRITES_BYTES_MAX)
		return query_fail(error, "54000", "more than %d MiB in one statement or transaction: commit more often",
		                  QUERY_WRITES_BYTES_MAX >> 20);
	struct block *block = malloc(sizeof *block + room);
	if (!block || !make_room(writes)) {
		free(block);
		return query_fail_memory(error);
	}
	*block = (struct block){.room = room};
	struct query_record record = {.topic = memcpy(take(block, name_bytes, 1), insert->topic, name_bytes),
	                              .timestamp_ms = -1,
	                              .partition = -1,
	                              .offset = -1};
	record.value = copy(block, value);
	pyr_result result = pyr_ok();
	for (size_t i = 0; i < insert->column_count && result.code == PYR_OK; i++)
		result = set_field(&record, insert->columns[i], &fields[i], block, error);
	if (result.code != PYR_OK) {
		free(block);
		return result;
	}
	writes->records[writes->count++] = record;
	writes->bytes += room;
	return pyr_ok();
}

pyr_result query_writes_add(struct query_writes *writes, const struct query_insert *insert,
                            const struct query_field *fields, struct query_error *error)
{
	struct base_slice value = {0};
	if (insert->shape)
		PYR_TRY(query_fields_write(insert, fields, &value, error));
	pyr_result result = add(writes, insert, fields, (struct base_bytes){value.data, value.bytes}, error);
	base_slice_release(&value);
	return result;
}

/* ---- savepoints ---- */

static pyr_result find_savepoint(const struct query_writes *writes, const char *name, size_t *ret_i,
                                 struct query_error *error)
{
	for (size_t i = writes->savepoint_count; i > 0; i--) {
		if (strcmp(writes->savepoints[i - 1].name, name) != 0)
			continue;
		*ret_i = i - 1;
		return pyr_ok();
	}
	return query_fail(error, "3B001", "savepoint \"%s\" does not exist", name);
}

static void drop_savepoints(struct query_writes *writes, size_t count)
{
	while (writes->savepoint_count > count)
		free(writes->savepoints[--writes->savepoint_count].name);
}

pyr_result query_writes_savepoint(struct query_writes *writes, const char *name, struct query_error *error)
{
	if (writes->savepoint_count == QUERY_SAVEPOINTS_MAX)
		return query_fail(error, "53400", "a transaction may have %d savepoints", QUERY_SAVEPOINTS_MAX);
	if (!writes->savepoints)
		writes->savepoints = calloc(QUERY_SAVEPOINTS_MAX, sizeof *writes->savepoints);
	char *copied = strdup(name);
	if (!writes->savepoints || !copied) {
		free(copied);
		return query_fail_memory(error);
	}
	writes->savepoints[writes->savepoint_count++] = (struct query_savepoint){copied, writes->count};
	return pyr_ok();
}

pyr_result query_writes_release(struct query_writes *writes, const char *name, struct query_error *error)
{
	size_t i = 0;
	PYR_TRY(find_savepoint(writes, name, &i, error));
	drop_savepoints(writes, i);
	return pyr_ok();
}

pyr_result query_writes_rollback_to(struct query_writes *writes, const char *name, struct query_error *error)
{
	size_t i = 0;
	PYR_TRY(find_savepoint(writes, name, &i, error));
	query_writes_cut(writes, writes->savepoints[i].count);
	drop_savepoints(writes, i + 1);
	return pyr_ok();
}

void query_writes_forget_savepoints(struct query_writes *writes)
{
	drop_savepoints(writes, 0);
}

/* ---- time ---- */

/* Days since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	unsigned of_era = (unsigned)(year - era * 400),
		 of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
	return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

/* "+01", "-0330", "+05:30", "Z" or nothing; minutes east of Greenwich. */
static bool read_zone(const char *text, int *ret_minutes)
{
	unsigned hours = 0, minutes = 0;
	char sign = *text;
	*ret_minutes = 0;
	if (!sign || strcasecmp(text, "z") == 0 || strcasecmp(text, "utc") == 0)
		return true;
	if ((sign != '+' && sign != '-') || (sscanf(text + 1, "%2u:%2u", &hours, &minutes) < 1 || hours > 15))
		return false;
	if (strlen(text) == 5 && !strchr(text, ':') && sscanf(text + 3, "%2u", &minutes) != 1)
		return false;
	*ret_minutes = (int)(hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	return minutes < 60;
}

bool query_timestamp_read(struct base_bytes text, int64_t *ret_us)
{
	char room[64], between = 0;
	int year = 0, used = 0, zone = 0;
	unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
	int64_t fraction_us = 0;
	snprintf(room, sizeof room, "%.*s", (int)text.bytes, (const char *)text.data);
	if (text.bytes >= sizeof room || sscanf(room, "%5d-%2u-%2u%n", &year, &month, &day, &used) != 3)
		return false;
	const char *at = room + used;
	if ((*at == ' ' || *at == 'T') && sscanf(at, "%c%2u:%2u%n", &between, &hour, &minute, &used) == 3) {
		at += used;
		if (*at == ':' && sscanf(at, ":%2u%n", &second, &used) == 1)
			at += used;
		int64_t unit = 100000;
		for (at += *at == '.'; isdigit((unsigned char)*at); at++, unit /= 10)
			fraction_us += (*at - '0') * unit;
	}
	while (*at == ' ')
		at += 1;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60 ||
	    !read_zone(at, &zone))
		return false;
	int64_t minutes = (days_of(year, month, day) * 24 + hour) * 60 + minute - zone;
	*ret_us = (minutes * 60 + second) * 1000000 + fraction_us;
	return true;
}
