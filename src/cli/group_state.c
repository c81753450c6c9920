/* One group, asked step by step (see group_state.h). Owner: the command's thread. */
#include "cli/group_state.h"

#include "base/array.h"
#include "codec/batch.h"
#include "codec/kafka/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20, FETCH_BYTES = 1, INFLATED_MAX = 256 << 20, GROUP_ID_NOT_FOUND = 69 };

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static void keep(char *to, size_t to_bytes, struct base_bytes from)
{
	snprintf(to, to_bytes, "%.*s", (int)from.bytes, from.data ? (const char *)from.data : "");
}

static pyr_result refused(struct pyr_error *error, const struct cli_group *group, int16_t code)
{
	char name[32];
	return pyr_fail(error, PYR_CANCELLED, "group %s: the broker answers %s", group->name,
	                client_kafka_error(code, name));
}

static pyr_result out_of_memory(struct pyr_error *error)
{
	return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

void cli_group_free(struct cli_group *group)
{
	free(group->partitions);
	group->partitions = NULL;
}

struct cli_group_partition *cli_group_partition(struct cli_group *group, struct base_bytes topic, int32_t partition)
{
	for (size_t i = 0; i < group->count; i++)
		if (group->partitions[i].partition == partition && strlen(group->partitions[i].topic) == topic.bytes &&
		    memcmp(group->partitions[i].topic, topic.data, topic.bytes) == 0)
			return &group->partitions[i];
	if (!base_array_reserve(&group->partitions, &group->capacity, group->count + 1, sizeof *group->partitions))
		return NULL;
	struct cli_group_partition *row = &group->partitions[group->count++];
	*row = (struct cli_group_partition){.partition = partition, .offset = -1, .end = -1, .lag_ms = -1};
	keep(row->topic, sizeof row->topic, topic);
	return row;
}

/* ---- members ---- */

static pyr_result add_owned(struct cli_group *group, struct base_bytes topic, const int32_t *partitions, size_t count,
                            struct base_bytes member, struct base_bytes client)
{
	for (size_t i = 0; i < count; i++) {
		struct cli_group_partition *row = cli_group_partition(group, topic, partitions[i]);
		if (!row)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		keep(row->member, sizeof row->member, member);
		keep(row->client, sizeof row->client, client);
	}
	return pyr_ok();
}

/* What can't be read is another protocol's, and not ours to tell. */
static pyr_result add_assignment(struct cli_group *group,
                                 const struct codec_kafka_describe_groups_response_member *member)
{
	struct base_reader reader = base_reader_init(member->member_assignment.data, member->member_assignment.bytes);
	struct codec_kafka_consumer_protocol_assignment assignment;
	struct codec_arena arena;
	int16_t version = (int16_t)base_read_u16be(&reader);
	pyr_result result = pyr_ok();
	if (reader.failed || version < 0)
		return result;
	codec_arena_init(&arena, ARENA_BYTES);
	if (codec_kafka_consumer_protocol_assignment_decode(&reader, version < 3 ? version : 3, &arena, &assignment)
	            .code == PYR_OK)
		for (size_t i = 0; i < assignment.assigned_partitions_count && result.code == PYR_OK; i++)
			result = add_owned(group, assignment.assigned_partitions[i].topic,
			                   assignment.assigned_partitions[i].partitions,
			                   assignment.assigned_partitions[i].partitions_count, member->member_id,
			                   member->client_id);
	codec_arena_deinit(&arena);
	return result;
}

static pyr_result take_classic(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_describe_groups_response *response = message;
	struct cli_group *group = admin->take_context;
	if (response->groups_count != 1 || response->groups[0].error_code == GROUP_ID_NOT_FOUND)
		return pyr_ok();
	const struct codec_kafka_describe_groups_response_group *told = &response->groups[0];
	if (told->error_code != 0)
		return refused(error, group, told->error_code);
	keep(group->state, sizeof group->state, told->group_state);
	keep(group->assignor, sizeof group->assignor, told->protocol_data);
	group->found = strcmp(group->state, "Dead") != 0;
	group->member_count = told->members_count;
	snprintf(group->type, sizeof group->type, "classic");
	for (size_t i = 0; i < told->members_count; i++)
		if (add_assignment(group, &told->members[i]).code != PYR_OK)
			return out_of_memory(error);
	return pyr_ok();
}

static pyr_result take_consumers(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_consumer_group_describe_response *response = message;
	struct cli_group *group = admin->take_context;
	if (response->groups_count != 1 || response->groups[0].error_code == GROUP_ID_NOT_FOUND)
		return pyr_ok();
	const struct codec_kafka_consumer_group_describe_response_group *told = &response->groups[0];
	if (told->error_code != 0)
		return refused(error, group, told->error_code);
	keep(group->state, sizeof group->state, told->group_state);
	keep(group->assignor, sizeof group->assignor, told->assignor_name);
	group->found = true;
	group->member_count = told->members_count;
	snprintf(group->type, sizeof group->type, "consumer");
	for (size_t i = 0; i < told->members_count; i++) {
		const struct codec_kafka_consumer_group_describe_response_member *member = &told->members[i];
		for (size_t j = 0; j < member->assignment.topic_partitions_count; j++)
			if (add_owned(group, member->assignment.topic_partitions[j].topic_name,
			              member->assignment.topic_partitions[j].partitions,
			              member->assignment.topic_partitions[j].partitions_count, member->member_id,
			              member->client_id)
			            .code != PYR_OK)
				return out_of_memory(error);
	}
	return pyr_ok();
}

pyr_result cli_group_ask_members(struct client_admin *admin, struct cli_group *group, struct pyr_error *error)
{
	struct codec_kafka_describe_groups_request classic = codec_kafka_describe_groups_request_default;
	struct codec_kafka_consumer_group_describe_request consumers =
		codec_kafka_consumer_group_describe_request_default;
	struct base_bytes name = text(group->name);
	classic.groups = consumers.group_ids = &name;
	classic.groups_count = consumers.group_ids_count = 1;
	PYR_TRY(client_admin_ask(admin, CODEC_KAFKA_DESCRIBE_GROUPS, &classic, take_classic, group, error));
	if (group->found || admin->versions.of[CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE] < 0)
		return pyr_ok();
	return client_admin_ask(admin, CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE, &consumers, take_consumers, group, error);
}

/* ---- offsets ---- */

static pyr_result take_offsets(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_fetch_response *response = message;
	struct cli_group *group = admin->take_context;
	if (response->error_code != 0)
		return refused(error, group, response->error_code);
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
			struct cli_group_partition *row = cli_group_partition(group, response->topics[i].name,
			                                                      response->topics[i].partitions[j].index);
			if (!row)
				return out_of_memory(error);
			row->offset = response->topics[i].partitions[j].offset;
		}
	return pyr_ok();
}

pyr_result cli_group_ask_offsets(struct client_admin *admin, struct cli_group *group, struct pyr_error *error)
{
	struct codec_kafka_offset_fetch_request request = codec_kafka_offset_fetch_request_default;
	request.group_id = text(group->name);
	return client_admin_ask(admin, CODEC_KAFKA_OFFSET_FETCH, &request, take_offsets, group, error);
}

/* ---- where partitions are at a time ---- */

static pyr_result take_times(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_list_offsets_response *response = message;
	struct cli_group *group = admin->take_context;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
			const struct codec_kafka_list_offsets_response_partition *told =
				&response->topics[i].partitions[j];
			struct cli_group_partition *row =
				cli_group_partition(group, response->topics[i].name, told->index);
			if (!row)
				return out_of_memory(error);
			if (told->error_code == 0)
				row->end = told->offset;
		}
	return pyr_ok();
}

/* A topic for each partition: longer than need be, and right. */
pyr_result cli_group_ask_times(struct client_admin *admin, struct cli_group *group, int64_t time_ms,
                               struct pyr_error *error)
{
	struct codec_kafka_list_offsets_request request = codec_kafka_list_offsets_request_default;
	request.topics = calloc(group->count + 1, sizeof *request.topics);
	struct codec_kafka_list_offsets_request_partition *partitions = calloc(group->count + 1, sizeof *partitions);
	pyr_result result = request.topics && partitions ? pyr_ok() : out_of_memory(error);
	for (size_t i = 0; i < group->count && result.code == PYR_OK; i++) {
		partitions[i] = codec_kafka_list_offsets_request_partition_default;
		partitions[i].index = group->partitions[i].partition;
		partitions[i].timestamp = time_ms;
		request.topics[i].name = text(group->partitions[i].topic);
		request.topics[i].partitions = &partitions[i];
		request.topics[i].partitions_count = 1;
	}
	request.topics_count = group->count;
	if (result.code == PYR_OK && group->count > 0)
		result = client_admin_ask(admin, CODEC_KAFKA_LIST_OFFSETS, &request, take_times, group, error);
	free(request.topics);
	free(partitions);
	return result;
}

/* ---- lag ---- */

struct first_record {
	int64_t offset;
	int64_t timestamp_ms; /* -1: not found */
	bool gone; /* the log begins behind the offset */
};

enum { OFFSET_OUT_OF_RANGE = 1, EARLIEST = -2 };

static void find_record(struct codec_kafka_records records, struct first_record *first)
{
	struct codec_record_reader reader;
	struct codec_record record;
	struct codec_batch batch;
	for (size_t at = 0; at < records.bytes && first->timestamp_ms < 0; at += batch.bytes) {
		struct base_bytes left = {records.data + at, records.bytes - at};
		if (codec_batch_check(left, &batch).code != PYR_OK ||
		    codec_record_reader_init(&reader, &batch, INFLATED_MAX).code != PYR_OK)
			return;
		while (first->timestamp_ms < 0 && codec_record_next(&reader, &record))
			if (record.offset >= first->offset)
				first->timestamp_ms = record.timestamp_ms;
		codec_record_reader_deinit(&reader);
	}
}

static pyr_result take_record(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_fetch_response *response = message;
	(void)error; /* no record: its time is not known */
	struct first_record *first = admin->take_context;
	if (response->topics_count != 1 || response->topics[0].partitions_count != 1)
		return pyr_ok();
	first->gone = response->topics[0].partitions[0].error_code == OFFSET_OUT_OF_RANGE;
	find_record(response->topics[0].partitions[0].records, first);
	return pyr_ok();
}

static pyr_result take_start(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_list_offsets_response *response = message;
	struct first_record *first = admin->take_context;
	(void)error;
	if (response->topics_count == 1 && response->topics[0].partitions_count == 1 &&
	    response->topics[0].partitions[0].error_code == 0)
		first->offset = response->topics[0].partitions[0].offset;
	return pyr_ok();
}

static pyr_result ask_start(struct client_admin *admin, const struct cli_group_partition *row,
                            struct first_record *first, struct pyr_error *error)
{
	struct codec_kafka_list_offsets_request request = codec_kafka_list_offsets_request_default;
	struct codec_kafka_list_offsets_request_partition partition =
		codec_kafka_list_offsets_request_partition_default;
	struct codec_kafka_list_offsets_request_topic topic = {
		.name = text(row->topic), .partitions = &partition, .partitions_count = 1};
	partition.index = row->partition;
	partition.timestamp = EARLIEST;
	request.topics = &topic;
	request.topics_count = 1;
	return client_admin_ask(admin, CODEC_KAFKA_LIST_OFFSETS, &request, take_start, first, error);
}

static pyr_result ask_record(struct client_admin *admin, const struct cli_group_partition *row,
                             struct first_record *first, struct pyr_error *error)
{
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	struct codec_kafka_fetch_request_partition partition = codec_kafka_fetch_request_partition_default;
	struct codec_kafka_fetch_request_topic topic = {
		.name = text(row->topic), .partitions = &partition, .partitions_count = 1};
	partition.index = row->partition;
	partition.fetch_offset = first->offset;
	partition.max_bytes = FETCH_BYTES; /* the whole batch comes nevertheless */
	request.topics = &topic;
	request.topics_count = 1;
	return client_admin_ask(admin, CODEC_KAFKA_FETCH, &request, take_record, first, error);
}

static pyr_result ask_first(struct client_admin *admin, struct cli_group_partition *row, int64_t now_ms,
                            struct pyr_error *error)
{
	struct first_record first = {.offset = row->offset, .timestamp_ms = -1};
	PYR_TRY(ask_record(admin, row, &first, error));
	if (first.gone) {
		PYR_TRY(ask_start(admin, row, &first, error));
		PYR_TRY(ask_record(admin, row, &first, error));
	}
	if (first.timestamp_ms >= 0)
		row->lag_ms = now_ms > first.timestamp_ms ? now_ms - first.timestamp_ms : 0;
	return pyr_ok();
}

pyr_result cli_group_ask_lag(struct client_admin *admin, struct cli_group *group, int64_t now_ms,
                             struct pyr_error *error)
{
	PYR_TRY(cli_group_ask_times(admin, group, -1, error));
	for (size_t i = 0; i < group->count; i++) {
		struct cli_group_partition *row = &group->partitions[i];
		if (row->offset >= 0 && row->offset == row->end)
			row->lag_ms = 0;
		else if (row->offset >= 0 && row->offset < row->end)
			PYR_TRY(ask_first(admin, row, now_ms, error));
	}
	return pyr_ok();
}

/* ---- commit ---- */

static pyr_result take_committed(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_commit_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			if (response->topics[i].partitions[j].error_code != 0)
				return refused(error, admin->take_context,
				               response->topics[i].partitions[j].error_code);
	return pyr_ok();
}

pyr_result cli_group_commit(struct client_admin *admin, const struct cli_group *group, struct pyr_error *error)
{
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	request.topics = calloc(group->count + 1, sizeof *request.topics);
	struct codec_kafka_offset_commit_request_partition *partitions = calloc(group->count + 1, sizeof *partitions);
	pyr_result result = request.topics && partitions ? pyr_ok() : out_of_memory(error);
	request.group_id = text(group->name);
	for (size_t i = 0; i < group->count && result.code == PYR_OK; i++) {
		partitions[i] = (struct codec_kafka_offset_commit_request_partition){
			group->partitions[i].partition, group->partitions[i].offset, -1, text("")};
		request.topics[i].name = text(group->partitions[i].topic);
		request.topics[i].partitions = &partitions[i];
		request.topics[i].partitions_count = 1;
	}
	request.topics_count = group->count;
	if (result.code == PYR_OK)
		result = client_admin_ask(admin, CODEC_KAFKA_OFFSET_COMMIT, &request, take_committed,
		                          (void *)(uintptr_t)group, error);
	free(request.topics);
	free(partitions);
	return result;
}
