/* A Pharaoh node's sessions and locks (see pharaoh.h). Ids and tokens have the slot's epoch in them, so that none comes again
 * without anything being written. */
#include "coord/pharaoh_priv.h"

#include <assert.h>
#include <inttypes.h>

enum {
	SESSION_COUNT_BITS = 27,
	SESSION_EPOCH_BITS = 26,
	SESSION_SLOT_SHIFT = CODEC_PHARAOH_SESSION_SLOT_SHIFT,
	TOKEN_COUNT_BITS = 32
};

_Static_assert(SESSION_COUNT_BITS + SESSION_EPOCH_BITS == SESSION_SLOT_SHIFT, "the parts of an id fit together");

static uint64_t session_epoch(uint64_t session)
{
	return session >> SESSION_COUNT_BITS & ((UINT64_C(1) << SESSION_EPOCH_BITS) - 1);
}

pyr_result pharaoh_take_token(void *context, uint16_t slot, uint64_t *ret_token)
{
	struct pharaoh *pharaoh = context;
	uint64_t epoch = pharaoh->slots.epochs[slot], count = pharaoh->token_counts[slot] + 1;
	if (epoch == 0 || epoch >> TOKEN_COUNT_BITS || count >> TOKEN_COUNT_BITS)
		return pyr_result_of(PYR_STOPPED);
	pharaoh->token_counts[slot] = count;
	pharaoh->metrics.grants += 1;
	*ret_token = epoch << TOKEN_COUNT_BITS | count;
	return pyr_ok();
}

/* Also that the lease is in force: a line moves when a session ends, and not by a request alone. */
bool pharaoh_is_settled(void *context, uint16_t slot)
{
	const struct pharaoh *pharaoh = context;
	return slots_own(&pharaoh->slots, slot, pharaoh->now_ms) &&
	       sessions_time_ms(pharaoh->sessions) >= pharaoh->settled_ms[slot];
}

void pharaoh_end_session(void *context, struct session *session)
{
	struct pharaoh *pharaoh = context;
	locks_end_session(pharaoh->locks, session);
	sessions_close(pharaoh->sessions, session);
	pharaoh->metrics.sessions_expired += 1;
}

/* ---- sessions ---- */

static bool check_ttl(struct pharaoh_call *call)
{
	uint32_t ttl_ms = call->request->ttl_ms, max_ms = call->pharaoh->options.ttl_max_ms;
	if (ttl_ms >= SESSIONS_TTL_MIN_MS && ttl_ms <= max_ms)
		return true;
	pharaoh_fail(call, PYR_INVALID_REQUEST, "a session lives %" PRIu32 " ms, and may %d to %" PRIu32, ttl_ms,
	             SESSIONS_TTL_MIN_MS, max_ms);
	return false;
}

static enum pharaoh_verdict open_as(struct pharaoh_call *call, uint64_t id)
{
	struct session *session;
	pyr_result opened =
		sessions_open(call->pharaoh->sessions, call->pharaoh->now_ms, id, call->request->ttl_ms, &session);
	if (opened.code == PYR_BUSY)
		return pharaoh_fail(call, PYR_TOO_LARGE, "there are as many sessions as there may be");
	if (opened.code != PYR_OK)
		return pharaoh_fail(call, opened.code, "%s", pyr_code_text(opened.code));
	call->pharaoh->metrics.sessions_opened += 1;
	call->reply->session = id;
	call->reply->ttl_ms = call->request->ttl_ms;
	return PHARAOH_DONE;
}

enum pharaoh_verdict pharaoh_open(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	uint16_t slot = call->request->slot;
	uint64_t epoch = pharaoh->slots.epochs[slot], count = pharaoh->session_counts[slot] + 1;
	if (!check_ttl(call))
		return PHARAOH_DONE;
	if (epoch >> SESSION_EPOCH_BITS || count >> SESSION_COUNT_BITS)
		return pharaoh_fail(call, PYR_STOPPED, "slot %u has no ids for sessions any more: restart its node",
		                    slot);
	pharaoh->session_counts[slot] = count;
	return open_as(call, (uint64_t)slot << SESSION_SLOT_SHIFT | epoch << SESSION_COUNT_BITS | count);
}

/* What is gone is told; what is another node's, is not ours to say. */
enum pharaoh_verdict pharaoh_keep_alive(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	const struct codec_pharaoh *request = call->request;
	uint32_t gone = 0;
	for (uint32_t i = 0; i < request->number_count; i++) {
		uint64_t id = codec_pharaoh_number(request, i);
		struct session *session = sessions_find(pharaoh->sessions, id);
		if (session && slots_own(&pharaoh->slots, codec_pharaoh_session_slot(id), pharaoh->now_ms))
			sessions_touch(pharaoh->sessions, pharaoh->now_ms, session);
		else
			base_store_u64le(&pharaoh->numbers[gone++], id);
	}
	call->reply->numbers = (const uint8_t *)pharaoh->numbers;
	call->reply->number_count = gone;
	call->reply->count = request->number_count - gone;
	pharaoh->metrics.keep_alives += call->reply->count;
	return PHARAOH_DONE;
}

static struct session *find_session(struct pharaoh_call *call)
{
	struct session *session = sessions_find(call->pharaoh->sessions, call->request->session);
	if (!session)
		pharaoh_fail(call, PYR_NOT_FOUND,
		             "there is no such session: it was closed, or not heard of in its time");
	return session;
}

enum pharaoh_verdict pharaoh_close(struct pharaoh_call *call)
{
	struct session *session = find_session(call);
	if (!session)
		return PHARAOH_DONE;
	locks_end_session(call->pharaoh->locks, session);
	sessions_close(call->pharaoh->sessions, session);
	return PHARAOH_DONE;
}

/* One of an earlier epoch, while others can't have what it held. */
enum pharaoh_verdict pharaoh_resume(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	uint64_t id = call->request->session;
	uint16_t slot = codec_pharaoh_session_slot(id);
	struct session *session = sessions_find(pharaoh->sessions, id);
	if (session) {
		sessions_touch(pharaoh->sessions, pharaoh->now_ms, session);
		call->reply->session = id;
		call->reply->ttl_ms = session->ttl_ms;
		return PHARAOH_DONE;
	}
	if (!check_ttl(call))
		return PHARAOH_DONE;
	if (id >> 63 || session_epoch(id) == 0 || session_epoch(id) >= pharaoh->slots.epochs[slot] ||
	    pharaoh_is_settled(pharaoh, slot)) {
		(void)find_session(call);
		return PHARAOH_DONE;
	}
	return open_as(call, id);
}

/* In a slot that is not settled a session that is not here may be resumed still. */
enum pharaoh_verdict pharaoh_watch(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	uint64_t id = call->request->session;
	bool lives = sessions_find(pharaoh->sessions, id);
	bool may_come = session_epoch(id) < pharaoh->slots.epochs[call->reply->slot] &&
	                !pharaoh_is_settled(pharaoh, call->reply->slot);
	call->reply->session = id;
	if (!lives && !may_come)
		return PHARAOH_DONE;
	if (call->request->wait_ms > 0)
		return PHARAOH_WATCHING;
	return pharaoh_fail(call, PYR_TIMED_OUT, "the session lives");
}

/* ---- locks ---- */

static bool check_name(struct pharaoh_call *call)
{
	if (call->request->name.bytes > 0 && call->request->value.bytes <= LOCKS_VALUE_MAX)
		return true;
	pharaoh_fail(call, PYR_INVALID_REQUEST, "a lock has a name of 1 to %d bytes, and a value of up to %d",
	             LOCKS_NAME_MAX, LOCKS_VALUE_MAX);
	return false;
}

static enum pharaoh_verdict answer_held(struct pharaoh_call *call, pyr_result result, uint64_t token)
{
	if (result.code == PYR_BUSY)
		return pharaoh_fail(call, PYR_BUSY,
		                    "the lock is held by another session, or may be, as its node has just begun");
	if (result.code == PYR_TOO_LARGE)
		return pharaoh_fail(call, PYR_TOO_LARGE,
		                    "there are as many locks, or waiting for them, as there may be");
	if (result.code == PYR_STOPPED)
		return pharaoh_fail(call, PYR_STOPPED, "the lock's slot has no tokens any more: restart its node");
	if (result.code == PYR_NOT_FOUND)
		return pharaoh_fail(call, PYR_NOT_FOUND, "the session does not hold the lock under this token");
	if (result.code != PYR_OK)
		return pharaoh_fail(call, result.code, "%s", pyr_code_text(result.code));
	call->reply->session = call->request->session;
	call->reply->token = token;
	return PHARAOH_DONE;
}

enum pharaoh_verdict pharaoh_lock(struct pharaoh_call *call)
{
	const struct codec_pharaoh *request = call->request;
	struct lock_waiter *waiter = request->wait_ms > 0 ? call->waiter : NULL;
	struct session *session;
	uint64_t token = 0;
	if (!check_name(call) || !(session = find_session(call)))
		return PHARAOH_DONE;
	pyr_result result = locks_take(call->pharaoh->locks, request->name, call->reply->slot, session, request->value,
	                               waiter, &token);
	if (result.code == PYR_BUSY && waiter)
		return PHARAOH_IN_LINE;
	return answer_held(call, result, token);
}

enum pharaoh_verdict pharaoh_unlock(struct pharaoh_call *call)
{
	const struct codec_pharaoh *request = call->request;
	struct session *session;
	if (!check_name(call) || !(session = find_session(call)))
		return PHARAOH_DONE;
	pyr_result result = locks_release(call->pharaoh->locks, request->name, session, request->token);
	return answer_held(call, result, request->token);
}

enum pharaoh_verdict pharaoh_claim(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	const struct codec_pharaoh *request = call->request;
	uint16_t slot = call->reply->slot;
	struct session *session;
	if (!check_name(call) || !(session = find_session(call)))
		return PHARAOH_DONE;
	const struct lock *lock = locks_find(pharaoh->locks, request->name);
	bool holds = lock && lock->holder == session && lock->token == request->token;
	if (!holds && request->token >> TOKEN_COUNT_BITS >= pharaoh->slots.epochs[slot])
		return answer_held(call, pyr_result_of(PYR_NOT_FOUND), 0);
	pyr_result result = locks_claim(pharaoh->locks, request->name, slot, session, request->token, request->value);
	return answer_held(call, result, request->token);
}

enum pharaoh_verdict pharaoh_look(struct pharaoh_call *call)
{
	const struct lock *lock = locks_find(call->pharaoh->locks, call->request->name);
	if (!lock || !lock->holder)
		return pharaoh_fail(call, PYR_NOT_FOUND, "nobody holds the lock");
	call->reply->session = lock->holder->id;
	call->reply->token = lock->token;
	call->reply->count = (uint32_t)lock_line(lock);
	call->reply->value = (struct base_bytes){lock->value.data, lock->value.bytes};
	return PHARAOH_DONE;
}
