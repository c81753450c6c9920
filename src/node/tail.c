/* Waiting for a topic's records (see tail.h): each shard has watches on its partitions, which raise a number.
 *
 * A partition that is made later is not watched: whoever waits looks again after its timeout. Invariants: watches are added
 * and removed on their shard's loop; closing returns when none is left. Lock: the tail's own, taken alone, on loops for as
 * long as a number is raised.
 */
#include "node/tail.h"

#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

/* The watches of one shard. */
struct tail_shard {
	struct os_task task;
	struct query_tail *tail;
	size_t number;
	struct tail_watch {
		struct log_watch watch;
		struct query_tail *tail;
	} * watches;
	size_t count;
};

struct query_tail {
	const struct node *node;
	const struct catalog_principal *principal;
	const char *topic; /* while it is opened */
	size_t shard_count;
	struct os_mutex lock; /* of what follows */
	struct os_condition changed;
	uint64_t changes; /* from 1 */
	size_t unanswered;
	pyr_result result;
	struct tail_shard shards[];
};

static void on_changed(struct log_watch *watch)
{
	struct query_tail *tail = BASE_CONTAINER(watch, struct tail_watch, watch)->tail;
	os_mutex_lock(&tail->lock);
	tail->changes += 1;
	os_condition_signal(&tail->changed);
	os_mutex_unlock(&tail->lock);
}

static void answer(struct query_tail *tail, pyr_result result)
{
	os_mutex_lock(&tail->lock);
	if (result.code != PYR_OK && tail->result.code == PYR_OK)
		tail->result = result;
	tail->unanswered -= 1;
	os_condition_signal(&tail->changed);
	os_mutex_unlock(&tail->lock);
}

/* Sends a message to every shard, and waits. */
static void ask(struct query_tail *tail, void (*run)(struct os_task *task))
{
	tail->unanswered = tail->shard_count;
	for (size_t i = 0; i < tail->shard_count; i++) {
		tail->shards[i].task.run = run;
		os_loop_post(node_shard(tail->node, i)->loop, &tail->shards[i].task);
	}
	os_mutex_lock(&tail->lock);
	while (tail->unanswered > 0)
		os_condition_wait(&tail->changed, &tail->lock);
	os_mutex_unlock(&tail->lock);
}

/* ---- on a shard's loop ---- */

static pyr_result watch_all(struct tail_shard *shard)
{
	struct query_tail *tail = shard->tail;
	const struct catalog *catalog = node_catalog(tail->node, shard->number);
	const struct catalog_topic *topic = catalog_topic_find(catalog, tail->topic, strlen(tail->topic));
	if (!topic)
		return pyr_result_of(PYR_UNKNOWN_PARTITION);
	PYR_TRY(catalog_authorize(catalog, tail->principal, CATALOG_READ, topic->name));
	shard->watches = calloc(topic->partition_count, sizeof *shard->watches);
	if (!shard->watches)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (uint32_t i = 0; i < topic->partition_count; i++) {
		struct tail_watch *watch = &shard->watches[shard->count];
		*watch = (struct tail_watch){.watch.changed = on_changed, .tail = tail};
		shard->count += log_watch_add(node_log(tail->node, shard->number),
		                              catalog_topic_partition(topic, (int32_t)i), &watch->watch)
		                        .code == PYR_OK;
	}
	return pyr_ok();
}

static void on_open(struct os_task *task)
{
	struct tail_shard *shard = BASE_CONTAINER(task, struct tail_shard, task);
	pyr_result result = watch_all(shard);
	answer(shard->tail, result);
}

static void on_close(struct os_task *task)
{
	struct tail_shard *shard = BASE_CONTAINER(task, struct tail_shard, task);
	for (size_t i = 0; i < shard->count; i++)
		log_watch_remove(&shard->watches[i].watch);
	answer(shard->tail, pyr_ok());
}

/* ---- on a query's thread ---- */

pyr_result node_tail_open(const struct node *node, const struct catalog_principal *principal, const char *topic,
                          struct query_tail **ret_tail, struct pyr_error *error)
{
	size_t count = node_shard_count(node);
	struct query_tail *tail = calloc(1, sizeof *tail + count * sizeof tail->shards[0]);
	if (!tail)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	*tail = (struct query_tail){
		.node = node, .principal = principal, .topic = topic, .shard_count = count, .changes = 1};
	os_mutex_init(&tail->lock);
	os_condition_init(&tail->changed);
	for (size_t i = 0; i < count; i++)
		tail->shards[i] = (struct tail_shard){.tail = tail, .number = i};
	ask(tail, on_open);
	tail->topic = NULL;
	if (tail->result.code != PYR_OK) {
		enum pyr_code code = tail->result.code;
		node_tail_close(tail);
		return pyr_fail(error, code, "topic %s: %s", topic, pyr_code_text(code));
	}
	*ret_tail = tail;
	return pyr_ok();
}

void node_tail_wait(struct query_tail *tail, uint64_t *seen, uint64_t timeout_us)
{
	os_mutex_lock(&tail->lock);
	if (tail->changes == *seen)
		(void)os_condition_wait_for(&tail->changed, &tail->lock, timeout_us);
	*seen = tail->changes;
	os_mutex_unlock(&tail->lock);
}

void node_tail_close(struct query_tail *tail)
{
	if (!tail)
		return;
	ask(tail, on_close);
	for (size_t i = 0; i < tail->shard_count; i++)
		free(tail->shards[i].watches);
	os_condition_deinit(&tail->changed);
	os_mutex_deinit(&tail->lock);
	free(tail);
}
