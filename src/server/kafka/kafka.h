/* The Kafka port: a thin adapter between connections and the logs and catalogs of a node's shards. No logic of its own.
 *
 * Each shard serves connections of its own on its own loop, without locks; what concerns partitions of another shard goes
 * there as a message. Asks only os/ for time and network, so it runs unchanged on the simulated ones. Protocol: kafka.apache.org/protocol; the messages are in codec/kafka/messages.def.
 * Limits: each connection, the requests under way, the bytes received and those waiting to be sent are bounded by the
 * options; at a bound the server stops reading from the peer, or closes it and reports why.
 */
#ifndef PYRALOG_SERVER_KAFKA_KAFKA_H
#define PYRALOG_SERVER_KAFKA_KAFKA_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "group/coordinator.h"
#include "log/log.h"
#include "node/ids.h"
#include "node/metrics.h"
#include "node/route.h"
#include "os/loop.h"
#include "os/net.h"
#include "os/report.h"

#include <stdbool.h>
#include <stdint.h>

struct kafka_server;

/* What one shard brings. Used on its loop's thread only. */
struct kafka_shard {
	struct os_loop *loop;
	struct os_net *net;
	struct catalog *catalog;
	struct log *log;
};

struct kafka_server_options {
	const struct kafka_shard *shards; /* the first one listens; copied */
	size_t shard_count;
	struct group_coordinator *coordinator; /* on the first shard's loop */
	struct node_route route; /* who coordinates a group or a transaction */
	struct node_ids
		*ids; /* where producers' numbers come from, must live longer; NULL: from blocks of the catalog */
	const char *host; /* to listen on; copied, as all texts here */
	uint16_t port; /* 0: any free one */
	const char *advertised_host; /* what clients are told to connect to; NULL: host */
	uint16_t advertised_port; /* 0: the port listened on */
	int32_t node_id;
	uint32_t default_partitions; /* of topics made by themselves, or asked for with -1 */
	bool auto_create; /* a Metadata request for an unknown topic makes it */
	uint32_t request_bytes_max; /* a longer request closes its connection */
	uint64_t memory_bytes_max; /* received and not yet answered, over all connections */
	uint64_t response_bytes_max; /* answered and not yet sent, over all connections */
	uint32_t connections_max;
	uint64_t stall_us_max; /* a connection that stops in the middle of a request or response is closed after this */
	struct os_reporter *reporter; /* of what an operator should know; NULL: nobody wants it */
};

/* All but shards and coordinator. Limits are of all of them together. */
struct kafka_server_options kafka_server_options_default(void);

/* Listens. To be called before the shards' loops run, or from the thread that runs them all. PYR_NETWORK with a sentence,
 * PYR_OUT_OF_MEMORY. */
pyr_result kafka_server_new(const struct kafka_server_options *options, struct kafka_server **ret_server,
                            struct pyr_error *error);
uint16_t kafka_server_port(const struct kafka_server *server);

/* Of topics made from here on; any thread. */
void kafka_server_set_partitions(struct kafka_server *server, uint32_t partitions);

/* On the first shard's loop: stops listening; each connection answers the requests that have arrived, reads no others, and is
 * closed. kafka_server_drained(): no connection is left. kafka_server_close() follows. */
void kafka_server_drain(struct kafka_server *server);
bool kafka_server_drained(const struct kafka_server *server);
/* On the first shard's loop, while all of them run: stops listening, closes every connection, waits for what the logs still
 * owe; then calls `closed` and is gone. Close the server before the logs. */
void kafka_server_close(struct kafka_server *server, void (*closed)(void *context), void *context);
/* Frees everything at once, for a simulated crash: the loops are dead, logs and catalogs have been abandoned. NULL is fine. */
void kafka_server_abandon(struct kafka_server *server);

struct kafka_server_metrics {
	uint64_t requests;
	uint64_t request_errors; /* malformed, unknown or too large: the connection was closed */
	uint64_t produced_batches; /* accepted by the log */
	uint64_t fetched_bytes;
	uint64_t connections_refused; /* over connections_max */
	uint64_t connections_stalled; /* closed after stall_us_max */
	uint64_t throttled; /* answers after which a client had to wait for its quota */
	uint64_t memory_waits; /* times a connection had to wait for memory_bytes_max */
	uint64_t memory_bytes; /* now */
	uint64_t response_bytes; /* now */
	uint32_t connections; /* now */
	uint32_t requests_in_flight; /* now */
};

/* Of one shard, on its loop. */
struct kafka_server_metrics kafka_server_metrics_get(const struct kafka_server *server, size_t shard);
/* The same as the node's metrics: from each shard's loop. */
extern const struct node_metric_table kafka_metrics;
struct node_metric_source kafka_server_metric_source(struct kafka_server *server);

#endif
