/* What must be true of a partition: the simulator's own, slow and simple idea of it.
 *
 * Every batch that was ever sent has a number, which its records carry; the model knows for each what was answered. What a
 * reader gets is checked against that: acknowledged batches are at their offset, in order, once; nothing else is there but
 * batches whose answer never came; a batch of an idempotent producer is there at most once.
 *
 * Of a compacted partition records may be missing whose key has a newer one that is there, and tombstones, and what a
 * tombstone covers.
 */
#ifndef PYRALOG_TESTS_SIM_MODEL_H
#define PYRALOG_TESTS_SIM_MODEL_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum model_state { MODEL_SENT, MODEL_ACKNOWLEDGED, MODEL_REFUSED };

struct model_batch {
	enum model_state state;
	int32_t records;
	uint32_t value_bytes;
	int64_t base_offset; /* once acknowledged */
	bool may_remain; /* refused or unanswered, but perhaps written */
	bool keyed; /* the partition is compacted: records have keys, and some are tombstones */
};

struct model_partition {
	struct model_batch *batches;
	size_t count, capacity;
	int64_t acknowledged_end; /* behind the newest acknowledged record */
	int64_t log_start; /* the highest one that was asked for */
	int64_t log_start_acknowledged;
	bool damaged; /* bits were flipped: errors are allowed, wrong bytes never */
	bool compacted;
};

void model_deinit(struct model_partition *model);
/* A batch of `records` records is about to be sent: its number. */
size_t model_send(struct model_partition *model, int32_t records, uint32_t value_bytes);
void model_acknowledge(struct model_partition *model, size_t batch, int64_t base_offset);
void model_refuse(struct model_partition *model, size_t batch, bool may_remain);
/* The machine died, and nobody had waited for the disk: what was acknowledged from `offset` on is lost, rightly, and must
 * not come back. True: there was such. */
bool model_lose_from(struct model_partition *model, int64_t offset);

/* The bytes that batch `batch` of partition `id` is sent as; *ret_batch is the caller's. */
void model_encode(uint32_t id, size_t batch, const struct model_batch *facts, int64_t producer_id, int16_t epoch,
                  int32_t sequence, struct base_slice *ret_batch);

/* A walk over what a reader got, from offset `from` on. False, with a message on stderr: an invariant is broken. */
struct model_walk {
	uint32_t id;
	struct model_partition *model;
	int64_t next_offset;
	uint8_t *seen; /* how often each batch was met; of a compacted partition: a bit for each record that was */
	int64_t *newest; /* of a compacted partition: the last offset met of each key, -1: none */
};

enum { MODEL_KEYS = 24, MODEL_RECORDS_MAX = 8 /* of a batch */ };

/* What record i of a batch with keys is. */
struct model_record {
	unsigned key; /* below MODEL_KEYS */
	bool tombstone;
};

struct model_record model_record_of(uint32_t id, size_t batch, int32_t i);

void model_walk_begin(struct model_walk *walk, uint32_t id, struct model_partition *model, int64_t from);
bool model_walk_bytes(struct model_walk *walk, struct base_bytes batches);
/* `complete`: the walk began at the log start and ended at the high watermark, so all acknowledged must have been met. */
bool model_walk_end(struct model_walk *walk, bool complete, int64_t high_watermark);

#endif
