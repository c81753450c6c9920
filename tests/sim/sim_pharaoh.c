/* Simulation of the Pharaoh network: nodes under a lease authority, and clients with sessions and locks. What goes wrong: crashes
 * between two system calls, of processes and machines, failed syncs; wall clocks that jump by up to an hour; messages between
 * nodes and authority that are lost, late and overtaken; partitions that last longer than leases; directories that are copied
 * while closed, and opened beside their original; clients that do not hear their answer.
 *
 *   sim_pharaoh [OPTIONS]    seeds.h
 *
 * One run in three is a node that stands alone, with its own authority and with sequences. What must hold: no id, value of a
 * sequence, session's id or token twice; timestamps of a node rise; tokens of a lock rise; a lock has one client at a time that
 * may believe that it holds it, as long as clients' steady clocks run as the nodes' do; a slot has one owner at a time.
 */
#include "places.h"
#include "seeds.h"

#include "base/hash.h"
#include "coord/pharaoh.h"
#include "os/sim/sim.h"

enum {
	PLACES = 3,
	CLIENTS = 4,
	LOCKS = 3,
	STEPS = 400,
	DISKS = 5, /* ids, clock, sequences, epochs, memory */
	MESSAGES = 16,
	SEEN = 1 << 16,
	HOUR_MS = 3600 * 1000,
	LEASE_MS = 1000,
	TTL_MS = 600,
	FIRST_DIRECTORY = 100,
};

struct run;

struct place {
	struct run *run;
	struct os_disk *disks[DISKS];
	uint64_t directory;
	int64_t skew_ms; /* of its wall clock */
	bool is_copy;
	/* A life. */
	uint64_t life;
	bool is_open;
	struct scarab_issuer *ids;
	struct timekeeper *clock;
	struct names *sequences;
	struct pharaoh *pharaoh;
	struct authority_grant grant;
	uint64_t timestamp; /* the last */
	uint64_t cut_until_ms; /* from the authority */
};

struct message {
	uint64_t due_ms, sent_ms; /* due_ms 0: none */
	struct place *place;
	uint64_t life; /* of the sender */
	bool is_answer;
	uint64_t epochs[SLOTS];
	struct authority_renewal renewal;
	struct authority_lease lease;
};

struct client {
	struct lock_waiter waiter;
	struct run *run;
	bool waits;
	struct place *home; /* where its session is */
	uint64_t session, until_ms; /* as it believes; 0: none */
	uint64_t tokens[LOCKS]; /* 0: it does not believe that it holds it */
	size_t lock_waited;
};

struct run {
	struct os_sim *sim;
	struct place places[PLACES];
	size_t place_count;
	bool alone;
	/* The authority: of a process of its own, or of place 0's. */
	struct os_disk *authority_disks[2];
	struct obelisk *epochs;
	struct names *memory;
	struct authority *authority;
	struct message messages[MESSAGES];
	struct client clients[CLIENTS];
	uint64_t highest[LOCKS], last[LOCKS]; /* token that was granted last, and to which session */
	uint64_t steady_ms;
	uint64_t next_directory;
	uint64_t *seen; /* what was given, a set */
	size_t seen_count;
	uint64_t value; /* of the sequence, the last */
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

static void must_be_new(struct run *run, uint64_t value, const char *what)
{
	size_t at = base_hash_u64(value) % SEEN;
	while (run->seen[at] != 0 && run->seen[at] != value)
		at = (at + 1) % SEEN;
	if (run->seen[at] == value)
		fail(run, what, value);
	run->seen[at] = value;
	run->seen_count += 1;
	if (run->seen_count > SEEN / 2)
		abort();
}

/* ---- clocks ---- */

static struct hlc_time clock_now(void *context)
{
	const struct place *place = context;
	uint64_t steady_ms = place->run->steady_ms;
	return (struct hlc_time){SCARAB_EPOCH_MS + (uint64_t)((int64_t)steady_ms + place->skew_ms), steady_ms};
}

static void clock_wait(void *context)
{
	struct place *place = context;
	place->run->steady_ms += 1;
}

static void jump(struct run *run, struct place *place)
{
	place->skew_ms += (int64_t)below(run, 2 * HOUR_MS) - HOUR_MS;
	if (place->skew_ms < HOUR_MS)
		place->skew_ms = HOUR_MS;
}

/* ---- disks ---- */

static void crash_disks(struct run *run, struct os_disk **disks, size_t count)
{
	bool killed = below(run, 3) == 0;
	for (size_t i = 0; i < count; i++) {
		if (killed)
			os_sim_disk_kill(disks[i]);
		else
			os_sim_disk_crash(disks[i]);
	}
}

/* ---- the authority ---- */

static void close_authority(struct run *run)
{
	authority_free(run->authority);
	obelisk_close(run->epochs);
	names_close(run->memory);
	run->authority = NULL;
	run->epochs = NULL;
	run->memory = NULL;
}

static void crash_authority(struct run *run)
{
	close_authority(run);
	crash_disks(run, run->authority_disks, 2);
}

static void open_authority(struct run *run)
{
	struct obelisk_options options = obelisk_options_default();
	struct authority_options authority = {NULL, NULL, LEASE_MS, run->steady_ms, run->alone};
	if (obelisk_open(run->authority_disks[0], &options, &run->epochs, NULL).code != PYR_OK ||
	    names_open(run->authority_disks[1], 100, &run->memory, NULL).code != PYR_OK) {
		crash_authority(run);
		return;
	}
	authority.epochs = run->epochs;
	authority.names = run->memory;
	if (authority_new(&authority, &run->authority, NULL).code != PYR_OK)
		crash_authority(run);
}

/* ---- a node ---- */

static void forget_messages(struct run *run, const struct place *place)
{
	for (size_t i = 0; i < MESSAGES; i++)
		if (run->messages[i].place == place)
			run->messages[i].due_ms = 0;
}

static void close_place(struct place *place)
{
	pharaoh_free(place->pharaoh);
	scarab_issuer_close(place->ids);
	timekeeper_close(place->clock);
	names_close(place->sequences);
	place->pharaoh = NULL;
	place->ids = NULL;
	place->clock = NULL;
	place->sequences = NULL;
	place->is_open = false;
}

static void crash_place(struct run *run, struct place *place)
{
	close_place(place);
	crash_disks(run, place->disks, 3);
	if (run->alone)
		crash_authority(run);
	else if (below(run, 2) == 0)
		forget_messages(run, place);
	if (below(run, 3) == 0)
		jump(run, place);
	if (below(run, 2) == 0)
		run->steady_ms += below(run, 2 * TTL_MS);
	if (below(run, 2) == 0)
		sim_place_arm(run->sim, place->disks[below(run, 3)], 40);
	if (run->alone && below(run, 2) == 0)
		sim_place_arm(run->sim, run->authority_disks[below(run, 2)], 40);
}

static bool open_files(struct place *place)
{
	struct timekeeper_clock clock = {clock_now, clock_wait, place};
	struct scarab_issuer_options ids = {clock, (int)place->grant.number, place->grant.epoch_min,
	                                    place->grant.epoch};
	struct timekeeper_options keeper = {.rules = hlc_rules_default(), .clock = clock};
	pyr_result opened = scarab_issuer_open(place->disks[0], &ids, &place->ids, NULL);
	if (opened.code == PYR_CORRUPT) {
		if (!place->is_copy && place->run->places[PLACES - 1].directory != place->directory)
			fail(place->run, "a directory is taken for a copy, and there is none", place->directory);
		place->directory = place->run->next_directory++;
	}
	return opened.code == PYR_OK && timekeeper_open(place->disks[1], &keeper, &place->clock, NULL).code == PYR_OK &&
	       (!place->run->alone || names_open(place->disks[2], 100, &place->sequences, NULL).code == PYR_OK);
}

static void open_place(struct run *run, struct place *place)
{
	struct authority_opening opening = {.directory = place->directory, .number_wanted = -1};
	struct pharaoh_options options = pharaoh_options_default();
	if (run->alone && !run->authority)
		open_authority(run);
	if (!run->authority || run->steady_ms < place->cut_until_ms)
		return;
	if (authority_open(run->authority, run->steady_ms, &opening, &place->grant, NULL).code != PYR_OK)
		return;
	if (!open_files(place) ||
	    authority_told(run->authority, run->steady_ms, place->directory, place->grant.epoch, NULL).code != PYR_OK) {
		crash_place(run, place);
		return;
	}
	options.ids = place->ids;
	options.clock = place->clock;
	options.sequences = place->sequences;
	options.now_ms = run->steady_ms;
	options.ttl_max_ms = options.grace_ms = TTL_MS;
	place->pharaoh = pharaoh_new(&options);
	place->is_open = true;
	place->life += 1;
}

static void check_dead(struct run *run)
{
	for (size_t i = 0; i < run->place_count; i++) {
		struct place *place = &run->places[i];
		bool dead = false;
		for (size_t j = 0; j < 3; j++)
			dead |= os_sim_disk_is_dead(place->disks[j]);
		if (run->alone)
			dead |= os_sim_disk_is_dead(run->authority_disks[0]) ||
			        os_sim_disk_is_dead(run->authority_disks[1]);
		if (dead)
			crash_place(run, place);
	}
	if (!run->alone &&
	    (os_sim_disk_is_dead(run->authority_disks[0]) || os_sim_disk_is_dead(run->authority_disks[1])))
		crash_authority(run);
}

/* ---- copies, of closed directories ---- */

/* All that these files have is their names and sizes. */
static void copy_place(struct run *run)
{
	struct place *from = &run->places[0], *to = &run->places[PLACES - 1];
	if (from->is_open || to->is_open || to->is_copy || to->directory != 0 || run->alone)
		return;
	for (size_t i = 0; i < 2; i++) {
		*os_sim_disk_faults(from->disks[i]) = *os_sim_disk_faults(to->disks[i]) = (struct os_sim_faults){0};
		sim_place_copy(from->disks[i], to->disks[i]);
	}
	to->directory = from->directory;
	to->skew_ms = from->skew_ms;
	to->timestamp = from->timestamp;
	to->is_copy = true;
}

/* ---- leases ---- */

static void check_owners(struct run *run)
{
	for (size_t i = 0; i < run->place_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct place *a = &run->places[i], *b = &run->places[j];
			for (uint16_t slot = 0; a->is_open && b->is_open && slot < SLOTS; slot++)
				if (slots_own(pharaoh_slots(a->pharaoh), slot, run->steady_ms) &&
				    slots_own(pharaoh_slots(b->pharaoh), slot, run->steady_ms))
					fail(run, "a slot has two owners", slot);
		}
}

static struct message *free_message(struct run *run)
{
	for (size_t i = 0; i < MESSAGES; i++)
		if (run->messages[i].due_ms == 0)
			return &run->messages[i];
	return NULL;
}

static uint64_t delay(struct run *run)
{
	return run->alone ? 0 : below(run, 8) == 0 ? below(run, 3 * LEASE_MS) : below(run, 20);
}

static void send_renewal(struct run *run, struct place *place)
{
	struct message *message = free_message(run);
	if (!message || !place->is_open)
		return;
	*message = (struct message){.sent_ms = run->steady_ms, .place = place, .life = place->life};
	message->due_ms = run->steady_ms + 1 + delay(run);
	memcpy(message->epochs, pharaoh_claims(place->pharaoh, run->steady_ms), sizeof message->epochs);
	message->renewal = (struct authority_renewal){
		place->grant.number, place->grant.epoch, pharaoh_seen(place->pharaoh), message->epochs, "host", 1};
}

static void deliver_renewal(struct run *run, struct message *message)
{
	struct authority_lease lease;
	message->due_ms = 0;
	if (!run->authority ||
	    authority_renew(run->authority, run->steady_ms, &message->renewal, &lease, NULL).code != PYR_OK)
		return;
	message->lease = lease;
	message->is_answer = true;
	message->due_ms = run->steady_ms + 1 + delay(run);
}

static void deliver(struct run *run)
{
	for (size_t i = 0; i < MESSAGES; i++) {
		struct message *message = &run->messages[i];
		struct place *place = message->place;
		if (message->due_ms == 0 || message->due_ms > run->steady_ms)
			continue;
		bool lost = !run->alone && (below(run, 10) == 0 || run->steady_ms < place->cut_until_ms);
		if (!lost && !message->is_answer) {
			deliver_renewal(run, message);
			continue;
		}
		message->due_ms = 0;
		if (!lost && place->is_open && message->life == place->life)
			pharaoh_lease(place->pharaoh, run->steady_ms, message->sent_ms, &message->lease);
	}
}

/* ---- requests ---- */

/* False: no answer came. */
static bool ask(struct run *run, struct place *place, struct codec_pharaoh request, struct lock_waiter *waiter,
                struct codec_pharaoh *ret_reply)
{
	struct pharaoh_hold hold;
	enum pharaoh_verdict verdict = PHARAOH_KEEP;
	for (int tries = 0; place->is_open && tries < 2000; tries++) {
		verdict = pharaoh_serve(place->pharaoh, run->steady_ms, &request, waiter, &hold, ret_reply);
		run->steady_ms += verdict == PHARAOH_LATER;
		if (verdict != PHARAOH_KEEP && verdict != PHARAOH_LATER)
			break;
		if (verdict == PHARAOH_LATER || !pharaoh_keep_begin(place->pharaoh))
			continue;
		pyr_result kept = pharaoh_keep_run(place->pharaoh, NULL);
		pharaoh_keep_end(place->pharaoh, kept);
		if (kept.code != PYR_OK)
			return false;
	}
	if (verdict == PHARAOH_HOLD) {
		while (!pharaoh_is_kept(&hold)) {
			if (!pharaoh_keep_begin(place->pharaoh))
				return false;
			pyr_result kept = pharaoh_keep_run(place->pharaoh, NULL);
			pharaoh_keep_end(place->pharaoh, kept);
			if (kept.code != PYR_OK)
				return false;
		}
		verdict = PHARAOH_DONE;
	}
	return place->is_open && verdict == PHARAOH_DONE;
}

static uint16_t any_slot(struct run *run)
{
	return (uint16_t)below(run, SLOTS);
}

static void take_numbers(struct run *run, struct place *place)
{
	struct codec_pharaoh request = {
		.op = CODEC_PHARAOH_BEGIN, .slot = any_slot(run), .count = 1 + (uint32_t)below(run, 8)};
	struct codec_pharaoh reply;
	if (!ask(run, place, request, NULL, &reply) || reply.code != PYR_OK)
		return;
	if (reply.first <= place->timestamp)
		fail(run, "a timestamp does not rise", reply.first);
	place->timestamp = reply.first + reply.count - 1;
	for (uint32_t i = 0; i < reply.number_count; i++)
		must_be_new(run, codec_pharaoh_number(&reply, i) | UINT64_C(1) << 63, "an id is there twice");
}

static void take_values(struct run *run, struct place *place)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_SEQUENCE,
	                                .count = 1 + (uint32_t)below(run, 4),
	                                .lease = 1 + (uint32_t)below(run, 10),
	                                .name = {(const uint8_t *)"s", 1}};
	struct codec_pharaoh reply;
	if (!ask(run, place, request, NULL, &reply) || reply.code != PYR_OK)
		return;
	if (reply.first <= run->value)
		fail(run, "a value of a sequence does not rise", reply.first);
	run->value = reply.first + reply.count - 1;
}

/* ---- clients ---- */

static bool believes(const struct run *run, const struct client *client, size_t lock)
{
	return client->tokens[lock] > 0 && run->steady_ms < client->until_ms;
}

static struct base_bytes lock_name(size_t lock)
{
	static const char names[LOCKS][2] = {"a", "b", "c"};
	return (struct base_bytes){(const uint8_t *)names[lock], 1};
}

static void granted(struct run *run, struct client *client, size_t lock, uint64_t token)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (&run->clients[i] != client && believes(run, &run->clients[i], lock))
			fail(run, "a lock has two holders", token);
	if (client->tokens[lock] == token || (run->highest[lock] == token && run->last[lock] == client->session)) {
		client->tokens[lock] = token;
		return;
	}
	run->last[lock] = client->session;
	must_be_new(run, token ^ base_hash_u64(lock), "a token is there twice");
	if (token <= run->highest[lock])
		fail(run, "a token does not rise", token);
	run->highest[lock] = token;
	client->tokens[lock] = token;
}

static void on_told(struct lock_waiter *waiter, pyr_result result, uint64_t token)
{
	struct client *client = BASE_CONTAINER(waiter, struct client, waiter);
	client->waits = false;
	if (result.code == PYR_OK && client->run->steady_ms < client->until_ms)
		granted(client->run, client, client->lock_waited, token);
}

static struct place *owner_of(struct run *run, uint16_t slot)
{
	for (size_t i = 0; i < run->place_count; i++)
		if (run->places[i].is_open && slots_own(pharaoh_slots(run->places[i].pharaoh), slot, run->steady_ms))
			return &run->places[i];
	return &run->places[below(run, run->place_count)];
}

static void stop_waiting(struct client *client)
{
	if (client->waits)
		pharaoh_give_up(client->home->pharaoh, &client->waiter);
	client->waits = false;
}

static void lose_session(struct client *client)
{
	stop_waiting(client);
	client->session = client->until_ms = 0;
	memset(client->tokens, 0, sizeof client->tokens);
}

static void open_session(struct run *run, struct client *client, size_t lock)
{
	struct place *place = owner_of(run, codec_pharaoh_slot_of(lock_name(lock)));
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_OPEN,
	                                .slot = codec_pharaoh_slot_of(lock_name(lock)),
	                                .ttl_ms = TTL_MS},
			     reply;
	uint64_t sent_ms = run->steady_ms;
	if (!ask(run, place, request, NULL, &reply) || reply.code != PYR_OK)
		return;
	must_be_new(run, reply.session, "a session's id is there twice");
	client->home = place;
	client->session = reply.session;
	client->until_ms = sent_ms + TTL_MS;
}

/* A keep-alive; where the session is not known, it is resumed, and so are its locks. */
static void keep_alive(struct run *run, struct client *client)
{
	struct place *place = owner_of(run, codec_pharaoh_session_slot(client->session));
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_RESUME, .session = client->session, .ttl_ms = TTL_MS},
			     reply;
	uint64_t sent_ms = run->steady_ms;
	if (!ask(run, place, request, NULL, &reply))
		return;
	if (reply.code == PYR_NOT_FOUND)
		lose_session(client);
	if (reply.code != PYR_OK)
		return;
	if (client->home != place)
		stop_waiting(client); /* an answer of the old home is no answer any more */
	client->home = place;
	client->until_ms = sent_ms + TTL_MS;
	for (size_t lock = 0; lock < LOCKS; lock++) {
		struct codec_pharaoh claim = {.op = CODEC_PHARAOH_CLAIM,
		                              .session = client->session,
		                              .token = client->tokens[lock],
		                              .name = lock_name(lock)};
		if (client->tokens[lock] > 0 && (!ask(run, place, claim, NULL, &reply) || reply.code != PYR_OK)) {
			lose_session(client); /* it can't know whether it has the lock: it lets all go */
			return;
		}
	}
}

static void take_lock(struct run *run, struct client *client)
{
	size_t lock = below(run, LOCKS);
	if (client->session == 0) {
		open_session(run, client, lock);
		return;
	}
	if (client->waits || !client->home->is_open)
		return;
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_LOCK,
	                                .session = client->session,
	                                .name = lock_name(lock),
	                                .wait_ms = (uint32_t)below(run, 2)};
	struct codec_pharaoh reply;
	struct pharaoh_hold hold;
	client->lock_waited = lock;
	client->waiter.done = on_told;
	enum pharaoh_verdict verdict =
		pharaoh_serve(client->home->pharaoh, run->steady_ms, &request, &client->waiter, &hold, &reply);
	client->waits = verdict == PHARAOH_IN_LINE;
	bool heard = below(run, 10) > 0;
	if (verdict == PHARAOH_DONE && reply.code == PYR_OK && heard && run->steady_ms < client->until_ms)
		granted(run, client, lock, reply.token);
}

static void release(struct run *run, struct client *client)
{
	size_t lock = below(run, LOCKS);
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_UNLOCK,
	                                .session = client->session,
	                                .token = client->tokens[lock],
	                                .name = lock_name(lock)},
			     reply;
	if (client->tokens[lock] == 0)
		return;
	client->tokens[lock] = 0; /* whether it is heard or not */
	(void)ask(run, client->home, request, NULL, &reply);
}

static void act(struct run *run, struct client *client)
{
	if (client->session > 0 && run->steady_ms >= client->until_ms) {
		lose_session(client);
	}
	switch (below(run, 4)) {
	case 0:
		release(run, client);
		break;
	case 1:
		take_lock(run, client);
		break;
	default:
		if (client->session > 0)
			keep_alive(run, client);
		else
			take_lock(run, client);
	}
}

/* ---- a run ---- */

static void go_wrong(struct run *run)
{
	struct place *place = &run->places[below(run, run->place_count)];
	switch (below(run, 8)) {
	case 0:
		if (place->is_open)
			crash_place(run, place);
		break;
	case 1:
		if (!run->alone)
			crash_authority(run);
		if (!run->alone && below(run, 2) == 0)
			sim_place_arm(run->sim, run->authority_disks[below(run, 2)], 40);
		break;
	case 2:
		place->cut_until_ms = run->alone ? 0 : run->steady_ms + below(run, 4 * LEASE_MS);
		break;
	case 3:
		sim_place_arm(run->sim, place->disks[below(run, 3)], 40);
		break;
	case 4:
		copy_place(run);
		break;
	default:
		jump(run, place);
	}
}

static void step_place(struct run *run, struct place *place)
{
	if (!place->is_open && place->directory > 0 && below(run, 4) == 0)
		open_place(run, place);
	if (!place->is_open)
		return;
	if (run->alone || below(run, 3) == 0)
		send_renewal(run, place);
	pharaoh_advance(place->pharaoh, run->steady_ms);
	if (below(run, 2) == 0)
		take_numbers(run, place);
	if (run->alone && below(run, 2) == 0)
		take_values(run, place);
}

static void step(struct run *run)
{
	run->steady_ms += 1 + below(run, 60);
	if (below(run, 12) == 0)
		go_wrong(run);
	if (!run->alone && !run->authority)
		open_authority(run);
	for (size_t i = 0; i < run->place_count && !run->failed; i++)
		step_place(run, &run->places[i]);
	run->steady_ms += 1;
	deliver(run);
	check_owners(run);
	for (size_t i = 0; i < CLIENTS && !run->failed; i++)
		act(run, &run->clients[i]);
	check_dead(run);
}

static void set_up(struct run *run)
{
	run->alone = below(run, 3) == 0;
	run->place_count = run->alone ? 1 : PLACES;
	run->next_directory = FIRST_DIRECTORY;
	for (size_t i = 0; i < 2; i++)
		run->authority_disks[i] = os_sim_disk_new(run->sim);
	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &run->places[i];
		*place = (struct place){.run = run, .skew_ms = 2 * HOUR_MS};
		for (size_t j = 0; j < 3; j++)
			place->disks[j] = os_sim_disk_new(run->sim);
		if (i < PLACES - 1) /* the last one is for a copy */
			place->directory = run->next_directory++;
	}
	for (size_t i = 0; i < CLIENTS; i++)
		run->clients[i] = (struct client){.run = run};
}

static void tear_down(struct run *run)
{
	for (size_t i = 0; i < PLACES; i++) {
		close_place(&run->places[i]);
		for (size_t j = 0; j < 3; j++)
			os_sim_disk_free(run->places[i].disks[j]);
	}
	close_authority(run);
	for (size_t i = 0; i < 2; i++)
		os_sim_disk_free(run->authority_disks[i]);
	free(run->seen);
	os_sim_free(run->sim);
}

static bool simulate(uint64_t seed, void *context)
{
	static struct run run;
	(void)context;
	run = (struct run){.sim = os_sim_new(seed), .seen = calloc(SEEN, sizeof(uint64_t))};
	set_up(&run);
	for (int i = 0; i < STEPS && !run.failed; i++)
		step(&run);
	bool right = !run.failed;
	tear_down(&run);
	return right;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 300);
	sim_seeds_run(&seeds, "sim_pharaoh", simulate, NULL);
	printf("seeds from %llu\n", (unsigned long long)seeds.first);
	return sim_seeds_end(&seeds);
}
