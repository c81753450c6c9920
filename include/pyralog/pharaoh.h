/* Coordination: unique ids, timestamps, sequences, sessions and locks, in this process or of a Pharaoh network's nodes.
 *
 *	struct pyr_pharaoh *pharaoh;
 *	uint64_t session, token;
 *	if (pyr_pharaoh_connect("127.0.0.1:9640", NULL, &pharaoh, &failure) == PYR_STATUS_OK &&
 *	    pyr_pharaoh_session_open(pharaoh, 10000, &session, &failure) == PYR_STATUS_OK &&
 *	    pyr_pharaoh_lock(pharaoh, session, "nightly", NULL, 5000, &token, &failure) == PYR_STATUS_OK)
 *		work(token);
 *
 * No id, timestamp, value of a sequence, session or token is given twice, whatever crashes. Locks are held by sessions, which live
 * as long as they are kept alive: what a lock protects is shown its token, and refuses one below the highest that it saw. Then a
 * holder that was stopped, and believes still that it has the lock, does no harm.
 *
 * Connected, a handle knows which node has which slot and follows the slots when they move; what was asked for is asked again when
 * a connection breaks, for `timeout_ms`, and then PYR_STATUS_NETWORK.
 * Errors, ownership and `failure` are as in pyralog.h. Threads: a handle may be used by any number of threads at once, and each
 * call blocks its own only; opening and closing alone. The library keeps no session alive by itself: a session is its owner's
 * heartbeat.
 */
#ifndef PYRALOG_PHARAOH_H
#define PYRALOG_PHARAOH_H

#include "pyralog.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PYR_PHARAOH_IDS_MAX 4096 /* a call */
#define PYR_PHARAOH_COUNT_MAX (1 << 20) /* timestamps, or values of a sequence, a call */
#define PYR_PHARAOH_NAME_MAX 255 /* bytes, of a sequence or a lock */
#define PYR_PHARAOH_VALUE_MAX 4096 /* bytes, of a lock */

struct pyr_pharaoh;

struct pyr_pharaoh_options {
	size_t size; /* sizeof(struct pyr_pharaoh_options) */
	unsigned timeout_ms; /* for an answer, besides what a call waits for a lock; 0: 10000 */
	/* The longest life of a session without being kept, of services in this process; 0: 20000. For so long after an opening
	 * locks go to nobody but those who held them. */
	unsigned session_ttl_max_ms;
};

/* The services of a directory, in this process, on a thread of their own; no port. The directory is made if it is not there, and is
 * that of a server with the role obelisk, too. PYR_STATUS_BUSY: another process has it. */
PYR_CHECKED enum pyr_status pyr_pharaoh_open(const char *directory, const struct pyr_pharaoh_options *options,
                                             struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure);
/* The services of a node in this process (pyr_open()), in its data directory; closed before it. PYR_STATUS_BUSY: they are open;
 * PYR_STATUS_NOT_SUPPORTED: `log` is a connection, see pyr_pharaoh_connect(). */
PYR_CHECKED enum pyr_status pyr_pharaoh_attach(struct pyralog *log, const struct pyr_pharaoh_options *options,
                                               struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure);
/* A network's services, by any of its nodes' ports: "host:port", or several with commas. Connects when it is asked. */
PYR_CHECKED enum pyr_status pyr_pharaoh_connect(const char *nodes, const struct pyr_pharaoh_options *options,
                                                struct pyr_pharaoh **ret_pharaoh, struct pyr_failure *failure);
/* No call is under way. Sessions end when their time has passed, or with the services in this process. */
PYR_API void pyr_pharaoh_close(struct pyr_pharaoh *pharaoh);

/* ---- numbers ---- */

/* `count` unique ids, 1 to PYR_PHARAOH_IDS_MAX, rising: Scarab IDs (docs/formats/scarab.md), which sort by time. */
PYR_CHECKED enum pyr_status pyr_pharaoh_ids(struct pyr_pharaoh *pharaoh, uint64_t *ret_ids, size_t count,
                                            struct pyr_failure *failure);
/* `count` hybrid timestamps, 1 to PYR_PHARAOH_COUNT_MAX: *ret_first, and those that follow it. */
PYR_CHECKED enum pyr_status pyr_pharaoh_timestamps(struct pyr_pharaoh *pharaoh, size_t count, uint64_t *ret_first,
                                                   struct pyr_failure *failure);
/* The next `count` values of a sequence, which begins with 1; `lease` values are promised at once, so many may be skipped when the
 * node crashes; 0: 100; 1: none are. */
PYR_CHECKED enum pyr_status pyr_pharaoh_sequence(struct pyr_pharaoh *pharaoh, const char *name, size_t count,
                                                 size_t lease, uint64_t *ret_first, struct pyr_failure *failure);

/* ---- sessions ---- */

/* One that lives for `ttl_ms`, 100 or more, from now on and from each time that it is kept: counted from when the call began. */
PYR_CHECKED enum pyr_status pyr_pharaoh_session_open(struct pyr_pharaoh *pharaoh, unsigned ttl_ms,
                                                     uint64_t *ret_session, struct pyr_failure *failure);
/* PYR_STATUS_NOT_FOUND: it has ended, or its node is another now: see pyr_pharaoh_session_resume(). */
PYR_CHECKED enum pyr_status pyr_pharaoh_session_keep(struct pyr_pharaoh *pharaoh, uint64_t session,
                                                     struct pyr_failure *failure);
/* After its node's end, within the session's time: it lives again, and its locks can be claimed. PYR_STATUS_NOT_FOUND: it was too
 * late. */
PYR_CHECKED enum pyr_status pyr_pharaoh_session_resume(struct pyr_pharaoh *pharaoh, uint64_t session, unsigned ttl_ms,
                                                       struct pyr_failure *failure);
/* Ends it, and gives up its locks. */
PYR_CHECKED enum pyr_status pyr_pharaoh_session_close(struct pyr_pharaoh *pharaoh, uint64_t session,
                                                      struct pyr_failure *failure);

/* ---- locks ---- */

/* Waits up to `wait_ms` for the lock, while another thread keeps the session; `value` (NULL: none) is what others see. Holding it
 * already gives its token again. PYR_STATUS_BUSY, or when it waited PYR_STATUS_TIMED_OUT: others have it, or may have it after
 * their node's end. PYR_STATUS_NOT_FOUND: the session has ended. */
PYR_CHECKED enum pyr_status pyr_pharaoh_lock(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name,
                                             const char *value, unsigned wait_ms, uint64_t *ret_token,
                                             struct pyr_failure *failure);
/* PYR_STATUS_NOT_FOUND: the session does not hold it under this token. */
PYR_CHECKED enum pyr_status pyr_pharaoh_unlock(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name,
                                               uint64_t token, struct pyr_failure *failure);
/* After its node's end, when the session was resumed: it is held on under its token. PYR_STATUS_NOT_FOUND: it is lost. */
PYR_CHECKED enum pyr_status pyr_pharaoh_claim(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name,
                                              const char *value, uint64_t token, struct pyr_failure *failure);

struct pyr_pharaoh_holder {
	uint64_t session, token;
	unsigned waiting; /* in line behind it */
	char value[PYR_PHARAOH_VALUE_MAX + 1]; /* terminated; what the holder gave, which may have other zeros */
};

/* Who has the lock. PYR_STATUS_NOT_FOUND: nobody. */
PYR_CHECKED enum pyr_status pyr_pharaoh_look(struct pyr_pharaoh *pharaoh, const char *name,
                                             struct pyr_pharaoh_holder *ret_holder, struct pyr_failure *failure);

#ifdef __cplusplus
}
#endif

#endif
