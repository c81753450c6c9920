/* The conversation (see backend.h): simple queries, prepared statements, portals. */
#include "server/pg/backend.h"

#include "base/list.h"
#include "server/pg/values.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETER_BYTES_MAX = 4 * PG_MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX = 256 << 20 };

/* A prepared statement; shared by its portals. */
struct prepared {
	struct base_list node;
	char *name;
	struct query_statement *query; /* NULL: an empty text */
	bool ends_transaction;
	size_t text_bytes;
	unsigned references;
	const struct portal *runs; /* whose rows the statement gives now */
};

struct portal {
	struct base_list node;
	char *name;
	struct prepared *prepared;
	struct base_slice values; /* all parameters' texts */
	struct base_bytes *parameters;
	size_t parameter_count;
	uint8_t *formats;
	uint16_t format_count;
	bool started, ended;
	size_t chunk_rows, chunk_at; /* rows at hand, and how many of them are out */
	uint64_t rows;
};

struct pg_backend {
	struct query_session *session;
	struct pg_sink sink;
	struct base_writer output;
	struct base_list statements;
	struct base_list portals;
	size_t statement_count, portal_count, prepared_bytes;
	char status; /* 'I' idle, 'T' in a transaction block, 'E' in a failed one */
	bool skipping; /* until Sync */
	bool gone;
	struct pg_backend_counts counts;
};

static const struct catalog_principal anonymous = {.name = "anonymous"};

pyr_result pg_backend_new(struct query_engine *engine, struct query_source *source, const struct pg_sink *sink,
                          struct pg_backend **ret_backend)
{
	struct pg_backend *backend = calloc(1, sizeof *backend);
	if (!backend)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = query_session_new(engine, source, &anonymous, &backend->session);
	if (result.code != PYR_OK) {
		free(backend);
		return result;
	}
	backend->sink = *sink;
	backend->status = 'I';
	base_writer_init(&backend->output, OUTPUT_BYTES_MAX);
	base_list_init(&backend->statements);
	base_list_init(&backend->portals);
	*ret_backend = backend;
	return pyr_ok();
}

/* ---- output ---- */

bool pg_backend_flush(struct pg_backend *backend)
{
	struct base_slice slice;
	if (backend->gone)
		return false;
	if (backend->output.bytes == 0 && !backend->output.failed)
		return true;
	backend->gone = base_writer_take(&backend->output, &slice).code != PYR_OK ||
	                !backend->sink.send(backend->sink.context, &slice);
	return !backend->gone;
}

static bool flush_if_full(struct pg_backend *backend)
{
	return backend->output.bytes < PG_OUTPUT_BYTES || pg_backend_flush(backend);
}

static void answer_error(struct pg_backend *backend, const struct query_error *error)
{
	backend->counts.errors += 1;
	if (backend->status == 'T')
		backend->status = 'E';
	pg_write_error(&backend->output, "ERROR", error);
}

/* ---- statements and portals ---- */

static void prepared_release(struct prepared *prepared)
{
	if (--prepared->references > 0)
		return;
	query_statement_free(prepared->query);
	free(prepared->name);
	free(prepared);
}

static void portal_drop(struct pg_backend *backend, struct portal *portal)
{
	base_list_remove(&portal->node);
	backend->portal_count -= 1;
	if (portal->prepared->runs == portal) {
		portal->prepared->runs = NULL;
		if (portal->prepared->query)
			query_statement_stop(portal->prepared->query);
	}
	prepared_release(portal->prepared);
	base_slice_release(&portal->values);
	free(portal->parameters);
	free(portal->formats);
	free(portal->name);
	free(portal);
}

static void statement_drop(struct pg_backend *backend, struct prepared *prepared)
{
	base_list_remove(&prepared->node);
	backend->statement_count -= 1;
	backend->prepared_bytes -= prepared->text_bytes;
	prepared_release(prepared);
}

static void drop_portals(struct pg_backend *backend)
{
	while (!base_list_empty(&backend->portals))
		portal_drop(backend, (struct portal *)(void *)backend->portals.next);
}

static void drop_statements(struct pg_backend *backend)
{
	while (!base_list_empty(&backend->statements))
		statement_drop(backend, (struct prepared *)(void *)backend->statements.next);
}

static struct prepared *find_statement(const struct pg_backend *backend, const char *name)
{
	for (struct base_list *node = backend->statements.next; node != &backend->statements; node = node->next)
		if (strcmp(((struct prepared *)(void *)node)->name, name) == 0)
			return (struct prepared *)(void *)node;
	return NULL;
}

static struct portal *find_portal(const struct pg_backend *backend, const char *name)
{
	for (struct base_list *node = backend->portals.next; node != &backend->portals; node = node->next)
		if (strcmp(((struct portal *)(void *)node)->name, name) == 0)
			return (struct portal *)(void *)node;
	return NULL;
}

void pg_backend_free(struct pg_backend *backend)
{
	if (!backend)
		return;
	drop_portals(backend);
	drop_statements(backend);
	query_session_free(backend->session);
	base_writer_deinit(&backend->output);
	free(backend);
}

void pg_backend_cancel(struct pg_backend *backend)
{
	query_session_cancel(backend->session);
}

void pg_backend_stop(struct pg_backend *backend)
{
	query_session_stop(backend->session);
}

struct pg_backend_counts pg_backend_counts_get(const struct pg_backend *backend)
{
	return backend->counts;
}

/* ---- rows ---- */

static void describe_rows(struct pg_backend *backend, const struct query_statement *query, const uint8_t *formats,
                          uint16_t format_count)
{
	size_t count = query ? query_statement_column_count(query) : 0;
	if (count == 0) {
		pg_message_empty(&backend->output, 'n');
		return;
	}
	size_t at = pg_message_begin(&backend->output, 'T');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct query_column *column = query_statement_column(query, i);
		pg_write_string(&backend->output, column->name);
		base_write_u32be(&backend->output, 0); /* of no table */
		base_write_u16be(&backend->output, 0);
		base_write_u32be(&backend->output, column->type);
		base_write_u16be(&backend->output, (uint16_t)query_type_bytes(column->type));
		base_write_u32be(&backend->output, (uint32_t)column->modifier);
		base_write_u16be(&backend->output, pg_format_is_binary(formats, format_count, i));
	}
	pg_message_end(&backend->output, at);
}

static pyr_result write_row(struct pg_backend *backend, const struct query_statement *query, size_t row,
                            const uint8_t *formats, uint16_t format_count, struct query_error *error)
{
	size_t count = query_statement_column_count(query), start = backend->output.bytes;
	size_t at = pg_message_begin(&backend->output, 'D');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		pyr_result result = pg_value_write(&backend->output, query_statement_cell(query, row, i),
		                                   query_statement_column(query, i)->type,
		                                   pg_format_is_binary(formats, format_count, i), error);
		if (result.code != PYR_OK) {
			backend->output.bytes = start; /* half a row is none */
			return result;
		}
	}
	pg_message_end(&backend->output, at);
	return pyr_ok();
}

static void complete(struct pg_backend *backend, const struct query_statement *query, uint64_t rows)
{
	char tag[64];
	const char *name = query_statement_tag(query);
	bool counted = query_statement_kind(query) == QUERY_KIND_ROWS && strcmp(name, "SELECT") == 0;
	if (query_statement_kind(query) == QUERY_KIND_COMMIT && backend->status == 'E')
		name = "ROLLBACK";
	snprintf(tag, sizeof tag, counted ? "%s %llu" : "%s", name, (unsigned long long)rows);
	pg_write_complete(&backend->output, tag);
}

/* What a statement does beside giving rows. */
static pyr_result take_effect(struct pg_backend *backend, const struct query_statement *query,
                              struct query_error *error)
{
	const char *name = query_statement_name(query);
	switch (query_statement_kind(query)) {
	case QUERY_KIND_BEGIN:
		backend->status = 'T';
		return pyr_ok();
	case QUERY_KIND_COMMIT:
	case QUERY_KIND_ROLLBACK:
		backend->status = 'I';
		return pyr_ok();
	case QUERY_KIND_DEALLOCATE: {
		struct prepared *prepared = name ? find_statement(backend, name) : NULL;
		if (name && !prepared)
			return query_fail(error, "26000", "prepared statement \"%s\" does not exist", name);
		if (prepared)
			statement_drop(backend, prepared);
		else
			drop_statements(backend);
		return pyr_ok();
	}
	case QUERY_KIND_DISCARD:
		drop_statements(backend);
		return pyr_ok();
	default:
		return pyr_ok();
	}
}

static pyr_result check_block(const struct pg_backend *backend, bool ends_transaction, struct query_error *error)
{
	if (backend->status != 'E' || ends_transaction)
		return pyr_ok();
	return query_fail(error, "25P02",
	                  "current transaction is aborted, commands ignored until end of transaction block");
}

/* ---- simple query ---- */

static pyr_result send_all(struct pg_backend *backend, struct query_statement *query, struct query_error *error)
{
	size_t rows = 1;
	uint64_t total = 0;
	if (query_statement_column_count(query) > 0)
		describe_rows(backend, query, NULL, 0);
	while (rows > 0) {
		PYR_TRY(query_statement_next(query, &rows, error));
		for (size_t row = 0; row < rows; row++) {
			PYR_TRY(write_row(backend, query, row, NULL, 0, error));
			if (!flush_if_full(backend))
				return pyr_ok();
		}
		total += rows;
	}
	complete(backend, query, total);
	return pyr_ok();
}

static pyr_result run_simple(struct pg_backend *backend, struct query_script *script, size_t i,
                             struct query_error *error)
{
	struct query_statement *query;
	PYR_TRY(check_block(backend, query_script_ends_transaction(script, i), error));
	backend->counts.statements += 1;
	PYR_TRY(query_statement_new(backend->session, script, i, NULL, 0, &query, error));
	pyr_result result = query_statement_start(query, NULL, 0, error);
	if (result.code == PYR_OK)
		result = send_all(backend, query, error);
	if (result.code == PYR_OK)
		result = take_effect(backend, query, error);
	query_statement_free(query);
	return result;
}

static void on_query(struct pg_backend *backend, const char *text)
{
	struct query_script *script = NULL;
	struct query_error error;
	drop_portals(backend);
	pyr_result result = query_script_new(text, strlen(text), &script, &error);
	size_t count = result.code == PYR_OK ? query_script_count(script) : 0;
	if (result.code == PYR_OK && count == 0)
		pg_message_empty(&backend->output, 'I');
	for (size_t i = 0; i < count && result.code == PYR_OK && !backend->gone; i++)
		result = run_simple(backend, script, i, &error);
	if (result.code != PYR_OK)
		answer_error(backend, &error);
	query_script_free(script);
	pg_write_ready(&backend->output, backend->status);
}

/* ---- extended query ---- */

static pyr_result prepare_query(struct pg_backend *backend, const struct pg_parse *message, struct prepared *prepared,
                                struct query_error *error)
{
	struct query_script *script;
	PYR_TRY(query_script_new(message->text, strlen(message->text), &script, error));
	pyr_result result = pyr_ok();
	if (query_script_count(script) > 1)
		result = query_fail(error, "42601", "cannot insert multiple commands into a prepared statement");
	if (result.code == PYR_OK && query_script_count(script) == 1) {
		prepared->ends_transaction = query_script_ends_transaction(script, 0);
		result = check_block(backend, prepared->ends_transaction, error);
		if (result.code == PYR_OK)
			result = query_statement_new(backend->session, script, 0, message->types, message->type_count,
			                             &prepared->query, error);
	}
	query_script_free(script);
	return result;
}

static pyr_result check_room(const struct pg_backend *backend, const struct pg_parse *message,
                             struct query_error *error)
{
	if (backend->statement_count >= PG_STATEMENTS_MAX ||
	    backend->prepared_bytes + strlen(message->text) > PG_PREPARED_BYTES_MAX)
		return query_fail(error, "53400",
		                  "too many prepared statements: DEALLOCATE some, or close the connection");
	if (message->name[0] && find_statement(backend, message->name))
		return query_fail(error, "42P05", "prepared statement \"%s\" already exists", message->name);
	return pyr_ok();
}

static pyr_result on_parse(struct pg_backend *backend, const struct pg_parse *message, struct query_error *error)
{
	struct prepared *old = message->name[0] ? NULL : find_statement(backend, "");
	if (old)
		statement_drop(backend, old);
	PYR_TRY(check_room(backend, message, error));
	struct prepared *prepared = calloc(1, sizeof *prepared);
	if (!prepared)
		return query_fail_memory(error);
	prepared->references = 1;
	prepared->name = strdup(message->name);
	prepared->text_bytes = strlen(message->text);
	pyr_result result =
		prepared->name ? prepare_query(backend, message, prepared, error) : query_fail_memory(error);
	if (result.code != PYR_OK) {
		prepared_release(prepared);
		return result;
	}
	base_list_append(&backend->statements, &prepared->node);
	backend->statement_count += 1;
	backend->prepared_bytes += prepared->text_bytes;
	pg_message_empty(&backend->output, '1');
	return pyr_ok();
}

/* Texts of all parameters, one behind the other; `ends` tells where each ends. */
static pyr_result write_parameters(const struct prepared *prepared, const struct pg_bind *message,
                                   struct base_writer *writer, size_t *ends, struct query_error *error)
{
	for (size_t i = 0; i < message->parameter_count; i++) {
		const struct pg_bind_parameter *parameter = &message->parameters[i];
		if (parameter->value.data)
			PYR_TRY(pg_parameter_write(writer, parameter->value,
			                           query_statement_parameter_type(prepared->query, i),
			                           parameter->binary, error));
		ends[i] = writer->bytes;
	}
	base_write_u8(writer, 0); /* so that even empty texts have an address */
	return pyr_ok();
}

static pyr_result take_parameters(struct portal *portal, const struct pg_bind *message, struct query_error *error)
{
	struct base_writer writer;
	size_t count = message->parameter_count, from = 0;
	size_t expected = portal->prepared->query ? query_statement_parameter_count(portal->prepared->query) : 0;
	if (count != expected)
		return query_fail(error, "08P01",
		                  "bind message supplies %zu parameters, but prepared statement \"%s\" requires %zu",
		                  count, portal->prepared->name, expected);
	size_t *ends = calloc(count + 1, sizeof *ends);
	portal->parameters = calloc(count + 1, sizeof *portal->parameters);
	base_writer_init(&writer, PARAMETER_BYTES_MAX);
	pyr_result result = ends && portal->parameters
	                            ? write_parameters(portal->prepared, message, &writer, ends, error)
	                            : query_fail_memory(error);
	if (result.code == PYR_OK && base_writer_take(&writer, &portal->values).code != PYR_OK)
		result = query_fail_memory(error);
	for (size_t i = 0; i < count && ends && result.code == PYR_OK; i++) {
		if (message->parameters[i].value.data)
			portal->parameters[i] = (struct base_bytes){portal->values.data + from, ends[i] - from};
		from = ends[i];
	}
	portal->parameter_count = count;
	base_writer_deinit(&writer);
	free(ends);
	return result;
}

static pyr_result fill_portal(struct portal *portal, const struct pg_bind *message, struct query_error *error)
{
	size_t columns = portal->prepared->query ? query_statement_column_count(portal->prepared->query) : 0;
	if (message->format_count > 1 && message->format_count != columns)
		return query_fail(error, "08P01", "bind message has %u result formats but query has %zu columns",
		                  message->format_count, columns);
	portal->name = strdup(message->portal);
	portal->formats = malloc((size_t)message->format_count * 2 + 1);
	if (!portal->name || !portal->formats)
		return query_fail_memory(error);
	memcpy(portal->formats, message->formats, (size_t)message->format_count * 2);
	portal->format_count = message->format_count;
	return take_parameters(portal, message, error);
}

static pyr_result on_bind(struct pg_backend *backend, const struct pg_bind *message, struct query_error *error)
{
	struct prepared *prepared = find_statement(backend, message->statement);
	struct portal *old = find_portal(backend, message->portal);
	if (!prepared)
		return query_fail(error, "26000", "prepared statement \"%s\" does not exist", message->statement);
	PYR_TRY(check_block(backend, prepared->ends_transaction, error));
	if (old && message->portal[0])
		return query_fail(error, "42P03", "portal \"%s\" already exists", message->portal);
	if (old)
		portal_drop(backend, old);
	if (backend->portal_count >= PG_PORTALS_MAX)
		return query_fail(error, "53400", "too many open portals: close some");
	struct portal *portal = calloc(1, sizeof *portal);
	if (!portal)
		return query_fail_memory(error);
	portal->prepared = prepared;
	prepared->references += 1;
	base_list_append(&backend->portals, &portal->node);
	backend->portal_count += 1;
	pyr_result result = fill_portal(portal, message, error);
	if (result.code != PYR_OK)
		portal_drop(backend, portal);
	else
		pg_message_empty(&backend->output, '2');
	return result;
}

static void describe_parameters(struct pg_backend *backend, const struct query_statement *query)
{
	size_t count = query ? query_statement_parameter_count(query) : 0;
	size_t at = pg_message_begin(&backend->output, 't');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		base_write_u32be(&backend->output, query_statement_parameter_type(query, i));
	pg_message_end(&backend->output, at);
}

static pyr_result on_describe(struct pg_backend *backend, const struct pg_target *message, struct query_error *error)
{
	if (message->kind == 'S') {
		struct prepared *prepared = find_statement(backend, message->name);
		if (!prepared)
			return query_fail(error, "26000", "prepared statement \"%s\" does not exist", message->name);
		describe_parameters(backend, prepared->query);
		describe_rows(backend, prepared->query, NULL, 0);
		return pyr_ok();
	}
	struct portal *portal = find_portal(backend, message->name);
	if (!portal)
		return query_fail(error, "34000", "portal \"%s\" does not exist", message->name);
	describe_rows(backend, portal->prepared->query, portal->formats, portal->format_count);
	return pyr_ok();
}

static pyr_result start_portal(struct pg_backend *backend, struct portal *portal, struct query_error *error)
{
	portal->started = true;
	portal->prepared->runs = portal;
	backend->counts.statements += 1;
	return query_statement_start(portal->prepared->query, portal->parameters, portal->parameter_count, error);
}

/* Sends up to `most` rows; *ret_more when it stopped because of that. */
static pyr_result send_rows(struct pg_backend *backend, struct portal *portal, uint64_t most, bool *ret_more,
                            struct query_error *error)
{
	struct query_statement *query = portal->prepared->query;
	for (uint64_t sent = 0;; sent++) {
		if (portal->chunk_at == portal->chunk_rows) {
			portal->chunk_at = 0;
			PYR_TRY(query_statement_next(query, &portal->chunk_rows, error));
			if (portal->chunk_rows == 0)
				return pyr_ok();
		}
		if (sent == most) {
			*ret_more = true;
			return pyr_ok();
		}
		PYR_TRY(write_row(backend, query, portal->chunk_at, portal->formats, portal->format_count, error));
		portal->chunk_at += 1;
		portal->rows += 1;
		if (!flush_if_full(backend))
			return pyr_ok();
	}
}

static pyr_result run_portal(struct pg_backend *backend, struct portal *portal, uint32_t rows_max,
                             struct query_error *error)
{
	struct query_statement *query = portal->prepared->query;
	uint64_t before = portal->rows;
	bool more = false;
	if (!portal->started)
		PYR_TRY(start_portal(backend, portal, error));
	else if (!portal->ended && portal->prepared->runs != portal)
		return query_fail(error, "55000", "the portal's rows are gone: its statement has been started again");
	if (!portal->ended)
		PYR_TRY(send_rows(backend, portal, rows_max > 0 ? rows_max : UINT64_MAX, &more, error));
	if (more) {
		pg_message_empty(&backend->output, 's');
		return pyr_ok();
	}
	if (!portal->ended)
		query_statement_stop(query);
	portal->ended = true;
	complete(backend, query, portal->rows - before);
	return take_effect(backend, query, error);
}

static pyr_result on_execute(struct pg_backend *backend, const struct pg_execute *message, struct query_error *error)
{
	struct portal *portal = find_portal(backend, message->portal);
	if (!portal)
		return query_fail(error, "34000", "portal \"%s\" does not exist", message->portal);
	PYR_TRY(check_block(backend, portal->prepared->ends_transaction, error));
	if (!portal->prepared->query) {
		pg_message_empty(&backend->output, 'I');
		return pyr_ok();
	}
	return run_portal(backend, portal, message->rows_max, error);
}

static void on_close(struct pg_backend *backend, const struct pg_target *message)
{
	struct prepared *prepared = message->kind == 'S' ? find_statement(backend, message->name) : NULL;
	struct portal *portal = message->kind == 'P' ? find_portal(backend, message->name) : NULL;
	if (prepared)
		statement_drop(backend, prepared);
	if (portal)
		portal_drop(backend, portal);
	pg_message_empty(&backend->output, '3');
}

static bool on_sync(struct pg_backend *backend)
{
	backend->skipping = false;
	if (backend->status != 'T')
		drop_portals(backend);
	pg_write_ready(&backend->output, backend->status);
	return pg_backend_flush(backend);
}

/* ---- the messages ---- */

static pyr_result malformed(struct query_error *error, char type)
{
	return query_fail(error, "08P01", "malformed message of type '%c'", type);
}

static pyr_result take_parse(struct pg_backend *backend, struct base_bytes body, struct query_error *error)
{
	struct pg_parse *message = malloc(sizeof *message);
	if (!message)
		return query_fail_memory(error);
	pyr_result result = pg_parse_decode(body, message);
	result = result.code == PYR_OK ? on_parse(backend, message, error) : malformed(error, 'P');
	free(message);
	return result;
}

static pyr_result take_bind(struct pg_backend *backend, struct base_bytes body, struct query_error *error)
{
	struct pg_bind *message = malloc(sizeof *message);
	if (!message)
		return query_fail_memory(error);
	pyr_result result = pg_bind_decode(body, message);
	result = result.code == PYR_OK ? on_bind(backend, message, error) : malformed(error, 'B');
	free(message);
	return result;
}

static pyr_result take_target(struct pg_backend *backend, char type, struct base_bytes body, struct query_error *error)
{
	struct pg_target message;
	if (pg_target_decode(body, &message).code != PYR_OK)
		return malformed(error, type);
	if (type == 'D')
		return on_describe(backend, &message, error);
	on_close(backend, &message);
	return pyr_ok();
}

static pyr_result take_execute(struct pg_backend *backend, struct base_bytes body, struct query_error *error)
{
	struct pg_execute message;
	if (pg_execute_decode(body, &message).code != PYR_OK)
		return malformed(error, 'E');
	return on_execute(backend, &message, error);
}

static bool take_query(struct pg_backend *backend, struct base_bytes body)
{
	struct query_error error;
	const char *text;
	if (pg_query_decode(body, &text).code == PYR_OK) {
		on_query(backend, text);
	} else {
		pyr_ignore(malformed(&error, 'Q'));
		answer_error(backend, &error);
		pg_write_ready(&backend->output, backend->status);
	}
	return pg_backend_flush(backend);
}

static pyr_result take_extended(struct pg_backend *backend, char type, struct base_bytes body,
                                struct query_error *error)
{
	switch (type) {
	case 'P':
		return take_parse(backend, body, error);
	case 'B':
		return take_bind(backend, body, error);
	case 'D':
	case 'C':
		return take_target(backend, type, body, error);
	case 'E':
		return take_execute(backend, body, error);
	default:
		return query_fail(error, "0A000", "messages of type '%c' are not supported", type);
	}
}

bool pg_backend_message(struct pg_backend *backend, char type, struct base_bytes body)
{
	struct query_error error;
	if (backend->gone)
		return false;
	if (type == 'S')
		return on_sync(backend);
	if (backend->skipping || type == 'd' || type == 'c' || type == 'f') /* no copy is under way: as PostgreSQL */
		return true;
	if (type == 'Q')
		return take_query(backend, body);
	if (type == 'H')
		return pg_backend_flush(backend);
	if (take_extended(backend, type, body, &error).code != PYR_OK) {
		answer_error(backend, &error);
		/* A function call is answered by itself, without Sync. */
		backend->skipping = type != 'F';
		if (type == 'F')
			pg_write_ready(&backend->output, backend->status);
	}
	return flush_if_full(backend);
}
