/* The Obelisk sequencer (see obelisk.h). One lock orders promises; who holds it does them for all that wait. */
#include "coord/obelisk.h"

#include "os/thread.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 32 };

static const char fence_path[] = "fence", lock_path[] = "lock";

struct obelisk {
	struct obelisk_counter counter;
	struct os_disk *disk;
	struct obelisk_options options;
	uint64_t epoch;
	struct os_mutex lock; /* of all below */
	struct os_condition synced;
	bool syncing; /* one caller has let go of the lock to sync */
	bool stopped;
	uint64_t wanted; /* durable: the end of what callers wait for */
	uint64_t base; /* value of the file's first byte, and its name */
	struct os_file *file;
};

_Static_assert(offsetof(struct obelisk, counter) == 0, "obelisk_counter() casts");

struct obelisk_options obelisk_options_default(void)
{
	return (struct obelisk_options){.lease = UINT64_C(1) << 20, .file_values = UINT64_C(1) << 43};
}

uint64_t obelisk_epoch(const struct obelisk *obelisk)
{
	return obelisk->epoch;
}

uint64_t obelisk_promised(const struct obelisk *obelisk)
{
	return atomic_load(&obelisk->counter.promised);
}

/* ---- files ---- */

static void file_path(uint64_t base, char ret_path[NAME_BYTES])
{
	snprintf(ret_path, NAME_BYTES, "value-%016llx", (unsigned long long)base);
}

struct found {
	bool any;
	uint64_t newest;
	uint64_t oldest;
};

static void note_file(void *context, const char *name)
{
	struct found *found = context;
	char path[NAME_BYTES];
	uint64_t base = strncmp(name, "value-", 6) == 0 ? strtoull(name + 6, NULL, 16) : 0;
	file_path(base, path);
	if (strcmp(path, name) != 0)
		return;
	found->newest = !found->any || base > found->newest ? base : found->newest;
	found->oldest = !found->any || base < found->oldest ? base : found->oldest;
	found->any = true;
}

/* A file that is there is durable by name before anything of it counts. */
static pyr_result open_durable(struct os_disk *disk, const char *path, struct os_file **ret_file)
{
	struct os_file *file;
	PYR_TRY(os_file_open(disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	pyr_result synced = os_directory_sync(disk, "");
	if (synced.code == PYR_OK)
		*ret_file = file;
	else
		os_file_close(file);
	return synced;
}

static pyr_result lengthen(struct os_file *file, uint64_t bytes)
{
	PYR_TRY(os_file_truncate(file, bytes));
	return pyr_result_of(os_file_sync(file).code == PYR_OK ? PYR_OK : PYR_STOPPED);
}

static pyr_result raise_epoch(struct obelisk *obelisk, struct pyr_error *error)
{
	struct os_file *fence;
	uint64_t epoch = 0, grant = obelisk->options.epoch_grant;
	PYR_TRY(open_durable(obelisk->disk, fence_path, &fence));
	pyr_result result = os_file_size(fence, &epoch);
	if (result.code == PYR_OK && epoch < obelisk->options.epoch_min)
		result = pyr_fail(
			error, PYR_CORRUPT,
			"the sequencer is of epoch %llu, but its owner remembers %llu: it was restored from an "
			"older copy, and would give values twice",
			(unsigned long long)epoch, (unsigned long long)obelisk->options.epoch_min);
	if (result.code == PYR_OK)
		result = lengthen(fence, grant > epoch ? grant : epoch + 1);
	os_file_close(fence);
	obelisk->epoch = grant > epoch ? grant : epoch + 1;
	return result;
}

/* The newest file counts; one before it is full, and was left by a crash. Its size may be in the page cache alone: no value
 * below it is returned any more, and none above before another sync. */
static pyr_result recover(struct obelisk *obelisk)
{
	struct found found = {.any = false};
	char path[NAME_BYTES];
	uint64_t size;
	PYR_TRY(os_directory_list(obelisk->disk, "", note_file, &found));
	obelisk->base = found.newest;
	file_path(obelisk->base, path);
	PYR_TRY(open_durable(obelisk->disk, path, &obelisk->file));
	PYR_TRY(os_file_size(obelisk->file, &size));
	atomic_init(&obelisk->counter.next, obelisk->base + size);
	atomic_init(&obelisk->counter.promised, obelisk->base + size);
	obelisk->wanted = obelisk->base + size;
	if (found.any && found.oldest < found.newest) {
		file_path(found.oldest, path);
		pyr_ignore(os_file_remove(obelisk->disk, path));
	}
	return pyr_ok();
}

/* A full file goes when the next one is there: then the folder is looked at again. */
pyr_result obelisk_look(struct os_disk *disk, uint64_t *ret_promised)
{
	enum { LOOKS = 8 };
	char path[NAME_BYTES];
	struct os_file *file;
	uint64_t size;
	for (int i = 0; i < LOOKS; i++) {
		struct found found = {.any = false};
		PYR_TRY(os_directory_list(disk, "", note_file, &found));
		*ret_promised = 0;
		if (!found.any)
			return pyr_ok();
		file_path(found.newest, path);
		pyr_result result = os_file_open(disk, path, OS_OPEN_READ, &file);
		if (result.code == PYR_NOT_FOUND)
			continue;
		PYR_TRY(result);
		result = os_file_size(file, &size);
		os_file_close(file);
		*ret_promised = found.newest + size;
		return result;
	}
	return pyr_result_of(PYR_NOT_FOUND);
}

pyr_result obelisk_open(struct os_disk *disk, const struct obelisk_options *options, struct obelisk **ret_obelisk,
                        struct pyr_error *error)
{
	assert(options->lease > 0 && options->file_values >= options->lease);
	struct obelisk *obelisk = aligned_alloc(_Alignof(struct obelisk), sizeof *obelisk);
	if (!obelisk)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	memset(obelisk, 0, sizeof *obelisk);
	obelisk->disk = disk;
	obelisk->options = *options;
	os_mutex_init(&obelisk->lock);
	os_condition_init(&obelisk->synced);
	pyr_result result = os_disk_lock(disk, lock_path);
	if (result.code == PYR_BUSY)
		result = pyr_fail(error, PYR_BUSY, "another process has this sequencer open: stop it first");
	if (result.code == PYR_OK)
		result = raise_epoch(obelisk, error);
	if (result.code == PYR_OK)
		result = recover(obelisk);
	if (result.code != PYR_OK) {
		obelisk_close(obelisk);
		if (result.code != PYR_BUSY && result.code != PYR_CORRUPT)
			return pyr_fail(error, result.code, "the sequencer can't be opened: %s",
			                pyr_code_text(result.code));
		return result;
	}
	*ret_obelisk = obelisk;
	return pyr_ok();
}

void obelisk_close(struct obelisk *obelisk)
{
	if (!obelisk)
		return;
	os_file_close(obelisk->file);
	os_condition_deinit(&obelisk->synced);
	os_mutex_deinit(&obelisk->lock);
	free(obelisk);
}

/* ---- promises: with the lock, by one caller at a time ---- */

/* The next file, empty, durable by name; the full one goes. */
static pyr_result roll(struct obelisk *obelisk)
{
	struct os_file *next;
	char path[NAME_BYTES];
	uint64_t base = obelisk->base + obelisk->options.file_values;
	file_path(base, path);
	PYR_TRY(open_durable(obelisk->disk, path, &next));
	file_path(obelisk->base, path);
	os_file_close(obelisk->file);
	pyr_ignore(os_file_remove(obelisk->disk, path));
	obelisk->file = next;
	obelisk->base = base;
	return pyr_ok();
}

/* Makes all values below `end` promised; files are filled to their end on the way. */
static pyr_result extend(struct obelisk *obelisk, uint64_t end)
{
	while (end - obelisk->base > obelisk->options.file_values) {
		PYR_TRY(lengthen(obelisk->file, obelisk->options.file_values));
		PYR_TRY(roll(obelisk));
	}
	return lengthen(obelisk->file, end - obelisk->base);
}

/* Does it for all that wait; the lock is free meanwhile, so that more can join the next one. */
static pyr_result extend_unlocked(struct obelisk *obelisk, uint64_t end)
{
	obelisk->syncing = true;
	os_mutex_unlock(&obelisk->lock);
	pyr_result result = extend(obelisk, end);
	os_mutex_lock(&obelisk->lock);
	obelisk->syncing = false;
	if (result.code == PYR_OK)
		atomic_store_explicit(&obelisk->counter.promised, end, memory_order_release);
	else if (result.code != PYR_DISK_FULL)
		obelisk->stopped = true;
	os_condition_broadcast(&obelisk->synced);
	return result;
}

static bool is_promised(const struct obelisk *obelisk, uint64_t end)
{
	return atomic_load_explicit(&obelisk->counter.promised, memory_order_relaxed) >= end;
}

/* Until `end` is promised: waits for whoever is at it, or does it, up to `*target`, which may grow meanwhile. */
static pyr_result promise(struct obelisk *obelisk, uint64_t end, const uint64_t *target)
{
	pyr_result result = pyr_ok();
	while (result.code == PYR_OK && !is_promised(obelisk, end)) {
		if (obelisk->stopped)
			return pyr_result_of(PYR_STOPPED);
		if (obelisk->syncing)
			os_condition_wait(&obelisk->synced, &obelisk->lock);
		else
			result = extend_unlocked(obelisk, *target);
	}
	return result;
}

pyr_result obelisk_promise(struct obelisk *obelisk, uint64_t end)
{
	uint64_t target = end + obelisk->options.lease;
	os_mutex_lock(&obelisk->lock);
	pyr_result result = promise(obelisk, end, &target);
	os_mutex_unlock(&obelisk->lock);
	return result;
}

pyr_result obelisk_take_durable(struct obelisk *obelisk, uint64_t count, uint64_t *ret_first)
{
	os_mutex_lock(&obelisk->lock);
	*ret_first = obelisk->wanted;
	obelisk->wanted += count;
	pyr_result result = promise(obelisk, *ret_first + count, &obelisk->wanted);
	os_mutex_unlock(&obelisk->lock);
	return result;
}
