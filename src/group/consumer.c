/* ConsumerGroupHeartbeat: joining, staying and leaving a consumer group (see consumer.h).
 *
 * One heartbeat may change the member, the group's epoch, all targets and the member's place on its way; all of that is
 * one write, and the answer waits for it. An answer that changes nothing still waits for the writes before it, so that
 * nobody is told of an assignment which a crash could take back. Pure (see machine.h). */
#include "group/consumer.h"

#include <stdlib.h>

struct beat {
	struct group *group;
	struct group_call *call;
	const struct codec_kafka_consumer_group_heartbeat_request *asked;
	const struct group_world *world;
	struct group_effects *effects;
	struct group_write *write;
	struct group_consumer *member;
	struct group_parts owned; /* what the member says it has, if has_owned */
	bool has_owned;
	bool member_changed; /* its subscription, or that it is there */
	struct pyr_error error;
};

/* ---- answers ---- */

static struct codec_kafka_consumer_group_heartbeat_response *respond(struct beat *beat)
{
	struct codec_kafka_consumer_group_heartbeat_response *response =
		codec_arena_alloc(beat->call->arena, 1, sizeof *response);
	if (response) {
		*response = codec_kafka_consumer_group_heartbeat_response_default;
		response->heartbeat_interval_ms = group_consumers_timing(beat->group, beat->world).heartbeat_ms;
	}
	return response;
}

static void refuse(struct beat *beat, int16_t error_code)
{
	struct codec_kafka_consumer_group_heartbeat_response *response = respond(beat);
	if (response) {
		struct base_bytes text = {(const uint8_t *)beat->error.text, strlen(beat->error.text)};
		response->error_code = error_code;
		if (text.bytes > 0)
			response->error_message = group_copy(beat->call->arena, text);
	}
	group_write_drop(beat->write);
	beat->write = NULL;
	group_answer(beat->effects, beat->call, response);
}

static void answer(struct beat *beat, const void *response)
{
	group_write_answer(beat->write, response, beat->effects);
	beat->write = NULL;
}

/* ---- sets on the wire ---- */

static bool read_owned(struct beat *beat)
{
	beat->has_owned = beat->asked->topic_partitions;
	for (size_t i = 0; i < beat->asked->topic_partitions_count; i++) {
		const struct codec_kafka_consumer_group_heartbeat_request_topic_partition *topic =
			&beat->asked->topic_partitions[i];
		for (size_t j = 0; j < topic->partitions_count; j++)
			if (!group_parts_add(&beat->owned, topic->topic_id, topic->partitions[j]))
				return false;
	}
	group_parts_sort(&beat->owned);
	return true;
}

static bool tell_assignment(struct codec_arena *arena, const struct group_parts *parts,
                            struct codec_kafka_consumer_group_heartbeat_response *response)
{
	struct codec_kafka_consumer_group_heartbeat_response_topic_partition *topics =
		codec_arena_alloc(arena, parts->count, sizeof *topics);
	int32_t *numbers = codec_arena_alloc(arena, parts->count, sizeof *numbers);
	size_t count = 0;
	if (!topics || !numbers)
		return false;
	for (size_t i = 0; i < parts->count; i++) {
		const struct group_part *part = &parts->items[i];
		numbers[i] = part->partition;
		if (i == 0 || memcmp(part->topic, parts->items[i - 1].topic, sizeof part->topic) != 0) {
			memcpy(topics[count].topic_id, part->topic, sizeof part->topic);
			topics[count++].partitions = &numbers[i];
		}
		topics[count - 1].partitions_count += 1;
	}
	response->has_assignment = true;
	response->assignment.topic_partitions = topics;
	response->assignment.topic_partitions_count = count;
	return true;
}

/* ---- checks ---- */

static int16_t invalid(struct beat *beat, const char *why)
{
	return (int16_t)pyr_code_kafka(pyr_fail(&beat->error, PYR_INVALID_REQUEST, "%s", why).code);
}

static int16_t check_request(struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	bool joins = asked->member_epoch == 0;
	bool named = asked->topic_names || asked->topic_regex.data;
	if (!group_id_fits(asked->member_id) || !group_id_fits(asked->instance_id) || !group_id_fits(asked->rack_id) ||
	    asked->topic_names_count > GROUP_TOPICS_MAX)
		return invalid(beat, "an id is too long, or there are too many topic names");
	for (size_t i = 0; i < asked->topic_names_count; i++)
		if (asked->topic_names[i].bytes > CATALOG_NAME_MAX)
			return invalid(beat, "a topic name is too long");
	if (asked->member_id.bytes == 0 && (!joins || beat->call->version >= 1))
		return invalid(beat, "give the member id");
	if (asked->member_epoch < GROUP_EPOCH_LEAVE_STATIC)
		return invalid(beat, "a member epoch is -2 or more");
	if (asked->member_epoch == GROUP_EPOCH_LEAVE_STATIC && !asked->instance_id.data)
		return invalid(beat, "only a static member leaves with epoch -2: give the instance id");
	if (joins && (asked->rebalance_timeout_ms <= 0 || !asked->topic_partitions || !named ||
	              asked->topic_partitions_count > 0))
		return invalid(beat, "to join, give a rebalance timeout, a subscription, and no partitions");
	if (asked->server_assignor.data && !group_assignor_exists(asked->server_assignor)) {
		pyr_ignore(pyr_fail(&beat->error, PYR_INVALID_CONFIG, "the server's assignors are uniform and range"));
		return GROUP_UNSUPPORTED_ASSIGNOR;
	}
	return GROUP_NONE;
}

/* An answer that was lost leaves the member one epoch behind: it may go on if it has nothing that is not its. */
static int16_t check_epoch(const struct beat *beat, const struct group_consumer *member)
{
	struct group_parts foreign = {0};
	int32_t epoch = beat->asked->member_epoch;
	if (epoch == member->epoch)
		return GROUP_NONE;
	if (epoch > member->epoch || epoch != member->previous_epoch || !beat->has_owned)
		return GROUP_FENCED_MEMBER_EPOCH;
	bool selected = group_parts_select(&beat->owned, &member->assigned, false, &foreign);
	bool fine = selected && foreign.count == 0;
	group_parts_free(&foreign);
	return fine ? GROUP_NONE : GROUP_FENCED_MEMBER_EPOCH;
}

/* ---- members come and go ---- */

static void leave(struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	struct group_consumer *member = asked->instance_id.data
	                                        ? group_consumer_of_instance(beat->group, asked->instance_id)
	                                        : group_consumer_find(beat->group, asked->member_id);
	struct codec_kafka_consumer_group_heartbeat_response *response;
	if (!member) {
		refuse(beat, GROUP_UNKNOWN_MEMBER);
		return;
	}
	if (!group_same(group_bytes(member->id), asked->member_id)) {
		refuse(beat, GROUP_FENCED_INSTANCE);
		return;
	}
	response = respond(beat);
	if (response) {
		response->member_id = group_copy(beat->call->arena, asked->member_id);
		response->member_epoch = asked->member_epoch;
	}
	if (asked->member_epoch == GROUP_EPOCH_LEAVE_STATIC) {
		member->epoch = GROUP_EPOCH_LEAVE_STATIC;
		member->revoke_us = 0;
		group_record_current(beat->group, member, &beat->write->records);
	} else {
		group_consumer_remove(beat->group, member, beat->world, &beat->write->records);
	}
	answer(beat, response);
	group_downgrade_if_due(beat->group, beat->world, beat->effects);
}

static int16_t find_static(struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	struct group_consumer *member = group_consumer_of_instance(beat->group, asked->instance_id);
	const struct group_consumer *other = group_consumer_find(beat->group, asked->member_id);
	bool joins = asked->member_epoch == 0;
	if (joins && other && other != member)
		return invalid(beat, "another member has this id: one that is in a group keeps its instance id");
	if (!member || group_same(group_bytes(member->id), asked->member_id)) {
		beat->member = member;
		return member || joins ? GROUP_NONE : GROUP_UNKNOWN_MEMBER;
	}
	if (!joins)
		return GROUP_FENCED_INSTANCE;
	/* One of the classic protocol never says that it will be back. */
	if (member->epoch != GROUP_EPOCH_LEAVE_STATIC && !group_consumer_is_classic(member))
		return GROUP_UNRELEASED_INSTANCE;
	beat->member = group_consumer_take_over(beat->group, member, asked->member_id, &beat->write->records);
	beat->member_changed = true;
	return beat->member ? GROUP_NONE : GROUP_UNKNOWN_SERVER_ERROR;
}

/* The member that beats, made if it joins. */
static int16_t find_member(struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	struct base_slice id = {0};
	int16_t error_code = GROUP_NONE;
	if (asked->instance_id.data)
		error_code = find_static(beat);
	else if (asked->member_id.bytes > 0)
		beat->member = group_consumer_find(beat->group, asked->member_id);
	if (error_code != GROUP_NONE)
		return error_code;
	if (asked->member_epoch != 0)
		return beat->member ? check_epoch(beat, beat->member) : GROUP_UNKNOWN_MEMBER;
	if (beat->member)
		return GROUP_NONE;
	if (beat->group->consumers->members.count >= beat->world->options->members_max)
		return GROUP_MAX_SIZE_REACHED;
	if (asked->member_id.bytes > 0 ? !group_keep(&id, asked->member_id)
	                               : !group_new_id(beat->world, beat->call->client_id, &id))
		return GROUP_UNKNOWN_SERVER_ERROR;
	beat->member = group_consumer_new(beat->group, group_bytes(id));
	base_slice_release(&id);
	beat->member_changed = true;
	bool kept = beat->member && group_keep(&beat->member->instance_id, asked->instance_id);
	return kept ? GROUP_NONE : GROUP_UNKNOWN_SERVER_ERROR;
}

/* ---- what a heartbeat changes ---- */

static bool keep_changed(struct beat *beat, struct base_slice *slice, struct base_bytes bytes)
{
	if (!bytes.data || group_same(group_bytes(*slice), bytes))
		return true;
	beat->member_changed = true;
	return group_keep(slice, bytes);
}

static int16_t update_member(struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	struct group_consumer *member = beat->member;
	bool subscribed = false;
	pyr_result result = group_consumer_subscribe(member, asked->topic_names, asked->topic_names_count,
	                                             asked->topic_regex, &subscribed, &beat->error);
	if (result.code != PYR_OK)
		return result.code == PYR_SYNTAX ? GROUP_INVALID_REGULAR_EXPRESSION : GROUP_UNKNOWN_SERVER_ERROR;
	if (asked->rebalance_timeout_ms > 0 && asked->rebalance_timeout_ms != member->rebalance_timeout_ms) {
		member->rebalance_timeout_ms = asked->rebalance_timeout_ms;
		beat->member_changed = true;
	}
	bool same_assignor =
		!asked->server_assignor.data || group_same(group_bytes(member->assignor), asked->server_assignor);
	if (!keep_changed(beat, &member->rack_id, asked->rack_id) ||
	    !keep_changed(beat, &member->assignor, asked->server_assignor) ||
	    !keep_changed(beat, &member->client_id, beat->call->client_id) ||
	    !keep_changed(beat, &member->client_host, beat->call->client_host))
		return GROUP_UNKNOWN_SERVER_ERROR;
	beat->member_changed |= subscribed;
	beat->group->consumers->stale |= subscribed || !same_assignor;
	if (group_consumer_is_classic(member)) {
		group_consumer_set_classic(beat->group, member, NULL, 0, 0);
		beat->member_changed = true;
	}
	return GROUP_NONE;
}

static void watch_revocation(struct beat *beat)
{
	struct group_consumer *member = beat->member;
	if (member->state != GROUP_MEMBER_UNREVOKED)
		member->revoke_us = 0;
	else if (member->revoke_us == 0)
		member->revoke_us = beat->world->now_us + (uint64_t)member->rebalance_timeout_ms * 1000;
}

/* All fields given: the client wants to know where it stands. */
static bool is_full(const struct beat *beat)
{
	const struct codec_kafka_consumer_group_heartbeat_request *asked = beat->asked;
	return asked->member_epoch == 0 || (asked->rebalance_timeout_ms > 0 && asked->topic_partitions &&
	                                    (asked->topic_names || asked->topic_regex.data));
}

static void advance(struct beat *beat)
{
	struct group_consumer *member = beat->member;
	bool changed = false, behind = beat->asked->member_epoch != member->epoch;
	if (!group_consumers_refresh(beat->group, beat->world, &beat->write->records) ||
	    !group_reconcile(beat->group, member, beat->has_owned ? &beat->owned : NULL, &changed)) {
		refuse(beat, GROUP_UNKNOWN_SERVER_ERROR);
		return;
	}
	if (beat->member_changed)
		group_record_member(beat->group, member, &beat->write->records);
	if (changed || (beat->member_changed && beat->asked->member_epoch == 0))
		group_record_current(beat->group, member, &beat->write->records);
	group_consumer_renew(member, beat->group, beat->world);
	watch_revocation(beat);
	struct codec_kafka_consumer_group_heartbeat_response *response = respond(beat);
	bool told = response;
	if (told) {
		response->member_id = group_copy(beat->call->arena, group_bytes(member->id));
		response->member_epoch = member->epoch;
		if (changed || behind || is_full(beat))
			told = tell_assignment(beat->call->arena, &member->assigned, response);
	}
	answer(beat, told ? response : NULL);
}

static void carry_on(struct beat *beat)
{
	if (beat->asked->member_epoch < 0) {
		leave(beat);
		return;
	}
	int16_t error_code = find_member(beat);
	bool made = beat->member && beat->member->epoch == 0 && beat->asked->member_epoch == 0;
	if (error_code == GROUP_NONE)
		error_code = update_member(beat);
	if (error_code == GROUP_NONE) {
		advance(beat);
		return;
	}
	if (made) /* nothing of it is written */
		group_consumer_free(beat->group, beat->member);
	refuse(beat, error_code);
}

/* The group becomes one of consumers, if it is not yet and may. Of a classic group the member can't be. */
static int16_t convert(struct beat *beat)
{
	struct group *group = beat->group;
	struct group_pattern *pattern = NULL;
	if (group->kind == GROUP_CONSUMER)
		return GROUP_NONE;
	if (beat->asked->member_epoch != 0)
		return GROUP_UNKNOWN_MEMBER;
	/* Before anything is changed. */
	if (beat->asked->topic_regex.bytes > 0 &&
	    group_pattern_new(beat->asked->topic_regex, &pattern, &beat->error).code == PYR_SYNTAX)
		return GROUP_INVALID_REGULAR_EXPRESSION;
	group_pattern_free(pattern);
	return group_upgrade(group, beat->world, beat->effects, &beat->error);
}

void group_consumer_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                              struct group_effects *effects)
{
	struct beat beat = {.group = group, .call = call, .asked = call->request, .world = world, .effects = effects};
	beat.write = group_write_new(group, GROUP_WRITE_RECORDS, call);
	if (!beat.write || !read_owned(&beat)) {
		group_parts_free(&beat.owned);
		refuse(&beat, GROUP_UNKNOWN_SERVER_ERROR);
		return;
	}
	int16_t error_code = check_request(&beat);
	if (error_code == GROUP_NONE)
		error_code = convert(&beat);
	if (error_code == GROUP_NONE)
		carry_on(&beat);
	else
		refuse(&beat, error_code);
	group_parts_free(&beat.owned);
}
