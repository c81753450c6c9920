/* FindCoordinator, and everything that consumer groups ask: handed to the coordinator as it came.
 *
 * The call is embedded in the request's work; it comes back when the coordinator has the answer, which may be long after
 * the client has gone: then the coordinator is told that nobody waits. Owner: the first shard's loop, to which all such
 * requests go (spread.c). A group is coordinated by the owner of its name's slot: the route (node/route.h) says who that is, to
 * FindCoordinator and to the coordinator itself, which refuses others' groups. */
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- FindCoordinator ---- */

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, BATCHES_SINCE = 4 };

bool kafka_coordinates(void *server, struct base_bytes group_id)
{
	return node_route_find(&((struct kafka_server *)server)->options.route, group_id).where == NODE_OWNER_HERE;
}

/* Transactions have the seam and no coordinator yet. */
static int16_t error_here(int8_t key_type)
{
	if (key_type == KEY_GROUP)
		return KAFKA_NONE;
	return key_type == KEY_TRANSACTION ? KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED : KAFKA_INVALID_REQUEST;
}

static int16_t coordinator_error(int8_t key_type, const struct node_owner *owner)
{
	if (owner->where == NODE_OWNER_HERE || (key_type != KEY_GROUP && key_type != KEY_TRANSACTION))
		return error_here(key_type);
	return owner->where == NODE_OWNER_THERE ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE;
}

static struct base_bytes coordinator_message(int16_t error_code)
{
	switch (error_code) {
	case KAFKA_NONE:
		return (struct base_bytes){0};
	case KAFKA_INVALID_REQUEST:
		return kafka_text("there are coordinators of groups only");
	case KAFKA_COORDINATOR_NOT_AVAILABLE:
		return kafka_text("its slot has no owner at the moment: ask again");
	default:
		return kafka_text("transactions are not served: produce without transactional.id");
	}
}

/* The key's slot, and who has it: this node, another, nobody. */
static void tell_coordinator(struct kafka_request *request, struct base_bytes key, int8_t key_type,
                             struct codec_kafka_find_coordinator_response_coordinator *told)
{
	const struct kafka_server *server = request->server;
	struct node_owner owner = node_route_find(&server->options.route, key);
	bool there = owner.where == NODE_OWNER_THERE;
	told->key = key;
	told->error_code = coordinator_error(key_type, &owner);
	told->error_message = coordinator_message(told->error_code);
	bool known = told->error_code == KAFKA_NONE;
	told->node_id = !known ? -1 : there ? owner.node_id : server->options.node_id;
	told->host = kafka_text(!known ? "" : there ? owner.host : server->options.advertised_host);
	told->port = !known ? -1 : there ? owner.port : server->advertised_port;
}

void kafka_find_coordinator(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_find_coordinator_request *asked = message;
	struct codec_kafka_find_coordinator_response response = codec_kafka_find_coordinator_response_default;
	struct codec_kafka_find_coordinator_response_coordinator one;
	if (request->header.api_version < BATCHES_SINCE) {
		tell_coordinator(request, asked->key, asked->key_type, &one);
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
		tell_coordinator(request, asked->coordinator_keys[i], asked->key_type, &response.coordinators[i]);
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
