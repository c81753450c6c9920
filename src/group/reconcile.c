/* A member's way from what it has to its target, one step at a heartbeat (see consumer.h; KIP-848, "Assignment
 * Reconciliation").
 *
 * stable -> unrevoked: it has partitions that are not its any more, and keeps its epoch until it gave them up.
 * unrevoked -> stable or unreleased: it gave them up, takes the target's epoch and what is free of its target.
 * unreleased -> unreleased, stable: others gave up what it waits for. Pure (see machine.h). */
#include "group/consumer.h"

bool group_part_is_taken(const struct group *group, const struct group_consumer *self, const struct group_part *part)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		if (member != self &&
		    (group_parts_has(&member->assigned, part) || group_parts_has(&member->revoking, part)))
			return true;
	}
	return false;
}

bool group_consumer_waits(const struct group *group, const struct group_consumer *member)
{
	for (size_t i = 0; i < member->target.count; i++)
		if (!group_parts_has(&member->assigned, &member->target.items[i]) &&
		    group_part_is_taken(group, member, &member->target.items[i]))
			return true;
	return false;
}

/* What of the target the member can have now, besides what it keeps. */
static bool take_free(const struct group *group, const struct group_consumer *member, struct group_parts *kept,
                      bool *ret_unreleased)
{
	for (size_t i = 0; i < member->target.count; i++) {
		const struct group_part *part = &member->target.items[i];
		if (group_parts_has(&member->assigned, part))
			continue;
		if (group_part_is_taken(group, member, part))
			*ret_unreleased = true;
		else if (!group_parts_add(kept, part->topic, part->partition))
			return false;
	}
	group_parts_sort(kept);
	return true;
}

static void arrive(struct group_consumer *member, int32_t epoch, enum group_consumer_state state)
{
	if (member->epoch != epoch) {
		member->previous_epoch = member->epoch;
		member->epoch = epoch;
	}
	member->state = state;
}

static bool step(const struct group *group, struct group_consumer *member, const struct group_parts *owned)
{
	struct group_parts kept = {0}, revoking = {0};
	bool unreleased = false;
	if (!group_parts_select(&member->assigned, &member->target, true, &kept) ||
	    !group_parts_select(&member->assigned, &member->target, false, &revoking))
		goto fail;
	bool must_revoke = revoking.count > 0 && (!owned || group_parts_overlap(&revoking, owned));
	if (must_revoke) {
		arrive(member, member->epoch, GROUP_MEMBER_UNREVOKED);
		group_parts_move(&member->assigned, &kept);
		group_parts_move(&member->revoking, &revoking);
		return true;
	}
	if (!take_free(group, member, &kept, &unreleased))
		goto fail;
	arrive(member, group->consumers->assignment_epoch, unreleased ? GROUP_MEMBER_UNRELEASED : GROUP_MEMBER_STABLE);
	group_parts_move(&member->assigned, &kept);
	group_parts_free(&member->revoking);
	group_parts_free(&revoking);
	return true;
fail:
	group_parts_free(&kept);
	group_parts_free(&revoking);
	return false;
}

bool group_reconcile(const struct group *group, struct group_consumer *member, const struct group_parts *owned,
                     bool *ret_changed)
{
	struct group_parts none = {0}, before = {0};
	int32_t epoch = member->epoch;
	enum group_consumer_state state = member->state;
	if (state == GROUP_MEMBER_STABLE && epoch == group->consumers->assignment_epoch)
		return true;
	if (state == GROUP_MEMBER_UNREVOKED && (!owned || group_parts_overlap(&member->revoking, owned)))
		return true;
	if (!group_parts_select(&member->assigned, &none, false, &before))
		return false;
	bool stepped = step(group, member, owned);
	*ret_changed |= stepped && (epoch != member->epoch || state != member->state ||
	                            !group_parts_equal(&before, &member->assigned));
	group_parts_free(&before);
	return stepped;
}
