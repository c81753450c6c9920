/* A hybrid logical clock whose promises are kept (see timekeeper.h). Its one lock is free while it promises: who has what is
 * promised already goes on. */
#include "coord/timekeeper.h"

#include "coord/obelisk.h"
#include "os/thread.h"

#include <assert.h>
#include <stdlib.h>

struct timekeeper {
	struct timekeeper_options options;
	struct obelisk *obelisk;
	struct os_mutex lock; /* of the clock */
	struct hlc hlc;
};

static struct hlc_time now(const struct timekeeper *timekeeper)
{
	const struct timekeeper_clock *clock = &timekeeper->options.clock;
	struct hlc_time time = clock->now(clock->context);
	uint64_t epoch_ms = timekeeper->options.epoch_ms;
	time.wall_ms = time.wall_ms > epoch_ms ? time.wall_ms - epoch_ms : 0;
	return time;
}

pyr_result timekeeper_open(struct os_disk *disk, const struct timekeeper_options *options,
                           struct timekeeper **ret_timekeeper, struct pyr_error *error)
{
	struct obelisk_options promises = obelisk_options_default();
	struct timekeeper *timekeeper = calloc(1, sizeof *timekeeper);
	if (!timekeeper)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	timekeeper->options = *options;
	promises.lease = 1; /* what is promised at once is the clock's to say */
	promises.epoch_min = options->epoch_min;
	promises.epoch_grant = options->epoch_grant;
	os_mutex_init(&timekeeper->lock);
	pyr_result result = obelisk_open(disk, &promises, &timekeeper->obelisk, error);
	if (result.code != PYR_OK) {
		timekeeper_close(timekeeper);
		return result;
	}
	hlc_init(&timekeeper->hlc, &options->rules, obelisk_promised(timekeeper->obelisk), now(timekeeper));
	*ret_timekeeper = timekeeper;
	return pyr_ok();
}

void timekeeper_close(struct timekeeper *timekeeper)
{
	if (!timekeeper)
		return;
	obelisk_close(timekeeper->obelisk);
	os_mutex_deinit(&timekeeper->lock);
	free(timekeeper);
}

uint64_t timekeeper_epoch(const struct timekeeper *timekeeper)
{
	return obelisk_epoch(timekeeper->obelisk);
}

static pyr_result explain(pyr_result result, struct pyr_error *error)
{
	if (result.code == PYR_STOPPED)
		return pyr_fail(error, PYR_STOPPED,
		                "the clock's file can't be synced: restart the server, and look at the disk");
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the clock's file can't be extended: %s",
		                pyr_code_text(result.code));
	return result;
}

/* With the lock, which is free meanwhile: somebody else may have promised more. */
static pyr_result promise(struct timekeeper *timekeeper, struct pyr_error *error)
{
	uint64_t wanted_ms = hlc_wanted_ms(&timekeeper->hlc);
	os_mutex_unlock(&timekeeper->lock);
	pyr_result result = explain(obelisk_promise(timekeeper->obelisk, wanted_ms), error);
	os_mutex_lock(&timekeeper->lock);
	if (result.code == PYR_OK && wanted_ms > timekeeper->hlc.promised_ms)
		hlc_promised(&timekeeper->hlc, wanted_ms);
	return result;
}

/* With the lock, which is free while the clock catches up. */
static pyr_result obey(struct timekeeper *timekeeper, enum hlc_verdict verdict, struct pyr_error *error)
{
	const struct timekeeper_clock *clock = &timekeeper->options.clock;
	if (verdict == HLC_PROMISE)
		return promise(timekeeper, error);
	os_mutex_unlock(&timekeeper->lock);
	clock->wait(clock->context);
	os_mutex_lock(&timekeeper->lock);
	return pyr_ok();
}

pyr_result timekeeper_take(struct timekeeper *timekeeper, uint64_t count, uint64_t *ret_first, struct pyr_error *error)
{
	pyr_result result = pyr_ok();
	enum hlc_verdict verdict = HLC_WAIT;
	os_mutex_lock(&timekeeper->lock);
	while (result.code == PYR_OK &&
	       (verdict = hlc_take(&timekeeper->hlc, now(timekeeper), count, ret_first)) != HLC_DONE)
		result = obey(timekeeper, verdict, error);
	os_mutex_unlock(&timekeeper->lock);
	return result;
}

enum hlc_verdict timekeeper_try(struct timekeeper *timekeeper, uint64_t count, uint64_t *ret_first)
{
	os_mutex_lock(&timekeeper->lock);
	enum hlc_verdict verdict = hlc_take(&timekeeper->hlc, now(timekeeper), count, ret_first);
	os_mutex_unlock(&timekeeper->lock);
	return verdict;
}

pyr_result timekeeper_ahead(struct timekeeper *timekeeper, struct pyr_error *error)
{
	os_mutex_lock(&timekeeper->lock);
	hlc_read(&timekeeper->hlc, now(timekeeper));
	pyr_result result = promise(timekeeper, error);
	os_mutex_unlock(&timekeeper->lock);
	return result;
}

pyr_result timekeeper_observe(struct timekeeper *timekeeper, uint64_t received, struct pyr_error *error)
{
	enum hlc_verdict verdict = HLC_DONE;
	os_mutex_lock(&timekeeper->lock);
	struct hlc_time at = now(timekeeper);
	pyr_result result = hlc_check(&timekeeper->hlc, at, received, error);
	while (result.code == PYR_OK && (verdict = hlc_observe(&timekeeper->hlc, at, received)) != HLC_DONE)
		result = obey(timekeeper, verdict, error);
	os_mutex_unlock(&timekeeper->lock);
	return result;
}
