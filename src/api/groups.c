/* Consumer groups (see pyralog/admin.h): listed and described by SQL, which both ways have; changed by Kafka's requests, which the
 * coordinator of both answers.
 *
 * Invariant: what is handed out borrows from the rows that stand in front of it. Failure modes: a coordinator that still reads its
 * log is PYR_STATUS_BUSY. */
#include "api/admin.h"

#include "base/table.h"
#include "client/admin.h"
#include "codec/kafka/messages.h"

#include <stdlib.h>
#include <string.h>

enum { COMMIT_VERSION = 9, DELETE_VERSION = 2, FORGET_VERSION = 0 };
/* Kafka's. */
enum {
	COORDINATOR_LOADS = 14,
	COORDINATOR_NOT_AVAILABLE = 15,
	NOT_COORDINATOR = 16,
	ILLEGAL_GENERATION = 22,
	UNKNOWN_MEMBER = 25,
	GROUP_NON_EMPTY = 68,
	GROUP_ID_NOT_FOUND = 69,
	GROUP_SUBSCRIBED = 86,
};

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static pyr_result refused(const char *group, int16_t code, struct pyr_error *error)
{
	char room[32];
	switch (code) {
	case 0:
		return pyr_ok();
	case COORDINATOR_LOADS:
	case COORDINATOR_NOT_AVAILABLE:
	case NOT_COORDINATOR:
		return pyr_fail(error, PYR_BUSY, "the coordinator of group %s is not ready: try again", group);
	case GROUP_NON_EMPTY:
	case GROUP_SUBSCRIBED:
	case ILLEGAL_GENERATION:
	case UNKNOWN_MEMBER:
		return pyr_fail(error, PYR_BUSY, "group %s has members: end them first", group);
	case GROUP_ID_NOT_FOUND:
		return pyr_fail(error, PYR_NOT_FOUND, "there is no group %s", group);
	default:
		return pyr_fail(error, api_code_of_kafka(code), "group %s: %s", group, client_kafka_error(code, room));
	}
}

static enum pyr_status check_group(const char *group, struct pyr_failure *failure)
{
	return group && group[0] ? PYR_STATUS_OK : api_fail(failure, PYR_STATUS_USAGE, "", "the group's name is empty");
}

/* ---- listing ---- */

struct groups {
	struct pyr_rows *rows;
	struct pyr_group list[];
};

enum pyr_status pyr_group_list(struct pyralog *log, struct pyr_group **ret_groups, size_t *ret_count,
                               struct pyr_failure *failure)
{
	static const char query[] =
		"SELECT DISTINCT group_id, state, protocol FROM pyralog.consumer_groups ORDER BY group_id";
	struct pyr_rows *rows;
	enum pyr_status status = pyr_sql(log, query, NULL, 0, &rows, failure);
	if (status != PYR_STATUS_OK)
		return status;
	size_t count = pyr_rows_count(rows);
	struct groups *groups = calloc(1, sizeof *groups + (count + 1) * sizeof groups->list[0]);
	if (!groups) {
		pyr_rows_free(rows);
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	groups->rows = rows;
	for (size_t i = 0; i < count; i++)
		groups->list[i] = (struct pyr_group){pyr_rows_value(rows, i, 0), pyr_rows_value(rows, i, 1),
		                                     pyr_rows_value(rows, i, 2)};
	*ret_groups = groups->list;
	*ret_count = count;
	return PYR_STATUS_OK;
}

void pyr_groups_free(struct pyr_group *list)
{
	if (!list)
		return;
	struct groups *groups = BASE_CONTAINER(list, struct groups, list);
	pyr_rows_free(groups->rows);
	free(groups);
}

struct partitions {
	struct pyr_rows *rows;
	struct pyr_group_partition list[];
};

static int64_t number_of(const struct pyr_rows *rows, size_t row, size_t column)
{
	const char *value = pyr_rows_value(rows, row, column);
	return value ? strtoll(value, NULL, 10) : -1;
}

/* A group without offsets and partitions has one row, without a topic. */
static size_t take_partitions(const struct pyr_rows *rows, struct pyr_group_partition *list)
{
	size_t count = 0;
	for (size_t i = 0; i < pyr_rows_count(rows); i++) {
		if (!pyr_rows_value(rows, i, 0))
			continue;
		list[count++] = (struct pyr_group_partition){
			.topic = pyr_rows_value(rows, i, 0),
			.partition = (int32_t)number_of(rows, i, 1),
			.committed = number_of(rows, i, 2),
			.end = number_of(rows, i, 3),
			.lag = number_of(rows, i, 4),
			.lag_ms = number_of(rows, i, 5),
			.member = pyr_rows_value(rows, i, 6),
			.client = pyr_rows_value(rows, i, 7),
		};
	}
	return count;
}

enum pyr_status pyr_group_describe(struct pyralog *log, const char *group, struct pyr_group_partition **ret_partitions,
                                   size_t *ret_count, struct pyr_failure *failure)
{
	static const char query[] = "SELECT topic, partition, committed_offset, end_offset, lag, lag_ms, member_id, "
				    "client_id FROM pyralog.consumer_groups WHERE group_id = $1 ORDER BY 1, 2";
	struct pyr_rows *rows;
	enum pyr_status status = check_group(group, failure);
	if (status == PYR_STATUS_OK)
		status = pyr_sql(log, query, &group, 1, &rows, failure);
	if (status != PYR_STATUS_OK)
		return status;
	size_t count = pyr_rows_count(rows);
	struct partitions *partitions = calloc(1, sizeof *partitions + (count + 1) * sizeof partitions->list[0]);
	if (!partitions || count == 0) {
		pyr_rows_free(rows);
		free(partitions);
		return count == 0 ? api_fail(failure, PYR_STATUS_NOT_FOUND, "", "there is no group %s", group)
		                  : api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	partitions->rows = rows;
	*ret_count = take_partitions(rows, partitions->list);
	*ret_partitions = partitions->list;
	return PYR_STATUS_OK;
}

void pyr_group_partitions_free(struct pyr_group_partition *list)
{
	if (!list)
		return;
	struct partitions *partitions = BASE_CONTAINER(list, struct partitions, list);
	pyr_rows_free(partitions->rows);
	free(partitions);
}

/* ---- changing ---- */

static pyr_result take_commit(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_commit_response *response = message;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t k = 0; k < response->topics[i].partitions_count; k++)
			PYR_TRY(refused(context, response->topics[i].partitions[k].error_code, error));
	return pyr_ok();
}

static pyr_result find_offset(struct pyralog *log, const char *topic, int32_t partition, int64_t *offset,
                              struct pyr_error *error)
{
	int64_t start, end;
	PYR_TRY(log->ways->admin->range(log, topic, partition, &start, &end, error));
	*offset = *offset == PYR_EARLIEST ? start : *offset == PYR_LATEST ? end : *offset;
	if (*offset >= start && *offset <= end)
		return pyr_ok();
	return pyr_fail(error, PYR_OFFSET_OUT_OF_RANGE, "partition %d has offsets %lld to %lld, not %lld", partition,
	                (long long)start, (long long)end, (long long)*offset);
}

static pyr_result reset_parts(struct pyralog *log, const char *group, const char *topic, int64_t offset,
                              struct codec_kafka_offset_commit_request_partition *parts, uint32_t first, uint32_t count,
                              struct pyr_error *error)
{
	struct codec_kafka_offset_commit_request request = codec_kafka_offset_commit_request_default;
	struct codec_kafka_offset_commit_request_topic asked = {.name = text(topic), .partitions = parts};
	for (uint32_t i = first; i < first + count; i++) {
		struct codec_kafka_offset_commit_request_partition *part = &parts[asked.partitions_count++];
		*part = codec_kafka_offset_commit_request_partition_default;
		part->index = (int32_t)i;
		part->offset = offset;
		PYR_TRY(find_offset(log, topic, part->index, &part->offset, error));
	}
	request.group_id = text(group);
	request.member_id = text("");
	request.generation = -1; /* nobody's member */
	request.topics = &asked;
	request.topics_count = 1;
	return log->ways->admin->ask(log, group, CODEC_KAFKA_OFFSET_COMMIT, COMMIT_VERSION, &request, take_commit,
	                             (void *)(uintptr_t)group, error);
}

static pyr_result reset(struct pyralog *log, const char *group, const char *topic, int32_t partition, int64_t offset,
                        struct pyr_error *error)
{
	uint32_t count;
	PYR_TRY(log->ways->admin->partitions(log, topic, &count, error));
	if (partition < -1 || (partition >= 0 && (uint32_t)partition >= count))
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no partition %d of a topic %s", partition,
		                topic);
	struct codec_kafka_offset_commit_request_partition *parts = calloc(count, sizeof *parts);
	if (!parts)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = reset_parts(log, group, topic, offset, parts, partition < 0 ? 0 : (uint32_t)partition,
	                                partition < 0 ? count : 1, error);
	free(parts);
	return result;
}

enum pyr_status pyr_group_reset(struct pyralog *log, const char *group, const char *topic, int32_t partition,
                                int64_t offset, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	enum pyr_status status = check_group(group, failure);
	if (status != PYR_STATUS_OK)
		return status;
	if (!topic || !topic[0] || strlen(topic) > API_TOPIC_BYTES_MAX)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "", "%s", pyr_code_text(PYR_UNKNOWN_PARTITION));
	return api_settle(reset(log, group, topic, partition, offset, &error), &error, failure);
}

static pyr_result take_forgotten(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_offset_delete_response *response = message;
	PYR_TRY(refused(context, response->error_code, error));
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t k = 0; k < response->topics[i].partitions_count; k++)
			PYR_TRY(refused(context, response->topics[i].partitions[k].error_code, error));
	return pyr_ok();
}

static pyr_result forget(struct pyralog *log, const char *group, const char *topic, struct pyr_error *error)
{
	struct codec_kafka_offset_delete_request request = {.group_id = text(group)};
	struct codec_kafka_offset_delete_request_topic asked = {.name = text(topic)};
	uint32_t count;
	PYR_TRY(log->ways->admin->partitions(log, topic, &count, error));
	asked.partitions = calloc(count, sizeof *asked.partitions);
	if (!asked.partitions)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	asked.partitions_count = count;
	for (uint32_t i = 0; i < count; i++)
		asked.partitions[i].index = (int32_t)i;
	request.topics = &asked;
	request.topics_count = 1;
	pyr_result result = log->ways->admin->ask(log, group, CODEC_KAFKA_OFFSET_DELETE, FORGET_VERSION, &request,
	                                          take_forgotten, (void *)(uintptr_t)group, error);
	free(asked.partitions);
	return result;
}

enum pyr_status pyr_group_forget(struct pyralog *log, const char *group, const char *topic, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	enum pyr_status status = check_group(group, failure);
	if (status != PYR_STATUS_OK)
		return status;
	if (!topic || !topic[0] || strlen(topic) > API_TOPIC_BYTES_MAX)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "", "%s", pyr_code_text(PYR_UNKNOWN_PARTITION));
	return api_settle(forget(log, group, topic, &error), &error, failure);
}

static pyr_result take_deleted(void *context, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_delete_groups_response *response = message;
	for (size_t i = 0; i < response->results_count; i++)
		PYR_TRY(refused(context, response->results[i].error_code, error));
	return pyr_ok();
}

enum pyr_status pyr_group_delete(struct pyralog *log, const char *group, struct pyr_failure *failure)
{
	struct codec_kafka_delete_groups_request request = codec_kafka_delete_groups_request_default;
	struct pyr_error error = {0};
	enum pyr_status status = check_group(group, failure);
	if (status != PYR_STATUS_OK)
		return status;
	struct base_bytes name = text(group);
	request.group_names = &name;
	request.group_names_count = 1;
	pyr_result result = log->ways->admin->ask(log, group, CODEC_KAFKA_DELETE_GROUPS, DELETE_VERSION, &request,
	                                          take_deleted, (void *)(uintptr_t)group, &error);
	return api_settle(result, &error, failure);
}
