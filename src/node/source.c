/* query/source.h over the node's shards: a query's thread asks, the shards' threads answer.
 *
 * What only the catalog knows is asked of shard 0. Scans are taken by one message to each shard, between two events of its
 * loop: that is the moment at which the statement sees that shard's partitions, and everything acknowledged before the
 * statement is in it. Lock: the call's own, which makes the query's thread wait for the last answer.
 */
#include "node/source.h"

#include "node/coord_list.h"

#include "base/table.h"
#include "column/log_scan.h"
#include "node/append.h"
#include "node/declare.h"
#include "node/groups.h"
#include "node/metrics.h"
#include "node/tail.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

enum {
	SPINS_MAX = 1000, /* some 50 us */
	PROMPT_BYTES_MAX = 384 << 10, /* that a loop reads for a statement: some 100 us */
};

struct node_source {
	struct query_source base;
	struct query_source prompt; /* its twin for shard 0's loop */
	const struct node *node;
	struct node_ids *ids;
	struct pharaoh *pharaoh; /* shard 0's */
	atomic_uint turn; /* of records without a key */
	atomic_bool spinning; /* a query's thread waits without sleeping */
};

/* One call, on the query thread's stack. */
struct source_call {
	struct node_source *source;
	const struct node *node;
	const struct catalog_principal *principal;
	pyr_result (*answer)(struct source_call *call, size_t shard, struct pyr_error *error);
	struct os_mutex lock;
	struct os_condition answered;
	size_t unanswered; /* messages */
	atomic_size_t answers; /* so far */
	pyr_result result; /* the first failure, and what it says */
	struct pyr_error *error;

	const char *name; /* topic_find */
	struct query_topic *topics; /* topic_find: the one; topic_list: all, allocated */
	size_t topic_count;
	struct catalog_columns *columns; /* topic_columns */
	struct query_scan_request *requests; /* scan_open */
	size_t request_count;
	struct taken {
		struct log_snapshot *snapshots[NODE_SHARDS_MAX];
		_Atomic uint32_t partition_count; /* every shard says the same */
	} * taken; /* for each request */
};

/* The message of a call to one shard. */
struct source_message {
	struct os_task task;
	struct source_call *call;
	size_t shard;
};

static void on_call(struct os_task *task)
{
	struct source_message *message = BASE_CONTAINER(task, struct source_message, task);
	struct source_call *call = message->call;
	struct pyr_error error = {0};
	pyr_result result = call->answer(call, message->shard, &error);
	os_mutex_lock(&call->lock);
	if (result.code != PYR_OK && call->result.code == PYR_OK) {
		call->result = result;
		if (call->error)
			*call->error = error;
	}
	call->unanswered -= 1;
	atomic_fetch_add_explicit(&call->answers, 1, memory_order_relaxed);
	os_condition_signal(&call->answered);
	os_mutex_unlock(&call->lock);
}

/* An answer comes sooner than a thread wakes up. One thread at a time waits like this: more would take the processors from
 * the loops. */
static void spin(struct source_call *call, size_t shard_count)
{
	atomic_bool *spinning = &call->source->spinning;
	if (atomic_exchange_explicit(spinning, true, memory_order_relaxed))
		return;
	for (int i = 0; i < SPINS_MAX; i++) {
		if (atomic_load_explicit(&call->answers, memory_order_relaxed) == shard_count)
			break;
		os_thread_pause();
	}
	atomic_store_explicit(spinning, false, memory_order_relaxed);
}

/* Sends the call to the first `shard_count` shards, and waits. */
static pyr_result ask(struct source_call *call, size_t shard_count)
{
	struct source_message messages[NODE_SHARDS_MAX];
	os_mutex_init(&call->lock);
	os_condition_init(&call->answered);
	call->unanswered = shard_count;
	call->result = pyr_ok();
	for (size_t i = 0; i < shard_count; i++) {
		messages[i] = (struct source_message){{.run = on_call}, call, i};
		os_loop_post(node_shard(call->node, i)->loop, &messages[i].task);
	}
	spin(call, shard_count);
	os_mutex_lock(&call->lock);
	while (call->unanswered > 0)
		os_condition_wait(&call->answered, &call->lock);
	os_mutex_unlock(&call->lock);
	os_condition_deinit(&call->answered);
	os_mutex_deinit(&call->lock);
	return call->result;
}

/* ---- on a shard's thread ---- */

static void copy_topic(const struct catalog_topic *topic, struct query_topic *ret_topic)
{
	memcpy(ret_topic->name, topic->name, sizeof topic->name);
	ret_topic->partition_count = topic->partition_count;
	ret_topic->id = topic->spans[0].first;
	ret_topic->column_count = topic->columns ? (uint16_t)topic->columns->count : 0;
	ret_topic->last_column = topic->columns ? topic->columns->last_number : 0;
}

static pyr_result answer_list(struct source_call *call, size_t shard, struct pyr_error *error)
{
	const struct catalog *catalog = node_catalog(call->node, shard);
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

static pyr_result answer_find(struct source_call *call, size_t shard, struct pyr_error *error)
{
	const struct catalog *catalog = node_catalog(call->node, shard);
	const struct catalog_topic *topic = find(catalog, call->name);
	if (!topic)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", call->name);
	if (catalog_authorize(catalog, call->principal, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
		return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", topic->name);
	copy_topic(topic, call->topics);
	return pyr_ok();
}

static pyr_result answer_columns(struct source_call *call, size_t shard, struct pyr_error *error)
{
	const struct catalog *catalog = node_catalog(call->node, shard);
	const struct catalog_topic *topic = catalog_topic_find(catalog, call->name, strlen(call->name));
	if (!topic)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", call->name);
	if (catalog_authorize(catalog, call->principal, CATALOG_DESCRIBE, topic->name).code != PYR_OK)
		return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", topic->name);
	if (!topic->columns || catalog_columns_copy(topic->columns, &call->columns).code == PYR_OK)
		return pyr_ok();
	return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

/* All partitions of the topic are asked for; those of other shards are empty here. */
static pyr_result take_topic(const struct node_shard *shard, const struct catalog_topic *topic,
                             const struct column_bounds *bounds, const int64_t *positions,
                             struct log_snapshot **ret_snapshot)
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
	pyr_result result = log_snapshot_take_from(shard->log, partitions, positions ? positions + first : NULL, count,
	                                           &log_bounds, ret_snapshot);
	free(partitions);
	return result;
}

static pyr_result answer_take(struct source_call *call, size_t shard, struct pyr_error *error)
{
	const struct catalog *catalog = node_catalog(call->node, shard);
	for (size_t i = 0; i < call->request_count; i++) {
		const char *name = call->requests[i].topic;
		const struct catalog_topic *topic = catalog_topic_find(catalog, name, strlen(name));
		if (!topic)
			return pyr_fail(error, PYR_UNKNOWN_PARTITION, "relation \"%s\" does not exist any more", name);
		if (catalog_authorize(catalog, call->principal, CATALOG_READ, name).code != PYR_OK)
			return pyr_fail(error, PYR_NOT_AUTHORIZED, "permission denied for table %s", name);
		pyr_result result = take_topic(node_shard(call->node, shard), topic, &call->requests[i].bounds,
		                               call->requests[i].positions, &call->taken[i].snapshots[shard]);
		call->taken[i].partition_count = topic->partition_count;
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
		.node = ((struct node_source *)source)->node,
		.principal = principal,
		.answer = answer_list,
		.error = error,
	};
	PYR_TRY(ask(&call, 1));
	*ret_topics = call.topics;
	*ret_count = call.topic_count;
	return pyr_ok();
}

static pyr_result topic_find(struct query_source *source, const struct catalog_principal *principal, const char *name,
                             struct query_topic *ret_topic, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.node = ((struct node_source *)source)->node,
		.principal = principal,
		.answer = answer_find,
		.error = error,
		.name = name,
		.topics = ret_topic,
	};
	return ask(&call, 1);
}

static pyr_result topic_columns(struct query_source *source, const struct catalog_principal *principal,
                                const char *name, struct catalog_columns **ret_columns, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.node = ((struct node_source *)source)->node,
		.principal = principal,
		.answer = answer_columns,
		.error = error,
		.name = name,
	};
	PYR_TRY(ask(&call, 1));
	*ret_columns = call.columns;
	return pyr_ok();
}

static pyr_result topic_declare(struct query_source *source, const struct catalog_principal *principal,
                                const char *name, struct base_bytes actions, struct pyr_error *error)
{
	return node_declare_columns(((struct node_source *)source)->node, principal, name, actions, error);
}

/* Where each partition ended: a shard that does not own it says nothing of it. */
static void take_ends(const struct source_call *call, size_t i)
{
	const struct query_scan_request *request = &call->requests[i];
	int64_t first = request->bounds.partition_min > 0 ? request->bounds.partition_min : 0;
	int64_t end = (int64_t)call->taken[i].partition_count - 1;
	end = request->bounds.partition_max < end ? request->bounds.partition_max : end;
	for (size_t shard = 0; shard < node_shard_count(call->node); shard++) {
		for (int64_t k = first; k <= end; k++) {
			int64_t at = log_snapshot_end_offset(call->taken[i].snapshots[shard], (size_t)(k - first));
			if (at >= 0)
				request->positions[k] = at;
		}
	}
}

/* The snapshots become scans, whose indexes are read here and not on a loop. */
static pyr_result make_scans(struct source_call *call, struct pyr_error *error)
{
	for (size_t i = 0; i < call->request_count; i++) {
		struct query_scan_request *request = &call->requests[i];
		int32_t first = request->bounds.partition_min > 0 ? request->bounds.partition_min : 0;
		if (request->positions)
			take_ends(call, i);
		PYR_TRY(column_log_scan_new(call->taken[i].snapshots, node_shard_count(call->node), first,
		                            &request->bounds, &request->scan, error));
	}
	return pyr_ok();
}

static void drop_scans(struct source_call *call)
{
	for (size_t i = 0; i < call->request_count; i++) {
		for (size_t j = 0; j < NODE_SHARDS_MAX; j++)
			log_snapshot_release(call->taken[i].snapshots[j]);
		column_scan_free(call->requests[i].scan);
		call->requests[i].scan = NULL;
	}
}

static pyr_result scan_open(struct query_source *source, const struct catalog_principal *principal,
                            struct query_scan_request *requests, size_t request_count, struct pyr_error *error)
{
	struct source_call call = {
		.source = (struct node_source *)source,
		.node = ((struct node_source *)source)->node,
		.principal = principal,
		.answer = answer_take,
		.error = error,
		.requests = requests,
		.request_count = request_count,
		.taken = calloc(request_count + 1, sizeof *call.taken),
	};
	if (!call.taken)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = ask(&call, node_shard_count(call.node));
	if (result.code == PYR_OK)
		result = make_scans(&call, error);
	if (result.code != PYR_OK)
		drop_scans(&call);
	free(call.taken);
	return result;
}

static pyr_result append(struct query_source *base, const struct catalog_principal *principal,
                         struct query_record *records, size_t record_count, struct pyr_error *error)
{
	struct node_source *source = (struct node_source *)base;
	struct node_append append = {source->node, principal, &source->turn};
	return node_append_records(&append, records, record_count, error);
}

static pyr_result tail_open(struct query_source *base, const struct catalog_principal *principal, const char *topic,
                            struct query_tail **ret_tail, struct pyr_error *error)
{
	return node_tail_open(((struct node_source *)base)->node, principal, topic, ret_tail, error);
}

static void tail_wait(struct query_source *base, struct query_tail *tail, uint64_t *seen, uint64_t timeout_us)
{
	(void)base;
	node_tail_wait(tail, seen, timeout_us);
}

static void tail_close(struct query_source *base, struct query_tail *tail)
{
	(void)base;
	node_tail_close(tail);
}

static pyr_result group_list(struct query_source *base, const struct catalog_principal *principal,
                             struct query_group **ret_groups, size_t *ret_count, struct pyr_error *error)
{
	return node_groups_list(((struct node_source *)base)->node, base, principal, ret_groups, ret_count, error);
}

static pyr_result metric_list(struct query_source *base, const struct catalog_principal *principal,
                              struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error)
{
	return node_metrics_list(((struct node_source *)base)->node, principal, ret_metrics, ret_count, error);
}

static pyr_result coord_list(struct query_source *base, const struct catalog_principal *principal,
                             enum query_coord_kind kind, void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	const struct node_source *source = (const struct node_source *)base;
	(void)principal; /* as the metrics */
	return node_coord_list(source->node, &source->pharaoh, kind, ret_rows, ret_count, error);
}

static pyr_result id_take(struct query_source *base, const struct catalog_principal *principal, uint64_t *ret_ids,
                          size_t count, struct pyr_error *error)
{
	(void)principal; /* whoever may run a statement may have ids */
	return node_ids_take(((struct node_source *)base)->ids, count, ret_ids, error);
}

/* ---- on shard 0's loop, for statements that are carried out there ---- */

static struct node_source *of_prompt(struct query_source *prompt)
{
	return BASE_CONTAINER(prompt, struct node_source, prompt);
}

static pyr_result prompt_find(struct query_source *prompt, const struct catalog_principal *principal, const char *name,
                              struct query_topic *ret_topic, struct pyr_error *error)
{
	struct source_call call = {
		.node = of_prompt(prompt)->node, .principal = principal, .name = name, .topics = ret_topic};
	return answer_find(&call, 0, error);
}

static pyr_result prompt_columns(struct query_source *prompt, const struct catalog_principal *principal,
                                 const char *name, struct catalog_columns **ret_columns, struct pyr_error *error)
{
	struct source_call call = {.node = of_prompt(prompt)->node, .principal = principal, .name = name};
	PYR_TRY(answer_columns(&call, 0, error));
	*ret_columns = call.columns;
	return pyr_ok();
}

/* The partition that is asked for is not another shard's. Unknown ones are nobody's. */
static bool is_of_shard_0(const struct node *node, const struct query_scan_request *request)
{
	const struct catalog *catalog = node_catalog(node, 0);
	const struct catalog_topic *topic = catalog_topic_find(catalog, request->topic, strlen(request->topic));
	int32_t partition = request->bounds.partition_min;
	if (!topic || request->positions || partition != request->bounds.partition_max)
		return false;
	return partition < 0 || partition >= (int32_t)topic->partition_count ||
	       catalog_shard_of(catalog, catalog_topic_partition(topic, partition)) == 0;
}

static pyr_result prompt_open(struct query_source *prompt, const struct catalog_principal *principal,
                              struct query_scan_request *requests, size_t request_count, struct pyr_error *error)
{
	const struct node *node = of_prompt(prompt)->node;
	struct taken taken = {0};
	struct source_call call = {.node = node,
	                           .principal = principal,
	                           .requests = requests,
	                           .request_count = request_count,
	                           .taken = &taken};
	if (request_count != 1 || !is_of_shard_0(node, requests))
		return pyr_fail(error, PYR_BUSY, "this takes longer than a loop has");
	PYR_TRY(answer_take(&call, 0, error));
	int32_t first = requests->bounds.partition_min > 0 ? requests->bounds.partition_min : 0;
	bool whole = false;
	pyr_result result = column_log_scan_gather(taken.snapshots[0], first, &requests->bounds, PROMPT_BYTES_MAX,
	                                           &whole, &requests->scan);
	requests->waits = !whole;
	return result.code == PYR_OK ? result : pyr_fail(error, result.code, "memory does not know where it is");
}

/* A statement that hurries asks for nothing else. */
static const struct query_source_ops prompt_ops = {
	.topic_find = prompt_find,
	.topic_columns = prompt_columns,
	.scan_open = prompt_open,
};

struct query_source *node_source_prompt(struct query_source *source)
{
	return &((struct node_source *)source)->prompt;
}

static const struct query_source_ops source_ops = {
	.topic_list = topic_list,
	.topic_find = topic_find,
	.topic_columns = topic_columns,
	.topic_declare = topic_declare,
	.scan_open = scan_open,
	.tail_open = tail_open,
	.tail_wait = tail_wait,
	.tail_close = tail_close,
	.append = append,
	.group_list = group_list,
	.metric_list = metric_list,
	.coord_list = coord_list,
	.id_take = id_take,
};

struct query_source *node_source_new(const struct node *node, struct node_ids *ids)
{
	struct node_source *source = calloc(1, sizeof *source);
	if (!source)
		return NULL;
	*source = (struct node_source){.base = {&source_ops}, .prompt = {&prompt_ops}, .node = node, .ids = ids};
	return &source->base;
}

void node_source_set_pharaoh(struct query_source *source, struct pharaoh *pharaoh)
{
	((struct node_source *)source)->pharaoh = pharaoh;
}

void node_source_free(struct query_source *source)
{
	free(source);
}
