/* What the process was started with (environment, limits), and what the system tells about a process. */
#ifndef PYRALOG_OS_ENVIRONMENT_H
#define PYRALOG_OS_ENVIRONMENT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: not set. */
const char *os_environment_get(const char *name);

/* Does somebody read standard output on a terminal? */
bool os_environment_is_terminal(void);

/* Allows as many open files as the system lets this user have. */
void os_environment_raise_limits(void);

/* Processors that this process may use; at least 1. */
unsigned os_environment_processors(void);

/* Large buffers (base/buffer.h) come from huge pages from now on, where allocator and kernel have them: a disk takes those
 * twice as fast. For the program's start, before other threads are. */
void os_memory_use_huge_pages(void);

/* Gives memory that was freed back to the system: after something unusually large. */
void os_memory_trim(void);

/* A whole file, by any path, into a buffer of its own. PYR_IO: it can't be read; PYR_TOO_LARGE: longer than bytes_max;
 * PYR_OUT_OF_MEMORY. */
pyr_result os_environment_read_file(const char *path, size_t bytes_max, struct base_slice *ret_bytes);

struct os_process_usage {
	uint64_t cpu_us; /* user and system, of all its threads, since its start */
	uint64_t resident_bytes;
	uint64_t peak_bytes; /* resident, since its start or the last reset */
	uint64_t virtual_bytes;
	uint32_t threads;
	int64_t start_ms; /* since 1970-01-01 UTC */
	uint32_t open_files; /* 0: not ours to see */
	uint64_t open_files_max;
};

/* What a process has used so far; 0 is this process. PYR_NOT_FOUND: there is none of that number. */
pyr_result os_process_usage(uint32_t pid, struct os_process_usage *ret_usage);

/* Lets the peak begin anew. PYR_IO: the process belongs to somebody else. */
pyr_result os_process_reset_peak(uint32_t pid);

#endif
