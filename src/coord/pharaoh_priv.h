/* What the files of the Pharaoh node share. */
#ifndef PYRALOG_COORD_PHARAOH_PRIV_H
#define PYRALOG_COORD_PHARAOH_PRIV_H

#include "coord/pharaoh.h"

enum { PHARAOH_MAP_BYTES = 60000 };

struct pharaoh {
	/* What every request touches comes first, so that it shares few lines of the cache, and pages. */
	struct pharaoh_options options;
	uint64_t now_ms;
	struct sessions *sessions;
	struct locks *locks;
	bool leased; /* an answer of the authority has come */
	/* Wanted, and being kept. */
	bool wants_clock, wants_ids, keeps_clock, keeps_ids, keeps_names, keeping;
	struct pharaoh_metrics metrics;
	struct slots slots;

	uint64_t seen;
	uint64_t settled_ms[SLOTS]; /* of the sessions' time: when others may have the slot's locks */
	uint64_t settle_next_ms; /* the earliest of those that are still to come; UINT64_MAX: none */
	uint64_t session_counts[SLOTS], token_counts[SLOTS]; /* given under the slot's epoch */
	struct pyr_error error;
	uint64_t numbers[CODEC_PHARAOH_NUMBERS_MAX]; /* of the reply */
	uint8_t text[PHARAOH_MAP_BYTES]; /* the same */
};

/* A request that is being served. */
struct pharaoh_call {
	struct pharaoh *pharaoh;
	const struct codec_pharaoh *request;
	struct lock_waiter *waiter;
	struct pharaoh_hold *hold;
	struct codec_pharaoh *reply;
};

/* Fills in the reply of a failure. */
[[gnu::format(printf, 3, 4)]] enum pharaoh_verdict pharaoh_fail(struct pharaoh_call *call, enum pyr_code code,
                                                                const char *format, ...);

/* pharaoh_numbers.c: ids, timestamps, begins, sequences. */
enum pharaoh_verdict pharaoh_ids(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_timestamps(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_begin(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_sequence(struct pharaoh_call *call);

/* pharaoh_sessions.c: sessions and locks. */
pyr_result pharaoh_take_token(void *context, uint16_t slot, uint64_t *ret_token);
bool pharaoh_is_settled(void *context, uint16_t slot);
void pharaoh_end_session(void *context, struct session *session);
enum pharaoh_verdict pharaoh_open(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_keep_alive(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_close(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_resume(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_watch(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_lock(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_unlock(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_claim(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_look(struct pharaoh_call *call);

/* pharaoh_status.c: who has what, and how much was done. */
enum pharaoh_verdict pharaoh_map(struct pharaoh_call *call);
enum pharaoh_verdict pharaoh_status(struct pharaoh_call *call);

#endif
