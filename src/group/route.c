/* Whose a group is (see coordinator.h): a call about a group that another node coordinates is refused, and its client asks again
 * who does. Pure. */
#include "group/coordinator_priv.h"

void group_coordinator_set_route(struct group_coordinator *coordinator,
                                 bool (*is_ours)(void *context, struct base_bytes group_id), void *context)
{
	coordinator->is_ours = is_ours;
	coordinator->route_context = context;
}

static bool all_ours(const struct group_coordinator *coordinator, const struct base_bytes *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!coordinator->is_ours(coordinator->route_context, ids[i]))
			return false;
	return true;
}

static bool fetches_ours(const struct group_coordinator *coordinator, const struct group_call *call)
{
	const struct codec_kafka_offset_fetch_request *asked = call->request;
	for (size_t i = 0; i < asked->groups_count; i++)
		if (!all_ours(coordinator, &asked->groups[i].group_id, 1))
			return false;
	return asked->groups_count > 0 || all_ours(coordinator, &asked->group_id, 1);
}

bool group_route_is_ours(const struct group_coordinator *coordinator, const struct group_call *call)
{
	const struct codec_kafka_describe_groups_request *describe = call->request;
	const struct codec_kafka_delete_groups_request *delete = call->request;
	const struct codec_kafka_consumer_group_describe_request *consumers = call->request;
	struct base_bytes id;
	if (!coordinator->is_ours)
		return true;
	if (group_id_of(call, &id))
		return all_ours(coordinator, &id, 1);
	switch (call->key) {
	case CODEC_KAFKA_OFFSET_FETCH:
		return fetches_ours(coordinator, call);
	case CODEC_KAFKA_DESCRIBE_GROUPS:
		return all_ours(coordinator, describe->groups, describe->groups_count);
	case CODEC_KAFKA_DELETE_GROUPS:
		return all_ours(coordinator, delete->group_names, delete->group_names_count);
	case CODEC_KAFKA_CONSUMER_GROUP_DESCRIBE:
		return all_ours(coordinator, consumers->group_ids, consumers->group_ids_count);
	default: /* ListGroups: those that are here */
		return true;
	}
}
