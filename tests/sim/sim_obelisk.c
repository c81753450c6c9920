/* Simulation of the Obelisk sequencer: crashes at every call, before syncs, of the process or the machine; failed syncs; files that
 * end after a few values. What must hold: no value twice, values rise, and what a crash wastes is at most a lease.
 *
 *   sim_obelisk [OPTIONS]    seeds.h
 */
#include "seeds.h"

#include "coord/obelisk.h"
#include "os/sim/sim.h"

enum { LIVES = 12, TAKES = 60 };

struct run {
	struct os_sim *sim;
	struct os_disk *disk;
	struct obelisk_options options;
	bool durable; /* this run takes values one by one */
	uint64_t returned_end; /* behind the last value that was returned */
	uint64_t epoch;
	uint64_t waste_max; /* what lives that ended may have promised in vain */
	bool failed;
};

static uint64_t below(struct run *run, uint64_t limit)
{
	return os_sim_random_below(run->sim, limit);
}

static void fail(struct run *run, const char *what, uint64_t value)
{
	fprintf(stderr, "%s: %llu\n", what, (unsigned long long)value);
	run->failed = true;
}

static void arm_faults(struct run *run)
{
	struct os_sim_faults *faults = os_sim_disk_faults(run->disk);
	switch (below(run, 6)) {
	case 0:
		faults->crash_at_call = 1 + below(run, 60);
		break;
	case 1:
		faults->crash_at_sync = 1 + below(run, 20);
		break;
	case 2:
		faults->crash_at_directory_sync = 1 + below(run, 6);
		break;
	case 3:
		faults->fail_sync_at = 1 + below(run, 20);
		break;
	case 4:
		faults->fail_at_call = 1 + below(run, 60);
		break;
	default:
		break;
	}
}

static void take(struct run *run, struct obelisk *obelisk)
{
	uint64_t count = 1 + below(run, 5), first;
	pyr_result taken =
		run->durable ? obelisk_take_durable(obelisk, count, &first) : obelisk_take(obelisk, count, &first);
	if (taken.code != PYR_OK) {
		run->waste_max += count; /* perhaps promised, and never told */
		return;
	}
	if (first < run->returned_end)
		fail(run, "a value is there twice, or does not rise", first);
	if (first - run->returned_end > run->waste_max)
		fail(run, "more was wasted than a crash may", first - run->returned_end);
	run->returned_end = first + count;
	run->waste_max = 0;
}

static void live(struct run *run)
{
	struct obelisk *obelisk;
	struct pyr_error error = {0};
	run->options.epoch_min = run->epoch;
	if (obelisk_open(run->disk, &run->options, &obelisk, &error).code != PYR_OK) {
		if (error.code == PYR_CORRUPT)
			fail(run, "an epoch that was told is forgotten", run->epoch);
		return;
	}
	if (obelisk_epoch(obelisk) <= run->epoch)
		fail(run, "an epoch comes again", obelisk_epoch(obelisk));
	run->epoch = obelisk_epoch(obelisk);
	for (uint64_t i = below(run, TAKES); i > 0 && !run->failed; i--)
		take(run, obelisk);
	obelisk_close(obelisk);
}

static bool simulate(uint64_t seed, void *context)
{
	(void)context;
	struct run run = {.sim = os_sim_new(seed)};
	run.disk = os_sim_disk_new(run.sim);
	run.durable = below(&run, 2) == 0;
	run.options.lease = 1 + below(&run, 40);
	run.options.file_values = run.options.lease + below(&run, 100);
	for (int i = 0; i < LIVES && !run.failed; i++) {
		run.waste_max += run.durable ? 0 : run.options.lease;
		if (below(&run, 4) > 0)
			arm_faults(&run);
		live(&run);
		if (below(&run, 3) == 0)
			os_sim_disk_kill(run.disk);
		else
			os_sim_disk_crash(run.disk);
	}
	os_sim_disk_free(run.disk);
	os_sim_free(run.sim);
	return !run.failed;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 1000);
	sim_seeds_run(&seeds, "sim_obelisk", simulate, NULL);
	printf("seeds from %llu\n", (unsigned long long)seeds.first);
	return sim_seeds_end(&seeds);
}
