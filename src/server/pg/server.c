/* The listener and the connections' register. Owner: the loop's thread. */
#include "server/pg/pg_priv.h"

#include <assert.h>
#include <stdlib.h>

struct pg_server_options pg_server_options_default(void)
{
	return (struct pg_server_options){
		.host = "127.0.0.1",
		.port = 5432,
		.connections_max = 10000,
		.threads_max = 64, /* a statement that waits for a slow reader holds its thread */
		.startup_us_max = 10 * 1000000,
		.stall_us_max = 60 * 1000000,
	};
}

static void accepted(void *context, struct os_connection *net)
{
	struct pg_server *server = context;
	server->metrics.connections_total += 1;
	if (server->closing)
		os_connection_close(net);
	else
		pg_connection_accept(server, net);
}

pyr_result pg_server_new(const struct pg_server_options *options, struct pg_server **ret_server,
                         struct pyr_error *error)
{
	assert(options->loop && options->net && options->engine && options->source && options->threads_max > 0);
	struct pg_server *server = calloc(1, sizeof *server);
	if (!server)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	server->options = *options;
	base_list_init(&server->connections);
	server->executor =
		os_executor_new(options->loop, "query", OS_ORDINARY, options->threads_max, QUERY_STACK_BYTES);
	pyr_result result = server->executor ? os_net_listen(options->net, options->host, options->port, accepted,
	                                                     server, &server->listener, error)
	                                     : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (result.code != PYR_OK) {
		os_executor_free(server->executor);
		free(server);
		return result;
	}
	*ret_server = server;
	return pyr_ok();
}

uint16_t pg_server_port(const struct pg_server *server)
{
	return os_listener_port(server->listener);
}

struct pg_server_metrics pg_server_metrics_get(const struct pg_server *server)
{
	struct pg_server_metrics metrics = server->metrics;
	metrics.connections = server->connection_count;
	metrics.tails = query_engine_tails(server->options.engine);
	return metrics;
}

/* ---- connections ---- */

static bool is_pid(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct pg_connection, by_pid)->pid == *(const uint32_t *)key;
}

struct pg_connection *pg_server_find(struct pg_server *server, uint32_t pid)
{
	struct base_table_node *node = base_table_find(&server->by_pid, pid, is_pid, &pid);
	return node ? BASE_CONTAINER(node, struct pg_connection, by_pid) : NULL;
}

void pg_server_drain(struct pg_server *server)
{
	server->draining = true;
	os_listener_close(server->listener);
	server->listener = NULL;
	for (struct base_list *node = server->connections.next, *next; node != &server->connections; node = next) {
		next = node->next;
		pg_connection_drain((struct pg_connection *)(void *)node);
	}
}

bool pg_server_drained(const struct pg_server *server)
{
	return server->connection_count == 0;
}

static void finish_closing(struct os_task *task)
{
	struct pg_server *server = BASE_CONTAINER(task, struct pg_server, last);
	void (*closed)(void *) = server->closed;
	void *context = server->closed_context;
	os_executor_free(server->executor);
	base_table_deinit(&server->by_pid);
	free(server);
	closed(context);
}

static void close_if_empty(struct pg_server *server)
{
	if (server->closing && server->connection_count == 0)
		os_loop_post(server->options.loop, &server->last);
}

void pg_server_connection_gone(struct pg_server *server, struct pg_connection *connection)
{
	base_table_remove(&server->by_pid, &connection->by_pid);
	base_list_remove(&connection->node);
	server->connection_count -= 1;
	close_if_empty(server);
}

void pg_server_close(struct pg_server *server, void (*closed)(void *context), void *context)
{
	assert(!server->closing);
	server->closing = true;
	server->closed = closed;
	server->closed_context = context;
	server->last.run = finish_closing;
	os_listener_close(server->listener);
	server->listener = NULL;
	for (struct base_list *node = server->connections.next; node != &server->connections; node = node->next)
		pg_connection_close((struct pg_connection *)(void *)node);
	close_if_empty(server);
}
