/* Sequences of requests to one group, of both protocols, with time, lost writes and crashes between them: four bytes say what
 * happens next, to whom and with what. Whatever comes: every call is answered once, no partition is owned twice, and what was
 * written says what is remembered. */
#include "group/consumer.h"

#include <stdlib.h>

enum { PARTITIONS = 4, SLOTS = 5, STEPS_MAX = 200, METADATA_BYTES = 128, LOG_BYTES = 1 << 24, ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A member, as its client would know it. */
struct slot {
	char id[80];
	int32_t generation;
};

struct play {
	struct group group;
	struct group_options options;
	struct group_world world;
	struct base_list writes; /* not yet durable */
	struct base_writer log;
	struct slot slots[SLOTS];
	size_t calls; /* not answered */
	uint64_t random;
};

struct asked {
	struct group_call call;
	struct codec_arena arena;
	struct play *play;
	struct slot *slot;
	uint8_t metadata[METADATA_BYTES], plan[METADATA_BYTES];
	struct codec_kafka_join_group_request_protocol protocol;
	struct codec_kafka_sync_group_request_assignment assignment;
	struct codec_kafka_offset_commit_request_topic commit_topic;
	struct codec_kafka_offset_commit_request_partition commit_partition;
	struct codec_kafka_consumer_group_heartbeat_request_topic_partition owned;
	struct base_bytes name;
	int32_t numbers[PARTITIONS];
	char id[80];
	union {
		struct codec_kafka_join_group_request join;
		struct codec_kafka_sync_group_request sync;
		struct codec_kafka_heartbeat_request heartbeat;
		struct codec_kafka_leave_group_request leave;
		struct codec_kafka_offset_commit_request commit;
		struct codec_kafka_consumer_group_heartbeat_request beat;
	} message;
};

static const uint8_t topic_id[GROUP_UUID_BYTES] = {7};

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void counted_random(void *context, void *ret_bytes, size_t bytes)
{
	struct play *play = context;
	memset(ret_bytes, 0, bytes);
	play->random += 1;
	memcpy(ret_bytes, &play->random, bytes < sizeof play->random ? bytes : sizeof play->random);
}

static bool topic_find(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic)
{
	(void)context;
	*ret_topic = (struct group_topic){.name = text("t"), .id = {7}, .partition_count = PARTITIONS};
	return name.data ? group_same(name, text("t")) : memcmp(id, topic_id, sizeof topic_id) == 0;
}

/* ---- effects ---- */

static void keep_id(struct slot *slot, struct base_bytes id)
{
	if (id.bytes == 0 || id.bytes >= sizeof slot->id)
		return;
	memcpy(slot->id, id.data, id.bytes);
	slot->id[id.bytes] = '\0';
}

static void hear(struct asked *asked, const void *response)
{
	struct slot *slot = asked->slot;
	if (asked->call.key == CODEC_KAFKA_JOIN_GROUP) {
		const struct codec_kafka_join_group_response *joined = response;
		keep_id(slot, joined->member_id);
		slot->generation = joined->generation;
	} else if (asked->call.key == CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT) {
		const struct codec_kafka_consumer_group_heartbeat_response *beat = response;
		if (beat->error_code == GROUP_NONE)
			slot->generation = beat->member_epoch;
	}
}

static void carry_out(struct play *play, struct group_effects *effects)
{
	struct base_list *node;
	while ((node = base_list_pop(&effects->answers))) {
		struct asked *asked = BASE_CONTAINER(node, struct asked, call.node);
		must(asked->call.response && play->calls > 0);
		hear(asked, asked->call.response);
		play->calls -= 1;
		codec_arena_deinit(&asked->arena);
		free(asked);
	}
	base_list_splice(&play->writes, &effects->writes);
}

static void write_next(struct play *play, bool ok)
{
	struct group_effects effects;
	struct base_list *node = base_list_pop(&play->writes);
	if (!node)
		return;
	struct group_write *write = BASE_CONTAINER(node, struct group_write, node);
	if (ok && write->records.bytes > 0)
		base_write_bytes(&play->log, write->records.buffer->data, write->records.bytes);
	group_effects_init(&effects);
	group_written(write, ok ? pyr_ok() : pyr_result_of(PYR_IO), &play->world, &effects);
	carry_out(play, &effects);
}

/* What was written alone, as a start reads it. */
static void read_log(struct play *play, struct group *group)
{
	struct base_bytes key, value;
	const uint8_t *data = play->log.bytes > 0 ? play->log.buffer->data : NULL;
	struct base_reader reader = base_reader_init(data, play->log.bytes);
	must(group_init(group, text("g")).code == PYR_OK);
	while (group_records_next(&reader, &key, &value))
		must(group_restore(group, key, value).code == PYR_OK);
	group_restored(group, &play->world);
}

/* A write that fails is followed by this, too: memory is ahead of the log. */
static void crash(struct play *play)
{
	struct group_effects effects;
	while (!base_list_empty(&play->writes))
		write_next(play, false);
	group_effects_init(&effects);
	group_refuse_waiting(&play->group, &effects);
	carry_out(play, &effects);
	while (!base_list_empty(&play->writes))
		write_next(play, false);
	must(play->calls == 0);
	group_deinit(&play->group);
	read_log(play, &play->group);
}

/* ---- requests ---- */

static struct asked *ask(struct play *play, uint8_t who, int16_t key, int16_t version)
{
	struct asked *asked = calloc(1, sizeof *asked);
	must(asked);
	asked->play = play;
	asked->slot = &play->slots[who % SLOTS];
	memcpy(asked->id, asked->slot->id, sizeof asked->id);
	codec_arena_init(&asked->arena, ARENA_BYTES);
	asked->call = (struct group_call){.key = key,
	                                  .version = version,
	                                  .request = &asked->message,
	                                  .client_id = text("c"),
	                                  .client_host = text("/h"),
	                                  .arena = &asked->arena};
	base_list_init(&asked->call.node);
	return asked;
}

static void send(struct play *play, struct asked *asked)
{
	struct group_effects effects;
	group_effects_init(&effects);
	play->calls += 1;
	group_call(&play->group, &asked->call, &play->world, &effects);
	carry_out(play, &effects);
}

static size_t numbers_of(uint8_t bits, int32_t numbers[PARTITIONS])
{
	size_t count = 0;
	for (int32_t p = 0; p < PARTITIONS; p++)
		if (bits & 1u << p)
			numbers[count++] = p;
	return count;
}

static struct base_bytes take(struct base_writer *writer, uint8_t to[METADATA_BYTES])
{
	size_t bytes = writer->bytes;
	must(!writer->failed && bytes <= METADATA_BYTES);
	memcpy(to, writer->buffer->data, bytes);
	base_writer_deinit(writer);
	return (struct base_bytes){to, bytes};
}

static struct base_bytes subscription(struct asked *asked, uint8_t owned)
{
	struct codec_kafka_consumer_protocol_subscription made = codec_kafka_consumer_protocol_subscription_default;
	struct codec_kafka_consumer_protocol_subscription_topic_partition topic = {.topic = text("t")};
	struct base_writer writer;
	asked->name = text("t");
	topic.partitions = asked->numbers;
	topic.partitions_count = numbers_of(owned, asked->numbers);
	made.topics = &asked->name;
	made.topics_count = 1;
	made.owned_partitions = &topic;
	made.owned_partitions_count = topic.partitions_count > 0;
	base_writer_init(&writer, METADATA_BYTES);
	base_write_u16be(&writer, 1);
	codec_kafka_consumer_protocol_subscription_encode(&writer, 1, &made);
	return take(&writer, asked->metadata);
}

static struct base_bytes plan(struct asked *asked, uint8_t dealt)
{
	struct codec_kafka_consumer_protocol_assignment made = codec_kafka_consumer_protocol_assignment_default;
	struct codec_kafka_consumer_protocol_assignment_topic_partition topic = {.topic = text("t")};
	struct base_writer writer;
	topic.partitions = asked->numbers;
	topic.partitions_count = numbers_of(dealt, asked->numbers);
	made.assigned_partitions = &topic;
	made.assigned_partitions_count = 1;
	base_writer_init(&writer, METADATA_BYTES);
	base_write_u16be(&writer, 1);
	codec_kafka_consumer_protocol_assignment_encode(&writer, 1, &made);
	return take(&writer, asked->plan);
}

/* more: 1: an instance, 2: not a consumer's subscription, 4: with no id, 8: an older version. */
static void join(struct play *play, uint8_t who, uint8_t owned, uint8_t more)
{
	struct asked *asked = ask(play, who, CODEC_KAFKA_JOIN_GROUP, more & 8 ? 3 : 9);
	struct codec_kafka_join_group_request *join = &asked->message.join;
	*join = codec_kafka_join_group_request_default;
	join->member_id = text(more & 4 ? "" : asked->id);
	join->group_instance_id = more & 1 ? text("i") : (struct base_bytes){0};
	join->session_timeout_ms = 10000;
	join->rebalance_timeout_ms = 5000;
	join->protocol_type = text(more & 64 ? "connect" : "consumer");
	asked->protocol.name = text("r");
	asked->protocol.metadata = more & 2 ? text("x") : subscription(asked, owned);
	join->protocols = &asked->protocol;
	join->protocols_count = 1;
	send(play, asked);
}

static void sync(struct play *play, uint8_t who, uint8_t dealt, uint8_t more)
{
	struct asked *asked = ask(play, who, CODEC_KAFKA_SYNC_GROUP, 3);
	struct codec_kafka_sync_group_request *sync = &asked->message.sync;
	*sync = codec_kafka_sync_group_request_default;
	sync->generation = asked->slot->generation - (more & 1);
	sync->member_id = text(asked->id);
	asked->assignment.member_id = text(play->slots[more % SLOTS].id);
	asked->assignment.assignment = more & 2 ? text("x") : plan(asked, dealt);
	sync->assignments = &asked->assignment;
	sync->assignments_count = dealt > 0;
	send(play, asked);
}

static void heartbeat(struct play *play, uint8_t who, uint8_t more)
{
	struct asked *asked = ask(play, who, CODEC_KAFKA_HEARTBEAT, 3);
	asked->message.heartbeat = codec_kafka_heartbeat_request_default;
	asked->message.heartbeat.generation = asked->slot->generation - (more & 1);
	asked->message.heartbeat.member_id = text(asked->id);
	asked->message.heartbeat.group_instance_id = more & 2 ? text("i") : (struct base_bytes){0};
	send(play, asked);
}

static void leave(struct play *play, uint8_t who)
{
	struct asked *asked = ask(play, who, CODEC_KAFKA_LEAVE_GROUP, 2);
	asked->message.leave = codec_kafka_leave_group_request_default;
	asked->message.leave.member_id = text(asked->id);
	send(play, asked);
}

static void commit(struct play *play, uint8_t who, uint8_t partition, uint8_t more)
{
	struct asked *asked = ask(play, who, CODEC_KAFKA_OFFSET_COMMIT, 9);
	struct codec_kafka_offset_commit_request *commit = &asked->message.commit;
	*commit = codec_kafka_offset_commit_request_default;
	commit->generation = more & 2 ? -1 : asked->slot->generation - (more & 1);
	commit->member_id = text(more & 2 ? "" : asked->id);
	asked->commit_partition = (struct codec_kafka_offset_commit_request_partition){partition, more, -1, text("")};
	asked->commit_topic.name = text("t");
	asked->commit_topic.partitions = &asked->commit_partition;
	asked->commit_topic.partitions_count = 1;
	commit->topics = &asked->commit_topic;
	commit->topics_count = 1;
	send(play, asked);
}

static void beat(struct play *play, uint8_t who, uint8_t owned, uint8_t more)
{
	static const char *const ids[SLOTS] = {"a", "b", "c", "d", "e"};
	struct asked *asked = ask(play, who, CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, 1);
	struct codec_kafka_consumer_group_heartbeat_request *beat = &asked->message.beat;
	bool joins = more & 1;
	if (joins)
		keep_id(asked->slot, text(ids[who % SLOTS]));
	memcpy(asked->id, asked->slot->id, sizeof asked->id);
	*beat = codec_kafka_consumer_group_heartbeat_request_default;
	beat->member_id = text(asked->id);
	beat->instance_id = more & 2 ? text("i") : (struct base_bytes){0};
	beat->member_epoch = joins ? 0 : more & 4 ? -1 : more & 8 ? -2 : asked->slot->generation - (more >> 7);
	if (joins || more & 16) {
		asked->name = text("t");
		beat->rebalance_timeout_ms = 5000;
		beat->topic_names = &asked->name;
		beat->topic_names_count = 1;
		beat->topic_partitions = &asked->owned;
		memcpy(asked->owned.topic_id, topic_id, sizeof topic_id);
		asked->owned.partitions = asked->numbers;
		asked->owned.partitions_count = numbers_of(owned, asked->numbers);
		beat->topic_partitions_count = !joins && asked->owned.partitions_count > 0;
	}
	send(play, asked);
}

/* ---- what must hold ---- */

static void nothing_is_owned_twice(const struct group *group)
{
	if (!group->consumers)
		return;
	const struct base_list *head = &group->consumers->list;
	size_t classic = 0;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		for (size_t i = 0; i < member->assigned.count; i++)
			must(!group_part_is_taken(group, member, &member->assigned.items[i]));
		for (size_t i = 0; i < member->revoking.count; i++)
			must(!group_part_is_taken(group, member, &member->revoking.items[i]));
		classic += group_consumer_is_classic(member);
	}
	must(classic == group->consumers->classic_count);
}

/* When all is written, what is read says what is remembered; but a classic group between generations has no members there. */
static void what_is_written_is_remembered(struct play *play)
{
	struct base_writer one, other;
	struct group read;
	while (!base_list_empty(&play->writes))
		write_next(play, true);
	read_log(play, &read);
	must(read.kind == play->group.kind && read.offsets.count == play->group.offsets.count);
	base_writer_init(&one, LOG_BYTES);
	base_writer_init(&other, LOG_BYTES);
	group_snapshot(&play->group, &one);
	group_snapshot(&read, &other);
	if (play->group.kind == GROUP_CONSUMER)
		must(one.bytes == other.bytes);
	base_writer_deinit(&one);
	base_writer_deinit(&other);
	group_deinit(&read);
}

static void step(struct play *play, const uint8_t at[4])
{
	struct group_effects effects;
	uint8_t who = at[1], bits = at[2], more = at[3];
	group_effects_init(&effects);
	switch (at[0] % 12) {
	case 0:
		join(play, who, bits, more);
		break;
	case 1:
		sync(play, who, bits, more);
		break;
	case 2:
		heartbeat(play, who, more);
		break;
	case 3:
		leave(play, who);
		break;
	case 4:
		commit(play, who, bits % PARTITIONS, more);
		break;
	case 5:
	case 6:
		beat(play, who, bits, more);
		break;
	case 7:
		play->world.now_us += (uint64_t)more * 200000;
		play->world.wall_ms += more * 200;
		group_tick(&play->group, &play->world, &effects);
		carry_out(play, &effects);
		break;
	case 8:
	case 9:
		write_next(play, true);
		break;
	case 10:
		crash(play);
		break;
	default:
		play->options.migration = (enum group_migration)(more % 4);
		play->world.topics_version += bits & 1;
		break;
	}
	nothing_is_owned_twice(&play->group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct play play = {.options = group_options_default()};
	play.options.initial_delay_ms = 0;
	play.world = (struct group_world){
		.now_us = 1000000,
		.wall_ms = 5000,
		.options = &play.options,
		.context = &play,
		.random = counted_random,
		.topic_find = topic_find,
		.topics_version = 1,
	};
	base_list_init(&play.writes);
	base_writer_init(&play.log, LOG_BYTES);
	must(group_init(&play.group, text("g")).code == PYR_OK);
	for (size_t i = 0; i < bytes / 4 && i < STEPS_MAX; i++)
		step(&play, data + i * 4);
	what_is_written_is_remembered(&play);
	crash(&play);
	group_deinit(&play.group);
	base_writer_deinit(&play.log);
	return 0;
}
