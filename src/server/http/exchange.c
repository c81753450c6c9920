/* A request with its answer (see http_priv.h): made out of the header, answered by any thread, freed on the server's.
 *
 * Invariant: an exchange is in one of three hands: the connection's while it is received and sent, the handler's in
 * between, the list `answered` on the way back. A connection that goes leaves it to the handler; the answer frees it. */
#include "server/http/http_priv.h"

#include "base/json_text.h"
#include "base/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const methods[] = {
	[LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
	[LWSHUMETH_PUT] = "PUT",         [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
	[LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "GET",
};

/* A header field behind what is in `at`; its zero is counted. */
static const char *copy_field(struct lws *wsi, enum lws_token_indexes token, char **at)
{
	char *text = *at;
	int bytes = lws_hdr_total_length(wsi, token);
	if (bytes <= 0 || lws_hdr_copy(wsi, text, bytes + 1, token) < 0)
		return "";
	*at += bytes + 1;
	return text;
}

static const char *copy_query(struct lws *wsi, char **at)
{
	char *text = *at;
	for (int i = 0, bytes; (bytes = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++) {
		if (lws_hdr_copy_fragment(wsi, *at, bytes + 1, WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
			break;
		*at += bytes + 1;
	}
	*(*at)++ = 0;
	return text;
}

/* Room for the fields and as many zeros as there may be: each fragment of the query has one. */
static size_t texts_bytes(struct lws *wsi, int path_bytes)
{
	static const enum lws_token_indexes tokens[] = {WSI_TOKEN_HTTP_CONTENT_TYPE, WSI_TOKEN_HTTP_ACCEPT,
	                                                WSI_TOKEN_HTTP_AUTHORIZATION};
	size_t bytes = (size_t)path_bytes + 1;
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		bytes += (size_t)lws_hdr_total_length(wsi, tokens[i]) + 1;
	for (int i = 0, length; (length = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++)
		bytes += (size_t)length + 1;
	return bytes + 1;
}

struct http_exchange *http_exchange_new(struct http_server *server, struct http_connection *connection)
{
	struct lws *wsi = connection->wsi;
	char *path;
	int path_bytes = 0, method = lws_http_get_uri_and_method(wsi, &path, &path_bytes);
	bool known = method >= 0 && (size_t)method < sizeof methods / sizeof *methods && methods[method];
	struct http_exchange *exchange = calloc(1, sizeof *exchange + texts_bytes(wsi, path_bytes));
	if (!exchange)
		return NULL;
	char *at = exchange->texts;
	memcpy(at, path, (size_t)path_bytes);
	exchange->request.path = at;
	at += path_bytes + 1;
	exchange->request.method = known ? methods[method] : "";
	exchange->is_head = method == LWSHUMETH_HEAD;
	exchange->request.content_type = copy_field(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, &at);
	exchange->request.accept = copy_field(wsi, WSI_TOKEN_HTTP_ACCEPT, &at);
	exchange->request.authorization = copy_field(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, &at);
	exchange->request.query = copy_query(wsi, &at);
	exchange->server = server;
	exchange->connection = connection;
	server->under_way += 1;
	atomic_fetch_add(&server->exchanges, 1);
	return exchange;
}

void http_exchange_detach(struct http_exchange *exchange)
{
	assert(exchange->connection && exchange->connection->exchange == exchange);
	exchange->connection->exchange = NULL;
	exchange->connection = NULL;
	exchange->server->under_way -= 1;
}

void http_exchange_free(struct http_exchange *exchange)
{
	assert(!exchange->connection);
	base_slice_release(&exchange->answer);
	base_buffer_unref(exchange->body);
	atomic_fetch_sub(&exchange->server->exchanges, 1);
	free(exchange);
}

const char *http_request_argument(const struct http_request *request, const char *name)
{
	size_t bytes = strlen(name);
	for (const char *field = request->query; *field; field += strlen(field) + 1)
		if (strncmp(field, name, bytes) == 0 && (field[bytes] == '=' || !field[bytes]))
			return field[bytes] ? field + bytes + 1 : "";
	return NULL;
}

/* ---- any thread ---- */

static void bring_back(struct http_exchange *exchange)
{
	struct http_server *server = exchange->server;
	os_mutex_lock(&server->lock);
	base_list_append(&server->answered, &exchange->node);
	http_wake(server);
	os_mutex_unlock(&server->lock);
}

void http_answer(struct http_request *request, unsigned status, const char *content_type, struct base_slice body)
{
	struct http_exchange *exchange = BASE_CONTAINER(request, struct http_exchange, request);
	assert(status >= 200 && status < 600 && exchange->status == 0);
	exchange->status = status;
	exchange->content_type = content_type;
	exchange->answer = body;
	bring_back(exchange);
}

void http_continue(struct http_request *request, void (*handle)(void *context, struct http_request *request),
                   void *context)
{
	struct http_exchange *exchange = BASE_CONTAINER(request, struct http_exchange, request);
	assert(exchange->status == 0);
	exchange->handle = handle;
	exchange->context = context;
	bring_back(exchange);
}

void http_refuse(struct http_request *request, unsigned status, const char *format, ...)
{
	static const char head[] = "{\"error\":", tail[] = "}\n";
	char sentence[PYR_ERROR_TEXT_MAX];
	struct base_writer writer;
	struct base_slice body = {0};
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	base_writer_init(&writer, 8 * sizeof sentence);
	base_write_bytes(&writer, head, sizeof head - 1);
	base_write_json_text(&writer, sentence);
	base_write_bytes(&writer, tail, sizeof tail - 1);
	pyr_ignore(base_writer_take(&writer, &body)); /* memory is out: the status says enough */
	base_writer_deinit(&writer);
	http_answer(request, status, "application/json", body);
}
