/* The HTTP port: requests and WebSocket messages for handlers that register routes. It knows none of them.
 *
 * Source of the protocols: RFC 9110, 9112, 6455; libwebsockets speaks them, on one thread of this server's own, so that no
 * shard's loop ever waits for it. Handlers are called on that thread and must not block; they answer at once or later,
 * from any thread. HTTP/1.1 with keep-alive, without TLS.
 *
 * Limits: connections, a request's header, its body, the time to send it, to answer it and to take the answer, and what
 * waits for a WebSocket peer are bounded by the options; what goes beyond is answered with a sentence where HTTP has a
 * status for it, otherwise the connection is closed, and counted.
 */
#ifndef PYRALOG_SERVER_HTTP_HTTP_H
#define PYRALOG_SERVER_HTTP_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_server;

/* A request, from its route's handler until it is answered. All texts are terminated and the request's; "" for what was not
 * sent. */
struct http_request {
	const char *method; /* "GET", also for HEAD */
	const char *path; /* without the query, percent-decoded */
	const char
		*query; /* its fields, "name=value", percent-decoded, each behind the other's zero; an empty one ends */
	const char *content_type;
	const char *accept;
	const char *authorization;
	struct base_bytes body;
};

/* The value of a field of the query; NULL: there is none. */
const char *http_request_argument(const struct http_request *request, const char *name);

/* Requests of one method and path. */
struct http_route {
	const char *method; /* "GET" (serves HEAD too), "POST", "PUT", "PATCH" or "DELETE" */
	const char *path; /* "/metrics"; one that ends with '/' is a prefix */
	size_t body_bytes_max; /* 0: the request has no body */
	/* Answers the request, once, now or later. */
	void (*handle)(void *context, struct http_request *request);
	void *context;
};

/* ---- WebSocket ---- */

/* A connection, by reference: held from `opened` to `closed`, and by http_socket_ref(). */
struct http_socket;

struct http_socket_route {
	const char *path;
	const char *subprotocol; /* the peer must ask for it; NULL: it asks for none */
	size_t message_bytes_max;
	/* What `received` and `closed` are given. NULL: the connection is refused. */
	void *(*opened)(void *context, struct http_socket *socket);
	void (*received)(void *state, struct base_bytes message, bool is_text); /* borrowed, terminated by a zero */
	void (*closed)(void *state); /* the last call, once */
	void *context;
};

/* Sends a copy of the message; any thread. PYR_NETWORK: the peer is gone. PYR_BUSY: more than socket_queue_bytes_max would
 * wait for it. PYR_OUT_OF_MEMORY. Nothing was sent then. */
pyr_result http_socket_send(struct http_socket *socket, struct base_bytes message, bool is_text);
/* Any thread; what waits is sent before. */
void http_socket_close(struct http_socket *socket);
struct http_socket *http_socket_ref(struct http_socket *socket);
void http_socket_unref(struct http_socket *socket);

/* ---- answers, by any thread ---- */

/* Takes the body over; `content_type` is static. The request is gone. */
void http_answer(struct http_request *request, unsigned status, const char *content_type, struct base_slice body);
/* Calls `handle` on the server's thread, once, which goes on with the request; whatever is done on a loop is short. When the
 * server has stopped, http_server_free() calls it. */
void http_continue(struct http_request *request, void (*handle)(void *context, struct http_request *request),
                   void *context);
/* {"error": "..."} */
[[gnu::format(printf, 3, 4)]] void http_refuse(struct http_request *request, unsigned status, const char *format, ...);

/* ---- the server ---- */

struct http_server_options {
	const char *host; /* to listen on: an address, or localhost */
	uint16_t port; /* 0: any free one */
	const struct http_route *routes; /* copied; texts are static */
	size_t route_count;
	const struct http_socket_route *socket_routes; /* the same */
	size_t socket_route_count;
	uint32_t connections_max;
	uint32_t header_bytes_max; /* of all header fields that are kept */
	size_t socket_queue_bytes_max;
	uint32_t receive_s_max; /* a request that is not there by then is ended */
	uint32_t answer_s_max; /* one that nobody answered is answered with 504 */
	uint32_t send_s_max; /* an answer that was not taken by then is ended */
	uint32_t idle_s_max; /* between two requests */
};

struct http_server_options http_server_options_default(void);

/* Listens, and serves on a thread of its own from here on. PYR_NETWORK with a sentence, PYR_OUT_OF_MEMORY. */
pyr_result http_server_new(const struct http_server_options *options, struct http_server **ret_server,
                           struct pyr_error *error);
uint16_t http_server_port(const struct http_server *server);
/* Listens no more, closes every connection, and returns when the thread has ended; no handler is called any more.
 * Requests that are not answered yet may still be, until http_server_free(). Not from a handler. */
void http_server_stop(struct http_server *server);
/* After http_server_stop(), when every request was answered and every socket given back. NULL is fine. */
void http_server_free(struct http_server *server);

struct http_server_metrics {
	uint64_t requests;
	uint64_t request_errors; /* answered with a status of 400 or more */
	uint64_t requests_ended; /* by a limit of time or size, without an answer of a handler */
	uint64_t connections_total;
	uint64_t connections_refused; /* over connections_max */
	uint32_t connections; /* now */
	uint32_t sockets; /* WebSocket connections, now */
};

/* Any thread. */
struct http_server_metrics http_server_metrics_get(const struct http_server *server);

#endif
