/* Requests: from bytes to handler to response (see kafka_priv.h).
 *
 * Failure modes: what can't be decoded, is of an API or version not spoken, or can't be answered for want of memory
 * closes the connection, as Kafka does; only ApiVersions answers an unknown version, so that the two sides can agree.
 * Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a request is worked on: by the shards of its partitions or, if it has none, where it arrived; or by the first. */
enum where { ON_ANY, ON_FIRST };

struct handler {
	int16_t key;
	void (*handle)(struct kafka_request *request, const void *message);
	enum where where;
};

/* One row an API of messages.def: what is advertised is served. */
static const struct handler handlers[] = {
	{CODEC_KAFKA_PRODUCE, kafka_produce, ON_ANY},
	{CODEC_KAFKA_FETCH, kafka_fetch, ON_ANY},
	{CODEC_KAFKA_LIST_OFFSETS, kafka_list_offsets, ON_ANY},
	{CODEC_KAFKA_METADATA, kafka_metadata, ON_ANY},
	{CODEC_KAFKA_API_VERSIONS, kafka_api_versions, ON_ANY},
	{CODEC_KAFKA_SASL_HANDSHAKE, kafka_sasl_handshake, ON_ANY},
	{CODEC_KAFKA_SASL_AUTHENTICATE, kafka_sasl_authenticate, ON_ANY},
	{CODEC_KAFKA_CREATE_TOPICS, kafka_create_topics, ON_ANY},
	{CODEC_KAFKA_DELETE_TOPICS, kafka_delete_topics, ON_ANY},
	{CODEC_KAFKA_DELETE_RECORDS, kafka_delete_records, ON_ANY},
	{CODEC_KAFKA_INIT_PRODUCER_ID, kafka_init_producer_id, ON_ANY},
	{CODEC_KAFKA_OFFSET_FOR_LEADER_EPOCH, kafka_offset_for_leader_epoch, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_CONFIGS, kafka_describe_configs, ON_FIRST},
	{CODEC_KAFKA_LIST_CONFIG_RESOURCES, kafka_list_config_resources, ON_ANY},
	{CODEC_KAFKA_ALTER_CONFIGS, kafka_alter_configs, ON_FIRST},
	{CODEC_KAFKA_INCREMENTAL_ALTER_CONFIGS, kafka_incremental_alter_configs, ON_FIRST},
	{CODEC_KAFKA_DESCRIBE_LOG_DIRS, kafka_describe_log_dirs, ON_ANY},
	{CODEC_KAFKA_CREATE_PARTITIONS, kafka_create_partitions, ON_ANY},
	{CODEC_KAFKA_ELECT_LEADERS, kafka_elect_leaders, ON_ANY},
	{CODEC_KAFKA_ALTER_PARTITION_REASSIGNMENTS, kafka_alter_partition_reassignments, ON_ANY},
	{CODEC_KAFKA_LIST_PARTITION_REASSIGNMENTS, kafka_list_partition_reassignments, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_CLIENT_QUOTAS, kafka_describe_client_quotas, ON_ANY},
	{CODEC_KAFKA_ALTER_CLIENT_QUOTAS, kafka_alter_client_quotas, ON_FIRST},
	{CODEC_KAFKA_DESCRIBE_USER_SCRAM_CREDENTIALS, kafka_describe_scram, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_CLUSTER, kafka_describe_cluster, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_PRODUCERS, kafka_describe_producers, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_TRANSACTIONS, kafka_describe_transactions, ON_ANY},
	{CODEC_KAFKA_LIST_TRANSACTIONS, kafka_list_transactions, ON_ANY},
	{CODEC_KAFKA_DESCRIBE_TOPIC_PARTITIONS, kafka_describe_topic_partitions, ON_ANY},
	{CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_FIND_COORDINATOR, kafka_find_coordinator, ON_FIRST},
	{CODEC_KAFKA_JOIN_GROUP, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_SYNC_GROUP, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_HEARTBEAT, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_LEAVE_GROUP, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_OFFSET_COMMIT, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_OFFSET_FETCH, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_OFFSET_DELETE, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_DESCRIBE_GROUPS, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_LIST_GROUPS, kafka_group_request, ON_FIRST},
	{CODEC_KAFKA_DELETE_GROUPS, kafka_group_request, ON_FIRST},
};

static const struct handler *handler_of(int16_t key)
{
	for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
		if (handlers[i].key == key)
			return &handlers[i];
	return NULL;
}

struct kafka_request *kafka_request_new(struct kafka_connection *connection, struct base_slice bytes)
{
	struct kafka_request *request = calloc(1, sizeof *request);
	if (!request) {
		base_slice_release(&bytes);
		return NULL;
	}
	base_list_init(&request->node);
	request->server = connection->server;
	request->connection = connection;
	request->bytes = bytes;
	request->principal.name = "anonymous";
	/* The key is looked at now, because a fetch waits for the one before it. */
	if (bytes.bytes >= 2)
		request->header.api_key = (int16_t)base_load_u16be(bytes.data);
	codec_arena_init(&request->arena, KAFKA_ARENA_BYTES_MAX);
	request->memory_bytes = sizeof *request + bytes.bytes;
	kafka_memory_take(request->server, request->memory_bytes);
	request->server->metrics.requests += 1;
	request->server->metrics.requests_in_flight += 1;
	return request;
}

static void response_free(struct kafka_request *request)
{
	for (size_t i = 0; i < request->response_slices; i++)
		base_slice_release(&request->response[i]);
	free(request->response);
	request->response = NULL;
	request->response_slices = 0;
}

void kafka_request_deinit(struct kafka_request *request)
{
	base_list_remove(&request->node);
	response_free(request);
	kafka_spread_free(request->spread && request->spread->origin == request ? request->spread : NULL);
	/* Before the arena, into which it points. */
	if (request->work_free)
		request->work_free(request->work);
	else
		free(request->work);
	codec_arena_deinit(&request->arena);
	base_slice_release(&request->bytes);
}

void kafka_request_free(struct kafka_request *request)
{
	struct kafka_server *server = request->server;
	kafka_request_deinit(request);
	server->metrics.requests_in_flight -= 1;
	kafka_memory_give(server, request->memory_bytes);
	free(request);
}

bool kafka_request_is_fetch(const struct kafka_request *request)
{
	return request->header.api_key == CODEC_KAFKA_FETCH;
}

/* What the arena took counts as memory of the request, too. */
static void count_arena(struct kafka_request *request)
{
	size_t bytes = KAFKA_ARENA_BYTES_MAX - request->arena.left_bytes;
	request->memory_bytes += bytes;
	kafka_memory_take(request->server, bytes);
}

/* The response is there, or there is none: sends what is due, or drops it when the client has gone. */
static void done(struct kafka_request *request)
{
	struct kafka_server *server = request->server;
	struct kafka_connection *connection = request->connection;
	assert(!request->answered);
	request->answered = true;
	request->cancel = NULL;
	if (connection) {
		connection->unsent_bytes += request->response_bytes;
		kafka_connection_answered(connection);
		return;
	}
	kafka_request_free(request);
	kafka_server_settle(server);
}

static void fail(struct kafka_request *request, const char *why)
{
	struct kafka_server *server = request->server;
	server->metrics.request_errors += 1;
	kafka_log_line(server, "a connection was closed: %s request, version %d: %s",
	               request->api ? request->api->name : "unknown", request->header.api_version, why);
	request->close_after = true;
	done(request);
}

void *kafka_request_alloc(struct kafka_request *request, size_t count, size_t element_bytes)
{
	void *at = codec_arena_alloc(&request->arena, count, element_bytes);
	if (!at)
		kafka_request_fail(request, "it needs more memory than one request may have");
	return at;
}

static void on_unsupported(struct kafka_request *request)
{
	char why[80];
	if (request->header.api_key == CODEC_KAFKA_API_VERSIONS) {
		kafka_api_versions_unsupported(request);
		return;
	}
	snprintf(why, sizeof why, "API key %d in version %d is not served", request->header.api_key,
	         request->header.api_version);
	fail(request, why);
}

static void start(struct kafka_request *request)
{
	struct base_reader reader = base_reader_init(request->bytes.data, request->bytes.bytes);
	pyr_result result = codec_kafka_request_header_decode(&reader, &request->header);
	request->api = codec_kafka_api_find(request->header.api_key);
	if (result.code == PYR_UNSUPPORTED_VERSION) {
		on_unsupported(request);
		return;
	}
	if (result.code != PYR_OK) {
		kafka_request_fail(request, "its header is malformed");
		return;
	}
	const struct handler *handler = handler_of(request->header.api_key);
	assert(handler);
	void *message = kafka_request_alloc(request, 1, request->api->request.struct_bytes);
	if (!message)
		return;
	result = request->api->request.decode(&reader, request->header.api_version, &request->arena, message);
	if (result.code != PYR_OK) {
		kafka_request_fail(request,
		                   result.code == PYR_OUT_OF_MEMORY ? "it has too many elements" : "it is malformed");
		return;
	}
	if (request->header.api_key == CODEC_KAFKA_DESCRIBE_LOG_DIRS && !kafka_log_dirs_prepare(request, message))
		return;
	count_arena(request);
	if (handler->where == ON_FIRST)
		kafka_spread_to_first(request, message, handler->handle);
	else
		kafka_spread_start(request, message, handler->handle);
}

void kafka_request_start(struct kafka_request *request)
{
	struct kafka_connection *connection = request->connection;
	uint64_t began_us = kafka_throttle_clock(request);
	start(request); /* which may be gone after it; its connection is not while it is pumped */
	kafka_throttle_time(connection, began_us);
}

/* The message with how long the client is held back, where its API can tell. */
static const void *with_throttle(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_api *api = request->api;
	if (request->throttle_ms == 0 || !api->has_throttle)
		return message;
	uint8_t *copy = codec_arena_alloc(&request->arena, 1, api->response.struct_bytes);
	if (!copy)
		return message; /* it is held back all the same */
	memcpy(copy, message, api->response.struct_bytes);
	memcpy(copy + api->throttle_at, &request->throttle_ms, sizeof(int32_t));
	return copy;
}

/* Length, header and message in one slice. */
static pyr_result encode(struct kafka_request *request, const void *message, struct base_slice *ret_bytes)
{
	const struct codec_kafka_request_header *header = &request->header;
	struct base_writer writer;
	base_writer_init(&writer, KAFKA_RESPONSE_BYTES_MAX);
	base_write_u32be(&writer, 0);
	codec_kafka_response_header_encode(&writer, header->api_key, header->api_version, header->correlation_id);
	request->api->response.encode(&writer, header->api_version, with_throttle(request, message));
	pyr_result result = base_writer_take(&writer, ret_bytes);
	base_writer_deinit(&writer);
	return result;
}

/* The pieces between the gaps and what goes into them, in order. */
static void splice(struct kafka_request *request, struct base_slice encoded, struct kafka_gap *gaps, size_t gap_count)
{
	size_t from = 0, count = 0;
	for (size_t i = 0; i < gap_count; i++) {
		assert(gaps[i].at >= from && gaps[i].at <= encoded.bytes);
		if (gaps[i].at > from)
			request->response[count++] = base_slice_sub(encoded, from, gaps[i].at - from);
		from = gaps[i].at;
		for (size_t j = 0; j < gaps[i].slice_count; j++) {
			request->response[count++] = gaps[i].slices[j];
			gaps[i].slices[j] = (struct base_slice){0};
		}
	}
	if (from < encoded.bytes)
		request->response[count++] = base_slice_sub(encoded, from, encoded.bytes - from);
	request->response_slices = count;
	for (size_t i = 0; i < count; i++)
		request->response_bytes += request->response[i].bytes;
}

static int compare_gaps(const void *a, const void *b)
{
	const struct kafka_gap *left = a, *right = b;
	return (left->at > right->at) - (left->at < right->at);
}

static void release_gaps(struct kafka_gap *gaps, size_t gap_count)
{
	for (size_t i = 0; i < gap_count; i++) {
		for (size_t j = 0; j < gaps[i].slice_count; j++)
			base_slice_release(&gaps[i].slices[j]);
		gaps[i].slice_count = 0;
	}
}

/* The encoded response becomes the request's, with the gaps filled. False: memory is out. */
static bool assemble(struct kafka_request *request, struct base_slice encoded, struct kafka_gap *gaps, size_t gap_count)
{
	size_t slices_max = gap_count + 1;
	for (size_t i = 0; i < gap_count; i++)
		slices_max += gaps[i].slice_count;
	request->response = calloc(slices_max, sizeof *request->response);
	if (!request->response)
		return false;
	splice(request, encoded, gaps, gap_count);
	assert(request->response_bytes >= 4 && request->response_bytes - 4 <= INT32_MAX);
	base_store_u32be(encoded.owner->data, (uint32_t)(request->response_bytes - 4));
	return true;
}

static void send(struct kafka_request *request, const void *message, struct kafka_gap *gaps, size_t gap_count)
{
	struct base_slice encoded = {0};
	bool sent = encode(request, message, &encoded).code == PYR_OK && assemble(request, encoded, gaps, gap_count);
	base_slice_release(&encoded);
	if (sent) {
		done(request);
		return;
	}
	release_gaps(gaps, gap_count);
	fail(request, "its response needs too much memory");
}

/* Of a request that several shards worked on: where the gaps are is known only when all is encoded. */
static void send_spread(struct kafka_request *request, const void *message)
{
	struct base_slice encoded = {0};
	size_t gap_count = 0;
	bool fine = encode(request, message, &encoded).code == PYR_OK;
	struct kafka_gap *gaps = fine ? kafka_spread_gaps(request->spread, &gap_count) : NULL;
	if (gaps)
		qsort(gaps, gap_count, sizeof *gaps, compare_gaps);
	fine = gaps && assemble(request, encoded, gaps, gap_count);
	free(gaps);
	base_slice_release(&encoded);
	if (fine)
		done(request);
	else
		fail(request, "its response needs too much memory");
}

void kafka_request_finish(struct kafka_request *request, const struct kafka_outcome *outcome)
{
	if (!outcome->failure)
		kafka_throttle(request, outcome);
	if (outcome->failure)
		fail(request, outcome->failure);
	else if (!outcome->message)
		done(request);
	else if (request->spread)
		send_spread(request, outcome->message);
	else
		send(request, outcome->message, outcome->gaps, outcome->gap_count);
}

/* ---- for handlers ---- */

static void answered(struct kafka_request *request, const struct kafka_outcome *outcome)
{
	if (request->spread)
		kafka_spread_answered(request, outcome);
	else
		kafka_request_finish(request, outcome);
}

void kafka_request_reply_spliced(struct kafka_request *request, const void *message, struct kafka_gap *gaps,
                                 size_t gap_count)
{
	struct kafka_outcome outcome = {.message = message, .gaps = gaps, .gap_count = gap_count};
	answered(request, &outcome);
}

void kafka_request_reply(struct kafka_request *request, const void *message)
{
	kafka_request_reply_spliced(request, message, NULL, 0);
}

void kafka_request_reply_nothing(struct kafka_request *request)
{
	answered(request, &(struct kafka_outcome){0});
}

void kafka_request_fail(struct kafka_request *request, const char *why)
{
	answered(request, &(struct kafka_outcome){.failure = why});
}
