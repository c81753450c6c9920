/* pyralog/admin.h on a node in this process: partitions on the shards that have them, groups on shard 0.
 *
 * Lock: a question's own, which makes its caller wait. */
#include "api/embedded.h"
#include "base/table.h"
#include "node/ask.h"

#include <string.h>

enum { ANSWER_BYTES_MAX = 64 << 20 };

/* ---- partitions ---- */

struct look {
	const struct node *node;
	const char *topic;
	int32_t partition; /* -1: how many there are is asked for */
	uint32_t partitions; /* by shard 0; the rest by the shard that has the partition */
	size_t shard;
	uint32_t found;
	struct log_partition_info info;
	pyr_result result;
};

static void on_look(void *context, size_t shard)
{
	struct look *look = context;
	const struct catalog *catalog = node_catalog(look->node, shard);
	const struct catalog_topic *topic = catalog_topic_find(catalog, look->topic, strlen(look->topic));
	if (!topic)
		return;
	if (shard == 0)
		look->partitions = topic->partition_count;
	uint32_t partition = look->partition >= 0 ? catalog_topic_partition(topic, look->partition) : 0;
	if (partition == 0 || catalog_shard_of(catalog, partition) != shard)
		return;
	look->result = log_partition_get(node_log(look->node, shard), partition, &look->info);
	look->shard = shard;
	look->found = partition;
}

pyr_result embedded_look(struct pyralog *log, const char *topic, int32_t partition, struct log_partition_info *ret_info,
                         size_t *ret_shard, uint32_t *ret_partition, struct pyr_error *error)
{
	struct look look = {.node = node_host_node(embedded_of(log)->host),
	                    .topic = topic,
	                    .partition = partition,
	                    .result = {PYR_UNKNOWN_PARTITION}};
	node_ask(look.node, node_shard_count(look.node), on_look, &look);
	if (look.result.code != PYR_OK)
		return pyr_fail(error, look.result.code, "there is no partition %d of a topic %s", partition, topic);
	*ret_info = look.info;
	*ret_shard = look.shard;
	*ret_partition = look.found;
	return pyr_ok();
}

static pyr_result partitions(struct pyralog *log, const char *topic, uint32_t *ret_partitions, struct pyr_error *error)
{
	struct look look = {.node = node_host_node(embedded_of(log)->host), .topic = topic, .partition = -1};
	node_ask(look.node, 1, on_look, &look);
	if (look.partitions == 0)
		return pyr_fail(error, PYR_UNKNOWN_PARTITION, "there is no topic %s", topic);
	*ret_partitions = look.partitions;
	return pyr_ok();
}

static pyr_result range(struct pyralog *log, const char *topic, int32_t partition, int64_t *ret_start, int64_t *ret_end,
                        struct pyr_error *error)
{
	struct log_partition_info info;
	uint32_t found;
	size_t shard;
	PYR_TRY(embedded_look(log, topic, partition, &info, &shard, &found, error));
	*ret_start = info.log_start_offset;
	*ret_end = info.high_watermark;
	return pyr_ok();
}

struct deletion {
	struct os_task task;
	struct log *log;
	int64_t offset;
	struct log_append append;
	struct embedded_wait wait;
};

static void on_deleted(struct log_append *append)
{
	embedded_wait_end(&BASE_CONTAINER(append, struct deletion, append)->wait);
}

static void on_delete(struct os_task *task)
{
	struct deletion *deletion = BASE_CONTAINER(task, struct deletion, task);
	log_delete_records(deletion->log, &deletion->append, deletion->offset);
}

static pyr_result delete_records(struct pyralog *log, const char *topic, int32_t partition, int64_t offset,
                                 struct pyr_error *error)
{
	struct node *node = node_host_node(embedded_of(log)->host);
	struct deletion deletion = {.task.run = on_delete, .offset = offset, .append.done = on_deleted};
	struct log_partition_info info;
	size_t shard;
	if (group_topic_is_internal(topic, strlen(topic)))
		return pyr_fail(error, PYR_INVALID_TOPIC, "topic %s is the node's own", topic);
	PYR_TRY(embedded_look(log, topic, partition, &info, &shard, &deletion.append.partition, error));
	if (offset > info.high_watermark)
		return pyr_fail(error, PYR_OFFSET_OUT_OF_RANGE, "topic %s: %s", topic,
		                pyr_code_text(PYR_OFFSET_OUT_OF_RANGE));
	deletion.log = node_log(node, shard);
	embedded_wait_init(&deletion.wait);
	os_loop_post(node_shard(node, shard)->loop, &deletion.task);
	embedded_wait_for(&deletion.wait);
	enum pyr_code code = deletion.append.result.code;
	return code == PYR_OK ? pyr_ok() : pyr_fail(error, code, "topic %s: %s", topic, pyr_code_text(code));
}

/* ---- the coordinator ---- */

struct question {
	struct os_task task;
	struct group_coordinator *coordinator;
	struct group_call call;
	struct codec_arena arena;
	pyr_result (*take)(void *context, const void *response, struct pyr_error *error);
	void *context;
	struct pyr_error *error;
	struct embedded_wait wait;
	pyr_result result;
};

static void on_answer(struct group_call *call, const void *response)
{
	struct question *question = BASE_CONTAINER(call, struct question, call);
	question->result = response ? question->take(question->context, response, question->error)
	                            : pyr_fail(question->error, PYR_OUT_OF_MEMORY, "out of memory");
	embedded_wait_end(&question->wait);
}

static void on_ask(struct os_task *task)
{
	struct question *question = BASE_CONTAINER(task, struct question, task);
	group_coordinator_call(question->coordinator, &question->call);
}

pyr_result embedded_ask(struct pyralog *log, const char *group, int16_t key, int16_t version, const void *message,
                        pyr_result (*take)(void *context, const void *response, struct pyr_error *error), void *context,
                        struct pyr_error *error)
{
	static const char client[] = "libpyralog", host[] = "embedded";
	struct node *node = node_host_node(embedded_of(log)->host);
	struct question question = {.task.run = on_ask, .take = take, .context = context, .error = error};
	(void)group; /* the message names it */
	question.coordinator = node_coordinator(node);
	codec_arena_init(&question.arena, ANSWER_BYTES_MAX);
	question.call = (struct group_call){
		.key = key,
		.version = version,
		.request = message,
		.client_id = {(const uint8_t *)client, sizeof client - 1},
		.client_host = {(const uint8_t *)host, sizeof host - 1},
		.arena = &question.arena,
		.answered = on_answer,
	};
	embedded_wait_init(&question.wait);
	os_loop_post(node_shard(node, 0)->loop, &question.task);
	embedded_wait_for(&question.wait);
	codec_arena_deinit(&question.arena);
	return question.result;
}

const struct api_admin_ways embedded_admin = {
	embedded_topic_settings, embedded_topic_alter, embedded_topic_grow, partitions, range,
	delete_records,          embedded_group_alter, embedded_ask,
};
