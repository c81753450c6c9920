/* Requests that wait: for a promise, for the clock, in line for a lock, or for a session's end (see pharaoh_priv.h).
 *
 *	waiting  --a keep begins-->  covered  --it ends-->  served again, or told
 *	late     --a millisecond-->  served again
 *	in_line  --its turn, its session's end, its time-->  told
 *	watching --a tick-->  served again            --its time-->  told
 *
 * Keeps begin at the end of a turn of the loop, so that all that came in it share one. */
#include "server/pharaoh/pharaoh_priv.h"

#include <assert.h>

enum { LATE_US = 1000 };

static void answer(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	ask->answered(ask, reply);
}

static void refuse(struct pharaoh_ask *ask, pyr_result result, const struct pyr_error *error)
{
	struct codec_pharaoh reply;
	pharaoh_refuse(&ask->request, result, error, &reply);
	answer(ask, &reply);
}

static void serve_again(struct pharaoh_ask *ask)
{
	struct codec_pharaoh reply;
	if (pharaoh_ask_serve(ask->server, ask, &reply))
		answer(ask, &reply);
}

/* ---- promises ---- */

static void kick_soon(struct pharaoh_server *server)
{
	if (server->kicked || server->keeping)
		return;
	server->kicked = true;
	os_loop_defer(server->options.loop, &server->kick);
}

static void run_keep(struct os_job *job)
{
	struct pharaoh_server *server = BASE_CONTAINER(job, struct pharaoh_server, keep);
	server->kept = pharaoh_keep_run(server->options.core, &server->keep_error);
}

static void go_on(struct pharaoh_ask *ask, pyr_result kept, const struct pyr_error *error)
{
	if (ask->verdict == PHARAOH_HOLD && pharaoh_is_kept(&ask->hold)) {
		answer(ask, &ask->held);
	} else if (kept.code != PYR_OK) {
		refuse(ask, kept, error);
	} else if (ask->verdict == PHARAOH_HOLD) {
		base_list_append(&ask->server->waiting, &ask->node);
	} else {
		serve_again(ask);
	}
}

static void all_go_on(struct base_list *list, pyr_result kept, const struct pyr_error *error)
{
	struct base_list now;
	base_list_init(&now);
	base_list_splice(&now, list);
	for (struct base_list *node; (node = base_list_pop(&now));)
		go_on(BASE_CONTAINER(node, struct pharaoh_ask, node), kept, error);
}

static void end_keep(struct os_job *job)
{
	struct pharaoh_server *server = BASE_CONTAINER(job, struct pharaoh_server, keep);
	server->keeping = false;
	pharaoh_keep_end(server->options.core, server->kept);
	all_go_on(&server->covered, server->kept, &server->keep_error);
	if (!base_list_empty(&server->waiting))
		kick_soon(server);
	pharaoh_server_settle(server);
}

static void kick(struct os_task *task)
{
	struct pharaoh_server *server = BASE_CONTAINER(task, struct pharaoh_server, kick);
	server->kicked = false;
	if (server->keeping || base_list_empty(&server->waiting)) {
		pharaoh_server_settle(server);
		return;
	}
	base_list_splice(&server->covered, &server->waiting);
	server->keep_error = (struct pyr_error){0};
	server->keeping = pharaoh_keep_begin(server->options.core);
	if (server->keeping)
		os_submit(server->executor, &server->keep);
	else
		all_go_on(&server->covered, pyr_ok(), NULL);
	if (!server->keeping && !base_list_empty(&server->waiting))
		kick_soon(server);
}

/* ---- the clock ---- */

static void late_is_over(struct os_timer *timer)
{
	struct pharaoh_server *server = BASE_CONTAINER(timer, struct pharaoh_server, late_timer);
	struct base_list now;
	base_list_init(&now);
	base_list_splice(&now, &server->late);
	for (struct base_list *node; (node = base_list_pop(&now));)
		serve_again(BASE_CONTAINER(node, struct pharaoh_ask, node));
	pharaoh_server_settle(server);
}

static void wait_for_clock(struct pharaoh_ask *ask)
{
	struct pharaoh_server *server = ask->server;
	if (base_list_empty(&server->late))
		os_timer_start(server->options.loop, &server->late_timer, LATE_US);
	base_list_append(&server->late, &ask->node);
}

/* ---- lines ---- */

static void leave_line(struct pharaoh_ask *ask)
{
	os_timer_stop(ask->server->options.loop, &ask->timer);
	base_list_remove(&ask->node);
}

static void told(struct lock_waiter *waiter, pyr_result result, uint64_t token)
{
	struct pharaoh_ask *ask = BASE_CONTAINER(waiter, struct pharaoh_ask, waiter);
	struct pyr_error error = {0};
	leave_line(ask);
	if (result.code != PYR_OK) {
		if (result.code == PYR_NOT_FOUND)
			pyr_ignore(pyr_fail(&error, PYR_NOT_FOUND, "the session ended while it waited for the lock"));
		if (result.code == PYR_NOT_LEADER) /* a redirect has an owner, and this one knows none */
			result = pyr_fail(&error, PYR_STOPPED, "the node stops, or its lease has ended: ask again");
		refuse(ask, result, &error);
		return;
	}
	ask->held.code = PYR_OK;
	ask->held.session = ask->request.session;
	ask->held.token = token;
	answer(ask, &ask->held);
}

void pharaoh_ask_cancel(struct pharaoh_ask *ask)
{
	leave_line(ask);
	if (ask->verdict == PHARAOH_IN_LINE)
		pharaoh_give_up(ask->server->options.core, &ask->waiter);
}

static void time_is_over(struct os_timer *timer)
{
	struct pharaoh_ask *ask = BASE_CONTAINER(timer, struct pharaoh_ask, timer);
	struct pyr_error error = {.text = "the lock was not free in time"};
	pharaoh_ask_cancel(ask);
	refuse(ask, pyr_result_of(PYR_TIMED_OUT), &error);
}

static void stand_in_line(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	ask->held = *reply; /* slot and epoch */
	ask->waiter.done = told;
	ask->timer.fire = time_is_over;
	base_list_append(&ask->server->in_line, &ask->node);
	os_timer_start(ask->server->options.loop, &ask->timer, (uint64_t)ask->request.wait_ms * 1000);
}

/* ---- sessions that are watched ---- */

static void watch_is_over(struct os_timer *timer)
{
	struct pharaoh_ask *ask = BASE_CONTAINER(timer, struct pharaoh_ask, timer);
	struct pyr_error error = {.text = "the session lives"};
	leave_line(ask);
	refuse(ask, pyr_result_of(PYR_TIMED_OUT), &error);
}

static void watch(struct pharaoh_ask *ask)
{
	base_list_append(&ask->server->watching, &ask->node);
	if (ask->timer.fire)
		return; /* it was looked at again */
	ask->timer.fire = watch_is_over;
	os_timer_start(ask->server->options.loop, &ask->timer, (uint64_t)ask->request.wait_ms * 1000);
}

void pharaoh_asks_look(struct pharaoh_server *server)
{
	struct base_list now;
	base_list_init(&now);
	base_list_splice(&now, &server->watching);
	for (struct base_list *node; (node = base_list_pop(&now));) {
		struct pharaoh_ask *ask = BASE_CONTAINER(node, struct pharaoh_ask, node);
		struct codec_pharaoh reply;
		if (!pharaoh_ask_serve(server, ask, &reply))
			continue;
		os_timer_stop(server->options.loop, &ask->timer);
		answer(ask, &reply);
	}
}

/* ---- serving ---- */

bool pharaoh_ask_serve(struct pharaoh_server *server, struct pharaoh_ask *ask, struct codec_pharaoh *ret_reply)
{
	ask->server = server;
	ask->verdict = pharaoh_serve(server->options.core, pharaoh_server_now_ms(server), &ask->request, &ask->waiter,
	                             &ask->hold, ret_reply);
	switch (ask->verdict) {
	case PHARAOH_DONE:
		return true;
	case PHARAOH_LATER:
		wait_for_clock(ask);
		break;
	case PHARAOH_IN_LINE:
		stand_in_line(ask, ret_reply);
		break;
	case PHARAOH_WATCHING:
		watch(ask);
		break;
	default:
		ask->held = *ret_reply;
		base_list_append(&server->waiting, &ask->node);
		kick_soon(server);
	}
	return false;
}

void pharaoh_server_ask(struct pharaoh_server *server, struct pharaoh_ask *ask)
{
	ask->server = server;
	ask->timer = (struct os_timer){0};
	ask->waiter = (struct lock_waiter){0};
	if (server->closing) {
		refuse(ask, pyr_result_of(PYR_STOPPED), &(struct pyr_error){.text = "the node stops"});
		return;
	}
	serve_again(ask);
}

void pharaoh_asks_init(struct pharaoh_server *server)
{
	base_list_init(&server->waiting);
	base_list_init(&server->covered);
	base_list_init(&server->late);
	base_list_init(&server->in_line);
	base_list_init(&server->watching);
	server->kick.run = kick;
	server->keep.run = run_keep;
	server->keep.done = end_keep;
	server->late_timer.fire = late_is_over;
}
