/* JSON-RPC's texts, hostile: a batch of calls always comes out, each right or with its error, and all of them give a text that is
 * JSON again, whatever the replies say. */
#include "server/rpc/rpc_priv.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void answer(struct rpc_call *call, size_t i)
{
	static const uint8_t numbers[16];
	struct codec_pharaoh reply = {.op = call->ask.request.op, .code = i % 3 ? PYR_OK : PYR_BUSY, .slot = 3};
	reply.name = reply.value = call->ask.request.name; /* perhaps no UTF-8 */
	reply.numbers = numbers;
	reply.number_count = 2;
	reply.session = reply.token = i;
	rpc_call_answer(call, &reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct rpc_batch *batch = rpc_batch_parse((struct base_bytes){data, bytes});
	assert(batch && batch->count > 0 && batch->count <= RPC_CALLS_MAX);
	for (size_t i = 0; i < batch->count; i++) {
		struct rpc_call *call = &batch->calls[i];
		assert(call->answer || (call->ask.request.op > 0 && call->ask.request.slot < SLOTS));
		if (!call->answer)
			answer(call, i + bytes);
		assert(call->answer);
	}
	char *text = rpc_batch_text(batch);
	json_t *again = text ? json_loads(text, 0, NULL) : NULL;
	assert(!text || again);
	json_decref(again);
	free(text);
	rpc_batch_free(batch);
	return 0;
}
