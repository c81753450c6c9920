/* InitProducerId: a number for every idempotent producer, never given twice, not even after a crash: a Scarab ID, whose promise is
 * durable before it is given (node/ids.h), taken a block at a time. Numbers that older versions gave, from blocks that the catalog
 * made durable, are small, and an id is never: directories of both times hold none twice. Transactions are not served, and say so.
 * Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { PRODUCER_STACK_BYTES = 256 << 10 };

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
		reply(waiter->request, error_code,
		      error_code == KAFKA_NONE ? (int64_t)server->producer_ids[server->producer_next++] : -1);
	}
}

static void want_block(struct kafka_server *server);

static void take_block(struct kafka_server *server, pyr_result result)
{
	if (result.code == PYR_OK) {
		server->producer_next = 0;
		server->producer_end = KAFKA_PRODUCER_IDS;
	}
	/* Still wanted while serving, so that the server is not gone under our feet. */
	serve_waiters(server, kafka_error_of(result.code));
	server->producer_block_wanted = false;
	if (!base_list_empty(&server->producer_waiters))
		want_block(server);
	kafka_server_settle(server);
}

/* ---- from the catalog, for a server without ids ---- */

static void on_block(struct catalog_change *change)
{
	struct kafka_server *server = BASE_CONTAINER(change, struct kafka_server, producer_block);
	_Static_assert((int)KAFKA_PRODUCER_IDS <= (int)CATALOG_PRODUCER_BLOCK, "a block fills the place for ids");
	for (size_t i = 0; change->result.code == PYR_OK && i < KAFKA_PRODUCER_IDS; i++)
		server->producer_ids[i] = (uint64_t)change->producer_id + i;
	take_block(server, change->result);
}

/* ---- Scarab IDs, which a thread takes, as a promise may have to be made durable ---- */

static void take_ids(struct os_job *job)
{
	struct kafka_server *server = BASE_CONTAINER(job, struct kafka_server, producer_job);
	server->producer_result =
		node_ids_take(server->options.ids, KAFKA_PRODUCER_IDS, server->producer_ids, &server->producer_error);
}

static void on_ids(struct os_job *job)
{
	struct kafka_server *server = BASE_CONTAINER(job, struct kafka_server, producer_job);
	if (server->producer_result.code != PYR_OK)
		kafka_log_line(server, "no producer gets a number: %s", server->producer_error.text);
	take_block(server, server->producer_result);
}

static bool has_executor(struct kafka_server *server)
{
	if (!server->producer_executor)
		server->producer_executor =
			os_executor_new(server->loop, "producers", OS_ORDINARY, 1, PRODUCER_STACK_BYTES);
	return server->producer_executor;
}

static void want_block(struct kafka_server *server)
{
	if (server->producer_block_wanted)
		return;
	server->producer_block_wanted = true;
	if (server->options.ids && has_executor(server)) {
		server->producer_job.run = take_ids;
		server->producer_job.done = on_ids;
		os_submit(server->producer_executor, &server->producer_job);
		return;
	}
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
		reply(request, KAFKA_NONE, (int64_t)server->producer_ids[server->producer_next++]);
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
