/* What happens to a consumer group whoever asks: epochs, targets, sessions, members that go (see consumer.h).
 *
 * A member that uses the classic protocol has three times to keep: its session; once it was told to join again, its
 * rebalance timeout to do so; and once it has joined, as long to ask for its assignment. Pure (see machine.h). */
#include "group/consumer.h"

#include <stdlib.h>

struct group_timing group_consumers_timing(const struct group *group, const struct group_world *world)
{
	struct group_timing timing = {world->options->consumer_session_timeout_ms,
	                              world->options->consumer_heartbeat_ms};
	if (world->timing_find)
		world->timing_find(world->context, group_bytes(group->id), &timing);
	return timing;
}

void group_consumer_renew(struct group_consumer *member, const struct group *group, const struct group_world *world)
{
	int32_t timeout_ms = group_consumer_is_classic(member)
	                             ? member->session_timeout_ms
	                             : group_consumers_timing(group, world).session_timeout_ms;
	member->session_us = world->now_us + (uint64_t)timeout_ms * 1000;
}

int16_t group_consumer_check(const struct group *group, struct base_bytes id, int32_t epoch,
                             struct group_consumer **ret_member)
{
	struct group_consumer *member = group_consumer_find(group, id);
	if (!member)
		return GROUP_UNKNOWN_MEMBER;
	*ret_member = member;
	if (member->epoch == epoch)
		return GROUP_NONE;
	return group_consumer_is_classic(member) ? GROUP_ILLEGAL_GENERATION : GROUP_STALE_MEMBER_EPOCH;
}

/* ---- members go ---- */

/* Its partitions are free at once; what it means for the others is reckoned at the next heartbeat. */
void group_consumer_remove(struct group *group, struct group_consumer *member, const struct group_world *world,
                           struct base_writer *records)
{
	group_record_member_tombstones(group, member, records);
	group_consumer_free(group, member);
	if (group->consumers->members.count > 0)
		return;
	group->consumers->epoch += 1;
	group->consumers->assignment_epoch = group->consumers->epoch;
	group->state_ms = world->wall_ms;
	group_record_epoch(group, records);
	group_record_target_epoch(group, records);
}

static void move_subscription(struct group_consumer *to, struct group_consumer *from)
{
	to->topics = from->topics;
	to->topic_count = from->topic_count;
	to->pattern = from->pattern;
	to->regex = from->regex;
	from->topics = NULL;
	from->topic_count = 0;
	from->pattern = NULL;
	from->regex = (struct base_slice){0};
}

struct group_consumer *group_consumer_take_over(struct group *group, struct group_consumer *old, struct base_bytes id,
                                                struct base_writer *records)
{
	bool was_stale = group->consumers->stale;
	struct group_consumer *fresh = group_consumer_new(group, id);
	if (!fresh || !group_keep(&fresh->instance_id, group_bytes(old->instance_id))) {
		if (fresh)
			group_consumer_free(group, fresh);
		return NULL;
	}
	group_parts_move(&fresh->assigned, &old->assigned);
	group_parts_move(&fresh->target, &old->target);
	move_subscription(fresh, old);
	group_record_member_tombstones(group, old, records);
	group_consumer_free(group, old);
	group->consumers->stale = was_stale;
	group_record_target(group, fresh, records);
	return fresh;
}

/* ---- epochs ---- */

static void note_topics(struct group *group, const struct group_world *world)
{
	struct group_consumers *consumers = group->consumers;
	if (!consumers->stale && consumers->topics_version == world->topics_version)
		return;
	int64_t hash = group_topics_hash(group, world);
	consumers->topics_version = world->topics_version;
	consumers->stale |= hash != consumers->hash;
	consumers->hash = hash;
}

bool group_consumers_refresh(struct group *group, const struct group_world *world, struct base_writer *records)
{
	struct group_consumers *consumers = group->consumers;
	const struct base_list *head = &consumers->list;
	note_topics(group, world);
	if (!consumers->stale)
		return true;
	if (!group_assign(group, world))
		return false;
	consumers->stale = false;
	consumers->epoch += 1;
	consumers->assignment_epoch = consumers->epoch;
	group_record_epoch(group, records);
	for (struct base_list *node = head->next; node != head; node = node->next)
		group_record_target(group, BASE_CONTAINER(node, struct group_consumer, node), records);
	group_record_target_epoch(group, records);
	return true;
}

/* ---- time ---- */

static uint64_t deadline_of(const struct group_consumer *member)
{
	const uint64_t others_us[] = {member->revoke_us, member->join_us, member->sync_us};
	uint64_t deadline_us = member->session_us;
	for (size_t i = 0; i < sizeof others_us / sizeof others_us[0]; i++)
		if (others_us[i] > 0 && others_us[i] < deadline_us)
			deadline_us = others_us[i];
	return deadline_us;
}

void group_consumers_tick(struct group *group, const struct group_world *world, struct group_effects *effects)
{
	struct group_write *write = NULL;
	struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next, *next; node != head; node = next) {
		struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		next = node->next;
		if (world->now_us < deadline_of(member))
			continue;
		if (!write)
			write = group_write_new(group, GROUP_WRITE_RECORDS, NULL);
		if (!write)
			return; /* at the next tick */
		group_consumer_remove(group, member, world, &write->records);
	}
	if (write)
		(void)group_write_queue(write, effects);
	group_downgrade_if_due(group, world, effects);
}

void group_consumers_restored(struct group *group, const struct group_world *world)
{
	const struct base_list *head = &group->consumers->list;
	group->consumers->stale = group->consumers->epoch != group->consumers->assignment_epoch;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		group_consumer_renew(member, group, world);
		if (member->state == GROUP_MEMBER_UNREVOKED && !group_consumer_is_classic(member))
			member->revoke_us = world->now_us + (uint64_t)member->rebalance_timeout_ms * 1000;
	}
}

uint64_t group_consumers_deadline_us(const struct group *group)
{
	const struct base_list *head = &group->consumers->list;
	uint64_t deadline_us = UINT64_MAX;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		uint64_t one_us = deadline_of(BASE_CONTAINER(node, struct group_consumer, node));
		deadline_us = one_us < deadline_us ? one_us : deadline_us;
	}
	return deadline_us;
}

/* ---- looking ---- */

const char *group_consumers_state_name(const struct group *group)
{
	const struct group_consumers *consumers = group->consumers;
	const struct base_list *head = &consumers->list;
	if (consumers->members.count == 0)
		return "Empty";
	if (consumers->epoch > consumers->assignment_epoch || consumers->stale)
		return "Assigning";
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		if (member->state != GROUP_MEMBER_STABLE || member->epoch != consumers->assignment_epoch)
			return "Reconciling";
	}
	return "Stable";
}

bool group_consumers_subscribe(const struct group *group, struct base_bytes topic)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (group_consumer_wants(BASE_CONTAINER(node, struct group_consumer, node), topic))
			return true;
	return false;
}
