/* A group that changes between the classic and the consumer protocol with members in it, event by event. No log, no loop;
 * what is written is kept, and read into a second group to see that it says the same. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "group/consumer.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 96, ARENA_BYTES = 1 << 20, PARTITIONS = 4, LOG_BYTES = 1 << 20, EAGER = 0 };

struct test {
	struct group group;
	struct group_options options;
	struct group_world world;
	struct group_effects effects;
	struct base_list writes;
	struct base_writer log; /* all records, in order */
	struct group_call calls[CALLS];
	struct codec_arena arenas[CALLS];
	const void *answers[CALLS];
	size_t call_count;
	uint8_t random;
};

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static void counted_random(void *context, void *ret_bytes, size_t bytes)
{
	memset(ret_bytes, ++((struct test *)context)->random, bytes);
}

static const uint8_t topic_id[GROUP_UUID_BYTES] = {7};

static bool topic_find(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic)
{
	(void)context;
	*ret_topic = (struct group_topic){.name = text("t"), .id = {7}, .partition_count = PARTITIONS};
	return name.data ? group_same(name, text("t")) : memcmp(id, topic_id, sizeof topic_id) == 0;
}

static void open(struct test *test)
{
	*test = (struct test){.options = group_options_default()};
	test->options.initial_delay_ms = 0;
	test->world = (struct group_world){
		.now_us = 1000000,
		.wall_ms = 5000,
		.options = &test->options,
		.context = test,
		.random = counted_random,
		.topic_find = topic_find,
		.topics_version = 1,
	};
	base_list_init(&test->writes);
	base_writer_init(&test->log, LOG_BYTES);
	assert_int_equal(group_init(&test->group, text("g")).code, PYR_OK);
}

static void collect(struct test *test)
{
	struct base_list *node;
	while ((node = base_list_pop(&test->effects.answers))) {
		struct group_call *call = BASE_CONTAINER(node, struct group_call, node);
		assert_non_null(call->response);
		assert_null(test->answers[call - test->calls]);
		test->answers[call - test->calls] = call->response;
	}
	base_list_splice(&test->writes, &test->effects.writes);
}

static void written(struct test *test)
{
	struct base_list *node;
	while ((node = base_list_pop(&test->writes))) {
		struct group_write *write = BASE_CONTAINER(node, struct group_write, node);
		if (write->records.bytes > 0)
			base_write_bytes(&test->log, write->records.buffer->data, write->records.bytes);
		group_effects_init(&test->effects);
		group_written(write, pyr_ok(), &test->world, &test->effects);
		collect(test);
	}
}

static void close(struct test *test)
{
	written(test);
	group_deinit(&test->group);
	base_writer_deinit(&test->log);
	for (size_t i = 0; i < test->call_count; i++)
		codec_arena_deinit(&test->arenas[i]);
}

static void pass_ms(struct test *test, int64_t ms)
{
	test->world.now_us += (uint64_t)ms * 1000;
	test->world.wall_ms += ms;
	group_effects_init(&test->effects);
	group_tick(&test->group, &test->world, &test->effects);
	collect(test);
	written(test);
}

/* The number of the call, for answers[]. */
static size_t call(struct test *test, int16_t key, int16_t version, const void *request)
{
	size_t i = test->call_count++;
	assert_true(i < CALLS);
	codec_arena_init(&test->arenas[i], ARENA_BYTES);
	test->calls[i] = (struct group_call){
		.key = key,
		.version = version,
		.request = request,
		.client_id = text("client"),
		.client_host = text("/host"),
		.arena = &test->arenas[i],
	};
	group_effects_init(&test->effects);
	group_call(&test->group, &test->calls[i], &test->world, &test->effects);
	collect(test);
	written(test);
	return i;
}

/* ---- members of the classic protocol ---- */

struct subscription {
	uint8_t bytes[256];
	size_t count;
};

static struct base_bytes subscribe(struct subscription *made, unsigned owned)
{
	struct codec_kafka_consumer_protocol_subscription subscription =
		codec_kafka_consumer_protocol_subscription_default;
	struct codec_kafka_consumer_protocol_subscription_topic_partition topic = {.topic = text("t")};
	struct base_bytes name = text("t");
	struct base_writer writer;
	int32_t partitions[PARTITIONS];
	for (int32_t p = 0; p < PARTITIONS; p++)
		if (owned & 1u << p)
			partitions[topic.partitions_count++] = p;
	topic.partitions = partitions;
	subscription.topics = &name;
	subscription.topics_count = 1;
	subscription.owned_partitions = &topic;
	subscription.owned_partitions_count = owned != 0;
	base_writer_init(&writer, sizeof made->bytes);
	base_write_u16be(&writer, 1);
	codec_kafka_consumer_protocol_subscription_encode(&writer, 1, &subscription);
	assert_false(writer.failed);
	made->count = writer.bytes;
	memcpy(made->bytes, writer.buffer->data, writer.bytes);
	base_writer_deinit(&writer);
	return (struct base_bytes){made->bytes, made->count};
}

static size_t join_as(struct test *test, const char *id, const char *instance, struct base_bytes metadata)
{
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	struct codec_kafka_join_group_request_protocol protocol = {text("range"), metadata};
	request.session_timeout_ms = 10000;
	request.rebalance_timeout_ms = 20000;
	request.member_id = text(id);
	request.group_instance_id = instance ? text(instance) : (struct base_bytes){0};
	request.protocol_type = text("consumer");
	request.protocols = &protocol;
	request.protocols_count = 1;
	return call(test, CODEC_KAFKA_JOIN_GROUP, id[0] || instance ? 5 : 3, &request);
}

static size_t join(struct test *test, const char *id, unsigned owned)
{
	struct subscription subscription;
	return join_as(test, id, NULL, subscribe(&subscription, owned));
}

static const struct codec_kafka_join_group_response *joined(const struct test *test, size_t i)
{
	assert_non_null(test->answers[i]);
	return test->answers[i];
}

static void id_of(const struct test *test, size_t i, char to[64])
{
	struct base_bytes id = joined(test, i)->member_id;
	assert_in_range(id.bytes, 1, 63);
	memcpy(to, id.data, id.bytes);
	to[id.bytes] = '\0';
}

static size_t sync(struct test *test, const char *id, int32_t generation, unsigned dealt)
{
	struct codec_kafka_sync_group_request request = codec_kafka_sync_group_request_default;
	struct codec_kafka_sync_group_request_assignment assignment = {.member_id = text(id)};
	struct group_parts parts = {0};
	struct base_slice bytes = {0};
	for (int32_t p = 0; p < PARTITIONS; p++)
		if (dealt & 1u << p)
			assert_true(group_parts_add(&parts, topic_id, p));
	assert_int_equal(group_assignment_write(&parts, 1, &test->world, &bytes).code, PYR_OK);
	assignment.assignment = group_bytes(bytes);
	request.generation = generation;
	request.member_id = text(id);
	request.assignments = &assignment;
	request.assignments_count = dealt != 0;
	size_t i = call(test, CODEC_KAFKA_SYNC_GROUP, 3, &request);
	group_parts_free(&parts);
	base_slice_release(&bytes);
	return i;
}

static int16_t sync_error(const struct test *test, size_t i)
{
	assert_non_null(test->answers[i]);
	return ((const struct codec_kafka_sync_group_response *)test->answers[i])->error_code;
}

/* What SyncGroup told, as bits. */
static unsigned synced(struct test *test, size_t i)
{
	struct codec_kafka_consumer_protocol_assignment assignment;
	unsigned told = 0;
	assert_int_equal(sync_error(test, i), GROUP_NONE);
	struct base_bytes bytes = ((const struct codec_kafka_sync_group_response *)test->answers[i])->assignment;
	assert_int_equal(group_assignment_read(bytes, &test->arenas[i], &assignment).code, PYR_OK);
	for (size_t t = 0; t < assignment.assigned_partitions_count; t++)
		for (size_t p = 0; p < assignment.assigned_partitions[t].partitions_count; p++)
			told |= 1u << assignment.assigned_partitions[t].partitions[p];
	return told;
}

static int16_t heartbeat(struct test *test, const char *id, int32_t generation)
{
	struct codec_kafka_heartbeat_request request = codec_kafka_heartbeat_request_default;
	request.generation = generation;
	request.member_id = text(id);
	size_t i = call(test, CODEC_KAFKA_HEARTBEAT, 3, &request);
	assert_non_null(test->answers[i]);
	return ((const struct codec_kafka_heartbeat_response *)test->answers[i])->error_code;
}

static int16_t leave(struct test *test, const char *id)
{
	struct codec_kafka_leave_group_request request = codec_kafka_leave_group_request_default;
	request.member_id = text(id);
	size_t i = call(test, CODEC_KAFKA_LEAVE_GROUP, 2, &request);
	return ((const struct codec_kafka_leave_group_response *)test->answers[i])->error_code;
}

static int16_t commit(struct test *test, const char *id, int32_t generation)
{
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	struct codec_kafka_offset_commit_request_partition partition = {1, 5, 3, text("note")};
	struct codec_kafka_offset_commit_request_topic topic = {
		.name = text("t"), .partitions = &partition, .partitions_count = 1};
	request.generation = generation;
	request.member_id = text(id);
	request.topics = &topic;
	request.topics_count = 1;
	size_t i = call(test, CODEC_KAFKA_OFFSET_COMMIT, 9, &request);
	return ((const struct codec_kafka_offset_commit_response *)test->answers[i])->topics->partitions->error_code;
}

/* A classic group of one member that has all partitions, in generation 1. */
static void open_classic(struct test *test, char id[64])
{
	open(test);
	size_t i = join(test, "", EAGER);
	id_of(test, i, id);
	assert_int_equal(joined(test, i)->generation, 1);
	assert_int_equal(synced(test, sync(test, id, 1, 0xf)), 0xf);
}

/* ---- members of the consumer protocol ---- */

static const struct codec_kafka_consumer_group_heartbeat_response *
beat_as(struct test *test, const char *id, const char *instance, int32_t epoch, unsigned owned)
{
	struct codec_kafka_consumer_group_heartbeat_request request =
		codec_kafka_consumer_group_heartbeat_request_default;
	struct codec_kafka_consumer_group_heartbeat_request_topic_partition topic = {0};
	struct base_bytes name = text("t");
	int32_t partitions[PARTITIONS];
	for (int32_t p = 0; p < PARTITIONS; p++)
		if (owned & 1u << p)
			partitions[topic.partitions_count++] = p;
	memcpy(topic.topic_id, topic_id, sizeof topic_id);
	topic.partitions = partitions;
	request.member_id = text(id);
	request.member_epoch = epoch;
	request.instance_id = instance ? text(instance) : (struct base_bytes){0};
	request.rebalance_timeout_ms = 20000;
	request.topic_names = &name;
	request.topic_names_count = 1;
	request.topic_partitions = &topic;
	request.topic_partitions_count = owned != 0;
	size_t i = call(test, CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, 1, &request);
	assert_non_null(test->answers[i]);
	return test->answers[i];
}

static const struct codec_kafka_consumer_group_heartbeat_response *beat(struct test *test, const char *id,
                                                                        int32_t epoch, unsigned owned)
{
	return beat_as(test, id, NULL, epoch, owned);
}

static unsigned assigned(const struct codec_kafka_consumer_group_heartbeat_response *response)
{
	unsigned told = 0;
	assert_int_equal(response->error_code, GROUP_NONE);
	assert_true(response->has_assignment);
	for (size_t t = 0; t < response->assignment.topic_partitions_count; t++)
		for (size_t p = 0; p < response->assignment.topic_partitions[t].partitions_count; p++)
			told |= 1u << response->assignment.topic_partitions[t].partitions[p];
	return told;
}

/* ---- the records ---- */

static void read_into(struct group *group, const struct base_writer *log)
{
	struct base_bytes key, value;
	struct base_reader reader = base_reader_init(log->buffer->data, log->bytes);
	assert_int_equal(group_init(group, text("g")).code, PYR_OK);
	while (group_records_next(&reader, &key, &value))
		assert_int_equal(group_restore(group, key, value).code, PYR_OK);
	assert_false(reader.failed);
}

/* What is remembered of both is the same, byte by byte. */
static void check_restored(const struct test *test)
{
	struct group second;
	struct base_writer one, other;
	read_into(&second, &test->log);
	base_writer_init(&one, LOG_BYTES);
	base_writer_init(&other, LOG_BYTES);
	group_snapshot(&test->group, &one);
	group_snapshot(&second, &other);
	assert_int_equal(second.kind, test->group.kind);
	assert_int_equal(one.bytes, other.bytes);
	assert_memory_equal(one.buffer->data, other.buffer->data, one.bytes);
	base_writer_deinit(&one);
	base_writer_deinit(&other);
	group_deinit(&second);
}

/* ---- tests ---- */

static void an_eager_member_gives_up_all_and_gets_its_share(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	const struct codec_kafka_consumer_group_heartbeat_response *told = beat(&test, "new", 0, 0);
	assert_int_equal(test.group.kind, GROUP_CONSUMER);
	assert_int_equal(told->member_epoch, 2);
	assert_int_equal(assigned(told), 0); /* nothing is free yet */
	assert_int_equal(commit(&test, id, 1), GROUP_NONE); /* of what it still has */
	assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS);
	size_t i = join(&test, id, EAGER);
	assert_int_equal(joined(&test, i)->generation, 2);
	assert_int_equal(joined(&test, i)->leader.bytes, 0);
	unsigned kept = synced(&test, sync(&test, id, 2, 0));
	unsigned given = assigned(beat(&test, "new", 2, 0));
	assert_int_equal(kept | given, 0xf);
	assert_int_equal(kept & given, 0);
	assert_int_equal(__builtin_popcount(kept), 2);
	assert_int_equal(heartbeat(&test, id, 2), GROUP_NONE);
	assert_int_equal(commit(&test, id, 1), GROUP_ILLEGAL_GENERATION);
	assert_int_equal(commit(&test, id, 2), GROUP_NONE);
	check_restored(&test);
	close(&test);
}

static void a_cooperative_member_keeps_what_it_may(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS);
	size_t i = join(&test, id, 0xf);
	assert_int_equal(joined(&test, i)->generation, 1); /* until it has given up the rest */
	unsigned kept = synced(&test, sync(&test, id, 1, 0));
	assert_int_equal(__builtin_popcount(kept), 2);
	assert_int_equal(assigned(beat(&test, "new", 2, 0)), 0);
	assert_int_equal(commit(&test, id, 1), GROUP_NONE);
	check_restored(&test);
	assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS);
	i = join(&test, id, kept);
	assert_int_equal(joined(&test, i)->generation, 2);
	assert_int_equal(synced(&test, sync(&test, id, 2, 0)), kept);
	assert_int_equal(assigned(beat(&test, "new", 2, 0)), 0xf & ~kept);
	check_restored(&test);
	close(&test);
}

static void the_last_of_the_new_protocol_leaves_a_classic_group(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	size_t i = join(&test, id, EAGER);
	unsigned kept = synced(&test, sync(&test, id, 2, 0));
	beat(&test, "new", 2, 0);
	beat(&test, "new", -1, 0);
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	assert_string_equal(group_state_name(&test.group), "PreparingRebalance");
	check_restored(&test);
	assert_int_equal(commit(&test, id, 2), GROUP_NONE); /* before it joins again */
	assert_int_equal(heartbeat(&test, id, 2), GROUP_REBALANCE_IN_PROGRESS);
	i = join(&test, id, kept);
	assert_int_equal(joined(&test, i)->generation, 3);
	assert_int_equal(joined(&test, i)->members_count, 1); /* it leads */
	assert_int_equal(synced(&test, sync(&test, id, 3, 0xf)), 0xf);
	assert_int_equal(heartbeat(&test, id, 3), GROUP_NONE);
	check_restored(&test);
	close(&test);
}

/* It had not heard of the newest epoch: it need not lose what it has. */
static void one_that_is_behind_goes_on_till_it_joins(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	assert_int_equal(commit(&test, id, 1), GROUP_NONE);
	beat(&test, "new", -1, 0);
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(commit(&test, id, 1), GROUP_NONE);
	assert_int_equal(commit(&test, id, 2), GROUP_ILLEGAL_GENERATION);
	size_t i = join(&test, id, EAGER);
	assert_int_equal(joined(&test, i)->generation, 3);
	assert_int_equal(heartbeat(&test, id, 1), GROUP_ILLEGAL_GENERATION);
	assert_int_equal(synced(&test, sync(&test, id, 3, 0xf)), 0xf);
	close(&test);
}

static void a_silent_member_of_the_new_protocol_leaves_a_classic_group(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	join(&test, id, EAGER);
	synced(&test, sync(&test, id, 2, 0));
	for (int64_t ms = 0; ms < test.options.consumer_session_timeout_ms; ms += 5000) {
		assert_int_equal(heartbeat(&test, id, 2), GROUP_NONE);
		pass_ms(&test, 5000);
	}
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	assert_int_equal(heartbeat(&test, id, 2), GROUP_REBALANCE_IN_PROGRESS);
	/* It comes back, and is told to join anew: the group is upgraded again. */
	assert_int_equal(beat(&test, "new", 2, 0)->error_code, GROUP_UNKNOWN_MEMBER);
	assert_int_equal(beat(&test, "new", 0, 0)->error_code, GROUP_NONE);
	assert_int_equal(test.group.kind, GROUP_CONSUMER);
	check_restored(&test);
	close(&test);
}

static void who_waits_to_join_is_told_to_join_again(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	size_t other = join(&test, "", EAGER); /* waits for the first to join again */
	assert_null(test.answers[other]);
	beat(&test, "new", 0, 0);
	assert_int_equal(joined(&test, other)->error_code, GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(test.group.consumers->members.count, 3);
	check_restored(&test);
	close(&test);
}

/* Its assignment of before was forgotten when the next rebalance began, but it said what it has. */
static void what_a_cooperative_member_said_that_it_has_stays_its_own(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	assert_int_equal(joined(&test, join(&test, id, 0xf))->generation, 2); /* the leader, so a rebalance */
	size_t other = join(&test, "", EAGER); /* one more: what the leader would deal counts no more */
	assert_null(test.answers[other]);
	assert_int_equal(assigned(beat(&test, "new", 0, 0)), 0);
	const struct group_consumer *member = group_consumer_find(&test.group, text(id));
	assert_int_equal(member->assigned.count, PARTITIONS);
	close(&test);
}

static void what_is_refused_changes_nothing(void **state)
{
	static const enum group_migration refused[] = {GROUP_MIGRATION_NONE, GROUP_MIGRATION_DOWNGRADE};
	const struct codec_kafka_consumer_group_heartbeat_response *told;
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		test.options.migration = refused[i];
		told = beat(&test, "new", 0, 0);
		assert_int_equal(told->error_code, GROUP_ID_NOT_FOUND);
		assert_non_null(memmem(told->error_message.data, told->error_message.bytes, "migration.policy", 16));
		assert_int_equal(heartbeat(&test, id, 1), GROUP_NONE);
	}
	test.options.migration = GROUP_MIGRATION_BOTH;
	size_t other = join_as(&test, "", NULL, text("nonsense"));
	assert_null(test.answers[other]);
	assert_int_equal(beat(&test, "new", 0, 0)->error_code, GROUP_ID_NOT_FOUND);
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS); /* for the other one */
	close(&test);
}

static void the_policy_may_keep_a_group_of_classic_members(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	test.options.migration = GROUP_MIGRATION_UPGRADE;
	beat(&test, "new", 0, 0);
	join(&test, id, EAGER);
	sync(&test, id, 2, 0);
	beat(&test, "new", -1, 0);
	assert_int_equal(test.group.kind, GROUP_CONSUMER);
	assert_int_equal(heartbeat(&test, id, 2), GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(joined(&test, join(&test, id, EAGER))->generation, 3);
	assert_int_equal(synced(&test, sync(&test, id, 3, 0)), 0xf);
	/* It changes by itself when the policy does. */
	test.options.migration = GROUP_MIGRATION_DOWNGRADE;
	assert_int_equal(heartbeat(&test, id, 3), GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	check_restored(&test);
	close(&test);
}

static void a_member_that_does_not_join_or_sync_in_time_is_out(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	for (int32_t i = 0; i < 4; i++) { /* alive, but it never joins */
		assert_int_equal(heartbeat(&test, id, 1), GROUP_REBALANCE_IN_PROGRESS);
		pass_ms(&test, 5000);
	}
	assert_int_equal(heartbeat(&test, id, 1), GROUP_UNKNOWN_MEMBER);
	assert_int_equal(assigned(beat(&test, "new", 2, 0)), 0xf);
	assert_int_equal(joined(&test, join(&test, id, EAGER))->error_code, GROUP_NONE); /* anew */
	for (int32_t i = 0; i < 4; i++) { /* and never asks for its assignment */
		heartbeat(&test, id, 4);
		pass_ms(&test, 5000);
	}
	assert_int_equal(heartbeat(&test, id, 4), GROUP_UNKNOWN_MEMBER);
	check_restored(&test);
	close(&test);
}

static void instances_keep_their_place_across_protocols(void **state)
{
	struct test test;
	struct subscription subscription;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat_as(&test, "new", "i", 0, 0);
	join(&test, id, EAGER);
	unsigned kept = synced(&test, sync(&test, id, 2, 0));
	assert_int_equal(assigned(beat_as(&test, "new", "i", 2, 0)), 0xf & ~kept);
	/* The instance is back with the classic protocol: what it had is its; nobody of the other protocol is left. */
	size_t i = join_as(&test, "", "i", subscribe(&subscription, EAGER));
	assert_int_equal(joined(&test, i)->error_code, GROUP_NONE);
	assert_int_equal(test.group.kind, GROUP_CLASSIC);
	char other[64];
	id_of(&test, i, other);
	assert_int_equal(sync_error(&test, sync(&test, other, joined(&test, i)->generation, 0)),
	                 GROUP_REBALANCE_IN_PROGRESS);
	check_restored(&test);
	/* And with the other again, which makes it a consumer group. */
	assert_int_equal(beat_as(&test, "newer", "i", 0, 0)->error_code, GROUP_NONE);
	assert_int_equal(test.group.kind, GROUP_CONSUMER);
	assert_int_equal(test.group.consumers->members.count, 2);
	assert_int_equal(heartbeat(&test, other, 2), GROUP_UNKNOWN_MEMBER);
	check_restored(&test);
	close(&test);
}

/* Found by fuzz_group_requests. */
static void one_id_is_one_member(void **state)
{
	struct test test;
	(void)state;
	open(&test);
	assert_int_equal(beat(&test, "a", 0, 0)->error_code, GROUP_NONE);
	assert_int_equal(beat_as(&test, "a", "i", 0, 0)->error_code, GROUP_INVALID_REQUEST);
	assert_int_equal(beat_as(&test, "b", "i", 0, 0)->error_code, GROUP_NONE);
	assert_int_equal(beat_as(&test, "b", "i", -2, 0)->error_code, GROUP_NONE);
	assert_int_equal(beat_as(&test, "a", "i", 0, 0)->error_code, GROUP_INVALID_REQUEST);
	assert_int_equal(test.group.consumers->members.count, 2);
	check_restored(&test);
	close(&test);
}

static void a_classic_member_leaves_a_consumer_group(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open_classic(&test, id);
	beat(&test, "new", 0, 0);
	assert_int_equal(leave(&test, "new"), GROUP_UNKNOWN_MEMBER); /* it has its own way */
	assert_int_equal(leave(&test, id), GROUP_NONE);
	assert_int_equal(assigned(beat(&test, "new", 2, 0)), 0xf);
	assert_int_equal(leave(&test, id), GROUP_UNKNOWN_MEMBER);
	check_restored(&test);
	close(&test);
}

static void a_dynamic_member_is_given_an_id_first(void **state)
{
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	struct codec_kafka_join_group_request_protocol protocol = {.name = text("range")};
	struct subscription subscription;
	struct test test;
	char id[64];
	(void)state;
	open(&test);
	beat(&test, "new", 0, 0);
	protocol.metadata = subscribe(&subscription, EAGER);
	request.session_timeout_ms = 10000;
	request.protocol_type = text("consumer");
	request.protocols = &protocol;
	request.protocols_count = 1;
	request.member_id = text("");
	size_t i = call(&test, CODEC_KAFKA_JOIN_GROUP, 9, &request);
	assert_int_equal(joined(&test, i)->error_code, GROUP_MEMBER_ID_REQUIRED);
	assert_int_equal(test.group.consumers->members.count, 1);
	id_of(&test, i, id);
	assert_int_equal(joined(&test, join(&test, id, EAGER))->error_code, GROUP_NONE);
	assert_int_equal(leave(&test, id), GROUP_NONE);
	assert_int_equal(joined(&test, join(&test, id, 0x1))->error_code, GROUP_UNKNOWN_MEMBER); /* has another's */
	assert_int_equal(joined(&test, join(&test, id, EAGER))->error_code, GROUP_NONE);
	/* Another protocol than that of the members that are there. */
	protocol.name = text("other");
	request.member_id = text("somebody");
	i = call(&test, CODEC_KAFKA_JOIN_GROUP, 9, &request);
	assert_int_equal(joined(&test, i)->error_code, GROUP_INCONSISTENT_PROTOCOL);
	protocol.name = text("range");
	protocol.metadata = text("nonsense");
	i = call(&test, CODEC_KAFKA_JOIN_GROUP, 9, &request);
	assert_int_equal(joined(&test, i)->error_code, GROUP_INCONSISTENT_PROTOCOL);
	close(&test);
}

/* A snapshot may stand before records of what it already knows. */
static void a_snapshot_before_the_change_it_knows_is_read(void **state)
{
	struct test test;
	struct base_writer snapshot;
	char id[64];
	(void)state;
	open_classic(&test, id);
	for (int32_t round = 0; round < 2; round++) { /* there and back */
		size_t before = test.log.bytes;
		beat(&test, "new", round == 0 ? 0 : -1, 0);
		base_writer_init(&snapshot, LOG_BYTES);
		base_write_bytes(&snapshot, test.log.buffer->data, before);
		group_snapshot(&test.group, &snapshot);
		base_write_bytes(&snapshot, test.log.buffer->data + before, test.log.bytes - before);
		struct group second;
		read_into(&second, &snapshot);
		assert_int_equal(second.kind, test.group.kind);
		group_deinit(&second);
		base_writer_deinit(&snapshot);
	}
	close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_eager_member_gives_up_all_and_gets_its_share),
		cmocka_unit_test(a_cooperative_member_keeps_what_it_may),
		cmocka_unit_test(the_last_of_the_new_protocol_leaves_a_classic_group),
		cmocka_unit_test(one_that_is_behind_goes_on_till_it_joins),
		cmocka_unit_test(a_silent_member_of_the_new_protocol_leaves_a_classic_group),
		cmocka_unit_test(who_waits_to_join_is_told_to_join_again),
		cmocka_unit_test(what_a_cooperative_member_said_that_it_has_stays_its_own),
		cmocka_unit_test(what_is_refused_changes_nothing),
		cmocka_unit_test(the_policy_may_keep_a_group_of_classic_members),
		cmocka_unit_test(a_member_that_does_not_join_or_sync_in_time_is_out),
		cmocka_unit_test(instances_keep_their_place_across_protocols),
		cmocka_unit_test(one_id_is_one_member),
		cmocka_unit_test(a_classic_member_leaves_a_consumer_group),
		cmocka_unit_test(a_dynamic_member_is_given_an_id_first),
		cmocka_unit_test(a_snapshot_before_the_change_it_knows_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
