/* Members of a consumer group (see consumer.h). */
#include "base/hash.h"
#include "group/consumer.h"

#include <stdlib.h>

bool group_consumers_begin(struct group *group)
{
	if (group->consumers)
		return true;
	group->consumers = calloc(1, sizeof *group->consumers);
	if (!group->consumers)
		return false;
	base_list_init(&group->consumers->list);
	group->consumers->stale = true;
	group->kind = GROUP_CONSUMER;
	return true;
}

void group_consumers_free(struct group *group)
{
	struct group_consumers *consumers = group->consumers;
	if (!consumers)
		return;
	while (!base_list_empty(&consumers->list))
		group_consumer_free(group, BASE_CONTAINER(consumers->list.next, struct group_consumer, node));
	base_table_deinit(&consumers->members);
	free(consumers);
	group->consumers = NULL;
	group->kind = GROUP_CLASSIC;
}

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return group_same(group_bytes(BASE_CONTAINER(node, struct group_consumer, by_id)->id),
	                  *(const struct base_bytes *)key);
}

struct group_consumer *group_consumer_find(const struct group *group, struct base_bytes id)
{
	struct base_table_node *node =
		base_table_find(&group->consumers->members, base_hash_bytes(id.data, id.bytes), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct group_consumer, by_id) : NULL;
}

struct group_consumer *group_consumer_of_instance(const struct group *group, struct base_bytes instance_id)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
		if (member->instance_id.data && group_same(group_bytes(member->instance_id), instance_id))
			return member;
	}
	return NULL;
}

static void topics_free(struct group_consumer *member)
{
	for (size_t i = 0; i < member->topic_count; i++)
		base_slice_release(&member->topics[i]);
	free(member->topics);
	member->topics = NULL;
	member->topic_count = 0;
}

static void free_fields(struct group_consumer *member)
{
	topics_free(member);
	group_pattern_free(member->pattern);
	group_parts_free(&member->assigned);
	group_parts_free(&member->revoking);
	group_parts_free(&member->target);
	base_slice_release(&member->id);
	base_slice_release(&member->instance_id);
	base_slice_release(&member->rack_id);
	base_slice_release(&member->client_id);
	base_slice_release(&member->client_host);
	base_slice_release(&member->regex);
	base_slice_release(&member->assignor);
	group_protocols_free(member->protocols, member->protocol_count);
	free(member);
}

struct group_consumer *group_consumer_new(struct group *group, struct base_bytes id)
{
	struct group_consumer *member = calloc(1, sizeof *member);
	if (!member)
		return NULL;
	member->state = GROUP_MEMBER_STABLE;
	if (!group_keep(&member->id, id) ||
	    !base_table_insert(&group->consumers->members, &member->by_id, base_hash_bytes(id.data, id.bytes))) {
		free_fields(member);
		return NULL;
	}
	base_list_append(&group->consumers->list, &member->node);
	group->consumers->stale = true;
	return member;
}

void group_consumer_free(struct group *group, struct group_consumer *member)
{
	base_table_remove(&group->consumers->members, &member->by_id);
	base_list_remove(&member->node);
	group->consumers->stale = true;
	group->consumers->classic_count -= group_consumer_is_classic(member);
	free_fields(member);
}

void group_consumer_set_classic(struct group *group, struct group_consumer *member, struct group_protocol *protocols,
                                size_t count, int32_t session_timeout_ms)
{
	group->consumers->classic_count -= group_consumer_is_classic(member);
	group_protocols_free(member->protocols, member->protocol_count);
	member->protocols = protocols;
	member->protocol_count = count;
	member->session_timeout_ms = session_timeout_ms;
	member->revoke_us = member->join_us = member->sync_us = 0;
	group->consumers->classic_count += group_consumer_is_classic(member);
}

/* ---- subscriptions ---- */

static int by_bytes(const void *left, const void *right)
{
	const struct base_slice *a = left, *b = right;
	size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
	int order = memcmp(a->data, b->data, shorter);
	return order != 0 ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static bool names_equal(const struct base_slice *a, size_t a_count, const struct base_slice *b, size_t b_count)
{
	for (size_t i = 0; i < a_count && a_count == b_count; i++)
		if (by_bytes(&a[i], &b[i]) != 0)
			return false;
	return a_count == b_count;
}

static pyr_result set_names(struct group_consumer *member, const struct base_bytes *names, size_t count,
                            bool *ret_changed)
{
	struct group_consumer fresh = {.topics = calloc(count + 1, sizeof *fresh.topics)};
	bool kept = fresh.topics;
	for (size_t i = 0; i < count && kept; i++, fresh.topic_count = i)
		kept = group_keep(&fresh.topics[i], names[i]);
	if (kept)
		qsort(fresh.topics, count, sizeof *fresh.topics, by_bytes);
	if (!kept || names_equal(fresh.topics, count, member->topics, member->topic_count)) {
		topics_free(&fresh);
		return pyr_result_of(kept ? PYR_OK : PYR_OUT_OF_MEMORY);
	}
	topics_free(member);
	member->topics = fresh.topics;
	member->topic_count = count;
	*ret_changed = true;
	return pyr_ok();
}

static pyr_result set_regex(struct group_consumer *member, struct base_bytes regex, bool *ret_changed,
                            struct pyr_error *error)
{
	struct group_pattern *pattern = NULL;
	if (group_same(group_bytes(member->regex), regex))
		return pyr_ok();
	if (regex.bytes > 0)
		PYR_TRY(group_pattern_new(regex, &pattern, error));
	if (!group_keep(&member->regex, regex)) {
		group_pattern_free(pattern);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	group_pattern_free(member->pattern);
	member->pattern = pattern;
	*ret_changed = true;
	return pyr_ok();
}

pyr_result group_consumer_subscribe(struct group_consumer *member, const struct base_bytes *names, size_t name_count,
                                    struct base_bytes regex, bool *ret_changed, struct pyr_error *error)
{
	if (regex.data)
		PYR_TRY(set_regex(member, regex, ret_changed, error));
	return names ? set_names(member, names, name_count, ret_changed) : pyr_ok();
}

bool group_consumer_wants(const struct group_consumer *member, struct base_bytes topic)
{
	struct base_slice key = {.data = topic.data, .bytes = topic.bytes};
	if (group_topic_is_internal((const char *)topic.data, topic.bytes))
		return false;
	if (member->topic_count > 0 && bsearch(&key, member->topics, member->topic_count, sizeof key, by_bytes))
		return true;
	return member->pattern && group_pattern_matches(member->pattern, topic);
}
