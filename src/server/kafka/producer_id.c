/* InitProducerId: a number for every idempotent producer, never given twice, not even after a crash: the catalog makes
 * whole blocks durable, and each is handed out from memory. Transactions are not served, and say so. Owner: the loop's
 * thread. */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>

struct waiter {
	struct base_list node; /* in the server's producer_waiters */
	struct kafka_request *request;
};

static void reply(struct kafka_request *request, int16_t error_code, int64_t producer_id)
{
	struct codec_kafka_init_producer_id_response response = codec_kafka_init_producer_id_response_default;
	response.error_code = error_code;
	response.producer_id = producer_id;
	response.producer_epoch = error_code == KAFKA_NONE ? 0 : -1;
	kafka_request_reply(request, &response);
}

static void serve_waiters(struct kafka_server *server, int16_t error_code)
{
	while (!base_list_empty(&server->producer_waiters) &&
	       (error_code != KAFKA_NONE || server->producer_next < server->producer_end)) {
		struct waiter *waiter = BASE_CONTAINER(base_list_pop(&server->producer_waiters), struct waiter, node);
		reply(waiter->request, error_code, error_code == KAFKA_NONE ? server->producer_next++ : -1);
	}
}

static void want_block(struct kafka_server *server);

static void on_block(struct catalog_change *change)
{
	struct kafka_server *server = BASE_CONTAINER(change, struct kafka_server, producer_block);
	if (change->result.code == PYR_OK) {
		server->producer_next = change->producer_id;
		server->producer_end = change->producer_id + CATALOG_PRODUCER_BLOCK;
	}
	/* Still wanted while serving, so that the server is not gone under our feet. */
	serve_waiters(server, kafka_error_of(change->result.code));
	server->producer_block_wanted = false;
	if (!base_list_empty(&server->producer_waiters))
		want_block(server);
	kafka_server_settle(server);
}

static void want_block(struct kafka_server *server)
{
	if (server->producer_block_wanted)
		return;
	server->producer_block_wanted = true;
	server->producer_block = (struct catalog_change){.done = on_block};
	catalog_producer_block(server->catalog, &server->producer_block);
}

void kafka_init_producer_id(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_init_producer_id_request *asked = message;
	struct kafka_server *server = request->server;
	if (asked->transactional_id.data) {
		reply(request, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1);
		return;
	}
	if (server->producer_next < server->producer_end) {
		reply(request, KAFKA_NONE, server->producer_next++);
		return;
	}
	struct waiter *waiter = calloc(1, sizeof *waiter);
	request->work = waiter;
	if (!waiter) {
		kafka_request_fail(request, "out of memory");
		return;
	}
	waiter->request = request;
	base_list_append(&server->producer_waiters, &waiter->node);
	want_block(server);
}
