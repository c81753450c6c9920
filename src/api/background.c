/* A producer with a thread of its own, which writes what was collected when it is old enough, or enough (see pyralog.h).
 *
 * The thread runs a loop of its own, and blocks it while it writes: nobody else is on it. Invariants: records are written in the
 * order of adding; what is collected and what is being written together are bounded by buffer_bytes, but for one record that is
 * larger. Lock: the producer's own, not held while records are written or `done` is called. */
#include "api/producer.h"
#include "base/table.h"
#include "os/real.h"
#include "os/thread.h"

#include <stdlib.h>

struct producer_background {
	struct pyr_producer *producer;
	struct os_loop *loop;
	struct os_task look;
	struct os_timer linger; /* the thread's */
	bool lingers; /* it is armed; the thread's */

	struct os_mutex lock; /* of what follows, and of the producer's batch */
	struct os_condition changed;
	struct producer_batch writing; /* while `busy` the thread's alone */
	size_t writing_bytes;
	bool busy, look_posted, flushes, stops;
	enum pyr_status status; /* the first failure since it was told; PYR_STATUS_OK: none */
	struct pyr_failure failure;
};

/* ---- on its thread ---- */

/* What was collected goes out. Under the lock, which it lets go meanwhile. */
static void write_batch(struct producer_background *background)
{
	struct pyr_producer *producer = background->producer;
	struct producer_batch taken = background->writing;
	struct pyr_failure failure;
	background->writing = producer->batch;
	background->writing_bytes = producer->batch.bytes;
	producer->batch = taken; /* empty */
	background->busy = true;
	os_mutex_unlock(&background->lock);
	enum pyr_status status = producer_batch_write(producer, &background->writing, &failure);
	os_mutex_lock(&background->lock);
	background->busy = false;
	background->writing_bytes = 0;
	if (status != PYR_STATUS_OK && background->status == PYR_STATUS_OK) {
		background->status = status;
		background->failure = failure;
	}
	os_condition_broadcast(&background->changed);
}

static bool is_enough(const struct producer_background *background)
{
	const struct pyr_producer *producer = background->producer;
	return background->flushes || producer->batch.count == PRODUCER_RECORDS_MAX ||
	       producer->batch.bytes >= producer->options.buffer_bytes / 2;
}

static void linger(struct producer_background *background)
{
	bool wanted = background->producer->batch.count > 0;
	if (wanted && !background->lingers)
		os_timer_start(background->loop, &background->linger,
		               (uint64_t)background->producer->options.linger_ms * 1000);
	else if (!wanted)
		os_timer_stop(background->loop, &background->linger);
	background->lingers = wanted;
}

static void on_look(struct os_task *task)
{
	struct producer_background *background = BASE_CONTAINER(task, struct producer_background, look);
	os_mutex_lock(&background->lock);
	background->look_posted = false;
	while (!background->stops && background->producer->batch.count > 0 && is_enough(background))
		write_batch(background);
	background->flushes = false;
	bool stops = background->stops;
	linger(background);
	os_mutex_unlock(&background->lock);
	if (stops)
		os_real_loop_stop(background->loop);
}

static void on_old_enough(struct os_timer *timer)
{
	struct producer_background *background = BASE_CONTAINER(timer, struct producer_background, linger);
	os_mutex_lock(&background->lock);
	background->lingers = false;
	if (!background->stops && background->producer->batch.count > 0)
		write_batch(background);
	linger(background);
	os_mutex_unlock(&background->lock);
}

/* ---- on the caller's ---- */

static void post_look(struct producer_background *background)
{
	if (background->look_posted)
		return;
	background->look_posted = true;
	os_loop_post(background->loop, &background->look);
}

pyr_result producer_background_start(struct pyr_producer *producer)
{
	struct producer_background *background = calloc(1, sizeof *background);
	struct os_loop *loop = background ? os_real_loop_new() : NULL;
	if (!loop) {
		free(background);
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	}
	*background = (struct producer_background){
		.producer = producer, .loop = loop, .look.run = on_look, .linger.fire = on_old_enough};
	os_mutex_init(&background->lock);
	os_condition_init(&background->changed);
	pyr_result result = os_real_loop_start(loop, "producer");
	if (result.code != PYR_OK) {
		os_condition_deinit(&background->changed);
		os_mutex_deinit(&background->lock);
		os_real_loop_free(loop);
		free(background);
		return result;
	}
	producer->background = background;
	return result;
}

static bool is_full(const struct producer_background *background, size_t bytes)
{
	const struct producer_batch *batch = &background->producer->batch;
	size_t held = batch->bytes + background->writing_bytes;
	return batch->count == PRODUCER_RECORDS_MAX ||
	       (held > 0 && held + bytes > background->producer->options.buffer_bytes);
}

enum pyr_status producer_background_add(struct pyr_producer *producer, const struct pyr_record *record,
                                        struct pyr_failure *failure)
{
	struct producer_background *background = producer->background;
	size_t bytes = producer_record_bytes(record);
	os_mutex_lock(&background->lock);
	while (is_full(background, bytes)) {
		background->flushes = true; /* less than half of it may be what fills it */
		post_look(background);
		os_condition_wait(&background->changed, &background->lock);
	}
	bool first = producer->batch.count == 0;
	pyr_result result = producer_batch_add(&producer->batch, record);
	if (result.code == PYR_OK && (first || is_enough(background)))
		post_look(background);
	os_mutex_unlock(&background->lock);
	return result.code == PYR_OK ? PYR_STATUS_OK : api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
}

enum pyr_status producer_background_flush(struct pyr_producer *producer, struct pyr_failure *failure)
{
	struct producer_background *background = producer->background;
	os_mutex_lock(&background->lock);
	while (producer->batch.count > 0 || background->busy) {
		background->flushes = true;
		post_look(background);
		os_condition_wait(&background->changed, &background->lock);
	}
	enum pyr_status status = background->status;
	if (status != PYR_STATUS_OK && failure)
		*failure = background->failure;
	background->status = PYR_STATUS_OK;
	os_mutex_unlock(&background->lock);
	return status;
}

void producer_background_stop(struct pyr_producer *producer)
{
	struct producer_background *background = producer->background;
	os_mutex_lock(&background->lock);
	background->stops = true;
	post_look(background);
	os_mutex_unlock(&background->lock);
	os_real_loop_join(background->loop);
	os_real_loop_free(background->loop);
	producer_batch_empty(&background->writing);
	free(background->writing.records);
	os_condition_deinit(&background->changed);
	os_mutex_deinit(&background->lock);
	free(background);
	producer->background = NULL;
}
