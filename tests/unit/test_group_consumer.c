/* Parts of consumer groups that are reckoning alone: sets of partitions, assignors, regular expressions. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "group/consumer.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOPICS = 3, MEMBERS_MAX = 8 };

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

/* Topics a, b, c of 6, 3 and 1 partitions. */
static const char *const names[TOPICS] = {"a", "b", "c"};
static const uint32_t counts[TOPICS] = {6, 3, 1};

static void topic_at(size_t i, struct group_topic *ret_topic)
{
	*ret_topic =
		(struct group_topic){.name = text(names[i]), .id = {(uint8_t)(i + 1)}, .partition_count = counts[i]};
}

static bool topic_find(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic)
{
	(void)context;
	(void)id;
	for (size_t i = 0; i < TOPICS; i++)
		if (group_same(name, text(names[i]))) {
			topic_at(i, ret_topic);
			return true;
		}
	return false;
}

static bool topic_next(void *context, const void **cursor, struct group_topic *ret_topic)
{
	const char *const *at = *cursor ? (const char *const *)*cursor + 1 : names;
	(void)context;
	if (at == names + TOPICS)
		return false;
	*cursor = at;
	topic_at((size_t)(at - names), ret_topic);
	return true;
}

static const struct group_world world = {.topic_find = topic_find, .topic_next = topic_next};

static struct group_consumer *add(struct group *group, const char *id, const char *topic, const char *other)
{
	struct base_bytes wanted[2] = {text(topic), text(other ? other : "")};
	struct group_consumer *member = group_consumer_new(group, text(id));
	bool changed = false;
	assert_non_null(member);
	assert_int_equal(
		group_consumer_subscribe(member, wanted, other ? 2 : 1, (struct base_bytes){0}, &changed, NULL).code,
		PYR_OK);
	assert_true(changed);
	return member;
}

static void begin(struct group *group)
{
	assert_int_equal(group_init(group, text("g")).code, PYR_OK);
	assert_true(group_consumers_begin(group));
}

/* Every partition of the topics once; the largest and smallest number anybody has. */
static void check_whole(const struct group *group, size_t expected, size_t *ret_least, size_t *ret_most)
{
	struct group_parts all = {0};
	const struct base_list *head = &group->consumers->list;
	*ret_least = SIZE_MAX;
	*ret_most = 0;
	for (struct base_list *node = head->next; node != head; node = node->next) {
		const struct group_parts *target = &BASE_CONTAINER(node, struct group_consumer, node)->target;
		*ret_least = target->count < *ret_least ? target->count : *ret_least;
		*ret_most = target->count > *ret_most ? target->count : *ret_most;
		for (size_t i = 0; i < target->count; i++)
			assert_true(group_parts_add(&all, target->items[i].topic, target->items[i].partition));
	}
	assert_int_equal(all.count, expected);
	group_parts_sort(&all);
	assert_int_equal(all.count, expected); /* none twice */
	group_parts_free(&all);
}

static void uniform_is_even_and_moves_little(void **state)
{
	struct group group;
	size_t least, most;
	(void)state;
	begin(&group);
	char id[8];
	for (size_t count = 1; count <= MEMBERS_MAX; count++) {
		snprintf(id, sizeof id, "m%zu", count);
		add(&group, id, "a", "b");
		struct group_consumer *first = group_consumer_find(&group, text("m1"));
		size_t had = first->target.count;
		assert_true(group_assign(&group, &world));
		check_whole(&group, 9, &least, &most);
		assert_true(most - least <= 1);
		if (count > 1)
			assert_true(had - first->target.count <= had - least); /* it only gave away */
	}
	group_deinit(&group);
}

static void range_gives_neighbours(void **state)
{
	struct group group;
	size_t least, most;
	(void)state;
	begin(&group);
	struct group_consumer *one = add(&group, "one", "a", NULL), *two = add(&group, "two", "a", NULL);
	assert_true(group_keep(&one->assignor, text("range")));
	assert_true(group_assign(&group, &world));
	check_whole(&group, 6, &least, &most);
	for (int32_t i = 0; i < 3; i++) {
		assert_int_equal(one->target.items[i].partition, i);
		assert_int_equal(two->target.items[i].partition, i + 3);
	}
	group_deinit(&group);
}

static void different_subscriptions_are_balanced(void **state)
{
	struct group group;
	size_t least, most;
	(void)state;
	begin(&group);
	struct group_consumer *both = add(&group, "both", "a", "b"), *single = add(&group, "single", "b", NULL);
	add(&group, "other", "c", "nowhere");
	assert_true(group_assign(&group, &world));
	check_whole(&group, 10, &least, &most);
	assert_int_equal(both->target.count, 6);
	assert_int_equal(single->target.count, 3);
	assert_int_equal(least, 1);
	group_deinit(&group);
}

static void expressions_are_matched_whole_and_bounded(void **state)
{
	struct group_pattern *pattern;
	struct pyr_error error;
	char many[80];
	(void)state;
	assert_int_equal(group_pattern_new(text("or.*-(eu|us)"), &pattern, &error).code, PYR_OK);
	assert_true(group_pattern_matches(pattern, text("orders-eu")));
	assert_false(group_pattern_matches(pattern, text("orders-eu-2")));
	assert_false(group_pattern_matches(pattern, text("my-orders-eu")));
	group_pattern_free(pattern);
	assert_int_equal(group_pattern_new(text("(unclosed"), &pattern, &error).code, PYR_SYNTAX);
	assert_non_null(strstr(error.text, "character"));
	assert_int_equal(group_pattern_new(text("(a+)+b"), &pattern, &error).code, PYR_OK);
	memset(many, 'a', sizeof many);
	assert_false(group_pattern_matches(pattern, (struct base_bytes){(const uint8_t *)many, sizeof many}));
	group_pattern_free(pattern);
}

static void sets_are_sets(void **state)
{
	static const uint8_t topic[16] = {1};
	struct group_parts set = {0}, other = {0}, both = {0}, rest = {0};
	(void)state;
	for (int32_t i = 20; i > 0; i--)
		assert_true(group_parts_add(&set, topic, i % 10));
	group_parts_sort(&set);
	assert_int_equal(set.count, 10);
	for (int32_t i = 5; i < 15; i++)
		assert_true(group_parts_add(&other, topic, i));
	assert_true(group_parts_overlap(&set, &other));
	assert_true(group_parts_select(&set, &other, true, &both));
	assert_true(group_parts_select(&set, &other, false, &rest));
	assert_int_equal(both.count, 5);
	assert_int_equal(rest.count, 5);
	assert_false(group_parts_overlap(&both, &rest));
	assert_false(group_parts_equal(&both, &rest));
	group_parts_move(&both, &rest);
	assert_int_equal(rest.count, 0);
	group_parts_free(&set);
	group_parts_free(&other);
	group_parts_free(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_sets),
		cmocka_unit_test(uniform_is_even_and_moves_little),
		cmocka_unit_test(range_gives_neighbours),
		cmocka_unit_test(different_subscriptions_are_balanced),
		cmocka_unit_test(expressions_are_matched_whole_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
