/* Issues Scarab IDs (see scarab_issuer.h). The lease is a file whose name is the node's number and whose size is the epoch at
 * which it was claimed: the newest claim counts, and an older one that a crash left is removed. */
#include "coord/scarab_issuer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 16 };

struct scarab_issuer {
	struct os_disk *disk;
	struct timekeeper *timekeeper;
	unsigned node;
};

static void lease_path(unsigned node, char ret_path[NAME_BYTES])
{
	snprintf(ret_path, NAME_BYTES, "node-%04u", node % SCARAB_NODES);
}

struct claims {
	bool there[SCARAB_NODES];
};

static void note_claim(void *context, const char *name)
{
	struct claims *claims = context;
	char path[NAME_BYTES];
	unsigned long node = strncmp(name, "node-", 5) == 0 ? strtoul(name + 5, NULL, 10) : SCARAB_NODES;
	if (node >= SCARAB_NODES)
		return;
	lease_path((unsigned)node, path);
	if (strcmp(path, name) == 0)
		claims->there[node] = true;
}

static pyr_result claim_epoch(struct os_disk *disk, unsigned node, uint64_t *ret_epoch)
{
	char path[NAME_BYTES];
	struct os_file *file;
	lease_path(node, path);
	PYR_TRY(os_file_open(disk, path, OS_OPEN_READ, &file));
	pyr_result result = os_file_size(file, ret_epoch);
	os_file_close(file);
	return result;
}

/* The number of the newest claim; SCARAB_NODE_KEPT: there is none. A claim of epoch 0 was never finished. */
static pyr_result find_claim(struct os_disk *disk, const struct claims *claims, int *ret_node, uint64_t *ret_epoch)
{
	int newest = SCARAB_NODE_KEPT;
	uint64_t newest_epoch = 0, epoch;
	for (unsigned node = 0; node < SCARAB_NODES; node++) {
		if (!claims->there[node])
			continue;
		PYR_TRY(claim_epoch(disk, node, &epoch));
		newest = epoch > newest_epoch ? (int)node : newest;
		newest_epoch = epoch > newest_epoch ? epoch : newest_epoch;
	}
	*ret_node = newest;
	*ret_epoch = newest_epoch;
	return pyr_ok();
}

pyr_result scarab_issuer_look(struct os_disk *disk, int *ret_node)
{
	struct claims claims = {0};
	uint64_t epoch;
	PYR_TRY(os_directory_list(disk, "", note_claim, &claims));
	return find_claim(disk, &claims, ret_node, &epoch);
}

/* Durable in size and name before any id has the number. */
static pyr_result write_claim(struct os_disk *disk, unsigned node, uint64_t epoch)
{
	char path[NAME_BYTES];
	struct os_file *file;
	lease_path(node, path);
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result result = os_file_truncate(file, epoch);
	if (result.code == PYR_OK)
		result = os_file_sync(file);
	os_file_close(file);
	PYR_TRY(result);
	return os_directory_sync(disk, "");
}

static void remove_others(struct os_disk *disk, const struct claims *claims, unsigned node)
{
	char path[NAME_BYTES];
	for (unsigned other = 0; other < SCARAB_NODES; other++) {
		if (!claims->there[other] || other == node)
			continue;
		lease_path(other, path);
		pyr_ignore(os_file_remove(disk, path));
	}
}

/* A claim that a crash left in the page cache alone is written anew, at this opening's epoch. */
static pyr_result claim(struct scarab_issuer *issuer, const struct scarab_issuer_options *options,
                        struct pyr_error *error)
{
	struct claims claims = {0};
	uint64_t epoch = timekeeper_epoch(issuer->timekeeper), claimed;
	int kept;
	PYR_TRY(os_directory_list(issuer->disk, "", note_claim, &claims));
	PYR_TRY(find_claim(issuer->disk, &claims, &kept, &claimed));
	if (claimed >= epoch)
		return pyr_fail(
			error, PYR_CORRUPT,
			"the lease of node number %d is of epoch %llu, and its directory of %llu: they do not belong "
			"together; remove the directory, and start with a node number that was never used",
			kept, (unsigned long long)claimed, (unsigned long long)epoch);
	issuer->node = (unsigned)(options->node != SCARAB_NODE_KEPT ? options->node
	                          : kept != SCARAB_NODE_KEPT        ? kept
	                                                            : 0);
	PYR_TRY(write_claim(issuer->disk, issuer->node, epoch));
	remove_others(issuer->disk, &claims, issuer->node);
	return pyr_ok();
}

pyr_result scarab_issuer_open(struct os_disk *disk, const struct scarab_issuer_options *options,
                              struct scarab_issuer **ret_issuer, struct pyr_error *error)
{
	struct timekeeper_options keeper = {.rules = hlc_rules_default(), .clock = options->clock};
	assert(options->node >= SCARAB_NODE_KEPT && options->node < SCARAB_NODES);
	struct scarab_issuer *issuer = calloc(1, sizeof *issuer);
	if (!issuer)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	keeper.rules.counter_bits = SCARAB_COUNT_BITS;
	keeper.epoch_ms = SCARAB_EPOCH_MS;
	keeper.epoch_min = options->epoch_min;
	keeper.epoch_grant = options->epoch_grant;
	issuer->disk = disk;
	pyr_result result = timekeeper_open(disk, &keeper, &issuer->timekeeper, error);
	if (result.code == PYR_OK) {
		result = claim(issuer, options, error);
		if (result.code != PYR_OK && result.code != PYR_CORRUPT)
			result = pyr_fail(error, result.code, "the node's number can't be claimed: %s",
			                  pyr_code_text(result.code));
	}
	if (result.code != PYR_OK)
		scarab_issuer_close(issuer);
	else
		*ret_issuer = issuer;
	return result;
}

void scarab_issuer_close(struct scarab_issuer *issuer)
{
	if (!issuer)
		return;
	timekeeper_close(issuer->timekeeper);
	free(issuer);
}

unsigned scarab_issuer_node(const struct scarab_issuer *issuer)
{
	return issuer->node;
}

uint64_t scarab_issuer_epoch(const struct scarab_issuer *issuer)
{
	return timekeeper_epoch(issuer->timekeeper);
}

static bool write_ids(const struct scarab_issuer *issuer, uint64_t first, size_t count, uint64_t *ret_ids)
{
	if ((first + count - 1) >> SCARAB_COUNT_BITS >> SCARAB_MS_BITS)
		return false;
	for (size_t i = 0; i < count; i++)
		ret_ids[i] = scarab_of(first + i, issuer->node);
	return true;
}

pyr_result scarab_issuer_take(struct scarab_issuer *issuer, size_t count, uint64_t *ret_ids, struct pyr_error *error)
{
	uint64_t first;
	assert(count > 0 && count <= SCARAB_BATCH_MAX);
	PYR_TRY(timekeeper_take(issuer->timekeeper, count, &first, error));
	if (!write_ids(issuer, first, count, ret_ids))
		return pyr_fail(error, PYR_BAD_TIMESTAMP,
		                "the clock is set beyond the year 2094, where ids end: set it right");
	return pyr_ok();
}

enum hlc_verdict scarab_issuer_try(struct scarab_issuer *issuer, size_t count, uint64_t *ret_ids, bool *ret_over)
{
	uint64_t first;
	assert(count > 0 && count <= SCARAB_BATCH_MAX);
	enum hlc_verdict verdict = timekeeper_try(issuer->timekeeper, count, &first);
	*ret_over = verdict == HLC_DONE && !write_ids(issuer, first, count, ret_ids);
	return verdict;
}

pyr_result scarab_issuer_ahead(struct scarab_issuer *issuer, struct pyr_error *error)
{
	return timekeeper_ahead(issuer->timekeeper, error);
}
