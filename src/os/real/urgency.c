/* Urgency of threads: the kernel's scheduler keeps to it, or ignores it; nothing depends on it but latency.
 *
 * Since Linux 6.12 a thread may ask for a shorter slice than the usual few milliseconds (sched_setattr(2), sched_runtime): it
 * is then preferred when it wakes up, and gets no more of the processor in the long run. An older kernel ignores that.
 */
#include "os/real.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROMPT_SLICE_NS = 100000, BACKGROUND_NICE = 5 };

/* glibc has no name for it before 2.41. */
struct scheduling {
	uint32_t size;
	uint32_t policy; /* 0: SCHED_OTHER */
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void ask_slice(uint64_t ns)
{
	struct scheduling wish = {.size = sizeof wish, .runtime = ns, .nice = getpriority(PRIO_PROCESS, 0)};
	(void)syscall(SYS_sched_setattr, 0, &wish, 0);
}

void os_real_thread_urgency(enum os_urgency urgency)
{
	ask_slice(urgency == OS_PROMPT ? PROMPT_SLICE_NS : 0);
	if (urgency == OS_BACKGROUND)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
}
