/* The Pharaoh port's listener, its tick, and its end (see pharaoh.h). */
#include "server/pharaoh/pharaoh_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { TICK_US = SESSIONS_TICK_MS * 1000, LOOK_US = 1000000, STACK_BYTES = 256 << 10 };

struct pharaoh_server_options pharaoh_server_options_default(void)
{
	return (struct pharaoh_server_options){
		.host = "127.0.0.1",
		.connections_max = 10000,
		.stall_us_max = 30 * 1000000,
	};
}

static void on_tick(struct os_timer *timer)
{
	struct pharaoh_server *server = BASE_CONTAINER(timer, struct pharaoh_server, tick);
	uint64_t now_us = os_now_us(server->options.loop);
	pharaoh_advance(server->options.core, pharaoh_server_now_ms(server));
	pharaoh_asks_look(server);
	if (now_us - server->looked_us >= LOOK_US) {
		server->looked_us = now_us;
		pharaoh_connections_look(server, now_us);
	}
	os_timer_start(server->options.loop, &server->tick, TICK_US);
}

pyr_result pharaoh_server_new(const struct pharaoh_server_options *options, struct pharaoh_server **ret_server,
                              struct pyr_error *error)
{
	assert(options->loop && options->core);
	struct pharaoh_server *server = calloc(1, sizeof *server);
	if (!server)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	server->options = *options;
	base_list_init(&server->connections);
	pharaoh_asks_init(server);
	server->executor = os_executor_new(options->loop, "promises", OS_PROMPT, 1, STACK_BYTES);
	pyr_result result = !server->executor ? pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory")
	                    : !options->net
	                            ? pyr_ok()
	                            : os_net_listen(options->net, options->host, options->port,
	                                            pharaoh_connection_accepted, server, &server->listener, error);
	if (result.code != PYR_OK) {
		os_executor_free(server->executor);
		free(server);
		return result;
	}
	server->tick.fire = on_tick;
	os_timer_start(options->loop, &server->tick, TICK_US);
	*ret_server = server;
	return pyr_ok();
}

uint16_t pharaoh_server_port(const struct pharaoh_server *server)
{
	return server->listener ? os_listener_port(server->listener) : 0;
}

struct pharaoh_server_metrics pharaoh_server_metrics_get(const struct pharaoh_server *server)
{
	return server->metrics;
}

/* ---- the end ---- */

static void finish_closing(struct os_task *task)
{
	struct pharaoh_server *server = BASE_CONTAINER(task, struct pharaoh_server, last);
	void (*closed)(void *) = server->closed;
	void *context = server->closed_context;
	os_timer_stop(server->options.loop, &server->tick);
	os_timer_stop(server->options.loop, &server->late_timer);
	os_executor_free(server->executor);
	free(server);
	closed(context);
}

static bool is_quiet(const struct pharaoh_server *server)
{
	return server->metrics.connections == 0 && !server->keeping && !server->kicked &&
	       base_list_empty(&server->waiting) && base_list_empty(&server->covered) &&
	       base_list_empty(&server->late) && base_list_empty(&server->in_line) &&
	       base_list_empty(&server->watching);
}

void pharaoh_server_settle(struct pharaoh_server *server)
{
	if (!server->closing || server->last.run || !is_quiet(server))
		return;
	server->last.run = finish_closing;
	os_loop_post(server->options.loop, &server->last);
}

void pharaoh_server_close(struct pharaoh_server *server, void (*closed)(void *context), void *context)
{
	assert(!server->closing);
	server->closing = true;
	server->closed = closed;
	server->closed_context = context;
	os_listener_close(server->listener);
	server->listener = NULL;
	pharaoh_connections_close(server);
	base_list_splice(&server->in_line, &server->watching);
	while (!base_list_empty(&server->in_line)) { /* of other adapters; those of connections go with them */
		struct pharaoh_ask *ask = BASE_CONTAINER(server->in_line.next, struct pharaoh_ask, node);
		struct codec_pharaoh reply;
		pharaoh_ask_cancel(ask);
		pharaoh_refuse(&ask->request, pyr_result_of(PYR_STOPPED), &(struct pyr_error){.text = "the node stops"},
		               &reply);
		ask->answered(ask, &reply);
	}
	pharaoh_server_settle(server);
}
