/* Asking the shards (see ask.h). Lock: the question's own, which makes the asking thread wait for the last answer. */
#include "node/ask.h"

#include "base/table.h"
#include "node/layout.h"
#include "os/thread.h"

#include <assert.h>

struct question {
	void (*on_shard)(void *context, size_t shard);
	void *context;
	struct os_mutex lock;
	struct os_condition answered;
	size_t unanswered;
};

struct question_message {
	struct os_task task;
	struct question *question;
	size_t shard;
};

static void on_asked(struct os_task *task)
{
	struct question_message *message = BASE_CONTAINER(task, struct question_message, task);
	struct question *question = message->question;
	question->on_shard(question->context, message->shard);
	os_mutex_lock(&question->lock);
	question->unanswered -= 1;
	os_condition_signal(&question->answered);
	os_mutex_unlock(&question->lock);
}

void node_ask(const struct node *node, size_t shard_count, void (*on_shard)(void *context, size_t shard), void *context)
{
	struct question_message messages[NODE_SHARDS_MAX];
	struct question question = {.on_shard = on_shard, .context = context, .unanswered = shard_count};
	assert(shard_count <= node_shard_count(node));
	os_mutex_init(&question.lock);
	os_condition_init(&question.answered);
	for (size_t i = 0; i < shard_count; i++) {
		messages[i] = (struct question_message){{.run = on_asked}, &question, i};
		os_loop_post(node_shard(node, i)->loop, &messages[i].task);
	}
	os_mutex_lock(&question.lock);
	while (question.unanswered > 0)
		os_condition_wait(&question.answered, &question.lock);
	os_mutex_unlock(&question.lock);
	os_condition_deinit(&question.answered);
	os_mutex_deinit(&question.lock);
}
