/* A connection's requests: received, given to their routes, answered (see http_priv.h). Owner: the server's thread.
 *
 * Failure modes: what is wrong with a request is answered with a sentence; a connection whose request was not read to its
 * end is closed behind the answer; a peer that does not send, or take, within the options' times is closed. What is not
 * HTTP at all, libwebsockets closes. */
#include "server/http/http_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void set_timer(struct http_connection *connection, uint32_t seconds)
{
	lws_set_timer_usecs(connection->wsi,
	                    seconds ? (lws_usec_t)seconds * LWS_USEC_PER_SEC : LWS_SET_TIMER_USEC_CANCEL);
}

/* ---- what is asked for ---- */

static bool path_matches(const char *route, const char *path)
{
	size_t bytes = strlen(route);
	if (bytes > 1 && route[bytes - 1] == '/')
		return strncmp(route, path, bytes) == 0;
	return strcmp(route, path) == 0;
}

/* The route; NULL: there is none, and whether the path alone has one. */
static const struct http_route *find_route(const struct http_server *server, const struct http_request *request,
                                           bool *ret_known_path)
{
	*ret_known_path = false;
	for (size_t i = 0; i < server->options.route_count; i++) {
		const struct http_route *route = &server->routes[i];
		if (!path_matches(route->path, request->path))
			continue;
		*ret_known_path = true;
		if (strcmp(route->method, request->method) == 0)
			return route;
	}
	return NULL;
}

static void await_answer(struct http_exchange *exchange)
{
	exchange->phase = HTTP_ANSWERING;
	set_timer(exchange->connection, exchange->server->options.answer_s_max);
}

static void hand_over(struct http_exchange *exchange)
{
	const struct http_route *route = exchange->route;
	await_answer(exchange);
	if (exchange->body)
		exchange->request.body = (struct base_bytes){exchange->body->data, exchange->body_bytes};
	route->handle(route->context, &exchange->request);
}

/* A body of `bytes` is announced. */
static int expect_body(struct http_exchange *exchange, unsigned long long bytes)
{
	if (bytes > exchange->route->body_bytes_max) {
		exchange->ends_connection = true;
		http_refuse(&exchange->request, 413, "a request to %.100s may have a body of %zu bytes",
		            exchange->route->path, exchange->route->body_bytes_max);
		return 0;
	}
	exchange->body = base_buffer_new((size_t)bytes + 1);
	if (!exchange->body)
		return -1;
	exchange->body->data[0] = 0;
	if (bytes > 0) {
		exchange->phase = HTTP_RECEIVING;
		set_timer(exchange->connection, exchange->server->options.receive_s_max);
	} else {
		hand_over(exchange);
	}
	return 0;
}

static int route_request(struct http_exchange *exchange)
{
	struct lws *wsi = exchange->connection->wsi;
	struct http_request *request = &exchange->request;
	bool known_path, has_body = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
	bool is_chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
	char length[24] = "0";
	await_answer(exchange);
	exchange->route = find_route(exchange->server, request, &known_path);
	if (has_body && lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) < 0)
		length[0] = 0;
	/* Without a length libwebsockets would wait for a body. */
	bool unread = is_chunked || strcmp(length, "0") != 0 || (!has_body && strcmp(request->method, "GET") != 0);
	exchange->ends_connection = unread;
	if (!exchange->route && known_path) {
		http_refuse(request, 405, "%s is not what %.100s is asked with", request->method, request->path);
	} else if (!exchange->route) {
		http_refuse(request, 404, "there is nothing at %.100s", request->path);
	} else if (is_chunked) {
		http_refuse(request, 411, "a request's body needs a Content-Length");
	} else if (strspn(length, "0123456789") != strlen(length) || !length[0]) {
		http_refuse(request, 400, "the Content-Length is no number");
	} else if (has_body || exchange->route->body_bytes_max > 0) {
		exchange->ends_connection = unread && !has_body;
		return expect_body(exchange, strtoull(length, NULL, 10));
	} else {
		hand_over(exchange);
	}
	return 0;
}

/* Of the fields that libwebsockets knows; those that it does not know have room as far as it keeps them at all. */
static bool header_is_too_long(const struct http_server *server, struct lws *wsi)
{
	size_t bytes = 0;
	for (int token = 0; token < WSI_TOKEN_COUNT; token++)
		bytes += (size_t)lws_hdr_total_length(wsi, (enum lws_token_indexes)token);
	return bytes > server->options.header_bytes_max;
}

static int refuse_header(struct http_exchange *exchange)
{
	await_answer(exchange);
	exchange->ends_connection = true;
	http_refuse(&exchange->request, 431, "a request's header may have %u bytes",
	            exchange->server->options.header_bytes_max);
	return 0;
}

static int on_request(struct http_server *server, struct http_connection *connection)
{
	assert(!connection->exchange);
	atomic_fetch_add(&server->requests, 1);
	connection->body_ended = false;
	connection->exchange = http_exchange_new(server, connection);
	if (!connection->exchange)
		return -1;
	if (header_is_too_long(server, connection->wsi))
		return refuse_header(connection->exchange);
	if (!atomic_load(&server->stopping))
		return route_request(connection->exchange);
	await_answer(connection->exchange);
	connection->exchange->ends_connection = true;
	http_refuse(&connection->exchange->request, 503, "the server is stopping");
	return 0;
}

static int on_body(struct http_connection *connection, const void *data, size_t bytes)
{
	struct http_exchange *exchange = connection->exchange;
	if (!exchange || exchange->phase != HTTP_RECEIVING)
		return 0; /* refused already: the rest is not read */
	if (bytes >= exchange->body->capacity - exchange->body_bytes)
		return -1;
	memcpy(exchange->body->data + exchange->body_bytes, data, bytes);
	exchange->body_bytes += bytes;
	exchange->body->data[exchange->body_bytes] = 0;
	return 0;
}

/* Comes again, without an end, when the peer sends more before the answer: libwebsockets does not wait for answers to requests
 * with a body. Such a peer (a pipeline behind a POST, which RFC 9112 advises against) is closed. */
static int on_body_end(struct http_connection *connection)
{
	if (connection->body_ended)
		return -1;
	connection->body_ended = true;
	if (connection->exchange && connection->exchange->phase == HTTP_RECEIVING)
		hand_over(connection->exchange);
	return 0;
}

/* ---- answering ---- */

void http_connection_answered(struct http_exchange *exchange)
{
	struct http_connection *connection = exchange->connection;
	if (exchange->status == 0) {
		exchange->handle(exchange->context, &exchange->request);
		return;
	}
	if (exchange->status >= 400)
		atomic_fetch_add(&exchange->server->request_errors, 1);
	if (!connection) {
		http_exchange_free(exchange);
		return;
	}
	exchange->phase = HTTP_SENDING;
	set_timer(connection, exchange->server->options.send_s_max);
	lws_callback_on_writable(connection->wsi);
}

static int send_headers(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->exchange;
	uint8_t space[LWS_PRE + 1024], *start = space + LWS_PRE, *at = start, *end = space + sizeof space - 1;
	if (lws_add_http_common_headers(connection->wsi, exchange->status, exchange->content_type,
	                                (lws_filepos_t)exchange->answer.bytes, &at, end) != 0)
		return -1;
	if (exchange->ends_connection &&
	    lws_add_http_header_by_token(connection->wsi, WSI_TOKEN_CONNECTION, (const uint8_t *)"close", 5, &at, end))
		return -1;
	if (lws_finalize_write_http_header(connection->wsi, start, &at, end) != 0)
		return -1;
	exchange->headers_sent = true;
	return 0;
}

static int end_exchange(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->exchange;
	bool ends = exchange->ends_connection;
	set_timer(connection, 0);
	http_exchange_detach(exchange);
	http_exchange_free(exchange);
	return ends || lws_http_transaction_completed(connection->wsi) ? -1 : 0;
}

static int on_writable(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->exchange;
	uint8_t space[LWS_PRE + HTTP_WRITE_BYTES];
	if (!exchange || exchange->phase != HTTP_SENDING)
		return 0;
	if (!exchange->headers_sent && send_headers(connection) != 0)
		return -1;
	size_t left = exchange->is_head ? 0 : exchange->answer.bytes - exchange->sent;
	size_t part = left < HTTP_WRITE_BYTES ? left : HTTP_WRITE_BYTES;
	if (left == 0)
		return end_exchange(connection);
	memcpy(space + LWS_PRE, exchange->answer.data + exchange->sent, part);
	if (lws_write(connection->wsi, space + LWS_PRE, part, part == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	exchange->sent += part;
	if (part == left)
		return end_exchange(connection);
	lws_callback_on_writable(connection->wsi);
	return 0;
}

/* The connection's exchange took too long: its answer, should there be one yet, finds nobody. */
static int on_timer(struct http_server *server, struct http_connection *connection)
{
	struct http_exchange *exchange = connection->exchange;
	if (!exchange)
		return 0;
	atomic_fetch_add(&server->requests_ended, 1);
	if (exchange->phase == HTTP_SENDING)
		return -1;
	if (exchange->phase == HTTP_RECEIVING) {
		await_answer(exchange);
		exchange->ends_connection = true;
		http_refuse(&exchange->request, 408, "the request did not arrive in time");
		return 0;
	}
	http_exchange_detach(exchange);
	connection->exchange = http_exchange_new(server, connection);
	if (!connection->exchange)
		return -1;
	await_answer(connection->exchange);
	connection->exchange->ends_connection = true;
	http_refuse(&connection->exchange->request, 504, "the request could not be answered in time");
	return 0;
}

/* What is being received or sent goes with its connection; what a handler has, or is on its way back, comes to its end. */
static void on_gone(struct http_connection *connection)
{
	struct http_exchange *exchange = connection->exchange;
	if (!exchange)
		return;
	http_exchange_detach(exchange);
	if (exchange->phase != HTTP_ANSWERING)
		http_exchange_free(exchange);
}

/* Refused when it is one too many: it was accepted already, so that the others are not kept waiting. */
static int on_accepted(struct http_server *server)
{
	if (atomic_load(&server->connections) < server->options.connections_max && !atomic_load(&server->stopping))
		return 0;
	atomic_fetch_add(&server->connections_refused, 1);
	return -1;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
	struct http_server *server = lws_context_user(lws_get_context(wsi));
	struct http_connection *connection = user;
	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		return on_accepted(server);
	case LWS_CALLBACK_WSI_CREATE:
		atomic_fetch_add(&server->connections, 1);
		atomic_fetch_add(&server->connections_total, 1);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		atomic_fetch_sub(&server->connections, 1);
		return 0;
	case LWS_CALLBACK_HTTP:
		connection->wsi = wsi;
		return on_request(server, connection);
	case LWS_CALLBACK_HTTP_BODY:
		return on_body(connection, in, bytes);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return on_body_end(connection);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_writable(connection);
	case LWS_CALLBACK_TIMER:
		return on_timer(server, connection);
	case LWS_CALLBACK_CLOSED_HTTP:
		if (connection)
			on_gone(connection);
		return 0;
	default:
		return http_socket_callback(server, wsi, reason, connection, in, bytes);
	}
}
