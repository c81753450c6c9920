/* The node's Scarab IDs (see ids.h). Lock: of the opening, not held while ids are taken. */
#include "node/ids.h"

#include "coord/scarab_issuer.h"
#include "node/handover.h"
#include "node/place.h"
#include "os/real.h"
#include "os/thread.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES_MAX = 4096, WAIT_US = 1000 };

static const char folder[] = "scarab";

struct node_ids {
	struct os_disk *root;
	char path[PATH_BYTES_MAX];
	int number;
	struct os_reporter *reporter;
	struct os_mutex lock; /* of the opening, and what those wait with for whom the clock must catch up */
	struct os_condition never;
	struct os_disk *disk; /* NULL: not opened yet */
	struct scarab_issuer *issuer;
};

struct node_ids *node_ids_new(struct os_disk *root, const char *data, int number)
{
	struct node_ids *ids = calloc(1, sizeof *ids);
	if (!ids)
		return NULL;
	ids->root = root;
	ids->number = number;
	snprintf(ids->path, sizeof ids->path, "%s/%s", data, folder);
	os_mutex_init(&ids->lock);
	os_condition_init(&ids->never);
	return ids;
}

static void drop(struct node_ids *ids)
{
	scarab_issuer_close(ids->issuer);
	os_real_disk_free(ids->disk);
	ids->issuer = NULL;
	ids->disk = NULL;
}

void node_ids_free(struct node_ids *ids)
{
	if (!ids)
		return;
	drop(ids);
	os_condition_deinit(&ids->never);
	os_mutex_deinit(&ids->lock);
	free(ids);
}

static struct hlc_time read_clocks(void *context)
{
	(void)context;
	return (struct hlc_time){os_real_wall_ms(), os_real_steady_ms()};
}

static void wait_for_clock(void *context)
{
	struct node_ids *ids = context;
	os_mutex_lock(&ids->lock);
	(void)os_condition_wait_for(&ids->never, &ids->lock, WAIT_US);
	os_mutex_unlock(&ids->lock);
}

/* The folder's name is durable before anything in it counts. */
static pyr_result make_folder(struct node_ids *ids, struct pyr_error *error)
{
	pyr_result result = os_directory_make(ids->root, folder);
	if (result.code == PYR_OK)
		result = os_directory_sync(ids->root, "");
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the folder \"%s\" of the data directory can't be made: %s", folder,
		                pyr_code_text(result.code));
	return os_real_disk_new(ids->path, &ids->disk, error);
}

/* One that the original does not have, by chance, so that two copies rarely have the same. */
static int other_than(int number)
{
	uint16_t drawn;
	do {
		os_real_random(&drawn, sizeof drawn);
	} while (drawn % SCARAB_NODES == number);
	return drawn % SCARAB_NODES;
}

/* Restored from a backup, and nothing was given here yet: later than all that the original can have given. */
static pyr_result take_over(struct node_ids *ids, int *number, struct pyr_error *error)
{
	struct node_handover handover;
	pyr_result result = node_handover_read(ids->root, &handover);
	if (result.code == PYR_NOT_FOUND)
		return pyr_ok();
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the file \"%s\" of the data directory can't be read: %s",
		                NODE_HANDOVER_FILE, pyr_code_text(result.code));
	*number = handover.node;
	return node_handover_raise(ids->path, node_handover_begin_ms(handover.ids_ms, SCARAB_EPOCH_MS), error);
}

/* The number: what the operator says; for a copy, or what was restored, another than the original's; the one that it had. */
static pyr_result choose_number(struct node_ids *ids, enum node_place_verdict place, int *ret_number,
                                struct pyr_error *error)
{
	int had;
	bool copied = place == NODE_PLACE_COPY;
	PYR_TRY(scarab_issuer_look(ids->disk, &had));
	if (place == NODE_PLACE_NEW && had == SCARAB_NODE_KEPT) {
		PYR_TRY(take_over(ids, &had, error));
		copied = had != SCARAB_NODE_KEPT;
	}
	*ret_number = ids->number != SCARAB_NODE_KEPT ? ids->number : copied ? other_than(had) : had;
	if (copied)
		os_report(ids->reporter, OS_WARNING, "ids", NULL,
		          "this data directory is a copy of one whose ids have the node number %d: its own have %d",
		          had, *ret_number);
	return pyr_ok();
}

static pyr_result open_issuer(struct node_ids *ids, struct pyr_error *error)
{
	struct scarab_issuer_options options = {.clock = {read_clocks, wait_for_clock, ids}};
	enum node_place_verdict place;
	uint64_t directory;
	PYR_TRY(make_folder(ids, error));
	PYR_TRY(node_place_look(ids->disk, ids->path, &place, &directory));
	PYR_TRY(choose_number(ids, place, &options.node, error));
	PYR_TRY(scarab_issuer_open(ids->disk, &options, &ids->issuer, error));
	return place == NODE_PLACE_SAME ? pyr_ok() : node_place_note(ids->disk, ids->path, directory);
}

void node_ids_report_to(struct node_ids *ids, struct os_reporter *reporter)
{
	ids->reporter = reporter;
}

static pyr_result be_open(struct node_ids *ids, struct pyr_error *error)
{
	pyr_result result = pyr_ok();
	os_mutex_lock(&ids->lock);
	if (!ids->issuer)
		result = open_issuer(ids, error);
	if (result.code != PYR_OK)
		drop(ids);
	os_mutex_unlock(&ids->lock);
	return result;
}

pyr_result node_ids_take(struct node_ids *ids, size_t count, uint64_t *ret_ids, struct pyr_error *error)
{
	PYR_TRY(be_open(ids, error));
	return scarab_issuer_take(ids->issuer, count, ret_ids, error);
}

pyr_result node_ids_issuer(struct node_ids *ids, struct scarab_issuer **ret_issuer, struct pyr_error *error)
{
	PYR_TRY(be_open(ids, error));
	*ret_issuer = ids->issuer;
	return pyr_ok();
}
