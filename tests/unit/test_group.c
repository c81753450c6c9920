/* The machine of one group, event by event: what is answered, what is written, what time does. No log, no loop. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "group/machine.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 64, ARENA_BYTES = 1 << 20 };

struct test {
	struct group group;
	struct group_options options;
	struct group_world world;
	struct group_effects effects;
	struct base_list writes; /* of all events, not yet durable */
	struct group_call calls[CALLS];
	struct codec_arena arenas[CALLS];
	const void *answers[CALLS]; /* NULL: not answered */
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

static bool one_topic(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic)
{
	(void)context;
	(void)id;
	*ret_topic = (struct group_topic){.name = text("t"), .id = {7}, .partition_count = 4};
	return name.data && group_same(name, text("t"));
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
		.topic_find = one_topic,
	};
	base_list_init(&test->writes);
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

static void written(struct test *test, enum pyr_code code)
{
	struct base_list *node;
	while ((node = base_list_pop(&test->writes))) {
		group_effects_init(&test->effects);
		group_written(BASE_CONTAINER(node, struct group_write, node), pyr_result_of(code), &test->world,
		              &test->effects);
		collect(test);
	}
}

static void close(struct test *test)
{
	written(test, PYR_STOPPED);
	group_deinit(&test->group);
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
}

/* The number of the call, for answer(). */
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
	return i;
}

/* ---- requests ---- */

struct joining {
	const char *id, *instance, *type, *protocols; /* protocols: one letter each */
	int16_t version;
};

static size_t join(struct test *test, struct joining wanted)
{
	struct codec_kafka_join_group_request request = codec_kafka_join_group_request_default;
	struct codec_kafka_join_group_request_protocol protocols[4];
	request.session_timeout_ms = 10000;
	request.rebalance_timeout_ms = 20000;
	request.member_id = text(wanted.id ? wanted.id : "");
	request.group_instance_id = wanted.instance ? text(wanted.instance) : (struct base_bytes){0};
	request.protocol_type = text(wanted.type ? wanted.type : "consumer");
	const char *names = wanted.protocols ? wanted.protocols : "r";
	for (size_t i = 0; names[i]; i++) {
		protocols[i].name = (struct base_bytes){(const uint8_t *)names + i, 1};
		protocols[i].metadata = text("all");
		request.protocols_count = i + 1;
	}
	request.protocols = protocols;
	return call(test, CODEC_KAFKA_JOIN_GROUP, wanted.version ? wanted.version : 3, &request);
}

static const struct codec_kafka_join_group_response *joined(const struct test *test, size_t i)
{
	assert_non_null(test->answers[i]);
	return test->answers[i];
}

static void copy(struct base_bytes from, char to[64])
{
	assert_in_range(from.bytes, 1, 63);
	memcpy(to, from.data, from.bytes);
	to[from.bytes] = '\0';
}

static size_t sync_with(struct test *test, const char *id, int32_t generation, const char *first, const char *second)
{
	struct codec_kafka_sync_group_request request = codec_kafka_sync_group_request_default;
	struct codec_kafka_sync_group_request_assignment assignments[2];
	request.generation = generation;
	request.member_id = text(id);
	request.assignments = assignments;
	if (first)
		assignments[request.assignments_count++] =
			(struct codec_kafka_sync_group_request_assignment){text(first), text("A")};
	if (second)
		assignments[request.assignments_count++] =
			(struct codec_kafka_sync_group_request_assignment){text(second), text("B")};
	return call(test, CODEC_KAFKA_SYNC_GROUP, 3, &request);
}

static int16_t heartbeat(struct test *test, const char *id, int32_t generation)
{
	struct codec_kafka_heartbeat_request request = codec_kafka_heartbeat_request_default;
	request.generation = generation;
	request.member_id = text(id);
	size_t i = call(test, CODEC_KAFKA_HEARTBEAT, 3, &request);
	return ((const struct codec_kafka_heartbeat_response *)test->answers[i])->error_code;
}

static size_t commit(struct test *test, const char *id, int32_t generation, int64_t offset)
{
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	struct codec_kafka_offset_commit_request_partition partition = {1, offset, 3, text("note")};
	struct codec_kafka_offset_commit_request_topic topic = {
		.name = text("t"), .partitions = &partition, .partitions_count = 1};
	request.generation = generation;
	request.member_id = text(id);
	request.topics = &topic;
	request.topics_count = 1;
	return call(test, CODEC_KAFKA_OFFSET_COMMIT, 7, &request);
}

static int16_t committed(const struct test *test, size_t i)
{
	assert_non_null(test->answers[i]);
	return ((const struct codec_kafka_offset_commit_response *)test->answers[i])
	        ->topics[0]
	        .partitions[0]
	        .error_code;
}

static int64_t fetched(struct test *test)
{
	int32_t index = 1;
	struct codec_arena arena;
	struct codec_kafka_offset_fetch_request_group_topic topic = {
		.name = text("t"), .indexes = &index, .indexes_count = 1};
	struct codec_kafka_offset_fetch_request_group asked = {.topics = &topic, .topics_count = 1};
	struct codec_kafka_offset_fetch_response_group told;
	codec_arena_init(&arena, ARENA_BYTES);
	group_offsets_fetch(&test->group, &test->world, &arena, 8, &asked, &told);
	int64_t offset = told.topics[0].partitions[0].offset;
	codec_arena_deinit(&arena);
	return offset;
}

/* Two members in a stable generation; their ids. */
static int32_t two_members(struct test *test, char one[64], char two[64])
{
	size_t first = join(test, (struct joining){0});
	copy(joined(test, first)->member_id, one);
	size_t second = join(test, (struct joining){0});
	first = join(test, (struct joining){.id = one});
	copy(joined(test, second)->member_id, two);
	int32_t generation = joined(test, first)->generation;
	assert_int_equal(joined(test, second)->generation, generation);
	assert_int_equal(joined(test, first)->members_count, 2);
	assert_int_equal(joined(test, second)->members_count, 0);
	size_t waiting = sync_with(test, two, generation, NULL, NULL);
	assert_null(test->answers[waiting]);
	size_t leading = sync_with(test, one, generation, one, two);
	assert_null(test->answers[leading]);
	written(test, PYR_OK);
	const struct codec_kafka_sync_group_response *response = test->answers[waiting];
	assert_non_null(response);
	assert_memory_equal(response->assignment.data, "B", 1);
	assert_non_null(test->answers[leading]);
	return generation;
}

/* ---- tests ---- */

static void an_assignment_is_told_when_it_is_durable(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	int32_t generation = two_members(&test, one, two);
	assert_int_equal(test.group.state, GROUP_STABLE);
	assert_int_equal(heartbeat(&test, one, generation), GROUP_NONE);
	assert_int_equal(heartbeat(&test, two, generation - 1), GROUP_ILLEGAL_GENERATION);
	assert_int_equal(heartbeat(&test, "nobody", generation), GROUP_UNKNOWN_MEMBER);
	close(&test);
}

static void an_assignment_that_can_t_be_written_leads_to_another_rebalance(void **state)
{
	struct test test;
	char one[64];
	(void)state;
	open(&test);
	copy(joined(&test, join(&test, (struct joining){0}))->member_id, one);
	size_t i = sync_with(&test, one, 1, one, NULL);
	written(&test, PYR_BUSY);
	const struct codec_kafka_sync_group_response *response = test.answers[i];
	assert_int_equal(response->error_code, GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(test.group.state, GROUP_PREPARING);
	assert_int_equal(joined(&test, join(&test, (struct joining){.id = one}))->generation, 2);
	close(&test);
}

static void a_silent_member_is_left_out(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	int32_t generation = two_members(&test, one, two);
	pass_ms(&test, 9000);
	assert_int_equal(heartbeat(&test, one, generation), GROUP_NONE);
	assert_true(group_deadline_us(&test.group) <= test.world.now_us + 1000000);
	pass_ms(&test, 1000);
	assert_int_equal(test.group.members.count, 1);
	assert_int_equal(heartbeat(&test, one, generation), GROUP_REBALANCE_IN_PROGRESS);
	assert_int_equal(joined(&test, join(&test, (struct joining){.id = one}))->generation, generation + 1);
	close(&test);
}

static void who_does_not_join_again_is_left_out(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	int32_t generation = two_members(&test, one, two);
	size_t again = join(&test, (struct joining){.id = one});
	assert_null(test.answers[again]);
	for (int i = 0; i < 3; i++) {
		pass_ms(&test, 6000);
		assert_int_equal(heartbeat(&test, two, generation), GROUP_REBALANCE_IN_PROGRESS);
	}
	assert_null(test.answers[again]);
	pass_ms(&test, 2000);
	assert_int_equal(joined(&test, again)->members_count, 1);
	assert_int_equal(heartbeat(&test, two, generation), GROUP_UNKNOWN_MEMBER);
	close(&test);
}

static void who_joins_and_never_syncs_is_left_out(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	int32_t generation = two_members(&test, one, two);
	size_t second = join(&test, (struct joining){.id = two, .protocols = "rs"});
	size_t first = join(&test, (struct joining){.id = one});
	assert_int_equal(joined(&test, first)->generation, generation + 1);
	assert_int_equal(joined(&test, second)->generation, generation + 1);
	sync_with(&test, one, generation + 1, one, two);
	written(&test, PYR_OK);
	for (int i = 0; i < 3; i++) {
		pass_ms(&test, 6000);
		assert_int_equal(heartbeat(&test, two, generation + 1), GROUP_NONE);
		assert_int_equal(heartbeat(&test, one, generation + 1), GROUP_NONE);
	}
	pass_ms(&test, 2000);
	assert_int_equal(test.group.state, GROUP_PREPARING);
	assert_int_equal(heartbeat(&test, two, generation + 1), GROUP_UNKNOWN_MEMBER);
	close(&test);
}

static void newer_clients_join_with_the_id_they_were_given(void **state)
{
	struct test test;
	char id[64];
	(void)state;
	open(&test);
	size_t i = join(&test, (struct joining){.version = 5});
	assert_int_equal(joined(&test, i)->error_code, GROUP_MEMBER_ID_REQUIRED);
	copy(joined(&test, i)->member_id, id);
	assert_false(group_has_members(&test.group));
	i = join(&test, (struct joining){.version = 5, .id = id});
	assert_int_equal(joined(&test, i)->error_code, GROUP_NONE);
	i = join(&test, (struct joining){.version = 5});
	pass_ms(&test, 10000); /* who does not come back is forgotten */
	assert_true(base_list_empty(&test.group.pendings));
	i = join(&test, (struct joining){.version = 5, .id = "made up"});
	assert_int_equal(joined(&test, i)->error_code, GROUP_UNKNOWN_MEMBER);
	close(&test);
}

static void the_protocol_is_one_that_all_know(void **state)
{
	struct test test;
	char one[64];
	(void)state;
	open(&test);
	copy(joined(&test, join(&test, (struct joining){.protocols = "ab"}))->member_id, one);
	size_t second = join(&test, (struct joining){.protocols = "bc"});
	join(&test, (struct joining){.id = one, .protocols = "ab"});
	assert_memory_equal(joined(&test, second)->protocol_name.data, "b", 1);
	size_t other = join(&test, (struct joining){.protocols = "z"});
	assert_int_equal(joined(&test, other)->error_code, GROUP_INCONSISTENT_PROTOCOL);
	other = join(&test, (struct joining){.protocols = "b", .type = "connect"});
	assert_int_equal(joined(&test, other)->error_code, GROUP_INCONSISTENT_PROTOCOL);
	close(&test);
}

static void an_instance_takes_over_its_own_place(void **state)
{
	struct test test;
	char old[64], new[64];
	(void)state;
	open(&test);
	copy(joined(&test, join(&test, (struct joining){.instance = "i", .version = 5}))->member_id, old);
	sync_with(&test, old, 1, old, NULL);
	written(&test, PYR_OK);
	size_t again = join(&test, (struct joining){.instance = "i", .version = 5});
	assert_null(test.answers[again]); /* until its new id is durable */
	written(&test, PYR_OK);
	copy(joined(&test, again)->member_id, new);
	assert_string_not_equal(old, new);
	assert_int_equal(joined(&test, again)->generation, 1);
	assert_int_equal(test.group.state, GROUP_STABLE);
	size_t i = join(&test, (struct joining){.instance = "i", .id = old, .version = 5});
	assert_int_equal(joined(&test, i)->error_code, GROUP_FENCED_INSTANCE);
	assert_int_equal(heartbeat(&test, new, 1), GROUP_NONE);
	close(&test);
}

static void a_commit_holds_when_it_is_durable(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	size_t alone = commit(&test, "", -1, 5);
	assert_int_equal(fetched(&test), -1);
	written(&test, PYR_OK);
	assert_int_equal(committed(&test, alone), GROUP_NONE);
	assert_int_equal(fetched(&test), 5);
	size_t lost = commit(&test, "", -1, 6);
	written(&test, PYR_STOPPED);
	assert_int_equal(committed(&test, lost), GROUP_NOT_AVAILABLE);
	assert_int_equal(fetched(&test), 5);
	int32_t generation = two_members(&test, one, two);
	assert_int_equal(committed(&test, commit(&test, "", -1, 9)), GROUP_UNKNOWN_MEMBER);
	assert_int_equal(committed(&test, commit(&test, one, generation - 1, 9)), GROUP_ILLEGAL_GENERATION);
	size_t good = commit(&test, one, generation, 9);
	written(&test, PYR_OK);
	assert_int_equal(committed(&test, good), GROUP_NONE);
	assert_int_equal(fetched(&test), 9);
	close(&test);
}

static void expire(struct test *test, int64_t ms)
{
	test->world.wall_ms += ms;
	group_effects_init(&test->effects);
	group_expire(&test->group, &test->world, &test->effects);
	collect(test);
	written(test, PYR_OK);
}

static void offsets_of_a_group_without_members_expire(void **state)
{
	struct test test;
	(void)state;
	open(&test);
	commit(&test, "", -1, 5);
	written(&test, PYR_OK);
	expire(&test, test.options.offsets_retention_ms - 1);
	assert_int_equal(fetched(&test), 5);
	expire(&test, 1);
	assert_int_equal(fetched(&test), -1);
	assert_true(group_is_gone(&test.group));
	close(&test);
}

static void what_is_written_restores_the_group(void **state)
{
	struct test test;
	struct base_writer records;
	struct base_bytes key, value, id;
	char one[64], two[64];
	(void)state;
	open(&test);
	int32_t generation = two_members(&test, one, two);
	commit(&test, one, generation, 9);
	written(&test, PYR_OK);
	base_writer_init(&records, 1 << 20);
	group_snapshot(&test.group, &records);
	group_deinit(&test.group);
	assert_int_equal(group_init(&test.group, text("g")).code, PYR_OK);
	struct base_reader reader = base_reader_init(records.buffer->data, records.bytes);
	while (group_records_next(&reader, &key, &value)) {
		assert_int_equal(group_record_group(key, &id).code, PYR_OK);
		assert_true(group_same(id, text("g")));
		assert_int_equal(group_restore(&test.group, key, value).code, PYR_OK);
		assert_int_equal(group_restore(&test.group, key, value).code, PYR_OK); /* twice does no harm */
	}
	base_writer_deinit(&records);
	group_restored(&test.group, &test.world);
	assert_int_equal(test.group.state, GROUP_STABLE);
	assert_int_equal(heartbeat(&test, one, generation), GROUP_NONE);
	assert_int_equal(heartbeat(&test, two, generation), GROUP_NONE);
	assert_int_equal(fetched(&test), 9);
	const struct codec_kafka_sync_group_response *response =
		test.answers[sync_with(&test, two, generation, NULL, NULL)];
	assert_memory_equal(response->assignment.data, "B", 1);
	close(&test);
}

static void a_group_is_deleted_when_nobody_is_in_it(void **state)
{
	struct test test;
	char one[64], two[64];
	(void)state;
	open(&test);
	two_members(&test, one, two);
	group_effects_init(&test.effects);
	assert_int_equal(group_delete(&test.group, &test.effects), GROUP_NON_EMPTY);
	pass_ms(&test, 10000);
	pass_ms(&test, 10000);
	written(&test, PYR_OK);
	assert_false(group_has_members(&test.group));
	assert_false(group_is_gone(&test.group));
	group_effects_init(&test.effects);
	assert_int_equal(group_delete(&test.group, &test.effects), GROUP_NONE);
	collect(&test);
	written(&test, PYR_OK);
	assert_true(group_is_gone(&test.group));
	close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_assignment_is_told_when_it_is_durable),
		cmocka_unit_test(an_assignment_that_can_t_be_written_leads_to_another_rebalance),
		cmocka_unit_test(a_silent_member_is_left_out),
		cmocka_unit_test(who_does_not_join_again_is_left_out),
		cmocka_unit_test(who_joins_and_never_syncs_is_left_out),
		cmocka_unit_test(newer_clients_join_with_the_id_they_were_given),
		cmocka_unit_test(the_protocol_is_one_that_all_know),
		cmocka_unit_test(an_instance_takes_over_its_own_place),
		cmocka_unit_test(a_commit_holds_when_it_is_durable),
		cmocka_unit_test(offsets_of_a_group_without_members_expire),
		cmocka_unit_test(what_is_written_restores_the_group),
		cmocka_unit_test(a_group_is_deleted_when_nobody_is_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
