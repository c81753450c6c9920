/* A node in this process (see place.h): opened from the bottom up as the server does, without Kafka's port and HTTP's.
 *
 * Failure modes: whatever opening a directory meets, with the node's sentence. */
#include "cli/place.h"

#include "base/table.h"
#include "node/host.h"
#include "node/source.h"
#include "os/environment.h"
#include "os/real.h"
#include "server/pg/pg.h"

#include <stdlib.h>

struct cli_place {
	struct node_host *host;
	struct os_net *net;
	struct pg_server *pg;
	uint16_t port;
	bool runs;
	struct os_task stop;
};

static void on_pg_closed(void *context)
{
	node_host_stop(((struct cli_place *)context)->host);
}

static void on_stop(struct os_task *task)
{
	struct cli_place *place = BASE_CONTAINER(task, struct cli_place, stop);
	pg_server_close(place->pg, on_pg_closed, place);
}

void cli_place_close(struct cli_place *place)
{
	if (!place)
		return;
	if (place->runs) {
		struct os_loop *loop = node_host_loop(place->host, 0);
		place->stop.run = on_stop;
		os_loop_post(loop, &place->stop);
		os_real_loop_join(loop);
	}
	if (place->net)
		os_real_net_free(place->net);
	node_host_free(place->host);
	free(place);
}

static pyr_result open_port(struct cli_place *place, struct pyr_error *error)
{
	struct pg_server_options pg = pg_server_options_default();
	place->net = os_real_net_new(node_host_loop(place->host, 0));
	if (!place->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pg.loop = node_host_loop(place->host, 0);
	pg.net = place->net;
	pg.engine = node_host_engine(place->host);
	pg.source = node_host_source(place->host);
	pg.prompt = node_source_prompt(pg.source);
	pg.port = 0;
	PYR_TRY(pg_server_new(&pg, &place->pg, error));
	place->port = pg_server_port(place->pg);
	node_metrics_add(node_host_node(place->host), pg_server_metric_source(place->pg));
	return pyr_ok();
}

pyr_result cli_place_open(const char *directory, struct cli_place **ret_place, struct pyr_error *error)
{
	struct node_host_options options = node_host_options_default();
	struct cli_place *place = calloc(1, sizeof *place);
	if (!place)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	os_environment_raise_limits();
	options.data = directory;
	pyr_result result = node_host_open(&options, &place->host, error);
	if (result.code == PYR_OK)
		result = open_port(place, error);
	if (result.code == PYR_OK)
		result = node_host_start(place->host, 0, error);
	place->runs = result.code == PYR_OK;
	if (result.code == PYR_OK)
		*ret_place = place;
	else if (!place->pg)
		cli_place_close(
			place); /* with a port the process ends as it is: nothing runs that could take it down */
	return result;
}

uint16_t cli_place_port(const struct cli_place *place)
{
	return place->port;
}
