/* A node of the Pharaoh network (see pharaoh.h): its slots, its promises, and the way from a request to its service. */
#include "coord/pharaoh_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pharaoh_options pharaoh_options_default(void)
{
	return (struct pharaoh_options){
		.ttl_max_ms = 20000,
		.grace_ms = 20000,
		.sessions_max = 2 << 20,
		.locks_max = 1 << 20,
		.waiters_max = 100000,
		.lock_bytes_max = 64 << 20,
	};
}

/* ---- requests ---- */

enum pharaoh_verdict pharaoh_fail(struct pharaoh_call *call, enum pyr_code code, const char *format, ...)
{
	struct pyr_error *error = &call->pharaoh->error;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	pharaoh_refuse(call->request, pyr_result_of(code), error, call->reply);
	return PHARAOH_DONE;
}

void pharaoh_refuse(const struct codec_pharaoh *request, pyr_result result, const struct pyr_error *error,
                    struct codec_pharaoh *ret_reply)
{
	const char *text = error && error->text[0] ? error->text : pyr_code_text(result.code);
	assert(result.code != PYR_OK);
	*ret_reply = (struct codec_pharaoh){.id = request->id, .op = request->op, .code = result.code};
	ret_reply->slot = request->slot;
	ret_reply->name = (struct base_bytes){(const uint8_t *)text, strlen(text)};
}

static enum pharaoh_verdict refuse_moved(struct pharaoh_call *call, uint16_t slot)
{
	struct pharaoh *pharaoh = call->pharaoh;
	struct authority_owner owner = {.host = ""};
	if (pharaoh->options.owner)
		owner = pharaoh->options.owner(pharaoh->options.context, pharaoh->now_ms, slot);
	pharaoh->metrics.moved += 1;
	pharaoh_fail(call, PYR_NOT_LEADER, "%s", owner.host);
	call->reply->epoch = owner.epoch;
	call->reply->port = owner.port;
	return PHARAOH_DONE;
}

/* Whether this node may serve the request at all. */
static bool is_ours(struct pharaoh_call *call)
{
	const struct codec_pharaoh *request = call->request;
	const struct pharaoh *pharaoh = call->pharaoh;
	uint16_t slot = codec_pharaoh_slot(request);
	call->reply->slot = slot;
	if (request->op == CODEC_PHARAOH_MAP || request->op == CODEC_PHARAOH_STATUS)
		return true;
	if (slot >= SLOTS) {
		pharaoh_fail(call, PYR_INVALID_REQUEST, "slot %u is not one of 0 to %d", slot, SLOTS - 1);
		return false;
	}
	if (!slots_own(&pharaoh->slots, slot, pharaoh->now_ms)) {
		refuse_moved(call, slot);
		call->reply->slot = slot;
		return false;
	}
	if (request->epoch > 0 && request->epoch != pharaoh->slots.epochs[slot]) {
		pharaoh_fail(call, PYR_PRODUCER_FENCED,
		             "slot %u is of another epoch now: sessions and locks are to be resumed", slot);
		call->reply->slot = slot;
		call->reply->epoch = pharaoh->slots.epochs[slot];
		return false;
	}
	call->reply->epoch = pharaoh->slots.epochs[slot];
	return true;
}

static enum pharaoh_verdict dispatch(struct pharaoh_call *call)
{
	static enum pharaoh_verdict (*const services[])(struct pharaoh_call * call) = {
		[CODEC_PHARAOH_MAP] = pharaoh_map,
		[CODEC_PHARAOH_IDS] = pharaoh_ids,
		[CODEC_PHARAOH_TIMESTAMPS] = pharaoh_timestamps,
		[CODEC_PHARAOH_BEGIN] = pharaoh_begin,
		[CODEC_PHARAOH_SEQUENCE] = pharaoh_sequence,
		[CODEC_PHARAOH_OPEN] = pharaoh_open,
		[CODEC_PHARAOH_KEEP] = pharaoh_keep_alive,
		[CODEC_PHARAOH_CLOSE] = pharaoh_close,
		[CODEC_PHARAOH_RESUME] = pharaoh_resume,
		[CODEC_PHARAOH_LOCK] = pharaoh_lock,
		[CODEC_PHARAOH_UNLOCK] = pharaoh_unlock,
		[CODEC_PHARAOH_CLAIM] = pharaoh_claim,
		[CODEC_PHARAOH_LOOK] = pharaoh_look,
		[CODEC_PHARAOH_STATUS] = pharaoh_status,
		[CODEC_PHARAOH_WATCH] = pharaoh_watch,
	};
	_Static_assert(sizeof services / sizeof services[0] == CODEC_PHARAOH_OP_END, "every operation is served");
	assert(call->request->op > 0 && call->request->op < CODEC_PHARAOH_OP_END);
	return services[call->request->op](call);
}

enum pharaoh_verdict pharaoh_serve(struct pharaoh *pharaoh, uint64_t now_ms, const struct codec_pharaoh *request,
                                   struct lock_waiter *waiter, struct pharaoh_hold *ret_hold,
                                   struct codec_pharaoh *ret_reply)
{
	struct pharaoh_call call = {pharaoh, request, waiter, ret_hold, ret_reply};
	assert(now_ms >= pharaoh->now_ms);
	pharaoh->now_ms = now_ms;
	*ret_reply = (struct codec_pharaoh){.id = request->id, .op = request->op};
	enum pharaoh_verdict verdict = is_ours(&call) ? dispatch(&call) : PHARAOH_DONE;
	if (verdict != PHARAOH_DONE && verdict != PHARAOH_HOLD)
		return verdict;
	pharaoh->metrics.requests += 1;
	pharaoh->metrics.refused += ret_reply->code != PYR_OK;
	return verdict;
}

/* ---- promises ---- */

bool pharaoh_keep_begin(struct pharaoh *pharaoh)
{
	if (pharaoh->keeping)
		return false;
	pharaoh->keeps_names = pharaoh->options.sequences && names_keep_begin(pharaoh->options.sequences);
	pharaoh->keeps_clock = pharaoh->wants_clock;
	pharaoh->keeps_ids = pharaoh->wants_ids;
	pharaoh->wants_clock = pharaoh->wants_ids = false;
	pharaoh->keeping = pharaoh->keeps_names || pharaoh->keeps_clock || pharaoh->keeps_ids;
	return pharaoh->keeping;
}

/* One that fails does not keep the others from theirs. */
pyr_result pharaoh_keep_run(struct pharaoh *pharaoh, struct pyr_error *error)
{
	pyr_result clock = pyr_ok(), ids = pyr_ok(), sequences = pyr_ok();
	if (pharaoh->keeps_clock)
		clock = timekeeper_ahead(pharaoh->options.clock, error);
	if (pharaoh->keeps_ids)
		ids = scarab_issuer_ahead(pharaoh->options.ids, error);
	if (pharaoh->keeps_names)
		sequences = names_keep_run(pharaoh->options.sequences);
	if (sequences.code != PYR_OK)
		return pyr_fail(error, sequences.code, "the file of sequences can't be written: %s",
		                pyr_code_text(sequences.code));
	return clock.code != PYR_OK ? clock : ids;
}

void pharaoh_keep_end(struct pharaoh *pharaoh, pyr_result result)
{
	assert(pharaoh->keeping);
	pharaoh->keeping = false;
	pharaoh->metrics.promises += result.code == PYR_OK;
	if (pharaoh->keeps_names)
		names_keep_end(pharaoh->options.sequences, result);
}

bool pharaoh_is_kept(const struct pharaoh_hold *hold)
{
	return names_kept(hold->entry) >= hold->end;
}

/* ---- slots and time ---- */

static void note_settling(struct pharaoh *pharaoh, uint64_t now_ms, uint16_t slot, bool grace)
{
	pharaoh->settled_ms[slot] = grace ? sessions_time_at(pharaoh->sessions, now_ms) + pharaoh->options.grace_ms : 0;
	if (grace && pharaoh->settled_ms[slot] < pharaoh->settle_next_ms)
		pharaoh->settle_next_ms = pharaoh->settled_ms[slot];
}

static void give_up_slot(struct pharaoh *pharaoh, uint16_t slot)
{
	uint64_t had = pharaoh->slots.epochs[slot];
	locks_drop(pharaoh->locks, slot);
	pharaoh->slots.epochs[slot] = 0;
	pharaoh->slots.left[slot] = had > 0 ? had : pharaoh->slots.left[slot];
}

const uint64_t *pharaoh_claims(struct pharaoh *pharaoh, uint64_t now_ms)
{
	if (now_ms >= pharaoh->slots.until_ms)
		for (uint16_t slot = 0; slot < SLOTS; slot++)
			if (pharaoh->slots.epochs[slot] > 0)
				give_up_slot(pharaoh, slot);
	return pharaoh->slots.epochs;
}

void pharaoh_lease(struct pharaoh *pharaoh, uint64_t now_ms, uint64_t sent_ms, const struct authority_lease *lease)
{
	assert(now_ms >= pharaoh->now_ms && now_ms >= sent_ms);
	pharaoh->now_ms = now_ms;
	if (lease->answer <= pharaoh->seen)
		return; /* overtaken by a newer one */
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		uint64_t epoch = lease->epochs[slot] > pharaoh->slots.left[slot] ? lease->epochs[slot] : 0;
		if (epoch == pharaoh->slots.epochs[slot])
			continue;
		give_up_slot(pharaoh, slot);
		pharaoh->slots.epochs[slot] = epoch;
		pharaoh->session_counts[slot] = pharaoh->token_counts[slot] = 0;
		note_settling(pharaoh, now_ms, slot, epoch > 0 && (pharaoh->leased || !pharaoh->options.is_first));
	}
	if (now_ms >= pharaoh->slots.until_ms)
		pharaoh->settle_next_ms = 0; /* lines stood still */
	pharaoh->leased = true;
	pharaoh->seen = lease->answer;
	pharaoh->slots.until_ms = sent_ms + lease->lease_ms;
}

const struct slots *pharaoh_slots(const struct pharaoh *pharaoh)
{
	return &pharaoh->slots;
}

uint64_t pharaoh_seen(const struct pharaoh *pharaoh)
{
	return pharaoh->seen;
}

static void settle(struct pharaoh *pharaoh)
{
	uint64_t time_ms = sessions_time_ms(pharaoh->sessions);
	if (time_ms < pharaoh->settle_next_ms)
		return;
	pharaoh->settle_next_ms = UINT64_MAX;
	for (size_t i = 0; i < SLOTS; i++)
		if (pharaoh->settled_ms[i] > time_ms && pharaoh->settled_ms[i] < pharaoh->settle_next_ms)
			pharaoh->settle_next_ms = pharaoh->settled_ms[i];
	locks_settle(pharaoh->locks);
}

void pharaoh_advance(struct pharaoh *pharaoh, uint64_t now_ms)
{
	assert(now_ms >= pharaoh->now_ms);
	pharaoh->now_ms = now_ms;
	sessions_advance(pharaoh->sessions, now_ms, pharaoh_end_session, pharaoh);
	settle(pharaoh);
}

/* ---- life ---- */

static struct locks *new_locks(struct pharaoh *pharaoh)
{
	const struct pharaoh_options *options = &pharaoh->options;
	struct locks_options locks = {
		.locks_max = options->locks_max,
		.waiters_max = options->waiters_max,
		.bytes_max = options->lock_bytes_max,
		.take_token = pharaoh_take_token,
		.is_settled = pharaoh_is_settled,
		.context = pharaoh,
	};
	return locks_new(&locks);
}

struct pharaoh *pharaoh_new(const struct pharaoh_options *options)
{
	assert(options->ttl_max_ms <= SESSIONS_TTL_MAX_MS && options->ttl_max_ms <= options->grace_ms);
	struct pharaoh *pharaoh = calloc(1, sizeof *pharaoh);
	if (!pharaoh)
		return NULL;
	pharaoh->options = *options;
	pharaoh->now_ms = options->now_ms;
	pharaoh->settle_next_ms = UINT64_MAX;
	pharaoh->sessions = sessions_new(options->sessions_max, options->now_ms);
	pharaoh->locks = new_locks(pharaoh);
	if (pharaoh->sessions && pharaoh->locks)
		return pharaoh;
	sessions_free(pharaoh->sessions);
	locks_free(pharaoh->locks);
	free(pharaoh);
	return NULL;
}

void pharaoh_free(struct pharaoh *pharaoh)
{
	if (!pharaoh)
		return;
	for (uint16_t slot = 0; slot < SLOTS; slot++)
		locks_drop(pharaoh->locks, slot);
	locks_free(pharaoh->locks);
	sessions_free(pharaoh->sessions);
	free(pharaoh);
}

void pharaoh_give_up(struct pharaoh *pharaoh, struct lock_waiter *waiter)
{
	locks_give_up(pharaoh->locks, waiter);
}

uint64_t pharaoh_time_ms(const struct pharaoh *pharaoh, uint64_t now_ms)
{
	return sessions_time_at(pharaoh->sessions, now_ms);
}

size_t pharaoh_sessions_page(const struct pharaoh *pharaoh, size_t cursor, size_t max,
                             void (*visit)(void *context, struct session *session), void *context)
{
	return sessions_page(pharaoh->sessions, cursor, max, visit, context);
}

size_t pharaoh_locks_page(const struct pharaoh *pharaoh, size_t cursor, size_t max,
                          void (*visit)(void *context, const struct lock *lock), void *context)
{
	return locks_page(pharaoh->locks, cursor, max, visit, context);
}
