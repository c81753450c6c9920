/* A node in this process: opening, topics, producing (see pyralog.h).
 *
 * Calls are made on the caller's thread, ask the shards' loops and wait for them. Invariant: one node a process, as the
 * engine has one. Lock: a change's own, which makes its caller wait. */
#include "api/embedded.h"
#include "api/subscription.h"

#include "base/table.h"
#include "os/real.h"
#include "os/thread.h"
#include "query/parse.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY_THREADS_MAX = 64, PARTITIONS = 4 };

const struct catalog_principal embedded_principal = {"anonymous"};

static atomic_bool is_open;

/* ---- topics ---- */

/* On its caller's stack until it is answered. */
struct change {
	struct os_task task;
	struct node *node;
	void (*begin)(struct catalog *catalog, struct catalog_change *change);
	enum catalog_action action;
	struct catalog_change change;
	struct os_mutex lock;
	struct os_condition answered;
	bool done;
};

static void on_changed(struct catalog_change *catalog_change)
{
	struct change *change = BASE_CONTAINER(catalog_change, struct change, change);
	os_mutex_lock(&change->lock);
	change->done = true;
	os_condition_signal(&change->answered);
	os_mutex_unlock(&change->lock);
}

static pyr_result may_change(const struct change *change, const struct catalog *catalog)
{
	const char *name = change->change.name;
	PYR_TRY(catalog_topic_name_check(name, strlen(name)));
	if (group_topic_is_internal(name, strlen(name)))
		return pyr_result_of(PYR_INVALID_TOPIC);
	return catalog_authorize(catalog, &embedded_principal, change->action, name);
}

static void on_change(struct os_task *task)
{
	struct change *change = BASE_CONTAINER(task, struct change, task);
	struct catalog *catalog = node_catalog(change->node, 0);
	change->change.result = may_change(change, catalog);
	if (change->change.result.code == PYR_OK)
		change->begin(catalog, &change->change);
	else
		on_changed(&change->change);
}

static pyr_result carry_out(struct pyralog *log, struct change *change, const char *topic, struct pyr_error *error)
{
	change->task.run = on_change;
	change->node = node_host_node(embedded_of(log)->host);
	change->change.done = on_changed;
	memcpy(change->change.name, topic, strlen(topic) + 1);
	os_mutex_init(&change->lock);
	os_condition_init(&change->answered);
	os_loop_post(node_shard(change->node, 0)->loop, &change->task);
	os_mutex_lock(&change->lock);
	while (!change->done)
		os_condition_wait(&change->answered, &change->lock);
	os_mutex_unlock(&change->lock);
	os_condition_deinit(&change->answered);
	os_mutex_deinit(&change->lock);
	enum pyr_code code = change->change.result.code;
	return code == PYR_OK ? pyr_ok() : pyr_fail(error, code, "topic %s: %s", topic, pyr_code_text(code));
}

static pyr_result topic_create(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_create, .action = CATALOG_CREATE};
	if (partitions > CATALOG_PARTITIONS_MAX)
		return pyr_fail(error, PYR_INVALID_PARTITIONS, "topic %s: ask for 1 to %d partitions, or 0", topic,
		                CATALOG_PARTITIONS_MAX);
	change.change.partition_count = partitions > 0 ? partitions : PARTITIONS;
	change.change.config = catalog_topic_config_default();
	return carry_out(log, &change, topic, error);
}

static pyr_result topic_delete(struct pyralog *log, const char *topic, struct pyr_error *error)
{
	struct change change = {.begin = catalog_topic_delete, .action = CATALOG_DELETE};
	return carry_out(log, &change, topic, error);
}

static pyr_result topic_list(struct pyralog *log, struct api_topics *topics, struct pyr_error *error)
{
	struct query_source *source = embedded_source(log);
	struct query_topic *found;
	size_t count;
	PYR_TRY(source->ops->topic_list(source, &embedded_principal, &found, &count, error));
	pyr_result result = pyr_ok();
	for (size_t i = 0; i < count && result.code == PYR_OK; i++) {
		struct base_bytes name = {(const uint8_t *)found[i].name, strlen(found[i].name)};
		result = api_topics_add(topics, name, found[i].partition_count);
	}
	free(found);
	return result;
}

/* ---- producing ---- */

/* Our headers become the log's, all in one array. */
static void convert(const char *topic, const struct pyr_record *from, struct query_record *to,
                    struct codec_header *headers)
{
	for (size_t i = 0; i < from->header_count; i++)
		headers[i] = (struct codec_header){api_bytes(from->headers[i].key), api_bytes(from->headers[i].value)};
	*to = (struct query_record){
		.topic = topic,
		.key = api_bytes(from->key),
		.value = api_bytes(from->value),
		.headers = headers,
		.header_count = from->header_count,
		.timestamp_ms = from->timestamp_ms > 0 ? from->timestamp_ms : -1,
		.partition = from->partition,
	};
}

static pyr_result append(struct pyralog *log, struct pyr_record *records, struct query_record *converted, size_t count,
                         struct pyr_error *error)
{
	struct query_source *source = embedded_source(log);
	PYR_TRY(source->ops->append(source, &embedded_principal, converted, count, error));
	for (size_t i = 0; i < count; i++) {
		records[i].partition = converted[i].partition;
		records[i].offset = converted[i].offset;
		records[i].timestamp_ms = converted[i].timestamp_ms;
	}
	return pyr_ok();
}

/* The query layer knows relations; we, topics. */
static pyr_result check_topic(struct pyralog *log, const char *topic, struct pyr_error *error)
{
	struct query_source *source = embedded_source(log);
	struct query_topic found;
	struct pyr_error unwanted;
	pyr_result result = source->ops->topic_find(source, &embedded_principal, topic, &found, &unwanted);
	if (result.code != PYR_OK || strcmp(found.name, topic) != 0)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic);
	return pyr_ok();
}

static pyr_result produce(struct pyralog *log, const char *topic, struct pyr_record *records, size_t count,
                          struct pyr_error *error)
{
	size_t header_count = 0, used = 0;
	for (size_t i = 0; i < count; i++)
		header_count += records[i].header_count;
	PYR_TRY(check_topic(log, topic, error));
	struct query_record *converted = calloc(count, sizeof *converted);
	struct codec_header *headers = calloc(header_count + 1, sizeof *headers);
	pyr_result result = pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; converted && headers && i < count; i++) {
		convert(topic, &records[i], &converted[i], headers + used);
		used += records[i].header_count;
	}
	if (converted && headers)
		result = append(log, records, converted, count, error);
	free(converted);
	free(headers);
	return result;
}

/* ---- life ---- */

static void on_close(struct os_task *task)
{
	struct embedded *log = BASE_CONTAINER(task, struct embedded, task);
	os_executor_free(log->queries);
	node_host_stop(log->host);
}

static void embedded_close(struct pyralog *base)
{
	struct embedded *log = embedded_of(base);
	struct os_loop *loop = node_host_loop(log->host, 0);
	log->task.run = on_close;
	os_loop_post(loop, &log->task);
	os_real_loop_join(loop);
	node_host_free(log->host);
	free(log);
	atomic_store(&is_open, false);
}

static const struct api_ways ways = {
	&embedded_feed,        embedded_close,       topic_create,
	topic_delete,          topic_list,           produce,
	embedded_reader_open,  embedded_reader_next, embedded_reader_close,
	embedded_sql,          embedded_query_start, embedded_query_next,
	embedded_query_cancel, embedded_query_free,
};

bool embedded_is(const struct pyralog *log)
{
	return log->ways == &ways;
}

static pyr_result start(struct embedded *log, const char *directory, const struct pyr_open_options *options,
                        struct pyr_error *error)
{
	struct node_host_options host = node_host_options_default();
	host.data = directory;
	host.shards = options->shards;
	if (options->shards > NODE_SHARDS_MAX || options->sql_threads > 256)
		return pyr_fail(error, PYR_USAGE, "at most %d shards and 256 threads for SQL", NODE_SHARDS_MAX);
	if (options->sql_memory_mib > 0)
		host.engine.memory_bytes = (uint64_t)(options->sql_memory_mib < 64 ? 64 : options->sql_memory_mib)
		                           << 20;
	if (options->sql_threads > 0)
		host.engine.threads = options->sql_threads;
	PYR_TRY(node_host_open(&host, &log->host, error));
	log->queries = os_executor_new(node_host_loop(log->host, 0), "query", OS_ORDINARY, QUERY_THREADS_MAX,
	                               QUERY_STACK_BYTES);
	if (!log->queries)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return node_host_start(log->host, 0, error);
}

enum pyr_status pyr_open(const char *directory, const struct pyr_open_options *options, struct pyralog **ret_log,
                         struct pyr_failure *failure)
{
	struct pyr_open_options wanted = {0};
	struct pyr_error error = {0};
	struct embedded *log = calloc(1, sizeof *log);
	if (options)
		memcpy(&wanted, options, options->size < sizeof wanted ? options->size : sizeof wanted);
	if (!log)
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	if (atomic_exchange(&is_open, true)) {
		free(log);
		return api_fail(failure, PYR_STATUS_BUSY, "", "a process has one node at a time: close the other one");
	}
	log->base.ways = &ways;
	pyr_result result = start(log, directory, &wanted, &error);
	if (result.code != PYR_OK) {
		os_executor_free(log->queries);
		node_host_free(log->host);
		free(log);
		atomic_store(&is_open, false);
		return api_settle(result, &error, failure);
	}
	*ret_log = &log->base;
	return PYR_STATUS_OK;
}
