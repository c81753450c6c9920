/* The process's memory: jemalloc, and how it is set (see environment.h).
 *
 * Why not the C library's: a loaded server's large buffers come and go a thousand times a second, and are written by direct
 * I/O. Huge pages give the disk requests of megabytes in place of 4 KiB pieces (measured: a fifth more throughput), and
 * memory that was just freed is used again rather than faulted in anew; what stays unused goes back after ten seconds.
 * Without it (sanitizers bring their own allocator) only speed is lost.
 */
#include "os/environment.h"

#ifdef PYR_JEMALLOC
#include <jemalloc/jemalloc.h>

/* Read by jemalloc when the process starts. */
[[gnu::visibility("default")]] const char *malloc_conf = "thp:always,dirty_decay_ms:10000,muzzy_decay_ms:0";

#define TEXT(value) #value
#define PURGE_ALL(arenas) "arena." TEXT(arenas) ".purge"

void os_memory_trim(void)
{
	(void)mallctl(PURGE_ALL(MALLCTL_ARENAS_ALL), NULL, NULL, NULL, 0);
}
#else
#include <malloc.h>

void os_memory_trim(void)
{
	malloc_trim(0);
}
#endif
