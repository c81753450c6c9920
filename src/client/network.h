/* A client of a whole Pharaoh network: it knows which node has which slot, asks that one, and follows the slots when they move.
 *
 *	asked  --its slot's node-->  sent  --reply-->  answered
 *	sent   --MOVED, naming the owner-->  sent to that one         --the connection is gone, nobody has the slot-->  late
 *	late   --a moment-->  asked        any  --its time is over-->  answered: PYR_NETWORK
 *
 * The map of slots is asked for with each first connection, and again when a reply says MOVED. What was sent when a connection
 * went away is sent again: nothing that this protocol does is harmed by that. Numbers whose reply was lost are nobody's, a session
 * that nobody knows ends by itself, a lock that is taken twice by one session is the same lock; giving up what is gone is no error
 * the second time.
 *
 * Limits: nodes known. Failure modes: an ask is answered within its time, with a sentence. Owner: the loop's thread.
 */
#ifndef PYRALOG_CLIENT_NETWORK_H
#define PYRALOG_CLIENT_NETWORK_H

#include "base/list.h"
#include "codec/pharaoh.h"
#include "os/net.h"

enum { CLIENT_NETWORK_NODES_MAX = 2048, CLIENT_NETWORK_HOST_MAX = 255 };

struct client_network;
struct client_network_node;

/* In the asker's own struct. */
struct client_network_ask {
	struct codec_pharaoh
		request; /* what it borrows lives until `answered`, the last call; the reply lives for that call */
	uint64_t timeout_us; /* besides the request's wait */
	void (*answered)(struct client_network_ask *ask, pyr_result result, const struct codec_pharaoh *reply,
	                 const struct pyr_error *error);

	/* The network's. */
	struct client_network *network;
	struct base_list node;
	struct os_timer timer;
	uint64_t wait_until_us;
	uint32_t sent; /* times */
	struct pyr_error trouble; /* what was wrong last */
};

/* `nodes`: "host:port", or several of them with commas: whoever of them answers first tells of the others. PYR_USAGE with a
 * sentence, PYR_OUT_OF_MEMORY. Connects when something is asked. */
pyr_result client_network_new(struct os_loop *loop, struct os_net *net, const char *nodes,
                              struct client_network **ret_network, struct pyr_error *error);
void client_network_ask(struct client_network *network, struct client_network_ask *ask);
/* What is asked is answered with PYR_NETWORK; then, when all connections are closed, `closed` is called and the network is gone. */
void client_network_close(struct client_network *network, void (*closed)(void *context), void *context);
void client_network_free(struct client_network *network); /* one that was never asked anything */

#endif
