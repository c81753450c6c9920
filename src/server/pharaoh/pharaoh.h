/* The port of the Pharaoh network's binary protocol: frames in, frames out, a node's services between them.
 *
 * One loop serves all connections; a request costs no allocation, and replies of one turn of the loop leave with one call. What
 * must be made durable first goes to a thread of its own, for all that wait for it at once; a connection that waits is not read
 * meanwhile. Replies come in the order of their requests, but for locks that wait in line.
 *
 * Limits: connections, bytes received and not served, bytes not taken by the client, locks waited for. Failure modes: a frame that
 * is none, and a client that neither reads nor goes on for stall_us_max, close their connection. Owner: the loop's thread.
 * Format: docs/formats/pharaoh.md.
 */
#ifndef PYRALOG_SERVER_PHARAOH_PHARAOH_H
#define PYRALOG_SERVER_PHARAOH_PHARAOH_H

#include "coord/pharaoh.h"
#include "node/metrics.h"
#include "os/net.h"

struct pharaoh_server;

struct pharaoh_server_options {
	struct os_loop *loop;
	struct os_net *net; /* on that loop; NULL: no port, only other adapters ask */
	struct pharaoh *core; /* must live longer; its requests are all the server's */
	const char *host;
	uint16_t port; /* 0: any free one */
	uint32_t connections_max;
	uint64_t stall_us_max;
};

struct pharaoh_server_options pharaoh_server_options_default(void);

/* Listens. Before the loop runs, or from its thread. PYR_NETWORK with a sentence, PYR_OUT_OF_MEMORY. */
pyr_result pharaoh_server_new(const struct pharaoh_server_options *options, struct pharaoh_server **ret_server,
                              struct pyr_error *error);
uint16_t pharaoh_server_port(const struct pharaoh_server *server);
/* Stops listening, closes every connection, waits for what is being made durable; then calls `closed`, and is gone. */
void pharaoh_server_close(struct pharaoh_server *server, void (*closed)(void *context), void *context);

struct pharaoh_server_metrics {
	uint64_t connections_total, connections_refused, connections_broken;
	uint32_t connections; /* now */
};

struct pharaoh_server_metrics pharaoh_server_metrics_get(const struct pharaoh_server *server);

extern const struct node_metric_table pharaoh_metrics;
struct node_metric_source pharaoh_server_metric_source(struct pharaoh_server *server); /* on the first shard's loop */

/* ---- for other adapters of the same node: on the loop ---- */

/* A request on its way, in the asker's own struct. */
struct pharaoh_ask {
	struct codec_pharaoh request; /* what it borrows lives until `answered` */
	void (*answered)(struct pharaoh_ask *ask, const struct codec_pharaoh *reply); /* borrowed; the last call */

	/* The server's. */
	struct pharaoh_server *server;
	struct base_list node;
	enum pharaoh_verdict verdict;
	struct pharaoh_hold hold;
	struct codec_pharaoh held;
	struct lock_waiter waiter;
	struct os_timer timer;
};

void pharaoh_server_ask(struct pharaoh_server *server, struct pharaoh_ask *ask);

#endif
