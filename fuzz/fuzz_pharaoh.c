/* The Pharaoh network's bytes, hostile: what decodes encodes to the same bytes; a file of names gives up or opens; a server with
 * sessions and locks takes any stream, split anywhere, and goes on. The first byte picks. */
#include "codec/pharaoh.h"
#include "coord/names.h"
#include "os/sim/sim.h"
#include "server/pharaoh/pharaoh.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 9640, STEPS_MAX = 400, TTL_MS = 1000, DISKS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(pyr_result result)
{
	if (result.code != PYR_OK)
		abort();
}

/* ---- messages ---- */

static void check_message(const uint8_t *data, size_t bytes, bool is_reply)
{
	struct codec_pharaoh message;
	struct base_writer writer;
	size_t frame;
	if (codec_pharaoh_frame((struct base_bytes){data, bytes}, &frame).code != PYR_OK || frame == 0 ||
	    frame > bytes || codec_pharaoh_decode((struct base_bytes){data, frame}, is_reply, &message).code != PYR_OK)
		return;
	struct base_reader runs = base_reader_init(message.value.data, message.value.bytes);
	struct codec_pharaoh_run run;
	while (codec_pharaoh_run_read(&runs, &run))
		assert(run.first + run.count <= CODEC_PHARAOH_SLOTS);
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	codec_pharaoh_encode(&writer, is_reply, &message);
	assert(!writer.failed && writer.bytes == frame && memcmp(writer.buffer->data, data, frame) == 0);
	base_writer_deinit(&writer);
}

/* ---- a file of names ---- */

static void note_name(void *context, struct base_bytes name, uint64_t kept)
{
	*(uint64_t *)context += name.bytes + kept;
}

static void open_names(const uint8_t *data, size_t bytes)
{
	struct os_sim *sim = os_sim_new(1);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct base_bytes part = {data, bytes};
	struct os_file *file;
	struct names *names;
	struct pyr_error error = {0};
	uint64_t sum = 0;
	must(os_file_open(disk, "names-0000000000000001", OS_OPEN_WRITE | OS_OPEN_CREATE, &file));
	must(os_file_write(file, 0, &part, 1));
	os_file_close(file);
	pyr_result opened = names_open(disk, 1000, &names, &error);
	if (opened.code == PYR_OK) {
		names_each(names, note_name, &sum);
		names_close(names);
	} else {
		assert(error.text[0]);
	}
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

/* ---- a server ---- */

static struct world {
	struct os_sim *sim;
	struct os_loop *loop, *client_loop;
	struct os_net *net, *client_net;
	struct os_disk *disks[DISKS];
	struct pharaoh_options node;
	struct pharaoh *core;
	struct pharaoh_server *server;
} world;

static struct hlc_time read_clocks(void *context)
{
	(void)context;
	uint64_t now_ms = os_sim_now_us(world.sim) / 1000;
	return (struct hlc_time){SCARAB_EPOCH_MS + 1000 + now_ms, now_ms};
}

static void never_wait(void *context)
{
	(void)context;
	abort();
}

static void lease_all(void)
{
	static struct authority_lease lease = {.answer = 1, .lease_ms = UINT64_MAX / 4};
	for (size_t i = 0; i < SLOTS; i++)
		lease.epochs[i] = i % 7 ? 3 : 0; /* some are another node's */
	pharaoh_lease(world.core, 0, 0, &lease);
}

static void world_open(void)
{
	struct timekeeper_clock clock = {read_clocks, never_wait, NULL};
	struct scarab_issuer_options ids = {.clock = clock, .node = SCARAB_NODE_KEPT};
	struct timekeeper_options keeper = {.rules = hlc_rules_default(), .clock = clock};
	struct pharaoh_server_options port = pharaoh_server_options_default();
	world.sim = os_sim_new(1);
	world.loop = os_sim_loop_new(world.sim);
	world.client_loop = os_sim_loop_new(world.sim);
	world.net = os_sim_net_new(world.loop);
	world.client_net = os_sim_net_new(world.client_loop);
	for (size_t i = 0; i < DISKS; i++)
		world.disks[i] = os_sim_disk_new(world.sim);
	world.node = pharaoh_options_default();
	must(scarab_issuer_open(world.disks[0], &ids, &world.node.ids, NULL));
	must(timekeeper_open(world.disks[1], &keeper, &world.node.clock, NULL));
	must(names_open(world.disks[2], 1000, &world.node.sequences, NULL));
	world.node.ttl_max_ms = world.node.grace_ms = TTL_MS;
	world.node.sessions_max = world.node.locks_max = world.node.waiters_max = 500;
	world.core = pharaoh_new(&world.node);
	lease_all();
	port.loop = world.loop;
	port.net = world.net;
	port.core = world.core;
	port.port = PORT;
	must(pharaoh_server_new(&port, &world.server, NULL));
}

static bool client_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	static uint8_t dropped[65536];
	(void)context;
	*ret_at = dropped;
	*ret_bytes = sizeof dropped;
	return true;
}

static void client_received(void *context, size_t bytes)
{
	(void)context;
	(void)bytes;
}

static void client_closed(void *context)
{
	*(bool *)context = true;
}

static void serve(const uint8_t *data, size_t bytes)
{
	static const struct os_connection_handler handler = {client_space, client_received, NULL, client_closed};
	struct os_connection *client;
	bool closed = false;
	if (!world.sim)
		world_open();
	must(os_net_connect(world.client_net, "sim", PORT, &handler, &closed, &client));
	struct base_slice stream = base_slice_copy(data, bytes);
	os_connection_send(client, &stream, 1);
	for (int i = 0; i < STEPS_MAX && !closed && os_sim_step(world.sim); i++)
		;
	if (!closed)
		os_connection_close(client);
	while (!closed && os_sim_step(world.sim))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	switch (data[0] % 4) {
	case 0:
		check_message(data + 1, bytes - 1, false);
		break;
	case 1:
		check_message(data + 1, bytes - 1, true);
		break;
	case 2:
		open_names(data + 1, bytes - 1);
		break;
	default:
		serve(data + 1, bytes - 1);
	}
	return 0;
}
