/* The HTTP port's life: listening, its thread, what other threads hand to it (see http.h).
 *
 * Invariants: libwebsockets is touched by the server's thread alone, but for lws_cancel_service(), which wakes it and is
 * called with the lock held while the context is there. Stopping: requests under way are answered, for STOP_US at most;
 * then every connection is closed with the context. */
#include "server/http/http_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STOP_US = 2000000,
	HEADER_ROOM = 4 /* of a header over the limit, so that it can be refused with a sentence */,
	OWN_FILES = 8
};

struct http_server_options http_server_options_default(void)
{
	return (struct http_server_options){
		.host = "127.0.0.1",
		.port = 8080,
		.connections_max = 1000,
		.header_bytes_max = 8192,
		.socket_queue_bytes_max = 1 << 20,
		.receive_s_max = 10,
		.answer_s_max = 60,
		.send_s_max = 60,
		.idle_s_max = 60,
	};
}

/* ---- the thread ---- */

void http_wake(struct http_server *server)
{
	if (!server->dead)
		lws_cancel_service(server->context);
}

/* What other threads brought since the last time. */
static void take_in(struct http_server *server)
{
	struct base_list answered, *node;
	base_list_init(&answered);
	os_mutex_lock(&server->lock);
	base_list_splice(&answered, &server->answered);
	while ((node = base_list_pop(&server->written)))
		http_socket_write(node);
	os_mutex_unlock(&server->lock);
	while ((node = base_list_pop(&answered)))
		http_connection_answered(BASE_CONTAINER(node, struct http_exchange, node));
}

/* libwebsockets goes on to wait after a timer, unless it is woken. */
static void on_deadline(lws_sorted_usec_list_t *deadline)
{
	struct http_server *server = BASE_CONTAINER(deadline, struct http_server, deadline);
	server->late = true;
	lws_cancel_service(server->context);
}

static void serve(void *context)
{
	struct http_server *server = context;
	while (!atomic_load(&server->stopping) && lws_service(server->context, 0) >= 0)
		take_in(server);
	lws_sul_schedule(server->context, 0, &server->deadline, on_deadline, STOP_US);
	while (server->under_way > 0 && !server->late && lws_service(server->context, 0) >= 0)
		take_in(server);
	lws_sul_schedule(server->context, 0, &server->deadline, on_deadline, LWS_SET_TIMER_USEC_CANCEL);
	os_mutex_lock(&server->lock);
	server->dead = true;
	os_mutex_unlock(&server->lock);
	lws_context_destroy(server->context);
}

/* ---- opening ---- */

/* libwebsockets tells things once for each of its objects; the sentences that matter are ours. */
static void drop_line(int level, const char *line)
{
	(void)level;
	(void)line;
}

/* Subprotocols by name; the first entry is HTTP's own, and that of sockets without one. */
static void list_protocols(struct http_server *server)
{
	size_t count = 1;
	struct lws_protocols shape = {.name = "http",
	                              .callback = http_callback,
	                              .per_session_data_size = sizeof(struct http_connection),
	                              .rx_buffer_size = 4096};
	server->protocols[0] = shape;
	for (size_t i = 0; i < server->options.socket_route_count; i++) {
		bool known = !server->socket_routes[i].subprotocol;
		for (size_t k = 1; k < count && !known; k++)
			known = strcmp(server->protocols[k].name, server->socket_routes[i].subprotocol) == 0;
		if (known)
			continue;
		shape.name = server->socket_routes[i].subprotocol;
		server->protocols[count++] = shape;
	}
}

static const char *numeric_host(const char *host)
{
	return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

static pyr_result listen_for_clients(struct http_server *server, struct pyr_error *error)
{
	static const lws_retry_bo_t alive = {.secs_since_valid_ping = 30, .secs_since_valid_hangup = 60};
	const struct http_server_options *options = &server->options;
	const char *host = numeric_host(options->host);
	struct lws_context_creation_info info = {
		.port = options->port,
		.iface = host,
		.protocols = server->protocols,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
	                   (strchr(host, ':') ? 0 : LWS_SERVER_OPTION_DISABLE_IPV6),
		.max_http_header_data2 = HEADER_ROOM * options->header_bytes_max,
		.fd_limit_per_thread = options->connections_max + OWN_FILES,
		.keepalive_timeout = (int)options->idle_s_max,
		.timeout_secs =
			options->receive_s_max + options->answer_s_max + options->send_s_max, /* ours are first */
		.timeout_secs_ah_idle = options->receive_s_max,
		.retry_and_idle_policy = &alive,
		.user = server,
		.gid = -1,
		.uid = -1,
	};
	lws_set_log_level(LLL_ERR, drop_line);
	server->context = lws_create_context(&info);
	if (!server->context)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	struct lws_vhost *vhost = lws_create_vhost(server->context, &info);
	if (!vhost)
		return pyr_fail(error, PYR_NETWORK, "can't listen on %s port %u for HTTP: choose another port",
		                options->host, options->port);
	server->port = (uint16_t)lws_get_vhost_listen_port(vhost);
	return pyr_ok();
}

pyr_result http_server_new(const struct http_server_options *options, struct http_server **ret_server,
                           struct pyr_error *error)
{
	struct http_server *server = calloc(1, sizeof *server);
	assert(options->route_count <= HTTP_ROUTES_MAX && options->socket_route_count <= HTTP_ROUTES_MAX);
	if (!server)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	server->options = *options;
	for (size_t i = 0; i < options->route_count; i++)
		server->routes[i] = options->routes[i];
	for (size_t i = 0; i < options->socket_route_count; i++)
		server->socket_routes[i] = options->socket_routes[i];
	os_mutex_init(&server->lock);
	base_list_init(&server->answered);
	base_list_init(&server->written);
	list_protocols(server);
	pyr_result result = listen_for_clients(server, error);
	if (result.code == PYR_OK && os_thread_start(&server->thread, "http", serve, server).code != PYR_OK)
		result = pyr_fail(error, PYR_OUT_OF_MEMORY, "no thread can be started for HTTP");
	if (result.code != PYR_OK) {
		if (server->context)
			lws_context_destroy(server->context);
		os_mutex_deinit(&server->lock);
		free(server);
		return result;
	}
	*ret_server = server;
	return pyr_ok();
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

/* ---- closing ---- */

void http_server_stop(struct http_server *server)
{
	os_mutex_lock(&server->lock);
	atomic_store(&server->stopping, true);
	http_wake(server);
	os_mutex_unlock(&server->lock);
	os_thread_join(&server->thread);
}

void http_server_free(struct http_server *server)
{
	struct base_list *node;
	if (!server)
		return;
	assert(server->dead);
	while ((node = base_list_pop(&server->answered)))
		http_connection_answered(BASE_CONTAINER(node, struct http_exchange, node));
	assert(atomic_load(&server->exchanges) == 0);
	os_mutex_deinit(&server->lock);
	free(server);
}

struct http_server_metrics http_server_metrics_get(const struct http_server *server)
{
	return (struct http_server_metrics){
		.requests = atomic_load(&server->requests),
		.request_errors = atomic_load(&server->request_errors),
		.requests_ended = atomic_load(&server->requests_ended),
		.connections_total = atomic_load(&server->connections_total),
		.connections_refused = atomic_load(&server->connections_refused),
		.connections = atomic_load(&server->connections),
		.sockets = atomic_load(&server->sockets),
	};
}
