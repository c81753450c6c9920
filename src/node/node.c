/* Putting catalog and log together (see node.h). */
#include "node/node_priv.h"

#include <stdlib.h>

struct node_options node_options_default(void)
{
	return (struct node_options){.log = log_options_default(), .group = group_options_default()};
}

static void cluster_begun(struct catalog_change *change)
{
	(void)change; /* a failure leaves the cluster without an id until the next start */
}

static pyr_result open_parts(struct node *node, struct os_disk *disk, const struct node_options *options,
                             struct pyr_error *error)
{
	pyr_result made = catalog_new(node->loop, &node->catalog);
	if (made.code != PYR_OK)
		return pyr_fail(error, made.code, "out of memory");
	struct log_observer observer = catalog_observer(node->catalog);
	PYR_TRY(log_open(node->loop, disk, &options->log, &observer, &node->log, error));
	catalog_set_durability(node->catalog, options->durability);
	pyr_result attached = catalog_attach(node->catalog, node->log);
	if (attached.code == PYR_OK)
		attached = group_coordinator_new(node->loop, node->log, node->catalog, &options->group,
		                                 &node->coordinator);
	return attached.code == PYR_OK ? attached : pyr_fail(error, attached.code, "the catalog can't be opened");
}

pyr_result node_open(struct os_loop *loop, struct os_disk *disk, const struct node_options *options,
                     struct node **ret_node, struct pyr_error *error)
{
	struct node *node = calloc(1, sizeof *node);
	if (!node)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	node->loop = loop;
	pyr_result opened = open_parts(node, disk, options, error);
	if (opened.code != PYR_OK) {
		if (node->log)
			log_abandon(node->log);
		catalog_free(node->catalog);
		free(node);
		return opened;
	}
	node->begin.done = cluster_begun;
	catalog_cluster_begin(node->catalog, &node->begin);
	*ret_node = node;
	return pyr_ok();
}

struct log *node_log(struct node *node)
{
	return node->log;
}

struct catalog *node_catalog(struct node *node)
{
	return node->catalog;
}

struct group_coordinator *node_coordinator(struct node *node)
{
	return node->coordinator;
}

static void log_closed(void *context)
{
	struct node *node = context;
	void (*closed)(void *) = node->closed;
	void *closed_context = node->closed_context;
	catalog_free(node->catalog);
	free(node);
	closed(closed_context);
}

static void coordinator_closed(void *context)
{
	struct node *node = context;
	log_close(node->log, log_closed, node);
}

void node_close(struct node *node, void (*closed)(void *context), void *context)
{
	node->closed = closed;
	node->closed_context = context;
	group_coordinator_close(node->coordinator, coordinator_closed, node);
}

void node_abandon(struct node *node)
{
	log_abandon(node->log);
	group_coordinator_abandon(node->coordinator);
	catalog_free(node->catalog);
	free(node);
}
