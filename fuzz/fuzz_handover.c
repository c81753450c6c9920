/* node/handover.h with hostile bytes, with and without the first line of its file. */
#include "coord/scarab_issuer.h"
#include "node/handover.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void note(void *context, struct base_bytes name, uint64_t value)
{
	assert(name.bytes <= NAMES_NAME_MAX);
	*(uint64_t *)context += value + (name.bytes > 0 ? name.data[name.bytes - 1] : 0);
}

static void check(struct base_bytes text)
{
	struct node_handover handover;
	uint64_t sum = 0;
	if (node_handover_parse(text, &handover, note, &sum).code == PYR_OK)
		assert(handover.node >= SCARAB_NODE_KEPT && handover.node < SCARAB_NODES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char first[] = "pyralog coordination 1\n";
	size_t head = sizeof first - 1;
	uint8_t *text = malloc(head + bytes);
	assert(text);
	memcpy(text, first, head);
	if (bytes > 0)
		memcpy(text + head, data, bytes);
	check((struct base_bytes){data, bytes});
	check((struct base_bytes){text, head + bytes});
	free(text);
	return 0;
}
