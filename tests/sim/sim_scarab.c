/* Simulation of Scarab IDs and of the hybrid logical clock: crashes at every call, before syncs, of the process or the machine;
 * failed syncs; wall clocks that jump by up to an hour, forwards and backwards, while the process runs and while it does not; and
 * directories that are copied between two lives.
 *
 *   sim_scarab [OPTIONS]    seeds.h
 *
 * Somebody grants node numbers, as scarab_issuer.h wants it. What must hold: no id and no timestamp twice, those of a directory
 * rise, a timestamp is above all that were observed, also in earlier lives; far-future ones are refused; none is further ahead of
 * the clocks than may be borrowed; nobody waits for long; of a directory and its copy one at a time keeps the number.
 */
#include "places.h"
#include "seeds.h"

#include "coord/scarab_issuer.h"
#include "os/sim/sim.h"

enum {
	LIVES = 14,
	SLACK_MS = 2 * LIVES, /* a life may begin that much later than the last one read */
	TAKES = 50,
	PLACES = 2,
	NUMBERS = PLACES + LIVES,
	RANGES_MAX = LIVES * TAKES,
	HOUR_MS = 3600 * 1000,
	WAITS_MAX = 2000, /* for one call */
	FIRST_NUMBER = 7,
};

/* Consecutive ticks that were given with a number. */
struct range {
	uint64_t first, end;
	int number;
};

struct place {
	struct os_disk *disk; /* NULL: not there yet */
	int number;
	bool claimed; /* an opening with the number came to its end */
	bool went_on; /* with it, after the copy was taken */
	uint64_t end; /* behind all that this place gave */
};

/* What the one who grants numbers remembers of each. */
struct grant {
	uint64_t told, granted;
};

struct run {
	struct os_sim *sim;
	struct place places[PLACES];
	struct grant grants[NUMBERS];
	int number_count;
	bool hybrid; /* this run is of the clock alone: one place, and messages */
	uint64_t steady_ms;
	int64_t skew_ms; /* of the wall clock */
	uint64_t ceiling_ms; /* nobody's reading is higher */
	uint64_t observed;
	unsigned waits;
	struct range ranges[RANGES_MAX];
	size_t range_count;
	bool failed;
};

static uint64_t below(struct run *run, uint64_t limit)
{
	return os_sim_random_below(run->sim, limit);
}

static void fail(struct run *run, const char *what, uint64_t value)
{
	if (!run->failed)
		fprintf(stderr, "%s: %llu\n", what, (unsigned long long)value);
	run->failed = true;
}

/* ---- clocks ---- */

static uint64_t epoch_ms(const struct run *run)
{
	return run->hybrid ? 0 : SCARAB_EPOCH_MS;
}

static void pass(struct run *run, uint64_t ms)
{
	uint64_t wall_ms = (uint64_t)((int64_t)(run->steady_ms + ms) + run->skew_ms);
	run->steady_ms += ms;
	run->ceiling_ms += ms;
	run->ceiling_ms = wall_ms > run->ceiling_ms ? wall_ms : run->ceiling_ms;
}

/* Days after the epoch, so that it never goes below it. */
static void jump(struct run *run)
{
	int64_t by_ms =
		below(run, 4) == 0 ? (int64_t)below(run, 2 * HOUR_MS) - HOUR_MS : (int64_t)below(run, 2000) - 1000;
	run->skew_ms += by_ms;
	if (run->skew_ms < 0)
		run->skew_ms = 0;
	pass(run, 0);
}

static struct hlc_time clock_now(void *context)
{
	struct run *run = context;
	pass(run, below(run, 4) == 0);
	return (struct hlc_time){epoch_ms(run) + (uint64_t)((int64_t)run->steady_ms + run->skew_ms), run->steady_ms};
}

static void clock_wait(void *context)
{
	struct run *run = context;
	pass(run, 1);
	run->waits += 1;
	if (run->waits > WAITS_MAX) {
		fail(run, "somebody waits for long", run->waits);
		pass(run, 2 * HOUR_MS); /* or it would for ever */
	}
}

/* ---- what was given ---- */

static void note(struct run *run, struct place *place, uint64_t first, uint64_t count, unsigned counter_bits)
{
	uint64_t end = first + count;
	if (first < place->end)
		fail(run, "what a directory gives does not rise", first);
	for (size_t i = 0; i < run->range_count; i++) {
		const struct range *other = &run->ranges[i];
		if (other->number == place->number && first < other->end && other->first < end)
			fail(run, "given twice", first);
	}
	if (((end - 1) >> counter_bits) > run->ceiling_ms + HLC_BORROW_MS + HLC_DRIFT_MS + SLACK_MS)
		fail(run, "ahead of every clock, in ms", ((end - 1) >> counter_bits) - run->ceiling_ms);
	run->ranges[run->range_count++] = (struct range){first, end, place->number};
	place->end = end;
}

/* ---- a life of an issuer ---- */

static uint64_t tick_of(uint64_t id)
{
	return (scarab_ms(id) - SCARAB_EPOCH_MS) << SCARAB_COUNT_BITS | scarab_count(id);
}

static void take_ids(struct run *run, struct place *place, struct scarab_issuer *issuer)
{
	static uint64_t ids[SCARAB_BATCH_MAX];
	uint64_t count = 1 + below(run, below(run, 4) == 0 ? SCARAB_BATCH_MAX : 4);
	run->waits = 0;
	if (scarab_issuer_take(issuer, count, ids, NULL).code != PYR_OK)
		return;
	for (uint64_t i = 0; i < count; i++)
		if (scarab_node(ids[i]) != (unsigned)place->number || tick_of(ids[i]) != tick_of(ids[0]) + i)
			fail(run, "an id that is not the next", ids[i]);
	note(run, place, tick_of(ids[0]), count, SCARAB_COUNT_BITS);
}

static bool is_copied(const struct run *run)
{
	return run->places[PLACES - 1].disk != NULL;
}

static void refuse(struct run *run, struct place *place)
{
	if (!is_copied(run))
		fail(run, "a directory is taken for a copy, and there is none", (uint64_t)place->number);
	place->number = FIRST_NUMBER + run->number_count++;
	place->claimed = place->went_on = false;
}

static void check_alone(struct run *run, struct place *place)
{
	const struct place *other = &run->places[place == run->places];
	place->went_on = is_copied(run);
	if (place->went_on && other->went_on && other->number == place->number)
		fail(run, "a directory and its copy go on with one number", (uint64_t)place->number);
}

static void live_issuing(struct run *run, struct place *place)
{
	struct grant *grant = &run->grants[place->number - FIRST_NUMBER];
	struct scarab_issuer_options options = {
		{clock_now, clock_wait, run}, place->number, grant->told, ++grant->granted};
	struct scarab_issuer *issuer;
	if (place->claimed && below(run, 2) == 0)
		options.node = SCARAB_NODE_KEPT;
	pyr_result opened = scarab_issuer_open(place->disk, &options, &issuer, NULL);
	if (opened.code == PYR_CORRUPT)
		refuse(run, place);
	if (opened.code != PYR_OK)
		return;
	if (scarab_issuer_node(issuer) != (unsigned)place->number)
		fail(run, "a claimed number is forgotten", scarab_issuer_node(issuer));
	if (scarab_issuer_epoch(issuer) <= grant->told)
		fail(run, "an epoch comes again", scarab_issuer_epoch(issuer));
	grant->told = scarab_issuer_epoch(issuer);
	grant->granted = grant->told > grant->granted ? grant->told : grant->granted;
	place->claimed = true;
	check_alone(run, place);
	for (uint64_t i = below(run, TAKES); i > 0 && !run->failed; i--) {
		take_ids(run, place, issuer);
		pass(run, below(run, 8) == 0 ? below(run, 5000) : 0);
		if (below(run, 10) == 0)
			jump(run);
	}
	scarab_issuer_close(issuer);
}

/* ---- a life of a hybrid clock ---- */

static void observe(struct run *run, struct timekeeper *keeper)
{
	uint64_t wall_ms = (uint64_t)((int64_t)run->steady_ms + run->skew_ms);
	uint64_t received = (wall_ms + below(run, 600)) << HLC_COUNTER_BITS | below(run, 1 << HLC_COUNTER_BITS);
	pyr_result result = timekeeper_observe(keeper, received, NULL);
	if (result.code == PYR_OK && received > run->observed)
		run->observed = received;
	if (result.code == PYR_OK && received >> HLC_COUNTER_BITS > run->ceiling_ms + HLC_DRIFT_MS + SLACK_MS)
		fail(run, "a timestamp of the far future is accepted", received);
	if (result.code == PYR_BAD_TIMESTAMP && received >> HLC_COUNTER_BITS <= wall_ms + HLC_DRIFT_MS)
		fail(run, "a timestamp is refused that is not far ahead", received);
}

static void take_timestamps(struct run *run, struct place *place, struct timekeeper *keeper)
{
	uint64_t count = 1 + below(run, below(run, 4) == 0 ? 1 << HLC_COUNTER_BITS : 4), first;
	run->waits = 0;
	if (timekeeper_take(keeper, count, &first, NULL).code != PYR_OK)
		return;
	if (first <= run->observed)
		fail(run, "a timestamp is not above what was observed", first);
	note(run, place, first, count, HLC_COUNTER_BITS);
}

static void live_telling(struct run *run, struct place *place)
{
	struct timekeeper_options options = {.rules = hlc_rules_default(), .clock = {clock_now, clock_wait, run}};
	struct timekeeper *keeper;
	if (timekeeper_open(place->disk, &options, &keeper, NULL).code != PYR_OK)
		return;
	for (uint64_t i = below(run, TAKES); i > 0 && !run->failed; i--) {
		if (below(run, 3) == 0)
			observe(run, keeper);
		else
			take_timestamps(run, place, keeper);
		pass(run, below(run, 8) == 0 ? below(run, 5000) : 0);
		if (below(run, 10) == 0)
			jump(run);
	}
	timekeeper_close(keeper);
}

/* ---- between lives ---- */

/* All that these files have is their names and sizes. */
static void copy_place(struct run *run)
{
	struct place *from = &run->places[0], *to = &run->places[1];
	*to = *from;
	to->disk = os_sim_disk_new(run->sim);
	sim_place_copy(from->disk, to->disk);
}

static void die(struct run *run, struct place *place)
{
	if (below(run, 3) == 0)
		os_sim_disk_kill(place->disk);
	else
		os_sim_disk_crash(place->disk);
	run->steady_ms += below(run, 2) * below(run, 10000);
	if (below(run, 2) == 0)
		jump(run);
	pass(run, 0);
}

static void one_life(struct run *run)
{
	struct place *place = &run->places[is_copied(run) && below(run, 2)];
	if (below(run, 4) > 0)
		sim_place_arm(run->sim, place->disk, 60);
	if (run->hybrid)
		live_telling(run, place);
	else
		live_issuing(run, place);
	die(run, place);
	if (!run->hybrid && !is_copied(run) && below(run, 8) == 0)
		copy_place(run);
}

static bool simulate(uint64_t seed, void *context)
{
	static struct run run;
	(void)context;
	run = (struct run){.sim = os_sim_new(seed), .number_count = 1, .skew_ms = 2 * HOUR_MS};
	run.places[0] = (struct place){.disk = os_sim_disk_new(run.sim), .number = FIRST_NUMBER};
	run.hybrid = below(&run, 3) == 0;
	pass(&run, 0);
	for (int i = 0; i < LIVES && !run.failed; i++)
		one_life(&run);
	for (size_t i = 0; i < PLACES; i++)
		if (run.places[i].disk)
			os_sim_disk_free(run.places[i].disk);
	os_sim_free(run.sim);
	return !run.failed;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 1000);
	sim_seeds_run(&seeds, "sim_scarab", simulate, NULL);
	printf("seeds from %llu\n", (unsigned long long)seeds.first);
	return sim_seeds_end(&seeds);
}
