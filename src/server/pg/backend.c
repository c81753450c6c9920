/* The conversation (see backend.h): life, simple queries, and what each message is. */
#include "server/pg/backend_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct catalog_principal anonymous = {.name = "anonymous"};

/* Settings that can't be obeyed are left as they are: the client is told all that it relies on. */
static void set_one(struct pg_backend *backend, const char *name, const char *value)
{
	struct query_error error;
	pyr_ignore(query_settings_set(query_session_settings(backend->session), name, value, false, false, &error));
}

/* "-c name=value --name=value", with backslashes before blanks. */
static void set_options(struct pg_backend *backend, const char *text)
{
	char word[QUERY_SETTING_MAX];
	while (*text) {
		size_t used = 0;
		while (*text == ' ')
			text += 1;
		for (; *text && *text != ' ' && used + 1 < sizeof word; text++) {
			text += *text == '\\' && text[1];
			word[used++] = *text;
		}
		word[used] = 0;
		char *name = strncmp(word, "--", 2) == 0 || strncmp(word, "-c", 2) == 0 ? word + 2 : word;
		char *value = strchr(name, '=');
		if (value) {
			*value = 0;
			set_one(backend, name, value + 1);
		}
		while (used + 1 == sizeof word && *text && *text != ' ')
			text += 1; /* too long a word */
	}
}

static void introduce(struct pg_backend *backend, const struct pg_introduction *introduction)
{
	const char *name = introduction->settings;
	for (; name && *name; name += strlen(name) + 1) {
		const char *value = name + strlen(name) + 1;
		if (strcmp(name, "options") == 0)
			set_options(backend, value);
		else if (strcmp(name, "user") != 0 && strcmp(name, "database") != 0)
			set_one(backend, name, value);
		name = value;
	}
}

static void note_reported(struct pg_backend *backend)
{
	char value[QUERY_SETTING_MAX];
	for (size_t i = 0; query_settings_reported[i]; i++) {
		assert(i < PG_REPORTED_MAX);
		if (query_settings_get(query_session_settings(backend->session), query_settings_reported[i], value))
			backend->reported[i] = strdup(value);
	}
	backend->reported_version = query_settings_version(query_session_settings(backend->session));
}

pyr_result pg_backend_new(struct query_engine *engine, struct query_source *source,
                          const struct pg_introduction *introduction, const struct pg_sink *sink,
                          struct pg_backend **ret_backend)
{
	struct pg_backend *backend = calloc(1, sizeof *backend);
	if (!backend)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	backend->sink = *sink;
	backend->status = 'I';
	base_writer_init(&backend->output, PG_ROW_BYTES_MAX);
	base_list_init(&backend->statements);
	base_list_init(&backend->portals);
	pyr_result result = query_session_new(engine, source, &anonymous, &backend->session);
	if (result.code == PYR_OK && introduction->user)
		result = query_session_set_user(backend->session, introduction->user);
	if (result.code != PYR_OK) {
		pg_backend_free(backend);
		return result;
	}
	query_session_set_pid(backend->session, introduction->pid);
	query_session_set_waits(backend->session, &sink->waits);
	introduce(backend, introduction);
	note_reported(backend);
	*ret_backend = backend;
	return pyr_ok();
}

void pg_backend_free(struct pg_backend *backend)
{
	if (!backend)
		return;
	if (backend->copying)
		pg_copy_end(backend);
	pg_drop_made(backend);
	pg_drop_portals(backend, true);
	pg_drop_statements(backend);
	query_script_free(backend->script);
	query_session_free(backend->session);
	base_writer_deinit(&backend->output);
	for (size_t i = 0; i < PG_REPORTED_MAX; i++)
		free(backend->reported[i]);
	free(backend);
}

void pg_backend_stalls(struct pg_backend *backend)
{
	query_session_yield(backend->session);
}

void pg_backend_cancel(struct pg_backend *backend)
{
	query_session_cancel(backend->session);
}

void pg_backend_time_out(struct pg_backend *backend)
{
	query_session_time_out(backend->session);
}

void pg_backend_drain(struct pg_backend *backend)
{
	query_session_drain(backend->session);
}

void pg_backend_stop(struct pg_backend *backend)
{
	query_session_stop(backend->session);
}

struct pg_backend_counts pg_backend_counts_get(const struct pg_backend *backend)
{
	struct pg_backend_counts counts = backend->counts;
	counts.direct_reads = query_session_statistics(backend->session).direct_reads;
	return counts;
}

void pg_arm(struct pg_backend *backend)
{
	uint64_t delay_us = backend->hurries ? 0 : query_settings_timeout_us(query_session_settings(backend->session));
	if (delay_us > 0 && backend->sink.deadline)
		backend->sink.deadline(backend->sink.context, delay_us);
	backend->armed = delay_us > 0;
}

void pg_disarm(struct pg_backend *backend)
{
	if (backend->armed && backend->sink.deadline)
		backend->sink.deadline(backend->sink.context, 0);
	backend->armed = false;
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

bool pg_backend_flush_if_full(struct pg_backend *backend)
{
	return backend->output.bytes < PG_OUTPUT_BYTES || pg_backend_flush(backend);
}

void pg_backend_notice(struct pg_backend *backend, const char *sqlstate, const char *sentence)
{
	struct query_error notice;
	pyr_ignore(query_fail(&notice, sqlstate, "%s", sentence));
	pg_write_notice(&backend->output, "WARNING", &notice);
}

/* What was sent together fails together. */
static void answer_error(struct pg_backend *backend, const struct query_error *error)
{
	backend->counts.errors += 1;
	pg_disarm(backend);
	if (backend->status == 'T')
		backend->status = 'E';
	else if (backend->status == 'I')
		query_session_rollback(backend->session);
	pg_write_error(&backend->output, "ERROR", error);
}

/* ParameterStatus for what has changed since the client was told. */
static void report_settings(struct pg_backend *backend)
{
	struct query_settings *settings = query_session_settings(backend->session);
	uint64_t version = query_settings_version(settings);
	char value[QUERY_SETTING_MAX];
	for (size_t i = 0; query_settings_reported[i] && version != backend->reported_version; i++) {
		if (!query_settings_get(settings, query_settings_reported[i], value) ||
		    (backend->reported[i] && strcmp(backend->reported[i], value) == 0))
			continue;
		free(backend->reported[i]);
		backend->reported[i] = strdup(value);
		pg_write_parameter(&backend->output, query_settings_reported[i], value);
	}
	backend->reported_version = version;
}

static void write_ready(struct pg_backend *backend)
{
	report_settings(backend);
	pg_write_ready(&backend->output, backend->status);
}

pyr_result pg_check_block(const struct pg_backend *backend, bool ends_transaction, struct query_error *error)
{
	if (backend->status != 'E' || ends_transaction)
		return pyr_ok();
	return query_fail(error, "25P02",
	                  "current transaction is aborted, commands ignored until end of transaction block");
}

/* ---- simple query ---- */

static pyr_result run_simple(struct pg_backend *backend, size_t i, struct query_error *error)
{
	static const struct pg_shape shape = {.described = true};
	struct query_statement *query;
	PYR_TRY(pg_check_block(backend, query_script_ends_transaction(backend->script, i), error));
	backend->counts.statements += 1;
	if (!pg_take_made(backend, &query))
		PYR_TRY(query_statement_new(backend->session, backend->script, i, NULL, 0, &query, error));
	pyr_result result = pg_run(backend, query, NULL, 0, &shape, error);
	if (backend->copying)
		backend->copy_owned = true;
	else
		query_statement_free(query);
	return result;
}

/* Goes on with the script until it is over, has failed, or a COPY waits for the client's rows. */
static void run_script(struct pg_backend *backend, pyr_result result, struct query_error *error)
{
	size_t count = backend->script ? query_script_count(backend->script) : 0;
	while (result.code == PYR_OK && backend->script_at < count && !backend->gone && !backend->copying) {
		if (count > 1)
			pg_begin_implicit(backend);
		pg_arm(backend);
		result = run_simple(backend, backend->script_at++, error);
		pg_disarm(backend);
	}
	if (backend->copying)
		return;
	if (result.code == PYR_OK)
		result = pg_end_implicit(backend, error);
	if (result.code != PYR_OK)
		answer_error(backend, error);
	query_script_free(backend->script);
	backend->script = NULL;
	write_ready(backend);
}

static bool take_query(struct pg_backend *backend, struct base_bytes body)
{
	struct query_error error;
	const char *text;
	struct portal *unnamed = pg_find_portal(backend, "");
	if (unnamed)
		pg_drop_portal(backend, unnamed);
	pyr_result result = pg_query_decode(body, &text);
	if (result.code != PYR_OK)
		result = query_fail(&error, "08P01", "malformed message of type 'Q'");
	else if (!pg_take_made_script(backend, &backend->script))
		result = query_script_new(text, strlen(text), &backend->script, &error);
	backend->script_at = 0;
	if (result.code == PYR_OK && query_script_count(backend->script) == 0)
		pg_message_empty(&backend->output, 'I');
	run_script(backend, result, &error);
	pg_drop_made(backend);
	return pg_backend_flush(backend);
}

/* A COPY's rows, and what becomes of the statements behind it. */
static bool take_copy(struct pg_backend *backend, char type, struct base_bytes body)
{
	struct query_error error;
	bool done, simple = backend->script != NULL;
	if (type == 'H' || type == 'S')
		return true; /* as PostgreSQL: of an extended query's COPY */
	pyr_result result = pg_copy_message(backend, type, body, &done, &error);
	if (!done)
		return true;
	if (simple) {
		run_script(backend, result, &error);
	} else if (result.code != PYR_OK) {
		answer_error(backend, &error);
		backend->skipping = true;
	}
	return pg_backend_flush(backend);
}

/* ---- extended query ---- */

static bool on_sync(struct pg_backend *backend)
{
	struct query_error error;
	if (!backend->skipping && pg_end_implicit(backend, &error).code != PYR_OK)
		answer_error(backend, &error);
	backend->skipping = false;
	if (backend->status == 'I')
		pg_drop_portals(backend, false);
	write_ready(backend);
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
	result = result.code == PYR_OK ? pg_on_parse(backend, message, error) : malformed(error, 'P');
	pg_drop_made(backend);
	free(message);
	return result;
}

static pyr_result take_bind(struct pg_backend *backend, struct base_bytes body, struct query_error *error)
{
	struct pg_bind *message = malloc(sizeof *message);
	if (!message)
		return query_fail_memory(error);
	pyr_result result = pg_bind_decode(body, message);
	result = result.code == PYR_OK ? pg_on_bind(backend, message, error) : malformed(error, 'B');
	free(message);
	return result;
}

static pyr_result take_target(struct pg_backend *backend, char type, struct base_bytes body, struct query_error *error)
{
	struct pg_target message;
	if (pg_target_decode(body, &message).code != PYR_OK)
		return malformed(error, type);
	if (type == 'D')
		return pg_on_describe(backend, &message, error);
	pg_on_close(backend, &message);
	return pyr_ok();
}

static pyr_result take_execute(struct pg_backend *backend, struct base_bytes body, struct query_error *error)
{
	struct pg_execute message;
	if (pg_execute_decode(body, &message).code != PYR_OK)
		return malformed(error, 'E');
	return pg_on_execute(backend, &message, error);
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
	if (backend->copying)
		return take_copy(backend, type, body);
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
			write_ready(backend);
	}
	return pg_backend_flush_if_full(backend);
}
