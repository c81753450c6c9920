/* The node's Scarab IDs (see ids.h). Lock: of the opening, not held while ids are taken. */
#include "node/ids.h"

#include "coord/scarab_issuer.h"
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

static pyr_result open_issuer(struct node_ids *ids, struct pyr_error *error)
{
	struct scarab_issuer_options options = {.clock = {read_clocks, wait_for_clock, ids}, .node = ids->number};
	PYR_TRY(make_folder(ids, error));
	return scarab_issuer_open(ids->disk, &options, &ids->issuer, error);
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
