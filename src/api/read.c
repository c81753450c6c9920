/* Reading a partition, record by record (see pyralog.h). Owner: the thread that calls. */
#include "api/api_priv.h"
#include "base/array.h"
#include "os/terminal.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 500 };

enum pyr_status pyr_reader_open(struct pyralog *log, const char *topic, int32_t partition, int64_t offset,
                                struct pyr_reader **ret_reader, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	if (offset < PYR_EARLIEST)
		return api_fail(failure, PYR_STATUS_USAGE, "",
		                "offset %lld is not valid: give 0 or more, PYR_LATEST or PYR_EARLIEST",
		                (long long)offset);
	struct pyr_reader *reader = calloc(1, sizeof *reader);
	char *name = strdup(topic);
	if (!reader || !name) {
		free(reader);
		free(name);
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	*reader = (struct pyr_reader){.log = log, .topic = name, .partition = partition, .offset = offset};
	pyr_result result = log->ways->reader_open(log, reader, &error);
	if (result.code != PYR_OK) {
		pyr_reader_close(reader);
		return api_settle(result, &error, failure);
	}
	*ret_reader = reader;
	return PYR_STATUS_OK;
}

static struct pyr_bytes public_bytes(struct base_bytes bytes)
{
	return (struct pyr_bytes){bytes.data, bytes.bytes};
}

static pyr_result hand_out(struct pyr_reader *reader, const struct codec_record *record, struct pyr_record *ret_record)
{
	struct base_reader left = base_reader_init(record->headers.data, record->headers.bytes);
	struct codec_header header;
	if (!base_array_reserve(&reader->headers, &reader->header_room, record->header_count, sizeof *reader->headers))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*ret_record = (struct pyr_record){
		.key = public_bytes(record->key),
		.value = public_bytes(record->value),
		.headers = reader->headers,
		.timestamp_ms = record->timestamp_ms,
		.partition = reader->partition,
		.offset = record->offset,
	};
	while (ret_record->header_count < record->header_count && codec_header_next(&left, &header))
		reader->headers[ret_record->header_count++] =
			(struct pyr_header){public_bytes(header.key), public_bytes(header.value)};
	reader->offset = record->offset + 1;
	return pyr_ok();
}

enum pyr_status pyr_reader_next(struct pyr_reader *reader, unsigned timeout_ms, struct pyr_record *ret_record,
                                struct pyr_failure *failure)
{
	uint64_t start_us = os_terminal_now_us(), passed_ms = 0;
	struct codec_record record;
	struct pyr_error error = {0};
	bool any = false;
	for (;;) {
		uint64_t left_ms = timeout_ms - passed_ms;
		pyr_result result = reader->log->ways->reader_next(
			reader, left_ms < WAIT_MS ? (unsigned)left_ms : WAIT_MS, &record, &any, &error);
		if (result.code == PYR_OK && any)
			result = hand_out(reader, &record, ret_record);
		if (result.code != PYR_OK || any)
			return api_settle(result, &error, failure);
		passed_ms = (os_terminal_now_us() - start_us) / 1000;
		if (passed_ms >= timeout_ms)
			return api_fail(failure, PYR_STATUS_TIMED_OUT, "", "no record came within %u ms", timeout_ms);
	}
}

void pyr_reader_close(struct pyr_reader *reader)
{
	if (!reader)
		return;
	if (reader->way)
		reader->log->ways->reader_close(reader);
	free(reader->headers);
	free(reader->topic);
	free(reader);
}
