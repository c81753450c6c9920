/* What recovery knows while it runs, shared by its files.
 *
 *   recovery.c   in which order, and what comes after      found.c     the ring's files as they lie on the disk
 *   replay.c     a group's frames, into memory             rewrite.c   what may not be durable, once more
 *
 * All of it runs at open, blocking, on the log's thread.
 */
#ifndef PYRALOG_LOG_RECOVERY_H
#define PYRALOG_LOG_RECOVERY_H

#include "log/log_priv.h"

enum { RECOVERY_RUN_BYTES_MAX = 2 * LOG_GROUP_BYTES_MAX }; /* of an extent; a larger one is damage */

/* One ring file as it lies on the disk. */
struct found_file {
	struct log_ring_file *file;
	struct log_ring_header header;
	bool valid;
};

struct recovery {
	struct log *log;
	struct log_manifest_head head;
	struct found_file *files; /* in order of file id, the invalid ones last */
	size_t file_count, file_capacity;
	bool out_of_memory;
	uint64_t durable; /* groups of the incarnation being replayed were durable up to this */
	uint64_t last_group; /* applied */
	uint32_t last_crc;
	uint64_t replayed_bytes;
	uint64_t max_segment_id;
	/* The file being replayed, whole. */
	uint8_t *bytes;
	size_t byte_count, byte_capacity;
	struct log_ring_file *file;
	uint64_t position; /* of the group being applied */
};

/* ---- found.c ---- */

/* The ring's files, in order. */
pyr_result recovery_find_files(struct recovery *recovery);
/* All of a ring file, into memory that the next one uses again. */
pyr_result recovery_load(struct recovery *recovery, const struct found_file *found);
/* A valid header of a group at `position` of the loaded file. */
bool recovery_header_at(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                        struct log_group_header *ret_group);
/* The next one from `position` on, with a number above `above`. False: none in this file. */
bool recovery_next_header(const struct recovery *recovery, const struct found_file *found, uint64_t position,
                          uint64_t above, struct log_group_header *ret_group, uint64_t *ret_position);
/* The last group of files[i]'s incarnation that counts: known from the one after it; UINT64_MAX: there is none after it. */
uint64_t recovery_limit(const struct recovery *recovery, size_t i);
/* recovery->durable: up to which group files[i]'s incarnation is known to have been durable. */
pyr_result recovery_find_durable(struct recovery *recovery, size_t i);

/* ---- replay.c ---- */

/* The frames of a whole group. */
pyr_result recovery_apply(struct recovery *recovery, const struct log_group_header *group, struct base_bytes bytes);
/* A durable group is lost, and nobody knows whose it was. */
pyr_result recovery_damage_all(struct recovery *recovery);

/* ---- rewrite.c ---- */

/* Writes and syncs what was applied of the loaded file behind what is proven durable. */
pyr_result recovery_rewrite(struct recovery *recovery, const struct found_file *found);

#endif
