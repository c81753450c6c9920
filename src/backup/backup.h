/* Copies of a data directory: taken while a server has it open, checked, and put back.
 *
 * A copy holds what a power cut at one moment would have left of each shard, and so opens as after one: every record that was
 * acknowledged before backup_make() was called is in it. The server is not asked and not held up: only its files are read, as
 * docs/formats/log.md allows. Format of the copy: docs/formats/backup.md. Blocks; any thread, not a shard's loop.
 */
#ifndef PYRALOG_BACKUP_BACKUP_H
#define PYRALOG_BACKUP_BACKUP_H

#include "base/error.h"

#include <stdint.h>

struct backup_counts {
	uint64_t files, bytes;
	uint64_t doubtful; /* segments that are not what they say of themselves: copied as they are */
	uint64_t rounds; /* passes over what changed meanwhile, all shards together */
};

/* Called with every file that is copied or checked. */
struct backup_watch {
	void (*file)(void *context, const struct backup_counts *so_far);
	void *context;
};

/* Into `to`, which must not be there, or be empty. PYR_EXISTS, PYR_CORRUPT (what is damaged is named), PYR_BUSY (files go faster
 * than they can be copied), what the disk says. A copy that failed has no file BACKUP and is refused by backup_restore(). */
pyr_result backup_make(const char *data, const char *to, const struct backup_watch *watch,
                       struct backup_counts *ret_counts, struct pyr_error *error);
/* Puts a copy into `data`, which must not be there, or be empty; each file's hash is checked. PYR_EXISTS, PYR_CORRUPT. */
pyr_result backup_restore(const char *from, const char *data, const struct backup_watch *watch,
                          struct backup_counts *ret_counts, struct pyr_error *error);
/* Checks the hashes alone. */
pyr_result backup_verify(const char *from, const struct backup_watch *watch, struct backup_counts *ret_counts,
                         struct pyr_error *error);

#endif
