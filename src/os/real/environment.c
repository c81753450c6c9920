/* The process's environment and limits (see environment.h). */
#include "os/environment.h"

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
