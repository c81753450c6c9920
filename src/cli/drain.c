/* Stopping a server, from the top down, so that nothing is accepted that can't be finished.
 *
 *   drain: /ready refuses, ports listen no more, requests under way are answered  --all done, or the deadline-->
 *   metrics  -->  PostgreSQL port  -->  Pharaoh port  -->  Kafka port  -->  HTTP port  -->  node: what is pending is committed, then synced
 *
 * Failure modes: who is not done by the deadline (--drain-s) is cut off; a second signal ends the process at once, which is a
 * crash that recovery stands. */
#include "cli/server_priv.h"

#include "base/table.h"
#include "node/source.h"
#include "os/notify.h"

enum { LOOK_US = 10000 };

static void kafka_stopped(void *context)
{
	struct server *server = context;
	server->kafka = NULL;
	if (server->http)
		http_server_stop(server->http);
	node_host_stop(server->host);
}

static void pharaoh_stopped(void *context)
{
	struct server *server = context;
	node_pharaoh_free(server->node_pharaoh);
	server->node_pharaoh = NULL;
	kafka_server_close(server->kafka, kafka_stopped, server);
}

/* No statement looks at it any more. */
static void pg_stopped(void *context)
{
	struct server *server = context;
	server->pg = NULL;
	if (!server->pharaoh) {
		pharaoh_stopped(server);
		return;
	}
	node_source_set_pharaoh(node_host_source(server->host), NULL);
	rpc_close(server->rpc);
	pharaoh_server_close(server->pharaoh, pharaoh_stopped, server);
}

static void metrics_stopped(void *context)
{
	struct server *server = context;
	pg_server_close(server->pg, pg_stopped, server);
}

static void look(struct os_timer *timer)
{
	struct server *server = BASE_CONTAINER(timer, struct server, drain_timer);
	bool drained = pg_server_drained(server->pg) && kafka_server_drained(server->kafka);
	bool late = os_now_us(server_loop(server)) >= server->drain_until_us;
	if (!server_watch_end(&server->watch) || (!drained && !late)) {
		os_timer_start(server_loop(server), &server->drain_timer, LOOK_US);
		return;
	}
	if (drained)
		os_report(server->reporter, OS_INFO, "server", NULL, "all requests are answered");
	else
		os_report(server->reporter, OS_WARNING, "server", NULL,
		          "requests that took longer than --drain-s are cut off");
	ops_close(server->ops, metrics_stopped, server);
}

void server_stop(void *context)
{
	struct server *server = context;
	long long seconds = 0;
	if (server->stopping)
		return;
	server->stopping = true;
	pyr_ignore(cli_option_number(server->options, "drain-s", 0, 3600, &seconds, NULL)); /* checked before */
	os_notify("STOPPING=1");
	os_report(server->reporter, OS_INFO, "server", NULL, "the server stops: requests under way are answered");
	ops_drain(server->ops);
	pg_server_drain(server->pg);
	kafka_server_drain(server->kafka);
	server->drain_until_us = os_now_us(server_loop(server)) + (uint64_t)seconds * 1000000;
	server->drain_timer.fire = look;
	os_timer_start(server_loop(server), &server->drain_timer, 0);
}
