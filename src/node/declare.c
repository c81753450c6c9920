/* A query's thread hands a change to shard 0's catalog and waits (see declare.h).
 *
 * Failure modes: the catalog's and the log's, told in a sentence. Lock: the call's own, which makes the thread wait.
 */
#include "node/declare.h"

#include "os/thread.h"

#include <string.h>

/* On the query thread's stack until it is answered. */
struct declaration {
	struct os_task task;
	const struct node *node;
	const struct catalog_principal *principal;
	struct catalog_change change;
	struct os_mutex lock;
	struct os_condition answered;
	bool done;
};

static void on_done(struct catalog_change *change)
{
	struct declaration *declaration = BASE_CONTAINER(change, struct declaration, change);
	os_mutex_lock(&declaration->lock);
	declaration->done = true;
	os_condition_signal(&declaration->answered);
	os_mutex_unlock(&declaration->lock);
}

static void on_task(struct os_task *task)
{
	struct declaration *declaration = BASE_CONTAINER(task, struct declaration, task);
	struct catalog_change *change = &declaration->change;
	struct catalog *catalog = node_catalog(declaration->node, 0);
	change->result = catalog_authorize(catalog, declaration->principal, CATALOG_ALTER, change->name);
	if (change->result.code == PYR_OK)
		catalog_topic_declare(catalog, change);
	else
		on_done(change);
}

pyr_result node_declare_columns(const struct node *node, const struct catalog_principal *principal, const char *topic,
                                struct base_bytes actions, struct pyr_error *error)
{
	struct declaration declaration = {.task.run = on_task, .node = node, .principal = principal};
	declaration.change.actions = actions;
	declaration.change.done = on_done;
	memcpy(declaration.change.name, topic, strlen(topic) + 1);
	os_mutex_init(&declaration.lock);
	os_condition_init(&declaration.answered);
	os_loop_post(node_shard(node, 0)->loop, &declaration.task);
	os_mutex_lock(&declaration.lock);
	while (!declaration.done)
		os_condition_wait(&declaration.answered, &declaration.lock);
	os_mutex_unlock(&declaration.lock);
	os_condition_deinit(&declaration.answered);
	os_mutex_deinit(&declaration.lock);
	enum pyr_code code = declaration.change.result.code;
	return code == PYR_OK ? pyr_ok() : pyr_fail(error, code, "topic %s: %s", topic, pyr_code_text(code));
}
