/* Shared by the files of the HTTP port. Fields are grouped by the thread that owns them; libwebsockets appears here only. */
#ifndef PYRALOG_SERVER_HTTP_HTTP_PRIV_H
#define PYRALOG_SERVER_HTTP_HTTP_PRIV_H

#include "base/list.h"
#include "os/thread.h"
#include "server/http/http.h"

#include <libwebsockets.h>
#include <stdatomic.h>

enum { HTTP_ROUTES_MAX = 64, HTTP_WRITE_BYTES = 16 << 10 };

struct http_server {
	struct http_server_options options;
	struct http_route routes[HTTP_ROUTES_MAX];
	struct http_socket_route socket_routes[HTTP_ROUTES_MAX];
	struct lws_protocols protocols[HTTP_ROUTES_MAX + 2]; /* one a subprotocol, behind HTTP's own */
	struct lws_context *context;
	uint16_t port;
	struct os_thread thread;

	/* Any thread, under the lock. */
	struct os_mutex lock;
	struct base_list answered; /* exchanges, to be sent or gone on with */
	struct base_list written; /* sockets that have something to send */
	bool dead; /* nobody looks at the lists any more */

	/* Any thread. */
	atomic_bool stopping;
	_Atomic uint64_t requests, request_errors, requests_ended, connections_total, connections_refused;
	_Atomic uint32_t connections, sockets;
	_Atomic uint32_t exchanges; /* alive */

	/* The server's thread. */
	uint32_t under_way; /* exchanges with a connection */
	lws_sorted_usec_list_t deadline; /* of stopping */
	bool late;
};

struct http_exchange;

/* What libwebsockets keeps for a connection: zeroed by it, on the server's thread. */
struct http_connection {
	struct lws *wsi;
	struct http_exchange *exchange; /* under way */
	struct http_socket *socket;
	bool body_ended; /* of the request under way */
};

/* A request and its answer. Alive until its answer was sent, or was given and nobody waits for it any more. */
struct http_exchange {
	struct http_request request; /* first */
	struct base_list node;
	struct http_server *server;

	/* Whoever answers; the server's thread from then on. */
	unsigned status; /* 0: not answered, `handle` goes on */
	void (*handle)(void *context, struct http_request *request);
	void *context;
	const char *content_type;
	struct base_slice answer;

	/* The server's thread. */
	const struct http_route *route; /* NULL: refused before */
	struct http_connection *connection; /* NULL: gone */
	struct base_buffer *body;
	size_t body_bytes; /* received */
	size_t sent;
	enum { HTTP_RECEIVING, HTTP_ANSWERING, HTTP_SENDING } phase;
	bool headers_sent;
	bool is_head;
	bool ends_connection; /* the peer may still be sending what nobody will read */
	char texts[];
};

/* ---- server.c ---- */

/* The server's thread has something to do: with the lock held. */
void http_wake(struct http_server *server);

/* ---- exchange.c ---- */

/* The connection's request, out of its header. NULL: memory is out. */
struct http_exchange *http_exchange_new(struct http_server *server, struct http_connection *connection);
void http_exchange_free(struct http_exchange *exchange);
/* The connection is not interested any more. */
void http_exchange_detach(struct http_exchange *exchange);

/* ---- connection.c ---- */

/* libwebsockets' callback of every protocol. */
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes);
/* It was answered, or is to be gone on with: on the server's thread. */
void http_connection_answered(struct http_exchange *exchange);

/* ---- socket.c ---- */

/* What of the callback concerns WebSocket. */
int http_socket_callback(struct http_server *server, struct lws *wsi, enum lws_callback_reasons reason,
                         struct http_connection *connection, void *in, size_t bytes);
/* Something waits to be sent: on the server's thread. */
void http_socket_write(struct base_list *node);

#endif
