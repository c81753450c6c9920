/* What the files of JSON-RPC share. */
#ifndef PYRALOG_SERVER_RPC_RPC_PRIV_H
#define PYRALOG_SERVER_RPC_RPC_PRIV_H

#include "server/rpc/rpc.h"

#include <jansson.h>

struct rpc_batch;

struct rpc_call {
	struct pharaoh_ask ask;
	struct rpc_batch *batch;
	json_t *id; /* borrowed; NULL: nobody wants an answer */
	json_t *answer; /* set before it is asked: the call is wrong */
	bool is_none; /* no call at all: answered in any case */
	uint8_t *numbers; /* of the request */
};

/* A text's calls; what they borrow lies in `root`. */
struct rpc_batch {
	struct os_task task;
	struct rpc *rpc;
	struct http_request *request; /* or */
	struct http_socket *socket;
	json_t *root;
	bool is_array;
	size_t left;
	size_t count;
	struct rpc_call calls[];
};

/* call.c: pure. NULL: out of memory. A text that is none becomes a batch whose only call has its answer. */
struct rpc_batch *rpc_batch_parse(struct base_bytes text);
void rpc_batch_free(struct rpc_batch *batch);
/* The call's answer, from the reply. */
void rpc_call_answer(struct rpc_call *call, const struct codec_pharaoh *reply);
/* The text of all answers, to be freed; NULL: there are none to be given, or memory is out. */
char *rpc_batch_text(struct rpc_batch *batch);

#endif
