/* DescribeTopicPartitions (KIP-966): topics by name, a bounded number of partitions at a time; a cursor says where the next
 * answer begins. Topics are in the order of their names. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS_MAX = 2000 };

/* What is walked through: the names, sorted, each once. */
struct walk {
	struct kafka_request *request;
	const struct codec_kafka_describe_topic_partitions_request *asked;
	struct base_bytes *names;
	size_t name_count;
	size_t left; /* partitions that may still be told */
	struct codec_kafka_describe_topic_partitions_response response;
};

static int compare_bytes(struct base_bytes a, struct base_bytes b)
{
	size_t bytes = a.bytes < b.bytes ? a.bytes : b.bytes;
	int order = bytes > 0 ? memcmp(a.data, b.data, bytes) : 0;
	return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static int compare_names(const void *a, const void *b)
{
	return compare_bytes(*(const struct base_bytes *)a, *(const struct base_bytes *)b);
}

/* No name asks for all topics. False: the request has failed. */
static bool gather_names(struct walk *walk)
{
	const struct catalog *catalog = walk->request->server->catalog;
	bool all = walk->asked->topics_count == 0;
	size_t count = all ? catalog_topic_count(catalog) : walk->asked->topics_count, used = 0;
	walk->names = kafka_request_alloc(walk->request, count, sizeof *walk->names);
	if (!walk->names)
		return false;
	for (size_t i = 0; !all && i < count; i++)
		walk->names[i] = walk->asked->topics[i].name;
	const struct catalog_topic *topic = NULL;
	for (size_t i = 0; all && (topic = catalog_topic_next(catalog, topic)); i++)
		walk->names[i] = kafka_text_copy(walk->request, topic->name);
	qsort(walk->names, count, sizeof *walk->names, compare_names);
	for (size_t i = 0; i < count; i++)
		if (used == 0 || compare_names(&walk->names[used - 1], &walk->names[i]) != 0)
			walk->names[used++] = walk->names[i];
	walk->name_count = used;
	return true;
}

static bool tell_partitions(struct walk *walk, const struct catalog_topic *topic, size_t from,
                            struct codec_kafka_describe_topic_partitions_response_topic *answer)
{
	struct kafka_request *request = walk->request;
	size_t there = from < topic->partition_count ? topic->partition_count - from : 0;
	size_t count = there < walk->left ? there : walk->left;
	answer->partitions = codec_arena_alloc(&request->arena, count, sizeof *answer->partitions);
	if (!answer->partitions)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct codec_kafka_describe_topic_partitions_response_partition *partition = &answer->partitions[i];
		*partition = codec_kafka_describe_topic_partitions_response_partition_default;
		partition->index = (int32_t)(from + i);
		partition->leader_id = request->server->options.node_id;
		partition->leader_epoch = 0;
		partition->replica_nodes = partition->isr_nodes = &request->server->options.node_id;
		partition->replica_nodes_count = partition->isr_nodes_count = 1;
		/* Empty, not null, which the Java client does not stand. */
		partition->eligible_leader_replicas = partition->last_known_elr = partition->replica_nodes;
	}
	answer->partitions_count = count;
	walk->left -= count;
	if (count < there) {
		walk->response.has_next_cursor = true;
		walk->response.next_cursor.topic_name = answer->name;
		walk->response.next_cursor.partition_index = (int32_t)(from + count);
	}
	return true;
}

static bool tell_topic(struct walk *walk, struct base_bytes name, size_t from)
{
	struct kafka_request *request = walk->request;
	struct codec_kafka_describe_topic_partitions_response_topic *answer =
		&walk->response.topics[walk->response.topics_count++];
	*answer = codec_kafka_describe_topic_partitions_response_topic_default;
	answer->name = name;
	const struct catalog_topic *topic =
		kafka_topic_find(request, name, NULL, CATALOG_DESCRIBE, &answer->error_code);
	if (!topic)
		return true;
	memcpy(answer->topic_id, topic->uuid, sizeof answer->topic_id);
	answer->is_internal = group_topic_is_internal(topic->name, strlen(topic->name));
	answer->authorized_operations = kafka_authorized_operations(request, topic->name);
	return tell_partitions(walk, topic, from, answer);
}

/* The first name that is not behind the cursor; its partition, if the cursor's topic is still there. */
static size_t begin(const struct walk *walk, size_t *ret_from)
{
	size_t i = 0;
	*ret_from = 0;
	if (!walk->asked->has_cursor)
		return 0;
	struct base_bytes name = walk->asked->cursor.topic_name;
	while (i < walk->name_count && compare_bytes(walk->names[i], name) < 0)
		i += 1;
	if (i < walk->name_count && compare_bytes(walk->names[i], name) == 0)
		*ret_from = (size_t)walk->asked->cursor.partition_index;
	return i;
}

static bool tell_all(struct walk *walk)
{
	size_t from, i = begin(walk, &from);
	for (; i < walk->name_count && !walk->response.has_next_cursor; i++, from = 0) {
		if (walk->left == 0) {
			walk->response.has_next_cursor = true;
			walk->response.next_cursor.topic_name = walk->names[i];
			walk->response.next_cursor.partition_index = 0;
		} else if (!tell_topic(walk, walk->names[i], from)) {
			return false;
		}
	}
	return true;
}

void kafka_describe_topic_partitions(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_topic_partitions_request *asked = message;
	struct walk walk = {.request = request, .asked = asked, .left = PARTITIONS_MAX};
	if (asked->has_cursor && asked->cursor.partition_index < 0) {
		kafka_request_fail(request, "its cursor has a partition below 0");
		return;
	}
	if (asked->response_partition_limit > 0 && asked->response_partition_limit < PARTITIONS_MAX)
		walk.left = (size_t)asked->response_partition_limit;
	if (!gather_names(&walk))
		return;
	walk.response = codec_kafka_describe_topic_partitions_response_default;
	walk.response.topics = kafka_request_alloc(request, walk.name_count, sizeof *walk.response.topics);
	if (!walk.response.topics)
		return;
	if (tell_all(&walk))
		kafka_request_reply(request, &walk.response);
	else
		kafka_request_fail(request, "it needs more memory than one request may have");
}
