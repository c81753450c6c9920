/* The Pharaoh services of a node (see pharaoh.h). The lock of the data directory says that nobody of another life has its slots:
 * the lease never runs out, and a process that was stopped goes on. */
#include "node/pharaoh.h"

#include "node/handover.h"
#include "os/real.h"
#include "os/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_BYTES_MAX = 4096,
	WAIT_US = 1000,
	SEQUENCES_MAX = 1 << 20,
	MEMORY_MAX = 1 << 13,
	DIRECTORY = 1, /* the authority's only node */
};

#define FOREVER_MS (UINT64_MAX / 4)

enum folder { CLOCK, SEQUENCES, EPOCHS, MEMORY, FOLDERS };

static const char *const folders[FOLDERS] = {"pharaoh/clock", "pharaoh/sequences", "pharaoh/epochs", "pharaoh/memory"};

struct node_pharaoh {
	struct node_pharaoh_options options;
	struct os_disk *disks[FOLDERS];
	struct os_mutex lock; /* what those wait with for whom the clock must catch up */
	struct os_condition never;
	struct timekeeper *clock;
	struct names *sequences, *memory;
	struct obelisk *epochs;
	struct authority *authority;
	struct authority_grant grant;
	struct pharaoh *core;
};

static struct hlc_time read_clocks(void *context)
{
	(void)context;
	return (struct hlc_time){os_real_wall_ms(), os_real_steady_ms()};
}

static void wait_for_clock(void *context)
{
	struct node_pharaoh *pharaoh = context;
	os_mutex_lock(&pharaoh->lock);
	(void)os_condition_wait_for(&pharaoh->never, &pharaoh->lock, WAIT_US);
	os_mutex_unlock(&pharaoh->lock);
}

static void folder_path(const struct node_pharaoh *pharaoh, enum folder folder, char ret_path[PATH_BYTES_MAX])
{
	snprintf(ret_path, PATH_BYTES_MAX, "%s/%s", pharaoh->options.data, folders[folder]);
}

/* Names are durable before anything in them counts. */
static pyr_result make_folders(struct node_pharaoh *pharaoh, struct pyr_error *error)
{
	struct os_disk *root = pharaoh->options.root;
	char path[PATH_BYTES_MAX];
	pyr_result result = os_directory_make(root, "pharaoh");
	for (size_t i = 0; i < FOLDERS && result.code == PYR_OK; i++)
		result = os_directory_make(root, folders[i]);
	if (result.code == PYR_OK)
		result = os_directory_sync(root, "pharaoh");
	if (result.code == PYR_OK)
		result = os_directory_sync(root, "");
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the folder \"pharaoh\" of the data directory can't be made: %s",
		                pyr_code_text(result.code));
	for (size_t i = 0; i < FOLDERS; i++) {
		folder_path(pharaoh, (enum folder)i, path);
		PYR_TRY(os_real_disk_new(path, &pharaoh->disks[i], error));
	}
	return pyr_ok();
}

/* Restored from a backup, and not opened since: numbers go on beyond those that the original can have given. The epochs are raised
 * last, and say that all was done. */
static pyr_result take_over(struct node_pharaoh *pharaoh, struct pyr_error *error)
{
	struct node_handover handover;
	char path[PATH_BYTES_MAX];
	uint64_t epochs;
	PYR_TRY(obelisk_look(pharaoh->disks[EPOCHS], &epochs));
	pyr_result result =
		epochs > 0 ? pyr_result_of(PYR_NOT_FOUND) : node_handover_read(pharaoh->options.root, &handover);
	if (result.code == PYR_NOT_FOUND)
		return pyr_ok();
	folder_path(pharaoh, SEQUENCES, path);
	if (result.code == PYR_OK)
		result = node_handover_sequences(pharaoh->options.root, path, error);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the file \"%s\" of the data directory can't be taken over: %s",
		                NODE_HANDOVER_FILE, pyr_code_text(result.code));
	folder_path(pharaoh, CLOCK, path);
	PYR_TRY(node_handover_raise(path, node_handover_begin_ms(handover.timestamps_ms, 0), error));
	folder_path(pharaoh, EPOCHS, path);
	return node_handover_raise(path, handover.epochs + NODE_HANDOVER_EPOCHS, error);
}

static pyr_result open_files(struct node_pharaoh *pharaoh, struct pyr_error *error)
{
	struct timekeeper_options clock = {.rules = hlc_rules_default(),
	                                   .clock = {read_clocks, wait_for_clock, pharaoh}};
	struct obelisk_options epochs = obelisk_options_default();
	PYR_TRY(take_over(pharaoh, error));
	PYR_TRY(timekeeper_open(pharaoh->disks[CLOCK], &clock, &pharaoh->clock, error));
	PYR_TRY(names_open(pharaoh->disks[SEQUENCES], SEQUENCES_MAX, &pharaoh->sequences, error));
	PYR_TRY(obelisk_open(pharaoh->disks[EPOCHS], &epochs, &pharaoh->epochs, error));
	return names_open(pharaoh->disks[MEMORY], MEMORY_MAX, &pharaoh->memory, error);
}

static pyr_result entry_of(struct node_pharaoh *pharaoh, const char *name, struct names_entry **ret_entry)
{
	return names_make(pharaoh->memory, (struct base_bytes){(const uint8_t *)name, strlen(name)}, ret_entry);
}

/* The last life ended in order, and nobody had a session or a lock: nobody needs time to claim what it had. */
static bool ended_empty(struct node_pharaoh *pharaoh)
{
	struct names_entry *entry;
	return entry_of(pharaoh, "empty", &entry).code == PYR_OK && names_kept(entry) > 0 &&
	       names_kept(entry) == pharaoh->grant.epoch_min;
}

/* What can't be kept costs the next life its grace, no more. */
static void note_end(struct node_pharaoh *pharaoh)
{
	struct pharaoh_metrics metrics = pharaoh_metrics_get(pharaoh->core, os_real_steady_ms());
	struct names_entry *entry;
	if (metrics.sessions > 0 || metrics.locks > 0 || entry_of(pharaoh, "empty", &entry).code != PYR_OK)
		return;
	names_raise(pharaoh->memory, entry, pharaoh->grant.epoch);
	pyr_ignore(names_keep(pharaoh->memory));
}

/* The longest time to live that this directory ever gave, this life's included: durable before a session is. */
static pyr_result longest_ttl(struct node_pharaoh *pharaoh, uint32_t *ret_ttl_ms, struct pyr_error *error)
{
	struct names_entry *entry;
	pyr_result result = entry_of(pharaoh, "ttl", &entry);
	if (result.code == PYR_OK) {
		names_raise(pharaoh->memory, entry, pharaoh->options.ttl_max_ms);
		result = names_keep(pharaoh->memory);
	}
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "sessions' time to live can't be kept: %s",
		                pyr_code_text(result.code));
	*ret_ttl_ms = (uint32_t)names_kept(entry);
	return pyr_ok();
}

static pyr_result open_authority(struct node_pharaoh *pharaoh, struct pyr_error *error)
{
	uint64_t now_ms = os_real_steady_ms();
	struct authority_options options = {pharaoh->epochs, pharaoh->memory, FOREVER_MS, now_ms, true};
	struct authority_opening opening = {.directory = DIRECTORY};
	struct scarab_issuer *ids;
	PYR_TRY(node_ids_issuer(pharaoh->options.ids, &ids, error));
	opening.number_wanted = (int)scarab_issuer_node(ids);
	PYR_TRY(authority_new(&options, &pharaoh->authority, error));
	PYR_TRY(authority_open(pharaoh->authority, now_ms, &opening, &pharaoh->grant, error));
	return authority_told(pharaoh->authority, now_ms, DIRECTORY, pharaoh->grant.epoch, error);
}

static struct authority_owner owner(void *context, uint64_t now_ms, uint16_t slot)
{
	const struct node_pharaoh *pharaoh = context;
	return authority_owner(pharaoh->authority, now_ms, slot);
}

static pyr_result open_core(struct node_pharaoh *pharaoh, bool is_first, struct pyr_error *error)
{
	struct pharaoh_options options = pharaoh_options_default();
	PYR_TRY(node_ids_issuer(pharaoh->options.ids, &options.ids, error));
	PYR_TRY(longest_ttl(pharaoh, &options.grace_ms, error));
	options.clock = pharaoh->clock;
	options.sequences = pharaoh->sequences;
	options.now_ms = os_real_steady_ms();
	options.ttl_max_ms = pharaoh->options.ttl_max_ms;
	options.is_first = is_first;
	options.owner = owner;
	options.context = pharaoh;
	pharaoh->core = pharaoh_new(&options);
	return pharaoh->core ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

pyr_result node_pharaoh_open(const struct node_pharaoh_options *options, struct node_pharaoh **ret_pharaoh,
                             struct pyr_error *error)
{
	struct node_pharaoh *pharaoh = calloc(1, sizeof *pharaoh);
	bool is_first = false;
	if (!pharaoh)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pharaoh->options = *options;
	os_mutex_init(&pharaoh->lock);
	os_condition_init(&pharaoh->never);
	pyr_result result = make_folders(pharaoh, error);
	if (result.code == PYR_OK)
		result = open_files(pharaoh, error);
	if (result.code == PYR_OK) {
		is_first = obelisk_promised(pharaoh->epochs) == 0;
		result = open_authority(pharaoh, error);
	}
	if (result.code == PYR_OK)
		result = open_core(pharaoh, is_first || ended_empty(pharaoh), error);
	if (result.code == PYR_OK)
		*ret_pharaoh = pharaoh;
	else
		node_pharaoh_free(pharaoh);
	return result;
}

void node_pharaoh_free(struct node_pharaoh *pharaoh)
{
	if (!pharaoh)
		return;
	if (pharaoh->core)
		note_end(pharaoh);
	pharaoh_free(pharaoh->core);
	authority_free(pharaoh->authority);
	timekeeper_close(pharaoh->clock);
	names_close(pharaoh->sequences);
	names_close(pharaoh->memory);
	obelisk_close(pharaoh->epochs);
	for (size_t i = 0; i < FOLDERS; i++)
		if (pharaoh->disks[i])
			os_real_disk_free(pharaoh->disks[i]);
	os_condition_deinit(&pharaoh->never);
	os_mutex_deinit(&pharaoh->lock);
	free(pharaoh);
}

pyr_result node_pharaoh_announce(struct node_pharaoh *pharaoh, const char *host, uint16_t port, struct pyr_error *error)
{
	uint64_t now_ms = os_real_steady_ms();
	struct authority_lease *lease = malloc(sizeof *lease);
	struct authority_renewal renewal = {pharaoh->grant.number,
	                                    pharaoh->grant.epoch,
	                                    pharaoh_seen(pharaoh->core),
	                                    pharaoh_claims(pharaoh->core, now_ms),
	                                    host,
	                                    port};
	if (!lease)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = authority_renew(pharaoh->authority, now_ms, &renewal, lease, error);
	if (result.code == PYR_OK)
		pharaoh_lease(pharaoh->core, now_ms, now_ms, lease);
	free(lease);
	return result;
}

struct pharaoh *node_pharaoh_core(struct node_pharaoh *pharaoh)
{
	return pharaoh->core;
}

struct node_owner node_pharaoh_route(const struct node_pharaoh *pharaoh, struct base_bytes key)
{
	uint16_t slot = codec_pharaoh_slot_of(key);
	uint64_t now_ms = os_real_steady_ms();
	if (slots_own(pharaoh_slots(pharaoh->core), slot, now_ms))
		return (struct node_owner){.where = NODE_OWNER_HERE};
	struct authority_owner found = pharaoh_owner(pharaoh->core, now_ms, slot);
	if (found.epoch == 0 || found.number == pharaoh->grant.number)
		return (struct node_owner){.where = NODE_OWNER_NOBODY}; /* not ours any more, or not yet */
	return (struct node_owner){NODE_OWNER_THERE, (int32_t)found.number, found.host, found.port};
}
