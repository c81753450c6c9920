/* The hybrid logical clock's arithmetic (see hlc.h). */
#include "coord/hlc.h"

#include <assert.h>

struct hlc_rules hlc_rules_default(void)
{
	return (struct hlc_rules){HLC_COUNTER_BITS, HLC_LEASE_MS, HLC_BORROW_MS, HLC_DRIFT_MS};
}

/* Timestamps end with their 44 bits, in the year 2527, and the clock stands still then. */
static uint64_t credible(const struct hlc_rules *rules, uint64_t wall_ms)
{
	uint64_t max_ms = (UINT64_C(1) << HLC_MS_BITS) - 1 - rules->lease_ms;
	return wall_ms < max_ms ? wall_ms : max_ms;
}

/* An earlier life's reading was at least promised_ms - lease_ms: starting there, and not at promised_ms, lives that follow
 * each other quickly do not drive the clock ahead. */
void hlc_init(struct hlc *hlc, const struct hlc_rules *rules, uint64_t promised_ms, struct hlc_time now)
{
	assert(rules->counter_bits > 0 && rules->counter_bits <= HLC_COUNTER_BITS);
	assert(rules->borrow_ms > 0 && rules->borrow_ms < rules->lease_ms && rules->drift_ms < rules->lease_ms);
	uint64_t wall_ms = credible(rules, now.wall_ms);
	uint64_t earlier_ms = promised_ms > rules->lease_ms ? promised_ms - rules->lease_ms : 0;
	*hlc = (struct hlc){
		.rules = *rules,
		.next = promised_ms << rules->counter_bits,
		.promised_ms = promised_ms,
		.reading_ms = wall_ms > earlier_ms ? wall_ms : earlier_ms,
		.steady_ms = now.steady_ms,
	};
}

/* Behind a wall clock that was set back, every second millisecond counts, so that it catches up. */
void hlc_read(struct hlc *hlc, struct hlc_time now)
{
	assert(now.steady_ms >= hlc->steady_ms);
	uint64_t half_ms = (now.steady_ms - hlc->steady_ms) / 2;
	hlc->reading_ms += half_ms;
	hlc->steady_ms += half_ms * 2;
	uint64_t wall_ms = credible(&hlc->rules, now.wall_ms);
	if (wall_ms < hlc->reading_ms)
		return;
	hlc->reading_ms = wall_ms;
	hlc->steady_ms = now.steady_ms;
}

enum hlc_verdict hlc_take(struct hlc *hlc, struct hlc_time now, uint64_t count, uint64_t *ret_first)
{
	assert(count > 0 && count <= UINT64_C(1) << hlc->rules.counter_bits);
	hlc_read(hlc, now);
	uint64_t reading = hlc->reading_ms << hlc->rules.counter_bits;
	uint64_t first = reading > hlc->next ? reading : hlc->next;
	uint64_t last_ms = hlc_ms(hlc, first + count - 1);
	if (last_ms > hlc->reading_ms + hlc->rules.borrow_ms)
		return HLC_WAIT;
	if (last_ms >= hlc->promised_ms)
		return HLC_PROMISE;
	hlc->next = first + count;
	*ret_first = first;
	return HLC_DONE;
}

enum hlc_verdict hlc_observe(struct hlc *hlc, struct hlc_time now, uint64_t received)
{
	hlc_read(hlc, now);
	assert(hlc_ms(hlc, received) <= hlc->reading_ms + hlc->rules.drift_ms);
	if (!hlc->kept || hlc_ms(hlc, received) >= hlc->promised_ms)
		return HLC_PROMISE; /* or a life that begins with an earlier clock would fall behind it */
	hlc->next = received < hlc->next ? hlc->next : received + 1;
	return HLC_DONE;
}

pyr_result hlc_check(struct hlc *hlc, struct hlc_time now, uint64_t received, struct pyr_error *error)
{
	hlc_read(hlc, now);
	uint64_t ms = hlc_ms(hlc, received);
	if (ms <= hlc->reading_ms + hlc->rules.drift_ms)
		return pyr_ok();
	return pyr_fail(
		error, PYR_BAD_TIMESTAMP,
		"a timestamp is %llu ms ahead of this node's clock, and %llu are allowed: set the clocks of both "
		"by NTP",
		(unsigned long long)(ms - hlc->reading_ms), (unsigned long long)hlc->rules.drift_ms);
}

uint64_t hlc_wanted_ms(const struct hlc *hlc)
{
	uint64_t wanted_ms = hlc->reading_ms + hlc->rules.lease_ms;
	return wanted_ms > hlc->promised_ms ? wanted_ms : hlc->promised_ms + 1;
}

void hlc_promised(struct hlc *hlc, uint64_t promised_ms)
{
	assert(promised_ms > hlc->promised_ms);
	hlc->promised_ms = promised_ms;
	hlc->kept = true;
}
