/* Followers: copies of the catalog on other loops, fed with every event in order (see catalog.h).
 *
 * The leader alone writes the log and answers changes. An event is fed to all followers just before the leader applies it;
 * each applies it on its own loop and reports back. A change is answered when all followers have applied everything that
 * the leader had when the change was decided: whoever hears of a topic finds it on every loop.
 * Failure modes: a follower without memory for an event fails the changes that wait for it. Threads: a feed belongs to the
 * follower's loop while it is there, to the leader's else; no lock.
 */
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One event on its way to one follower, and back. */
struct catalog_feed {
	struct os_task task;
	struct base_list node; /* in the leader's feeds, until it is back */
	struct catalog_follower *follower;
	struct catalog_event event;
	uint64_t version; /* the leader's, with this event */
	pyr_result result;
	uint8_t actions[]; /* of the event, a copy */
};

struct catalog_follower {
	struct catalog *leader;
	struct catalog *catalog;
	uint64_t applied; /* the leader's version up to which it has reported */
};

pyr_result catalog_follow(struct catalog *leader, struct catalog *catalog)
{
	struct base_slice state;
	assert(!leader->leader && !catalog->log);
	if (!base_array_reserve(&leader->followers, &leader->follower_capacity, leader->follower_count + 1,
	                        sizeof(struct catalog_follower *)))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct catalog_follower *follower = calloc(1, sizeof *follower);
	if (!follower)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*follower = (struct catalog_follower){.leader = leader, .catalog = catalog, .applied = leader->version};
	leader->followers[leader->follower_count++] = follower;
	catalog->leader = leader;
	struct log_observer from = catalog_observer(leader), to = catalog_observer(catalog);
	PYR_TRY(from.snapshot(from.context, &state));
	pyr_result restored = to.restore(to.context, (struct base_bytes){state.data, state.bytes});
	base_slice_release(&state);
	return restored;
}

/* ---- changes that wait ---- */

static bool is_followed(const struct catalog *leader, uint64_t version)
{
	for (size_t i = 0; i < leader->follower_count; i++)
		if (leader->followers[i]->applied < version)
			return false;
	return true;
}

static void go_home(struct os_task *task)
{
	struct catalog_change *change = BASE_CONTAINER(task, struct catalog_change, travel);
	change->done(change);
}

static void answer(struct catalog *leader, struct catalog_change *change)
{
	if (change->home == leader) {
		change->done(change);
		return;
	}
	change->travel.run = go_home;
	os_loop_post(change->home->loop, &change->travel);
}

void catalog_change_finish(struct catalog *leader, struct catalog_change *change)
{
	assert(!leader->leader);
	change->version = leader->version;
	if (is_followed(leader, change->version))
		answer(leader, change);
	else
		base_list_append(&leader->waiting, &change->node);
}

static void answer_followed(struct catalog *leader)
{
	while (!base_list_empty(&leader->waiting)) {
		struct catalog_change *change = BASE_CONTAINER(leader->waiting.next, struct catalog_change, node);
		if (!is_followed(leader, change->version))
			break;
		base_list_remove(&change->node);
		answer(leader, change);
	}
}

static void fail_waiting(struct catalog *leader, const struct catalog_feed *feed)
{
	for (struct base_list *node = leader->waiting.next; node != &leader->waiting; node = node->next) {
		struct catalog_change *change = BASE_CONTAINER(node, struct catalog_change, node);
		if (change->version >= feed->version && change->result.code == PYR_OK)
			change->result = feed->result;
	}
}

/* ---- feeding ---- */

static void come_back(struct os_task *task)
{
	struct catalog_feed *feed = BASE_CONTAINER(task, struct catalog_feed, task);
	struct catalog *leader = feed->follower->leader;
	feed->follower->applied = feed->version;
	if (feed->result.code == PYR_OUT_OF_MEMORY)
		fail_waiting(leader, feed);
	base_list_remove(&feed->node);
	free(feed);
	answer_followed(leader);
}

static void arrive(struct os_task *task)
{
	struct catalog_feed *feed = BASE_CONTAINER(task, struct catalog_feed, task);
	feed->result = catalog_event_apply(feed->follower->catalog, &feed->event);
	feed->task.run = come_back;
	os_loop_post(feed->follower->leader->loop, &feed->task);
}

static struct catalog_feed *feed_new(struct catalog *leader, struct catalog_follower *follower,
                                     const struct catalog_event *event)
{
	struct catalog_feed *feed = calloc(1, sizeof *feed + event->actions.bytes);
	if (!feed)
		return NULL;
	feed->task.run = arrive;
	feed->follower = follower;
	feed->event = *event;
	feed->event.actions.data = feed->actions;
	if (event->actions.bytes > 0)
		memcpy(feed->actions, event->actions.data, event->actions.bytes);
	feed->version = leader->version + 1;
	base_list_init(&feed->node);
	return feed;
}

static void free_feeds(struct base_list *feeds)
{
	struct base_list *node;
	while ((node = base_list_pop(feeds)))
		free(BASE_CONTAINER(node, struct catalog_feed, node));
}

pyr_result catalog_feed(struct catalog *leader, const struct catalog_event *event)
{
	struct base_list fresh;
	base_list_init(&fresh);
	for (size_t i = 0; i < leader->follower_count; i++) {
		struct catalog_feed *feed = feed_new(leader, leader->followers[i], event);
		if (!feed) {
			free_feeds(&fresh);
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		}
		base_list_append(&fresh, &feed->node);
	}
	/* In the list before any of them can come back. */
	struct base_list *first = fresh.next;
	size_t left = leader->follower_count;
	base_list_splice(&leader->feeds, &fresh);
	for (struct base_list *node = first; left > 0; left--) {
		struct catalog_feed *feed = BASE_CONTAINER(node, struct catalog_feed, node);
		node = node->next;
		os_loop_post(feed->follower->catalog->loop, &feed->task);
	}
	return pyr_ok();
}

/* ---- changes asked for on a follower's loop ---- */

static void carry_out(struct os_task *task)
{
	struct catalog_change *change = BASE_CONTAINER(task, struct catalog_change, travel);
	change->carry_out(change->home->leader, change);
}

void catalog_change_begin(struct catalog *home, struct catalog_change *change,
                          void (*carry_out_there)(struct catalog *leader, struct catalog_change *change))
{
	change->home = home;
	change->carry_out = carry_out_there;
	base_list_init(&change->node);
	if (!home->leader) {
		carry_out_there(home, change);
		return;
	}
	change->travel.run = carry_out;
	os_loop_post(home->leader->loop, &change->travel);
}

void catalog_followers_free(struct catalog *leader)
{
	free_feeds(&leader->feeds);
	for (size_t i = 0; i < leader->follower_count; i++)
		free(leader->followers[i]);
	free(leader->followers);
}
