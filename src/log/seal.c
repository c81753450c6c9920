/* A checkpoint before the end (see log_seal()): what the next start would have to read back goes into segments.
 *
 * Looks every millisecond, as it happens once in a log's life. Failure modes: a checkpoint that fails, a log that stops, or
 * the time allowed: the log is closed as it is, and recovery reads the ring as it would after a crash. */
#include "log/log_priv.h"

#include <assert.h>

enum { LOOK_US = 1000, WORTH_BYTES = 1 << 20 /* less is read back in milliseconds */ };

static bool is_busy(const struct log *log)
{
	return log->checkpoint || log->group_busy || !base_list_empty(&log->queue);
}

static void look(struct os_timer *timer)
{
	struct log_seal *seal = BASE_CONTAINER(timer, struct log_seal, timer);
	struct log *log = seal->log;
	bool late = os_now_us(log->loop) >= seal->until_us;
	bool wanted = !seal->begun && log->since_checkpoint_bytes + log->since_checkpoint_extent_bytes >= WORTH_BYTES;
	if (log->stopped || late || (!is_busy(log) && !wanted)) {
		seal->done(seal);
		return;
	}
	if (!is_busy(log)) {
		seal->begun = true;
		log_checkpoint_start(log);
	}
	os_timer_start(log->loop, &seal->timer, LOOK_US);
}

void log_seal(struct log *log, struct log_seal *seal, uint64_t within_us, void (*done)(struct log_seal *seal))
{
	assert(!log->closing);
	*seal = (struct log_seal){.log = log, .until_us = os_now_us(log->loop) + within_us, .done = done};
	seal->timer.fire = look;
	log->hurries = true;
	os_timer_start(log->loop, &seal->timer, 0);
}
