/* What the library promises of topics' settings and partitions, of deleted records, and of consumer groups (see contract.c). */
#include "contract.h"

#include <pyralog/admin.h>

#include <string.h>
#include <time.h>

static const struct pyr_setting *find(const struct pyr_setting *settings, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

static bool is_set(struct pyralog *log, const char *topic, const char *name, const char *value, bool set)
{
	struct pyr_setting *settings;
	size_t count;
	OK(pyr_topic_settings(log, topic, &settings, &count, &failure));
	const struct pyr_setting *found = find(settings, count, name);
	bool good = found && strcmp(found->value, value) == 0 && found->is_set == set;
	CHECK(count >= 15 && settings[count].name == NULL);
	pyr_settings_free(settings);
	return good;
}

static void write_to(struct pyralog *log, const char *topic, int32_t partition, int count)
{
	for (int i = 0; i < count; i++) {
		struct pyr_record record = pyr_record_of("k", "v");
		record.partition = partition;
		OK(pyr_produce(log, topic, &record, 1, &failure));
	}
}

static void test_settings(struct pyralog *log)
{
	const struct pyr_setting some[] = {{"retention.ms", "3600000", 0}, {"cleanup.policy", "compact", 0}};
	const struct pyr_setting bad[] = {{"retention.ms", "1", 0}, {"cleanup.policy", "burn", 0}};
	const struct pyr_setting unknown = {"retention.mss", "1", 0}, back = {"retention.ms", NULL, 0};
	CHECK(is_set(log, "a-t", "retention.ms", "604800000", false));
	OK(pyr_topic_alter(log, "a-t", some, 2, &failure));
	CHECK(is_set(log, "a-t", "retention.ms", "3600000", true));
	CHECK(is_set(log, "a-t", "cleanup.policy", "compact", true));
	FAILS(pyr_topic_alter(log, "a-t", bad, 2, &failure), PYR_STATUS_USAGE);
	CHECK(strstr(failure.text, "cleanup.policy") && is_set(log, "a-t", "retention.ms", "3600000", true));
	FAILS(pyr_topic_alter(log, "a-t", &unknown, 1, &failure), PYR_STATUS_USAGE);
	CHECK(strstr(failure.text, "retention.mss"));
	OK(pyr_topic_alter(log, "a-t", &back, 1, &failure));
	CHECK(is_set(log, "a-t", "retention.ms", "604800000", false));
	FAILS(pyr_topic_alter(log, "a-t", some, 0, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_topic_alter(log, "nobody's", some, 2, &failure), PYR_STATUS_NOT_FOUND);
}

static void test_growth(struct pyralog *log)
{
	struct pyr_topic *topics;
	int64_t start, end;
	size_t count;
	FAILS(pyr_topic_range(log, "a-t", 3, &start, &end, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_topic_grow(log, "a-t", 5, &failure));
	FAILS(pyr_topic_grow(log, "a-t", 5, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_topic_grow(log, "a-t", 0, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_topic_grow(log, "nobodys", 5, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_topic_list(log, &topics, &count, &failure));
	CHECK(count > 0 && strcmp(topics[0].name, "a-t") == 0 && topics[0].partitions == 5);
	pyr_topics_free(topics);
	write_to(log, "a-t", 4, 2);
	OK(pyr_topic_range(log, "a-t", 4, &start, &end, &failure));
	CHECK(start == 0 && end == 2);
}

static void test_deletion(struct pyralog *log)
{
	struct pyr_reader *reader;
	struct pyr_record record;
	int64_t start, end;
	write_to(log, "a-t", 1, 10);
	OK(pyr_records_delete(log, "a-t", 1, 4, &failure));
	OK(pyr_topic_range(log, "a-t", 1, &start, &end, &failure));
	CHECK(start == 4 && end == 10);
	OK(pyr_reader_open(log, "a-t", 1, PYR_EARLIEST, &reader, &failure));
	OK(pyr_reader_next(reader, PATIENCE_MS, &record, &failure));
	CHECK(record.offset == 4);
	pyr_reader_close(reader);
	FAILS(pyr_records_delete(log, "a-t", 1, 11, &failure), PYR_STATUS_OUT_OF_RANGE);
	FAILS(pyr_records_delete(log, "a-t", 1, PYR_EARLIEST, &failure), PYR_STATUS_OUT_OF_RANGE);
	FAILS(pyr_records_delete(log, "a-t", 9, 0, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_records_delete(log, "nobodys", 0, 0, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_records_delete(log, "a-t", 1, PYR_LATEST, &failure));
	OK(pyr_topic_range(log, "a-t", 1, &start, &end, &failure));
	CHECK(start == 10 && end == 10);
}

void test_topic_administration(struct pyralog *log)
{
	OK(pyr_topic_create(log, "a-t", 3, &failure));
	test_settings(log);
	test_growth(log);
	test_deletion(log);
	OK(pyr_topic_delete(log, "a-t", &failure));
}

/* ---- groups ---- */

/* The group's row of the partition; member as whether there is one. */
static bool has(struct pyralog *log, const char *group, int32_t partition, int64_t committed, int64_t lag, bool member)
{
	struct pyr_group_partition *partitions;
	size_t count;
	bool good = false;
	OK(pyr_group_describe(log, group, &partitions, &count, &failure));
	for (size_t i = 0; i < count; i++)
		good |= partitions[i].partition == partition && partitions[i].committed == committed &&
		        partitions[i].lag == lag && (partitions[i].member != NULL) == member;
	pyr_group_partitions_free(partitions);
	return good;
}

static bool is_listed(struct pyralog *log, const char *name, const char *state)
{
	struct pyr_group *groups;
	size_t count;
	bool found = false;
	OK(pyr_group_list(log, &groups, &count, &failure));
	for (size_t i = 0; i < count; i++)
		found |= strcmp(groups[i].name, name) == 0 && strcmp(groups[i].state, state) == 0;
	pyr_groups_free(groups);
	return found;
}

static void test_busy_group(struct pyralog *log)
{
	const char *const topics[] = {"a-g"};
	struct pyr_subscription_options options = {sizeof options, topics, 1, "admins", PYR_EARLIEST, 0};
	struct pyr_subscription *subscription;
	const struct pyr_consumed *records;
	size_t count;
	OK(pyr_subscribe(log, &options, &subscription, &failure));
	OK(pyr_subscription_next(subscription, PATIENCE_MS, &records, &count, &failure));
	CHECK(is_listed(log, "admins", "Stable") && has(log, "admins", 1, 5, 0, true));
	FAILS(pyr_group_reset(log, "admins", "a-g", 0, PYR_LATEST, &failure), PYR_STATUS_BUSY);
	FAILS(pyr_group_forget(log, "admins", "a-g", &failure), PYR_STATUS_BUSY);
	FAILS(pyr_group_delete(log, "admins", &failure), PYR_STATUS_BUSY);
	pyr_subscription_close(subscription);
}

void test_group_administration(struct pyralog *log)
{
	struct pyr_group_partition *partitions;
	size_t count;
	OK(pyr_topic_create(log, "a-g", 2, &failure));
	write_to(log, "a-g", 0, 4);
	write_to(log, "a-g", 1, 5);
	FAILS(pyr_group_describe(log, "admins", &partitions, &count, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_group_delete(log, "admins", &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_group_reset(log, "admins", "a-g", -1, PYR_LATEST, &failure));
	CHECK(has(log, "admins", 0, 4, 0, false) && has(log, "admins", 1, 5, 0, false));
	OK(pyr_group_reset(log, "admins", "a-g", 0, 1, &failure));
	CHECK(has(log, "admins", 0, 1, 3, false) && has(log, "admins", 1, 5, 0, false));
	OK(pyr_group_reset(log, "admins", "a-g", 0, PYR_EARLIEST, &failure));
	CHECK(has(log, "admins", 0, 0, 4, false) && is_listed(log, "admins", "Empty"));
	FAILS(pyr_group_reset(log, "admins", "a-g", 0, 5, &failure), PYR_STATUS_OUT_OF_RANGE);
	FAILS(pyr_group_reset(log, "admins", "a-g", 2, 0, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_group_reset(log, "admins", "nobodys", 0, 0, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_group_reset(log, "", "a-g", 0, 0, &failure), PYR_STATUS_USAGE);
	test_busy_group(log);
	OK(pyr_group_forget(log, "admins", "a-g", &failure));
	FAILS(pyr_group_describe(log, "no such", &partitions, &count, &failure), PYR_STATUS_NOT_FOUND);
	CHECK(!has(log, "admins", 1, 5, 0, false));
	OK(pyr_group_delete(log, "admins", &failure));
	CHECK(!is_listed(log, "admins", "Empty"));
	OK(pyr_topic_delete(log, "a-g", &failure));
}

/* ---- heartbeats ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Does a member have the partition without a break, for so long? */
static bool stays(struct pyralog *log, const char *group, int64_t for_ms)
{
	int64_t until_ms = now_ms() + for_ms;
	while (now_ms() < until_ms)
		if (!has(log, group, 0, -1, -1, true))
			return false;
	return true;
}

void test_heartbeats(struct pyralog *log)
{
	const struct pyr_setting brisk[] = {{"consumer.session.timeout.ms", "600", 0},
	                                    {"consumer.heartbeat.interval.ms", "100", 0}};
	const struct pyr_setting wrong = {"consumer.session.timeout.ms", "soon", 0};
	const char *const topics[] = {"a-h"};
	struct pyr_subscription_options options = {sizeof options, topics, 1, "beats", PYR_EARLIEST, 0};
	struct pyr_subscription *subscription;
	const struct pyr_consumed *records;
	size_t count;
	OK(pyr_topic_create(log, "a-h", 1, &failure));
	write_to(log, "a-h", 0, 3);
	FAILS(pyr_group_alter(log, "beats", &wrong, 1, &failure), PYR_STATUS_USAGE);
	OK(pyr_group_alter(log, "beats", brisk, 2, &failure));
	OK(pyr_subscribe(log, &options, &subscription, &failure));
	OK(pyr_subscription_next(subscription, PATIENCE_MS, &records, &count, &failure));
	/* At work for three sessions' time: still a member, whose commit counts. */
	CHECK(stays(log, "beats", 1800));
	CHECK(records[0].record.offset == 0 && records[0].record.value.bytes == 1);
	OK(pyr_subscription_commit(subscription, &failure));
	CHECK(has(log, "beats", 0, (int64_t)count, 3 - (int64_t)count, true));
	pyr_subscription_close(subscription);
	/* At work for longer than it said: the group goes on without it, long before a session is over. */
	OK(pyr_group_reset(log, "late", "a-h", 0, 0, &failure));
	options.group = "late";
	options.max_poll_ms = 300;
	OK(pyr_subscribe(log, &options, &subscription, &failure));
	OK(pyr_subscription_next(subscription, PATIENCE_MS, &records, &count, &failure));
	int64_t until_ms = now_ms() + PATIENCE_MS;
	while (!has(log, "late", 0, 0, 3, false))
		CHECK(now_ms() < until_ms);
	FAILS(pyr_subscription_commit(subscription, &failure), PYR_STATUS_BUSY);
	OK(pyr_subscription_next(subscription, PATIENCE_MS, &records, &count, &failure));
	CHECK(records[0].record.offset == 0);
	OK(pyr_subscription_commit(subscription, &failure));
	pyr_subscription_close(subscription);
	OK(pyr_topic_delete(log, "a-h", &failure));
}
