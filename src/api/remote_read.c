/* Reading a partition of a server: fetches on a connection of the reader's own, whose batches are taken apart one by one.
 *
 * Invariant: records borrow from `bytes` or from what a batch inflated to, both kept until the next record is asked for.
 * Failure modes: a batch that fails its checksum is PYR_CORRUPT_MESSAGE. Owner: the thread that has the reader. */
#include "api/remote.h"
#include "base/array.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"

#include <stdlib.h>
#include <string.h>

enum { FETCH_BYTES = 8 << 20 };

struct cursor {
	struct remote_link link;
	struct pyr_reader *reader;
	uint8_t *bytes; /* of the last fetch: batches, the last perhaps cut off */
	size_t room, count, at;
	struct codec_record_reader records; /* of the batch before `at` */
	bool in_batch;
};

static pyr_result find_start(struct cursor *cursor, struct pyr_error *error)
{
	struct pyr_reader *reader = cursor->reader;
	uint32_t partitions;
	PYR_TRY(client_admin_topic(&cursor->link.admin, reader->topic, &partitions, error));
	if (reader->partition < 0 || (uint32_t)reader->partition >= partitions)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no partition %d of a topic %s",
		                reader->partition, reader->topic);
	if (reader->offset >= 0)
		return pyr_ok();
	struct client_range range;
	PYR_TRY(remote_range(&cursor->link, reader->topic, reader->partition, &range, error));
	reader->offset = reader->offset == PYR_LATEST ? range.end : range.start;
	return pyr_ok();
}

pyr_result remote_reader_open(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error)
{
	struct cursor *cursor = calloc(1, sizeof *cursor);
	if (!cursor)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	reader->way = cursor;
	cursor->reader = reader;
	PYR_TRY(remote_link_open(&cursor->link, remote_of(log), error));
	return find_start(cursor, error);
}

/* ---- fetching ---- */

static pyr_result take_fetched(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_fetch_response *response = message;
	struct cursor *cursor = admin->take_context;
	if (response->error_code != 0)
		return remote_refused(response->error_code, cursor->reader->topic, error);
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
			const struct codec_kafka_fetch_response_partition *part = &response->topics[i].partitions[j];
			if (part->error_code != 0)
				return remote_refused(part->error_code, cursor->reader->topic, error);
			if (!base_array_reserve(&cursor->bytes, &cursor->room, part->records.bytes, 1))
				return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
			if (part->records.bytes > 0)
				memcpy(cursor->bytes, part->records.data, part->records.bytes);
			cursor->count = part->records.bytes;
		}
	return pyr_ok();
}

static pyr_result fetch(struct cursor *cursor, unsigned wait_ms, struct pyr_error *error)
{
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	struct codec_kafka_fetch_request_topic topic = codec_kafka_fetch_request_topic_default;
	struct codec_kafka_fetch_request_partition part = codec_kafka_fetch_request_partition_default;
	part.index = cursor->reader->partition;
	part.fetch_offset = cursor->reader->offset;
	part.max_bytes = FETCH_BYTES;
	topic.name = (struct base_bytes){(const uint8_t *)cursor->reader->topic, strlen(cursor->reader->topic)};
	topic.partitions = &part;
	topic.partitions_count = 1;
	request.topics = &topic;
	request.topics_count = 1;
	request.replica_id = -1;
	request.max_wait_ms = (int32_t)wait_ms;
	request.min_bytes = 1;
	request.max_bytes = FETCH_BYTES;
	cursor->at = cursor->count = 0;
	return client_admin_ask(&cursor->link.admin, CODEC_KAFKA_FETCH, &request, take_fetched, cursor, error);
}

/* ---- taking apart ---- */

static void leave_batch(struct cursor *cursor)
{
	if (cursor->in_batch)
		codec_record_reader_deinit(&cursor->records);
	cursor->in_batch = false;
}

/* *ret_any false: no whole batch is left. */
static pyr_result next_batch(struct cursor *cursor, bool *ret_any, struct pyr_error *error)
{
	pyr_result result =
		remote_open_batch(cursor->bytes, &cursor->at, cursor->count, &cursor->records, &cursor->in_batch);
	*ret_any = cursor->in_batch = result.code == PYR_OK && cursor->in_batch;
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "partition %d, the batch at offset %lld: %s",
		                cursor->reader->partition, (long long)cursor->reader->offset,
		                pyr_code_text(result.code));
	return pyr_ok();
}

/* The next record of what was fetched; batches that give none move the reader on. */
static pyr_result take_next(struct cursor *cursor, struct codec_record *ret_record, bool *ret_any,
                            struct pyr_error *error)
{
	struct pyr_reader *reader = cursor->reader;
	for (;;) {
		while (cursor->in_batch && !codec_batch_is_control(&cursor->records.batch) &&
		       codec_record_next(&cursor->records, ret_record))
			if (ret_record->offset >= reader->offset) {
				*ret_any = true;
				return pyr_ok();
			}
		if (cursor->in_batch && reader->offset <= codec_batch_last_offset(&cursor->records.batch))
			reader->offset = codec_batch_last_offset(&cursor->records.batch) + 1;
		leave_batch(cursor);
		PYR_TRY(next_batch(cursor, ret_any, error));
		if (!*ret_any)
			return pyr_ok();
	}
}

pyr_result remote_reader_next(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
                              bool *ret_any, struct pyr_error *error)
{
	struct cursor *cursor = reader->way;
	PYR_TRY(take_next(cursor, ret_record, ret_any, error));
	if (*ret_any)
		return pyr_ok();
	PYR_TRY(fetch(cursor, wait_ms, error));
	return take_next(cursor, ret_record, ret_any, error);
}

void remote_reader_close(struct pyr_reader *reader)
{
	struct cursor *cursor = reader->way;
	leave_batch(cursor);
	remote_link_close(&cursor->link);
	free(cursor->bytes);
	free(cursor);
}
