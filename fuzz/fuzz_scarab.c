/* The parser of Scarab IDs with hostile bytes: what it takes has 13 digits, and its id writes a text that gives the id again. */
#include "coord/scarab.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_refusal(const struct pyr_error *error, uint64_t id)
{
	assert(error->code == PYR_USAGE && error->text[0]);
	assert(id == 1); /* untouched */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct pyr_error error = {0};
	char text[SCARAB_TEXT_BYTES], again[SCARAB_TEXT_BYTES];
	uint64_t id = 1, same;
	if (scarab_parse((struct base_bytes){data, bytes}, &id, &error).code != PYR_OK) {
		check_refusal(&error, id);
		return 0;
	}
	assert(bytes == SCARAB_TEXT_BYTES);
	scarab_write(id, text);
	assert(scarab_parse((struct base_bytes){(const uint8_t *)text, sizeof text}, &same, &error).code == PYR_OK);
	assert(same == id);
	scarab_write(same, again);
	assert(memcmp(text, again, sizeof text) == 0);
	uint64_t tick = (scarab_ms(id) - SCARAB_EPOCH_MS) << SCARAB_COUNT_BITS | scarab_count(id);
	assert(scarab_of(tick, scarab_node(id)) == id);
	return 0;
}
