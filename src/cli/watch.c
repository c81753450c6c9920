/* Looks after a running server: every second a task goes from loop to loop, and finds logs that have stopped and bytes that
 * failed their checksum; settings that changed go along. When it is back, every loop turns: so much is told to the service manager's watchdog.
 *
 * Owner: shard 0's loop; the task itself, the loop that it is on. */
#include "cli/server_priv.h"

#include "base/table.h"
#include "os/notify.h"

#include <assert.h>

enum { EVERY_US = 1000000 };

static void look_at_shard(struct server_watch *watch, size_t shard)
{
	struct log_metrics now = log_metrics_get(node_log(watch->node, shard));
	struct log_metrics *last = &watch->last[shard];
	const struct os_field fields[] = {{.name = "shard", .number = (int64_t)shard}, {0}};
	if (now.stopped && !last->stopped)
		os_report(watch->reporter, OS_ERROR, "log", fields,
		          "the log has stopped after an error of its disk and takes nothing more: restart the server");
	if (now.corrupt_reads > last->corrupt_reads)
		os_report(watch->reporter, OS_ERROR, "log", fields,
		          "stored bytes failed their checksum: %llu times so far",
		          (unsigned long long)now.corrupt_reads);
	watch->broken |= now.stopped;
	if (watch->tunes)
		node_retune(watch->node, shard, &watch->tuning);
	*last = now;
}

static void on_back(struct os_task *task)
{
	struct server_watch *watch = BASE_CONTAINER(task, struct server_watch, task);
	watch->under_way = false;
	watch->tunes = false;
	os_notify("WATCHDOG=1");
	if (watch->broken)
		ops_break(watch->ops);
	if (!watch->ending)
		os_timer_start(node_shard(watch->node, 0)->loop, &watch->timer, watch->has_next ? 0 : watch->every_us);
}

static void on_shard(struct os_task *task)
{
	struct server_watch *watch = BASE_CONTAINER(task, struct server_watch, task);
	look_at_shard(watch, watch->shard);
	watch->shard += 1;
	bool more = watch->shard < node_shard_count(watch->node);
	watch->task.run = more ? on_shard : on_back;
	os_loop_post(node_shard(watch->node, more ? watch->shard : 0)->loop, &watch->task);
}

static void on_time(struct os_timer *timer)
{
	struct server_watch *watch = BASE_CONTAINER(timer, struct server_watch, timer);
	watch->under_way = true;
	watch->shard = 0;
	watch->tunes = watch->has_next;
	watch->tuning = watch->next;
	watch->has_next = false;
	on_shard(&watch->task);
}

void server_watch_start(struct server_watch *watch)
{
	uint64_t manager_us = os_notify_watchdog_us() / 2;
	assert(watch->node && watch->ops);
	watch->every_us = manager_us > 0 && manager_us < EVERY_US ? manager_us : EVERY_US;
	watch->timer.fire = on_time;
	os_timer_start(node_shard(watch->node, 0)->loop, &watch->timer, 0);
}

void server_watch_retune(struct server_watch *watch, const struct node_options *options)
{
	watch->next = *options;
	watch->has_next = true;
	if (!watch->under_way && !watch->ending)
		os_timer_start(node_shard(watch->node, 0)->loop, &watch->timer, 0);
}

bool server_watch_end(struct server_watch *watch)
{
	watch->ending = true;
	os_timer_stop(node_shard(watch->node, 0)->loop, &watch->timer);
	return !watch->under_way;
}
