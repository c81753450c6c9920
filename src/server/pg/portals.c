/* Prepared statements and portals: Parse, Bind, Describe, Execute, Close (see backend_priv.h).
 *
 * A session runs one statement at a time. A portal that shall be read beside others (a cursor, or Execute with a limit in
 * a transaction block) gets a session of its own; any other shares the connection's, and is over when the next starts.
 */
#include "server/pg/backend_priv.h"

#include "server/pg/values.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMETER_BYTES_MAX = 4 * PG_MESSAGE_BYTES_MAX };

/* ---- keeping them ---- */

static void prepared_release(struct prepared *prepared)
{
	if (!prepared || --prepared->references > 0)
		return;
	query_statement_free(prepared->query);
	free(prepared->name);
	free(prepared);
}

void pg_drop_portal(struct pg_backend *backend, struct portal *portal)
{
	base_list_remove(&portal->node);
	backend->portal_count -= 1;
	if (portal->prepared && portal->prepared->runs == portal) {
		portal->prepared->runs = NULL;
		if (portal->prepared->query)
			query_statement_stop(portal->prepared->query);
	}
	query_statement_free(portal->own);
	query_session_free(portal->session);
	prepared_release(portal->prepared);
	base_slice_release(&portal->values);
	free(portal->parameters);
	free(portal->formats);
	free(portal->name);
	free(portal);
}

void pg_drop_statement(struct pg_backend *backend, struct prepared *prepared)
{
	base_list_remove(&prepared->node);
	backend->statement_count -= 1;
	backend->prepared_bytes -= prepared->text_bytes;
	prepared_release(prepared);
}

void pg_drop_portals(struct pg_backend *backend, bool held_too)
{
	for (struct base_list *node = backend->portals.next, *next; node != &backend->portals; node = next) {
		struct portal *portal = BASE_CONTAINER(node, struct portal, node);
		next = node->next;
		if (held_too || !portal->hold)
			pg_drop_portal(backend, portal);
	}
}

void pg_drop_statements(struct pg_backend *backend)
{
	while (!base_list_empty(&backend->statements))
		pg_drop_statement(backend, BASE_CONTAINER(backend->statements.next, struct prepared, node));
}

struct prepared *pg_find_statement(const struct pg_backend *backend, const char *name)
{
	for (struct base_list *node = backend->statements.next; node != &backend->statements; node = node->next)
		if (strcmp(BASE_CONTAINER(node, struct prepared, node)->name, name) == 0)
			return BASE_CONTAINER(node, struct prepared, node);
	return NULL;
}

struct portal *pg_find_portal(const struct pg_backend *backend, const char *name)
{
	for (struct base_list *node = backend->portals.next; node != &backend->portals; node = node->next)
		if (strcmp(BASE_CONTAINER(node, struct portal, node)->name, name) == 0)
			return BASE_CONTAINER(node, struct portal, node);
	return NULL;
}

static pyr_result portal_new(struct pg_backend *backend, const char *name, struct portal **ret_portal,
                             struct query_error *error)
{
	if (backend->portal_count >= PG_PORTALS_MAX)
		return query_fail(error, "53400", "too many open portals: close some");
	struct portal *portal = calloc(1, sizeof *portal);
	char *copy = strdup(name);
	if (!portal || !copy) {
		free(portal);
		free(copy);
		return query_fail_memory(error);
	}
	portal->name = copy;
	base_list_append(&backend->portals, &portal->node);
	backend->portal_count += 1;
	*ret_portal = portal;
	return pyr_ok();
}

/* ---- sessions of their own ---- */

static pyr_result give_session(struct pg_backend *backend, struct portal *portal, const struct query_statement *query,
                               struct query_error *error)
{
	if (query_session_new_beside(backend->session, &portal->session).code != PYR_OK)
		return query_fail_memory(error);
	return query_statement_copy(portal->session, query, &portal->own, error);
}

pyr_result pg_declare(struct pg_backend *backend, const struct query_statement *query,
                      const struct base_bytes *parameters, size_t parameter_count, struct query_error *error)
{
	const struct query_plan *plan = query_statement_plan(query);
	struct portal *portal = NULL;
	if (backend->status != 'T' && !plan->hold)
		return query_fail(error, "25P01", "DECLARE CURSOR can only be used in transaction blocks");
	if (pg_find_portal(backend, plan->name))
		return query_fail(error, "42P03", "cursor \"%s\" already exists", plan->name);
	PYR_TRY(portal_new(backend, plan->name, &portal, error));
	portal->hold = plan->hold;
	pyr_result result = give_session(backend, portal, query, error);
	if (result.code == PYR_OK)
		result = query_statement_start(portal->own, parameters, parameter_count, error);
	portal->started = result.code == PYR_OK;
	query_session_yield(backend->session); /* from here on at the client's pace */
	if (result.code != PYR_OK)
		pg_drop_portal(backend, portal);
	return result;
}

/* ---- Parse ---- */

static pyr_result prepare_query(struct pg_backend *backend, const struct pg_parse *message, struct prepared *prepared,
                                struct query_error *error)
{
	struct query_script *script;
	if (!pg_take_made_script(backend, &script))
		PYR_TRY(query_script_new(message->text, strlen(message->text), &script, error));
	pyr_result result = pyr_ok();
	if (query_script_count(script) > 1)
		result = query_fail(error, "42601", "cannot insert multiple commands into a prepared statement");
	if (result.code == PYR_OK && query_script_count(script) == 1) {
		prepared->ends_transaction = query_script_ends_transaction(script, 0);
		result = pg_check_block(backend, prepared->ends_transaction, error);
		if (result.code == PYR_OK && !pg_take_made(backend, &prepared->query))
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
	if (message->name[0] && pg_find_statement(backend, message->name))
		return query_fail(error, "42P05", "prepared statement \"%s\" already exists", message->name);
	return pyr_ok();
}

pyr_result pg_on_parse(struct pg_backend *backend, const struct pg_parse *message, struct query_error *error)
{
	struct prepared *old = message->name[0] ? NULL : pg_find_statement(backend, "");
	if (old)
		pg_drop_statement(backend, old);
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

/* ---- Bind ---- */

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
	const struct query_statement *query = portal->prepared->query;
	size_t columns = query ? query_statement_column_count(query) : 0;
	bool fetches = query && query_statement_kind(query) == QUERY_KIND_FETCH; /* its cursor knows */
	if (message->format_count > 1 && message->format_count != columns && !fetches)
		return query_fail(error, "08P01", "bind message has %u result formats but query has %zu columns",
		                  message->format_count, columns);
	portal->formats = malloc((size_t)message->format_count * 2 + 1);
	if (!portal->formats)
		return query_fail_memory(error);
	memcpy(portal->formats, message->formats, (size_t)message->format_count * 2);
	portal->format_count = message->format_count;
	return take_parameters(portal, message, error);
}

pyr_result pg_on_bind(struct pg_backend *backend, const struct pg_bind *message, struct query_error *error)
{
	struct prepared *prepared = pg_find_statement(backend, message->statement);
	struct portal *old = pg_find_portal(backend, message->portal), *portal = NULL;
	if (!prepared)
		return query_fail(error, "26000", "prepared statement \"%s\" does not exist", message->statement);
	PYR_TRY(pg_check_block(backend, prepared->ends_transaction, error));
	if (old && message->portal[0])
		return query_fail(error, "42P03", "portal \"%s\" already exists", message->portal);
	if (old)
		pg_drop_portal(backend, old);
	PYR_TRY(portal_new(backend, message->portal, &portal, error));
	portal->prepared = prepared;
	prepared->references += 1;
	pyr_result result = fill_portal(portal, message, error);
	if (result.code != PYR_OK)
		pg_drop_portal(backend, portal);
	else
		pg_message_empty(&backend->output, '2');
	return result;
}

/* ---- Describe ---- */

static void describe_parameters(struct pg_backend *backend, const struct query_statement *query)
{
	size_t count = query ? query_statement_parameter_count(query) : 0;
	size_t at = pg_message_begin(&backend->output, 't');
	base_write_u16be(&backend->output, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		base_write_u32be(&backend->output, query_statement_parameter_type(query, i));
	pg_message_end(&backend->output, at);
}

/* FETCH has the columns of its cursor. */
static pyr_result describe_query(struct pg_backend *backend, const struct query_statement *query,
                                 const struct pg_shape *shape, struct query_error *error)
{
	if (query && query_statement_kind(query) == QUERY_KIND_FETCH) {
		const struct query_plan *plan = query_statement_plan(query);
		struct portal *cursor = pg_find_portal(backend, plan->name);
		if (!cursor)
			return query_fail(error, "34000", "cursor \"%s\" does not exist", plan->name);
		query = plan->moves ? NULL : pg_portal_query(cursor);
		if (query)
			pg_describe_rows(backend, query, shape);
		else
			pg_message_empty(&backend->output, 'n');
		return pyr_ok();
	}
	if (query && pg_gives_rows(query))
		pg_describe_rows(backend, query, shape);
	else
		pg_message_empty(&backend->output, 'n');
	return pyr_ok();
}

pyr_result pg_on_describe(struct pg_backend *backend, const struct pg_target *message, struct query_error *error)
{
	if (message->kind == 'S') {
		struct prepared *prepared = pg_find_statement(backend, message->name);
		struct pg_shape shape = {0};
		if (!prepared)
			return query_fail(error, "26000", "prepared statement \"%s\" does not exist", message->name);
		describe_parameters(backend, prepared->query);
		return describe_query(backend, prepared->query, &shape, error);
	}
	struct portal *portal = pg_find_portal(backend, message->name);
	if (!portal)
		return query_fail(error, "34000", "portal \"%s\" does not exist", message->name);
	struct pg_shape shape = {.formats = portal->formats, .format_count = portal->format_count};
	if (!portal->prepared) { /* a cursor */
		pg_describe_rows(backend, portal->own, &shape);
		return pyr_ok();
	}
	return describe_query(backend, portal->prepared->query, &shape, error);
}

/* ---- Execute ---- */

static bool is_streamed(const struct query_statement *query)
{
	enum query_kind kind = query_statement_kind(query);
	return kind == QUERY_KIND_ROWS || kind == QUERY_KIND_EXPLAIN ||
	       (kind == QUERY_KIND_INSERT && pg_gives_rows(query));
}

static pyr_result start_portal(struct pg_backend *backend, struct portal *portal, bool limited,
                               struct query_error *error)
{
	portal->started = true;
	backend->counts.statements += 1;
	if (limited && backend->status == 'T' && query_statement_kind(portal->prepared->query) == QUERY_KIND_ROWS)
		PYR_TRY(give_session(backend, portal, portal->prepared->query, error));
	else
		portal->prepared->runs = portal;
	return query_statement_start(pg_portal_query(portal), portal->parameters, portal->parameter_count, error);
}

static pyr_result run_portal(struct pg_backend *backend, struct portal *portal, uint32_t rows_max,
                             struct query_error *error)
{
	struct pg_shape shape = {.formats = portal->formats, .format_count = portal->format_count};
	uint64_t before = portal->rows;
	bool more = false;
	if (!portal->started)
		PYR_TRY(start_portal(backend, portal, rows_max > 0, error));
	else if (!portal->own && !portal->ended && portal->prepared->runs != portal)
		return query_fail(error, "55000", "the portal's rows are gone: its statement has been started again");
	if (!portal->ended)
		PYR_TRY(pg_send_rows(backend, portal, rows_max > 0 ? rows_max : UINT64_MAX, false, &shape, &more,
		                     error));
	if (more) {
		query_session_yield(backend->session);
		pg_message_empty(&backend->output, 's');
		return pyr_ok();
	}
	if (!portal->ended)
		query_statement_stop(pg_portal_query(portal));
	portal->ended = true;
	pg_complete(backend, pg_portal_query(portal), portal->rows - before);
	return pyr_ok();
}

/* What gives no rows is run once. */
static pyr_result run_once(struct pg_backend *backend, struct portal *portal, struct query_error *error)
{
	struct pg_shape shape = {.formats = portal->formats, .format_count = portal->format_count};
	struct prepared *prepared = portal->prepared;
	if (portal->ended)
		return query_fail(error, "55000", "portal \"%s\" cannot be run anymore", portal->name);
	portal->started = portal->ended = true;
	backend->counts.statements += 1;
	/* The statement may drop every portal and statement, this one too. */
	prepared->references += 1;
	struct base_slice values = portal->values;
	struct base_bytes *parameters = portal->parameters;
	size_t count = portal->parameter_count;
	uint8_t *formats = portal->formats;
	portal->values = (struct base_slice){0};
	portal->parameters = NULL;
	portal->formats = NULL;
	pyr_result result = pg_run(backend, prepared->query, parameters, count, &shape, error);
	base_slice_release(&values);
	free(parameters);
	free(formats);
	prepared_release(prepared);
	return result;
}

pyr_result pg_on_execute(struct pg_backend *backend, const struct pg_execute *message, struct query_error *error)
{
	struct portal *portal = pg_find_portal(backend, message->portal);
	if (!portal)
		return query_fail(error, "34000", "portal \"%s\" does not exist", message->portal);
	PYR_TRY(pg_check_block(backend, portal->prepared && portal->prepared->ends_transaction, error));
	if (portal->prepared && !portal->prepared->query) {
		pg_message_empty(&backend->output, 'I');
		return pyr_ok();
	}
	pg_begin_implicit(backend);
	pg_arm(backend);
	pyr_result result = portal->own || is_streamed(pg_portal_query(portal))
	                            ? run_portal(backend, portal, message->rows_max, error)
	                            : run_once(backend, portal, error);
	pg_disarm(backend);
	return result;
}

void pg_on_close(struct pg_backend *backend, const struct pg_target *message)
{
	struct prepared *prepared = message->kind == 'S' ? pg_find_statement(backend, message->name) : NULL;
	struct portal *portal = message->kind == 'P' ? pg_find_portal(backend, message->name) : NULL;
	if (prepared)
		pg_drop_statement(backend, prepared);
	if (portal)
		pg_drop_portal(backend, portal);
	pg_message_empty(&backend->output, '3');
}
