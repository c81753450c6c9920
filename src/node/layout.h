/* The data directory's top: how many shards it has, and where each lives. docs/formats/log.md.
 *
 *   shards        the number of shards, as text, written once when the directory is made
 *   lock          held while a process has the directory open
 *   shard-0/ ...  one log each
 */
#ifndef PYRALOG_NODE_LAYOUT_H
#define PYRALOG_NODE_LAYOUT_H

#include "base/error.h"
#include "os/disk.h"

#include <stddef.h>

enum { NODE_SHARD_FOLDER_MAX = 16 };

/* Locks the directory behind `root` and finds the number of its shards; one that is empty is made with `wanted`. 0: as
 * many as there are, and `fallback` for a new one. PYR_BUSY (another process has it), PYR_INVALID_CONFIG (it was made with
 * another number), PYR_CORRUPT, PYR_IO, each with a sentence. Blocks. */
pyr_result node_layout_open(struct os_disk *root, size_t wanted, size_t fallback, size_t *ret_count,
                            struct pyr_error *error);
/* "shard-3" */
void node_layout_folder(size_t shard, char ret_name[NODE_SHARD_FOLDER_MAX]);

#endif
