/* Disks, loops, node, engine: put together from the bottom up, taken down from the top (see host.h).
 *
 * Failure modes: whatever can't be opened fails the whole, and what was opened before is given back; nothing was written
 * by then that a crash could not leave behind. */
#include "node/host.h"

#include "base/table.h"
#include "coord/scarab_issuer.h"
#include "node/ids.h"
#include "node/layout.h"
#include "node/source.h"
#include "os/environment.h"
#include "os/real.h"

#include <stdio.h>
#include <stdlib.h>

#define SPILL_FOLDER "sql-spill"

enum { PATH_BYTES_MAX = 4096 };

struct host_shard {
	struct os_loop *loop;
	struct os_disk *disk;
	struct os_task stop; /* the loop */
};

struct node_host {
	struct os_disk *root; /* the data directory */
	struct host_shard shards[NODE_SHARDS_MAX];
	size_t shard_count;
	struct node *node;
	struct query_engine *engine;
	struct node_ids *ids;
	struct query_source *source;
	char data[PATH_BYTES_MAX], spill_folder[PATH_BYTES_MAX];
};

struct node_host_options node_host_options_default(void)
{
	return (struct node_host_options){
		.id_node = SCARAB_NODE_KEPT,
		.node = node_options_default(),
		.engine = query_engine_options_default(),
	};
}

/* ---- opening ---- */

/* A folder and a loop for each shard. */
static pyr_result make_shards(struct node_host *host, const struct node_host_options *options, struct pyr_error *error)
{
	size_t fallback = os_environment_processors() / 2;
	PYR_TRY(os_real_disk_new(options->data, &host->root, error));
	PYR_TRY(node_layout_open(host->root, options->shards, fallback > 0 ? fallback : 1, &host->shard_count, error));
	for (size_t i = 0; i < host->shard_count; i++) {
		struct host_shard *shard = &host->shards[i];
		char folder[NODE_SHARD_FOLDER_MAX], path[PATH_BYTES_MAX];
		node_layout_folder(i, folder);
		snprintf(path, sizeof path, "%s/%s", options->data, folder);
		PYR_TRY(os_real_disk_new(path, &shard->disk, error));
		shard->loop = os_real_loop_new();
		if (!shard->loop)
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	return pyr_ok();
}

static pyr_result open_node(struct node_host *host, const struct node_host_options *options, struct pyr_error *error)
{
	struct node_place places[NODE_SHARDS_MAX];
	for (size_t i = 0; i < host->shard_count; i++)
		places[i] = (struct node_place){host->shards[i].loop, host->shards[i].disk};
	return node_open(places, host->shard_count, &options->node, &host->node, error);
}

static void remove_spilled(void *context, const char *name)
{
	struct os_disk *root = context;
	char path[512];
	snprintf(path, sizeof path, SPILL_FOLDER "/%s", name);
	pyr_ignore(os_file_remove(root, path));
}

/* What a process that was killed left behind goes first. */
static pyr_result open_queries(struct node_host *host, const struct node_host_options *options, struct pyr_error *error)
{
	struct query_engine_options engine = options->engine;
	pyr_ignore(os_directory_make(host->root, SPILL_FOLDER));
	pyr_ignore(os_directory_list(host->root, SPILL_FOLDER, remove_spilled, host->root));
	snprintf(host->spill_folder, sizeof host->spill_folder, "%s/" SPILL_FOLDER, options->data);
	engine.spill_folder = engine.spill_bytes > 0 ? host->spill_folder : NULL;
	PYR_TRY(query_engine_new(&engine, &host->engine, error));
	host->ids = node_ids_new(host->root, options->data, options->id_node);
	host->source = host->ids ? node_source_new(host->node, host->ids) : NULL;
	return host->source ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

pyr_result node_host_open(const struct node_host_options *options, struct node_host **ret_host, struct pyr_error *error)
{
	struct node_host *host = calloc(1, sizeof *host);
	if (!host)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	snprintf(host->data, sizeof host->data, "%s", options->data);
	pyr_result result = make_shards(host, options, error);
	if (result.code == PYR_OK)
		result = open_node(host, options, error);
	if (result.code == PYR_OK)
		result = open_queries(host, options, error);
	if (result.code != PYR_OK) {
		node_host_free(host);
		return result;
	}
	*ret_host = host;
	return pyr_ok();
}

pyr_result node_host_start(struct node_host *host, size_t first, struct pyr_error *error)
{
	for (size_t i = first; i < host->shard_count; i++) {
		char name[16];
		snprintf(name, sizeof name, "shard %u", (unsigned)i % NODE_SHARDS_MAX);
		if (os_real_loop_start(host->shards[i].loop, name).code != PYR_OK)
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "no thread can be started for a shard");
	}
	return pyr_ok();
}

struct node_ids *node_host_ids(struct node_host *host)
{
	return host->ids;
}

struct os_disk *node_host_root(struct node_host *host)
{
	return host->root;
}

const char *node_host_data(const struct node_host *host)
{
	return host->data;
}

struct node *node_host_node(struct node_host *host)
{
	return host->node;
}

struct query_engine *node_host_engine(struct node_host *host)
{
	return host->engine;
}

struct query_source *node_host_source(struct node_host *host)
{
	return host->source;
}

struct os_loop *node_host_loop(struct node_host *host, size_t shard)
{
	return host->shards[shard].loop;
}

/* ---- stopping ---- */

static void stop_loop(struct os_task *task)
{
	os_real_loop_stop(BASE_CONTAINER(task, struct host_shard, stop)->loop);
}

static void on_node_closed(void *context)
{
	struct node_host *host = context;
	host->node = NULL;
	for (size_t i = 1; i < host->shard_count; i++) {
		host->shards[i].stop.run = stop_loop;
		os_loop_post(host->shards[i].loop, &host->shards[i].stop);
		os_real_loop_join(host->shards[i].loop);
	}
	os_real_loop_stop(host->shards[0].loop);
}

void node_host_stop(struct node_host *host)
{
	node_close(host->node, on_node_closed, host);
}

void node_host_free(struct node_host *host)
{
	if (!host)
		return;
	if (host->node)
		node_abandon(host->node);
	node_source_free(host->source);
	node_ids_free(host->ids);
	query_engine_free(host->engine);
	for (size_t i = 0; i < host->shard_count; i++) {
		if (host->shards[i].disk)
			os_real_disk_free(host->shards[i].disk);
		if (host->shards[i].loop)
			os_real_loop_free(host->shards[i].loop);
	}
	if (host->root)
		os_real_disk_free(host->root);
	free(host);
}
