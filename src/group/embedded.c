/* Subscriptions and assignments as consumers of the classic protocol carry them in JoinGroup and SyncGroup: a version, an
 * int16, and a message of codec/kafka/messages.def. Versions only add fields at the end, so a newer one is read as the newest
 * that is known. Source: Kafka's ConsumerProtocol (KIP-429, KIP-792, KIP-881). Pure; any thread. */
#include "group/consumer.h"

#include <stdlib.h>

enum { VERSION_MAX = 3, ASSIGNMENT_BYTES_MAX = 16 << 20 };

static pyr_result read_version(struct base_reader *reader, int16_t *ret_version)
{
	int16_t version = (int16_t)base_read_u16be(reader);
	if (reader->failed || version < 0)
		return pyr_result_of(PYR_CORRUPT);
	*ret_version = version < VERSION_MAX ? version : VERSION_MAX;
	return pyr_ok();
}

pyr_result group_subscription_read(struct base_bytes metadata, struct codec_arena *arena,
                                   struct codec_kafka_consumer_protocol_subscription *ret_subscription,
                                   int16_t *ret_version)
{
	struct base_reader reader = base_reader_init(metadata.data, metadata.bytes);
	PYR_TRY(read_version(&reader, ret_version));
	return codec_kafka_consumer_protocol_subscription_decode(&reader, *ret_version, arena, ret_subscription);
}

pyr_result group_assignment_read(struct base_bytes bytes, struct codec_arena *arena,
                                 struct codec_kafka_consumer_protocol_assignment *ret_assignment)
{
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	int16_t version;
	if (bytes.bytes == 0) {
		*ret_assignment = codec_kafka_consumer_protocol_assignment_default;
		return pyr_ok();
	}
	PYR_TRY(read_version(&reader, &version));
	return codec_kafka_consumer_protocol_assignment_decode(&reader, version, arena, ret_assignment);
}

static bool same_topic(const struct group_parts *parts, size_t i, size_t j)
{
	return memcmp(parts->items[i].topic, parts->items[j].topic, GROUP_UUID_BYTES) == 0;
}

pyr_result group_assignment_write(const struct group_parts *parts, int16_t version, const struct group_world *world,
                                  struct base_slice *ret_bytes)
{
	struct codec_kafka_consumer_protocol_assignment assignment = codec_kafka_consumer_protocol_assignment_default;
	struct base_writer writer;
	struct group_topic topic;
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	assignment.assigned_partitions = calloc(parts->count + 1, sizeof *assignment.assigned_partitions);
	int32_t *numbers = calloc(parts->count + 1, sizeof *numbers);
	base_writer_init(&writer, ASSIGNMENT_BYTES_MAX);
	for (size_t i = 0, end; assignment.assigned_partitions && numbers && i < parts->count; i = end) {
		for (end = i; end < parts->count && same_topic(parts, i, end); end++)
			numbers[end] = parts->items[end].partition;
		if (!world->topic_find(world->context, (struct base_bytes){0}, parts->items[i].topic, &topic))
			continue;
		assignment.assigned_partitions[assignment.assigned_partitions_count++] =
			(struct codec_kafka_consumer_protocol_assignment_topic_partition){topic.name, &numbers[i],
		                                                                          end - i};
	}
	if (assignment.assigned_partitions && numbers) {
		base_write_u16be(&writer, (uint16_t)version);
		codec_kafka_consumer_protocol_assignment_encode(&writer, version, &assignment);
		result = base_writer_take(&writer, ret_bytes);
	}
	base_writer_deinit(&writer);
	free(assignment.assigned_partitions);
	free(numbers);
	return result;
}
