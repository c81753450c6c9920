/* The least that a durable broker must do with what it acknowledges: one writer thread puts everything that waits, together, into
 * one file (O_DIRECT, O_DSYNC), and only then answers. Nothing can be read again. */
#ifndef PYRALOG_BENCH_MICRO_SINK_DISK_H
#define PYRALOG_BENCH_MICRO_SINK_DISK_H

#include "base/buffer.h"

#include <stdbool.h>

/* Makes the file and starts the writer; ends the program when that can't be done. The same 2 GB are written over and over, which
 * are there before the first batch, or, `fresh`, 16 GiB that were only reserved: what a log without used files must do. */
void sink_disk_open(const char *path, bool fresh);
/* `batch` and `answer` are copied; the answer goes to `socket` when the batch is on the disk. Any thread; blocks while two
 * groups are full. */
void sink_disk_add(struct base_bytes batch, int socket, struct base_bytes answer);

#endif
