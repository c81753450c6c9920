/* Sessions (see sessions.h). Places are in blocks that never move, found by a table of chains; free ones are in a chain, too. */
#include "coord/sessions.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

enum {
	BLOCK_PLACES = 4096,
	WHEEL_PLACES = 2048, /* times SESSIONS_TICK_MS: more than the longest time to live */
	FIRST_BUCKETS = 1024,
};

_Static_assert(WHEEL_PLACES *SESSIONS_TICK_MS > SESSIONS_TTL_MAX_MS + SESSIONS_STEP_MS, "the wheel is large enough");

struct sessions {
	size_t sessions_max;
	struct session **blocks;
	uint32_t place_count; /* ever used */
	uint32_t free_place;
	size_t count;
	uint32_t *buckets;
	size_t bucket_count; /* a power of two */
	uint64_t time_ms, heard_ms; /* ours, and the owner's when it told last */
	uint64_t tick; /* looked at up to here */
	uint32_t wheel[WHEEL_PLACES];
};

static struct session *at(const struct sessions *sessions, uint32_t place)
{
	assert(place > 0 && place <= sessions->place_count);
	return &sessions->blocks[(place - 1) / BLOCK_PLACES][(place - 1) % BLOCK_PLACES];
}

/* ---- the table ---- */

static uint32_t *bucket_of(const struct sessions *sessions, uint64_t id)
{
	return &sessions->buckets[base_hash_u64(id) & (sessions->bucket_count - 1)];
}

static uint32_t find_place(const struct sessions *sessions, uint64_t id)
{
	uint32_t place = *bucket_of(sessions, id);
	while (place > 0 && at(sessions, place)->id != id)
		place = at(sessions, place)->next_of_hash;
	return place;
}

struct session *sessions_find(const struct sessions *sessions, uint64_t id)
{
	uint32_t place = id > 0 ? find_place(sessions, id) : 0;
	return place > 0 ? at(sessions, place) : NULL;
}

static void link_hash(struct sessions *sessions, uint32_t place)
{
	uint32_t *bucket = bucket_of(sessions, at(sessions, place)->id);
	at(sessions, place)->next_of_hash = *bucket;
	*bucket = place;
}

static void unlink_hash(struct sessions *sessions, uint32_t place)
{
	uint32_t *link = bucket_of(sessions, at(sessions, place)->id);
	while (*link != place)
		link = &at(sessions, *link)->next_of_hash;
	*link = at(sessions, place)->next_of_hash;
}

/* Growth that finds no memory keeps the old table: slower, never wrong. */
static void grow_table(struct sessions *sessions)
{
	uint32_t *buckets = calloc(sessions->bucket_count * 2, sizeof *buckets);
	if (!buckets)
		return;
	free(sessions->buckets);
	sessions->buckets = buckets;
	sessions->bucket_count *= 2;
	for (uint32_t place = 1; place <= sessions->place_count; place++)
		if (at(sessions, place)->id > 0)
			link_hash(sessions, place);
}

/* ---- the wheel ---- */

static uint16_t wheel_of(const struct sessions *sessions, uint64_t until_ms)
{
	uint64_t tick = until_ms / SESSIONS_TICK_MS + 1;
	assert(tick > sessions->tick && tick - sessions->tick < WHEEL_PLACES);
	return (uint16_t)(tick % WHEEL_PLACES);
}

static void link_wheel(struct sessions *sessions, uint32_t place)
{
	struct session *session = at(sessions, place);
	session->wheel = wheel_of(sessions, session->until_ms);
	uint32_t *head = &sessions->wheel[session->wheel];
	session->next_of_wheel = *head;
	session->previous_of_wheel = 0;
	if (*head > 0)
		at(sessions, *head)->previous_of_wheel = place;
	*head = place;
}

static void unlink_wheel(struct sessions *sessions, uint32_t place)
{
	struct session *session = at(sessions, place);
	if (session->next_of_wheel > 0)
		at(sessions, session->next_of_wheel)->previous_of_wheel = session->previous_of_wheel;
	if (session->previous_of_wheel > 0)
		at(sessions, session->previous_of_wheel)->next_of_wheel = session->next_of_wheel;
	else
		sessions->wheel[session->wheel] = session->next_of_wheel;
}

/* ---- places ---- */

static uint32_t take_place(struct sessions *sessions)
{
	uint32_t place = sessions->free_place;
	if (place > 0) {
		sessions->free_place = at(sessions, place)->next_of_hash;
		return place;
	}
	struct session **block = &sessions->blocks[sessions->place_count / BLOCK_PLACES];
	if (!*block && !(*block = calloc(BLOCK_PLACES, sizeof **block)))
		return 0;
	return ++sessions->place_count;
}

static uint32_t place_of(const struct sessions *sessions, const struct session *session)
{
	uint32_t place = find_place(sessions, session->id);
	assert(place > 0);
	return place;
}

pyr_result sessions_open(struct sessions *sessions, uint64_t now_ms, uint64_t id, uint32_t ttl_ms,
                         struct session **ret_session)
{
	assert(id > 0 && ttl_ms >= SESSIONS_TTL_MIN_MS && ttl_ms <= SESSIONS_TTL_MAX_MS);
	if (sessions_find(sessions, id))
		return pyr_result_of(PYR_EXISTS);
	if (sessions->count >= sessions->sessions_max)
		return pyr_result_of(PYR_BUSY);
	uint32_t place = take_place(sessions);
	if (place == 0)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct session *session = at(sessions, place);
	*session = (struct session){.id = id, .ttl_ms = (uint16_t)ttl_ms};
	sessions_touch(sessions, now_ms, session);
	link_hash(sessions, place);
	link_wheel(sessions, place);
	sessions->count += 1;
	if (sessions->count > sessions->bucket_count)
		grow_table(sessions);
	*ret_session = session;
	return pyr_ok();
}

uint64_t sessions_time_at(const struct sessions *sessions, uint64_t now_ms)
{
	assert(now_ms >= sessions->heard_ms);
	uint64_t passed_ms = now_ms - sessions->heard_ms;
	return sessions->time_ms + (passed_ms < SESSIONS_STEP_MS ? passed_ms : SESSIONS_STEP_MS);
}

void sessions_touch(const struct sessions *sessions, uint64_t now_ms, struct session *session)
{
	session->until_ms = sessions_time_at(sessions, now_ms) + session->ttl_ms;
}

static void free_place(struct sessions *sessions, uint32_t place)
{
	struct session *session = at(sessions, place);
	assert(!session->held && !session->waiting);
	unlink_hash(sessions, place);
	*session = (struct session){.next_of_hash = sessions->free_place};
	sessions->free_place = place;
	sessions->count -= 1;
}

void sessions_close(struct sessions *sessions, struct session *session)
{
	uint32_t place = place_of(sessions, session);
	unlink_wheel(sessions, place);
	free_place(sessions, place);
}

/* ---- time ---- */

static void visit_tick(struct sessions *sessions, void (*end)(void *context, struct session *session), void *context)
{
	uint32_t *head = &sessions->wheel[sessions->tick % WHEEL_PLACES], place;
	while ((place = *head) > 0) {
		struct session *session = at(sessions, place);
		uint64_t id = session->id;
		if (session->until_ms <= sessions->time_ms)
			end(context, session);
		if (session->id != id || *head != place)
			continue; /* it is gone */
		assert(session->until_ms > sessions->time_ms);
		unlink_wheel(sessions, place);
		link_wheel(sessions, place);
	}
}

void sessions_advance(struct sessions *sessions, uint64_t now_ms, void (*end)(void *context, struct session *session),
                      void *context)
{
	sessions->time_ms = sessions_time_at(sessions, now_ms);
	sessions->heard_ms = now_ms;
	while (sessions->tick < sessions->time_ms / SESSIONS_TICK_MS) {
		sessions->tick += 1;
		visit_tick(sessions, end, context);
	}
}

/* ---- life ---- */

struct sessions *sessions_new(size_t sessions_max, uint64_t now_ms)
{
	struct sessions *sessions = calloc(1, sizeof *sessions);
	assert(sessions_max < UINT32_MAX);
	if (!sessions)
		return NULL;
	sessions->sessions_max = sessions_max;
	sessions->heard_ms = now_ms;
	sessions->bucket_count = FIRST_BUCKETS;
	sessions->buckets = calloc(FIRST_BUCKETS, sizeof *sessions->buckets);
	sessions->blocks = calloc(sessions_max / BLOCK_PLACES + 1, sizeof *sessions->blocks);
	if (sessions->buckets && sessions->blocks)
		return sessions;
	sessions_free(sessions);
	return NULL;
}

void sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	for (size_t i = 0; sessions->blocks && i <= sessions->sessions_max / BLOCK_PLACES; i++)
		free(sessions->blocks[i]);
	free(sessions->blocks);
	free(sessions->buckets);
	free(sessions);
}

size_t sessions_count(const struct sessions *sessions)
{
	return sessions->count;
}

size_t sessions_bytes(const struct sessions *sessions)
{
	size_t blocks = (sessions->place_count + BLOCK_PLACES - 1) / BLOCK_PLACES;
	return sizeof *sessions + blocks * BLOCK_PLACES * sizeof(struct session) +
	       sessions->bucket_count * sizeof *sessions->buckets;
}

uint64_t sessions_time_ms(const struct sessions *sessions)
{
	return sessions->time_ms;
}

/* A session keeps its place as long as it lives. */
size_t sessions_page(const struct sessions *sessions, size_t cursor, size_t max,
                     void (*visit)(void *context, struct session *session), void *context)
{
	size_t left = sessions->place_count - cursor, end = cursor + (left < max ? left : max);
	for (size_t place = cursor + 1; place <= end; place++)
		if (at(sessions, (uint32_t)place)->id > 0)
			visit(context, at(sessions, (uint32_t)place));
	return end < sessions->place_count ? end : 0;
}
