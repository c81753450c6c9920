/* pyralog topic infer (see infer.h): what every value of a field fits is its type; objects are looked into.
 *
 * A field that is null, or missing, in some records is a column all the same. A field whose values have nothing in common is
 * text; arrays are json. Names are the paths' last parts as far as they differ. Limits: FIELDS_MAX fields, DEPTH_MAX deep.
 */
#include "cli/infer.h"

#include "base/cursor.h"
#include "cli/answer.h"
#include "column/field.h"
#include "shell/progress.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 200, DEPTH_MAX = 4, PATH_BYTES = 256, NAME_BYTES = 64 };

/* From the narrowest on: the first that all values fit is taken. */
static const struct {
	enum column_type type;
	const char *name;
} candidates[] = {
	{COLUMN_TYPE_BOOL, "boolean"}, {COLUMN_TYPE_INT4, "integer"},
	{COLUMN_TYPE_INT8, "bigint"},  {COLUMN_TYPE_FLOAT8, "double precision"},
	{COLUMN_TYPE_DATE, "date"},    {COLUMN_TYPE_TIMESTAMPTZ, "timestamptz"},
	{COLUMN_TYPE_UUID, "uuid"},    {COLUMN_TYPE_TEXT, "text"},
	{COLUMN_TYPE_JSON, "json"},
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0], ALL = (1 << CANDIDATES) - 1 };

struct field {
	char path[PATH_BYTES], name[NAME_BYTES];
	unsigned fits; /* a bit for each candidate */
	size_t count;
};

struct inference {
	struct field fields[FIELDS_MAX];
	size_t field_count, records, no_objects;
	struct base_writer scratch;
	bool overflowed;
	struct shell_progress progress;
};

/* ---- looking at values ---- */

/* A number is no boolean and no time here, nor is "12" a number: what is written decides. */
static bool fits(const struct column_json *value, enum column_type type, struct base_writer *scratch)
{
	union column_field_value converted;
	struct column_field_type with = {type, 38, 0};
	bool text = value->kind == COLUMN_JSON_STRING, number = value->kind == COLUMN_JSON_NUMBER;
	bool truth = value->kind == COLUMN_JSON_TRUE || value->kind == COLUMN_JSON_FALSE;
	switch (type) {
	case COLUMN_TYPE_JSON:
		return true;
	case COLUMN_TYPE_BOOL:
		return truth;
	case COLUMN_TYPE_INT4:
	case COLUMN_TYPE_INT8:
	case COLUMN_TYPE_FLOAT8:
		return number && column_field_convert(with, value, scratch, &converted) == COLUMN_FIT;
	case COLUMN_TYPE_TEXT:
		return text || number || truth;
	case COLUMN_TYPE_DATE:
		return text && value->text.bytes == 10 &&
		       column_field_convert(with, value, scratch, &converted) == COLUMN_FIT;
	default:
		return text && column_field_convert(with, value, scratch, &converted) == COLUMN_FIT;
	}
}

static struct field *field_of(struct inference *inference, const char *path)
{
	for (size_t i = 0; i < inference->field_count; i++)
		if (strcmp(inference->fields[i].path, path) == 0)
			return &inference->fields[i];
	inference->overflowed |= inference->field_count == FIELDS_MAX;
	if (inference->field_count == FIELDS_MAX)
		return NULL;
	struct field *field = &inference->fields[inference->field_count++];
	*field = (struct field){.fits = ALL};
	memcpy(field->path, path, strlen(path) + 1);
	return field;
}

static void look_at(struct inference *inference, const char *path, const struct column_json *value)
{
	struct field *field = field_of(inference, path);
	if (!field || value->kind == COLUMN_JSON_NULL)
		return;
	field->count += 1;
	for (size_t i = 0; i < CANDIDATES; i++)
		if (!fits(value, candidates[i].type, &inference->scratch))
			field->fits &= ~(1u << i);
}

/* The path with one more name: in quotes unless it is plain. False: too long. */
static bool descend(const char *path, const struct column_json *name, char room[PATH_BYTES])
{
	const char *text = (const char *)name->text.data;
	bool plain = name->text.bytes > 0 && !name->escaped;
	for (size_t i = 0; i < name->text.bytes && plain; i++)
		plain = text[i] != '.' && text[i] != '[' && text[i] != '"';
	int bytes = snprintf(room, PATH_BYTES, "%s%s%s%.*s%s", path, path[0] ? "." : "", plain ? "" : "\"",
	                     (int)name->text.bytes, text, plain ? "" : "\"");
	return !name->escaped && bytes < PATH_BYTES;
}

static void walk(struct inference *inference, const char *path, const struct column_json *object, int depth)
{
	struct column_json name, value;
	char inner[PATH_BYTES];
	for (size_t at = 0; column_json_member(object->text, &at, &name, &value);) {
		if (!descend(path, &name, inner))
			continue;
		if (value.kind == COLUMN_JSON_OBJECT && depth > 1)
			walk(inference, inner, &value, depth - 1);
		else
			look_at(inference, inner, &value);
	}
}

static void tell_progress(void *context)
{
	struct inference *inference = context;
	char text[64];
	snprintf(text, sizeof text, "%zu records looked at", inference->records);
	shell_progress_tell(&inference->progress, -1, text);
}

static void take_row(void *context, const char *const *cells, const size_t *bytes)
{
	struct inference *inference = context;
	struct base_bytes text = {(const uint8_t *)cells[0], bytes[0]};
	struct column_json whole;
	struct column_json_paths *none;
	inference->records += 1;
	tell_progress(inference);
	if (column_json_paths_new(NULL, 0, &none, NULL).code != PYR_OK)
		return;
	bool valid = column_json_find(none, text, &whole);
	column_json_paths_free(none);
	size_t blanks = strspn(cells[0], " \t\r\n");
	if (!valid || cells[0][blanks] != '{') {
		inference->no_objects += 1;
		return;
	}
	whole = (struct column_json){COLUMN_JSON_OBJECT, false, {text.data + blanks, text.bytes - blanks}};
	walk(inference, "", &whole, DEPTH_MAX);
}

/* ---- names ---- */

static bool is_taken(const struct inference *inference, size_t before, const char *name)
{
	static const char *const own[] = {"offset",  "partition", "timestamp",   "key",  "value",
	                                  "headers", "key_bytes", "value_bytes", "ctid", "xmin"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(own[i], name) == 0)
			return true;
	for (size_t i = 0; i < before; i++)
		if (strcmp(inference->fields[i].name, name) == 0)
			return true;
	return false;
}

/* "dep.delay" is delay, or dep_delay if there is another. */
static void name_fields(struct inference *inference)
{
	for (size_t i = 0; i < inference->field_count; i++) {
		struct field *field = &inference->fields[i];
		const char *last = strrchr(field->path, '.');
		const char *from = last && last[1] && !strchr(field->path, '"') ? last + 1 : field->path;
		for (int round = 0; round < 100; round++) {
			size_t used = 0;
			for (const char *c = from; *c && used < NAME_BYTES - 5; c++)
				if (*c != '"')
					field->name[used++] = isalnum((unsigned char)*c) || (*c & 0x80)
					                              ? (char)tolower((unsigned char)*c)
					                              : '_';
			field->name[used] = '\0';
			if (round > 1)
				snprintf(field->name + used, NAME_BYTES - used, "_%d", round);
			if (!is_taken(inference, i, field->name))
				break;
			from = field->path;
		}
	}
}

/* ---- the statement ---- */

static const char *type_of(const struct field *field)
{
	if (field->count == 0)
		return NULL; /* null whenever it is there */
	for (size_t i = 0; i < CANDIDATES; i++)
		if (field->fits & 1u << i)
			return candidates[i].name;
	return "text";
}

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_bytes(writer, text, strlen(text));
}

static void write_quoted(struct base_writer *writer, struct shell_client *client, const char *text, bool as_name)
{
	char *quoted = shell_client_quote(client, text, as_name);
	write_text(writer, quoted ? quoted : "");
	writer->failed |= !quoted;
	free(quoted);
}

static size_t write_statement(const struct inference *inference, struct shell_client *client, const char *topic,
                              struct base_writer *writer)
{
	size_t count = 0;
	write_text(writer, "ALTER TOPIC ");
	write_quoted(writer, client, topic, true);
	for (size_t i = 0; i < inference->field_count; i++) {
		const struct field *field = &inference->fields[i];
		if (!type_of(field))
			continue;
		write_text(writer, count++ > 0 ? ",\n  ADD COLUMN IF NOT EXISTS " : "\n  ADD COLUMN IF NOT EXISTS ");
		write_quoted(writer, client, field->name, true);
		write_text(writer, " ");
		write_text(writer, type_of(field));
		if (strcmp(field->name, field->path) != 0) {
			write_text(writer, " PATH ");
			write_quoted(writer, client, field->path, false);
		}
	}
	base_write_bytes(writer, ";", 2);
	return count;
}

static pyr_result run(struct shell_client *client, const char *text, const struct shell_sink *sink,
                      struct pyr_error *error)
{
	char *message = NULL;
	pyr_result result = shell_client_run(client, text, sink, &message, error);
	if (message)
		result = pyr_fail(error, PYR_QUERY, "%.*s", (int)strcspn(message, "\n"), message);
	free(message);
	return result;
}

static pyr_result look(struct inference *inference, struct shell_client *client, const char *topic, size_t sample,
                       struct pyr_error *error)
{
	struct shell_sink sink = {.context = inference, .row = take_row, .waiting = tell_progress};
	char *quoted = shell_client_quote(client, topic, true), *query = NULL;
	if (!quoted || asprintf(&query, "SELECT value FROM %s WHERE value IS NOT NULL LIMIT %zu", quoted, sample) < 0) {
		free(quoted);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	pyr_result result = run(client, query, &sink, error);
	free(query);
	free(quoted);
	return result;
}

static void print_json(const struct inference *inference, const struct cli_infer_options *how, const char *statement)
{
	printf("{\"topic\": ");
	cli_json_text(how->topic);
	printf(", \"records\": %zu, \"no_objects\": %zu, \"columns\": [", inference->records, inference->no_objects);
	for (size_t i = 0, written = 0; i < inference->field_count; i++) {
		const struct field *field = &inference->fields[i];
		if (!type_of(field))
			continue;
		printf(written++ > 0 ? ", {\"name\": " : "{\"name\": ");
		cli_json_text(field->name);
		printf(", \"type\": \"%s\", \"path\": ", type_of(field));
		cli_json_text(field->path);
		putchar('}');
	}
	printf("], \"statement\": ");
	cli_json_text(statement);
	printf("}\n");
}

static pyr_result propose(struct inference *inference, struct shell_client *client, const struct cli_infer_options *how,
                          struct pyr_error *error)
{
	static const struct shell_sink none = {.context = NULL};
	struct base_writer writer;
	if (inference->records == inference->no_objects)
		return pyr_fail(error, PYR_NOT_FOUND, "none of %zu records of %s is a JSON object", inference->records,
		                how->topic);
	name_fields(inference);
	base_writer_init(&writer, 1 << 20);
	size_t count = write_statement(inference, client, how->topic, &writer);
	pyr_result result = writer.failed ? pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory") : pyr_ok();
	const char *statement = writer.failed ? "" : (const char *)writer.buffer->data;
	if (result.code == PYR_OK && how->json) {
		print_json(inference, how, count > 0 ? statement : "");
	} else if (result.code == PYR_OK && count > 0) {
		printf("%s\n", statement);
		fflush(stdout);
	}
	if (result.code == PYR_OK && count > 0 && how->apply)
		result = run(client, statement, &none, error);
	base_writer_deinit(&writer);
	if (how->json)
		return result;
	fprintf(stderr, "%zu records looked at, %zu of them no JSON objects; %zu columns%s%s\n", inference->records,
	        inference->no_objects, count, inference->overflowed ? ", the first 200 fields only" : "",
	        how->apply ? " declared" : "; --apply declares them");
	return result;
}

pyr_result cli_infer(const struct shell_client_options *server, const struct cli_infer_options *how,
                     struct pyr_error *error)
{
	struct shell_client *client;
	PYR_TRY(shell_client_open(server, &client, error));
	struct inference *inference = calloc(1, sizeof *inference);
	pyr_result result = inference ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (inference) {
		base_writer_init(&inference->scratch, 1 << 24);
		shell_progress_begin(&inference->progress, how->color, stderr, SHELL_PROGRESS_US);
		result = look(inference, client, how->topic, how->sample, error);
		shell_progress_clear(&inference->progress);
		if (result.code == PYR_OK)
			result = propose(inference, client, how, error);
		base_writer_deinit(&inference->scratch);
	}
	free(inference);
	shell_client_free(client);
	return result;
}
