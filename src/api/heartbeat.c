/* A subscription's thread: heartbeats between its owner's calls, as long as those come often enough (see subscription.h).
 *
 *	wait  --a heartbeat is due-->  send it  --the owner was away for max_poll_us-->  leave the group, so that others go on
 *
 * Lock: the subscription's, held in every call of its owner's and for each heartbeat; what asks and waits for the node under it
 * takes that question's own. Failure modes: a heartbeat that fails is told by nobody but the owner's next call. */
#include "api/subscription.h"

#include "os/terminal.h"

enum { IDLE_US = 1000000 };

static void run(void *context)
{
	struct pyr_subscription *subscription = context;
	struct api_heartbeat *heartbeat = &subscription->heartbeat;
	struct api_member *member = &subscription->member;
	os_mutex_lock(&heartbeat->lock);
	while (!heartbeat->ending) {
		uint64_t now_us = os_terminal_now_us(), away_us = heartbeat->called_us + member->max_poll_us;
		uint64_t next_us = member->beat_us < away_us ? member->beat_us : away_us;
		if (member->epoch <= 0 || member->is_out)
			(void)os_condition_wait_for(&heartbeat->changed, &heartbeat->lock, IDLE_US);
		else if (now_us >= away_us)
			api_member_leave(subscription);
		else if (now_us >= next_us)
			api_member_beat(subscription, now_us);
		else
			(void)os_condition_wait_for(&heartbeat->changed, &heartbeat->lock, next_us - now_us);
	}
	os_mutex_unlock(&heartbeat->lock);
}

pyr_result api_heartbeat_start(struct pyr_subscription *subscription)
{
	struct api_heartbeat *heartbeat = &subscription->heartbeat;
	if (!subscription->group)
		return pyr_ok();
	os_mutex_init(&heartbeat->lock);
	os_condition_init(&heartbeat->changed);
	heartbeat->called_us = os_terminal_now_us();
	pyr_result started = os_thread_start(&heartbeat->thread, "heartbeat", run, subscription);
	heartbeat->runs = started.code == PYR_OK;
	if (!heartbeat->runs) {
		os_condition_deinit(&heartbeat->changed);
		os_mutex_deinit(&heartbeat->lock);
	}
	return started;
}

void api_heartbeat_stop(struct pyr_subscription *subscription)
{
	struct api_heartbeat *heartbeat = &subscription->heartbeat;
	if (!heartbeat->runs)
		return;
	os_mutex_lock(&heartbeat->lock);
	heartbeat->ending = true;
	os_condition_signal(&heartbeat->changed);
	os_mutex_unlock(&heartbeat->lock);
	os_thread_join(&heartbeat->thread);
	os_condition_deinit(&heartbeat->changed);
	os_mutex_deinit(&heartbeat->lock);
	heartbeat->runs = false;
}

void api_call_begin(struct pyr_subscription *subscription)
{
	if (subscription->heartbeat.runs)
		os_mutex_lock(&subscription->heartbeat.lock);
}

void api_call_end(struct pyr_subscription *subscription)
{
	struct api_heartbeat *heartbeat = &subscription->heartbeat;
	if (!heartbeat->runs)
		return;
	heartbeat->called_us = os_terminal_now_us();
	os_condition_signal(&heartbeat->changed);
	os_mutex_unlock(&heartbeat->lock);
}
