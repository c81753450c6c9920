/* What ConsumerGroupDescribe tells of a consumer group. Pure (see machine.h). */
#include "group/consumer.h"

enum { MEMBER_CLASSIC = 0, MEMBER_CONSUMER = 1 }; /* the protocol that it uses, as Kafka numbers them */

static bool tell_parts(const struct group_parts *parts, const struct group_world *world, struct codec_arena *arena,
                       struct codec_kafka_consumer_group_describe_response_assignment *told)
{
	int32_t *numbers = codec_arena_alloc(arena, parts->count, sizeof *numbers);
	told->topic_partitions = codec_arena_alloc(arena, parts->count, sizeof *told->topic_partitions);
	if (!numbers || !told->topic_partitions)
		return false;
	for (size_t i = 0; i < parts->count; i++) {
		const struct group_part *part = &parts->items[i];
		struct group_topic topic;
		numbers[i] = part->partition;
		if (i == 0 || memcmp(part->topic, parts->items[i - 1].topic, GROUP_UUID_BYTES) != 0) {
			struct codec_kafka_consumer_group_describe_response_topic_partition *next =
				&told->topic_partitions[told->topic_partitions_count++];
			bool known = world->topic_find(world->context, (struct base_bytes){0}, part->topic, &topic);
			memcpy(next->topic_id, part->topic, GROUP_UUID_BYTES);
			next->topic_name = known ? group_copy(arena, topic.name) : (struct base_bytes){0};
			next->partitions = &numbers[i];
		}
		told->topic_partitions[told->topic_partitions_count - 1].partitions_count += 1;
	}
	return true;
}

static bool tell_member(const struct group_consumer *member, const struct group_world *world, struct codec_arena *arena,
                        struct codec_kafka_consumer_group_describe_response_member *told)
{
	*told = codec_kafka_consumer_group_describe_response_member_default;
	told->member_id = group_copy(arena, group_bytes(member->id));
	told->instance_id = group_copy(arena, group_bytes(member->instance_id));
	told->rack_id = group_copy(arena, group_bytes(member->rack_id));
	told->member_epoch = member->epoch;
	told->client_id = group_copy(arena, group_bytes(member->client_id));
	told->client_host = group_copy(arena, group_bytes(member->client_host));
	told->topic_regex = group_copy(arena, group_bytes(member->regex));
	told->member_type = group_consumer_is_classic(member) ? MEMBER_CLASSIC : MEMBER_CONSUMER;
	told->topic_names = codec_arena_alloc(arena, member->topic_count, sizeof *told->topic_names);
	for (size_t i = 0; told->topic_names && i < member->topic_count; i++)
		told->topic_names[told->topic_names_count++] = group_copy(arena, group_bytes(member->topics[i]));
	return told->topic_names && tell_parts(&member->assigned, world, arena, &told->assignment) &&
	       tell_parts(&member->target, world, arena, &told->target_assignment);
}

bool group_consumers_describe(const struct group *group, const struct group_world *world, struct codec_arena *arena,
                              struct codec_kafka_consumer_group_describe_response_group *told)
{
	const struct group_consumers *consumers = group->consumers;
	const struct base_list *head = &consumers->list;
	const char *state = group_consumers_state_name(group), *assignor = group_assignor_of(group);
	told->group_state = (struct base_bytes){(const uint8_t *)state, strlen(state)};
	told->assignor_name = (struct base_bytes){(const uint8_t *)assignor, strlen(assignor)};
	told->group_epoch = consumers->epoch;
	told->assignment_epoch = consumers->assignment_epoch;
	told->members = codec_arena_alloc(arena, consumers->members.count, sizeof *told->members);
	for (struct base_list *node = head->next; told->members && node != head; node = node->next)
		if (!tell_member(BASE_CONTAINER(node, struct group_consumer, node), world, arena,
		                 &told->members[told->members_count++]))
			return false;
	return told->members;
}
