/* Members of a classic group and their protocols (see machine.h). */
#include "base/hash.h"
#include "group/group_priv.h"

#include <assert.h>
#include <stdlib.h>

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return group_same(group_bytes(BASE_CONTAINER(node, struct group_member, by_id)->id),
	                  *(const struct base_bytes *)key);
}

static uint64_t hash_of(struct base_bytes id)
{
	return base_hash_bytes(id.data, id.bytes);
}

struct group_member *group_member_find(const struct group *group, struct base_bytes id)
{
	struct base_table_node *node = base_table_find(&group->members, hash_of(id), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct group_member, by_id) : NULL;
}

struct group_member *group_member_of_instance(const struct group *group, struct base_bytes instance_id)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_member *member = BASE_CONTAINER(node, struct group_member, node);
		if (member->instance_id.data && group_same(group_bytes(member->instance_id), instance_id))
			return member;
	}
	return NULL;
}

int16_t group_member_check(const struct group *group, struct base_bytes id, struct base_bytes instance_id,
                           struct group_member **ret_member)
{
	struct group_member *member = NULL;
	if (instance_id.data) {
		member = group_member_of_instance(group, instance_id);
		if (!member)
			return GROUP_UNKNOWN_MEMBER;
		if (!group_same(group_bytes(member->id), id))
			return GROUP_FENCED_INSTANCE;
	} else {
		member = group_member_find(group, id);
	}
	if (!member)
		return GROUP_UNKNOWN_MEMBER;
	*ret_member = member;
	return GROUP_NONE;
}

/* ---- protocols ---- */

void group_protocols_free(struct group_protocol *protocols, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		base_slice_release(&protocols[i].name);
		base_slice_release(&protocols[i].metadata);
	}
	free(protocols);
}

struct group_protocol *group_protocols_copy(const struct codec_kafka_join_group_request_protocol *asked, size_t count)
{
	struct group_protocol *protocols = calloc(count + 1, sizeof *protocols);
	if (!protocols)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (!group_keep(&protocols[i].name, asked[i].name) ||
		    !group_keep(&protocols[i].metadata, asked[i].metadata)) {
			group_protocols_free(protocols, i + 1);
			return NULL;
		}
	return protocols;
}

struct group_protocol *group_protocols_share(const struct group_protocol *protocols, size_t count)
{
	struct group_protocol *copy = calloc(count + 1, sizeof *copy);
	for (size_t i = 0; copy && i < count; i++) {
		copy[i].name = base_slice_ref(protocols[i].name);
		copy[i].metadata = base_slice_ref(protocols[i].metadata);
	}
	return copy;
}

bool group_member_has_protocol(const struct group_member *member, struct base_bytes name)
{
	for (size_t i = 0; i < member->protocol_count; i++)
		if (group_same(group_bytes(member->protocols[i].name), name))
			return true;
	return false;
}

struct base_bytes group_member_metadata(const struct group_member *member, struct base_bytes protocol)
{
	for (size_t i = 0; i < member->protocol_count; i++)
		if (group_same(group_bytes(member->protocols[i].name), protocol))
			return group_bytes(member->protocols[i].metadata);
	return (struct base_bytes){(const uint8_t *)"", 0};
}

bool group_member_matches(const struct group_member *member, const struct codec_kafka_join_group_request *asked)
{
	if (member->protocol_count != asked->protocols_count)
		return false;
	for (size_t i = 0; i < asked->protocols_count; i++)
		if (!group_same(group_bytes(member->protocols[i].name), asked->protocols[i].name) ||
		    !group_same(group_bytes(member->protocols[i].metadata), asked->protocols[i].metadata))
			return false;
	return true;
}

static bool all_know(const struct group *group, struct base_bytes protocol)
{
	const struct base_list *head = &group->member_list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (!group_member_has_protocol(BASE_CONTAINER(node, struct group_member, node), protocol))
			return false;
	return true;
}

bool group_protocols_fit(const struct group *group, const struct codec_kafka_join_group_request *asked)
{
	if (asked->protocol_type.bytes == 0 || asked->protocols_count == 0)
		return false;
	if (!group_has_members(group))
		return true;
	if (!group_same(group_bytes(group->protocol_type), asked->protocol_type))
		return false;
	for (size_t i = 0; i < asked->protocols_count; i++)
		if (all_know(group, asked->protocols[i].name))
			return true;
	return false;
}

/* The member's vote: its first protocol among the candidates, which are some of `first`'s. */
static size_t vote_of(const struct group_member *member, const struct group_member *first, const bool *is_candidate)
{
	for (size_t i = 0; i < member->protocol_count; i++)
		for (size_t j = 0; j < first->protocol_count; j++)
			if (is_candidate[j] &&
			    group_same(group_bytes(member->protocols[i].name), group_bytes(first->protocols[j].name)))
				return j;
	return GROUP_PROTOCOLS_MAX;
}

struct base_bytes group_protocol_elect(const struct group *group)
{
	const struct base_list *head = &group->member_list;
	bool is_candidate[GROUP_PROTOCOLS_MAX];
	size_t votes[GROUP_PROTOCOLS_MAX + 1] = {0}, best = 0;
	if (!group_has_members(group))
		return (struct base_bytes){0};
	/* Every candidate is known to all, so to the first. */
	const struct group_member *first = BASE_CONTAINER(head->next, struct group_member, node);
	assert(first->protocol_count <= GROUP_PROTOCOLS_MAX);
	for (size_t i = 0; i < first->protocol_count; i++)
		is_candidate[i] = all_know(group, group_bytes(first->protocols[i].name));
	for (const struct base_list *node = head->next; node != head; node = node->next)
		votes[vote_of(BASE_CONTAINER(node, struct group_member, node), first, is_candidate)] += 1;
	for (size_t i = 1; i < first->protocol_count; i++)
		if (votes[i] > votes[best])
			best = i;
	return votes[best] > 0 ? group_bytes(first->protocols[best].name) : (struct base_bytes){0};
}

/* ---- members ---- */

bool group_member_update(struct group_member *member, const struct group_call *call)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	struct group_protocol *protocols = group_protocols_copy(asked->protocols, asked->protocols_count);
	if (!protocols)
		return false;
	group_protocols_free(member->protocols, member->protocol_count);
	member->protocols = protocols;
	member->protocol_count = asked->protocols_count;
	member->session_timeout_ms = asked->session_timeout_ms;
	member->rebalance_timeout_ms =
		asked->rebalance_timeout_ms >= 0 ? asked->rebalance_timeout_ms : asked->session_timeout_ms;
	return group_keep(&member->client_id, call->client_id) && group_keep(&member->client_host, call->client_host);
}

static void free_fields(struct group_member *member)
{
	group_protocols_free(member->protocols, member->protocol_count);
	base_slice_release(&member->id);
	base_slice_release(&member->instance_id);
	base_slice_release(&member->client_id);
	base_slice_release(&member->client_host);
	base_slice_release(&member->assignment);
	free(member);
}

struct group_member *group_member_new(struct group *group, struct base_bytes id, const struct group_call *call)
{
	const struct codec_kafka_join_group_request *asked = call->request;
	struct group_member *member = calloc(1, sizeof *member);
	if (!member)
		return NULL;
	if (!group_keep(&member->id, id) || !group_keep(&member->instance_id, asked->group_instance_id) ||
	    !group_member_update(member, call) ||
	    !base_table_insert(&group->members, &member->by_id, hash_of(group_bytes(member->id)))) {
		free_fields(member);
		return NULL;
	}
	base_list_append(&group->member_list, &member->node);
	return member;
}

bool group_member_rename(struct group *group, struct group_member *member, struct base_bytes id)
{
	base_table_remove(&group->members, &member->by_id);
	bool kept = group_keep(&member->id, id);
	/* Into a table that was large enough a moment ago. */
	bool inserted = base_table_insert(&group->members, &member->by_id, hash_of(group_bytes(member->id)));
	assert(inserted);
	return kept && inserted;
}

void group_member_free(struct group *group, struct group_member *member)
{
	base_table_remove(&group->members, &member->by_id);
	base_list_remove(&member->node);
	free_fields(member);
}

struct group_pending *group_pending_find(const struct group *group, struct base_bytes id)
{
	const struct base_list *head = &group->pendings;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_pending *pending = BASE_CONTAINER(node, struct group_pending, node);
		if (group_same(group_bytes(pending->id), id))
			return pending;
	}
	return NULL;
}

void group_pending_free(struct group_pending *pending)
{
	base_list_remove(&pending->node);
	base_slice_release(&pending->id);
	free(pending);
}
