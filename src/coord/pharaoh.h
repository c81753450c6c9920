/* A node of the Pharaoh network: ids, timestamps, sequences, transactions' begins, sessions and locks, for the slots that it
 * owns. It keeps no log, and nothing of a request: what must outlive it is promised ahead (clock, ids, sequences), and what must
 * not come again has the slot's fencing epoch in it (sessions' ids, locks' tokens).
 *
 *	session's id    0 | slot, 10 bits | epoch, 26 | count, 27        token    epoch, 32 | count, 32
 *
 * Pure but for its promises: time comes in, a request is served at once, or the verdict says what it waits for. Promises are
 * made durable by pharaoh_keep_run(), on any thread, while requests that need none are served.
 *
 * Sessions and locks are soft state. When a slot becomes ours, those who had a session or a lock there resume and claim them;
 * for grace_ms nobody else gets a lock of the slot, since somebody may still hold it. grace_ms is the longest time to live that
 * any node of the network gives.
 *
 * Invariants: no id, timestamp, sequence's value, session's id or token twice; no lock has two holders whose sessions last, and a
 * later holder's token is higher. Failure modes: after a failed sync what needs promises is refused (PYR_STOPPED), the rest is
 * served. Owner: one thread, but pharaoh_keep_run().
 */
#ifndef PYRALOG_COORD_PHARAOH_H
#define PYRALOG_COORD_PHARAOH_H

#include "codec/pharaoh.h"
#include "coord/authority.h"
#include "coord/locks.h"
#include "coord/names.h"
#include "coord/scarab_issuer.h"
#include "coord/sessions.h"
#include "coord/slots.h"
#include "coord/timekeeper.h"

enum {
	PHARAOH_BATCH_MAX = 4096, /* ids in a request */
	PHARAOH_TIMESTAMPS_MAX = 1 << 20, /* timestamps, values of a sequence, and its lease */
	PHARAOH_SEQUENCE_LEASE = 100, /* promised at once, if the request does not say */
};

struct pharaoh;

struct pharaoh_options {
	/* Its own, and must live longer. */
	struct scarab_issuer *ids;
	struct timekeeper *clock;
	struct names *sequences; /* NULL: of a network of several nodes, whose slots move, none are served */
	uint64_t now_ms; /* steady */
	uint32_t ttl_max_ms; /* of a session, to SESSIONS_TTL_MAX_MS */
	uint32_t grace_ms;
	bool is_first; /* nobody ever gave a session, or none of them is left: no grace */
	size_t sessions_max, locks_max, waiters_max, lock_bytes_max;
	/* Who has a slot, as far as is known: for clients' maps. */
	struct authority_owner (*owner)(void *context, uint64_t now_ms, uint16_t slot);
	void *context;
};

struct pharaoh_options pharaoh_options_default(void);

struct pharaoh *pharaoh_new(const struct pharaoh_options *options); /* NULL: out of memory */
void pharaoh_free(struct pharaoh *pharaoh); /* those who wait are told first; NULL is fine */

/* Time passes: sessions end, lines move. About every SESSIONS_TICK_MS. */
void pharaoh_advance(struct pharaoh *pharaoh, uint64_t now_ms);

/* ---- slots ---- */

/* The authority's answer to a renewal that was sent at `sent_ms`. */
void pharaoh_lease(struct pharaoh *pharaoh, uint64_t now_ms, uint64_t sent_ms, const struct authority_lease *lease);
/* What the next renewal claims. Once the lease has run out, all slots are given up, so that no late answer brings them back. */
const uint64_t *pharaoh_claims(struct pharaoh *pharaoh, uint64_t now_ms);
const struct slots *pharaoh_slots(const struct pharaoh *pharaoh);
uint64_t pharaoh_seen(const struct pharaoh *pharaoh); /* for the next renewal */

/* ---- requests ---- */

enum pharaoh_verdict {
	PHARAOH_DONE, /* the reply is there, and what it borrows is valid until the next call */
	PHARAOH_KEEP, /* after the next keep that begins from here on, the same request again */
	PHARAOH_HOLD, /* the reply is there; it may be sent when pharaoh_is_kept() */
	PHARAOH_LATER, /* the clock must catch up: the same request again in a millisecond */
	PHARAOH_IN_LINE, /* the waiter is told */
	PHARAOH_WATCHING, /* the session lives: the same request again with the next tick, until its wait is over */
};

/* What a reply of PHARAOH_HOLD waits for. */
struct pharaoh_hold {
	const struct names_entry *entry;
	uint64_t end;
};

/* `waiter`: for LOCK requests that wait; NULL: they don't. Its `done` gives the rest of the reply. The slot of a request without
 * a key is the one that it names. */
enum pharaoh_verdict pharaoh_serve(struct pharaoh *pharaoh, uint64_t now_ms, const struct codec_pharaoh *request,
                                   struct lock_waiter *waiter, struct pharaoh_hold *ret_hold,
                                   struct codec_pharaoh *ret_reply);
/* The reply that says so; `error` lives as long. */
void pharaoh_refuse(const struct codec_pharaoh *request, pyr_result result, const struct pyr_error *error,
                    struct codec_pharaoh *ret_reply);
/* The waiter has no wish any more: its time ran out, its client is gone. */
void pharaoh_give_up(struct pharaoh *pharaoh, struct lock_waiter *waiter);

/* ---- promises ---- */

/* False: nothing is wanted, or it is under way. */
bool pharaoh_keep_begin(struct pharaoh *pharaoh);
pyr_result pharaoh_keep_run(struct pharaoh *pharaoh, struct pyr_error *error); /* blocks; any thread */
void pharaoh_keep_end(struct pharaoh *pharaoh, pyr_result result);
bool pharaoh_is_kept(const struct pharaoh_hold *hold);

/* ---- what is there ---- */

#define PHARAOH_METRICS(X)                                                                                             \
	X(requests, "requests served")                                                                                 \
	X(refused, "requests refused")                                                                                 \
	X(moved, "requests for slots of other nodes")                                                                  \
	X(ids, "ids given")                                                                                            \
	X(timestamps, "timestamps given")                                                                              \
	X(values, "values of sequences given")                                                                         \
	X(begins, "transactions begun")                                                                                \
	X(keep_alives, "sessions kept alive")                                                                          \
	X(sessions_opened, "sessions opened")                                                                          \
	X(sessions_expired, "sessions that were not heard of")                                                         \
	X(grants, "locks granted")                                                                                     \
	X(promises, "promises made durable")

struct pharaoh_metrics {
#define X(name, text) uint64_t name;
	PHARAOH_METRICS(X)
#undef X
	/* Now. */
	uint64_t sessions, session_bytes, locks, waiters, sequences, slots;
};

struct pharaoh_metrics pharaoh_metrics_get(const struct pharaoh *pharaoh, uint64_t now_ms);
/* Who has the slot, as far as this node knows; epoch 0: nobody. */
struct authority_owner pharaoh_owner(const struct pharaoh *pharaoh, uint64_t now_ms, uint16_t slot);
/* A page of them: see sessions_page(). */
size_t pharaoh_sessions_page(const struct pharaoh *pharaoh, size_t cursor, size_t max,
                             void (*visit)(void *context, struct session *session), void *context);
size_t pharaoh_locks_page(const struct pharaoh *pharaoh, size_t cursor, size_t max,
                          void (*visit)(void *context, const struct lock *lock), void *context);
uint64_t pharaoh_time_ms(const struct pharaoh *pharaoh, uint64_t now_ms); /* that sessions end by */

#endif
