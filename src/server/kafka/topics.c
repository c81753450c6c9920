/* Topics: what handlers ask about them, CreateTopics, DeleteTopics (see kafka_priv.h).
 *
 * A request changes several topics; each is a catalog_change of its own, all under way together, and the response goes
 * out with the last of them. Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"
#include "server/kafka/known_settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct base_bytes kafka_text(const char *text)
{
	return (struct base_bytes){(const uint8_t *)text, strlen(text)};
}

struct base_bytes kafka_text_copy(struct kafka_request *request, const char *text)
{
	size_t bytes = strlen(text);
	char *copy = codec_arena_alloc(&request->arena, bytes + 1, 1);
	if (!copy)
		return kafka_text("");
	memcpy(copy, text, bytes + 1);
	return (struct base_bytes){(const uint8_t *)copy, bytes};
}

int16_t kafka_error_of(enum pyr_code code)
{
	/* Full queues: what Kafka's producers take as "try again soon". */
	if (code == PYR_BUSY)
		return KAFKA_NOT_ENOUGH_REPLICAS;
	return (int16_t)pyr_code_kafka(code);
}

const struct catalog_topic *kafka_topic_find(struct kafka_request *request, struct base_bytes name,
                                             const uint8_t id[CATALOG_UUID_BYTES], enum catalog_action action,
                                             int16_t *ret_error)
{
	const struct catalog *catalog = request->server->catalog;
	const struct catalog_topic *topic = name.data ? catalog_topic_find(catalog, (const char *)name.data, name.bytes)
	                                              : catalog_topic_find_uuid(catalog, id);
	if (!topic) {
		*ret_error = kafka_error_of(name.data ? PYR_UNKNOWN_PARTITION : PYR_UNKNOWN_TOPIC_ID);
		return NULL;
	}
	if (action != CATALOG_READ && action != CATALOG_DESCRIBE &&
	    group_topic_is_internal(topic->name, strlen(topic->name))) {
		*ret_error = kafka_error_of(PYR_INVALID_TOPIC);
		return NULL;
	}
	pyr_result allowed = catalog_authorize(catalog, &request->principal, action, topic->name);
	*ret_error = kafka_error_of(allowed.code);
	return allowed.code == PYR_OK ? topic : NULL;
}

int16_t kafka_partition_find(struct kafka_request *request, const struct catalog_topic *topic, int32_t index,
                             uint32_t *ret_partition, struct log_partition_info *ret_info)
{
	uint32_t partition = catalog_topic_partition(topic, index);
	if (partition == 0)
		return kafka_error_of(PYR_UNKNOWN_PARTITION);
	*ret_partition = partition;
	return kafka_error_of(log_partition_get(request->server->log, partition, ret_info).code);
}

int16_t kafka_epoch_check(int32_t believed, int32_t epoch)
{
	if (believed < 0 || believed == epoch)
		return KAFKA_NONE;
	return believed < epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

/* ---- CreateTopics ---- */

struct create_work;

struct create_item {
	struct catalog_change change;
	struct create_work *work;
	const struct codec_kafka_create_topics_request_topic *asked;
	struct codec_kafka_create_topics_response_topic *answer;
};

struct create_work {
	struct kafka_request *request;
	struct codec_kafka_create_topics_response response;
	size_t pending; /* changes under way, and 1 while they are being started */
	struct create_item items[];
};

static void create_failed(struct create_item *item, enum pyr_code code, const char *text)
{
	item->answer->error_code = kafka_error_of(code);
	item->answer->error_message = kafka_text_copy(item->work->request, text);
}

static pyr_result parse_configs(struct create_item *item, struct pyr_error *error)
{
	for (size_t i = 0; i < item->asked->configs_count; i++) {
		const struct codec_kafka_create_topics_request_config *config = &item->asked->configs[i];
		char name[128], value[128];
		if (!config->value.data || config->name.bytes >= sizeof name || config->value.bytes >= sizeof value)
			return pyr_fail(error, PYR_INVALID_CONFIG, "a setting's name or value is missing or too long");
		snprintf(name, sizeof name, "%.*s", (int)config->name.bytes, (const char *)config->name.data);
		snprintf(value, sizeof value, "%.*s", (int)config->value.bytes, (const char *)config->value.data);
		PYR_TRY(kafka_topic_setting_parse(&item->change.config, name, value, error));
	}
	return pyr_ok();
}

static pyr_result check_shape(struct kafka_server *server, struct create_item *item, struct pyr_error *error)
{
	const struct codec_kafka_create_topics_request_topic *asked = item->asked;
	if (asked->replication_factor != -1 && asked->replication_factor != 1)
		return pyr_fail(error, PYR_INVALID_REPLICATION,
		                "this node stands alone: ask for a replication factor of 1 or -1");
	if (asked->num_partitions != -1 &&
	    (asked->num_partitions < 1 || asked->num_partitions > CATALOG_PARTITIONS_MAX))
		return pyr_fail(error, PYR_INVALID_PARTITIONS,
		                "ask for 1 to %d partitions, or -1 for the default of %u", CATALOG_PARTITIONS_MAX,
		                kafka_default_partitions(server));
	item->change.partition_count =
		asked->num_partitions == -1 ? kafka_default_partitions(server) : (uint32_t)asked->num_partitions;
	item->change.config = catalog_topic_config_default();
	return parse_configs(item, error);
}

static pyr_result check_create(struct kafka_request *request, struct create_item *item, struct pyr_error *error)
{
	struct catalog *catalog = request->server->catalog;
	struct base_bytes name = item->asked->name;
	if (catalog_topic_name_check((const char *)name.data, name.bytes).code != PYR_OK)
		return pyr_fail(error, PYR_INVALID_TOPIC, "%s", pyr_code_text(PYR_INVALID_TOPIC));
	if (group_topic_is_internal((const char *)name.data, name.bytes))
		return pyr_fail(error, PYR_INVALID_TOPIC,
		                "this topic is the server's own, which makes it when it needs it");
	memcpy(item->change.name, name.data, name.bytes);
	if (catalog_authorize(catalog, &request->principal, CATALOG_CREATE, item->change.name).code != PYR_OK)
		return pyr_fail(error, PYR_NOT_AUTHORIZED, "%s", pyr_code_text(PYR_NOT_AUTHORIZED));
	if (catalog_topic_find(catalog, (const char *)name.data, name.bytes))
		return pyr_fail(error, PYR_TOPIC_EXISTS, "%s", pyr_code_text(PYR_TOPIC_EXISTS));
	return check_shape(request->server, item, error);
}

/* All settings as the topic has them, for versions that tell. */
static void tell_configs(struct create_item *item)
{
	struct kafka_request *request = item->work->request;
	size_t count = catalog_setting_count();
	struct codec_kafka_create_topics_response_config *configs =
		codec_arena_alloc(&request->arena, count, sizeof *configs);
	if (!configs)
		return; /* null: not told */
	for (size_t i = 0; i < count; i++) {
		char value[32];
		catalog_setting_format(&item->change.config, i, value);
		configs[i] = codec_kafka_create_topics_response_config_default;
		configs[i].name = kafka_text(catalog_setting_at(i).name);
		configs[i].value = kafka_text_copy(request, value);
		configs[i].config_source = item->change.config.set & 1u << i ? 1 : 5;
	}
	item->answer->configs = configs;
	item->answer->configs_count = count;
}

static void create_succeeded(struct create_item *item)
{
	item->answer->num_partitions = (int32_t)item->change.partition_count;
	item->answer->replication_factor = 1;
	memcpy(item->answer->topic_id, item->change.uuid, sizeof item->answer->topic_id);
	tell_configs(item);
}

static void create_settle(struct create_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void on_created(struct catalog_change *change)
{
	struct create_item *item = BASE_CONTAINER(change, struct create_item, change);
	if (change->result.code == PYR_OK)
		create_succeeded(item);
	else
		create_failed(item, change->result.code, pyr_code_text(change->result.code));
	create_settle(item->work);
}

static void create_one(struct kafka_request *request, const struct codec_kafka_create_topics_request *asked,
                       struct create_item *item)
{
	struct pyr_error error = {0};
	*item->answer = codec_kafka_create_topics_response_topic_default;
	item->answer->name = item->asked->name;
	if (item->asked->assignments_count > 0) {
		item->answer->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
		item->answer->error_message = kafka_text(
			"this node stands alone and places partitions itself: ask for a number of partitions");
		return;
	}
	pyr_result result = check_create(request, item, &error);
	if (result.code != PYR_OK) {
		create_failed(item, result.code, error.text);
	} else if (asked->validate_only) {
		create_succeeded(item);
	} else {
		item->change.done = on_created;
		item->work->pending += 1;
		catalog_topic_create(request->server->catalog, &item->change);
	}
}

void kafka_create_topics(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_create_topics_request *asked = message;
	size_t count = asked->topics_count;
	if (count > KAFKA_CHANGES_MAX) {
		kafka_request_fail(request, "it creates too many topics at once");
		return;
	}
	struct codec_kafka_create_topics_response_topic *answers = kafka_request_alloc(request, count, sizeof *answers);
	if (!answers)
		return;
	struct create_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->response.topics = answers;
	work->response.topics_count = count;
	work->pending = 1;
	for (size_t i = 0; i < count; i++) {
		work->items[i].work = work;
		work->items[i].asked = &asked->topics[i];
		work->items[i].answer = &answers[i];
		create_one(request, asked, &work->items[i]);
	}
	create_settle(work);
}

/* ---- DeleteTopics ---- */

struct delete_work;

struct delete_item {
	struct catalog_change change;
	struct delete_work *work;
	struct codec_kafka_delete_topics_response_topic *answer;
};

struct delete_work {
	struct kafka_request *request;
	struct codec_kafka_delete_topics_response response;
	size_t pending;
	struct delete_item items[];
};

static void delete_settle(struct delete_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		kafka_request_reply(work->request, &work->response);
}

static void on_deleted(struct catalog_change *change)
{
	struct delete_item *item = BASE_CONTAINER(change, struct delete_item, change);
	item->answer->error_code = kafka_error_of(change->result.code);
	delete_settle(item->work);
}

static void delete_one(struct kafka_request *request, struct delete_item *item, struct base_bytes name,
                       const uint8_t id[CATALOG_UUID_BYTES])
{
	*item->answer = codec_kafka_delete_topics_response_topic_default;
	item->answer->name = name;
	memcpy(item->answer->topic_id, id, CATALOG_UUID_BYTES);
	if (name.data && !codec_kafka_uuid_is_zero(id)) {
		item->answer->error_code = KAFKA_INVALID_REQUEST;
		item->answer->error_message = kafka_text("name the topic or give its id, not both");
		return;
	}
	const struct catalog_topic *topic =
		kafka_topic_find(request, name, id, CATALOG_DELETE, &item->answer->error_code);
	if (!topic)
		return;
	memcpy(item->answer->topic_id, topic->uuid, CATALOG_UUID_BYTES);
	memcpy(item->change.name, topic->name, sizeof item->change.name);
	item->answer->name = kafka_text(item->change.name);
	item->change.done = on_deleted;
	item->work->pending += 1;
	catalog_topic_delete(request->server->catalog, &item->change);
}

void kafka_delete_topics(struct kafka_request *request, const void *message)
{
	static const uint8_t no_id[CATALOG_UUID_BYTES];
	const struct codec_kafka_delete_topics_request *asked = message;
	bool by_state = request->header.api_version >= 6;
	size_t count = by_state ? asked->topics_count : asked->topic_names_count;
	if (count > KAFKA_CHANGES_MAX) {
		kafka_request_fail(request, "it deletes too many topics at once");
		return;
	}
	struct codec_kafka_delete_topics_response_topic *answers = kafka_request_alloc(request, count, sizeof *answers);
	if (!answers)
		return;
	struct delete_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->response.topics = answers;
	work->response.topics_count = count;
	work->pending = 1;
	for (size_t i = 0; i < count; i++) {
		work->items[i].work = work;
		work->items[i].answer = &answers[i];
		delete_one(request, &work->items[i], by_state ? asked->topics[i].name : asked->topic_names[i],
		           by_state ? asked->topics[i].topic_id : no_id);
	}
	delete_settle(work);
}
