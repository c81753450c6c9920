/* An alarm to the microsecond: a timerfd that libuv polls. The loop's own timers keep to milliseconds, which costs one
 * system call less. Owner: the loop's thread. */
#include "os/real/real_priv.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct os_real_alarm {
	uv_poll_t poll;
	int timer;
	void (*fire)(void *context);
	void *context;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct os_real_alarm *alarm = poll->data;
	uint64_t times;
	(void)events;
	if (status == 0 && read(alarm->timer, &times, sizeof times) == (ssize_t)sizeof times)
		alarm->fire(alarm->context);
}

struct os_real_alarm *os_real_alarm_new(struct os_loop *loop, void (*fire)(void *context), void *context)
{
	struct os_real_alarm *alarm = calloc(1, sizeof *alarm);
	if (!alarm)
		return NULL;
	alarm->fire = fire;
	alarm->context = context;
	alarm->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (alarm->timer < 0) {
		free(alarm);
		return NULL;
	}
	uv_poll_init(&((struct real_loop *)loop)->uv, &alarm->poll, alarm->timer);
	alarm->poll.data = alarm;
	uv_poll_start(&alarm->poll, UV_READABLE, on_readable);
	return alarm;
}

void os_real_alarm_set(struct os_real_alarm *alarm, uint64_t due_us)
{
	/* All zeros would disarm it. */
	struct itimerspec when = {.it_value = {(time_t)(due_us / 1000000), (long)(due_us % 1000000) * 1000 + 1}};
	timerfd_settime(alarm->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_closed(uv_handle_t *handle)
{
	struct os_real_alarm *alarm = handle->data;
	close(alarm->timer);
	free(alarm);
}

void os_real_alarm_free(struct os_real_alarm *alarm)
{
	if (!alarm)
		return;
	uv_poll_stop(&alarm->poll);
	uv_close((uv_handle_t *)&alarm->poll, on_closed);
}
