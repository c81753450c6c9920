/* Any bytes as records of __consumer_offsets, restored into one group; what it remembers then must restore again, and say
 * the same. */
#include "group/machine.h"

#include <stdlib.h>

enum { RECORDS_BYTES_MAX = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void open(struct group *group)
{
	if (group_init(group, (struct base_bytes){(const uint8_t *)"g", 1}).code != PYR_OK)
		abort();
}

/* Stops at a record that is none, as the coordinator does. */
static pyr_result restore(struct group *group, const uint8_t *data, size_t bytes)
{
	struct base_bytes key, value, id;
	struct base_reader reader = base_reader_init(data, bytes);
	while (group_records_next(&reader, &key, &value)) {
		PYR_TRY(group_record_group(key, &id));
		PYR_TRY(group_restore(group, key, value));
	}
	return pyr_ok();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct group first, second;
	struct base_writer records;
	open(&first);
	open(&second);
	base_writer_init(&records, RECORDS_BYTES_MAX);
	if (restore(&first, data, bytes).code == PYR_OK) {
		group_snapshot(&first, &records);
		if (records.failed)
			abort();
		if (records.bytes > 0 && restore(&second, records.buffer->data, records.bytes).code != PYR_OK)
			abort();
		if (second.offsets.count != first.offsets.count || second.members.count != first.members.count ||
		    second.state != first.state)
			abort();
	}
	base_writer_deinit(&records);
	group_deinit(&first);
	group_deinit(&second);
	return 0;
}
