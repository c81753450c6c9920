/* The routes of JSON-RPC, and a batch on its way to the node's loop and back (see rpc.h).
 *
 * Invariant: a batch is of the HTTP thread until it is posted, and of the loop's from then on, which answers it once. */
#include "server/rpc/rpc_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rpc {
	_Atomic(struct os_loop *) loop; /* NULL: not open yet */
	struct pharaoh_server *server; /* the loop's */
};

/* ---- answers, on the loop ---- */

static void respond(struct rpc_batch *batch)
{
	char *text = rpc_batch_text(batch);
	size_t bytes = text ? strlen(text) : 0;
	if (batch->request && text) {
		struct base_slice body = base_slice_copy(text, bytes);
		if (body.owner)
			http_answer(batch->request, 200, "application/json", body);
		else
			http_refuse(batch->request, 503, "out of memory");
	} else if (batch->request) {
		http_answer(batch->request, 204, "application/json", (struct base_slice){0});
	} else {
		if (text)
			pyr_ignore(http_socket_send(batch->socket, (struct base_bytes){(uint8_t *)text, bytes}, true));
		http_socket_unref(batch->socket);
	}
	free(text);
	rpc_batch_free(batch);
}

static void one_less(struct rpc_batch *batch)
{
	assert(batch->left > 0);
	batch->left -= 1;
	if (batch->left == 0)
		respond(batch);
}

static void answered(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	struct rpc_call *call = BASE_CONTAINER(ask, struct rpc_call, ask);
	rpc_call_answer(call, reply);
	one_less(call->batch);
}

static void refuse(struct rpc_call *call)
{
	struct codec_pharaoh reply;
	struct pyr_error error = {.text = "the Pharaoh services are not open: see --pharaoh-port"};
	pharaoh_refuse(&call->ask.request, pyr_result_of(PYR_STOPPED), &error, &reply);
	rpc_call_answer(call, &reply);
	one_less(call->batch);
}

static void ask_all(struct os_task *task)
{
	struct rpc_batch *batch = BASE_CONTAINER(task, struct rpc_batch, task);
	struct pharaoh_server *server = batch->rpc->server;
	batch->left = batch->count + 1; /* until all are asked */
	for (size_t i = 0; i < batch->count; i++) {
		struct rpc_call *call = &batch->calls[i];
		if (batch->request && call->ask.request.wait_ms > RPC_WAIT_MAX_MS)
			call->ask.request.wait_ms = RPC_WAIT_MAX_MS;
		call->ask.answered = answered;
		if (call->answer)
			one_less(batch);
		else if (!server)
			refuse(call);
		else
			pharaoh_server_ask(server, &call->ask);
	}
	one_less(batch);
}

/* ---- texts, on the HTTP thread ---- */

static void handle(void *context, struct http_request *request)
{
	struct rpc *rpc = context;
	struct os_loop *loop = atomic_load(&rpc->loop);
	struct rpc_batch *batch = loop ? rpc_batch_parse(request->body) : NULL;
	if (!batch) {
		http_refuse(request, 503, loop ? "out of memory" : "the server starts");
		return;
	}
	batch->rpc = rpc;
	batch->request = request;
	batch->task.run = ask_all;
	os_loop_post(loop, &batch->task);
}

struct peer {
	struct rpc *rpc;
	struct http_socket *socket;
};

static void *opened(void *context, struct http_socket *socket)
{
	struct peer *peer = malloc(sizeof *peer);
	if (peer)
		*peer = (struct peer){context, socket};
	return peer;
}

static void received(void *state, struct base_bytes message, bool is_text)
{
	struct peer *peer = state;
	struct os_loop *loop = atomic_load(&peer->rpc->loop);
	struct rpc_batch *batch = loop ? rpc_batch_parse(message) : NULL;
	(void)is_text;
	if (!batch) {
		http_socket_close(peer->socket);
		return;
	}
	batch->rpc = peer->rpc;
	batch->socket = http_socket_ref(peer->socket);
	batch->task.run = ask_all;
	os_loop_post(loop, &batch->task);
}

/* ---- life ---- */

struct rpc *rpc_new(void)
{
	return calloc(1, sizeof(struct rpc));
}

struct http_route rpc_route(struct rpc *rpc)
{
	return (struct http_route){"POST", "/rpc", RPC_TEXT_MAX, handle, rpc};
}

struct http_socket_route rpc_socket_route(struct rpc *rpc)
{
	return (struct http_socket_route){"/rpc", NULL, RPC_TEXT_MAX, opened, received, free, rpc};
}

void rpc_open(struct rpc *rpc, struct os_loop *loop, struct pharaoh_server *server)
{
	rpc->server = server;
	atomic_store(&rpc->loop, loop);
}

void rpc_close(struct rpc *rpc)
{
	rpc->server = NULL;
}

void rpc_free(struct rpc *rpc)
{
	free(rpc);
}
