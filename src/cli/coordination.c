/* pyralog server: the Pharaoh services, of a whole node or by themselves (--roles obelisk).
 *
 * By themselves they need a data directory, for what they promise, and nothing else: no log, no SQL, no threads but this one and
 * those that sync and that speak HTTP. Killing such a node loses nothing that was given; what was promised and not given is skipped.
 * Stopping: the port is closed, locks that are waited for are refused; what is being made durable is waited for. */
#include "cli/answer.h"
#include "cli/server_priv.h"

#include "base/table.h"
#include "coord/scarab_issuer.h"
#include "node/ids.h"
#include "node/source.h"
#include "os/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool server_is_obelisk(const struct cli_option *options)
{
	return strcmp(cli_option_get(options, "roles"), "obelisk") == 0;
}

bool server_has_pharaoh(const struct cli_option *options)
{
	return strcmp(cli_option_get(options, "pharaoh-port"), "off") != 0;
}

pyr_result server_check_pharaoh(const struct cli_option *options, struct pyr_error *error)
{
	const char *roles = cli_option_get(options, "roles");
	long long number;
	if (!server_is_obelisk(options) && strcmp(roles, "all") != 0)
		return pyr_fail(error, PYR_USAGE, "--roles %s is not valid: give all or obelisk", roles);
	if (server_is_obelisk(options) && !server_has_pharaoh(options))
		return pyr_fail(error, PYR_USAGE,
		                "--roles obelisk serves one port only, and --pharaoh-port is off: give a port");
	if (server_has_pharaoh(options))
		PYR_TRY(cli_option_number(options, "pharaoh-port", 0, 65535, &number, error));
	return cli_option_number(options, "session-ttl-max-ms", SESSIONS_TTL_MIN_MS, SESSIONS_TTL_MAX_MS, &number,
	                         error);
}

/* The services of a directory, and their port. */
static pyr_result open_services(struct server *server, struct os_disk *root, struct node_ids *ids, struct os_loop *loop,
                                struct os_net *net, struct pyr_error *error)
{
	const struct cli_option *options = server->options;
	struct pharaoh_server_options port = pharaoh_server_options_default();
	struct node_pharaoh_options services = {root, cli_option_get(options, "data"), ids, 0};
	long long ttl_ms, number;
	PYR_TRY(cli_option_number(options, "session-ttl-max-ms", SESSIONS_TTL_MIN_MS, SESSIONS_TTL_MAX_MS, &ttl_ms,
	                          error));
	PYR_TRY(cli_option_number(options, "pharaoh-port", 0, 65535, &number, error));
	services.ttl_max_ms = (uint32_t)ttl_ms;
	PYR_TRY(node_pharaoh_open(&services, &server->node_pharaoh, error));
	port.loop = loop;
	port.net = net;
	port.core = node_pharaoh_core(server->node_pharaoh);
	port.host = cli_option_get(options, "host");
	port.port = (uint16_t)number;
	PYR_TRY(pharaoh_server_new(&port, &server->pharaoh, error));
	rpc_open(server->rpc, loop, server->pharaoh);
	const char *advertised = cli_option_get(options, "advertised-host");
	return node_pharaoh_announce(server->node_pharaoh, advertised[0] ? advertised : port.host,
	                             pharaoh_server_port(server->pharaoh), error);
}

pyr_result server_open_pharaoh(struct server *server, struct pyr_error *error)
{
	if (!server_has_pharaoh(server->options))
		return pyr_ok();
	PYR_TRY(open_services(server, node_host_root(server->host), node_host_ids(server->host), server_loop(server),
	                      server->nets[0], error));
	node_source_set_pharaoh(node_host_source(server->host), node_pharaoh_core(server->node_pharaoh));
	return pyr_ok();
}

struct node_owner server_route(void *context, struct base_bytes key)
{
	struct server *server = context;
	if (!server->node_pharaoh)
		return (struct node_owner){.where = NODE_OWNER_HERE};
	return node_pharaoh_route(server->node_pharaoh, key);
}

/* ---- by themselves ---- */

static pyr_result open_directory(struct server *server, struct pyr_error *error)
{
	struct server_alone *alone = &server->alone;
	const char *data = cli_option_get(server->options, "data");
	long long number;
	PYR_TRY(os_real_disk_new(data, &alone->root, error));
	pyr_result locked = os_disk_lock(alone->root, "lock");
	if (locked.code != PYR_OK)
		return pyr_fail(error, locked.code, "the data directory %s is in use by another process", data);
	PYR_TRY(cli_option_number(server->options, "id-node", SCARAB_NODE_KEPT, SCARAB_NODES - 1, &number, error));
	alone->loop = os_real_loop_new();
	alone->net = alone->loop ? os_real_net_new(alone->loop) : NULL;
	alone->ids = alone->net ? node_ids_new(alone->root, data, (int)number) : NULL;
	if (alone->ids)
		node_ids_report_to(alone->ids, server->reporter);
	return alone->ids ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

static void answer_alive(void *context, struct http_request *request)
{
	static const char alive[] = "{\"status\":\"alive\"}\n";
	(void)context;
	http_answer(request, 200, "application/json", base_slice_copy(alive, sizeof alive - 1));
}

struct reading {
	struct os_task task;
	struct server *server;
	struct http_request *request;
};

/* On the loop, which owns what is counted. */
static void read_metrics(struct os_task *task)
{
	struct reading *reading = BASE_CONTAINER(task, struct reading, task);
	struct server *server = reading->server;
	struct base_slice page = {0};
	if (server->pharaoh) {
		const struct node_metric_source sources[] = {node_process_metric_source(),
		                                             pharaoh_server_metric_source(server->pharaoh),
		                                             http_server_metric_source(server->http)};
		page = ops_sources_page(sources, sizeof sources / sizeof sources[0]);
	}
	if (page.owner)
		http_answer(reading->request, 200, "text/plain; version=0.0.4; charset=utf-8", page);
	else
		http_refuse(reading->request, 503, server->pharaoh ? "out of memory" : "the server is stopping");
	free(reading);
}

static void answer_metrics(void *context, struct http_request *request)
{
	struct server *server = context;
	struct reading *reading = atomic_load(&server->alone.open) ? malloc(sizeof *reading) : NULL;
	if (!reading) {
		http_refuse(request, 503, "the server starts, or memory is out");
		return;
	}
	*reading = (struct reading){{.run = read_metrics}, server, request};
	os_loop_post(server->alone.loop, &reading->task);
}

/* JSON-RPC, health and metrics by themselves. */
static pyr_result open_rpc(struct server *server, struct pyr_error *error)
{
	struct http_server_options http = http_server_options_default();
	long long port;
	server->rpc = rpc_new();
	if (!server->rpc)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (strcmp(cli_option_get(server->options, "http-port"), "off") == 0)
		return pyr_ok();
	const struct http_route routes[] = {rpc_route(server->rpc),
	                                    {"GET", "/health", 0, answer_alive, NULL},
	                                    {"GET", "/metrics", 0, answer_metrics, server}};
	struct http_socket_route socket = rpc_socket_route(server->rpc);
	PYR_TRY(cli_option_number(server->options, "http-port", 0, 65535, &port, error));
	http.host = cli_option_get(server->options, "host");
	http.port = (uint16_t)port;
	http.routes = routes;
	http.route_count = sizeof routes / sizeof routes[0];
	http.socket_routes = &socket;
	http.socket_route_count = 1;
	return http_server_new(&http, &server->http, error);
}

static void stop_loop(struct os_task *task)
{
	os_real_loop_stop(BASE_CONTAINER(task, struct server_alone, last)->loop);
}

/* Behind all that HTTP has posted. */
static void stopped(void *context)
{
	struct server *server = context;
	server->pharaoh = NULL;
	if (server->http)
		http_server_stop(server->http);
	server->alone.last.run = stop_loop;
	os_loop_post(server->alone.loop, &server->alone.last);
}

static void stop(void *context)
{
	struct server *server = context;
	if (server->stopping)
		return;
	server->stopping = true;
	os_notify("STOPPING=1");
	os_report(server->reporter, OS_INFO, "server", NULL, "the server stops");
	rpc_close(server->rpc);
	pharaoh_server_close(server->pharaoh, stopped, server);
}

static void ignore(void *context)
{
	struct server *server = context;
	os_report(server->reporter, OS_INFO, "server", NULL, "no setting of this role changes while it runs");
}

pyr_result server_open_alone(struct server *server, struct pyr_error *error)
{
	struct server_alone *alone = &server->alone;
	PYR_TRY(open_directory(server, error));
	PYR_TRY(open_rpc(server, error));
	PYR_TRY(open_services(server, alone->root, alone->ids, alone->loop, alone->net, error));
	atomic_store(&alone->open, true);
	PYR_TRY(os_real_on_reload(alone->loop, ignore, server));
	return os_real_on_interrupt(alone->loop, stop, server);
}

static void announce_alone(const struct server *server)
{
	const char *host = cli_option_get(server->options, "host"), *data = cli_option_get(server->options, "data");
	unsigned port = pharaoh_server_port(server->pharaoh), http = server->http ? http_server_port(server->http) : 0;
	const struct cli_json members[] = {
		{"host", host, 0}, {"data", data, 0}, {"http", NULL, http}, {"pharaoh", NULL, port}, {NULL, NULL, 0}};
	if (cli_wants_json(server->options)) {
		cli_json_print(members);
	} else {
		printf("pharaoh %s:%u\n", host, port);
		if (server->http)
			printf("http %s:%u\n", host, http);
		printf("ready: data in %s; Ctrl-C stops\n", data);
	}
	fflush(stdout);
}

void server_run_alone(struct server *server)
{
	struct server_alone *alone = &server->alone;
	announce_alone(server);
	os_report(server->reporter, OS_INFO, "server", NULL, "the server is ready");
	os_notify("READY=1");
	os_real_loop_run(alone->loop);
	http_server_free(server->http);
	rpc_free(server->rpc);
	node_pharaoh_free(server->node_pharaoh);
	node_ids_free(alone->ids);
	os_real_net_free(alone->net);
	os_real_loop_free(alone->loop);
	os_real_disk_free(alone->root);
	os_report(server->reporter, OS_INFO, "server", NULL, "the server has stopped");
	os_reporter_free(server->reporter);
}
