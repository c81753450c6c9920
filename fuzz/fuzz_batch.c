/* Any bytes as a record batch: parsed, validated, walked and compacted without reading past them. The CRC is not asked for,
 * since what lies behind it must hold by itself. */
#include "codec/filter.h"

#include <stdlib.h>

enum { INFLATED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void walk(const struct codec_batch *batch, int64_t from)
{
	struct codec_record_reader reader;
	struct codec_record record;
	struct codec_header header;
	if (codec_record_reader_init(&reader, batch, INFLATED_MAX).code != PYR_OK)
		return;
	codec_record_skip_to(&reader, from);
	while (codec_record_next(&reader, &record)) {
		struct base_reader headers = base_reader_init(record.headers.data, record.headers.bytes);
		while (codec_header_next(&headers, &header))
			;
	}
	pyr_ignore(codec_record_reader_check(&reader));
	codec_record_reader_deinit(&reader);
}

static bool is_newest(void *context, const struct codec_record *record)
{
	(void)context;
	return record->offset % 2 == 0;
}

/* What compaction leaves is a batch again, with the same offsets and no more records. */
static void compact(const struct codec_batch *batch)
{
	struct codec_filter filter = {is_newest, NULL, 1000, 2000, INFLATED_MAX};
	struct codec_filtered filtered;
	struct codec_batch left;
	if (codec_batch_filter(&filter, batch, &filtered).code != PYR_OK || !filtered.batch.owner)
		return;
	struct base_bytes bytes = {filtered.batch.data, filtered.batch.bytes};
	if (codec_batch_check(bytes, &left).code != PYR_OK || left.base_offset != batch->base_offset ||
	    left.last_offset_delta != batch->last_offset_delta || left.record_count != filtered.kept ||
	    filtered.kept > batch->record_count)
		abort();
	walk(&left, 0);
	base_slice_release(&filtered.batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct codec_batch batch;
	struct pyr_error error;
	if (codec_batch_parse((struct base_bytes){data, bytes}, &batch).code != PYR_OK)
		return 0;
	if (batch.bytes > bytes)
		abort();
	walk(&batch, 0);
	walk(&batch, batch.base_offset / 2 + 1);
	walk(&batch, INT64_MAX);
	compact(&batch);
	int64_t min_timestamp_ms;
	pyr_ignore(codec_batch_validate(&batch, INFLATED_MAX, &min_timestamp_ms, &error));
	return 0;
}
