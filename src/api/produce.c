/* Producing: at once, or collected in a buffer (see pyralog.h).
 *
 * Invariant: a producer's records point into its bytes, which do not move while any is there. Failure modes: what is
 * flushed and fails is told to `done`, and gone. Owner: the thread that calls. */
#include "api/api_priv.h"
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 1 << 20, RECORDS_MAX = 1 << 16 };

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

struct pyr_producer {
	struct pyralog *log;
	char *topic;
	struct pyr_producer_options options;
	struct pyr_record *records;
	size_t count, room;
	size_t bytes; /* of all copies */
};

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
	*ret_producer = producer;
	return PYR_STATUS_OK;
}

static size_t record_bytes(const struct pyr_record *record)
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
	struct pyr_header *headers = malloc(record_bytes(from) + 1);
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

enum pyr_status pyr_producer_add(struct pyr_producer *producer, const struct pyr_record *record,
                                 struct pyr_failure *failure)
{
	size_t bytes = record_bytes(record);
	enum pyr_status status = check(record, failure);
	bool full = producer->bytes + bytes > producer->options.buffer_bytes || producer->count == RECORDS_MAX;
	if (status == PYR_STATUS_OK && full)
		status = pyr_producer_flush(producer, failure);
	if (status != PYR_STATUS_OK)
		return status;
	if (!base_array_reserve(&producer->records, &producer->room, producer->count + 1, sizeof *producer->records) ||
	    !copy_record(record, &producer->records[producer->count]))
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	producer->count += 1;
	producer->bytes += bytes;
	return PYR_STATUS_OK;
}

static void empty(struct pyr_producer *producer)
{
	for (size_t i = 0; i < producer->count; i++)
		free((void *)(uintptr_t)producer->records[i].headers);
	producer->count = producer->bytes = 0;
}

enum pyr_status pyr_producer_flush(struct pyr_producer *producer, struct pyr_failure *failure)
{
	enum pyr_status status =
		pyr_produce(producer->log, producer->topic, producer->records, producer->count, failure);
	for (size_t i = 0; i < producer->count && producer->options.done; i++)
		producer->options.done(producer->options.context, &producer->records[i], status);
	empty(producer);
	return status;
}

void pyr_producer_free(struct pyr_producer *producer)
{
	if (!producer)
		return;
	empty(producer);
	free(producer->records);
	free(producer->topic);
	free(producer);
}
