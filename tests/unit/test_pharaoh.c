/* The parts of the Pharaoh network by what their headers promise: names that rise, sessions, locks, the lease authority, and a
 * node that serves requests. Crashes, partitions, copies and clocks that jump are simulated in tests/sim/sim_pharaoh.c. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "coord/pharaoh.h"
#include "os/sim/sim.h"

#include <stdio.h>
#include <string.h>

enum { GRACE_MS = 1000, MILLION = 1000000, MEMORY_MAX = 200 << 20, NAMES = 2000 };

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

/* ---- names ---- */

static struct names *open_names(struct os_disk *disk)
{
	struct names *names;
	struct pyr_error error;
	assert_int_equal(names_open(disk, NAMES, &names, &error).code, PYR_OK);
	return names;
}

static void names_rise_and_stay(void **state)
{
	struct os_sim *sim = os_sim_new(1);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct names *names = open_names(disk);
	struct names_entry *a, *b;
	(void)state;
	assert_int_equal(names_make(names, text("a"), &a).code, PYR_OK);
	assert_int_equal(names_make(names, text("b"), &b).code, PYR_OK);
	names_raise(names, a, 7);
	names_raise(names, a, 5);
	assert_int_equal(names_kept(a), 0);
	assert_int_equal(names_keep(names).code, PYR_OK);
	assert_int_equal(names_kept(a), 7);
	names_raise(names, b, 1); /* never kept */
	names_close(names);
	os_sim_disk_crash(disk);
	names = open_names(disk);
	assert_int_equal(names_kept(names_find(names, text("a"))), 7);
	assert_null(names_find(names, text("b")));
	names_close(names);
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

static void a_file_of_names_stays_small(void **state)
{
	struct os_sim *sim = os_sim_new(2);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct names *names = open_names(disk);
	struct names_entry *entry;
	char name[32];
	(void)state;
	for (int round = 1; round <= 60; round++) {
		for (int i = 0; i < NAMES; i++) {
			snprintf(name, sizeof name, "sequence-%d", i);
			assert_int_equal(names_make(names, text(name), &entry).code, PYR_OK);
			names_raise(names, entry, (uint64_t)round);
		}
		assert_int_equal(names_keep(names).code, PYR_OK);
	}
	assert_int_equal(names_make(names, text("one more"), &entry).code, PYR_BUSY);
	assert_true(os_sim_disk_used_bytes(disk) < 2 << 20);
	assert_true(os_sim_disk_file_count(disk) <= 3); /* and the lock */
	names_close(names);
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

/* ---- sessions ---- */

struct ended {
	struct sessions *sessions;
	uint64_t count, last;
};

static void note_end(void *context, struct session *session)
{
	struct ended *ended = context;
	ended->count += 1;
	ended->last = session->id;
	sessions_close(ended->sessions, session);
}

static void sessions_end_when_not_heard_of(void **state)
{
	struct sessions *sessions = sessions_new(10, 0);
	struct ended ended = {.sessions = sessions};
	struct session *one, *two;
	(void)state;
	assert_int_equal(sessions_open(sessions, 0, 1, 1000, &one).code, PYR_OK);
	assert_int_equal(sessions_open(sessions, 0, 2, 1000, &two).code, PYR_OK);
	assert_int_equal(sessions_open(sessions, 0, 2, 1000, &two).code, PYR_EXISTS);
	for (uint64_t now_ms = 0; now_ms < 1000; now_ms += 100) {
		sessions_advance(sessions, now_ms, note_end, &ended);
		sessions_touch(sessions, now_ms, one);
	}
	assert_int_equal(ended.count, 0);
	sessions_advance(sessions, 1000 + SESSIONS_TICK_MS, note_end, &ended);
	assert_int_equal(ended.count, 1);
	assert_int_equal(ended.last, 2);
	for (uint64_t now_ms = 1100; now_ms <= 2000; now_ms += 100)
		sessions_advance(sessions, now_ms, note_end, &ended);
	assert_int_equal(ended.last, 1);
	assert_int_equal(sessions_count(sessions), 0);
	sessions_free(sessions);
}

static void a_pause_of_the_process_ends_nobody(void **state)
{
	struct sessions *sessions = sessions_new(10, 0);
	struct ended ended = {.sessions = sessions};
	struct session *session;
	(void)state;
	assert_int_equal(sessions_open(sessions, 0, 1, 1000, &session).code, PYR_OK);
	sessions_advance(sessions, 60000, note_end, &ended);
	assert_int_equal(ended.count, 0);
	sessions_free(sessions);
}

static void a_million_sessions_fit(void **state)
{
	struct sessions *sessions = sessions_new(MILLION, 0);
	struct ended ended = {.sessions = sessions};
	struct session *session;
	(void)state;
	for (uint64_t id = 1; id <= MILLION; id++)
		assert_int_equal(sessions_open(sessions, 0, id << 20, 1000 + (uint32_t)(id % 30000), &session).code,
		                 PYR_OK);
	assert_int_equal(sessions_open(sessions, 0, 1, 1000, &session).code, PYR_BUSY);
	assert_true(sessions_bytes(sessions) < MEMORY_MAX);
	for (uint64_t now_ms = 0; now_ms <= 32000; now_ms += 250) {
		sessions_advance(sessions, now_ms, note_end, &ended);
		assert_true(ended.count <= now_ms * MILLION / 30000);
	}
	assert_int_equal(ended.count, MILLION);
	sessions_free(sessions);
}

/* ---- a node ---- */

struct world {
	struct os_sim *sim;
	struct os_disk *disks[5]; /* ids, clock, sequences, epochs, the authority's names */
	struct scarab_issuer *ids;
	struct timekeeper *clock;
	struct names *sequences, *memory;
	struct obelisk *epochs;
	struct authority *authority;
	struct pharaoh *pharaoh;
	uint64_t now_ms;
	struct codec_pharaoh reply;
	uint8_t frame[CODEC_PHARAOH_FRAME_MAX];
};

static struct hlc_time read_clocks(void *context)
{
	const struct world *world = context;
	return (struct hlc_time){SCARAB_EPOCH_MS + 1000 + world->now_ms, world->now_ms};
}

static void wait_for_clock(void *context)
{
	struct world *world = context;
	world->now_ms += 1;
}

static void open_disks(struct world *world)
{
	struct pyr_error error;
	struct timekeeper_clock clock = {read_clocks, wait_for_clock, world};
	struct scarab_issuer_options ids = {.clock = clock, .node = SCARAB_NODE_KEPT};
	struct timekeeper_options keeper = {.rules = hlc_rules_default(), .clock = clock};
	struct obelisk_options epochs = obelisk_options_default();
	assert_int_equal(scarab_issuer_open(world->disks[0], &ids, &world->ids, &error).code, PYR_OK);
	assert_int_equal(timekeeper_open(world->disks[1], &keeper, &world->clock, &error).code, PYR_OK);
	world->sequences = open_names(world->disks[2]);
	assert_int_equal(obelisk_open(world->disks[3], &epochs, &world->epochs, &error).code, PYR_OK);
	world->memory = open_names(world->disks[4]);
}

static void renew(struct world *world, const struct authority_grant *grant)
{
	struct authority_lease lease;
	struct pyr_error error;
	struct authority_renewal renewal = {grant->number,
	                                    grant->epoch,
	                                    pharaoh_seen(world->pharaoh),
	                                    pharaoh_slots(world->pharaoh)->epochs,
	                                    "here",
	                                    1};
	assert_int_equal(authority_renew(world->authority, world->now_ms, &renewal, &lease, &error).code, PYR_OK);
	pharaoh_lease(world->pharaoh, world->now_ms, world->now_ms, &lease);
}

static void open_world(struct world *world, bool is_first)
{
	struct pharaoh_options options = pharaoh_options_default();
	struct pyr_error error;
	open_disks(world);
	struct authority_options authority = {world->epochs, world->memory, 3600 * 1000, world->now_ms, true};
	struct authority_opening opening = {.directory = 5, .number_wanted = -1};
	struct authority_grant grant;
	assert_int_equal(authority_new(&authority, &world->authority, &error).code, PYR_OK);
	assert_int_equal(authority_open(world->authority, 0, &opening, &grant, &error).code, PYR_OK);
	assert_int_equal(authority_told(world->authority, 0, 5, grant.epoch, &error).code, PYR_OK);
	options.ids = world->ids;
	options.clock = world->clock;
	options.sequences = world->sequences;
	options.now_ms = world->now_ms;
	options.ttl_max_ms = options.grace_ms = GRACE_MS;
	options.is_first = is_first;
	world->pharaoh = pharaoh_new(&options);
	renew(world, &grant);
}

static void close_world(struct world *world)
{
	pharaoh_free(world->pharaoh);
	authority_free(world->authority);
	scarab_issuer_close(world->ids);
	timekeeper_close(world->clock);
	names_close(world->sequences);
	names_close(world->memory);
	obelisk_close(world->epochs);
	for (size_t i = 0; i < 5; i++)
		os_sim_disk_crash(world->disks[i]);
}

static int set_up(void **state)
{
	static struct world world;
	world = (struct world){.sim = os_sim_new(3)};
	for (size_t i = 0; i < 5; i++)
		world.disks[i] = os_sim_disk_new(world.sim);
	open_world(&world, true);
	*state = &world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	close_world(world);
	for (size_t i = 0; i < 5; i++)
		os_sim_disk_free(world->disks[i]);
	os_sim_free(world->sim);
	return 0;
}

static void keep(struct world *world)
{
	struct pyr_error error;
	assert_true(pharaoh_keep_begin(world->pharaoh));
	pharaoh_keep_end(world->pharaoh, pharaoh_keep_run(world->pharaoh, &error));
}

/* Through the protocol's bytes; promises are kept. The code of the reply. */
static enum pyr_code ask_waiting(struct world *world, struct codec_pharaoh request, struct lock_waiter *waiter)
{
	struct codec_pharaoh decoded, reply;
	struct pharaoh_hold hold;
	struct base_writer writer;
	enum pharaoh_verdict verdict;
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	codec_pharaoh_encode(&writer, false, &request);
	assert_int_equal(
		codec_pharaoh_decode((struct base_bytes){writer.buffer->data, writer.bytes}, false, &decoded).code,
		PYR_OK);
	while ((verdict = pharaoh_serve(world->pharaoh, world->now_ms, &decoded, waiter, &hold, &reply)) ==
	               PHARAOH_KEEP ||
	       verdict == PHARAOH_LATER) {
		world->now_ms += verdict == PHARAOH_LATER;
		if (verdict == PHARAOH_KEEP)
			keep(world);
	}
	if (verdict == PHARAOH_HOLD) {
		assert_false(pharaoh_is_kept(&hold));
		keep(world);
		assert_true(pharaoh_is_kept(&hold));
	}
	base_writer_deinit(&writer);
	if (verdict == PHARAOH_IN_LINE)
		return PYR_BUSY;
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	codec_pharaoh_encode(&writer, true, &reply);
	memcpy(world->frame, writer.buffer->data, writer.bytes);
	assert_int_equal(
		codec_pharaoh_decode((struct base_bytes){world->frame, writer.bytes}, true, &world->reply).code,
		PYR_OK);
	base_writer_deinit(&writer);
	return world->reply.code;
}

static enum pyr_code ask(struct world *world, struct codec_pharaoh request)
{
	return ask_waiting(world, request, NULL);
}

static void pass(struct world *world, uint64_t ms)
{
	for (uint64_t until_ms = world->now_ms + ms; world->now_ms < until_ms; world->now_ms += 10)
		pharaoh_advance(world->pharaoh, world->now_ms);
}

static uint64_t open_session(struct world *world, uint16_t slot)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_OPEN, .slot = slot, .ttl_ms = GRACE_MS};
	assert_int_equal(ask(world, request), PYR_OK);
	assert_int_equal(codec_pharaoh_session_slot(world->reply.session), slot);
	return world->reply.session;
}

static void numbers_rise(void **state)
{
	struct world *world = *state;
	uint64_t last_id = 0, last_timestamp = 0, last_value = 0;
	for (int i = 0; i < 20; i++) {
		struct codec_pharaoh ids = {.op = CODEC_PHARAOH_IDS, .count = 100};
		assert_int_equal(ask(world, ids), PYR_OK);
		assert_int_equal(world->reply.number_count, 100);
		for (uint32_t j = 0; j < 100; j++) {
			assert_true(codec_pharaoh_number(&world->reply, j) > last_id);
			last_id = codec_pharaoh_number(&world->reply, j);
		}
		struct codec_pharaoh timestamps = {.op = CODEC_PHARAOH_TIMESTAMPS, .count = 1000};
		assert_int_equal(ask(world, timestamps), PYR_OK);
		assert_true(world->reply.first > last_timestamp);
		last_timestamp = world->reply.first + world->reply.count - 1;
		struct codec_pharaoh begin = {.op = CODEC_PHARAOH_BEGIN, .count = 2};
		assert_int_equal(ask(world, begin), PYR_OK);
		assert_true(world->reply.first > last_timestamp && codec_pharaoh_number(&world->reply, 0) > last_id);
		last_timestamp = world->reply.first + 1;
		last_id = codec_pharaoh_number(&world->reply, 1);
		struct codec_pharaoh sequence = {
			.op = CODEC_PHARAOH_SEQUENCE, .count = 3, .lease = 3, .name = text("orders")};
		assert_int_equal(ask(world, sequence), PYR_OK);
		assert_int_equal(world->reply.first, last_value + 1);
		last_value = world->reply.first + 2;
		if (i % 5 == 4) {
			close_world(world);
			open_world(world, false);
		}
	}
}

static void what_is_wrong_is_refused_with_a_sentence(void **state)
{
	struct world *world = *state;
	const struct codec_pharaoh bad[] = {
		{.op = CODEC_PHARAOH_IDS, .count = 0},
		{.op = CODEC_PHARAOH_IDS, .count = PHARAOH_BATCH_MAX + 1},
		{.op = CODEC_PHARAOH_IDS, .count = 1, .slot = SLOTS},
		{.op = CODEC_PHARAOH_SEQUENCE, .count = 1},
		{.op = CODEC_PHARAOH_OPEN, .ttl_ms = 1},
		{.op = CODEC_PHARAOH_OPEN, .ttl_ms = GRACE_MS + 1},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(ask(world, bad[i]), PYR_INVALID_REQUEST);
		assert_true(world->reply.name.bytes > 10);
	}
	struct codec_pharaoh stale = {.op = CODEC_PHARAOH_IDS, .count = 1, .epoch = 12345678};
	assert_int_equal(ask(world, stale), PYR_PRODUCER_FENCED);
	struct codec_pharaoh unknown = {.op = CODEC_PHARAOH_CLOSE, .session = 99};
	assert_int_equal(ask(world, unknown), PYR_NOT_FOUND);
}

struct waiter {
	struct lock_waiter base;
	pyr_result result;
	uint64_t token;
	bool told;
};

static void note_told(struct lock_waiter *base, pyr_result result, uint64_t token)
{
	struct waiter *waiter = (struct waiter *)base;
	waiter->told = true;
	waiter->result = result;
	waiter->token = token;
}

static struct codec_pharaoh lock_request(uint64_t session, uint32_t wait_ms)
{
	return (struct codec_pharaoh){.op = CODEC_PHARAOH_LOCK,
	                              .session = session,
	                              .wait_ms = wait_ms,
	                              .name = text("l"),
	                              .value = text("v")};
}

static void a_lock_goes_down_its_line(void **state)
{
	struct world *world = *state;
	uint64_t a = open_session(world, 1), b = open_session(world, 2), c = open_session(world, 3);
	struct waiter second = {.base.done = note_told}, third = {.base.done = note_told};
	assert_int_equal(ask(world, lock_request(a, 0)), PYR_OK);
	uint64_t token = world->reply.token;
	assert_int_equal(ask(world, lock_request(a, 0)), PYR_OK);
	assert_true(world->reply.token == token);
	assert_int_equal(ask(world, lock_request(b, 0)), PYR_BUSY);
	assert_int_equal(ask_waiting(world, lock_request(b, 1), &second.base), PYR_BUSY);
	assert_int_equal(ask_waiting(world, lock_request(c, 1), &third.base), PYR_BUSY);
	struct codec_pharaoh look = {.op = CODEC_PHARAOH_LOOK, .name = text("l")};
	assert_int_equal(ask(world, look), PYR_OK);
	assert_true(world->reply.session == a && world->reply.count == 2 && world->reply.value.bytes == 1);
	struct codec_pharaoh unlock = {.op = CODEC_PHARAOH_UNLOCK, .session = a, .token = token, .name = text("l")};
	assert_int_equal(ask(world, unlock), PYR_OK);
	assert_int_equal(ask(world, unlock), PYR_NOT_FOUND);
	assert_true(second.told && second.result.code == PYR_OK && second.token > token && !third.told);
	struct codec_pharaoh alive = {.op = CODEC_PHARAOH_KEEP};
	uint8_t numbers[8];
	base_store_u64le(numbers, c);
	alive.numbers = numbers;
	alive.number_count = 1;
	pass(world, GRACE_MS / 2);
	assert_int_equal(ask(world, alive), PYR_OK);
	assert_int_equal(world->reply.count, 1);
	pass(world, GRACE_MS * 2 / 3); /* b ends, and c has it */
	assert_true(third.told && third.result.code == PYR_OK && third.token > second.token);
	struct codec_pharaoh close = {.op = CODEC_PHARAOH_CLOSE, .session = c};
	assert_int_equal(ask(world, close), PYR_OK);
	assert_int_equal(ask(world, look), PYR_NOT_FOUND);
}

static void after_a_restart_holders_come_first(void **state)
{
	struct world *world = *state;
	uint64_t holder = open_session(world, 9);
	struct waiter waiter = {.base.done = note_told};
	assert_int_equal(ask(world, lock_request(holder, 0)), PYR_OK);
	uint64_t token = world->reply.token;
	close_world(world);
	open_world(world, false);
	uint64_t other = open_session(world, 9);
	assert_true(other > holder);
	assert_int_equal(ask(world, lock_request(other, 0)), PYR_BUSY);
	assert_int_equal(ask_waiting(world, lock_request(other, 1), &waiter.base), PYR_BUSY);
	struct codec_pharaoh resume = {.op = CODEC_PHARAOH_RESUME, .session = holder, .ttl_ms = GRACE_MS};
	struct codec_pharaoh claim = {.op = CODEC_PHARAOH_CLAIM, .session = holder, .token = token, .name = text("l")};
	struct codec_pharaoh invented = claim;
	invented.token = token << 8;
	assert_int_equal(ask(world, claim), PYR_NOT_FOUND);
	assert_int_equal(ask(world, resume), PYR_OK);
	assert_int_equal(ask(world, invented), PYR_NOT_FOUND);
	assert_int_equal(ask(world, claim), PYR_OK);
	assert_false(waiter.told);
	struct codec_pharaoh unlock = {
		.op = CODEC_PHARAOH_UNLOCK, .session = holder, .token = token, .name = text("l")};
	assert_int_equal(ask(world, unlock), PYR_OK);
	assert_false(waiter.told); /* somebody else may come with a higher token */
	pass(world, GRACE_MS / 2);
	uint8_t numbers[8];
	base_store_u64le(numbers, other);
	struct codec_pharaoh alive = {.op = CODEC_PHARAOH_KEEP, .numbers = numbers, .number_count = 1};
	assert_int_equal(ask(world, alive), PYR_OK);
	pass(world, GRACE_MS * 2 / 3);
	assert_true(waiter.told && waiter.result.code == PYR_OK && waiter.token > token);
	assert_int_equal(ask(world, resume), PYR_NOT_FOUND);
	assert_int_equal(ask(world, claim), PYR_NOT_FOUND);
}

/* ---- the authority ---- */

static struct authority_lease lease_of(struct world *world, const struct authority_grant *grant,
                                       const struct authority_lease *last)
{
	static const uint64_t none[SLOTS];
	struct authority_renewal renewal = {
		grant->number, grant->epoch, last ? last->answer : 0, last ? last->epochs : none, "host", 7};
	struct authority_lease lease;
	struct pyr_error error;
	assert_int_equal(authority_renew(world->authority, world->now_ms, &renewal, &lease, &error).code, PYR_OK);
	return lease;
}

static size_t slots_of(const struct authority_lease *lease)
{
	size_t count = 0;
	for (size_t i = 0; i < SLOTS; i++)
		count += lease->epochs[i] > 0;
	return count;
}

static struct authority_grant join(struct world *world, uint64_t directory)
{
	struct authority_opening opening = {.directory = directory, .number_wanted = -1};
	struct authority_grant grant;
	struct pyr_error error;
	assert_int_equal(authority_open(world->authority, world->now_ms, &opening, &grant, &error).code, PYR_OK);
	assert_int_equal(authority_told(world->authority, world->now_ms, directory, grant.epoch, &error).code, PYR_OK);
	return grant;
}

static void slots_are_spread_and_move(void **state)
{
	struct world *world = *state;
	struct authority_options options = {world->epochs, world->memory, 1000, 0, true};
	authority_free(world->authority);
	assert_int_equal(authority_new(&options, &world->authority, NULL).code, PYR_OK);
	struct authority_grant a = join(world, 11), b = join(world, 12);
	assert_int_not_equal(a.number, b.number);
	struct authority_lease of_a = lease_of(world, &a, NULL), before = of_a;
	assert_int_equal(slots_of(&of_a), SLOTS);
	struct authority_lease of_b = lease_of(world, &b, NULL);
	assert_int_equal(slots_of(&of_b), 0); /* a has them all */
	of_a = lease_of(world, &a, &of_a); /* a is told to leave half */
	assert_int_equal(slots_of(&of_a), SLOTS / 2);
	of_b = lease_of(world, &b, &of_b);
	assert_int_equal(slots_of(&of_b), 0); /* and has not told that it saw that */
	of_a = lease_of(world, &a, &of_a);
	of_b = lease_of(world, &b, &of_b);
	assert_int_equal(slots_of(&of_b), SLOTS / 2);
	for (size_t i = 0; i < SLOTS; i++)
		assert_true((of_a.epochs[i] > 0) != (of_b.epochs[i] > 0) &&
		            (of_b.epochs[i] == 0 || of_b.epochs[i] > before.epochs[i]));
	world->now_ms += 1100; /* b dies; a goes on */
	of_a = lease_of(world, &a, &of_a);
	assert_int_equal(slots_of(&of_a), SLOTS);
	assert_int_equal(authority_live(world->authority, world->now_ms), 1);
}

static void copies_of_a_directory_are_noticed(void **state)
{
	struct world *world = *state;
	struct authority_options options = {world->epochs, world->memory, 1000, 0, true};
	struct authority_grant grant;
	struct authority_lease lease;
	struct pyr_error error;
	authority_free(world->authority);
	assert_int_equal(authority_new(&options, &world->authority, NULL).code, PYR_OK);
	struct authority_grant first = join(world, 21), second = join(world, 21);
	assert_int_equal(first.number, second.number);
	assert_int_equal(second.epoch_min, first.epoch); /* which a copy from before does not have */
	struct authority_opening copy = {.directory = 21, .number_wanted = -1};
	struct authority_renewal stale = {first.number, first.epoch, 0, pharaoh_slots(world->pharaoh)->epochs, "x", 1};
	assert_int_equal(authority_renew(world->authority, 0, &stale, &lease, &error).code, PYR_PRODUCER_FENCED);
	lease = lease_of(world, &second, NULL); /* its lease is in force: who comes with its epoch is another one */
	assert_int_equal(authority_open(world->authority, 500, &copy, &grant, &error).code, PYR_BUSY);
	struct authority_opening wish = {.directory = 22, .number_wanted = (int)first.number};
	assert_int_equal(authority_open(world->authority, 0, &wish, &grant, &error).code, PYR_EXISTS);
}

static void after_its_restart_the_authority_waits_for_claims(void **state)
{
	struct world *world = *state;
	struct authority_options options = {world->epochs, world->memory, 1000, 0, true};
	authority_free(world->authority);
	assert_int_equal(authority_new(&options, &world->authority, NULL).code, PYR_OK);
	struct authority_grant a = join(world, 31), b = join(world, 32);
	struct authority_lease of_a = lease_of(world, &a, NULL);
	authority_free(world->authority);
	options.alone = false;
	options.now_ms = world->now_ms;
	assert_int_equal(authority_new(&options, &world->authority, NULL).code, PYR_OK);
	struct authority_lease of_b;
	struct authority_opening opening = {.directory = 33, .number_wanted = -1};
	struct pyr_error error;
	struct authority_grant grant;
	assert_int_equal(authority_open(world->authority, 0, &opening, &grant, &error).code, PYR_BUSY);
	(void)b;
	struct authority_renewal renewal = {a.number, a.epoch, of_a.answer, of_a.epochs, "host", 7};
	/* Its epoch was told in the life before, and is durable. */
	assert_int_equal(authority_renew(world->authority, 0, &renewal, &of_b, &error).code, PYR_OK);
	assert_memory_equal(of_b.epochs, of_a.epochs, sizeof of_a.epochs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_rise_and_stay),
		cmocka_unit_test(a_file_of_names_stays_small),
		cmocka_unit_test(sessions_end_when_not_heard_of),
		cmocka_unit_test(a_pause_of_the_process_ends_nobody),
		cmocka_unit_test(a_million_sessions_fit),
		cmocka_unit_test_setup_teardown(numbers_rise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_refused_with_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_goes_down_its_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_restart_holders_come_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slots_are_spread_and_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies_of_a_directory_are_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_its_restart_the_authority_waits_for_claims, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
