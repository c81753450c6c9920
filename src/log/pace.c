/* The background's pace: what prefilling and sealing may write in a second.
 *
 * Faster than the ring fills, or they would lag behind for ever; not much faster, or clients would feel it. The loop's timers
 * keep to milliseconds, and a piece takes less than one: so a pause is taken when enough of them are owed. Merging and
 * compaction do not rest while nobody appends.
 * Owner: the log's thread.
 */
#include "log/log_priv.h"

enum { IDLE_US = 200000 };
enum { PACE_MIN_BYTES_PER_S = 32 << 20, PACE_FACTOR = 2 /* times as fast as the ring fills */, SLACK_US = 5000 };
enum { STEP_US = 5000, STEP_BYTES_MIN = 256 << 10, STEP_BYTES_MAX = 2 << 20 };

static uint64_t pace(const struct log *log)
{
	uint64_t elapsed_us = os_now_us(log->loop) - log->checkpoint_begun_us + 1;
	uint64_t filled_per_s = log->since_checkpoint_bytes * 1000000 / elapsed_us;
	uint64_t bytes_per_s = PACE_FACTOR * (filled_per_s > log->filled_per_s ? filled_per_s : log->filled_per_s);
	if (bytes_per_s < PACE_MIN_BYTES_PER_S)
		bytes_per_s = PACE_MIN_BYTES_PER_S;
	uint64_t most = log->options.background_bytes_per_s;
	return bytes_per_s < most && !log->hurries ? bytes_per_s : most;
}

static uint64_t rest(struct log_pacer *pacer, const struct log *log, uint64_t bytes, uint64_t bytes_per_s)
{
	uint64_t now_us = os_now_us(log->loop);
	if (pacer->due_us + SLACK_US < now_us)
		pacer->due_us = now_us - SLACK_US;
	pacer->due_us += bytes * 1000000 / bytes_per_s;
	return pacer->due_us > now_us ? pacer->due_us - now_us : 0;
}

uint64_t log_pacer_pause(struct log_pacer *pacer, const struct log *log, uint64_t bytes)
{
	return rest(pacer, log, bytes, pace(log));
}

uint64_t log_pacer_rest(struct log_pacer *pacer, const struct log *log, uint64_t bytes)
{
	if (os_now_us(log->loop) - log->group_submitted_us > IDLE_US)
		return 0;
	return rest(pacer, log, bytes, log->options.background_bytes_per_s);
}

uint64_t log_pacer_step_bytes(const struct log *log)
{
	uint64_t bytes = pace(log) * STEP_US / 1000000;
	if (bytes < STEP_BYTES_MIN)
		return STEP_BYTES_MIN;
	return bytes < STEP_BYTES_MAX ? bytes : STEP_BYTES_MAX;
}
