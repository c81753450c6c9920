/* The Kafka port's life: listening, counting memory, noticing stalls, closing (see kafka.h).
 *
 * Closing: listener and connections go at once; requests that a log or catalog still works on become orphans, and the last
 * one out of the last shard calls `closed`. Owner: each server's loop; the group's, the first one's. */
#include "server/kafka/kafka_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_US = 5000000,
	LINES_MAX = 20, /* between two ticks: hostile peers must not fill the operator's disk */
};

struct kafka_server_options kafka_server_options_default(void)
{
	return (struct kafka_server_options){
		.host = "127.0.0.1",
		.port = 9092,
		.node_id = 1,
		.default_partitions = 4,
		.auto_create = true,
		.request_bytes_max = 100 << 20,
		.memory_bytes_max = 256 << 20,
		.response_bytes_max = 256 << 20,
		.connections_max = 10000,
		.stall_us_max = 60000000,
	};
}

void kafka_log_line(struct kafka_server *server, const char *format, ...)
{
	char line[PYR_ERROR_TEXT_MAX];
	const struct os_field fields[] = {{.name = "shard", .number = (int64_t)server->shard}, {0}};
	va_list arguments;
	server->lines += 1;
	if (server->lines > LINES_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	os_report(server->options.reporter, OS_WARNING, "kafka", fields, "%s", line);
}

void kafka_memory_take(struct kafka_server *server, size_t bytes)
{
	server->metrics.memory_bytes += bytes;
}

void kafka_memory_give(struct kafka_server *server, size_t bytes)
{
	assert(server->metrics.memory_bytes >= bytes);
	server->metrics.memory_bytes -= bytes;
	if (!base_list_empty(&server->memory_waiters) && !server->closing)
		os_timer_start(server->loop, &server->memory_timer, 0);
}

static void on_memory(struct os_timer *timer)
{
	struct kafka_server *server = BASE_CONTAINER(timer, struct kafka_server, memory_timer);
	struct base_list waiters, *node;
	base_list_init(&waiters);
	base_list_splice(&waiters, &server->memory_waiters);
	while ((node = base_list_pop(&waiters)))
		kafka_connection_retry_memory(BASE_CONTAINER(node, struct kafka_connection, memory_node));
}

/* Kafka's form of an id: base64 with the URL alphabet, unpadded: 22 characters of 16 bytes. */
static void format_uuid(const uint8_t uuid[CATALOG_UUID_BYTES], char ret_text[KAFKA_CLUSTER_ID_BYTES + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	size_t bit_count = 0, at = 0;
	for (size_t i = 0; i < CATALOG_UUID_BYTES; i++) {
		bits = bits << 8 | uuid[i];
		for (bit_count += 8; bit_count >= 6; bit_count -= 6)
			ret_text[at++] = digits[bits >> (bit_count - 6) & 63];
	}
	ret_text[at++] = digits[bits << (6 - bit_count) & 63];
	assert(at == KAFKA_CLUSTER_ID_BYTES);
	ret_text[at] = 0;
}

void kafka_cluster_id(const struct kafka_server *server, char ret_text[KAFKA_CLUSTER_ID_BYTES + 1])
{
	format_uuid(catalog_cluster_uuid(server->catalog), ret_text);
}

/* Connections that stand still are found here. */
static void on_tick(struct os_timer *timer)
{
	struct kafka_server *server = BASE_CONTAINER(timer, struct kafka_server, tick);
	uint64_t now_us = os_now_us(server->loop);
	for (struct base_list *node = server->connections.next, *next; node != &server->connections; node = next) {
		next = node->next;
		kafka_connection_tick(BASE_CONTAINER(node, struct kafka_connection, node), now_us);
	}
	uint32_t untold = server->lines > LINES_MAX ? server->lines - LINES_MAX : 0;
	server->lines = 0;
	if (untold > 0)
		kafka_log_line(server, "%u more lines like these were left out", untold);
	os_timer_start(server->loop, &server->tick, TICK_US);
}

static void server_free(struct kafka_server *server)
{
	base_buffer_unref(server->shared);
	free(server);
}

static void group_free(struct kafka_group *group)
{
	struct kafka_server *first = group->servers[0];
	if (first) {
		free(first->host);
		free(first->advertised_host);
	}
	for (size_t i = 0; i < group->count; i++)
		if (group->servers[i])
			server_free(group->servers[i]);
	free(group->servers);
	free(group->buckets);
	free(group);
}

/* ---- opening ---- */

static pyr_result copy_texts(struct kafka_server *first)
{
	const char *advertised = first->options.advertised_host ? first->options.advertised_host : first->options.host;
	first->host = strdup(first->options.host);
	first->advertised_host = strdup(advertised);
	if (!first->host || !first->advertised_host)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	first->options.host = first->host;
	first->options.advertised_host = first->advertised_host;
	return pyr_ok();
}

static pyr_result listen_for_clients(struct kafka_server *first, struct pyr_error *error)
{
	const struct kafka_server_options *options = &first->options;
	if (copy_texts(first).code != PYR_OK)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(os_net_listen(first->net, options->host, options->port, kafka_connection_arrived, first,
	                      &first->listener, error));
	first->advertised_port =
		options->advertised_port ? options->advertised_port : os_listener_port(first->listener);
	return pyr_ok();
}

/* A shard's share, in which the longest request fits. */
static uint64_t share(uint64_t bytes, const struct kafka_server_options *options)
{
	uint64_t part = bytes / options->shard_count,
		 least = bytes < options->request_bytes_max ? bytes : options->request_bytes_max;
	return part > least ? part : least;
}

/* One shard's server, with its share of what all may use. */
static struct kafka_server *server_new(const struct kafka_server_options *options, struct kafka_group *group, size_t i)
{
	struct kafka_server *server = calloc(1, sizeof *server);
	const struct kafka_shard *shard = &options->shards[i];
	size_t count = options->shard_count;
	if (!server)
		return NULL;
	assert(shard->loop && shard->net && shard->catalog && shard->log);
	server->options = *options;
	server->options.memory_bytes_max = share(options->memory_bytes_max, options);
	server->options.response_bytes_max = share(options->response_bytes_max, options);
	server->connections_max = options->connections_max / (uint32_t)count + (options->connections_max % count > i);
	server->group = group;
	server->shard = i;
	server->loop = shard->loop;
	server->net = shard->net;
	server->catalog = shard->catalog;
	server->log = shard->log;
	base_list_init(&server->connections);
	base_list_init(&server->orphans);
	base_list_init(&server->memory_waiters);
	base_list_init(&server->answered);
	base_list_init(&server->producer_waiters);
	server->tick.fire = on_tick;
	server->memory_timer.fire = on_memory;
	return server;
}

static struct kafka_group *group_new(const struct kafka_server_options *options)
{
	struct kafka_group *group = calloc(1, sizeof *group);
	if (!group)
		return NULL;
	group->servers = calloc(options->shard_count, sizeof *group->servers);
	group->buckets = calloc(KAFKA_BUCKETS, sizeof *group->buckets);
	if (!group->servers || !group->buckets) {
		free(group->servers);
		free(group->buckets);
		free(group);
		return NULL;
	}
	group->count = options->shard_count;
	atomic_init(&group->default_partitions, options->default_partitions);
	for (size_t i = 0; i < group->count; i++) {
		group->servers[i] = server_new(options, group, i);
		if (!group->servers[i]) {
			group_free(group);
			return NULL;
		}
	}
	return group;
}

pyr_result kafka_server_new(const struct kafka_server_options *options, struct kafka_server **ret_server,
                            struct pyr_error *error)
{
	assert(options->shard_count > 0 && options->shard_count <= KAFKA_SHARDS_MAX && options->host);
	assert(options->coordinator);
	assert(options->default_partitions > 0 && options->request_bytes_max > 0);
	struct kafka_group *group = group_new(options);
	if (!group)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	struct kafka_server *first = group->servers[0];
	if (options->route.find)
		group_coordinator_set_route(options->coordinator, kafka_coordinates, first);
	pyr_result result = listen_for_clients(first, error);
	if (result.code != PYR_OK) {
		group_free(group);
		return result;
	}
	for (size_t i = 0; i < group->count; i++) {
		struct kafka_server *server = group->servers[i];
		server->options.shards = NULL; /* the caller's */
		server->options.host = first->options.host;
		server->options.advertised_host = first->options.advertised_host;
		server->advertised_port = first->advertised_port;
		os_timer_start(server->loop, &server->tick, TICK_US);
	}
	*ret_server = first;
	return pyr_ok();
}

uint16_t kafka_server_port(const struct kafka_server *server)
{
	return os_listener_port(server->listener);
}

uint32_t kafka_default_partitions(const struct kafka_server *server)
{
	return atomic_load(&server->group->default_partitions);
}

void kafka_server_set_partitions(struct kafka_server *server, uint32_t partitions)
{
	atomic_store(&server->group->default_partitions, partitions);
}

/* ---- draining: each server on its own loop ---- */

static void tell_drained(struct kafka_server *server)
{
	if (!server->draining || server->drained || !base_list_empty(&server->connections))
		return;
	server->drained = true;
	atomic_fetch_sub(&server->group->draining_count, 1);
}

static void drain_server(struct os_task *task)
{
	struct kafka_server *server = BASE_CONTAINER(task, struct kafka_server, drain_task);
	server->draining = true;
	for (struct base_list *node = server->connections.next, *next; node != &server->connections; node = next) {
		next = node->next;
		kafka_connection_drain(BASE_CONTAINER(node, struct kafka_connection, node));
	}
	tell_drained(server);
}

void kafka_server_drain(struct kafka_server *first)
{
	struct kafka_group *group = first->group;
	os_listener_close(first->listener);
	first->listener = NULL;
	atomic_store(&group->draining_count, group->count);
	for (size_t i = 0; i < group->count; i++) {
		group->servers[i]->drain_task.run = drain_server;
		os_loop_post(group->servers[i]->loop, &group->servers[i]->drain_task);
	}
}

bool kafka_server_drained(const struct kafka_server *first)
{
	return atomic_load(&first->group->draining_count) == 0;
}

/* ---- closing: each server on its own loop; the first one waits for all, as parts of its requests may be anywhere ---- */

static void on_server_closed(struct os_task *task)
{
	struct kafka_group *group = BASE_CONTAINER(task, struct kafka_server, close_task)->group;
	group->open_count -= 1;
	if (group->open_count > 0)
		return;
	void (*closed)(void *context) = group->closed;
	void *context = group->closed_context;
	group_free(group);
	closed(context);
}

void kafka_server_settle(struct kafka_server *server)
{
	tell_drained(server);
	if (!server->closing || server->closed || !base_list_empty(&server->connections) ||
	    !base_list_empty(&server->orphans) || server->producer_block_wanted || server->flushing)
		return;
	server->closed = true;
	os_executor_free(server->producer_executor);
	server->producer_executor = NULL;
	server->close_task.run = on_server_closed;
	os_loop_post(server->group->servers[0]->loop, &server->close_task);
}

static void close_server(struct os_task *task)
{
	struct kafka_server *server = BASE_CONTAINER(task, struct kafka_server, close_task);
	server->closing = true;
	os_timer_stop(server->loop, &server->tick);
	os_timer_stop(server->loop, &server->memory_timer);
	for (struct base_list *node = server->connections.next; node != &server->connections; node = node->next)
		kafka_connection_close(BASE_CONTAINER(node, struct kafka_connection, node));
	kafka_server_settle(server);
}

void kafka_server_close(struct kafka_server *first, void (*closed)(void *context), void *context)
{
	struct kafka_group *group = first->group;
	assert(!first->closing && first->shard == 0);
	group->closed = closed;
	group->closed_context = context;
	group->open_count = group->count;
	os_listener_close(first->listener);
	first->listener = NULL;
	for (size_t i = 1; i < group->count; i++) {
		group->servers[i]->close_task.run = close_server;
		os_loop_post(group->servers[i]->loop, &group->servers[i]->close_task);
	}
	close_server(&first->close_task);
}

static void abandon(struct kafka_server *server)
{
	struct base_list *node;
	server->closing = false; /* nobody waits to hear of it */
	os_timer_stop(server->loop, &server->tick);
	os_timer_stop(server->loop, &server->memory_timer);
	os_listener_close(server->listener);
	while ((node = base_list_pop(&server->connections)))
		kafka_connection_free(BASE_CONTAINER(node, struct kafka_connection, node));
	while ((node = base_list_pop(&server->orphans)))
		kafka_request_free(BASE_CONTAINER(node, struct kafka_request, node));
}

void kafka_server_abandon(struct kafka_server *first)
{
	if (!first)
		return;
	for (size_t i = 0; i < first->group->count; i++)
		abandon(first->group->servers[i]);
	group_free(first->group);
}

struct kafka_server_metrics kafka_server_metrics_get(const struct kafka_server *server, size_t shard)
{
	return server->group->servers[shard]->metrics;
}
