/* What statements do beside giving rows: transactions, cursors, what the session keeps, COPY (see backend_priv.h). */
#include "server/pg/backend_priv.h"

#include <stdio.h>
#include <string.h>

/* ---- transactions ---- */

void pg_begin_implicit(struct pg_backend *backend)
{
	if (backend->status == 'I')
		query_session_begin(backend->session, QUERY_BLOCK_IMPLICIT);
}

pyr_result pg_end_implicit(struct pg_backend *backend, struct query_error *error)
{
	return backend->status == 'I' ? query_session_commit(backend->session, error) : pyr_ok();
}

static void begin(struct pg_backend *backend)
{
	if (backend->status != 'I') {
		pg_backend_notice(backend, "25001", "there is already a transaction in progress");
		return;
	}
	query_session_begin(backend->session, QUERY_BLOCK_EXPLICIT);
	backend->status = 'T';
}

static void roll_back(struct pg_backend *backend)
{
	if (backend->status == 'I')
		pg_backend_notice(backend, "25P01", "there is no transaction in progress");
	backend->status = 'I';
	pg_drop_portals(backend, false);
	query_session_rollback(backend->session);
}

/* The end of a block that has failed takes all back, whatever it is called. */
static pyr_result commit(struct pg_backend *backend, const char **ret_tag, struct query_error *error)
{
	if (backend->status == 'E') {
		*ret_tag = "ROLLBACK";
		roll_back(backend);
		return pyr_ok();
	}
	if (backend->status == 'I')
		pg_backend_notice(backend, "25P01", "there is no transaction in progress");
	backend->status = 'I';
	pg_drop_portals(backend, false);
	return query_session_commit(backend->session, error);
}

static pyr_result savepoint(struct pg_backend *backend, const struct query_statement *query, struct query_error *error)
{
	PYR_TRY(query_session_savepoint(backend->session, query, error));
	if (backend->status == 'E')
		backend->status = 'T';
	return pyr_ok();
}

/* ---- what is kept ---- */

static pyr_result deallocate(struct pg_backend *backend, const char *name, struct query_error *error)
{
	struct prepared *prepared = name ? pg_find_statement(backend, name) : NULL;
	if (name && !prepared)
		return query_fail(error, "26000", "prepared statement \"%s\" does not exist", name);
	if (prepared)
		pg_drop_statement(backend, prepared);
	else
		pg_drop_statements(backend);
	return pyr_ok();
}

static pyr_result close_cursor(struct pg_backend *backend, const char *name, struct query_error *error)
{
	struct portal *portal = name ? pg_find_portal(backend, name) : NULL;
	if (name && !portal)
		return query_fail(error, "34000", "cursor \"%s\" does not exist", name);
	if (portal)
		pg_drop_portal(backend, portal);
	else
		pg_drop_portals(backend, true);
	return pyr_ok();
}

static pyr_result discard(struct pg_backend *backend, struct query_error *error)
{
	if (backend->status != 'I')
		return query_fail(error, "25001", "DISCARD ALL cannot run inside a transaction block");
	pg_drop_portals(backend, true);
	pg_drop_statements(backend);
	return pyr_ok();
}

/* ---- cursors ---- */

static pyr_result fetch(struct pg_backend *backend, const struct query_statement *query, const struct pg_shape *shape,
                        struct query_error *error)
{
	const struct query_plan *plan = query_statement_plan(query);
	struct portal *cursor = pg_find_portal(backend, plan->name);
	bool more = false;
	if (!cursor)
		return query_fail(error, "34000", "cursor \"%s\" does not exist", plan->name);
	if (plan->backward || plan->row_count == 0)
		return query_fail(error, "55000", "cursor can only scan forward: declare it again to start over");
	if (shape->described && !plan->moves)
		pg_describe_rows(backend, pg_portal_query(cursor), shape);
	uint64_t before = cursor->rows;
	if (!cursor->ended)
		PYR_TRY(pg_send_rows(backend, cursor, (uint64_t)plan->row_count, plan->moves, shape, &more, error));
	cursor->ended = !more;
	pg_complete(backend, query, cursor->rows - before);
	return pyr_ok();
}

/* ---- all ---- */

static pyr_result take_effect(struct pg_backend *backend, const struct query_statement *query,
                              const struct base_bytes *parameters, size_t parameter_count, const char **ret_tag,
                              struct query_error *error)
{
	const char *name = query_statement_plan(query)->name;
	switch (query_statement_kind(query)) {
	case QUERY_KIND_BEGIN:
		return begin(backend), pyr_ok();
	case QUERY_KIND_COMMIT:
		return commit(backend, ret_tag, error);
	case QUERY_KIND_ROLLBACK:
		return roll_back(backend), pyr_ok();
	case QUERY_KIND_SAVEPOINT:
	case QUERY_KIND_RELEASE:
	case QUERY_KIND_ROLLBACK_TO:
		return savepoint(backend, query, error);
	case QUERY_KIND_DECLARE:
		return pg_declare(backend, query, parameters, parameter_count, error);
	case QUERY_KIND_CLOSE:
		return close_cursor(backend, name, error);
	case QUERY_KIND_DEALLOCATE:
		return deallocate(backend, name, error);
	case QUERY_KIND_DISCARD:
		return discard(backend, error);
	default:
		return pyr_ok();
	}
}

static bool is_for_the_session(enum query_kind kind)
{
	return kind == QUERY_KIND_INSERT || kind == QUERY_KIND_SET || kind == QUERY_KIND_RESET_ALL ||
	       kind == QUERY_KIND_DISCARD || kind == QUERY_KIND_COPY_OUT || kind == QUERY_KIND_COPY_IN ||
	       kind == QUERY_KIND_ALTER_TOPIC;
}

pyr_result pg_run(struct pg_backend *backend, struct query_statement *query, const struct base_bytes *parameters,
                  size_t parameter_count, const struct pg_shape *shape, struct query_error *error)
{
	enum query_kind kind = query_statement_kind(query);
	const char *tag = query_statement_tag(query);
	if (kind == QUERY_KIND_DISCARD && backend->status != 'I')
		return discard(backend, error);
	if (pg_gives_rows(query) || is_for_the_session(kind))
		PYR_TRY(query_statement_start(query, parameters, parameter_count, error));
	if (pg_gives_rows(query))
		return pg_send_all(backend, query, shape, error);
	if (kind == QUERY_KIND_FETCH)
		return fetch(backend, query, shape, error);
	if (kind == QUERY_KIND_COPY_OUT)
		return pg_copy_out(backend, query, error);
	if (kind == QUERY_KIND_COPY_IN)
		return pg_copy_begin(backend, query, error);
	/* DEALLOCATE and DISCARD may free the statement itself: nothing of it is used behind this. */
	uint64_t affected = kind == QUERY_KIND_INSERT ? query_statement_affected(query) : 0;
	PYR_TRY(take_effect(backend, query, parameters, parameter_count, &tag, error));
	char text[64];
	snprintf(text, sizeof text, kind == QUERY_KIND_INSERT ? "%s 0 %llu" : "%s", tag, (unsigned long long)affected);
	pg_write_complete(&backend->output, text);
	return pyr_ok();
}
