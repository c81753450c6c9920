/* The place of a folder: whether it is where it was when something was last done in it, or a copy that was made by copying files.
 *
 *   place    a line of four numbers in hexadecimal digits: this file's inode, when it was made (nanoseconds, 0: the file system does
 *            not tell), the machine (0: it has no name), and the directory's own number, drawn by chance
 *
 * A copy's file has another inode, or another birth; a cloned machine, usually, another name. What can't be told is a machine that
 * was cloned with its name, or a snapshot of a disk that is used on the same one. Blocks. Owner: whoever opens the folder. */
#ifndef PYRALOG_NODE_PLACE_H
#define PYRALOG_NODE_PLACE_H

#include "base/error.h"
#include "os/disk.h"

#include <stdint.h>

enum node_place_verdict {
	NODE_PLACE_SAME,
	NODE_PLACE_NEW, /* nothing was noted */
	NODE_PLACE_COPY,
};

/* `disk` is the folder, `path` its path. *ret_directory: the directory's number, a new one unless it is the same. */
pyr_result node_place_look(struct os_disk *disk, const char *path, enum node_place_verdict *ret_verdict,
                           uint64_t *ret_directory);
pyr_result node_place_note(struct os_disk *disk, const char *path, uint64_t directory); /* durable */

#endif
