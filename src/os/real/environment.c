/* The process's environment and limits (see environment.h). */
#include "os/environment.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>

const char *os_environment_get(const char *name)
{
	return getenv(name);
}

void os_environment_raise_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* A refusal leaves the limit as it was: connections are then refused earlier. */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

void os_memory_keep(unsigned bytes)
{
	enum { MMAP_BYTES = 32 << 20, PAD_BYTES = 16 << 20 }; /* the largest that glibc takes; grow in large steps */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, (int)bytes);
	(void)mallopt(M_TOP_PAD, PAD_BYTES);
}

void os_memory_trim(void)
{
	malloc_trim(0);
}
