/* Putting catalogs and logs together, and taking them apart in order (see node.h).
 *
 * Opening: shard 0 first, as its log holds the catalog; the others copy it. Closing: shard 0's log first, so that no event
 * of the catalog is on its way when the others close; messages between two loops keep their order.
 */
#include "node/node_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdlib.h>

struct node_options node_options_default(void)
{
	return (struct node_options){.log = log_options_default(), .group = group_options_default()};
}

/* A shard's part of what the whole node may use. */
static struct log_options share(const struct log_options *whole, size_t count)
{
	struct log_options part = *whole;
	part.checkpoint_bytes /= count;
	part.tail_cache_bytes /= count;
	part.read_cache_bytes /= count;
	part.backlog_bytes /= count;
	part.backlog_batches /= count;
	part.pending_bytes_max /= count;
	part.background_bytes_per_s = part.background_bytes_per_s > count ? part.background_bytes_per_s / count : 1;
	part.open_files_max = part.open_files_max > count ? part.open_files_max / (uint32_t)count : 1;
	return part;
}

/* ---- logs of shards that hold no catalog ---- */

static pyr_result nothing_to_take(void *context, struct base_bytes bytes)
{
	(void)context;
	return pyr_result_of(bytes.bytes == 0 ? PYR_OK : PYR_CORRUPT);
}

static pyr_result nothing_to_keep(void *context, struct base_slice *ret_bytes)
{
	(void)context;
	*ret_bytes = (struct base_slice){0};
	return pyr_ok();
}

static struct log_observer observer_of(const struct node *node, size_t i)
{
	static const struct log_observer none = {
		.restore = nothing_to_take, .apply = nothing_to_take, .snapshot = nothing_to_keep};
	return i == 0 ? catalog_observer(node->shards[0].catalog) : none;
}

/* ---- opening ---- */

static pyr_result open_shard(struct node *node, size_t i, struct os_disk *disk, const struct node_options *options,
                             struct pyr_error *error)
{
	struct node_shard *shard = &node->shards[i];
	struct log_options log = share(&options->log, node->shard_count);
	if (catalog_new(shard->loop, &shard->catalog).code != PYR_OK ||
	    (i > 0 && catalog_follow(node->shards[0].catalog, shard->catalog).code != PYR_OK))
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	catalog_set_shard(shard->catalog, (uint32_t)i, (uint32_t)node->shard_count);
	catalog_set_durability(shard->catalog, options->durability);
	struct log_observer observer = observer_of(node, i);
	PYR_TRY(log_open(shard->loop, disk, &log, &observer, &shard->log, error));
	pyr_result attached = catalog_attach(shard->catalog, shard->log);
	return attached.code == PYR_OK ? attached : pyr_fail(error, attached.code, "the catalog can't be opened");
}

static void node_free(struct node *node)
{
	for (size_t i = node->shard_count; i > 0; i--)
		catalog_free(node->shards[i - 1].catalog);
	free(node->closings);
	free(node);
}

static void cluster_begun(struct catalog_change *change)
{
	(void)change; /* after a failure the log is stopped, and the next start gives another */
}

static struct node *node_new(const struct node_place *places, size_t count)
{
	struct node *node = calloc(1, sizeof *node + count * sizeof node->shards[0]);
	struct node_closing *closings = calloc(count, sizeof *closings);
	assert(count > 0 && count <= NODE_SHARDS_MAX);
	if (!node || !closings) {
		free(node);
		free(closings);
		return NULL;
	}
	node->shard_count = count;
	node->closings = closings;
	for (size_t i = 0; i < count; i++) {
		node->shards[i].loop = places[i].loop;
		closings[i] = (struct node_closing){.node = node, .shard = i};
	}
	return node;
}

pyr_result node_open(const struct node_place *places, size_t count, const struct node_options *options,
                     struct node **ret_node, struct pyr_error *error)
{
	struct node *node = node_new(places, count);
	if (!node)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		pyr_result opened = open_shard(node, i, places[i].disk, options, error);
		if (opened.code != PYR_OK) {
			node_abandon(node);
			return opened;
		}
	}
	if (group_coordinator_new(node->shards[0].loop, node->shards[0].log, node->shards[0].catalog, &options->group,
	                          &node->coordinator)
	            .code != PYR_OK) {
		node_abandon(node);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	node->seal_within_us = options->seal_within_us;
	node_metrics_add_own(node);
	node->begin.done = cluster_begun;
	catalog_cluster_begin(node->shards[0].catalog, &node->begin);
	for (size_t i = 1; i < count; i++)
		catalog_cluster_follow(node->shards[i].catalog, node->shards[0].catalog);
	*ret_node = node;
	return pyr_ok();
}

/* ---- parts ---- */

size_t node_shard_count(const struct node *node)
{
	return node->shard_count;
}

const struct node_shard *node_shard(const struct node *node, size_t shard)
{
	assert(shard < node->shard_count);
	return &node->shards[shard];
}

struct log *node_log(const struct node *node, size_t shard)
{
	return node_shard(node, shard)->log;
}

struct catalog *node_catalog(const struct node *node, size_t shard)
{
	return node_shard(node, shard)->catalog;
}

struct group_coordinator *node_coordinator(const struct node *node)
{
	return node->coordinator;
}

void node_retune(const struct node *node, size_t shard, const struct node_options *options)
{
	struct log_options part = share(&options->log, node->shard_count);
	log_retune(node_log(node, shard), &part);
	if (shard == 0)
		group_coordinator_retune(node->coordinator, &options->group);
}

/* ---- closing ---- */

static void shard_closed(struct os_task *task)
{
	struct node *node = BASE_CONTAINER(task, struct node_closing, task)->node;
	void (*closed)(void *) = node->closed;
	void *context = node->closed_context;
	node->open_count -= 1;
	if (node->open_count > 0)
		return;
	node_free(node);
	closed(context);
}

/* On the shard's loop; tells shard 0's. */
static void log_closed(void *context)
{
	struct node_closing *closing = context;
	closing->task.run = shard_closed;
	os_loop_post(closing->node->shards[0].loop, &closing->task);
}

static void first_closed(void *context);

static void log_sealed(struct log_seal *seal)
{
	struct node_closing *closing = BASE_CONTAINER(seal, struct node_closing, seal);
	if (closing->shard == 0)
		log_close(seal->log, first_closed, closing->node);
	else
		log_close(seal->log, log_closed, closing);
}

/* On the shard's loop. */
static void close_log(struct os_task *task)
{
	struct node_closing *closing = BASE_CONTAINER(task, struct node_closing, task);
	struct log *log = closing->node->shards[closing->shard].log;
	if (closing->node->seal_within_us > 0) {
		log_seal(log, &closing->seal, closing->node->seal_within_us, log_sealed);
	} else {
		closing->seal.log = log;
		log_sealed(&closing->seal);
	}
}

static void first_closed(void *context)
{
	struct node *node = context;
	for (size_t i = 1; i < node->shard_count; i++) {
		node->closings[i].task.run = close_log;
		os_loop_post(node->shards[i].loop, &node->closings[i].task);
	}
	log_closed(&node->closings[0]);
}

static void coordinator_closed(void *context)
{
	struct node *node = context;
	close_log(&node->closings[0].task);
}

void node_close(struct node *node, void (*closed)(void *context), void *context)
{
	node->closed = closed;
	node->closed_context = context;
	node->open_count = node->shard_count;
	group_coordinator_close(node->coordinator, coordinator_closed, node);
}

void node_abandon(struct node *node)
{
	for (size_t i = 0; i < node->shard_count; i++)
		if (node->shards[i].log)
			log_abandon(node->shards[i].log);
	group_coordinator_abandon(node->coordinator);
	node_free(node);
}
