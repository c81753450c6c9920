/* The loop's turn at a connection: what it carries out itself, and for how long.
 *
 * Invariants: a thread has the backend or the loop has, never both (`working`); what came before goes out before. Each turn of the
 * loop spends no more than about TURN_US on statements of all connections together, so that other work of this loop never
 * waits longer for them: the rest is the threads'. A peer that does not take its answers is a thread's to wait for.
 * Owner: the loop's thread.
 */
#include "server/pg/pg_priv.h"

enum { TURN_US = 500 };

static void on_turn_over(struct os_task *task)
{
	struct pg_server *server = BASE_CONTAINER(task, struct pg_server, turn_over);
	server->turn_us = 0;
	server->turn_begun = false;
}

static void spend(struct pg_server *server, uint64_t us)
{
	server->turn_us += us;
	if (server->turn_begun)
		return;
	server->turn_begun = true;
	server->turn_over.run = on_turn_over;
	os_loop_defer(server->options.loop, &server->turn_over);
}

/* Does the loop have the backend, and nothing waits before the next message? */
static bool is_free(struct pg_connection *connection)
{
	if (connection->working || !connection->net || os_connection_queued_bytes(connection->net) > 0)
		return false;
	os_mutex_lock(&connection->lock);
	bool idle = connection->backend && base_list_empty(&connection->inbox) && !connection->finish_wanted;
	os_mutex_unlock(&connection->lock);
	return idle;
}

bool pg_turn_try(struct pg_connection *connection, char type, struct base_bytes body)
{
	struct pg_server *server = connection->server;
	if (!server->options.prompt || server->draining || server->turn_us >= TURN_US || !is_free(connection))
		return false;
	pg_connection_send_outbox(connection);
	uint64_t begun_us = os_now_us(server->options.loop);
	connection->on_loop = true;
	enum pg_prompt outcome = pg_backend_try(connection->backend, server->options.prompt, type, body);
	connection->on_loop = false;
	spend(server, os_now_us(server->options.loop) - begun_us);
	if (outcome == PG_PROMPT_OVER)
		pg_connection_close(connection);
	if (outcome != PG_PROMPT_LATER)
		pg_connection_count(connection);
	return outcome != PG_PROMPT_LATER;
}
