/* The Kafka port's life: listening, counting memory, noticing stalls, closing (see kafka.h).
 *
 * Closing: listener and connections go at once; requests that the log or catalog still works on become orphans, and the
 * last one out calls `closed`. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

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
	va_list arguments;
	server->lines += 1;
	if (!server->options.log_line || server->lines > LINES_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	server->options.log_line(server->options.log_context, line);
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
		os_timer_start(server->options.loop, &server->memory_timer, 0);
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
	format_uuid(catalog_cluster_uuid(server->options.catalog), ret_text);
}

/* Connections that stand still are found here. */
static void on_tick(struct os_timer *timer)
{
	struct kafka_server *server = BASE_CONTAINER(timer, struct kafka_server, tick);
	uint64_t now_us = os_now_us(server->options.loop);
	for (struct base_list *node = server->connections.next, *next; node != &server->connections; node = next) {
		next = node->next;
		kafka_connection_tick(BASE_CONTAINER(node, struct kafka_connection, node), now_us);
	}
	uint32_t untold = server->lines > LINES_MAX ? server->lines - LINES_MAX : 0;
	server->lines = 0;
	if (untold > 0)
		kafka_log_line(server, "kafka: %u more lines like these were left out", untold);
	os_timer_start(server->options.loop, &server->tick, TICK_US);
}

static void server_free(struct kafka_server *server)
{
	base_buffer_unref(server->shared);
	free(server->host);
	free(server->advertised_host);
	free(server);
}

static pyr_result copy_texts(struct kafka_server *server)
{
	const char *advertised =
		server->options.advertised_host ? server->options.advertised_host : server->options.host;
	server->host = strdup(server->options.host);
	server->advertised_host = strdup(advertised);
	if (!server->host || !server->advertised_host)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	server->options.host = server->host;
	server->options.advertised_host = server->advertised_host;
	return pyr_ok();
}

static pyr_result listen_for_clients(struct kafka_server *server, struct pyr_error *error)
{
	const struct kafka_server_options *options = &server->options;
	if (copy_texts(server).code != PYR_OK)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(os_net_listen(options->net, options->host, options->port, kafka_connection_accepted, server,
	                      &server->listener, error));
	server->advertised_port =
		options->advertised_port ? options->advertised_port : os_listener_port(server->listener);
	return pyr_ok();
}

pyr_result kafka_server_new(const struct kafka_server_options *options, struct kafka_server **ret_server,
                            struct pyr_error *error)
{
	assert(options->loop && options->net && options->catalog && options->log && options->coordinator &&
	       options->host);
	assert(options->default_partitions > 0 && options->request_bytes_max > 0);
	struct kafka_server *server = calloc(1, sizeof *server);
	if (!server)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	server->options = *options;
	base_list_init(&server->connections);
	base_list_init(&server->orphans);
	base_list_init(&server->memory_waiters);
	base_list_init(&server->answered);
	base_list_init(&server->producer_waiters);
	pyr_result result = listen_for_clients(server, error);
	if (result.code != PYR_OK) {
		server_free(server);
		return result;
	}
	server->tick.fire = on_tick;
	server->memory_timer.fire = on_memory;
	os_timer_start(options->loop, &server->tick, TICK_US);
	*ret_server = server;
	return pyr_ok();
}

uint16_t kafka_server_port(const struct kafka_server *server)
{
	return os_listener_port(server->listener);
}

void kafka_server_settle(struct kafka_server *server)
{
	if (!server->closing || !base_list_empty(&server->connections) || !base_list_empty(&server->orphans) ||
	    server->producer_block_wanted || server->flushing)
		return;
	void (*closed)(void *context) = server->closed;
	void *context = server->closed_context;
	server_free(server);
	closed(context);
}

void kafka_server_close(struct kafka_server *server, void (*closed)(void *context), void *context)
{
	assert(!server->closing);
	server->closing = true;
	server->closed = closed;
	server->closed_context = context;
	os_timer_stop(server->options.loop, &server->tick);
	os_timer_stop(server->options.loop, &server->memory_timer);
	os_listener_close(server->listener);
	server->listener = NULL;
	for (struct base_list *node = server->connections.next; node != &server->connections; node = node->next)
		kafka_connection_close(BASE_CONTAINER(node, struct kafka_connection, node));
	kafka_server_settle(server);
}

void kafka_server_abandon(struct kafka_server *server)
{
	struct base_list *node;
	if (!server)
		return;
	server->closing = false; /* nobody waits to hear of it */
	os_timer_stop(server->options.loop, &server->tick);
	os_timer_stop(server->options.loop, &server->memory_timer);
	os_listener_close(server->listener);
	while ((node = base_list_pop(&server->connections)))
		kafka_connection_free(BASE_CONTAINER(node, struct kafka_connection, node));
	while ((node = base_list_pop(&server->orphans)))
		kafka_request_free(BASE_CONTAINER(node, struct kafka_request, node));
	server_free(server);
}

struct kafka_server_metrics kafka_server_metrics_get(const struct kafka_server *server)
{
	return server->metrics;
}
