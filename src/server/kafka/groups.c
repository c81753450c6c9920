/* FindCoordinator, and everything that consumer groups ask: handed to the coordinator as it came.
 *
 * The call is embedded in the request's work; it comes back when the coordinator has the answer, which may be long after
 * the client has gone: then the coordinator is told that nobody waits. Owner: the first shard's loop, to which all such
 * requests go (spread.c); FindCoordinator is answered anywhere. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- FindCoordinator ---- */

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, BATCHES_SINCE = 4 };

static int16_t coordinator_error(int8_t key_type)
{
	if (key_type == KEY_GROUP)
		return KAFKA_NONE;
	return key_type == KEY_TRANSACTION ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED : KAFKA_INVALID_REQUEST;
}

static struct base_bytes coordinator_message(int16_t error_code)
{
	if (error_code == KAFKA_NONE)
		return (struct base_bytes){0};
	return kafka_text(error_code == KAFKA_INVALID_REQUEST
	                          ? "there are coordinators of groups only"
	                          : "transactions are not served: produce without transactional.id");
}

static void tell_coordinator(struct kafka_request *request, struct base_bytes key, int16_t error_code,
                             struct codec_kafka_find_coordinator_response_coordinator *told)
{
	const struct kafka_server *server = request->server;
	bool here = error_code == KAFKA_NONE;
	told->key = key;
	told->error_code = error_code;
	told->error_message = coordinator_message(error_code);
	told->node_id = here ? server->options.node_id : -1;
	told->host = here ? kafka_text(server->options.advertised_host) : kafka_text("");
	told->port = here ? server->advertised_port : -1;
}

void kafka_find_coordinator(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_find_coordinator_request *asked = message;
	struct codec_kafka_find_coordinator_response response = codec_kafka_find_coordinator_response_default;
	struct codec_kafka_find_coordinator_response_coordinator one;
	int16_t error_code = coordinator_error(asked->key_type);
	if (request->header.api_version < BATCHES_SINCE) {
		tell_coordinator(request, asked->key, error_code, &one);
		response.error_code = one.error_code;
		response.error_message = one.error_message;
		response.node_id = one.node_id;
		response.host = one.host;
		response.port = one.port;
		kafka_request_reply(request, &response);
		return;
	}
	response.coordinators_count = asked->coordinator_keys_count;
	response.coordinators =
		kafka_request_alloc(request, asked->coordinator_keys_count, sizeof *response.coordinators);
	if (!response.coordinators)
		return;
	for (size_t i = 0; i < asked->coordinator_keys_count; i++)
		tell_coordinator(request, asked->coordinator_keys[i], error_code, &response.coordinators[i]);
	kafka_request_reply(request, &response);
}

/* ---- the coordinator's ---- */

struct group_work {
	struct group_call call;
	struct kafka_request *request;
};

static void on_answered(struct group_call *call, const void *response)
{
	struct group_work *work = BASE_CONTAINER(call, struct group_work, call);
	if (response)
		kafka_request_reply(work->request, response);
	else
		kafka_request_fail(work->request, "it needs more memory than one request may have");
}

static void on_cancelled(struct kafka_request *request)
{
	struct group_work *work = request->work;
	group_coordinator_cancel(request->server->options.coordinator, &work->call);
}

void kafka_group_request(struct kafka_request *request, const void *message)
{
	struct kafka_server *server = request->server;
	struct group_work *work = calloc(1, sizeof *work);
	request->work = work;
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	work->request = request;
	work->call = (struct group_call){
		.key = request->header.api_key,
		.version = request->header.api_version,
		.request = message,
		.client_id = request->header.client_id,
		.client_host = kafka_text("/127.0.0.1"), /* nobody else is listened to */
		.arena = &request->arena,
		.answered = on_answered,
	};
	request->cancel = on_cancelled;
	group_coordinator_call(server->options.coordinator, &work->call);
}
