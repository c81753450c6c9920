/* A connection to a server by Kafka's protocol: opening, topics (see pyralog.h).
 *
 * Lock: the connection's, held while a question is asked and its answer awaited; SQL has its own, taken alone. */
#include "api/remote.h"
#include "api/admin.h"
#include "api/subscription.h"

#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "os/real.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KAFKA_PORT = 9092, PG_PORT = 5432, TIMEOUT_MS = 30000, INFLATED_BYTES_MAX = 1 << 30 };

static struct base_bytes text(const char *name)
{
	return (struct base_bytes){(const uint8_t *)name, strlen(name)};
}

pyr_result remote_refused(int16_t code, const char *topic, struct pyr_error *error)
{
	char room[32];
	return pyr_fail(error, api_code_of_kafka(code), "topic %s: %s", topic, client_kafka_error(code, room));
}

/* ---- connections ---- */

pyr_result remote_link_open(struct remote_link *link, const struct remote *remote, struct pyr_error *error)
{
	*link = (struct remote_link){.loop = os_real_loop_new()};
	link->net = link->loop ? os_real_net_new(link->loop) : NULL;
	if (!link->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return client_admin_open(&link->admin, link->loop, link->net, remote->host, remote->kafka_port, error);
}

void remote_link_close(struct remote_link *link)
{
	if (link->net) {
		client_admin_close(&link->admin);
		os_real_net_free(link->net);
	}
	if (link->loop)
		os_real_loop_free(link->loop);
	if (link->net)
		client_admin_deinit(&link->admin);
	*link = (struct remote_link){0};
}

pyr_result remote_ask(struct pyralog *log, int16_t key, const void *message, client_admin_take *take, void *context,
                      struct pyr_error *error)
{
	struct remote *remote = remote_of(log);
	os_mutex_lock(&remote->lock);
	pyr_result result = client_admin_ask(&remote->link.admin, key, message, take, context, error);
	os_mutex_unlock(&remote->lock);
	return result;
}

/* The topic may have grown since anybody looked: its ranges are asked for whole. */
pyr_result remote_range(struct remote_link *link, const char *topic, int32_t partition, struct client_range *ret_range,
                        struct pyr_error *error)
{
	uint32_t count;
	PYR_TRY(client_admin_topic(&link->admin, topic, &count, error));
	if (partition < 0 || (uint32_t)partition >= count)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no partition %d of a topic %s", partition,
		                topic);
	struct client_range *ranges = calloc(count, sizeof *ranges);
	if (!ranges)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = client_admin_ranges(&link->admin, topic, count, ranges, error);
	if (result.code == PYR_OK)
		*ret_range = ranges[partition];
	free(ranges);
	return result;
}

pyr_result remote_open_batch(const uint8_t *bytes, size_t *at, size_t end, struct codec_record_reader *ret_records,
                             bool *ret_any)
{
	struct base_bytes left = {bytes + *at, end - *at};
	struct codec_batch batch;
	*ret_any =
		left.bytes >= CODEC_BATCH_HEADER_BYTES &&
		(uint64_t)base_load_u32be(left.data + CODEC_BATCH_LENGTH_AT) + CODEC_BATCH_OVERHEAD_BYTES <= left.bytes;
	if (!*ret_any)
		return pyr_ok();
	PYR_TRY(codec_batch_check(left, &batch));
	PYR_TRY(codec_record_reader_init(ret_records, &batch, INFLATED_BYTES_MAX));
	*at += batch.bytes;
	return pyr_ok();
}

/* ---- topics ---- */

static pyr_result take_created(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_create_topics_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code != 0)
			return remote_refused(response->topics[i].error_code, admin->take_context, error);
	return pyr_ok();
}

static pyr_result topic_create(struct pyralog *log, const char *name, unsigned partitions, struct pyr_error *error)
{
	struct codec_kafka_create_topics_request request = codec_kafka_create_topics_request_default;
	struct codec_kafka_create_topics_request_topic topic = codec_kafka_create_topics_request_topic_default;
	topic.name = text(name);
	topic.num_partitions = partitions == 0 ? -1 : partitions > INT32_MAX ? INT32_MAX : (int32_t)partitions;
	topic.replication_factor = -1;
	request.topics = &topic;
	request.topics_count = 1;
	request.timeout_ms = TIMEOUT_MS;
	return remote_ask(log, CODEC_KAFKA_CREATE_TOPICS, &request, take_created, (void *)(uintptr_t)name, error);
}

static pyr_result take_deleted(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_delete_topics_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code != 0)
			return remote_refused(response->topics[i].error_code, admin->take_context, error);
	return pyr_ok();
}

static pyr_result topic_delete(struct pyralog *log, const char *name, struct pyr_error *error)
{
	struct codec_kafka_delete_topics_request request = codec_kafka_delete_topics_request_default;
	struct base_bytes topic = text(name);
	request.topic_names = &topic;
	request.topic_names_count = 1;
	request.timeout_ms = TIMEOUT_MS;
	return remote_ask(log, CODEC_KAFKA_DELETE_TOPICS, &request, take_deleted, (void *)(uintptr_t)name, error);
}

static pyr_result take_list(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_metadata_response *response = message;
	struct api_topics *topics = admin->take_context;
	(void)error;
	for (size_t i = 0; i < response->topics_count; i++)
		if (response->topics[i].error_code == 0)
			PYR_TRY(api_topics_add(topics, response->topics[i].name,
			                       (unsigned)response->topics[i].partitions_count));
	return pyr_ok();
}

static pyr_result topic_list(struct pyralog *log, struct api_topics *topics, struct pyr_error *error)
{
	struct codec_kafka_metadata_request request = codec_kafka_metadata_request_default;
	request.topics = NULL; /* all */
	request.allow_auto_topic_creation = false;
	return remote_ask(log, CODEC_KAFKA_METADATA, &request, take_list, topics, error);
}

/* ---- life ---- */

static void remote_close(struct pyralog *log)
{
	struct remote *remote = remote_of(log);
	remote_link_close(&remote->link);
	if (remote->pg)
		PQfinish(remote->pg);
	os_mutex_deinit(&remote->lock);
	os_mutex_deinit(&remote->pg_lock);
	free(remote);
}

static const struct api_ways ways = {
	&remote_feed, &remote_admin,      remote_close,       topic_create,        topic_delete,
	topic_list,   remote_produce,     remote_reader_open, remote_reader_next,  remote_reader_close,
	remote_sql,   remote_query_start, remote_query_next,  remote_query_cancel, remote_query_free,
};

enum pyr_status pyr_connect(const struct pyr_connect_options *options, struct pyralog **ret_log,
                            struct pyr_failure *failure)
{
	struct pyr_connect_options wanted = {0};
	struct pyr_error error = {0};
	struct remote *remote = calloc(1, sizeof *remote);
	if (options)
		memcpy(&wanted, options, options->size < sizeof wanted ? options->size : sizeof wanted);
	const char *host = wanted.host ? wanted.host : "127.0.0.1";
	if (!remote || strlen(host) >= REMOTE_HOST_BYTES_MAX) {
		free(remote);
		return api_fail(failure, remote ? PYR_STATUS_USAGE : PYR_STATUS_OUT_OF_MEMORY, "",
		                remote ? "the host's name is too long" : "out of memory");
	}
	remote->base.ways = &ways;
	memcpy(remote->host, host, strlen(host) + 1);
	remote->kafka_port = wanted.kafka_port > 0 ? wanted.kafka_port : KAFKA_PORT;
	remote->pg_port = wanted.pg_port > 0 ? wanted.pg_port : PG_PORT;
	os_mutex_init(&remote->lock);
	os_mutex_init(&remote->pg_lock);
	pyr_result result = remote_link_open(&remote->link, remote, &error);
	if (result.code != PYR_OK) {
		remote_close(&remote->base);
		return api_settle(result, &error, failure);
	}
	*ret_log = &remote->base;
	return PYR_STATUS_OK;
}
