/* The coordinator's life, and the way of a call to its group and back (see coordinator.h). */
#include "base/hash.h"
#include "group/coordinator_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct group_options group_options_default(void)
{
	return (struct group_options){
		.session_timeout_min_ms = 6000,
		.session_timeout_max_ms = 1800000,
		.initial_delay_ms = 500,
		.members_max = 10000,
		.groups_max = 1000000,
		.metadata_bytes_max = 4096,
		.offsets_retention_ms = (int64_t)7 * 24 * 3600 * 1000,
		.expiry_interval_ms = 600000,
		.consumer_session_timeout_ms = 45000,
		.consumer_heartbeat_ms = 5000,
		.snapshot_bytes_min = 16 << 20,
	};
}

static const char *const migration_names[] = {
	[GROUP_MIGRATION_BOTH] = "bidirectional",
	[GROUP_MIGRATION_UPGRADE] = "upgrade",
	[GROUP_MIGRATION_DOWNGRADE] = "downgrade",
	[GROUP_MIGRATION_NONE] = "disabled",
};

const char *group_migration_name(enum group_migration policy)
{
	return migration_names[policy];
}

bool group_migration_parse(const char *name, enum group_migration *ret_policy)
{
	for (size_t i = 0; i < sizeof migration_names / sizeof migration_names[0]; i++)
		if (strcmp(migration_names[i], name) == 0) {
			*ret_policy = (enum group_migration)i;
			return true;
		}
	return false;
}

bool group_topic_is_internal(const char *name, size_t name_bytes)
{
	static const char internal[] = "__consumer_offsets";
	return name_bytes == sizeof internal - 1 && memcmp(name, internal, name_bytes) == 0;
}

void group_coordinator_retune(struct group_coordinator *coordinator, const struct group_options *options)
{
	coordinator->options.consumer_heartbeat_ms = options->consumer_heartbeat_ms;
	coordinator->options.consumer_session_timeout_ms = options->consumer_session_timeout_ms;
	coordinator->options.migration = options->migration;
}

const struct group_options *group_coordinator_options(const struct group_coordinator *coordinator)
{
	return &coordinator->options;
}

void group_say(struct group_coordinator *coordinator, const char *format, ...)
{
	char line[PYR_ERROR_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	os_report(coordinator->options.reporter, OS_ERROR, "groups", NULL, "%s", line);
}

/* ---- the world, as machines see it ---- */

static void world_random(void *context, void *ret_bytes, size_t bytes)
{
	os_random(((struct group_coordinator *)context)->loop, ret_bytes, bytes);
}

static void topic_of(const struct catalog_topic *topic, struct group_topic *ret_topic)
{
	ret_topic->name = (struct base_bytes){(const uint8_t *)topic->name, strlen(topic->name)};
	memcpy(ret_topic->id, topic->uuid, sizeof ret_topic->id);
	ret_topic->partition_count = topic->partition_count;
}

static bool world_topic_find(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic)
{
	const struct group_coordinator *coordinator = context;
	const struct catalog_topic *topic =
		name.data ? catalog_topic_find(coordinator->catalog, (const char *)name.data, name.bytes)
			  : catalog_topic_find_uuid(coordinator->catalog, id);
	if (topic)
		topic_of(topic, ret_topic);
	return topic;
}

static bool world_topic_next(void *context, const void **cursor, struct group_topic *ret_topic)
{
	const struct group_coordinator *coordinator = context;
	const struct catalog_topic *topic = catalog_topic_next(coordinator->catalog, *cursor);
	*cursor = topic;
	if (topic)
		topic_of(topic, ret_topic);
	return topic;
}

static void world_timing_find(void *context, struct base_bytes group_id, struct group_timing *timing)
{
	const struct group_coordinator *coordinator = context;
	const struct catalog_group_settings *settings = catalog_group_settings_find(coordinator->catalog, group_id);
	if (settings && settings->set & 1u << CATALOG_GROUP_SESSION)
		timing->session_timeout_ms = settings->values[CATALOG_GROUP_SESSION];
	if (settings && settings->set & 1u << CATALOG_GROUP_HEARTBEAT)
		timing->heartbeat_ms = settings->values[CATALOG_GROUP_HEARTBEAT];
}

struct group_world group_world_of(struct group_coordinator *coordinator)
{
	return (struct group_world){
		.now_us = os_now_us(coordinator->loop),
		.wall_ms = os_wall_ms(coordinator->loop),
		.options = &coordinator->options,
		.context = coordinator,
		.random = world_random,
		.topic_find = world_topic_find,
		.topic_next = world_topic_next,
		.topics_version = catalog_version(coordinator->catalog),
		.timing_find = world_timing_find,
	};
}

/* ---- slots ---- */

static bool equal_id(const struct base_table_node *node, const void *key)
{
	return group_same(group_bytes(BASE_CONTAINER(node, struct group_slot, by_id)->group.id),
	                  *(const struct base_bytes *)key);
}

struct group_slot *group_slot_find(const struct group_coordinator *coordinator, struct base_bytes id)
{
	struct base_table_node *node =
		base_table_find(&coordinator->groups, base_hash_bytes(id.data, id.bytes), equal_id, &id);
	return node ? BASE_CONTAINER(node, struct group_slot, by_id) : NULL;
}

static void on_timer(struct os_timer *timer)
{
	struct group_slot *slot = BASE_CONTAINER(timer, struct group_slot, timer);
	struct group_world world = group_world_of(slot->coordinator);
	struct group_effects effects;
	group_effects_init(&effects);
	slot->armed_us = UINT64_MAX;
	group_tick(&slot->group, &world, &effects);
	group_carry_out(slot->coordinator, slot, &effects);
}

struct group_slot *group_slot_make(struct group_coordinator *coordinator, struct base_bytes id)
{
	struct group_slot *slot = group_slot_find(coordinator, id);
	if (slot || coordinator->groups.count >= coordinator->options.groups_max)
		return slot;
	slot = calloc(1, sizeof *slot);
	if (!slot)
		return NULL;
	if (group_init(&slot->group, id).code != PYR_OK ||
	    !base_table_insert(&coordinator->groups, &slot->by_id, base_hash_bytes(id.data, id.bytes))) {
		group_deinit(&slot->group);
		free(slot);
		return NULL;
	}
	slot->coordinator = coordinator;
	slot->armed_us = UINT64_MAX;
	slot->timer.fire = on_timer;
	slot->snapshot = coordinator->snapshot; /* its records are younger than the snapshot under way */
	base_list_append(&coordinator->list, &slot->node);
	return slot;
}

static void slot_free(struct group_coordinator *coordinator, struct group_slot *slot)
{
	os_timer_stop(coordinator->loop, &slot->timer);
	base_table_remove(&coordinator->groups, &slot->by_id);
	base_list_remove(&slot->node);
	group_deinit(&slot->group);
	free(slot);
}

/* Deadlines mostly move later, which a timer that comes too early finds out: only an earlier one moves the timer. */
static void arm(struct group_coordinator *coordinator, struct group_slot *slot)
{
	uint64_t deadline_us = group_deadline_us(&slot->group);
	if (deadline_us >= slot->armed_us || coordinator->phase != GROUP_SERVING)
		return;
	uint64_t now_us = os_now_us(coordinator->loop);
	slot->armed_us = deadline_us;
	os_timer_start(coordinator->loop, &slot->timer, deadline_us > now_us ? deadline_us - now_us : 0);
}

static void answer_all(struct base_list *answers)
{
	struct base_list *node;
	while ((node = base_list_pop(answers))) {
		struct group_call *call = BASE_CONTAINER(node, struct group_call, node);
		call->answered(call, call->response);
	}
}

void group_carry_out(struct group_coordinator *coordinator, struct group_slot *slot, struct group_effects *effects)
{
	base_list_splice(&coordinator->queue, &effects->writes);
	if (slot && group_is_gone(&slot->group))
		slot_free(coordinator, slot);
	else if (slot)
		arm(coordinator, slot);
	group_store_kick(coordinator);
	answer_all(&effects->answers);
}

void group_forget_all(struct group_coordinator *coordinator)
{
	struct group_effects effects;
	group_effects_init(&effects);
	while (!base_list_empty(&coordinator->list)) {
		struct group_slot *slot = BASE_CONTAINER(coordinator->list.next, struct group_slot, node);
		group_refuse_waiting(&slot->group, &effects);
		slot_free(coordinator, slot);
	}
	assert(base_list_empty(&effects.writes));
	answer_all(&effects.answers);
}

/* ---- calls ---- */

bool group_id_of(const struct group_call *call, struct base_bytes *ret_id)
{
	const void *request = call->request;
	switch (call->key) {
	case CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT:
		*ret_id = ((const struct codec_kafka_consumer_group_heartbeat_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_JOIN_GROUP:
		*ret_id = ((const struct codec_kafka_join_group_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_SYNC_GROUP:
		*ret_id = ((const struct codec_kafka_sync_group_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_HEARTBEAT:
		*ret_id = ((const struct codec_kafka_heartbeat_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_LEAVE_GROUP:
		*ret_id = ((const struct codec_kafka_leave_group_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_OFFSET_COMMIT:
		*ret_id = ((const struct codec_kafka_offset_commit_request *)request)->group_id;
		return true;
	case CODEC_KAFKA_OFFSET_DELETE:
		*ret_id = ((const struct codec_kafka_offset_delete_request *)request)->group_id;
		return true;
	default:
		return false;
	}
}

bool group_coordinator_serves(int16_t key)
{
	static const int16_t keys[] = {
		CODEC_KAFKA_JOIN_GROUP,
		CODEC_KAFKA_SYNC_GROUP,
		CODEC_KAFKA_HEARTBEAT,
		CODEC_KAFKA_LEAVE_GROUP,
		CODEC_KAFKA_OFFSET_COMMIT,
		CODEC_KAFKA_OFFSET_FETCH,
		CODEC_KAFKA_DESCRIBE_GROUPS,
		CODEC_KAFKA_LIST_GROUPS,
		CODEC_KAFKA_DELETE_GROUPS,
		CODEC_KAFKA_OFFSET_DELETE,
		CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT,
		CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE,
	};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (keys[i] == key)
			return true;
	return false;
}

static void serve_one(struct group_coordinator *coordinator, struct group_call *call, struct base_bytes id)
{
	struct group_world world = group_world_of(coordinator);
	struct group_effects effects;
	if (id.bytes > GROUP_ID_BYTES_MAX || (id.bytes == 0 && call->key != CODEC_KAFKA_OFFSET_COMMIT)) {
		group_refuse(call, GROUP_INVALID_ID);
		return;
	}
	struct group_slot *slot = group_slot_make(coordinator, id);
	if (!slot) {
		group_refuse(call, GROUP_NOT_AVAILABLE);
		return;
	}
	group_effects_init(&effects);
	group_call(&slot->group, call, &world, &effects);
	group_carry_out(coordinator, slot, &effects);
}

void group_coordinator_call(struct group_coordinator *coordinator, struct group_call *call)
{
	struct base_bytes id;
	assert(call->answered && call->arena && !coordinator->closed && group_coordinator_serves(call->key));
	call->slot = NULL;
	base_list_init(&call->node);
	coordinator->metrics.calls += 1;
	if (coordinator->phase == GROUP_LOADING)
		group_refuse(call, GROUP_LOAD_IN_PROGRESS);
	else if (coordinator->phase == GROUP_FAILED)
		group_refuse(call, GROUP_NOT_AVAILABLE);
	else if (!group_route_is_ours(coordinator, call))
		group_refuse(call, GROUP_NOT_COORDINATOR);
	else if (group_id_of(call, &id))
		serve_one(coordinator, call, id);
	else
		group_serve_many(coordinator, call);
}

void group_coordinator_cancel(struct group_coordinator *coordinator, struct group_call *call)
{
	(void)coordinator;
	if (!call->slot)
		return; /* its answer is on the way */
	*call->slot = NULL;
	call->slot = NULL;
	group_refuse(call, GROUP_NOT_AVAILABLE);
}

/* ---- life ---- */

static void on_expiry(struct os_timer *timer)
{
	struct group_coordinator *coordinator = BASE_CONTAINER(timer, struct group_coordinator, expiry);
	struct group_world world = group_world_of(coordinator);
	for (struct base_list *node = coordinator->list.next, *next; node != &coordinator->list; node = next) {
		struct group_slot *slot = BASE_CONTAINER(node, struct group_slot, node);
		struct group_effects effects;
		next = node->next;
		group_effects_init(&effects);
		group_expire(&slot->group, &world, &effects);
		group_carry_out(coordinator, slot, &effects);
	}
	os_timer_start(coordinator->loop, timer, (uint64_t)coordinator->options.expiry_interval_ms * 1000);
}

pyr_result group_coordinator_new(struct os_loop *loop, struct log *log, struct catalog *catalog,
                                 const struct group_options *options, struct group_coordinator **ret_coordinator)
{
	struct group_coordinator *coordinator = calloc(1, sizeof *coordinator);
	if (!coordinator)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	coordinator->loop = loop;
	coordinator->log = log;
	coordinator->catalog = catalog;
	coordinator->options = *options;
	base_list_init(&coordinator->list);
	base_list_init(&coordinator->queue);
	base_list_init(&coordinator->flying);
	coordinator->snapshot_offset = -1;
	coordinator->expiry.fire = on_expiry;
	os_timer_start(loop, &coordinator->expiry, (uint64_t)options->expiry_interval_ms * 1000);
	group_store_init(coordinator);
	group_store_load(coordinator);
	*ret_coordinator = coordinator;
	return pyr_ok();
}

static void writes_free(struct base_list *writes)
{
	struct base_list *node;
	while ((node = base_list_pop(writes))) {
		struct group_write *write = BASE_CONTAINER(node, struct group_write, node);
		base_writer_deinit(&write->records);
		free(write);
	}
}

static void coordinator_free(struct group_coordinator *coordinator)
{
	os_timer_stop(coordinator->loop, &coordinator->expiry);
	os_timer_stop(coordinator->loop, &coordinator->retry);
	while (!base_list_empty(&coordinator->list))
		slot_free(coordinator, BASE_CONTAINER(coordinator->list.next, struct group_slot, node));
	base_table_deinit(&coordinator->groups);
	writes_free(&coordinator->queue);
	writes_free(&coordinator->flying);
	base_slice_release(&coordinator->snapshot_records);
	free(coordinator);
}

void group_settle(struct group_coordinator *coordinator)
{
	if (!coordinator->closed || coordinator->creating || coordinator->reading || coordinator->appending ||
	    coordinator->trimming || !base_list_empty(&coordinator->queue))
		return;
	void (*closed)(void *context) = coordinator->closed;
	void *context = coordinator->closed_context;
	coordinator_free(coordinator);
	closed(context);
}

void group_coordinator_close(struct group_coordinator *coordinator, void (*closed)(void *context), void *context)
{
	assert(!coordinator->closed);
	coordinator->closed = closed;
	coordinator->closed_context = context;
	coordinator->snapshotting = false;
	group_settle(coordinator);
}

void group_coordinator_abandon(struct group_coordinator *coordinator)
{
	if (!coordinator)
		return;
	base_slice_release(&coordinator->append.batch);
	log_read_release(&coordinator->read);
	coordinator_free(coordinator);
}

struct group_metrics group_coordinator_metrics(const struct group_coordinator *coordinator)
{
	struct group_metrics metrics = coordinator->metrics;
	const struct base_list *head = &coordinator->list;
	metrics.groups = (uint32_t)coordinator->groups.count;
	metrics.loaded = coordinator->phase == GROUP_SERVING;
	for (struct base_list *node = head->next; node != head; node = node->next)
		metrics.offsets += BASE_CONTAINER(node, struct group_slot, node)->group.offsets.count;
	return metrics;
}
