/* Topics and offsets, asked one at a time (see admin.h). */
#include "client/admin.h"

#include "base/table.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "os/real.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	GREETING_S = 10,
	ANSWER_S = 40, /* more than TOPIC_MS */
	TOPIC_MS = 30000,
	READY_US = 60 * 1000 * 1000,
	RETRY_US = 50 * 1000,
	CONFIGS_MAX = 16
};
enum { UNKNOWN_TOPIC = 3, LEADER_NOT_AVAILABLE = 5, NOT_LEADER = 6, TOPIC_EXISTS = 36 };
enum { LATEST = -1, EARLIEST = -2 };

/* Source: kafka.apache.org/protocol, "Error Codes": those that a producer or consumer may meet. */
static const struct {
	int16_t code;
	const char *name;
} error_names[] = {
	{-1, "UNKNOWN_SERVER_ERROR"},
	{1, "OFFSET_OUT_OF_RANGE"},
	{2, "CORRUPT_MESSAGE"},
	{UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION"},
	{LEADER_NOT_AVAILABLE, "LEADER_NOT_AVAILABLE"},
	{NOT_LEADER, "NOT_LEADER_OR_FOLLOWER"},
	{7, "REQUEST_TIMED_OUT"},
	{10, "MESSAGE_TOO_LARGE: raise max.message.bytes or give fewer --batch-records"},
	{17, "INVALID_TOPIC_EXCEPTION"},
	{18, "RECORD_LIST_TOO_LARGE"},
	{19, "NOT_ENOUGH_REPLICAS"},
	{20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND"},
	{21, "INVALID_REQUIRED_ACKS"},
	{14, "COORDINATOR_LOAD_IN_PROGRESS: try again"},
	{15, "COORDINATOR_NOT_AVAILABLE: try again"},
	{25, "UNKNOWN_MEMBER_ID: the group has members, stop them first"},
	{29, "TOPIC_AUTHORIZATION_FAILED"},
	{31, "CLUSTER_AUTHORIZATION_FAILED"},
	{35, "UNSUPPORTED_VERSION"},
	{TOPIC_EXISTS, "TOPIC_ALREADY_EXISTS"},
	{37, "INVALID_PARTITIONS"},
	{38, "INVALID_REPLICATION_FACTOR"},
	{40, "INVALID_CONFIG"},
	{42, "INVALID_REQUEST"},
	{43, "UNSUPPORTED_FOR_MESSAGE_FORMAT"},
	{44, "POLICY_VIOLATION"},
	{56, "KAFKA_STORAGE_ERROR"},
	{68, "NON_EMPTY_GROUP: stop its members first"},
	{69, "GROUP_ID_NOT_FOUND"},
	{76, "UNSUPPORTED_COMPRESSION_TYPE"},
	{87, "INVALID_RECORD"},
	{89, "THROTTLING_QUOTA_EXCEEDED"},
};

const char *client_kafka_error(int16_t code, char ret_text[32])
{
	for (size_t i = 0; i < sizeof error_names / sizeof error_names[0]; i++)
		if (error_names[i].code == code)
			return error_names[i].name;
	snprintf(ret_text, 32, "error %d", code);
	return ret_text;
}

static pyr_result refused(struct pyr_error *error, const char *what, const char *name, int16_t code)
{
	char text[32];
	return pyr_fail(error, PYR_CANCELLED, "the broker refuses %s %s: %s", what, name,
	                client_kafka_error(code, text));
}

static bool not_there_yet(int16_t code)
{
	return code == UNKNOWN_TOPIC || code == LEADER_NOT_AVAILABLE || code == NOT_LEADER;
}

/* ---- one question, one answer ---- */

static void over(struct client_admin *admin, pyr_result result)
{
	if (admin->is_over)
		return;
	admin->is_over = true;
	admin->result = result;
	os_timer_stop(admin->loop, &admin->timer);
	os_real_loop_stop(admin->loop);
}

static void on_answered(void *context, int16_t key, const void *response)
{
	struct client_admin *admin = context;
	(void)key;
	if (!admin->is_over)
		over(admin, admin->take(admin, response, admin->error));
}

static void on_lost(void *context, const char *why)
{
	struct client_admin *admin = context;
	over(admin, pyr_fail(admin->error, PYR_NETWORK, "no broker answers at %s:%u (%s): is it running there?",
	                     admin->host, admin->port, why));
}

static void on_late(struct os_timer *timer)
{
	struct client_admin *admin = BASE_CONTAINER(timer, struct client_admin, timer);
	over(admin, pyr_fail(admin->error, PYR_NETWORK, "the broker at %s:%u gives no answer within %u s: see its log",
	                     admin->host, admin->port, admin->patience_s));
}

static const struct client_link_handler handler = {on_answered, NULL, on_lost};

static pyr_result connect_link(struct client_admin *admin, struct pyr_error *error)
{
	if (client_link_open(&admin->link, admin->net, admin->host, admin->port, &admin->versions, 1, &handler, admin)
	            .code != PYR_OK)
		return pyr_fail(error, PYR_NETWORK, "can't connect to %s:%u: check --broker", admin->host, admin->port);
	return pyr_ok();
}

pyr_result client_admin_ask(struct client_admin *admin, int16_t key, const void *message, client_admin_take *take,
                            void *context, struct pyr_error *error)
{
	admin->take = take;
	admin->take_context = context;
	admin->error = error;
	admin->is_over = false;
	if (!admin->link.os) { /* brokers close connections on which nothing was asked for minutes */
		client_link_deinit(&admin->link);
		PYR_TRY(connect_link(admin, error));
	}
	if (client_link_send(&admin->link, key, message, NULL, 0, true).code != PYR_OK)
		return pyr_fail(error, PYR_CANCELLED, "the broker at %s:%u does not speak the API %s", admin->host,
		                admin->port, codec_kafka_api_find(key)->name);
	admin->timer.fire = on_late;
	admin->patience_s = key == CODEC_KAFKA_API_VERSIONS ? GREETING_S : ANSWER_S;
	os_timer_start(admin->loop, &admin->timer, (uint64_t)admin->patience_s * 1000000);
	os_real_loop_run(admin->loop);
	assert(admin->is_over);
	return admin->result;
}

/* ---- versions ---- */

/* What we would speak: names, not topic ids, so that one code serves brokers old and new. */
static const int16_t versions_wanted[][2] = {
	{CODEC_KAFKA_PRODUCE, 9},
	{CODEC_KAFKA_FETCH, 12},
	{CODEC_KAFKA_LIST_OFFSETS, 5},
	{CODEC_KAFKA_METADATA, 10},
	{CODEC_KAFKA_CREATE_TOPICS, 5},
	{CODEC_KAFKA_DELETE_TOPICS, 5},
	{CODEC_KAFKA_API_VERSIONS, 0},
	{CODEC_KAFKA_LIST_GROUPS, 5},
	{CODEC_KAFKA_DESCRIBE_GROUPS, 5},
	{CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE, 0},
	{CODEC_KAFKA_OFFSET_FETCH, 7},
	{CODEC_KAFKA_OFFSET_COMMIT, 9},
	{CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, 0},
	{CODEC_KAFKA_FIND_COORDINATOR, 3},
	{CODEC_KAFKA_JOIN_GROUP, 5},
	{CODEC_KAFKA_SYNC_GROUP, 3},
	{CODEC_KAFKA_HEARTBEAT, 3},
	{CODEC_KAFKA_LEAVE_GROUP, 2},
	{CODEC_KAFKA_DELETE_GROUPS, 2},
	{CODEC_KAFKA_DESCRIBE_CONFIGS, 2},
	{CODEC_KAFKA_CREATE_PARTITIONS, 1},
	{CODEC_KAFKA_INCREMENTAL_ALTER_CONFIGS, 0},
	{CODEC_KAFKA_DELETE_RECORDS, 1},
	{CODEC_KAFKA_OFFSET_DELETE, 0},
};

static pyr_result take_versions(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_api_versions_response *response = message;
	if (response->error_code != 0)
		return refused(error, "to tell its", "API versions", response->error_code);
	for (size_t i = 0; i < sizeof versions_wanted / sizeof versions_wanted[0]; i++) {
		int16_t key = versions_wanted[i][0], wanted = versions_wanted[i][1];
		for (size_t j = 0; j < response->api_keys_count; j++) {
			const struct codec_kafka_api_versions_response_api_key *spoken = &response->api_keys[j];
			if (spoken->api_key == key && spoken->min_version <= wanted)
				admin->versions.of[key] = spoken->max_version < wanted ? spoken->max_version : wanted;
		}
	}
	return pyr_ok();
}

pyr_result client_admin_open(struct client_admin *admin, struct os_loop *loop, struct os_net *net, const char *host,
                             uint16_t port, struct pyr_error *error)
{
	struct codec_kafka_api_versions_request request = codec_kafka_api_versions_request_default;
	*admin = (struct client_admin){.loop = loop, .net = net, .host = host, .port = port};
	memset(admin->versions.of, 0xff, sizeof admin->versions.of);
	admin->versions.of[CODEC_KAFKA_API_VERSIONS] = 0;
	PYR_TRY(connect_link(admin, error));
	return client_admin_ask(admin, CODEC_KAFKA_API_VERSIONS, &request, take_versions, NULL, error);
}

void client_admin_close(struct client_admin *admin)
{
	client_link_close(&admin->link);
}

void client_admin_deinit(struct client_admin *admin)
{
	client_link_deinit(&admin->link);
}

/* ---- topics ---- */

static struct base_bytes text(const char *name)
{
	return (struct base_bytes){(const uint8_t *)name, strlen(name)};
}

struct topic_state {
	const char *name;
	uint32_t partitions;
	uint32_t led; /* of those */
};

static pyr_result take_metadata(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_metadata_response *response = message;
	struct topic_state *state = admin->take_context;
	state->partitions = state->led = 0;
	if (response->brokers_count > 1)
		return pyr_fail(error, PYR_CANCELLED,
		                "the broker belongs to a cluster of %zu: one broker alone is measured",
		                response->brokers_count);
	for (size_t i = 0; i < response->topics_count; i++) {
		const struct codec_kafka_metadata_response_topic *topic = &response->topics[i];
		if (topic->error_code != 0 && !not_there_yet(topic->error_code))
			return refused(error, "the topic", state->name, topic->error_code);
		state->partitions = (uint32_t)topic->partitions_count;
		for (size_t j = 0; j < topic->partitions_count; j++)
			state->led += topic->partitions[j].error_code == 0 && topic->partitions[j].leader_id >= 0;
	}
	return pyr_ok();
}

static pyr_result ask_metadata(struct client_admin *admin, struct topic_state *state, struct pyr_error *error)
{
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	struct codec_kafka_metadata_request_topic topic = codec_kafka_metadata_request_topic_default;
	topic.name = text(state->name);
	request.topics = &topic;
	request.topics_count = 1;
	request.allow_auto_topic_creation = false;
	return client_admin_ask(admin, CODEC_KAFKA_METADATA, &request, take_metadata, state, error);
}

pyr_result client_admin_topic(struct client_admin *admin, const char *name, uint32_t *ret_partitions,
                              struct pyr_error *error)
{
	struct topic_state state = {.name = name};
	PYR_TRY(ask_metadata(admin, &state, error));
	*ret_partitions = state.partitions;
	return pyr_ok();
}

static pyr_result take_created(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_create_topics_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code != 0 && response->topics[i].error_code != TOPIC_EXISTS)
			return refused(error, "to create the topic", admin->take_context,
			               response->topics[i].error_code);
	return pyr_ok();
}

typedef struct codec_kafka_create_topics_request_config topic_config;

/* "key=value,key=value" */
static pyr_result parse_config(const char *config, topic_config configs[CONFIGS_MAX], size_t *ret_count,
                               struct pyr_error *error)
{
	size_t count = 0;
	for (const char *at = config; *at && count < CONFIGS_MAX; count++) {
		size_t bytes = strcspn(at, ","), name_bytes = strcspn(at, "=,");
		if (name_bytes == 0 || at[name_bytes] != '=')
			return pyr_fail(error, PYR_USAGE, "--topic-config %s is not valid: give KEY=VALUE,KEY=VALUE",
			                config);
		configs[count] = codec_kafka_create_topics_request_config_default;
		configs[count].name = (struct base_bytes){(const uint8_t *)at, name_bytes};
		configs[count].value =
			(struct base_bytes){(const uint8_t *)at + name_bytes + 1, bytes - name_bytes - 1};
		at += bytes + (at[bytes] == ',');
	}
	*ret_count = count;
	return pyr_ok();
}

pyr_result client_admin_create(struct client_admin *admin, const char *name, uint32_t partitions, const char *config,
                               struct pyr_error *error)
{
	topic_config configs[CONFIGS_MAX];
	struct codec_kafka_create_topics_request request = codec_kafka_create_topics_request_default;
	struct codec_kafka_create_topics_request_topic topic = codec_kafka_create_topics_request_topic_default;
	topic.name = text(name);
	topic.num_partitions = (int32_t)partitions;
	topic.replication_factor = 1;
	topic.configs = configs;
	PYR_TRY(parse_config(config, configs, &topic.configs_count, error));
	request.topics = &topic;
	request.topics_count = 1;
	request.timeout_ms = TOPIC_MS;
	return client_admin_ask(admin, CODEC_KAFKA_CREATE_TOPICS, &request, take_created, (void *)(uintptr_t)name,
	                        error);
}

static pyr_result take_deleted(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_delete_topics_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code != 0)
			return refused(error, "to delete the topic", admin->take_context,
			               response->topics[i].error_code);
	return pyr_ok();
}

pyr_result client_admin_delete(struct client_admin *admin, const char *name, struct pyr_error *error)
{
	struct codec_kafka_delete_topics_request request = codec_kafka_delete_topics_request_default;
	struct base_bytes topic = text(name);
	request.topic_names = &topic;
	request.topic_names_count = 1;
	request.timeout_ms = TOPIC_MS;
	return client_admin_ask(admin, CODEC_KAFKA_DELETE_TOPICS, &request, take_deleted, (void *)(uintptr_t)name,
	                        error);
}

/* ---- offsets ---- */

struct offsets_state {
	const char *name;
	struct client_range *ranges;
	uint32_t partitions;
	bool is_end;
	bool complete;
};

static pyr_result take_offsets(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_list_offsets_response *response = message;
	struct offsets_state *state = admin->take_context;
	uint32_t found = 0;
	for (size_t i = 0; i < response->topics_count; i++) {
		for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
			const struct codec_kafka_list_offsets_response_partition *one =
				&response->topics[i].partitions[j];
			if (one->error_code != 0 && !not_there_yet(one->error_code))
				return refused(error, "the offsets of", state->name, one->error_code);
			if (one->error_code != 0 || one->index < 0 || (uint32_t)one->index >= state->partitions)
				continue;
			*(state->is_end ? &state->ranges[one->index].end : &state->ranges[one->index].start) =
				one->offset;
			found += 1;
		}
	}
	state->complete = found == state->partitions;
	return pyr_ok();
}

static pyr_result ask_offsets(struct client_admin *admin, struct offsets_state *state, struct pyr_error *error)
{
	struct codec_kafka_list_offsets_request request = codec_kafka_list_offsets_request_default;
	struct codec_kafka_list_offsets_request_topic topic = codec_kafka_list_offsets_request_topic_default;
	topic.name = text(state->name);
	topic.partitions = calloc(state->partitions, sizeof *topic.partitions);
	if (!topic.partitions)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	topic.partitions_count = state->partitions;
	for (uint32_t i = 0; i < state->partitions; i++) {
		topic.partitions[i] = codec_kafka_list_offsets_request_partition_default;
		topic.partitions[i].index = (int32_t)i;
		topic.partitions[i].timestamp = state->is_end ? LATEST : EARLIEST;
	}
	request.topics = &topic;
	request.topics_count = 1;
	pyr_result result = client_admin_ask(admin, CODEC_KAFKA_LIST_OFFSETS, &request, take_offsets, state, error);
	free(topic.partitions);
	return result;
}

static void on_pause_over(struct os_timer *timer)
{
	os_real_loop_stop(BASE_CONTAINER(timer, struct client_admin, timer)->loop);
}

static void pause_a_little(struct client_admin *admin)
{
	admin->timer.fire = on_pause_over;
	admin->is_over = true; /* nothing is asked */
	os_timer_start(admin->loop, &admin->timer, RETRY_US);
	os_real_loop_run(admin->loop);
	os_timer_stop(admin->loop, &admin->timer);
}

pyr_result client_admin_ranges(struct client_admin *admin, const char *name, uint32_t partitions,
                               struct client_range *ranges, struct pyr_error *error)
{
	uint64_t give_up_us = os_now_us(admin->loop) + READY_US;
	struct offsets_state starts = {.name = name, .ranges = ranges, .partitions = partitions};
	struct offsets_state ends = starts;
	ends.is_end = true;
	for (;;) {
		struct topic_state topic = {.name = name};
		PYR_TRY(ask_metadata(admin, &topic, error));
		if (topic.led == partitions) {
			PYR_TRY(ask_offsets(admin, &starts, error));
			PYR_TRY(ask_offsets(admin, &ends, error));
			if (starts.complete && ends.complete)
				return pyr_ok();
		}
		if (os_now_us(admin->loop) > give_up_us)
			return pyr_fail(
				error, PYR_CANCELLED,
				"the broker leads %u of the %u partitions of the topic %s after %d s: see its log",
				topic.led, partitions, name, READY_US / 1000000);
		pause_a_little(admin);
	}
}

/* ---- groups ---- */

static pyr_result take_coordinator(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_find_coordinator_response *response = message;
	(void)error;
	*(int16_t *)admin->take_context = response->error_code;
	return pyr_ok();
}

pyr_result client_admin_coordinator(struct client_admin *admin, const char *group, struct pyr_error *error)
{
	uint64_t give_up_us = os_now_us(admin->loop) + READY_US;
	struct codec_kafka_find_coordinator_request request = codec_kafka_find_coordinator_request_default;
	int16_t code;
	request.key = text(group);
	for (;;) {
		PYR_TRY(client_admin_ask(admin, CODEC_KAFKA_FIND_COORDINATOR, &request, take_coordinator, &code,
		                         error));
		if (code == 0)
			return pyr_ok();
		if (os_now_us(admin->loop) > give_up_us)
			return refused(error, "a coordinator for the group", group, code);
		pause_a_little(admin);
	}
}
