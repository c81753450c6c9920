/* A node in this process: opening, producing (see pyralog.h).
 *
 * Calls are made on the caller's thread, ask the shards' loops and wait for them. Invariant: one node a process, as the
 * engine has one. Lock: a change's own, which makes its caller wait. */
#include "api/embedded.h"
#include "api/admin.h"
#include "api/subscription.h"

#include "base/table.h"
#include "os/real.h"
#include "os/thread.h"
#include "query/parse.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY_THREADS_MAX = 64 };

const struct catalog_principal embedded_principal = {"anonymous"};

void embedded_wait_init(struct embedded_wait *wait)
{
	wait->over = false;
	os_mutex_init(&wait->lock);
	os_condition_init(&wait->changed);
}

void embedded_wait_end(struct embedded_wait *wait)
{
	os_mutex_lock(&wait->lock);
	wait->over = true;
	os_condition_signal(&wait->changed);
	os_mutex_unlock(&wait->lock);
}

void embedded_wait_for(struct embedded_wait *wait)
{
	os_mutex_lock(&wait->lock);
	while (!wait->over)
		os_condition_wait(&wait->changed, &wait->lock);
	os_mutex_unlock(&wait->lock);
	os_condition_deinit(&wait->changed);
	os_mutex_deinit(&wait->lock);
}

static atomic_bool is_open;

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
	&embedded_feed,
	&embedded_admin,
	embedded_close,
	embedded_topic_create,
	embedded_topic_delete,
	embedded_topic_list,
	produce,
	embedded_reader_open,
	embedded_reader_next,
	embedded_reader_close,
	embedded_sql,
	embedded_query_start,
	embedded_query_next,
	embedded_query_cancel,
	embedded_query_free,
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
