/* Metadata and DescribeCluster: this node, and which topics there are. Unknown topics are made on the way, if the client
 * and the server's options allow it; the answer waits until they are durable. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct metadata_work;

struct metadata_create {
	struct catalog_change change;
	struct metadata_work *work;
};

struct metadata_work {
	struct kafka_request *request;
	const struct codec_kafka_metadata_request *asked;
	size_t pending;
	struct metadata_create creates[];
};

/* Source: org.apache.kafka.common.acl.AclOperation. */
int32_t kafka_authorized_operations(struct kafka_request *request, const char *object)
{
	static const struct {
		uint32_t bits;
		enum catalog_action action;
	} operations[] = {
		{1u << 3, CATALOG_READ},
		{1u << 4, CATALOG_WRITE},
		{1u << 5, CATALOG_CREATE},
		{1u << 6, CATALOG_DELETE},
		{1u << 7 | 1u << 11, CATALOG_ALTER},
		{1u << 8 | 1u << 10, CATALOG_DESCRIBE},
	};
	uint32_t bits = 0;
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
		if (catalog_authorize(request->server->catalog, &request->principal, operations[i].action, object)
		            .code == PYR_OK)
			bits |= operations[i].bits;
	return (int32_t)bits;
}

/* A node that stands alone leads every partition, in its first epoch. */
static bool tell_partitions(struct kafka_request *request, const struct catalog_topic *topic,
                            struct codec_kafka_metadata_response_topic *answer)
{
	struct kafka_server *server = request->server;
	size_t count = topic->partition_count;
	struct codec_kafka_metadata_response_partition *partitions =
		codec_arena_alloc(&request->arena, count, sizeof *partitions);
	if (!partitions)
		return false;
	for (size_t i = 0; i < count; i++) {
		partitions[i] = codec_kafka_metadata_response_partition_default;
		partitions[i].index = (int32_t)i;
		partitions[i].leader_id = server->options.node_id;
		partitions[i].leader_epoch = 0;
		partitions[i].replica_nodes = partitions[i].isr_nodes = &server->options.node_id;
		partitions[i].replica_nodes_count = partitions[i].isr_nodes_count = 1;
	}
	answer->partitions = partitions;
	answer->partitions_count = count;
	return true;
}

static bool tell_topic(struct kafka_request *request, const struct catalog_topic *topic, bool with_operations,
                       struct codec_kafka_metadata_response_topic *answer)
{
	/* A copy, since the catalog's own is only there until the loop goes on. */
	answer->name = kafka_text_copy(request, topic->name);
	memcpy(answer->topic_id, topic->uuid, sizeof answer->topic_id);
	answer->is_internal = group_topic_is_internal(topic->name, strlen(topic->name));
	if (with_operations)
		answer->topic_authorized_operations = kafka_authorized_operations(request, topic->name);
	return tell_partitions(request, topic, answer);
}

/* Why the topic of this name is not there: it may be on its way, or its name is not allowed. */
static int16_t missing_error(struct kafka_request *request, const struct codec_kafka_metadata_request *asked,
                             struct base_bytes name, int16_t error)
{
	if (error != kafka_error_of(PYR_UNKNOWN_PARTITION))
		return error;
	if (catalog_topic_name_check((const char *)name.data, name.bytes).code != PYR_OK)
		return kafka_error_of(PYR_INVALID_TOPIC);
	return asked->allow_auto_topic_creation && request->server->options.auto_create ? KAFKA_LEADER_NOT_AVAILABLE
	                                                                                : error;
}

static bool tell_named(struct kafka_request *request, const struct codec_kafka_metadata_request *asked,
                       struct codec_kafka_metadata_response *response)
{
	struct codec_kafka_metadata_response_topic *topics =
		codec_arena_alloc(&request->arena, asked->topics_count, sizeof *topics);
	if (!topics)
		return false;
	for (size_t i = 0; i < asked->topics_count; i++) {
		const struct codec_kafka_metadata_request_topic *wanted = &asked->topics[i];
		topics[i] = codec_kafka_metadata_response_topic_default;
		topics[i].name = wanted->name;
		memcpy(topics[i].topic_id, wanted->topic_id, sizeof topics[i].topic_id);
		const struct catalog_topic *topic = kafka_topic_find(request, wanted->name, wanted->topic_id,
		                                                     CATALOG_DESCRIBE, &topics[i].error_code);
		if (topic && !tell_topic(request, topic, asked->include_topic_authorized_operations, &topics[i]))
			return false;
		if (!topic && wanted->name.data)
			topics[i].error_code = missing_error(request, asked, wanted->name, topics[i].error_code);
	}
	response->topics = topics;
	response->topics_count = asked->topics_count;
	return true;
}

static bool tell_all(struct kafka_request *request, const struct codec_kafka_metadata_request *asked,
                     struct codec_kafka_metadata_response *response)
{
	const struct catalog *catalog = request->server->catalog;
	struct codec_kafka_metadata_response_topic *topics =
		codec_arena_alloc(&request->arena, catalog_topic_count(catalog), sizeof *topics);
	size_t count = 0;
	if (!topics)
		return false;
	for (const struct catalog_topic *topic = NULL; (topic = catalog_topic_next(catalog, topic));) {
		if (catalog_authorize(catalog, &request->principal, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
			continue;
		topics[count] = codec_kafka_metadata_response_topic_default;
		if (!tell_topic(request, topic, asked->include_topic_authorized_operations, &topics[count]))
			return false;
		count += 1;
	}
	response->topics = topics;
	response->topics_count = count;
	return true;
}

/* Null asks for all, and so does an empty array in version 0, which has no null. */
static bool asks_all(const struct kafka_request *request, const struct codec_kafka_metadata_request *asked)
{
	return !asked->topics || (request->header.api_version == 0 && asked->topics_count == 0);
}

static void answer(struct kafka_request *request, const struct codec_kafka_metadata_request *asked)
{
	struct kafka_server *server = request->server;
	char cluster_id[KAFKA_CLUSTER_ID_BYTES + 1];
	struct codec_kafka_metadata_response response = codec_kafka_metadata_response_default;
	struct codec_kafka_metadata_response_broker broker = codec_kafka_metadata_response_broker_default;
	broker.node_id = server->options.node_id;
	broker.host = kafka_text(server->options.advertised_host);
	broker.port = server->advertised_port;
	response.brokers = &broker;
	response.brokers_count = 1;
	kafka_cluster_id(server, cluster_id);
	response.cluster_id = kafka_text(cluster_id);
	response.controller_id = server->options.node_id;
	if (asked->include_cluster_authorized_operations)
		response.cluster_authorized_operations = kafka_authorized_operations(request, NULL);
	bool told =
		asks_all(request, asked) ? tell_all(request, asked, &response) : tell_named(request, asked, &response);
	if (told)
		kafka_request_reply(request, &response);
	else
		kafka_request_fail(request, "its response has too many partitions: ask for fewer topics");
}

static void settle(struct metadata_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		answer(work->request, work->asked);
}

/* Whatever the outcome, answer() looks again. */
static void on_created(struct catalog_change *change)
{
	struct metadata_create *create = BASE_CONTAINER(change, struct metadata_create, change);
	settle(create->work);
}

static bool shall_create(struct kafka_request *request, const struct codec_kafka_metadata_request *asked, size_t i)
{
	const struct catalog *catalog = request->server->catalog;
	const char *name = (const char *)asked->topics[i].name.data;
	size_t bytes = asked->topics[i].name.bytes;
	return asked->allow_auto_topic_creation && request->server->options.auto_create && name &&
	       !group_topic_is_internal(name, bytes) && !catalog_topic_find(catalog, name, bytes) &&
	       catalog_topic_name_check(name, bytes).code == PYR_OK;
}

static void create(struct metadata_work *work, struct metadata_create *item, struct base_bytes name)
{
	struct kafka_server *server = work->request->server;
	memcpy(item->change.name, name.data, name.bytes);
	if (catalog_authorize(server->catalog, &work->request->principal, CATALOG_CREATE, item->change.name).code !=
	    PYR_OK)
		return;
	item->work = work;
	item->change.partition_count = kafka_default_partitions(server);
	item->change.config = catalog_topic_config_default();
	item->change.done = on_created;
	work->pending += 1;
	catalog_topic_create(server->catalog, &item->change);
}

void kafka_metadata(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_metadata_request *asked = message;
	size_t missing = 0, used = 0;
	for (size_t i = 0; i < asked->topics_count && missing < KAFKA_AUTO_CREATES_MAX; i++)
		missing += shall_create(request, asked, i);
	if (missing == 0) {
		answer(request, asked);
		return;
	}
	struct metadata_work *work = calloc(1, sizeof *work + missing * sizeof work->creates[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->asked = asked;
	work->pending = 1;
	for (size_t i = 0; i < asked->topics_count && used < missing; i++)
		if (shall_create(request, asked, i))
			create(work, &work->creates[used++], asked->topics[i].name);
	settle(work);
}

void kafka_describe_cluster(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_describe_cluster_request *asked = message;
	struct kafka_server *server = request->server;
	char cluster_id[KAFKA_CLUSTER_ID_BYTES + 1];
	struct codec_kafka_describe_cluster_response response = codec_kafka_describe_cluster_response_default;
	struct codec_kafka_describe_cluster_response_broker broker = {.broker_id = server->options.node_id};
	broker.host = kafka_text(server->options.advertised_host);
	broker.port = server->advertised_port;
	response.brokers = &broker;
	response.brokers_count = 1;
	kafka_cluster_id(server, cluster_id);
	response.cluster_id = kafka_text(cluster_id);
	response.controller_id = server->options.node_id;
	response.endpoint_type = asked->endpoint_type;
	if (asked->include_cluster_authorized_operations)
		response.cluster_authorized_operations = kafka_authorized_operations(request, NULL);
	kafka_request_reply(request, &response);
}
