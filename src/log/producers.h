/* What one partition remembers of its idempotent producers (KIP-98): the last batches of each, so that a repeated one is
 * recognised, an old one refused, and a gap seen.
 *
 * Two parts: appended (what will be, if nothing fails) and committed (what is durable). A truncation rolls the first
 * back. Bounded by count and age. Pure but for memory; owned by the log's thread.
 */
#ifndef PYRALOG_LOG_PRODUCERS_H
#define PYRALOG_LOG_PRODUCERS_H

#include "base/cursor.h"
#include "base/table.h"
#include "codec/batch.h"

struct log_append;
struct log_producer_info;

struct log_producers {
	struct base_table table;
};

enum log_sequence {
	LOG_SEQUENCE_NEXT, /* append it */
	LOG_SEQUENCE_DUPLICATE, /* answer as its original was */
	LOG_SEQUENCE_PENDING, /* the original is not durable yet: answer when it is */
};

struct log_sequence_verdict {
	enum log_sequence sequence;
	int64_t base_offset; /* of the original */
	struct log_append *original; /* LOG_SEQUENCE_PENDING */
};

/* PYR_OUT_OF_ORDER_SEQUENCE, PYR_DUPLICATE_SEQUENCE, PYR_PRODUCER_FENCED, PYR_UNKNOWN_PRODUCER
 * (not at sequence 0, and nothing is known of it), PYR_BUSY (too many of one producer in flight). */
pyr_result log_producers_check(const struct log_producers *producers, const struct codec_batch *batch,
                               struct log_sequence_verdict *ret_verdict);
/* The batch was given an offset. append: until it is durable; NULL in recovery, where it is already. now_ms: when that
 * was, by the server's clock; the time stamps of records are the client's and may be years old.
 * At most `count_max` producers are kept: the one silent for longest goes. */
pyr_result log_producers_append(struct log_producers *producers, const struct codec_batch *batch, int64_t base_offset,
                                struct log_append *append, int64_t now_ms, uint32_t count_max);
void log_producers_commit(struct log_producers *producers, int64_t producer_id, const struct log_append *append);
/* Forgets what was appended at `offset` or later. */
void log_producers_rollback(struct log_producers *producers, int64_t offset);
/* Forgets producers silent since `before_ms`. */
void log_producers_expire(struct log_producers *producers, int64_t before_ms);
/* The first of them, at most `max`, in any order; returns how many. */
size_t log_producers_list(const struct log_producers *producers, struct log_producer_info *infos, size_t max);
void log_producers_deinit(struct log_producers *producers);

/* The committed part, for checkpoints and segments. */
void log_producers_encode(const struct log_producers *producers, struct base_writer *writer);
pyr_result log_producers_decode(struct log_producers *producers, struct base_reader *reader);

#endif
