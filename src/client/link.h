/* A client's connection to a broker: requests out, their responses in, in order, as Kafka's protocol promises.
 *
 * Batches are sent by reference, nothing of them is copied or looked at (but tiny ones, which cost less to copy than to
 * reference). Responses are decoded where they were received. Owner: the loop's thread; a link lives until its loop is
 * freed. */
#ifndef PYRALOG_CLIENT_LINK_H
#define PYRALOG_CLIENT_LINK_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "codec/arena.h"
#include "os/net.h"

#include <stdint.h>

enum { CLIENT_API_KEYS = 96 };

/* The version of each API that both sides speak; -1: the broker does not. */
struct client_versions {
	int16_t of[CLIENT_API_KEYS];
};

/* None may close or free the link's loop; they may send. */
struct client_link_handler {
	/* The response to the oldest request: decoded (in the link's arena, from borrowed bytes), valid during the call. */
	void (*answered)(void *context, int16_t key, const void *response);
	void (*drained)(void *context); /* all that was sent has left; may be NULL */
	/* The last call, unless client_link_close() came first: why the link ended. */
	void (*lost)(void *context, const char *why);
};

struct client_asked {
	int16_t key, version;
	int32_t correlation_id;
};

struct client_link {
	struct os_connection *os; /* NULL: closed */
	const struct client_link_handler *handler;
	void *context;
	const struct client_versions *versions;
	const char *ended; /* why we end it */
	bool closing;

	uint8_t *in;
	size_t in_capacity, in_from, in_used;

	struct client_asked *asked; /* a ring of asked_max places */
	uint32_t asked_max, asked_first, asked_count;
	int32_t correlation_id;
	struct codec_arena arena;
	struct base_slice *slices; /* of the request being sent */
	size_t slices_capacity;
	size_t out_bytes_last; /* of the last request: how much room the next will need */
};

/* Connects in the background. `asked_max`: the most requests that will wait for an answer at a time. `versions` must
 * live as long. PYR_NETWORK: the host does not resolve; PYR_OUT_OF_MEMORY. */
pyr_result client_link_open(struct client_link *link, struct os_net *net, const char *host, uint16_t port,
                            const struct client_versions *versions, uint32_t asked_max,
                            const struct client_link_handler *handler, void *context);
void client_link_close(struct client_link *link); /* twice is fine; no call of the handler comes any more */
void client_link_deinit(struct client_link *link); /* after its loop was freed */

/* Bytes that belong into the message at `at`, where it was encoded with a codec_kafka_records.ret_gap_at. */
struct client_gap {
	size_t at;
	struct base_slice bytes; /* borrowed: a reference is taken */
};

/* Sends a request of API `key`, in the agreed version. `is_answered`: false for acks=0. PYR_OUT_OF_MEMORY,
 * PYR_UNSUPPORTED_VERSION. */
pyr_result client_link_send(struct client_link *link, int16_t key, const void *message, const struct client_gap *gaps,
                            size_t gap_count, bool is_answered);

#endif
