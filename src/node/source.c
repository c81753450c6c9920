/* query/source.h over catalog and log: a query's thread asks, the loop's thread answers.
 *
 * All scans of a statement are taken within one message, between two events of the loop: that is the one moment at which
 * the statement sees the log. Lock: the call's own, which makes the query's thread wait for its answer.
 */
#include "node/source.h"

#include "base/table.h"
#include "column/log_scan.h"
#include "node/append.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

struct node_source {
	struct query_source base;
	struct os_loop *loop;
	struct catalog *catalog;
	struct log *log;
	atomic_uint turn; /* of records without a key */
};

/* One call, on the query thread's stack. */
struct source_call {
	struct os_task task;
	struct node_source *source;
	const struct catalog_principal *principal;
	pyr_result (*answer)(struct source_call *call, struct pyr_error *error);
	pyr_result result;
	struct pyr_error *error;
	struct os_mutex lock;
	struct os_condition answered;
	bool is_answered;

	const char *name; /* topic_find */
	struct query_topic *topics; /* topic_find: the one; topic_list: all, allocated */
	size_t topic_count;
	struct query_scan_request *requests; /* scan_open */
	size_t request_count;
	struct taken {
		struct log_snapshot *snapshot;
		int32_t first_partition;
	} * taken;
};

static void on_call(struct os_task *task)
{
	struct source_call *call = BASE_CONTAINER(task, struct source_call, task);
	pyr_result result = call->answer(call, call->error);
	os_mutex_lock(&call->lock);
	call->result = result;
	call->is_answered = true;
	os_condition_signal(&call->answered);
	os_mutex_unlock(&call->lock);
}

static pyr_result ask(struct source_call *call)
{
	os_mutex_init(&call->lock);
	os_condition_init(&call->answered);
	call->task.run = on_call;
	os_loop_post(call->source->loop, &call->task);
	os_mutex_lock(&call->lock);
	while (!call->is_answered)
		os_condition_wait(&call->answered, &call->lock);
	os_mutex_unlock(&call->lock);
	os_condition_deinit(&call->answered);
	os_mutex_deinit(&call->lock);
	return call->result;
}

/* ---- on the loop's thread ---- */

static void copy_topic(const struct catalog_topic *topic, struct query_topic *ret_topic)
{
	memcpy(ret_topic->name, topic->name, sizeof topic->name);
	ret_topic->partition_count = topic->partition_count;
	ret_topic->id = topic->first_partition;
}

static pyr_result answer_list(struct source_call *call, struct pyr_error *error)
{
	const struct catalog *catalog = call->source->catalog;
	const struct catalog_topic *topic = NULL;
	struct query_topic *topics = calloc(catalog_topic_count(catalog) + 1, sizeof *topics);
	if (!topics)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	while ((topic = catalog_topic_next(catalog, topic)))
		if (catalog_authorize(catalog, call->principal, CATALOG_DESCRIBE, topic->name).code == PYR_OK)
			copy_topic(topic, &topics[call->topic_count++]);
	call->topics = topics;
	return pyr_ok();
}

/* An exact name wins; of several that read alike, the first in the alphabet. */
static const struct catalog_topic *find(const struct catalog *catalog, const char *name)
{
	const struct catalog_topic *found = catalog_topic_find(catalog, name, strlen(name)), *topic = NULL;
	if (found || !strchr(name, '_'))
		return found;
	while ((topic = catalog_topic_next(catalog, topic)))
		if (query_topic_reads_as(topic->name, name) && (!found || strcmp(topic->name, found->name) < 0))
			found = topic;
	return found;
}

static pyr_result answer_find(struct source_call *call, struct pyr_error *error)
{
	const struct catalog_topic *topic = find(call->source->catalog, call->name);
	if (!topic)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", call->name);
	if (catalog_authorize(call->source->catalog, call->principal, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
		return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", topic->name);
	copy_topic(topic, call->topics);
	return pyr_ok();
}

static pyr_result take_topic(struct source_call *call, const struct catalog_topic *topic,
                             const struct column_bounds *bounds, struct taken *taken)
{
	struct log_bounds log_bounds = {bounds->offset_min, bounds->offset_max, bounds->timestamp_ms_min,
	                                bounds->timestamp_ms_max};
	int32_t first = bounds->partition_min > 0 ? bounds->partition_min : 0;
	int32_t end = bounds->partition_max < (int32_t)topic->partition_count ? bounds->partition_max + 1
	                                                                      : (int32_t)topic->partition_count;
	size_t count = end > first ? (size_t)(end - first) : 0;
	uint32_t *partitions = calloc(count + 1, sizeof *partitions);
	if (!partitions)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < count; i++)
		partitions[i] = catalog_topic_partition(topic, first + (int32_t)i);
	taken->first_partition = first;
	pyr_result result = log_snapshot_take(call->source->log, partitions, count, &log_bounds, &taken->snapshot);
	free(partitions);
	return result;
}

static pyr_result answer_take(struct source_call *call, struct pyr_error *error)
{
	const struct catalog *catalog = call->source->catalog;
	for (size_t i = 0; i < call->request_count; i++) {
		const char *name = call->requests[i].topic;
		const struct catalog_topic *topic = catalog_topic_find(catalog, name, strlen(name));
		if (!topic)
			return pyr_fail(error, PYR_UNKNOWN_PARTITION, "relation \"%s\" does not exist any more", name);
		if (catalog_authorize(catalog, call->principal, CATALOG_READ, name).code != PYR_OK)
			return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", name);
		pyr_result result = take_topic(call, topic, &call->requests[i].bounds, &call->taken[i]);
		if (result.code != PYR_OK)
			return pyr_fail(error, result.code, "topic %s: %s", name, pyr_code_text(result.code));
	}
	return pyr_ok();
}

/* ---- on a query's thread ---- */

static pyr_result topic_list(struct query_source *source, const struct catalog_principal *principal,
                             struct query_topic **ret_topics, size_t *ret_count, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.principal = principal,
		.answer = answer_list,
		.error = error,
	};
	PYR_TRY(ask(&call));
	*ret_topics = call.topics;
	*ret_count = call.topic_count;
	return pyr_ok();
}

static pyr_result topic_find(struct query_source *source, const struct catalog_principal *principal, const char *name,
                             struct query_topic *ret_topic, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.principal = principal,
		.answer = answer_find,
		.error = error,
		.name = name,
		.topics = ret_topic,
	};
	return ask(&call);
}

/* The snapshots become scans, whose indexes are read here and not on the loop. */
static pyr_result make_scans(struct source_call *call, struct pyr_error *error)
{
	for (size_t i = 0; i < call->request_count; i++) {
		struct query_scan_request *request = &call->requests[i];
		struct log_snapshot *snapshot = call->taken[i].snapshot;
		call->taken[i].snapshot = NULL;
		PYR_TRY(column_log_scan_new(snapshot, call->taken[i].first_partition, &request->bounds, &request->scan,
		                            error));
	}
	return pyr_ok();
}

static pyr_result scan_open(struct query_source *source, const struct catalog_principal *principal,
                            struct query_scan_request *requests, size_t request_count, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.principal = principal,
		.answer = answer_take,
		.error = error,
		.requests = requests,
		.request_count = request_count,
		.taken = calloc(request_count + 1, sizeof *call.taken),
	};
	if (!call.taken)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = ask(&call);
	if (result.code == PYR_OK)
		result = make_scans(&call, error);
	for (size_t i = 0; i < request_count && result.code != PYR_OK; i++) {
		log_snapshot_release(call.taken[i].snapshot);
		column_scan_free(requests[i].scan);
		requests[i].scan = NULL;
	}
	free(call.taken);
	return result;
}

static pyr_result append(struct query_source *base, const struct catalog_principal *principal,
                         struct query_record *records, size_t record_count, struct pyr_error *error)
{
	struct node_source *source = (struct node_source *)base;
	struct node_append node = {source->loop, source->catalog, source->log, principal, &source->turn};
	return node_append_records(&node, records, record_count, error);
}

static const struct query_source_ops source_ops = {
	.topic_list = topic_list,
	.topic_find = topic_find,
	.scan_open = scan_open,
	.append = append,
};

struct query_source *node_source_new(struct os_loop *loop, struct catalog *catalog, struct log *log)
{
	struct node_source *source = calloc(1, sizeof *source);
	if (!source)
		return NULL;
	*source = (struct node_source){{&source_ops}, loop, catalog, log, 0};
	return &source->base;
}

void node_source_free(struct query_source *source)
{
	free(source);
}
