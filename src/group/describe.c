/* What DescribeGroups tells of a classic group. Pure (see machine.h). */
#include "group/group_priv.h"

static bool tell_member(const struct group *group, const struct group_member *member, struct codec_arena *arena,
                        struct codec_kafka_describe_groups_response_member *told)
{
	bool is_stable = group->state == GROUP_STABLE;
	struct base_bytes none = {(const uint8_t *)"", 0};
	struct base_bytes metadata = is_stable ? group_member_metadata(member, group_bytes(group->protocol)) : none;
	struct base_bytes assignment =
		is_stable && member->assignment.bytes > 0 ? group_bytes(member->assignment) : none;
	told->member_id = group_copy(arena, group_bytes(member->id));
	told->group_instance_id = group_copy(arena, group_bytes(member->instance_id));
	told->client_id = group_copy(arena, group_bytes(member->client_id));
	told->client_host = group_copy(arena, group_bytes(member->client_host));
	told->member_metadata = group_copy(arena, metadata);
	told->member_assignment = group_copy(arena, assignment);
	return told->member_assignment.data;
}

void group_describe(const struct group *group, struct codec_arena *arena,
                    struct codec_kafka_describe_groups_response_group *ret_answer)
{
	const struct base_list *head = &group->member_list;
	ret_answer->members = codec_arena_alloc(arena, group->members.count, sizeof *ret_answer->members);
	bool told = ret_answer->members;
	ret_answer->group_state =
		(struct base_bytes){(const uint8_t *)group_state_name(group), strlen(group_state_name(group))};
	ret_answer->protocol_type = group_copy(arena, group_bytes(group->protocol_type));
	if (group->state == GROUP_STABLE)
		ret_answer->protocol_data = group_copy(arena, group_bytes(group->protocol));
	for (struct base_list *node = head->next; node != head && told; node = node->next)
		told = tell_member(group, BASE_CONTAINER(node, struct group_member, node), arena,
		                   &ret_answer->members[ret_answer->members_count++]);
	if (!told) {
		ret_answer->members_count = 0;
		ret_answer->error_code = GROUP_UNKNOWN_SERVER_ERROR;
	}
}
