/* Sessions over the engine: their life, who they are, and how whatever runs on one is ended from elsewhere.
 *
 * Invariants: one statement runs at a time. prepare.c makes statements ready, run.c runs them. Failure modes: any error leaves
 * the session usable. A session's thread; cancelling, timing out and stopping: any.
 */
#include "query/session_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct query_session *session_new(struct query_engine *engine, struct query_source *source,
                                         const char *principal)
{
	struct query_session *session = calloc(1, sizeof *session);
	char *name = strdup(principal), *user = strdup("pyralog");
	if (!session || !name || !user) {
		free(session);
		free(name);
		free(user);
		return NULL;
	}
	session->engine = engine;
	session->principal_name = name;
	session->principal.name = name;
	session->run.source = source;
	session->run.principal = &session->principal;
	session->run.user = user;
	os_mutex_init(&session->lock);
	base_list_init(&session->children);
	base_list_init(&session->node);
	return session;
}

pyr_result query_session_new(struct query_engine *engine, struct query_source *source,
                             const struct catalog_principal *principal, struct query_session **ret_session)
{
	struct query_session *session = session_new(engine, source, principal->name);
	if (!session)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	session->settings = session->run.settings = query_settings_new();
	if (!session->settings) {
		query_session_free(session);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	*ret_session = session;
	return pyr_ok();
}

pyr_result query_session_new_beside(struct query_session *parent, struct query_session **ret_session)
{
	struct query_session *session = session_new(parent->engine, parent->run.source, parent->principal.name);
	if (!session || query_session_set_user(session, parent->run.user).code != PYR_OK) {
		query_session_free(session);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	session->settings = session->run.settings = parent->settings;
	session->parent = parent;
	session->run.pid = parent->run.pid;
	session->waits = parent->waits;
	os_mutex_lock(&parent->lock);
	base_list_append(&parent->children, &session->node);
	atomic_store(&session->run.stopped, atomic_load(&parent->run.stopped));
	atomic_store(&session->run.draining, atomic_load(&parent->run.draining));
	os_mutex_unlock(&parent->lock);
	*ret_session = session;
	return pyr_ok();
}

void query_session_free(struct query_session *session)
{
	if (!session)
		return;
	assert(!session->running && base_list_empty(&session->children));
	if (session->parent) {
		os_mutex_lock(&session->parent->lock);
		base_list_remove(&session->node);
		os_mutex_unlock(&session->parent->lock);
	} else {
		query_settings_free(session->settings);
	}
	query_connection_free(session->connection);
	query_writes_deinit(&session->writes);
	os_mutex_deinit(&session->lock);
	free(session->principal_name);
	free((void *)(uintptr_t)session->run.user);
	free(session);
}

pyr_result query_session_set_user(struct query_session *session, const char *user)
{
	char *copy = strdup(user);
	if (!copy)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	free((void *)(uintptr_t)session->run.user);
	session->run.user = copy;
	return pyr_ok();
}

void query_session_set_pid(struct query_session *session, uint32_t pid)
{
	session->run.pid = pid;
}

void query_session_set_waits(struct query_session *session, const struct query_waits *waits)
{
	session->waits = *waits;
}

void query_session_yield(struct query_session *session)
{
	struct query_admission *admission = query_engine_admission(session->engine);
	query_admission_leave(admission, &session->run.ticket);
	os_mutex_lock(&session->lock);
	for (struct base_list *node = session->children.next; node != &session->children; node = node->next)
		query_admission_leave(admission, &BASE_CONTAINER(node, struct query_session, node)->run.ticket);
	os_mutex_unlock(&session->lock);
}

struct query_settings *query_session_settings(struct query_session *session)
{
	return session->settings;
}

static void interrupt(struct query_session *session, bool late, bool stop)
{
	if (stop)
		atomic_store(&session->run.stopped, true);
	if (late)
		atomic_store(&session->run.timed_out, true);
	atomic_store(&session->run.cancelled, true);
	struct query_connection *connection = atomic_load(&session->connection);
	if (connection)
		query_connection_interrupt(connection);
}

static void interrupt_all(struct query_session *session, bool late, bool stop)
{
	interrupt(session, late, stop);
	os_mutex_lock(&session->lock);
	for (struct base_list *node = session->children.next; node != &session->children; node = node->next)
		interrupt(BASE_CONTAINER(node, struct query_session, node), late, stop);
	os_mutex_unlock(&session->lock);
	query_admission_wake(query_engine_admission(session->engine));
}

void query_session_cancel(struct query_session *session)
{
	interrupt_all(session, false, false);
}

void query_session_time_out(struct query_session *session)
{
	interrupt_all(session, true, false);
}

void query_session_drain(struct query_session *session)
{
	atomic_store(&session->run.draining, true);
	os_mutex_lock(&session->lock);
	for (struct base_list *node = session->children.next; node != &session->children; node = node->next)
		atomic_store(&BASE_CONTAINER(node, struct query_session, node)->run.draining, true);
	os_mutex_unlock(&session->lock);
}

void query_session_stop(struct query_session *session)
{
	interrupt_all(session, false, true);
}

/* A cancellation concerns what runs: a new statement forgets an old one. Clearing comes before the look at `stopped`,
 * which its setter sets first, so that a stop is never forgotten. */
pyr_result query_session_begin_statement(struct query_session *session, struct query_error *error)
{
	if (session->running)
		query_statement_stop(session->running);
	atomic_store(&session->run.cancelled, false);
	atomic_store(&session->run.timed_out, false);
	if (atomic_load(&session->run.stopped))
		return query_fail(error, "57P01", "terminating connection due to administrator command");
	return pyr_ok();
}

struct query_statistics query_session_statistics(const struct query_session *session)
{
	return session->statistics;
}

pyr_result query_session_connect(struct query_session *session, struct query_error *error)
{
	struct query_connection *connection;
	if (session->connection)
		return pyr_ok();
	PYR_TRY(query_connection_new(session->engine, &session->run, &connection, error));
	atomic_store(&session->connection, connection);
	return pyr_ok();
}
