/* The routes, and a reading of metrics on its way through the shards (see ops.h).
 *
 *   HTTP thread: values of no shard  --post-->  shard 0, 1, 2 ...  --post-->  shard 0  -->  a thread that reads: ages
 *     -->  shard 0  -->  HTTP thread: the page
 *
 * Invariant: a reading that shard 0 has let through is counted until it is back there, so that ops_close() knows when
 * nobody reads any more; messages between loops and this order do without a lock. */
#include "server/ops/ops_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct ops {
	_Atomic(enum ops_state) state;
	const struct node *node; /* from OPS_READY on */

	/* Shard 0's. */
	uint32_t readings;
	struct os_executor *reader; /* one thread; NULL: there is none, and no lag in time */
	bool closing;
	void (*closed)(void *context);
	void *closed_context;

	struct node_lag_ages *ages; /* the reader's */
	struct query_source *source;
};

enum { READER_STACK_BYTES = 1 << 20 };

struct reading {
	struct os_task task;
	struct os_job job;
	struct ops *ops;
	struct http_request *request;
	size_t shard;
	struct node_lags lags;
	int64_t values[];
};

/* ---- /metrics ---- */

static void answer_page(void *context, struct http_request *request)
{
	struct reading *reading = context;
	struct base_slice page = ops_page(reading->ops->node, reading->values, &reading->lags);
	node_lags_deinit(&reading->lags);
	free(reading);
	if (page.owner)
		http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", page);
	else
		http_refuse(request, 503, "out of memory");
}

static void tell_closed(struct ops *ops)
{
	if (ops->closing && ops->readings == 0 && ops->closed) {
		void (*closed)(void *context) = ops->closed;
		ops->closed = NULL;
		os_executor_free(ops->reader);
		ops->reader = NULL;
		closed(ops->closed_context);
	}
}

static void end(struct reading *reading)
{
	struct ops *ops = reading->ops;
	ops->readings -= 1;
	http_continue(reading->request, answer_page, reading);
	tell_closed(ops);
}

static void find_ages(struct os_job *job)
{
	struct reading *reading = BASE_CONTAINER(job, struct reading, job);
	node_lags_find_ages(&reading->lags, reading->ops->source, reading->ops->ages);
}

static void on_ages(struct os_job *job)
{
	end(BASE_CONTAINER(job, struct reading, job));
}

static void on_back(struct os_task *task)
{
	struct reading *reading = BASE_CONTAINER(task, struct reading, task);
	struct ops *ops = reading->ops;
	if (!ops->reader || reading->lags.count == 0) {
		end(reading);
		return;
	}
	reading->job = (struct os_job){.run = find_ages, .done = on_ages};
	os_submit(ops->reader, &reading->job);
}

static void on_shard(struct os_task *task)
{
	struct reading *reading = BASE_CONTAINER(task, struct reading, task);
	const struct node *node = reading->ops->node;
	node_metrics_read_shard(node, reading->shard, reading->values);
	node_lags_read_shard(node, reading->shard, &reading->lags);
	reading->shard += 1;
	bool more = reading->shard < node_shard_count(node);
	if (!more)
		task->run = on_back;
	os_loop_post(node_shard(node, more ? reading->shard : 0)->loop, task);
}

static void on_first_shard(struct os_task *task)
{
	struct reading *reading = BASE_CONTAINER(task, struct reading, task);
	if (reading->ops->closing) {
		http_refuse(reading->request, 503, "the server is stopping");
		free(reading);
		return;
	}
	reading->ops->readings += 1;
	node_lags_begin(reading->ops->node, &reading->lags);
	task->run = on_shard;
	on_shard(task);
}

static const char *why_not(enum ops_state state)
{
	static const char *const sentences[] = {
		[OPS_STARTING] = "the server is starting: it recovers its logs and opens its ports",
		[OPS_READY] = "",
		[OPS_BROKEN] = "a log has stopped after an error of its disk: restart the server",
		[OPS_DRAINING] = "the server is stopping: it takes no new connections",
	};
	return sentences[state];
}

static void handle_metrics(void *context, struct http_request *request)
{
	struct ops *ops = context;
	enum ops_state state = atomic_load(&ops->state);
	if (state != OPS_READY && state != OPS_BROKEN) {
		http_refuse(request, 503, "%s", why_not(state));
		return;
	}
	size_t count = node_metrics_count(ops->node);
	struct reading *reading = calloc(1, sizeof *reading + count * sizeof reading->values[0]);
	if (!reading) {
		http_refuse(request, 503, "out of memory");
		return;
	}
	reading->ops = ops;
	reading->request = request;
	reading->task.run = on_first_shard;
	node_metrics_read_rest(ops->node, reading->values);
	os_loop_post(node_shard(ops->node, 0)->loop, &reading->task);
}

/* ---- /health and /ready ---- */

static void answer_json(struct http_request *request, const char *text)
{
	http_answer(request, 200, "application/json",
	            (struct base_slice){.data = (const uint8_t *)text, .bytes = strlen(text)});
}

static void handle_health(void *context, struct http_request *request)
{
	(void)context;
	answer_json(request, "{\"status\":\"alive\"}\n");
}

static void handle_ready(void *context, struct http_request *request)
{
	struct ops *ops = context;
	enum ops_state state = atomic_load(&ops->state);
	if (state == OPS_READY)
		answer_json(request, "{\"status\":\"ready\"}\n");
	else
		http_refuse(request, 503, "%s", why_not(state));
}

/* ---- life ---- */

struct ops *ops_new(void)
{
	return calloc(1, sizeof(struct ops));
}

void ops_routes(struct ops *ops, struct http_route ret_routes[OPS_ROUTES])
{
	ret_routes[0] =
		(struct http_route){.method = "GET", .path = "/metrics", .handle = handle_metrics, .context = ops};
	ret_routes[1] =
		(struct http_route){.method = "GET", .path = "/health", .handle = handle_health, .context = ops};
	ret_routes[2] = (struct http_route){.method = "GET", .path = "/ready", .handle = handle_ready, .context = ops};
}

void ops_ready(struct ops *ops, const struct node *node, struct query_source *source)
{
	ops->node = node;
	ops->source = source;
	ops->ages = node_lag_ages_new();
	if (source && ops->ages)
		ops->reader = os_executor_new(node_shard(node, 0)->loop, "lags", OS_BACKGROUND, 1, READER_STACK_BYTES);
	atomic_store(&ops->state, OPS_READY);
}

void ops_break(struct ops *ops)
{
	enum ops_state ready = OPS_READY;
	atomic_compare_exchange_strong(&ops->state, &ready, OPS_BROKEN);
}

void ops_drain(struct ops *ops)
{
	atomic_store(&ops->state, OPS_DRAINING);
}

void ops_close(struct ops *ops, void (*closed)(void *context), void *context)
{
	assert(!ops->closing);
	ops->closing = true;
	ops->closed = closed;
	ops->closed_context = context;
	tell_closed(ops);
}

void ops_free(struct ops *ops)
{
	assert(!ops || ops->readings == 0);
	if (ops)
		node_lag_ages_free(ops->ages);
	free(ops);
}
