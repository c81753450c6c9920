/* A client of the Pharaoh network's binary protocol, one question at a time, and keep-alives on the way. It follows redirects: the
 * node that a MOVED reply names is asked instead.
 *
 * Errors are PYR_NETWORK with a sentence that names the node, or the reply's with its sentence. Owner: the loop's thread. */
#ifndef PYRALOG_CLIENT_PHARAOH_H
#define PYRALOG_CLIENT_PHARAOH_H

#include "codec/pharaoh.h"
#include "os/net.h"

enum { CLIENT_PHARAOH_HOST_MAX = 255 };

struct client_pharaoh {
	struct os_loop *loop;
	struct os_net *net;
	char host[CLIENT_PHARAOH_HOST_MAX + 1];
	uint16_t port;
	struct os_connection *os; /* NULL: closed */
	uint8_t *in; /* CODEC_PHARAOH_FRAME_MAX */
	size_t in_bytes, frame_bytes; /* frame_bytes: of the reply that was handed out */
	uint32_t asked; /* the id that is waited for; 0: none */
	struct codec_pharaoh reply;
	bool answered, timed_out, waiting;
	struct os_timer timer;
	/* Replies to client_pharaoh_send(); may be NULL. `lost`: the connection is gone, and nobody waits for an answer. */
	void (*told)(void *context, const struct codec_pharaoh *reply);
	void (*lost)(void *context);
	void *context;
	uint32_t last_id;
};

/* PYR_NETWORK, PYR_OUT_OF_MEMORY. Connects in the background. */
pyr_result client_pharaoh_open(struct client_pharaoh *client, struct os_loop *loop, struct os_net *net,
                               const char *host, uint16_t port, struct pyr_error *error);
void client_pharaoh_close(struct client_pharaoh *client);
void client_pharaoh_deinit(struct client_pharaoh *client); /* after its loop was freed */

/* Runs the loop until the reply is there; what it borrows is valid until the next call. */
pyr_result client_pharaoh_ask(struct client_pharaoh *client, const struct codec_pharaoh *request, uint64_t timeout_us,
                              struct codec_pharaoh *ret_reply, struct pyr_error *error);
/* Sends, and waits for nothing: on the running loop. */
void client_pharaoh_send(struct client_pharaoh *client, const struct codec_pharaoh *request);

#endif
