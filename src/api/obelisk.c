/* The Obelisk sequencer for programs (see pyralog/obelisk.h): arguments are checked, errors become sentences.
 *
 * Invariant: a new directory's own name is durable before its first value is given. Failure modes and threads are those of
 * coord/obelisk.h. */
#include "pyralog/obelisk.h"

#include "api/api_priv.h"
#include "coord/obelisk.h"
#include "os/real.h"

#include <stdlib.h>
#include <string.h>

struct pyr_obelisk {
	struct os_disk *disk;
	struct obelisk *obelisk;
	bool durable;
};

/* The folder that holds `directory`, for its name to be synced there. The caller frees it; NULL: out of memory. */
static char *parent_of(const char *directory)
{
	size_t bytes = strlen(directory);
	while (bytes > 1 && directory[bytes - 1] == '/')
		bytes--;
	while (bytes > 0 && directory[bytes - 1] != '/')
		bytes--;
	return bytes > 0 ? strndup(directory, bytes) : strdup(".");
}

static pyr_result sync_name(const char *directory, struct pyr_error *error)
{
	struct os_disk *disk;
	char *parent = parent_of(directory);
	if (!parent)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = os_real_disk_new(parent, &disk, error);
	free(parent);
	if (result.code != PYR_OK)
		return result;
	result = os_directory_sync(disk, "");
	os_real_disk_free(disk);
	return result;
}

static struct pyr_obelisk_options options_of(const struct pyr_obelisk_options *given)
{
	struct pyr_obelisk_options options = {.size = sizeof options};
	if (given)
		memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
	options.lease = options.lease ? options.lease : obelisk_options_default().lease;
	return options;
}

static pyr_result open_in(struct pyr_obelisk *obelisk, const char *directory, const struct pyr_obelisk_options *given,
                          struct pyr_error *error)
{
	struct obelisk_options options = obelisk_options_default();
	options.lease = given->lease;
	options.epoch_min = given->epoch_min;
	obelisk->durable = given->durable != 0;
	PYR_TRY(os_real_disk_new(directory, &obelisk->disk, error));
	PYR_TRY(sync_name(directory, error));
	return obelisk_open(obelisk->disk, &options, &obelisk->obelisk, error);
}

enum pyr_status pyr_obelisk_open(const char *directory, const struct pyr_obelisk_options *options,
                                 struct pyr_obelisk **ret_obelisk, struct pyr_failure *failure)
{
	struct pyr_obelisk_options chosen = options_of(options);
	struct pyr_error error = {0};
	if (!directory || !*directory)
		return api_fail(failure, PYR_STATUS_USAGE, "", "name the directory of the counter");
	if (chosen.lease > PYR_OBELISK_LEASE_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a lease has at most 2^40 numbers");
	struct pyr_obelisk *obelisk = calloc(1, sizeof *obelisk);
	if (!obelisk)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	enum pyr_status status = api_settle(open_in(obelisk, directory, &chosen, &error), &error, failure);
	if (status != PYR_STATUS_OK)
		pyr_obelisk_close(obelisk);
	else
		*ret_obelisk = obelisk;
	return status;
}

static const char *sentence(enum pyr_code code)
{
	switch (code) {
	case PYR_STOPPED:
		return "a sync failed, so that nobody knows what the disk has: open the counter again";
	case PYR_DISK_FULL:
		return "the disk is full: make room and try again";
	default:
		return pyr_code_text(code);
	}
}

enum pyr_status pyr_obelisk_next_batch(struct pyr_obelisk *obelisk, uint64_t count, uint64_t *ret_first,
                                       struct pyr_failure *failure)
{
	uint64_t first;
	if (count == 0 || count > PYR_OBELISK_BATCH_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a call takes 1 to 2^32 numbers");
	pyr_result taken = obelisk->durable ? obelisk_take_durable(obelisk->obelisk, count, &first)
	                                    : obelisk_take(obelisk->obelisk, count, &first);
	if (taken.code != PYR_OK)
		return api_fail(failure, api_status_of(taken.code), "", "%s", sentence(taken.code));
	*ret_first = first;
	return PYR_STATUS_OK;
}

enum pyr_status pyr_obelisk_next(struct pyr_obelisk *obelisk, uint64_t *ret_value, struct pyr_failure *failure)
{
	return pyr_obelisk_next_batch(obelisk, 1, ret_value, failure);
}

uint64_t pyr_obelisk_epoch(const struct pyr_obelisk *obelisk)
{
	return obelisk_epoch(obelisk->obelisk);
}

void pyr_obelisk_close(struct pyr_obelisk *obelisk)
{
	if (!obelisk)
		return;
	obelisk_close(obelisk->obelisk);
	os_real_disk_free(obelisk->disk);
	free(obelisk);
}
