/* Pharaoh services in this process (see pharaoh_priv.h): those of a server, without a port; on a directory of their own with a loop
 * and a thread of their own, or in the data directory of an open node, on its first shard's loop.
 *
 * Failure modes: what the disk says, and a directory that is in use. Owner: opened and closed by the caller, served by the loop. */
#include "api/embedded.h"
#include "api/pharaoh_priv.h"

#include "base/table.h"
#include "coord/scarab_issuer.h"
#include "node/ids.h"
#include "node/pharaoh.h"
#include "node/source.h"
#include "os/real.h"

#include <stdlib.h>

struct embedded_pharaoh {
	struct pyr_pharaoh base;
	struct node_pharaoh *node;
	struct pharaoh_server *server;
	struct query_source *source; /* of the node that they are attached to; NULL: they are by themselves */
	struct os_disk *root; /* what follows is theirs when they are by themselves */
	struct node_ids *ids;
	bool running; /* the loop, on a thread */
	bool shown; /* in SQL's tables */

	/* Of the opening and the closing. */
	pyr_result result;
	struct pyr_error error;
	struct os_mutex lock;
	struct os_condition changed;
	bool closed;
};

static void answered(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	struct api_pharaoh_call *call = BASE_CONTAINER(ask, struct api_pharaoh_call, here);
	struct pyr_error error = {0};
	if (reply->code != PYR_OK)
		pyr_ignore(
			pyr_fail(&error, reply->code, "%.*s", (int)reply->name.bytes, (const char *)reply->name.data));
	api_pharaoh_answer(call, pyr_result_of(reply->code), reply, &error);
}

static void ask(struct pyr_pharaoh *base, struct api_pharaoh_call *call)
{
	struct embedded_pharaoh *pharaoh = BASE_CONTAINER(base, struct embedded_pharaoh, base);
	call->here = (struct pharaoh_ask){.request = call->request, .answered = answered};
	pharaoh_server_ask(pharaoh->server, &call->here);
}

/* ---- closing ---- */

static void on_server_closed(void *context)
{
	struct embedded_pharaoh *pharaoh = context;
	os_mutex_lock(&pharaoh->lock);
	pharaoh->closed = true;
	os_condition_signal(&pharaoh->changed);
	os_mutex_unlock(&pharaoh->lock);
}

static void close_server(void *context)
{
	struct embedded_pharaoh *pharaoh = context;
	if (pharaoh->shown)
		node_source_set_pharaoh(pharaoh->source, NULL);
	if (pharaoh->server)
		pharaoh_server_close(pharaoh->server, on_server_closed, pharaoh);
	else
		on_server_closed(pharaoh);
}

static void stop_loop(void *context)
{
	os_real_loop_stop(context);
}

static void close_embedded(struct pyr_pharaoh *base)
{
	struct embedded_pharaoh *pharaoh = BASE_CONTAINER(base, struct embedded_pharaoh, base);
	if (pharaoh->running || pharaoh->source) {
		api_pharaoh_on_loop(base->loop, close_server, pharaoh);
		os_mutex_lock(&pharaoh->lock);
		while (!pharaoh->closed)
			os_condition_wait(&pharaoh->changed, &pharaoh->lock);
		os_mutex_unlock(&pharaoh->lock);
	}
	if (pharaoh->running) {
		api_pharaoh_on_loop(base->loop, stop_loop, base->loop);
		os_real_loop_join(base->loop);
	}
	node_pharaoh_free(pharaoh->node);
	node_ids_free(pharaoh->ids);
	if (!pharaoh->source && base->loop)
		os_real_loop_free(base->loop);
	if (pharaoh->root)
		os_real_disk_free(pharaoh->root);
	os_condition_deinit(&pharaoh->changed);
	os_mutex_deinit(&pharaoh->lock);
	free(pharaoh);
}

/* ---- opening ---- */

static void open_server(void *context)
{
	struct embedded_pharaoh *pharaoh = context;
	struct pharaoh_server_options options = pharaoh_server_options_default();
	options.loop = pharaoh->base.loop;
	options.core = node_pharaoh_core(pharaoh->node);
	pharaoh->result = pharaoh_server_new(&options, &pharaoh->server, &pharaoh->error);
	if (pharaoh->result.code == PYR_OK)
		pharaoh->result = node_pharaoh_announce(pharaoh->node, "", 0, &pharaoh->error);
	pharaoh->shown = pharaoh->result.code == PYR_OK && pharaoh->source;
	if (pharaoh->shown)
		node_source_set_pharaoh(pharaoh->source, options.core);
}

static pyr_result open_services(struct embedded_pharaoh *pharaoh, const struct node_pharaoh_options *options,
                                struct pyr_error *error)
{
	PYR_TRY(node_pharaoh_open(options, &pharaoh->node, error));
	api_pharaoh_on_loop(pharaoh->base.loop, open_server, pharaoh);
	*error = pharaoh->error;
	return pharaoh->result;
}

static pyr_result open_alone(struct embedded_pharaoh *pharaoh, const char *directory, uint32_t ttl_max_ms,
                             struct pyr_error *error)
{
	struct node_pharaoh_options options = {.data = directory, .ttl_max_ms = ttl_max_ms};
	PYR_TRY(os_real_disk_new(directory, &pharaoh->root, error));
	if (os_disk_lock(pharaoh->root, "lock").code != PYR_OK)
		return pyr_fail(error, PYR_BUSY, "the directory %s is in use by another process", directory);
	pharaoh->ids = node_ids_new(pharaoh->root, directory, SCARAB_NODE_KEPT);
	pharaoh->base.loop = os_real_loop_new();
	if (!pharaoh->ids || !pharaoh->base.loop)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (os_real_loop_start(pharaoh->base.loop, "pharaoh").code != PYR_OK)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "no thread can be started for the services");
	pharaoh->running = true;
	options.root = pharaoh->root;
	options.ids = pharaoh->ids;
	return open_services(pharaoh, &options, error);
}

static pyr_result open_attached(struct embedded_pharaoh *pharaoh, struct pyralog *log, uint32_t ttl_max_ms,
                                struct pyr_error *error)
{
	struct node_host *host = embedded_of(log)->host;
	struct node_pharaoh_options options = {node_host_root(host), node_host_data(host), node_host_ids(host),
	                                       ttl_max_ms};
	pharaoh->base.loop = node_host_loop(host, 0);
	pharaoh->source = node_host_source(host);
	return open_services(pharaoh, &options, error);
}

static enum pyr_status open_either(const char *directory, struct pyralog *log, const struct pyr_pharaoh_options *given,
                                   struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure)
{
	struct pyr_pharaoh_options options = api_pharaoh_options(given);
	struct pyr_error error = {0};
	uint32_t ttl_ms = options.session_ttl_max_ms;
	if (ttl_ms < SESSIONS_TTL_MIN_MS || ttl_ms > SESSIONS_TTL_MAX_MS)
		return api_fail(failure, PYR_STATUS_USAGE, "", "sessions live %d to %d ms", SESSIONS_TTL_MIN_MS,
		                SESSIONS_TTL_MAX_MS);
	struct embedded_pharaoh *pharaoh = calloc(1, sizeof *pharaoh);
	if (!pharaoh)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	os_mutex_init(&pharaoh->lock);
	os_condition_init(&pharaoh->changed);
	pharaoh->base.ask = ask;
	pharaoh->base.close = close_embedded;
	pyr_result result =
		log ? open_attached(pharaoh, log, ttl_ms, &error) : open_alone(pharaoh, directory, ttl_ms, &error);
	if (result.code != PYR_OK) {
		close_embedded(&pharaoh->base);
		return api_settle(result, &error, failure);
	}
	*ret_pharaoh = &pharaoh->base;
	return PYR_STATUS_OK;
}

enum pyr_status pyr_pharaoh_open(const char *directory, const struct pyr_pharaoh_options *options,
                                 struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure)
{
	if (!directory || !*directory)
		return api_fail(failure, PYR_STATUS_USAGE, "", "name the directory of the services");
	return open_either(directory, NULL, options, ret_pharaoh, failure);
}

enum pyr_status pyr_pharaoh_attach(struct pyralog *log, const struct pyr_pharaoh_options *options,
                                   struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure)
{
	if (!embedded_is(log))
		return api_fail(
			failure, PYR_STATUS_NOT_SUPPORTED, "",
			"a connection has no services of its own: give a node's Pharaoh port to pyr_pharaoh_connect()");
	return open_either(NULL, log, options, ret_pharaoh, failure);
}
