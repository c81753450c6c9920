/* The Kafka port over real logs and catalogs, in the simulated world: the same code as in the server, one thread, one to
 * three shards, any split of the bytes, connections cut at any time. Run under ASan it also proves that nothing is leaked or used late.
 * A failure prints its seed; SEED=n replays. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "codec/batch.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "log/snapshot.h"
#include "node/node.h"
#include "os/sim/sim.h"
#include "server/kafka/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVED_MAX = 1 << 20, STEPS_MAX = 2000000, ARENA_BYTES = 1 << 20, SEEDS = 20, SHARDS_MAX = 3, PARTITIONS = 4 };

struct world {
	struct os_sim *sim;
	struct os_loop *client_loop;
	struct os_net *client_net;
	struct kafka_shard shards[SHARDS_MAX];
	struct os_disk *disks[SHARDS_MAX];
	struct os_net *dead_nets[SHARDS_MAX]; /* of a process that crashed: its connections end later */
	size_t shard_count;
	struct node *node;
	struct kafka_server *server;
	uint64_t memory_bytes_max; /* 0: the default */
	struct node_route route;
	bool closed;
};

/* A client that keeps what it receives. */
struct client {
	struct os_connection *os;
	uint8_t received[RECEIVED_MAX];
	size_t bytes;
	bool gone;
};

static void start_server(struct world *world)
{
	struct node_options node_options = node_options_default();
	struct kafka_server_options options = kafka_server_options_default();
	struct node_place places[SHARDS_MAX];
	/* The default sizes cost the simulator more than all the rest. */
	node_options.log.ring_file_bytes = 1 << 20;
	node_options.log.extent_min_bytes = 1 << 18;
	for (size_t i = 0; i < world->shard_count; i++) {
		world->shards[i].loop = os_sim_loop_new(world->sim);
		world->shards[i].net = os_sim_net_new(world->shards[i].loop);
		places[i] = (struct node_place){world->shards[i].loop, world->disks[i]};
	}
	assert_int_equal(node_open(places, world->shard_count, &node_options, &world->node, NULL).code, PYR_OK);
	static const uint8_t none[CATALOG_UUID_BYTES];
	for (size_t i = 0; i < world->shard_count; i++) {
		world->shards[i].catalog = node_catalog(world->node, i);
		/* The first client may come now. */
		assert_memory_not_equal(catalog_cluster_uuid(world->shards[i].catalog), none, sizeof none);
		world->shards[i].log = node_log(world->node, i);
	}
	options.shards = world->shards;
	options.shard_count = world->shard_count;
	options.coordinator = node_coordinator(world->node);
	options.host = "sim";
	options.port = 9092;
	options.route = world->route;
	if (world->memory_bytes_max > 0) {
		options.memory_bytes_max = world->memory_bytes_max * world->shard_count;
		options.request_bytes_max = (uint32_t)world->memory_bytes_max;
	}
	assert_int_equal(kafka_server_new(&options, &world->server, NULL).code, PYR_OK);
}

static void world_open_as(struct world *world, uint64_t seed, uint64_t memory_bytes_max, struct node_route route)
{
	*world = (struct world){.sim = os_sim_new(seed), .memory_bytes_max = memory_bytes_max, .route = route};
	world->client_loop = os_sim_loop_new(world->sim);
	world->client_net = os_sim_net_new(world->client_loop);
	world->shard_count = 1 + seed % SHARDS_MAX;
	for (size_t i = 0; i < world->shard_count; i++)
		world->disks[i] = os_sim_disk_new(world->sim);
	start_server(world);
}

static void world_open_limited(struct world *world, uint64_t seed, uint64_t memory_bytes_max)
{
	world_open_as(world, seed, memory_bytes_max, (struct node_route){0});
}

static void world_open(struct world *world, uint64_t seed)
{
	world_open_limited(world, seed, 0);
}

static bool run_until(struct world *world, bool (*condition)(void *context), void *context)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		if (condition(context))
			return true;
		if (!os_sim_step(world->sim))
			return condition(context);
	}
	return false;
}

static void on_closed(void *context)
{
	*(bool *)context = true;
}

static bool is_true(void *context)
{
	return *(bool *)context;
}

static void world_free(struct world *world)
{
	os_sim_loop_kill(world->client_loop);
	os_sim_net_free(world->client_net);
	for (size_t i = 0; i < world->shard_count; i++) {
		os_sim_net_free(world->shards[i].net);
		os_sim_net_free(world->dead_nets[i]);
		os_sim_disk_free(world->disks[i]);
	}
	os_sim_free(world->sim);
}

static void world_close(struct world *world)
{
	kafka_server_close(world->server, on_closed, &world->closed);
	assert_true(run_until(world, is_true, &world->closed));
	world->closed = false;
	node_close(world->node, on_closed, &world->closed);
	assert_true(run_until(world, is_true, &world->closed));
	for (size_t i = 0; i < world->shard_count; i++)
		os_sim_loop_kill(world->shards[i].loop);
	world_free(world);
}

/* ---- the client ---- */

static bool client_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct client *client = context;
	*ret_at = client->received + client->bytes;
	*ret_bytes = sizeof client->received - client->bytes;
	return *ret_bytes > 0;
}

static void client_received(void *context, size_t bytes)
{
	((struct client *)context)->bytes += bytes;
}

static void client_closed(void *context)
{
	((struct client *)context)->gone = true;
}

static const struct os_connection_handler client_handler = {client_space, client_received, NULL, client_closed};

static struct client *client_connect(struct world *world)
{
	struct client *client = calloc(1, sizeof *client);
	assert_non_null(client);
	pyr_result result = os_net_connect(world->client_net, "sim", 9092, &client_handler, client, &client->os);
	assert_int_equal(result.code, PYR_OK);
	return client;
}

static void client_free(struct world *world, struct client *client)
{
	if (!client->gone)
		os_connection_close(client->os);
	assert_true(run_until(world, is_true, &client->gone));
	free(client);
}

static void client_send(struct client *client, int16_t key, int16_t version, int32_t correlation_id,
                        const void *message)
{
	struct codec_kafka_request_header header = {key, version, correlation_id, {0}};
	struct base_writer writer;
	struct base_slice bytes = {0};
	base_writer_init(&writer, 1 << 24);
	base_write_u32be(&writer, 0);
	codec_kafka_request_header_encode(&writer, &header);
	codec_kafka_api_find(key)->request.encode(&writer, version, message);
	base_patch_u32be(&writer, 0, (uint32_t)writer.bytes - 4);
	assert_int_equal(base_writer_take(&writer, &bytes).code, PYR_OK);
	os_connection_send(client->os, &bytes, 1);
}

static bool response_is_there(void *context)
{
	struct client *client = context;
	return client->gone || (client->bytes >= 4 && client->bytes - 4 >= base_load_u32be(client->received));
}

/* The next response; its bytes stay in client->received until the next call. */
static void client_receive(struct world *world, struct client *client, int16_t key, int16_t version,
                           int32_t correlation_id, struct codec_arena *arena, void *ret_message)
{
	int32_t answered;
	assert_true(run_until(world, response_is_there, client) && !client->gone);
	struct base_reader reader = base_reader_init(client->received + 4, base_load_u32be(client->received));
	assert_int_equal(codec_kafka_response_header_decode(&reader, key, version, &answered).code, PYR_OK);
	assert_int_equal(answered, correlation_id);
	codec_arena_init(arena, ARENA_BYTES);
	const struct codec_kafka_message *response = &codec_kafka_api_find(key)->response;
	assert_int_equal(response->decode(&reader, version, arena, ret_message).code, PYR_OK);
	assert_int_equal(base_reader_left(&reader), 0);
}

static void client_next(struct client *client)
{
	size_t bytes = 4 + base_load_u32be(client->received);
	client->bytes -= bytes;
	memmove(client->received, client->received + bytes, client->bytes);
}

/* ---- requests ---- */

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static void create_topic(struct world *world, struct client *client, const char *name)
{
	struct codec_kafka_metadata_request_topic topic = {.name = text(name)};
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	struct codec_kafka_metadata_response response;
	struct codec_arena arena;
	request.topics = &topic;
	request.topics_count = 1;
	client_send(client, CODEC_KAFKA_METADATA, 12, 1, &request);
	client_receive(world, client, CODEC_KAFKA_METADATA, 12, 1, &arena, &response);
	assert_int_equal(response.topics_count, 1);
	assert_int_equal(response.topics[0].error_code, 0);
	assert_int_equal(response.topics[0].partitions_count, 4);
	codec_arena_deinit(&arena);
	client_next(client);
}

/* Records 1000 ms after the epoch, each `step_ms` later than the one before. */
static void send_produce_at(struct client *client, const char *name, int32_t partition, int32_t records,
                            int32_t correlation, int64_t step_ms)
{
	struct codec_batch_builder builder;
	struct base_slice batch = {0};
	codec_batch_builder_init(&builder, CODEC_LZ4, 1 << 20);
	for (int32_t i = 0; i < records; i++)
		codec_batch_builder_add(&builder, 1000 + step_ms * i, (struct base_bytes){0}, text("some value"), NULL,
		                        0);
	assert_int_equal(codec_batch_builder_take(&builder, &batch).code, PYR_OK);
	struct codec_kafka_produce_request_partition asked = {.index = partition,
	                                                      .records = {batch.data, batch.bytes, NULL}};
	struct codec_kafka_produce_request_topic topic = {
		.name = text(name), .partitions = &asked, .partitions_count = 1};
	struct codec_kafka_produce_request request = {.acks = -1, .topics = &topic, .topics_count = 1};
	client_send(client, CODEC_KAFKA_PRODUCE, 9, correlation, &request);
	base_slice_release(&batch);
}

static void send_produce(struct client *client, const char *name, int32_t partition, int32_t records,
                         int32_t correlation)
{
	send_produce_at(client, name, partition, records, correlation, 1);
}

static int64_t receive_produced(struct world *world, struct client *client, int32_t correlation)
{
	struct codec_kafka_produce_response response;
	struct codec_arena arena;
	client_receive(world, client, CODEC_KAFKA_PRODUCE, 9, correlation, &arena, &response);
	assert_int_equal(response.topics[0].partitions[0].error_code, 0);
	int64_t base_offset = response.topics[0].partitions[0].base_offset;
	codec_arena_deinit(&arena);
	client_next(client);
	return base_offset;
}

static void send_fetch(struct client *client, const char *name, int64_t offset, int32_t min_bytes, int32_t correlation)
{
	struct codec_kafka_fetch_request_partition asked = codec_kafka_fetch_request_partition_default;
	struct codec_kafka_fetch_request_topic topic = {
		.name = text(name), .partitions = &asked, .partitions_count = 1};
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	asked.fetch_offset = offset;
	asked.max_bytes = 1 << 20;
	request.max_wait_ms = 500;
	request.min_bytes = min_bytes;
	request.topics = &topic;
	request.topics_count = 1;
	client_send(client, CODEC_KAFKA_FETCH, 12, correlation, &request);
}

/* Records in a fetch's answer, all batches checked. */
static int32_t receive_fetched(struct world *world, struct client *client, int32_t correlation)
{
	struct codec_kafka_fetch_response response;
	struct codec_arena arena;
	int32_t count = 0;
	client_receive(world, client, CODEC_KAFKA_FETCH, 12, correlation, &arena, &response);
	assert_int_equal(response.topics[0].partitions[0].error_code, 0);
	struct codec_kafka_records records = response.topics[0].partitions[0].records;
	for (struct codec_batch batch; records.bytes > 0; records.data += batch.bytes, records.bytes -= batch.bytes) {
		assert_int_equal(codec_batch_check((struct base_bytes){records.data, records.bytes}, &batch).code,
		                 PYR_OK);
		count += batch.record_count;
	}
	codec_arena_deinit(&arena);
	client_next(client);
	return count;
}

/* ---- tests ---- */

static void each_seed(void (*run)(uint64_t seed))
{
	const char *only = getenv("SEED");
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t chosen = only ? strtoull(only, NULL, 10) : seed;
		print_message("seed %llu\n", (unsigned long long)chosen);
		run(chosen);
		if (only)
			return;
	}
}

static void round_trip(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	for (int32_t i = 0; i < 10; i++)
		send_produce(client, "t", 0, 100 * i + 1, i);
	int64_t expected = 0;
	for (int32_t i = 0; i < 10; i++) {
		assert_int_equal(receive_produced(&world, client, i), expected);
		expected += 100 * i + 1;
	}
	send_fetch(client, "t", 0, 1, 100);
	assert_int_equal(receive_fetched(&world, client, 100), expected);
	client_free(&world, client);
	world_close(&world);
}

static void produced_records_are_fetched(void **state)
{
	(void)state;
	each_seed(round_trip);
}

static void on_altered(struct catalog_change *change)
{
	assert_int_equal(change->result.code, PYR_OK);
	*change->name = '\0';
}

static bool is_altered(void *context)
{
	return *((struct catalog_change *)context)->name == '\0';
}

/* Through the catalog: clients can't ask for compaction before the log compacts. */
static void compact(struct world *world, const char *name)
{
	struct catalog_change change = {.changed = 1u << CATALOG_SETTING_cleanup_policy, .done = on_altered};
	strcpy(change.name, name);
	change.config = catalog_topic_config_default();
	change.config.cleanup_policy = CATALOG_CLEANUP_COMPACT;
	catalog_topic_alter(world->shards[0].catalog, &change);
	assert_true(run_until(world, is_altered, &change));
}

static void keyless(uint64_t seed)
{
	struct world world;
	struct codec_kafka_produce_response response;
	struct codec_arena arena;
	enum { INVALID_RECORD = 87 };
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	send_produce(client, "t", 0, 3, 1);
	assert_int_equal(receive_produced(&world, client, 1), 0);
	compact(&world, "t");
	send_produce(client, "t", 0, 3, 2);
	client_receive(&world, client, CODEC_KAFKA_PRODUCE, 9, 2, &arena, &response);
	assert_int_equal(response.topics[0].partitions[0].error_code, INVALID_RECORD);
	codec_arena_deinit(&arena);
	client_next(client);
	client_free(&world, client);
	world_close(&world);
}

static void a_compacted_topic_takes_no_record_without_a_key(void **state)
{
	(void)state;
	each_seed(keyless);
}

static size_t runs_between(struct world *world, int64_t min_ms, int64_t max_ms)
{
	const struct catalog_topic *topic = catalog_topic_find(node_catalog(world->node, 0), "t", 1);
	uint32_t partition = catalog_topic_partition(topic, 0);
	struct log *log = node_log(world->node, catalog_shard_of(node_catalog(world->node, 0), partition));
	struct log_bounds bounds = log_bounds_all();
	struct log_snapshot *snapshot;
	bounds.timestamp_ms_min = min_ms;
	bounds.timestamp_ms_max = max_ms;
	assert_int_equal(log_snapshot_take(log, &partition, 1, &bounds, &snapshot).code, PYR_OK);
	assert_int_equal(log_snapshot_load(snapshot, NULL).code, PYR_OK);
	size_t count = log_snapshot_run_count(snapshot);
	log_snapshot_release(snapshot);
	return count;
}

/* ---- requests that concern partitions of all shards, one of which does not exist ---- */

static void send_produce_all(struct client *client, int32_t correlation)
{
	struct codec_kafka_produce_request_partition asked[PARTITIONS + 1];
	struct base_slice batches[PARTITIONS + 1];
	for (int32_t i = 0; i <= PARTITIONS; i++) {
		struct codec_batch_builder builder;
		codec_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
		for (int32_t j = 0; j <= i; j++)
			codec_batch_builder_add(&builder, 1000, (struct base_bytes){0}, text("v"), NULL, 0);
		assert_int_equal(codec_batch_builder_take(&builder, &batches[i]).code, PYR_OK);
		asked[i] = (struct codec_kafka_produce_request_partition){
			.index = i, .records = {batches[i].data, batches[i].bytes, NULL}};
	}
	struct codec_kafka_produce_request_topic topic = {
		.name = text("t"), .partitions = asked, .partitions_count = PARTITIONS + 1};
	struct codec_kafka_produce_request request = {.acks = -1, .topics = &topic, .topics_count = 1};
	client_send(client, CODEC_KAFKA_PRODUCE, 9, correlation, &request);
	for (int32_t i = 0; i <= PARTITIONS; i++)
		base_slice_release(&batches[i]);
}

static void check_produced_all(struct world *world, struct client *client, int32_t correlation, int64_t times)
{
	struct codec_kafka_produce_response response;
	struct codec_arena arena;
	client_receive(world, client, CODEC_KAFKA_PRODUCE, 9, correlation, &arena, &response);
	assert_int_equal(response.topics[0].partitions_count, PARTITIONS + 1);
	for (int32_t i = 0; i < PARTITIONS; i++) {
		assert_int_equal(response.topics[0].partitions[i].index, i);
		assert_int_equal(response.topics[0].partitions[i].error_code, 0);
		assert_int_equal(response.topics[0].partitions[i].base_offset, times * (i + 1));
	}
	assert_int_equal(response.topics[0].partitions[PARTITIONS].error_code, 3); /* unknown */
	codec_arena_deinit(&arena);
	client_next(client);
}

static void send_fetch_all(struct client *client, int32_t partitions, int32_t min_bytes, int32_t correlation)
{
	struct codec_kafka_fetch_request_partition asked[PARTITIONS + 1];
	struct codec_kafka_fetch_request_topic topic = {
		.name = text("t"), .partitions = asked, .partitions_count = (size_t)partitions};
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	for (int32_t i = 0; i < partitions; i++) {
		asked[i] = codec_kafka_fetch_request_partition_default;
		asked[i].index = i;
		asked[i].max_bytes = 1 << 20;
	}
	request.max_wait_ms = 500;
	request.min_bytes = min_bytes;
	request.topics = &topic;
	request.topics_count = 1;
	client_send(client, CODEC_KAFKA_FETCH, 12, correlation, &request);
}

/* Batches in the answer, each in its own partition's place. */
static size_t receive_fetched_all(struct world *world, struct client *client, int32_t correlation)
{
	struct codec_kafka_fetch_response response;
	struct codec_arena arena;
	size_t count = 0;
	client_receive(world, client, CODEC_KAFKA_FETCH, 12, correlation, &arena, &response);
	for (size_t i = 0; i < response.topics[0].partitions_count; i++) {
		const struct codec_kafka_fetch_response_partition *partition = &response.topics[0].partitions[i];
		struct codec_kafka_records records = partition->records;
		struct codec_batch batch;
		assert_int_equal(partition->index, (int32_t)i);
		assert_int_equal(partition->error_code, i < PARTITIONS ? 0 : 3);
		for (; records.bytes > 0; records.data += batch.bytes, records.bytes -= batch.bytes, count++) {
			struct base_bytes left = {records.data, records.bytes};
			assert_int_equal(codec_batch_check(left, &batch).code, PYR_OK);
			assert_int_equal(batch.record_count, i + 1);
		}
	}
	codec_arena_deinit(&arena);
	client_next(client);
	return count;
}

static void across_shards(uint64_t seed)
{
	enum { TIMES = 5 };
	struct world world;
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	for (int32_t i = 0; i < TIMES; i++)
		send_produce_all(client, i);
	for (int32_t i = 0; i < TIMES; i++)
		check_produced_all(&world, client, i, i);
	send_fetch_all(client, PARTITIONS, 1, 100);
	size_t first = receive_fetched_all(&world, client, 100);
	assert_in_range(first, 1, TIMES * PARTITIONS);
	send_fetch_all(client, PARTITIONS, 500, 101); /* more than one partition has */
	assert_int_equal(receive_fetched_all(&world, client, 101), TIMES * PARTITIONS);
	send_fetch_all(client, PARTITIONS + 1, 1 << 20, 102); /* an error ends the waiting */
	(void)receive_fetched_all(&world, client, 102);
	client_free(&world, client);
	world_close(&world);
}

static void a_request_concerns_all_shards(void **state)
{
	(void)state;
	each_seed(across_shards);
}

/* Bytes of all shards together are enough, and a client that goes while several wait leaves nothing. */
static void poll_across(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *reader = client_connect(&world), *writer = client_connect(&world);
	create_topic(&world, reader, "t");
	uint64_t before_us = os_sim_now_us(world.sim);
	send_fetch_all(reader, PARTITIONS, 300, 1);
	send_produce_all(writer, 1); /* 69 to 90 bytes a partition */
	check_produced_all(&world, writer, 1, 0);
	assert_int_equal(receive_fetched_all(&world, reader, 1), PARTITIONS);
	assert_true(os_sim_now_us(world.sim) - before_us < 400000);
	send_fetch_all(reader, PARTITIONS, 1 << 20, 2);
	for (uint64_t steps = os_sim_random_below(world.sim, 200); steps > 0 && os_sim_step(world.sim); steps--)
		;
	client_free(&world, reader);
	client_free(&world, writer);
	world_close(&world);
}

static void a_fetch_waits_on_all_shards(void **state)
{
	(void)state;
	each_seed(poll_across);
}

/* A batch may hold records earlier than its first, which its header does not tell: pruning by time must not lose them.
 * Here: 1000, 600, 200. */
static void times_out_of_order(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	send_produce_at(client, "t", 0, 3, 1, -400);
	assert_int_equal(receive_produced(&world, client, 1), 0);
	assert_int_equal(runs_between(&world, 0, 150), 0);
	assert_int_equal(runs_between(&world, 0, 200), 1);
	assert_int_equal(runs_between(&world, 1000, 2000), 1);
	assert_int_equal(runs_between(&world, 1001, 2000), 0);
	client_free(&world, client);
	world_close(&world);
}

static void earlier_records_in_a_batch_are_not_pruned(void **state)
{
	(void)state;
	each_seed(times_out_of_order);
}

static void long_poll(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *reader = client_connect(&world), *writer = client_connect(&world);
	create_topic(&world, reader, "t");
	uint64_t before_us = os_sim_now_us(world.sim);
	send_fetch(reader, "t", 0, 1, 1);
	assert_int_equal(receive_fetched(&world, reader, 1), 0);
	assert_true(os_sim_now_us(world.sim) - before_us >= 500000);
	before_us = os_sim_now_us(world.sim);
	send_fetch(reader, "t", 0, 1, 2);
	send_produce(writer, "t", 0, 3, 1);
	assert_int_equal(receive_produced(&world, writer, 1), 0);
	assert_int_equal(receive_fetched(&world, reader, 2), 3);
	assert_true(os_sim_now_us(world.sim) - before_us < 400000);
	client_free(&world, reader);
	client_free(&world, writer);
	world_close(&world);
}

static void a_waiting_fetch_hears_of_a_produce(void **state)
{
	(void)state;
	each_seed(long_poll);
}

/* The client goes, or the server is closed, with everything under way: produce, waiting fetch, unread answers. */
static void cut(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	for (int32_t i = 0; i < 20; i++)
		send_produce(client, "t", i % 4, 50, i);
	send_fetch(client, "t", 0, 1 << 20, 100);
	send_fetch(client, "t", 0, 1, 101);
	for (uint64_t steps = os_sim_random_below(world.sim, 400); steps > 0 && os_sim_step(world.sim); steps--)
		;
	if (seed % 2)
		client_free(&world, client);
	world_close(&world);
	if (!(seed % 2))
		free(client);
}

static void connections_cut_anywhere_leave_nothing(void **state)
{
	(void)state;
	each_seed(cut);
}

/* Power cut with requests under way: the process is dropped where it stands, and the next one has what was answered. */
static void crash(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *client = client_connect(&world);
	create_topic(&world, client, "t");
	send_produce(client, "t", 0, 7, 0);
	assert_int_equal(receive_produced(&world, client, 0), 0);
	for (int32_t i = 0; i < 5; i++)
		send_produce(client, "t", 0, 50, i);
	send_fetch(client, "t", 0, 1 << 20, 100);
	for (uint64_t steps = os_sim_random_below(world.sim, 200); steps > 0 && os_sim_step(world.sim); steps--)
		;
	for (size_t i = 0; i < world.shard_count; i++)
		os_sim_loop_kill(world.shards[i].loop);
	node_abandon(world.node);
	kafka_server_abandon(world.server);
	for (size_t i = 0; i < world.shard_count; i++) {
		os_sim_disk_crash(world.disks[i]);
		world.dead_nets[i] = world.shards[i].net;
	}
	client_free(&world, client);
	start_server(&world);
	client = client_connect(&world);
	send_fetch(client, "t", 0, 1, 1);
	assert_true(receive_fetched(&world, client, 1) >= 7);
	client_free(&world, client);
	world_close(&world);
}

static void what_was_answered_outlives_a_power_cut(void **state)
{
	(void)state;
	each_seed(crash);
}

static void send_bytes(struct client *client, const void *data, size_t bytes)
{
	struct base_slice slice = base_slice_copy(data, bytes);
	assert_non_null(slice.owner);
	os_connection_send(client->os, &slice, 1);
}

static struct kafka_server_metrics sum_metrics(struct world *world)
{
	struct kafka_server_metrics sum = {0};
	for (size_t i = 0; i < world->shard_count; i++) {
		struct kafka_server_metrics metrics = kafka_server_metrics_get(world->server, i);
		sum.connections_stalled += metrics.connections_stalled;
		sum.memory_bytes += metrics.memory_bytes;
	}
	return sum;
}

/* Half a request, then nothing: the connection is closed after the time allowed, an idle one is not. */
static void stall(uint64_t seed)
{
	struct world world;
	world_open(&world, seed);
	struct client *idle = client_connect(&world), *half = client_connect(&world);
	create_topic(&world, idle, "t");
	send_bytes(half, "\0\0\1\0only the beginning", 22);
	assert_true(run_until(&world, is_true, &half->gone));
	assert_in_range(os_sim_now_us(world.sim), 60000000, 75000000);
	struct kafka_server_metrics metrics = sum_metrics(&world);
	assert_int_equal(metrics.connections_stalled, 1);
	assert_int_equal(metrics.memory_bytes, 0);
	create_topic(&world, idle, "still-here");
	client_free(&world, half);
	client_free(&world, idle);
	world_close(&world);
}

static void who_stops_in_a_request_is_let_go(void **state)
{
	(void)state;
	each_seed(stall);
}

/* Twenty clients send most of 400 KB each where 1 MB is allowed: some are let go, the limit holds, and whoever is whole
 * is served. */
static void crowd(uint64_t seed)
{
	enum { CLIENTS = 20, LIMIT = 1 << 20, REQUEST = 400000 };
	struct world world;
	struct client *clients[CLIENTS];
	uint8_t *request = calloc(1, REQUEST);
	uint64_t most = 0;
	world_open_limited(&world, seed, LIMIT);
	base_store_u32be(request, REQUEST);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = client_connect(&world);
		send_bytes(clients[i], request, REQUEST - 1);
	}
	for (int i = 0; i < 5000 && os_sim_step(world.sim); i++) {
		for (size_t j = 0; j < world.shard_count; j++) {
			uint64_t now = kafka_server_metrics_get(world.server, j).memory_bytes;
			most = now > most ? now : most;
		}
	}
	assert_in_range(most, LIMIT / 2, LIMIT + LIMIT / 4);
	struct client *whole = client_connect(&world);
	create_topic(&world, whole, "t");
	client_free(&world, whole);
	for (int i = 0; i < CLIENTS; i++)
		client_free(&world, clients[i]);
	assert_int_equal(sum_metrics(&world).memory_bytes, 0);
	free(request);
	world_close(&world);
}

static void memory_for_requests_is_bounded(void **state)
{
	(void)state;
	each_seed(crowd);
}

/* ---- groups are routed by the slot of their name ---- */

static struct node_owner owner_by_name(void *context, struct base_bytes key)
{
	static const struct node_owner there = {NODE_OWNER_THERE, 7, "elsewhere", 9093};
	bool moved = *(const bool *)context;
	if (key.bytes > 0 && key.data[0] == 't')
		return moved ? (struct node_owner){.where = NODE_OWNER_HERE} : there;
	return (struct node_owner){.where = key.bytes > 0 && key.data[0] == 'n' ? NODE_OWNER_NOBODY : NODE_OWNER_HERE};
}

static void check_coordinators(struct world *world, struct client *client, int8_t key_type, int16_t error_here)
{
	struct base_bytes keys[] = {text("here"), text("there"), text("nobody")};
	struct codec_kafka_find_coordinator_request request = codec_kafka_find_coordinator_request_default;
	struct codec_kafka_find_coordinator_response response;
	struct codec_arena arena;
	request.key_type = key_type;
	request.coordinator_keys = keys;
	request.coordinator_keys_count = 3;
	client_send(client, CODEC_KAFKA_FIND_COORDINATOR, 4, 1, &request);
	client_receive(world, client, CODEC_KAFKA_FIND_COORDINATOR, 4, 1, &arena, &response);
	assert_int_equal(response.coordinators_count, 3);
	assert_int_equal(response.coordinators[0].error_code, error_here);
	assert_int_equal(response.coordinators[0].port, error_here ? -1 : 9092);
	assert_int_equal(response.coordinators[1].error_code, 0);
	assert_int_equal(response.coordinators[1].node_id, 7);
	assert_int_equal(response.coordinators[1].port, 9093);
	assert_memory_equal(response.coordinators[1].host.data, "elsewhere", 9);
	assert_int_equal(response.coordinators[2].error_code, 15); /* COORDINATOR_NOT_AVAILABLE */
	codec_arena_deinit(&arena);
	client_next(client);
}

static int16_t heartbeat(struct world *world, struct client *client, const char *group)
{
	struct codec_kafka_heartbeat_request request = codec_kafka_heartbeat_request_default;
	struct codec_kafka_heartbeat_response response;
	struct codec_arena arena;
	request.group_id = text(group);
	request.member_id = text("m");
	client_send(client, CODEC_KAFKA_HEARTBEAT, 3, 2, &request);
	client_receive(world, client, CODEC_KAFKA_HEARTBEAT, 3, 2, &arena, &response);
	codec_arena_deinit(&arena);
	client_next(client);
	return response.error_code;
}

static int16_t describe(struct world *world, struct client *client, const char *group)
{
	struct base_bytes groups[] = {text("here"), text(group)};
	struct codec_kafka_describe_groups_request request = codec_kafka_describe_groups_request_default;
	struct codec_kafka_describe_groups_response response;
	struct codec_arena arena;
	request.groups = groups;
	request.groups_count = 2;
	client_send(client, CODEC_KAFKA_DESCRIBE_GROUPS, 5, 3, &request);
	client_receive(world, client, CODEC_KAFKA_DESCRIBE_GROUPS, 5, 3, &arena, &response);
	assert_int_equal(response.groups_count, 2);
	int16_t error_code = response.groups[0].error_code;
	codec_arena_deinit(&arena);
	client_next(client);
	return error_code;
}

static void route(uint64_t seed)
{
	enum { NOT_COORDINATOR = 16, UNKNOWN_MEMBER = 25, TRANSACTIONS_REFUSED = 53 };
	struct world world;
	bool moved = false;
	world_open_as(&world, seed, 0, (struct node_route){owner_by_name, &moved});
	struct client *client = client_connect(&world);
	check_coordinators(&world, client, 0, 0);
	check_coordinators(&world, client, 1, TRANSACTIONS_REFUSED);
	assert_int_equal(heartbeat(&world, client, "here"), UNKNOWN_MEMBER);
	assert_int_equal(heartbeat(&world, client, "there"), NOT_COORDINATOR);
	assert_int_equal(heartbeat(&world, client, "nobody"), NOT_COORDINATOR);
	assert_int_equal(describe(&world, client, "here"), 0);
	assert_int_equal(describe(&world, client, "there"), NOT_COORDINATOR);
	moved = true;
	assert_int_equal(heartbeat(&world, client, "there"), UNKNOWN_MEMBER);
	client_free(&world, client);
	world_close(&world);
}

static void groups_are_asked_for_at_the_owner_of_their_slot(void **state)
{
	(void)state;
	each_seed(route);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(produced_records_are_fetched),
		cmocka_unit_test(a_compacted_topic_takes_no_record_without_a_key),
		cmocka_unit_test(earlier_records_in_a_batch_are_not_pruned),
		cmocka_unit_test(a_request_concerns_all_shards),
		cmocka_unit_test(a_fetch_waits_on_all_shards),
		cmocka_unit_test(a_waiting_fetch_hears_of_a_produce),
		cmocka_unit_test(connections_cut_anywhere_leave_nothing),
		cmocka_unit_test(who_stops_in_a_request_is_let_go),
		cmocka_unit_test(memory_for_requests_is_bounded),
		cmocka_unit_test(groups_are_asked_for_at_the_owner_of_their_slot),
		cmocka_unit_test(what_was_answered_outlives_a_power_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
