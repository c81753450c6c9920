/* What connections count, by the names that metrics have (see node/metrics.h). Owner: each shard's loop. */
#include "server/kafka/kafka.h"

#define KAFKA(X)                                                                                                       \
	X(requests, COUNTER, "pyralog_kafka_requests_total", "requests received")                                      \
	X(request_errors, COUNTER, "pyralog_kafka_request_errors_total",                                               \
	  "requests that were malformed, unknown or too large: the connection was closed")                             \
	X(produced_batches, COUNTER, "pyralog_kafka_produced_batches_total", "batches of producers that the log took") \
	X(fetched_bytes, COUNTER, "pyralog_kafka_fetched_bytes_total", "bytes of batches given to consumers")          \
	X(connections_refused, COUNTER, "pyralog_kafka_connections_refused_total",                                     \
	  "connections refused because there were too many")                                                           \
	X(connections_stalled, COUNTER, "pyralog_kafka_connections_stalled_total",                                     \
	  "connections closed in the middle of a request or response that did not go on")                              \
	X(throttled, COUNTER, "pyralog_kafka_throttled_responses_total",                                               \
	  "answers after which a client had to wait for its quota")                                                    \
	X(memory_waits, COUNTER, "pyralog_kafka_memory_waits_total", "times that a connection had to wait for memory") \
	X(memory_bytes, GAUGE, "pyralog_kafka_request_memory_bytes", "bytes received and not yet answered")            \
	X(response_bytes, GAUGE, "pyralog_kafka_response_memory_bytes", "bytes answered and not yet sent")             \
	X(connections, GAUGE, "pyralog_kafka_connections", "connections")                                              \
	X(requests_in_flight, GAUGE, "pyralog_kafka_requests_in_flight", "requests being worked on")

#define ROW(field, kind, name, text) {name, NODE_##kind, 1, text},
static const struct node_metric rows[] = {KAFKA(ROW)};
#undef ROW

const struct node_metric_table kafka_metrics = {"Kafka port", NODE_EACH_SHARD, rows, sizeof rows / sizeof *rows};

static void read_values(void *context, size_t shard, int64_t *values)
{
	struct kafka_server_metrics now = kafka_server_metrics_get(context, shard);
#define READ(field, ...) *values++ = (int64_t)now.field;
	KAFKA(READ)
#undef READ
}

struct node_metric_source kafka_server_metric_source(struct kafka_server *server)
{
	return (struct node_metric_source){&kafka_metrics, read_values, server};
}
