/* A connection to a Pharaoh network (see pharaoh_priv.h): the network's client on a loop with a thread of its own. */
#include "api/pharaoh_priv.h"

#include "base/table.h"
#include "os/real.h"

#include <stdlib.h>

struct remote_pharaoh {
	struct pyr_pharaoh base;
	struct os_net *net;
	struct client_network *network;
};

static void answered(struct client_network_ask *ask, pyr_result result, const struct codec_pharaoh *reply,
                     const struct pyr_error *error)
{
	api_pharaoh_answer(BASE_CONTAINER(ask, struct api_pharaoh_call, there), result, reply, error);
}

static void ask(struct pyr_pharaoh *base, struct api_pharaoh_call *call)
{
	struct remote_pharaoh *pharaoh = BASE_CONTAINER(base, struct remote_pharaoh, base);
	call->there = (struct client_network_ask){
		.request = call->request, .timeout_us = base->timeout_us, .answered = answered};
	client_network_ask(pharaoh->network, &call->there);
}

static void stop_loop(void *context)
{
	struct remote_pharaoh *pharaoh = context;
	os_real_loop_stop(pharaoh->base.loop);
}

static void close_network(void *context)
{
	struct remote_pharaoh *pharaoh = context;
	client_network_close(pharaoh->network, stop_loop, pharaoh);
}

static void drop(struct remote_pharaoh *pharaoh)
{
	if (pharaoh->net)
		os_real_net_free(pharaoh->net);
	if (pharaoh->base.loop)
		os_real_loop_free(pharaoh->base.loop);
	free(pharaoh);
}

static void close_remote(struct pyr_pharaoh *base)
{
	struct remote_pharaoh *pharaoh = BASE_CONTAINER(base, struct remote_pharaoh, base);
	api_pharaoh_on_loop(base->loop, close_network, pharaoh);
	os_real_loop_join(base->loop);
	drop(pharaoh);
}

static pyr_result start(struct remote_pharaoh *pharaoh, const char *nodes, struct pyr_error *error)
{
	struct os_loop *loop = os_real_loop_new();
	pharaoh->base.loop = loop;
	pharaoh->net = loop ? os_real_net_new(loop) : NULL;
	if (!pharaoh->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(client_network_new(loop, pharaoh->net, nodes, &pharaoh->network, error));
	pyr_result started = os_real_loop_start(loop, "pharaoh");
	if (started.code == PYR_OK)
		return started;
	client_network_free(pharaoh->network);
	return pyr_fail(error, PYR_OUT_OF_MEMORY, "no thread can be started for the connection");
}

enum pyr_status pyr_pharaoh_connect(const char *nodes, const struct pyr_pharaoh_options *given,
                                    struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure)
{
	struct pyr_pharaoh_options options = api_pharaoh_options(given);
	struct pyr_error error = {0};
	if (!nodes || !*nodes)
		return api_fail(failure, PYR_STATUS_USAGE, "", "name a node of the network: host:port");
	struct remote_pharaoh *pharaoh = calloc(1, sizeof *pharaoh);
	if (!pharaoh)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	pharaoh->base.ask = ask;
	pharaoh->base.close = close_remote;
	pharaoh->base.timeout_us = (uint64_t)options.timeout_ms * 1000;
	pyr_result result = start(pharaoh, nodes, &error);
	if (result.code != PYR_OK) {
		drop(pharaoh);
		return api_settle(result, &error, failure);
	}
	*ret_pharaoh = &pharaoh->base;
	return PYR_STATUS_OK;
}
