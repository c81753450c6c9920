/* What a copy of a data directory must know of the numbers that its original gave, so that it gives none of them again: the file
 * "coordination" of a backup, and of a directory that was restored from one. Format: docs/formats/backup.md.
 *
 * The original goes on after it was copied. So what is restored begins far beyond: ids under another node number and, like
 * timestamps, later than any clock's reading of now, sequences 2^32 values and epochs 2^16 further.
 *
 * Reading is pure; the rest blocks. Failure modes: what the disk says; PYR_CORRUPT for a file that is none. */
#ifndef PYRALOG_NODE_HANDOVER_H
#define PYRALOG_NODE_HANDOVER_H

#include "base/cursor.h"
#include "base/error.h"
#include "coord/names.h"
#include "os/disk.h"

#define NODE_HANDOVER_FILE "coordination"
#define NODE_HANDOVER_VALUES (UINT64_C(1) << 32)

enum {
	NODE_HANDOVER_EPOCHS = 1 << 16,
	NODE_HANDOVER_AHEAD_MS = 9000, /* a promise, and how far a clock that was set back may be ahead */
	NODE_HANDOVER_BYTES_MAX = 1 << 28,
};

/* What stands in the file; 0, and -1 of the node: the original had none. */
struct node_handover {
	int node;
	uint64_t ids_ms, timestamps_ms; /* the first that were not promised: since 2025, since 1970 */
	uint64_t epochs;
};

/* `sequence` is called with each of them. PYR_CORRUPT. */
pyr_result node_handover_parse(struct base_bytes text, struct node_handover *ret_handover,
                               void (*sequence)(void *context, struct base_bytes name, uint64_t value), void *context);
/* Of a data directory, in which a server may run. */
pyr_result node_handover_write(const char *data, struct base_writer *writer, struct pyr_error *error);
/* Of a directory that was restored; PYR_NOT_FOUND: it was not. */
pyr_result node_handover_read(struct os_disk *root, struct node_handover *ret_handover);

/* Where a clock begins that may have been at `promised_ms`, counted from `epoch_ms` of 1970. */
uint64_t node_handover_begin_ms(uint64_t promised_ms, uint64_t epoch_ms);
/* The counter in this folder begins at `value` at least; sequences in theirs go on from there. Nobody has it open. */
pyr_result node_handover_raise(const char *path, uint64_t value, struct pyr_error *error);
pyr_result node_handover_sequences(struct os_disk *root, const char *path, struct pyr_error *error);

#endif
