/* The process's environment and limits (see environment.h). */
#include "os/environment.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

const char *os_environment_get(const char *name)
{
	return getenv(name);
}

bool os_environment_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

unsigned os_environment_processors(void)
{
	cpu_set_t allowed;
	int count = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
	return count > 0 ? (unsigned)count : 1;
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
