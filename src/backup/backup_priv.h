/* Shared by the backup's files: copying one file, lists of names, one shard. */
#ifndef PYRALOG_BACKUP_BACKUP_PRIV_H
#define PYRALOG_BACKUP_BACKUP_PRIV_H

#include "backup/backup.h"
#include "base/hash.h"
#include "os/disk.h"

#include <stdbool.h>
#include <stddef.h>

enum { BACKUP_PATH_MAX = 96, BACKUP_NAME_MAX = 32, BACKUP_CHUNK_BYTES = 1 << 20 };

#define BACKUP_LIST "BACKUP"

struct backup_copy {
	struct os_disk *from, *to;
	const struct backup_watch *watch;
	struct backup_counts counts;
	struct pyr_error *error;
	uint8_t *chunk; /* BACKUP_CHUNK_BYTES */
};

/* ---- files.c ---- */

struct backup_names {
	char (*names)[BACKUP_NAME_MAX]; /* sorted */
	size_t count, room;
	bool out_of_memory;
};

/* Of the files in a folder; longer ones are none of ours. A folder that is not there is empty. */
pyr_result backup_names_list(struct os_disk *disk, const char *folder, struct backup_names *names);
bool backup_names_have(const struct backup_names *names, const char *name);
void backup_names_deinit(struct backup_names *names);

/* From disk to disk under the same path, synced; blocks of zeros become holes. PYR_NOT_FOUND: it is gone. */
pyr_result backup_file_copy(struct backup_copy *copy, const char *path);
pyr_result backup_file_hash(struct backup_copy *copy, struct os_disk *disk, const char *path, uint64_t *ret_bytes,
                            uint8_t ret_hash[BASE_BLAKE3_BYTES]);
/* The bytes there, for the caller to free(); NULL: they are not there, or memory is out. */
uint8_t *backup_file_read(struct os_file *file, uint64_t position, size_t bytes);
/* Opens `root`, which must hold nothing. */
pyr_result backup_open_empty(const char *root, struct os_disk **ret_disk, struct pyr_error *error);
pyr_result backup_fail(struct backup_copy *copy, pyr_result result, const char *path);
void backup_count(struct backup_copy *copy, uint64_t bytes);

/* ---- ring.c ---- */

/* Ring files from `first_file_id` on, cut behind the last group that is whole. PYR_BUSY: one was used anew meanwhile. */
pyr_result backup_ring_copy(struct backup_copy *copy, const char *folder, uint64_t first_file_id);

/* ---- segment.c ---- */

/* *ret_sealed: it is complete, and every block of it was verified. PYR_CORRUPT: complete, but not whole. */
pyr_result backup_segment_copy(struct backup_copy *copy, const char *path, bool *ret_sealed);

/* ---- shard.c ---- */

pyr_result backup_shard_copy(struct backup_copy *copy, const char *folder);

#endif
