/* Server-side assignors of consumer groups: range and uniform (see consumer.h).
 *
 * range: of each topic, every subscriber gets a run of neighbouring partitions. uniform: as evenly as subscriptions
 * allow, moving as few partitions as that takes. Both make the same of the same, whatever the order of joining. The
 * targets change only when all of them could be made. Pure (see machine.h). */
#include "base/hash.h"
#include "group/consumer.h"

#include <stdlib.h>

bool group_assignor_exists(struct base_bytes name)
{
	return group_same(name, (struct base_bytes){(const uint8_t *)"range", 5}) ||
	       group_same(name, (struct base_bytes){(const uint8_t *)"uniform", 7});
}

const char *group_assignor_of(const struct group *group)
{
	const struct base_list *head = &group->consumers->list;
	size_t ranges = 0, uniforms = 0;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		struct base_bytes asked = group_bytes(BASE_CONTAINER(node, struct group_consumer, node)->assignor);
		ranges += asked.bytes == 5;
		uniforms += asked.bytes == 7;
	}
	return ranges > uniforms ? "range" : "uniform";
}

/* ---- what there is to assign ---- */

struct work {
	struct group_consumer **members; /* by instance id, or id */
	size_t member_count;
	struct group_topic *topics; /* that anybody subscribes to; by id */
	size_t topic_count, topic_capacity;
	bool *wants; /* [member * topic_count + topic] */
	struct group_parts *targets; /* [member] */
};

static bool anybody_wants(const struct group *group, struct base_bytes topic)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (group_consumer_wants(BASE_CONTAINER(node, struct group_consumer, node), topic))
			return true;
	return false;
}

static bool has_patterns(const struct group *group)
{
	const struct base_list *head = &group->consumers->list;
	for (struct base_list *node = head->next; node != head; node = node->next)
		if (BASE_CONTAINER(node, struct group_consumer, node)->pattern)
			return true;
	return false;
}

static int by_topic_id(const void *left, const void *right)
{
	return memcmp(((const struct group_topic *)left)->id, ((const struct group_topic *)right)->id,
	              GROUP_UUID_BYTES);
}

static bool add_topic(struct work *work, const struct group_topic *topic)
{
	if (work->topic_count == work->topic_capacity) {
		size_t capacity = work->topic_capacity * 2 + 16;
		struct group_topic *topics = realloc(work->topics, capacity * sizeof *topics);
		if (!topics)
			return false;
		work->topics = topics;
		work->topic_capacity = capacity;
	}
	work->topics[work->topic_count++] = *topic;
	return true;
}

/* Without expressions only what is named is looked for; with them, every topic is asked. */
static bool find_topics(const struct group *group, const struct group_world *world, struct work *work)
{
	const struct base_list *head = &group->consumers->list;
	struct group_topic topic;
	const void *cursor = NULL;
	size_t kept = 0;
	if (has_patterns(group)) {
		while (world->topic_next(world->context, &cursor, &topic))
			if (anybody_wants(group, topic.name) && !add_topic(work, &topic))
				return false;
	} else {
		for (struct base_list *node = head->next; node != head; node = node->next) {
			const struct group_consumer *member = BASE_CONTAINER(node, struct group_consumer, node);
			for (size_t i = 0; i < member->topic_count; i++)
				if (!group_topic_is_internal((const char *)member->topics[i].data,
				                             member->topics[i].bytes) &&
				    world->topic_find(world->context, group_bytes(member->topics[i]), NULL, &topic) &&
				    !add_topic(work, &topic))
					return false;
		}
	}
	if (work->topic_count == 0)
		return true;
	qsort(work->topics, work->topic_count, sizeof *work->topics, by_topic_id);
	for (size_t i = 1; i < work->topic_count; i++)
		if (by_topic_id(&work->topics[kept], &work->topics[i]) != 0)
			work->topics[++kept] = work->topics[i];
	work->topic_count = kept + 1;
	return true;
}

int64_t group_topics_hash(const struct group *group, const struct group_world *world)
{
	struct work work = {0};
	uint64_t hash = 1;
	if (!find_topics(group, world, &work)) {
		free(work.topics);
		return group->consumers->hash; /* looked at again when the topics change again */
	}
	for (size_t i = 0; i < work.topic_count; i++)
		hash = base_hash_u64(hash ^ base_hash_bytes(work.topics[i].id, GROUP_UUID_BYTES) ^
		                     base_hash_u64(work.topics[i].partition_count));
	free(work.topics);
	return (int64_t)hash;
}

static struct base_bytes name_of(const struct group_consumer *member)
{
	return group_bytes(member->instance_id.data ? member->instance_id : member->id);
}

static int by_name(const void *left, const void *right)
{
	struct base_bytes a = name_of(*(struct group_consumer *const *)left);
	struct base_bytes b = name_of(*(struct group_consumer *const *)right);
	int order = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
	return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static void work_free(struct work *work)
{
	for (size_t i = 0; work->targets && i < work->member_count; i++)
		group_parts_free(&work->targets[i]);
	free(work->targets);
	free(work->wants);
	free(work->topics);
	free(work->members);
}

static bool work_init(struct work *work, const struct group *group, const struct group_world *world)
{
	const struct base_list *head = &group->consumers->list;
	size_t count = group->consumers->members.count;
	*work = (struct work){.members = calloc(count + 1, sizeof *work->members)};
	if (!work->members || !find_topics(group, world, work))
		return false;
	for (struct base_list *node = head->next; node != head; node = node->next)
		work->members[work->member_count++] = BASE_CONTAINER(node, struct group_consumer, node);
	qsort(work->members, work->member_count, sizeof *work->members, by_name);
	work->targets = calloc(count + 1, sizeof *work->targets);
	work->wants = calloc(count * work->topic_count + 1, sizeof *work->wants);
	if (!work->targets || !work->wants)
		return false;
	for (size_t m = 0; m < count; m++)
		for (size_t t = 0; t < work->topic_count; t++)
			work->wants[m * work->topic_count + t] =
				group_consumer_wants(work->members[m], work->topics[t].name);
	return true;
}

static bool wants(const struct work *work, size_t member, size_t topic)
{
	return work->wants[member * work->topic_count + topic];
}

/* ---- range ---- */

static bool assign_range_of(struct work *work, size_t topic)
{
	size_t subscribers = 0, place = 0;
	uint32_t next = 0;
	for (size_t m = 0; m < work->member_count; m++)
		subscribers += wants(work, m, topic);
	for (size_t m = 0; m < work->member_count; m++) {
		if (!wants(work, m, topic))
			continue;
		size_t total = work->topics[topic].partition_count;
		size_t share = total / subscribers + (place < total % subscribers);
		for (size_t i = 0; i < share; i++)
			if (!group_parts_add(&work->targets[m], work->topics[topic].id, (int32_t)next++))
				return false;
		place += 1;
	}
	return true;
}

static bool assign_range(struct work *work)
{
	for (size_t t = 0; t < work->topic_count; t++)
		if (!assign_range_of(work, t))
			return false;
	return true;
}

/* ---- uniform ---- */

static size_t topic_of(const struct work *work, const uint8_t id[GROUP_UUID_BYTES])
{
	struct group_topic key;
	memcpy(key.id, id, sizeof key.id);
	const struct group_topic *found = NULL;
	if (work->topic_count > 0)
		found = bsearch(&key, work->topics, work->topic_count, sizeof key, by_topic_id);
	return found ? (size_t)(found - work->topics) : work->topic_count;
}

/* Do all members want the same topics? Then nobody may have more than one above anybody else. */
static bool is_even(const struct work *work)
{
	for (size_t m = 1; m < work->member_count; m++)
		if (memcmp(work->wants, work->wants + m * work->topic_count, work->topic_count * sizeof(bool)) != 0)
			return false;
	return true;
}

/* Members keep what they may of their last target, up to `share` each and one more for the first `extra`. */
static bool keep_targets(struct work *work, size_t share, size_t extra)
{
	for (size_t m = 0; m < work->member_count; m++) {
		const struct group_parts *had = &work->members[m]->target;
		for (size_t i = 0; i < had->count; i++) {
			size_t topic = topic_of(work, had->items[i].topic);
			bool possible = topic < work->topic_count && wants(work, m, topic) &&
			                (uint32_t)had->items[i].partition < work->topics[topic].partition_count;
			bool is_extra = work->targets[m].count == share;
			if (!possible || work->targets[m].count > share || (is_extra && extra == 0))
				continue;
			extra -= is_extra;
			if (!group_parts_add(&work->targets[m], had->items[i].topic, had->items[i].partition))
				return false;
		}
	}
	return true;
}

static size_t least_loaded(const struct work *work, size_t topic)
{
	size_t best = work->member_count;
	for (size_t m = 0; m < work->member_count; m++)
		if (wants(work, m, topic) &&
		    (best == work->member_count || work->targets[m].count < work->targets[best].count))
			best = m;
	return best;
}

/* Where partitions are that were kept. */
static bool all_kept(const struct work *work, struct group_parts *ret_kept)
{
	for (size_t m = 0; m < work->member_count; m++)
		for (size_t i = 0; i < work->targets[m].count; i++)
			if (!group_parts_add(ret_kept, work->targets[m].items[i].topic,
			                     work->targets[m].items[i].partition))
				return false;
	group_parts_sort(ret_kept);
	return true;
}

static bool deal_rest(struct work *work, const struct group_parts *kept)
{
	for (size_t t = 0; t < work->topic_count; t++)
		for (uint32_t p = 0; p < work->topics[t].partition_count; p++) {
			struct group_part part = {.partition = (int32_t)p};
			memcpy(part.topic, work->topics[t].id, sizeof part.topic);
			if (group_parts_has(kept, &part))
				continue;
			size_t m = least_loaded(work, t);
			if (m < work->member_count && !group_parts_add(&work->targets[m], part.topic, part.partition))
				return false;
		}
	return true;
}

/* With different subscriptions: moves one partition from the member to one that has at least two fewer. */
static bool relieve(struct work *work, size_t m, bool *ret_moved)
{
	struct group_parts *parts = &work->targets[m];
	for (size_t i = parts->count; i-- > 0;) {
		struct group_part part = parts->items[i];
		size_t to = least_loaded(work, topic_of(work, part.topic));
		if (to == work->member_count || work->targets[to].count + 1 >= parts->count)
			continue;
		parts->items[i] = parts->items[--parts->count];
		*ret_moved = true;
		return group_parts_add(&work->targets[to], part.topic, part.partition);
	}
	return true;
}

static bool balance(struct work *work)
{
	bool moved = true;
	while (moved) {
		moved = false;
		for (size_t m = 0; m < work->member_count; m++)
			if (!relieve(work, m, &moved))
				return false;
	}
	return true;
}

static bool assign_uniform(struct work *work)
{
	struct group_parts kept = {0};
	size_t total = 0;
	bool even = is_even(work);
	for (size_t t = 0; t < work->topic_count; t++)
		total += work->topics[t].partition_count;
	size_t share = even ? total / work->member_count : total;
	size_t extra = even ? total % work->member_count : 0;
	bool done = keep_targets(work, share, extra) && all_kept(work, &kept) && deal_rest(work, &kept) &&
	            (even || balance(work));
	group_parts_free(&kept);
	return done;
}

bool group_assign(struct group *group, const struct group_world *world)
{
	struct work work;
	bool done = work_init(&work, group, world);
	if (done && work.member_count > 0)
		done = group_assignor_of(group)[0] == 'r' ? assign_range(&work) : assign_uniform(&work);
	for (size_t m = 0; done && m < work.member_count; m++) {
		group_parts_sort(&work.targets[m]);
		group_parts_move(&work.members[m]->target, &work.targets[m]);
	}
	work_free(&work);
	return done;
}
