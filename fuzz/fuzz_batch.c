/* Any bytes as a record batch: parsed, validated and walked without reading past them. The CRC is not asked for, since
 * what lies behind it must hold by itself. */
#include "codec/batch.h"

#include <stdlib.h>

enum { INFLATED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void walk(const struct codec_batch *batch)
{
	struct codec_record_reader reader;
	struct codec_record record;
	struct codec_header header;
	if (codec_record_reader_init(&reader, batch, INFLATED_MAX).code != PYR_OK)
		return;
	while (codec_record_next(&reader, &record)) {
		struct base_reader headers = base_reader_init(record.headers.data, record.headers.bytes);
		while (codec_header_next(&headers, &header))
			;
	}
	pyr_ignore(codec_record_reader_check(&reader));
	codec_record_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct codec_batch batch;
	struct pyr_error error;
	if (codec_batch_parse((struct base_bytes){data, bytes}, &batch).code != PYR_OK)
		return 0;
	if (batch.bytes > bytes)
		abort();
	walk(&batch);
	int64_t min_timestamp_ms;
	pyr_ignore(codec_batch_validate(&batch, INFLATED_MAX, &min_timestamp_ms, &error));
	return 0;
}
