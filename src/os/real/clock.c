/* The system's clocks for threads that have no loop (see real.h). A clock that can't be read is a kernel that is not one. */
#include "os/real.h"

#include <assert.h>
#include <time.h>

static uint64_t read_ms(clockid_t clock)
{
	struct timespec now = {0};
	int failed = clock_gettime(clock, &now);
	assert(!failed);
	(void)failed;
	return now.tv_sec > 0 ? (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 : 0;
}

uint64_t os_real_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint64_t os_real_steady_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}
