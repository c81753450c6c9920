/* What coordination costs, as JSON:
 *
 *   bench_coord obelisk DIRECTORY          the sequencer beside a bare atomic addition; durable by 1 and 64 callers; recovery
 *   bench_coord load PORT OP BATCH DEPTH SECONDS [SESSIONS]
 *                                          one client of a Pharaoh port on loopback: DEPTH requests of BATCH units in flight.
 *                                          OP: ids, timestamps, begin, sequence, keep (of SESSIONS, opened first), lock
 *   bench_coord network NODES SECONDS      so many nodes under one authority, in one thread and virtual time: a node serves a mix
 *                                          of requests each millisecond, one in ten nodes dies and comes back meanwhile
 *
 * Ends with 1 and a sentence when something fails. */
#include "coord/pharaoh.h"
#include "os/real.h"
#include "os/sim/sim.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 9,
	TAKES = 20000000,
	CALLERS = 64,
	DURABLE_S = 2,
	RECOVERIES = 2000,
	LEASE = 1 << 24,
	PATH_BYTES = 4096
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

[[gnu::noreturn]] static void fail(const char *what)
{
	fprintf(stderr, "bench_coord: %s\n", what);
	exit(1);
}

static void must(pyr_result result, const char *what)
{
	if (result.code != PYR_OK)
		fail(what);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return values[count / 2];
}

/* ---- the sequencer ---- */

static struct os_disk *disk_at(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	struct os_disk *disk;
	snprintf(path, sizeof path, "%s/%s", directory, name);
	must(os_real_disk_new(path, &disk, NULL), "the directory can't be made");
	return disk;
}

static struct obelisk *obelisk_at(struct os_disk *disk, uint64_t lease)
{
	struct obelisk_options options = obelisk_options_default();
	struct obelisk *obelisk;
	options.lease = lease;
	must(obelisk_open(disk, &options, &obelisk, NULL), "the sequencer can't be opened");
	return obelisk;
}

/* By turns, so that what else goes on hits both. The syncs, one in 2^24 values, are in the time. */
static void bench_leased(const char *directory)
{
	static struct obelisk_counter bare;
	double adds[ROUNDS], takes[ROUNDS];
	struct os_disk *disk = disk_at(directory, "leased");
	struct obelisk *obelisk = obelisk_at(disk, LEASE);
	uint64_t sum = 0, value;
	for (size_t round = 0; round < ROUNDS; round++) {
		double began = now_s();
		for (size_t i = 0; i < TAKES; i++)
			sum += atomic_fetch_add_explicit(&bare.next, 1, memory_order_relaxed);
		adds[round] = (now_s() - began) * 1e9 / TAKES;
		began = now_s();
		for (size_t i = 0; i < TAKES; i++) {
			if (obelisk_take(obelisk, 1, &value).code != PYR_OK)
				fail("a value can't be taken");
			sum += value;
		}
		takes[round] = (now_s() - began) * 1e9 / TAKES;
	}
	double ratios[ROUNDS];
	for (size_t round = 0; round < ROUNDS; round++)
		ratios[round] = adds[round] / takes[round];
	printf("{\"fetch_add_ns\": %.3f, \"leased_ns\": %.3f, \"leased_ratio\": %.4f, \"sum\": %llu",
	       median(adds, ROUNDS), median(takes, ROUNDS), median(ratios, ROUNDS), (unsigned long long)sum);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
}

struct caller {
	pthread_t thread;
	struct obelisk *obelisk;
	double until_s;
	uint64_t count;
};

static void *take_durable(void *context)
{
	struct caller *caller = context;
	uint64_t value;
	for (; now_s() < caller->until_s; caller->count++)
		must(obelisk_take_durable(caller->obelisk, 1, &value), "a value can't be taken");
	return NULL;
}

static double durable(const char *directory, const char *name, size_t count)
{
	static struct caller callers[CALLERS];
	struct os_disk *disk = disk_at(directory, name);
	struct obelisk *obelisk = obelisk_at(disk, LEASE);
	double began = now_s();
	uint64_t taken = 0;
	for (size_t i = 0; i < count; i++) {
		callers[i] = (struct caller){.obelisk = obelisk, .until_s = began + DURABLE_S};
		if (pthread_create(&callers[i].thread, NULL, take_durable, &callers[i]) != 0)
			fail("no thread can be started");
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		taken += callers[i].count;
	}
	double rate = (double)taken / (now_s() - began);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
	return rate;
}

/* What finds the counter's value again: the file by its name, and its size. Then all of opening, which syncs an epoch. */
static void bench_recovery(const char *directory)
{
	static const uint64_t values[] = {1, 1 << 20, UINT64_C(1) << 40};
	double times[RECOVERIES];
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char name[32];
		uint64_t size = 0;
		struct os_file *file;
		snprintf(name, sizeof name, "recovery%zu", i);
		struct os_disk *disk = disk_at(directory, name);
		must(os_file_open(disk, "value", OS_OPEN_WRITE | OS_OPEN_CREATE, &file), "a file can't be made");
		must(os_file_truncate(file, values[i]), "a file can't be made longer");
		os_file_close(file);
		for (size_t j = 0; j < RECOVERIES; j++) {
			double began = now_s();
			must(os_file_open(disk, "value", OS_OPEN_WRITE, &file), "a file can't be opened");
			must(os_file_size(file, &size), "a file has no size");
			times[j] = (now_s() - began) * 1e6;
			os_file_close(file);
		}
		printf("%s%.2f", i ? ", " : ", \"recovery_us\": [", median(times, RECOVERIES));
		os_real_disk_free(disk);
	}
	struct os_disk *disk = disk_at(directory, "leased");
	double began = now_s();
	obelisk_close(obelisk_at(disk, LEASE));
	printf("], \"open_us\": %.0f", (now_s() - began) * 1e6);
	os_real_disk_free(disk);
}

static void bench_obelisk(const char *directory)
{
	bench_leased(directory);
	double one = durable(directory, "one", 1), many = durable(directory, "many", CALLERS);
	printf(", \"durable_1\": %.0f, \"durable_64\": %.0f", one, many);
	bench_recovery(directory);
	printf("}\n");
}

/* ---- load ---- */

struct load {
	int socket;
	struct codec_pharaoh request;
	uint32_t batch;
	uint8_t *frame, *in;
	uint64_t *sessions;
	size_t session_count, next_session, in_bytes;
};

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, peer = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (peer < 0 || connect(peer, (struct sockaddr *)&address, sizeof address) != 0)
		fail("the port can't be reached");
	setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return peer;
}

static void send_all(int peer, const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t sent = send(peer, data, bytes, MSG_NOSIGNAL);
		if (sent <= 0)
			fail("the connection is broken");
		data += sent;
		bytes -= (size_t)sent;
	}
}

enum { IN_BYTES = 4 << 20 };

/* The next reply, in load->in until the one after it. */
static struct codec_pharaoh receive(struct load *load, size_t *taken)
{
	struct codec_pharaoh reply;
	size_t frame;
	memmove(load->in, load->in + *taken, load->in_bytes - *taken);
	load->in_bytes -= *taken;
	for (;;) {
		must(codec_pharaoh_frame((struct base_bytes){load->in, load->in_bytes}, &frame), "no reply");
		if (frame > 0 && frame <= load->in_bytes)
			break;
		ssize_t got = recv(load->socket, load->in + load->in_bytes, IN_BYTES - load->in_bytes, 0);
		if (got <= 0)
			fail("the connection is closed");
		load->in_bytes += (size_t)got;
	}
	must(codec_pharaoh_decode((struct base_bytes){load->in, frame}, true, &reply), "no reply");
	if (reply.code != PYR_OK) {
		fprintf(stderr, "%.*s\n", (int)reply.name.bytes, (const char *)reply.name.data);
		fail("a request is refused");
	}
	*taken = frame;
	return reply;
}

static void send_request(struct load *load, const struct codec_pharaoh *request)
{
	struct base_writer writer;
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	codec_pharaoh_encode(&writer, false, request);
	send_all(load->socket, writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
}

static void open_sessions(struct load *load)
{
	enum { AHEAD = 1000 };
	size_t taken = 0;
	load->sessions = calloc(load->session_count, sizeof *load->sessions);
	for (size_t i = 0; i < load->session_count; i += AHEAD) {
		struct base_writer writer;
		base_writer_init(&writer, 1 << 20);
		for (size_t j = i; j < i + AHEAD && j < load->session_count; j++) {
			struct codec_pharaoh request = {
				.op = CODEC_PHARAOH_OPEN, .slot = (uint16_t)(j % SLOTS), .ttl_ms = 20000};
			codec_pharaoh_encode(&writer, false, &request);
		}
		send_all(load->socket, writer.buffer->data, writer.bytes);
		base_writer_deinit(&writer);
		for (size_t j = i; j < i + AHEAD && j < load->session_count; j++)
			base_store_u64le(&load->sessions[j], receive(load, &taken).session);
	}
	load->in_bytes = 0;
}

/* Requests go out as replies come in, encoded once, but for the sessions of a keep-alive. */
static void send_next(struct load *load, size_t frame_bytes)
{
	if (load->request.op == CODEC_PHARAOH_KEEP) {
		if (load->next_session + load->batch > load->session_count)
			load->next_session = 0;
		memcpy(load->frame + frame_bytes - (size_t)8 * load->batch, load->sessions + load->next_session,
		       (size_t)8 * load->batch);
		load->next_session += load->batch;
	}
	send_all(load->socket, load->frame, frame_bytes);
}

static uint64_t run_batches(struct load *load, unsigned depth, double seconds)
{
	struct base_writer writer;
	size_t taken = 0, frame_bytes;
	uint64_t done = 0;
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	if (load->request.op == CODEC_PHARAOH_KEEP) {
		load->request.numbers = (const uint8_t *)load->sessions;
		load->request.number_count = load->batch;
	}
	codec_pharaoh_encode(&writer, false, &load->request);
	load->frame = writer.buffer->data;
	frame_bytes = writer.bytes;
	double until_s = now_s() + seconds;
	for (unsigned i = 0; i < depth; i++)
		send_next(load, frame_bytes);
	for (bool late = false; !late; done++) {
		(void)receive(load, &taken);
		late = now_s() >= until_s;
		if (!late)
			send_next(load, frame_bytes);
	}
	base_writer_deinit(&writer);
	return done;
}

/* A lock taken and given back, one name after the other, `depth` pairs in flight. */
static uint64_t run_locks(struct load *load, unsigned depth, double seconds)
{
	struct codec_pharaoh open = {.op = CODEC_PHARAOH_OPEN, .ttl_ms = 20000}, reply;
	size_t taken = 0;
	uint64_t done = 0;
	send_request(load, &open);
	uint64_t session = receive(load, &taken).session;
	double until_s = now_s() + seconds;
	while (now_s() < until_s) {
		uint64_t tokens[1024];
		for (int phase = 0; phase < 2; phase++) {
			struct base_writer writer;
			char name[16];
			base_writer_init(&writer, 1 << 20);
			for (unsigned i = 0; i < depth; i++) {
				int bytes = snprintf(name, sizeof name, "lock%u", i);
				struct codec_pharaoh request = {.op = phase ? CODEC_PHARAOH_UNLOCK : CODEC_PHARAOH_LOCK,
				                                .session = session,
				                                .token = phase ? tokens[i] : 0,
				                                .name = {(const uint8_t *)name, (size_t)bytes}};
				codec_pharaoh_encode(&writer, false, &request);
			}
			send_all(load->socket, writer.buffer->data, writer.bytes);
			base_writer_deinit(&writer);
			for (unsigned i = 0; i < depth; i++) {
				reply = receive(load, &taken);
				tokens[i] = reply.token;
			}
		}
		done += depth;
	}
	return done;
}

static void bench_load(int argc, char **argv)
{
	struct load load = {.socket = connect_to((uint16_t)atoi(argv[2])), .batch = (uint32_t)atoi(argv[4])};
	unsigned depth = (unsigned)atoi(argv[5]);
	double seconds = atof(argv[6]);
	load.request = (struct codec_pharaoh){.count = load.batch, .lease = 1 << 20, .name = {(const uint8_t *)"s", 1}};
	for (uint8_t op = 1; op < CODEC_PHARAOH_OP_END; op++)
		if (strcmp(codec_pharaoh_op_text(op), argv[3]) == 0)
			load.request.op = op;
	load.in = malloc(IN_BYTES);
	load.session_count = argc > 7 ? strtoull(argv[7], NULL, 10) : 0;
	double opened_s = now_s();
	if (load.session_count > 0)
		open_sessions(&load);
	opened_s = now_s() - opened_s;
	double began = now_s();
	bool locks = load.request.op == CODEC_PHARAOH_LOCK;
	uint64_t requests = locks ? run_locks(&load, depth, seconds) : run_batches(&load, depth, seconds);
	double took = now_s() - began, per_s = (double)requests / took;
	printf("{\"op\": \"%s\", \"batch\": %u, \"requests_per_s\": %.0f, \"units_per_s\": %.0f, \"opened_per_s\": "
	       "%.0f}\n",
	       argv[3], load.batch, per_s, per_s * (locks ? 1 : load.batch),
	       load.session_count > 0 ? (double)load.session_count / opened_s : 0);
	close(load.socket);
	free(load.in);
	free(load.sessions);
}

/* ---- a network ---- */

/* A visit has about the requests that a millisecond brings to a node (PERFORMANCE.md): what it costs the simulating thread to go from
 * node to node, through caches that real nodes don't share, is in them. */
enum { LEASE_MS = 3000, RENEW_MS = 1000, MIX = 64, BEGINS = 16, WARM_MS = 8, SESSIONS_EACH = 64 };

struct place {
	struct os_disk *disks[2];
	struct scarab_issuer *ids;
	struct timekeeper *clock;
	struct authority_grant grant;
	struct pharaoh *node;
	uint64_t session, dead_until_ms;
	uint16_t slot;
};

static uint64_t virtual_ms = 1;

static struct hlc_time read_clocks(void *context)
{
	(void)context;
	return (struct hlc_time){SCARAB_EPOCH_MS + 1000 + virtual_ms, virtual_ms};
}

static void never_wait(void *context)
{
	(void)context;
	fail("a clock had to wait");
}

struct network {
	struct os_sim *sim;
	struct os_disk *disks[2];
	struct obelisk *epochs;
	struct names *memory;
	struct authority *authority;
	struct place *places;
	size_t count;
	uint64_t requests, refused, renewals, moves;
	double renewal_s, request_s;
};

static void open_place(struct network *network, struct place *place, size_t i)
{
	struct timekeeper_clock clock = {read_clocks, never_wait, NULL};
	struct authority_opening opening = {.directory = i + 1, .number_wanted = -1};
	struct pharaoh_options options = pharaoh_options_default();
	for (size_t j = 0; j < 2; j++)
		place->disks[j] = os_sim_disk_new(network->sim);
	must(authority_open(network->authority, virtual_ms, &opening, &place->grant, NULL), "no grant");
	struct scarab_issuer_options ids = {clock, (int)place->grant.number, 0, place->grant.epoch};
	struct timekeeper_options keeper = {.rules = hlc_rules_default(), .clock = clock};
	must(scarab_issuer_open(place->disks[0], &ids, &place->ids, NULL), "no ids");
	must(timekeeper_open(place->disks[1], &keeper, &place->clock, NULL), "no clock");
	must(authority_told(network->authority, virtual_ms, i + 1, place->grant.epoch, NULL), "no epoch");
	options.ids = place->ids;
	options.clock = place->clock;
	options.now_ms = virtual_ms;
	options.is_first = true;
	options.sessions_max = options.locks_max = options.waiters_max = 10000;
	place->node = pharaoh_new(&options);
	if (!place->node)
		fail("out of memory");
}

static void open_network(struct network *network)
{
	struct obelisk_options epochs = obelisk_options_default();
	struct authority_options options = {NULL, NULL, LEASE_MS, virtual_ms, false};
	network->sim = os_sim_new(1);
	for (size_t i = 0; i < 2; i++)
		network->disks[i] = os_sim_disk_new(network->sim);
	must(obelisk_open(network->disks[0], &epochs, &network->epochs, NULL), "no epochs");
	must(names_open(network->disks[1], 10000, &network->memory, NULL), "no memory");
	options.epochs = network->epochs;
	options.names = network->memory;
	must(authority_new(&options, &network->authority, NULL), "no authority");
	network->places = calloc(network->count, sizeof *network->places);
	for (size_t i = 0; i < network->count; i++)
		open_place(network, &network->places[i], i);
}

static void renew(struct network *network, struct place *place)
{
	static struct authority_lease lease;
	struct authority_renewal renewal = {place->grant.number,
	                                    place->grant.epoch,
	                                    pharaoh_seen(place->node),
	                                    pharaoh_claims(place->node, virtual_ms),
	                                    "node",
	                                    9640};
	double began = now_s();
	must(authority_renew(network->authority, virtual_ms, &renewal, &lease, NULL), "a lease is not renewed");
	for (size_t i = 0; i < SLOTS; i++)
		network->moves += lease.epochs[i] > renewal.epochs[i];
	pharaoh_lease(place->node, virtual_ms, virtual_ms, &lease);
	network->renewal_s += now_s() - began;
	network->renewals += 1;
	for (place->slot = 0; place->slot < SLOTS && lease.epochs[place->slot] == 0; place->slot++)
		;
	place->session = 0;
}

static struct codec_pharaoh ask(struct network *network, struct place *place, const struct codec_pharaoh *request)
{
	struct codec_pharaoh reply;
	struct pharaoh_hold hold;
	while (pharaoh_serve(place->node, virtual_ms, request, NULL, &hold, &reply) == PHARAOH_KEEP)
		if (pharaoh_keep_begin(place->node))
			pharaoh_keep_end(place->node, pharaoh_keep_run(place->node, NULL));
	network->requests += 1;
	network->refused += reply.code != PYR_OK;
	return reply;
}

/* Of each kind some. */
static void work(struct network *network, struct place *place)
{
	uint16_t slot = place->slot;
	struct codec_pharaoh stamps = {.op = CODEC_PHARAOH_TIMESTAMPS, .slot = slot, .count = 1000};
	struct codec_pharaoh begin = {.op = CODEC_PHARAOH_BEGIN, .slot = slot, .count = BEGINS};
	struct codec_pharaoh open = {.op = CODEC_PHARAOH_OPEN, .slot = slot, .ttl_ms = 20000};
	uint8_t number[8];
	if (place->session == 0)
		place->session = ask(network, place, &open).session;
	base_store_u64le(number, place->session);
	struct codec_pharaoh keep = {.op = CODEC_PHARAOH_KEEP, .numbers = number, .number_count = 1};
	for (int i = 0; i < MIX; i++) {
		(void)ask(network, place, &stamps);
		(void)ask(network, place, &begin);
		(void)ask(network, place, &keep);
	}
	pharaoh_advance(place->node, virtual_ms);
}

static void forget_requests(struct network *network)
{
	network->requests = network->refused = 0;
	network->request_s = 0;
}

static void one_ms(struct network *network)
{
	for (size_t i = 0; i < network->count; i++) {
		struct place *place = &network->places[i];
		if (place->dead_until_ms > virtual_ms)
			continue;
		if ((virtual_ms + i) % RENEW_MS == 0 || virtual_ms < 3)
			renew(network, place);
		if ((virtual_ms * 7919 + i * 104729) % (LEASE_MS * 20) == 0)
			place->dead_until_ms = virtual_ms + 2 * LEASE_MS;
		if (place->slot >= SLOTS || !slots_own(pharaoh_slots(place->node), place->slot, virtual_ms))
			continue;
		double began = now_s();
		work(network, place);
		network->request_s += now_s() - began;
	}
	virtual_ms += 1;
	if (virtual_ms ==
	    WARM_MS) /* what a node's first requests cost weighs more the shorter its life is in virtual time */
		forget_requests(network);
}

static void close_network(struct network *network)
{
	for (size_t i = 0; i < network->count; i++) {
		struct place *place = &network->places[i];
		pharaoh_free(place->node);
		scarab_issuer_close(place->ids);
		timekeeper_close(place->clock);
		for (size_t j = 0; j < 2; j++)
			os_sim_disk_free(place->disks[j]);
	}
	authority_free(network->authority);
	obelisk_close(network->epochs);
	names_close(network->memory);
	for (size_t i = 0; i < 2; i++)
		os_sim_disk_free(network->disks[i]);
	os_sim_free(network->sim);
	free(network->places);
}

static void bench_network(size_t count, double seconds)
{
	struct network network = {.count = count};
	if (count == 0 || count > AUTHORITY_NODES_MAX)
		fail("1 to 2048 nodes");
	open_network(&network);
	double until_s = now_s() + seconds;
	while (now_s() < until_s)
		one_ms(&network);
	printf("{\"nodes\": %zu, \"virtual_ms\": %llu, \"requests\": %llu, \"refused\": %llu, \"request_ns\": %.1f, "
	       "\"renewal_us\": %.2f, \"renewals\": %llu, \"moves\": %llu}\n",
	       count, (unsigned long long)virtual_ms, (unsigned long long)network.requests,
	       (unsigned long long)network.refused, network.request_s * 1e9 / (double)network.requests,
	       network.renewal_s * 1e6 / (double)network.renewals, (unsigned long long)network.renewals,
	       (unsigned long long)network.moves);
	close_network(&network);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "obelisk") == 0)
		bench_obelisk(argv[2]);
	else if (argc >= 7 && strcmp(argv[1], "load") == 0)
		bench_load(argc, argv);
	else if (argc == 4 && strcmp(argv[1], "network") == 0)
		bench_network(strtoull(argv[2], NULL, 10), atof(argv[3]));
	else
		fail("bench_coord obelisk DIRECTORY | load PORT OP BATCH DEPTH SECONDS [SESSIONS] | network NODES "
		     "SECONDS");
	return 0;
}
