/* Any body behind a good request header, into a real server over a real log in the simulated world: the first two bytes
 * pick API and version. The world is made anew every so often, since inputs leave topics and records behind. */
#include "codec/kafka/api.h"
#include "node/node.h"
#include "os/sim/sim.h"
#include "server/kafka/kafka.h"

#include <stdlib.h>

enum { INPUTS_PER_WORLD = 500, STEPS_PER_INPUT = 150, PORT = 9092 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct world {
	struct os_sim *sim;
	struct os_loop *loop, *client_loop;
	struct os_net *net, *client_net;
	struct os_disk *disk;
	struct node *node;
	struct kafka_server *server;
	unsigned inputs;
} world;

static void must(pyr_result result)
{
	if (result.code != PYR_OK)
		abort();
}

static void world_open(void)
{
	struct node_options node = node_options_default();
	struct kafka_server_options options = kafka_server_options_default();
	world = (struct world){.sim = os_sim_new(1)};
	world.loop = os_sim_loop_new(world.sim);
	world.client_loop = os_sim_loop_new(world.sim);
	world.net = os_sim_net_new(world.loop);
	world.client_net = os_sim_net_new(world.client_loop);
	world.disk = os_sim_disk_new(world.sim);
	/* The default sizes cost the simulator more than all the rest. */
	node.log.ring_file_bytes = 1 << 20;
	node.log.extent_min_bytes = 1 << 18;
	must(node_open(&(struct node_place){world.loop, world.disk}, 1, &node, &world.node, NULL));
	struct kafka_shard shard = {world.loop, world.net, node_catalog(world.node, 0), node_log(world.node, 0)};
	options.shards = &shard;
	options.shard_count = 1;
	options.coordinator = node_coordinator(world.node);
	options.port = PORT;
	must(kafka_server_new(&options, &world.server, NULL));
}

static void world_end(void)
{
	os_sim_loop_kill(world.loop);
	os_sim_loop_kill(world.client_loop);
	node_abandon(world.node);
	kafka_server_abandon(world.server);
	os_sim_disk_crash(world.disk);
	os_sim_net_free(world.client_net);
	os_sim_net_free(world.net);
	os_sim_disk_free(world.disk);
	os_sim_free(world.sim);
	world.sim = NULL;
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

static struct base_slice request_of(const uint8_t *data, size_t bytes)
{
	const struct codec_kafka_api *api = &codec_kafka_apis[data[0] % codec_kafka_api_count];
	int version = api->version_min + data[1] % (api->version_max - api->version_min + 1);
	struct codec_kafka_request_header header = {.api_key = api->key, .api_version = (int16_t)version};
	struct base_writer writer;
	struct base_slice request = {0};
	base_writer_init(&writer, 1 << 20);
	base_write_u32be(&writer, 0);
	codec_kafka_request_header_encode(&writer, &header);
	base_write_bytes(&writer, data + 2, bytes - 2);
	base_patch_u32be(&writer, 0, (uint32_t)writer.bytes - 4);
	must(base_writer_take(&writer, &request));
	return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct os_connection_handler handler = {client_space, client_received, NULL, client_closed};
	struct os_connection *client;
	bool closed = false;
	if (bytes < 2 || bytes > 65536)
		return 0;
	if (!world.sim)
		world_open();
	must(os_net_connect(world.client_net, "sim", PORT, &handler, &closed, &client));
	struct base_slice request = request_of(data, bytes);
	os_connection_send(client, &request, 1);
	for (int i = 0; i < STEPS_PER_INPUT && !closed && os_sim_step(world.sim); i++)
		;
	if (!closed)
		os_connection_close(client);
	while (!closed && os_sim_step(world.sim))
		;
	if (++world.inputs == INPUTS_PER_WORLD)
		world_end();
	return 0;
}
