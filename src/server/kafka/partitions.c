/* CreatePartitions, and what concerns the places of partitions: elections and reassignments, which a node that stands alone
 * answers without doing anything. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- CreatePartitions ---- */

struct grow_work;

struct grow_item {
	struct catalog_change change;
	struct grow_work *work;
	struct codec_kafka_create_partitions_response_result *answer;
};

struct grow_work {
	struct kafka_request *request;
	struct codec_kafka_create_partitions_response response;
	size_t pending; /* changes under way, and 1 while they are being started */
	struct grow_item items[];
};

static void settle(struct grow_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void refuse(struct grow_item *item, int16_t error_code, const char *text)
{
	item->answer->error_code = error_code;
	item->answer->error_message = kafka_text_copy(item->work->request, text);
}

static void on_grown(struct catalog_change *change)
{
	struct grow_item *item = BASE_CONTAINER(change, struct grow_item, change);
	if (change->result.code != PYR_OK)
		refuse(item, kafka_error_of(change->result.code), pyr_code_text(change->result.code));
	settle(item->work);
}

static void check_count(struct grow_item *item, const struct catalog_topic *topic, int32_t count)
{
	int16_t error_code = kafka_error_of(PYR_INVALID_PARTITIONS);
	char text[200];
	if (count <= 0 || (uint32_t)count <= topic->partition_count)
		snprintf(text, sizeof text, "the topic has %u partitions: the new number must be larger",
		         topic->partition_count);
	else if (count > CATALOG_PARTITIONS_MAX)
		snprintf(text, sizeof text, "a topic may have %d partitions", CATALOG_PARTITIONS_MAX);
	else if (topic->span_count == CATALOG_SPANS_MAX)
		snprintf(text, sizeof text, "a topic can grow %d times, and this one did", CATALOG_SPANS_MAX - 1);
	else
		return;
	refuse(item, error_code, text);
}

static void grow(struct grow_item *item, const struct codec_kafka_create_partitions_request_topic *asked,
                 bool validate_only)
{
	struct kafka_request *request = item->work->request;
	int16_t error_code;
	const struct catalog_topic *topic = kafka_topic_find(request, asked->name, NULL, CATALOG_ALTER, &error_code);
	if (!topic) {
		refuse(item, error_code, "there is no topic of this name, or it is the server's own");
		return;
	}
	if (asked->assignments) {
		refuse(item, KAFKA_INVALID_REPLICA_ASSIGNMENT,
		       "this node stands alone and places partitions itself: ask for a number of partitions");
		return;
	}
	check_count(item, topic, asked->count);
	if (item->answer->error_code != KAFKA_NONE || validate_only)
		return;
	memcpy(item->change.name, topic->name, sizeof item->change.name);
	item->change.partition_count = (uint32_t)asked->count;
	item->change.done = on_grown;
	item->work->pending += 1;
	catalog_topic_grow(request->server->catalog, &item->change);
}

void kafka_create_partitions(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_create_partitions_request *asked = message;
	size_t count = asked->topics_count;
	if (count > KAFKA_CHANGES_MAX) {
		kafka_request_fail(request, "it changes too many topics at once");
		return;
	}
	struct codec_kafka_create_partitions_response_result *answers =
		kafka_request_alloc(request, count, sizeof *answers);
	if (!answers)
		return;
	struct grow_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	*work = (struct grow_work){.request = request, .pending = 1};
	work->response.results = answers;
	work->response.results_count = count;
	for (size_t i = 0; i < count; i++) {
		answers[i].name = asked->topics[i].name;
		work->items[i].work = work;
		work->items[i].answer = &answers[i];
		grow(&work->items[i], &asked->topics[i], asked->validate_only);
	}
	settle(work);
}

/* ---- ElectLeaders ---- */

/* This node leads every partition, and was its only candidate. */
static void elect(struct kafka_request *request, struct base_bytes name, int32_t index,
                  struct codec_kafka_elect_leaders_response_partition *answer)
{
	const struct catalog_topic *topic =
		kafka_topic_find(request, name, NULL, CATALOG_DESCRIBE, &answer->error_code);
	answer->index = index;
	if (topic)
		answer->error_code = catalog_topic_partition(topic, index) > 0 ? KAFKA_ELECTION_NOT_NEEDED
		                                                               : kafka_error_of(PYR_UNKNOWN_PARTITION);
	answer->error_message =
		kafka_text(answer->error_code == KAFKA_ELECTION_NOT_NEEDED ? "this node leads the partition already"
	                                                                   : "there is no such partition");
}

/* Null asks for all, of which none needs one. */
void kafka_elect_leaders(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_elect_leaders_request *asked = message;
	struct codec_kafka_elect_leaders_response response = codec_kafka_elect_leaders_response_default;
	response.results = kafka_request_alloc(request, asked->topics_count, sizeof *response.results);
	if (!response.results)
		return;
	response.results_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		struct codec_kafka_elect_leaders_response_result *result = &response.results[i];
		size_t count = asked->topics[i].partitions_count;
		result->name = asked->topics[i].name;
		result->partitions = kafka_request_alloc(request, count, sizeof *result->partitions);
		if (!result->partitions)
			return;
		result->partitions_count = count;
		for (size_t j = 0; j < count; j++)
			elect(request, result->name, asked->topics[i].partitions[j], &result->partitions[j]);
	}
	kafka_request_reply(request, &response);
}

/* ---- reassignments ---- */

/* Only to where it is already; null ends one under way, of which there are none. */
static void reassign(struct kafka_request *request, struct base_bytes name,
                     const struct codec_kafka_alter_partition_reassignments_request_partition *asked,
                     struct codec_kafka_alter_partition_reassignments_response_partition *answer)
{
	const struct catalog_topic *topic = kafka_topic_find(request, name, NULL, CATALOG_ALTER, &answer->error_code);
	answer->index = asked->index;
	if (topic && catalog_topic_partition(topic, asked->index) == 0)
		answer->error_code = kafka_error_of(PYR_UNKNOWN_PARTITION);
	if (answer->error_code != KAFKA_NONE)
		return;
	if (!asked->replicas) {
		answer->error_code = KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
	} else if (asked->replicas_count != 1 || asked->replicas[0] != request->server->options.node_id) {
		answer->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
		answer->error_message = kafka_text("this node stands alone: it is the only replica there can be");
	}
}

void kafka_alter_partition_reassignments(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_alter_partition_reassignments_request *asked = message;
	struct codec_kafka_alter_partition_reassignments_response response =
		codec_kafka_alter_partition_reassignments_response_default;
	response.topics = kafka_request_alloc(request, asked->topics_count, sizeof *response.topics);
	if (!response.topics)
		return;
	response.topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		struct codec_kafka_alter_partition_reassignments_response_topic *topic = &response.topics[i];
		size_t count = asked->topics[i].partitions_count;
		topic->name = asked->topics[i].name;
		topic->partitions = kafka_request_alloc(request, count, sizeof *topic->partitions);
		if (!topic->partitions)
			return;
		topic->partitions_count = count;
		for (size_t j = 0; j < count; j++)
			reassign(request, topic->name, &asked->topics[i].partitions[j], &topic->partitions[j]);
	}
	kafka_request_reply(request, &response);
}

void kafka_list_partition_reassignments(struct kafka_request *request, const void *message)
{
	(void)message; /* there are none, whatever is asked for */
	kafka_request_reply(request, &codec_kafka_list_partition_reassignments_response_default);
}
