/* WebSocket connections (RFC 6455): found by path and subprotocol, messages put together, answers queued.
 *
 * Invariant: a socket is alive while the connection or anybody else holds a reference; `wsi` is the connection's and NULL
 * once that is gone. Locks: the server's, for what waits to be sent. Owner of the rest: the server's thread. */
#include "server/http/http_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct message {
	struct base_list node;
	size_t bytes;
	bool is_text;
	uint8_t space[]; /* LWS_PRE, and the bytes */
};

struct http_socket {
	atomic_uint references;
	struct http_server *server;

	/* Under the server's lock. */
	struct base_list messages;
	size_t queued_bytes;
	struct base_list written; /* in the server's list of that name, or by itself */
	bool closing; /* nothing more is taken */

	/* The server's thread. */
	struct lws *wsi;
	const struct http_socket_route *route;
	void *state;
	uint8_t *received; /* the message so far */
	size_t received_bytes, received_capacity;
};

struct http_socket *http_socket_ref(struct http_socket *socket)
{
	atomic_fetch_add(&socket->references, 1);
	return socket;
}

void http_socket_unref(struct http_socket *socket)
{
	if (!socket || atomic_fetch_sub(&socket->references, 1) > 1)
		return;
	for (struct base_list *node; (node = base_list_pop(&socket->messages));)
		free(BASE_CONTAINER(node, struct message, node));
	free(socket->received);
	free(socket);
}

/* ---- sending ---- */

/* With the lock held. */
static void want_written(struct http_socket *socket)
{
	if (base_list_empty(&socket->written))
		base_list_append(&socket->server->written, &socket->written);
	http_wake(socket->server);
}

pyr_result http_socket_send(struct http_socket *socket, struct base_bytes bytes, bool is_text)
{
	struct http_server *server = socket->server;
	struct message *message = malloc(sizeof *message + LWS_PRE + bytes.bytes);
	enum pyr_code code = PYR_OK;
	if (!message)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	message->bytes = bytes.bytes;
	message->is_text = is_text;
	if (bytes.bytes > 0)
		memcpy(message->space + LWS_PRE, bytes.data, bytes.bytes);
	os_mutex_lock(&server->lock);
	if (socket->closing)
		code = PYR_NETWORK;
	else if (socket->queued_bytes + bytes.bytes > server->options.socket_queue_bytes_max)
		code = PYR_BUSY;
	if (code == PYR_OK) {
		base_list_append(&socket->messages, &message->node);
		socket->queued_bytes += bytes.bytes;
		want_written(socket);
	}
	os_mutex_unlock(&server->lock);
	if (code != PYR_OK)
		free(message);
	return pyr_result_of(code);
}

void http_socket_close(struct http_socket *socket)
{
	os_mutex_lock(&socket->server->lock);
	if (!socket->closing) {
		socket->closing = true;
		want_written(socket);
	}
	os_mutex_unlock(&socket->server->lock);
}

void http_socket_write(struct base_list *node)
{
	lws_callback_on_writable(BASE_CONTAINER(node, struct http_socket, written)->wsi);
}

static int on_writable(struct http_socket *socket)
{
	struct http_server *server = socket->server;
	os_mutex_lock(&server->lock);
	struct base_list *node = base_list_pop(&socket->messages);
	struct message *message = node ? BASE_CONTAINER(node, struct message, node) : NULL;
	if (message)
		socket->queued_bytes -= message->bytes;
	bool more = !base_list_empty(&socket->messages), closing = socket->closing;
	os_mutex_unlock(&server->lock);
	if (!message)
		return closing ? -1 : 0;
	int written = lws_write(socket->wsi, message->space + LWS_PRE, message->bytes,
	                        message->is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
	free(message);
	if (written < 0)
		return -1;
	if (more || closing)
		lws_callback_on_writable(socket->wsi);
	return 0;
}

/* ---- opening and closing ---- */

static bool speaks(const struct http_socket_route *route, struct lws *wsi)
{
	const char *name = lws_get_protocol(wsi)->name;
	return strcmp(name, route->subprotocol ? route->subprotocol : "http") == 0;
}

/* On an upgrade, while the header is there. */
static const struct http_socket_route *find_route(const struct http_server *server, struct lws *wsi)
{
	char path[256];
	if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0)
		return NULL;
	for (size_t i = 0; i < server->options.socket_route_count; i++)
		if (strcmp(server->socket_routes[i].path, path) == 0 && speaks(&server->socket_routes[i], wsi))
			return &server->socket_routes[i];
	return NULL;
}

static int on_established(struct http_server *server, struct lws *wsi, struct http_connection *connection)
{
	const struct http_socket_route *route = find_route(server, wsi);
	struct http_socket *socket = route ? calloc(1, sizeof *socket) : NULL;
	if (!socket)
		return -1;
	atomic_init(&socket->references, 1);
	socket->server = server;
	socket->wsi = wsi;
	socket->route = route;
	base_list_init(&socket->messages);
	base_list_init(&socket->written);
	connection->wsi = wsi;
	connection->socket = socket;
	atomic_fetch_add(&server->sockets, 1);
	socket->state = route->opened(route->context, socket);
	return socket->state ? 0 : -1;
}

static void on_closed(struct http_connection *connection)
{
	struct http_socket *socket = connection->socket;
	if (!socket)
		return;
	connection->socket = NULL;
	os_mutex_lock(&socket->server->lock);
	socket->closing = true;
	base_list_remove(&socket->written);
	os_mutex_unlock(&socket->server->lock);
	socket->wsi = NULL;
	atomic_fetch_sub(&socket->server->sockets, 1);
	if (socket->state)
		socket->route->closed(socket->state);
	http_socket_unref(socket);
}

/* ---- receiving ---- */

static bool keep(struct http_socket *socket, const void *data, size_t bytes)
{
	size_t wanted = socket->received_bytes + bytes + 1;
	if (wanted > socket->received_capacity) {
		size_t capacity = wanted < 4096 ? 4096 : wanted * 2;
		uint8_t *bigger = realloc(socket->received, capacity);
		if (!bigger)
			return false;
		socket->received = bigger;
		socket->received_capacity = capacity;
	}
	if (bytes > 0)
		memcpy(socket->received + socket->received_bytes, data, bytes);
	socket->received_bytes += bytes;
	socket->received[socket->received_bytes] = 0;
	return true;
}

static int on_received(struct http_socket *socket, const void *data, size_t bytes)
{
	static char too_long[] = "the message is too long";
	if (socket->received_bytes + bytes > socket->route->message_bytes_max) {
		lws_close_reason(socket->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, (unsigned char *)too_long,
		                 sizeof too_long - 1);
		return -1;
	}
	if (!keep(socket, data, bytes))
		return -1;
	if (!lws_is_final_fragment(socket->wsi) || lws_remaining_packet_payload(socket->wsi) > 0)
		return 0;
	struct base_bytes message = {socket->received, socket->received_bytes};
	socket->received_bytes = 0;
	socket->route->received(socket->state, message, lws_frame_is_binary(socket->wsi) == 0);
	return 0;
}

int http_socket_callback(struct http_server *server, struct lws *wsi, enum lws_callback_reasons reason,
                         struct http_connection *connection, void *in, size_t bytes)
{
	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* HTTP/2 is not among what is spoken */
		return strcmp(in, "websocket") == 0 && !atomic_load(&server->stopping) ? 0 : -1;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return find_route(server, wsi) ? 0 : -1;
	case LWS_CALLBACK_ESTABLISHED:
		return on_established(server, wsi, connection);
	case LWS_CALLBACK_RECEIVE:
		return connection->socket ? on_received(connection->socket, in, bytes) : -1;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return connection->socket ? on_writable(connection->socket) : -1;
	case LWS_CALLBACK_CLOSED:
		if (connection)
			on_closed(connection);
		return 0;
	default:
		return 0;
	}
}
