/* Producing: at once, or collected in a buffer (see pyralog.h).
 *
 * Invariant: a producer's records point into its bytes, which do not move while any is there. Failure modes: what is
 * flushed and fails is told to `done`, and gone. Owner: the thread that calls. */
#include "api/producer.h"
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 20 };

static enum pyr_status check(const struct pyr_record *record, struct pyr_failure *failure)
{
	if (record->timestamp_ms < 0)
		return api_fail(failure, PYR_STATUS_USAGE, "", "%s", pyr_code_text(PYR_BAD_TIMESTAMP));
	if (record->partition < -1)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "", "there is no partition %d", record->partition);
	for (size_t i = 0; i < record->header_count; i++)
		if (!record->headers[i].key.data)
			return api_fail(failure, PYR_STATUS_USAGE, "", "a header has no key");
	return PYR_STATUS_OK;
}

enum pyr_status pyr_produce(struct pyralog *log, const char *topic, struct pyr_record *records, size_t count,
                            struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	for (size_t i = 0; i < count; i++) {
		enum pyr_status status = check(&records[i], failure);
		if (status != PYR_STATUS_OK)
			return status;
	}
	if (count == 0)
		return PYR_STATUS_OK;
	return api_settle(log->ways->produce(log, topic, records, count, &error), &error, failure);
}

/* ---- collected ---- */

enum pyr_status pyr_producer_new(struct pyralog *log, const char *topic, const struct pyr_producer_options *options,
                                 struct pyr_producer **ret_producer, struct pyr_failure *failure)
{
	struct pyr_producer *producer = calloc(1, sizeof *producer);
	char *name = strdup(topic);
	if (!producer || !name) {
		free(producer);
		free(name);
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	producer->log = log;
	producer->topic = name;
	if (options)
		memcpy(&producer->options, options, options->size < sizeof *options ? options->size : sizeof *options);
	if (producer->options.buffer_bytes == 0)
		producer->options.buffer_bytes = BUFFER_BYTES;
	if (producer->options.linger_ms > 0 && producer_background_start(producer).code != PYR_OK) {
		pyr_producer_free(producer);
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "no thread can be started for the producer");
	}
	*ret_producer = producer;
	return PYR_STATUS_OK;
}

size_t producer_record_bytes(const struct pyr_record *record)
{
	size_t bytes = record->key.bytes + record->value.bytes + record->header_count * sizeof(struct pyr_header);
	for (size_t i = 0; i < record->header_count; i++)
		bytes += record->headers[i].key.bytes + record->headers[i].value.bytes;
	return bytes;
}

static struct pyr_bytes copy(uint8_t **at, struct pyr_bytes from)
{
	struct pyr_bytes to = {*at, from.bytes};
	if (!from.data)
		return (struct pyr_bytes){NULL, 0};
	if (from.bytes > 0)
		memcpy(*at, from.data, from.bytes);
	*at += from.bytes;
	return to;
}

/* A record's headers, then all bytes, in one piece that its headers' array begins; NULL: memory is out. */
static void *copy_record(const struct pyr_record *from, struct pyr_record *ret_copy)
{
	size_t header_bytes = from->header_count * sizeof(struct pyr_header);
	struct pyr_header *headers = malloc(producer_record_bytes(from) + 1);
	uint8_t *at = (uint8_t *)headers + header_bytes;
	if (!headers)
		return NULL;
	*ret_copy = *from;
	ret_copy->headers = headers;
	ret_copy->key = copy(&at, from->key);
	ret_copy->value = copy(&at, from->value);
	for (size_t i = 0; i < from->header_count; i++) {
		headers[i].key = copy(&at, from->headers[i].key);
		headers[i].value = copy(&at, from->headers[i].value);
	}
	return headers;
}

pyr_result producer_batch_add(struct producer_batch *batch, const struct pyr_record *record)
{
	if (!base_array_reserve(&batch->records, &batch->room, batch->count + 1, sizeof *batch->records) ||
	    !copy_record(record, &batch->records[batch->count]))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	batch->count += 1;
	batch->bytes += producer_record_bytes(record);
	return pyr_ok();
}

void producer_batch_empty(struct producer_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		free((void *)(uintptr_t)batch->records[i].headers);
	batch->count = batch->bytes = 0;
}

enum pyr_status producer_batch_write(struct pyr_producer *producer, struct producer_batch *batch,
                                     struct pyr_failure *failure)
{
	enum pyr_status status = pyr_produce(producer->log, producer->topic, batch->records, batch->count, failure);
	for (size_t i = 0; i < batch->count && producer->options.done; i++)
		producer->options.done(producer->options.context, &batch->records[i], status);
	producer_batch_empty(batch);
	return status;
}

enum pyr_status pyr_producer_add(struct pyr_producer *producer, const struct pyr_record *record,
                                 struct pyr_failure *failure)
{
	struct producer_batch *batch = &producer->batch;
	size_t bytes = producer_record_bytes(record);
	enum pyr_status status = check(record, failure);
	if (status == PYR_STATUS_OK && producer->background)
		return producer_background_add(producer, record, failure);
	bool full = batch->bytes + bytes > producer->options.buffer_bytes || batch->count == PRODUCER_RECORDS_MAX;
	if (status == PYR_STATUS_OK && full)
		status = pyr_producer_flush(producer, failure);
	if (status != PYR_STATUS_OK)
		return status;
	return producer_batch_add(batch, record).code == PYR_OK
	               ? PYR_STATUS_OK
	               : api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
}

enum pyr_status pyr_producer_flush(struct pyr_producer *producer, struct pyr_failure *failure)
{
	return producer->background ? producer_background_flush(producer, failure)
	                            : producer_batch_write(producer, &producer->batch, failure);
}

void pyr_producer_free(struct pyr_producer *producer)
{
	if (!producer)
		return;
	if (producer->background)
		producer_background_stop(producer);
	producer_batch_empty(&producer->batch);
	free(producer->batch.records);
	free(producer->topic);
	free(producer);
}
