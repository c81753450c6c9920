/* What the files of the group machine share. */
#ifndef PYRALOG_GROUP_GROUP_PRIV_H
#define PYRALOG_GROUP_GROUP_PRIV_H

#include "group/machine.h"

/* ---- group.c ---- */

/* A response to the call that is nothing but the error; NULL: memory is out. requests.c. */
const void *group_refusal(struct group_call *call, int16_t error_code);
/* The call has its answer; it waits no more. NULL: memory was out. */
void group_answer(struct group_effects *effects, struct group_call *call, const void *response);
/* A zeroed response in the call's arena; NULL: memory is out, and the call is answered so. */
void *group_response(struct group_effects *effects, struct group_call *call, size_t bytes);
/* Lets the call wait in `slot`, whoever waited there before being answered by the caller. */
void group_wait(struct group_call *call, struct group_call **slot);
/* Begins a write; fill in its records, then group_write_queue() it. NULL: memory is out. */
struct group_write *group_write_new(struct group *group, enum group_write_kind kind, struct group_call *call);
/* False: its records did not fit into memory; it is freed, and nothing is written. */
bool group_write_queue(struct group_write *write, struct group_effects *effects);
void group_write_drop(struct group_write *write); /* nothing of it is written; NULL is fine */
/* Answers the write's call behind all that is being written, whether or not the write adds something. */
void group_write_answer(struct group_write *write, const void *response, struct group_effects *effects);
/* A copy in the arena; empty if that is full. */
struct base_bytes group_copy(struct codec_arena *arena, struct base_bytes bytes);
/* Keeps a copy in *slice in place of what was there. False: memory is out, nothing has changed. */
[[nodiscard]] bool group_keep(struct base_slice *slice, struct base_bytes bytes);
bool group_id_fits(struct base_bytes id); /* not longer than we keep */
void group_state_set(struct group *group, enum group_state state, const struct group_world *world);
/* A name that nobody has: `prefix`-uuid. False: memory is out. */
[[nodiscard]] bool group_new_id(const struct group_world *world, struct base_bytes prefix, struct base_slice *ret_id);

/* ---- member.c ---- */

struct group_member *group_member_find(const struct group *group, struct base_bytes id);
struct group_member *group_member_of_instance(const struct group *group, struct base_bytes instance_id);
/* Protocols and timeouts as the call has them. NULL: memory is out. */
struct group_member *group_member_new(struct group *group, struct base_bytes id, const struct group_call *call);
[[nodiscard]] bool group_member_update(struct group_member *member, const struct group_call *call);
[[nodiscard]] bool group_member_rename(struct group *group, struct group_member *member, struct base_bytes id);
/* Waiting calls must have been answered. */
void group_member_free(struct group *group, struct group_member *member);
/* NULL: memory is out. */
struct group_protocol *group_protocols_copy(const struct codec_kafka_join_group_request_protocol *protocols,
                                            size_t count);
struct group_protocol *group_protocols_share(const struct group_protocol *protocols, size_t count);
void group_protocols_free(struct group_protocol *protocols, size_t count);
struct group_pending *group_pending_find(const struct group *group, struct base_bytes id);
void group_pending_free(struct group_pending *pending);
bool group_member_has_protocol(const struct group_member *member, struct base_bytes name);
/* Do the request's protocols equal the member's, in order? */
bool group_member_matches(const struct group_member *member, const struct codec_kafka_join_group_request *asked);
/* Is there a protocol that the request and all members know, of one type? */
bool group_protocols_fit(const struct group *group, const struct codec_kafka_join_group_request *asked);
/* The protocol that most members prefer among those that all know. data NULL: there is none. */
struct base_bytes group_protocol_elect(const struct group *group);
/* The generation that the member's requests must name. */
static inline int32_t group_member_generation(const struct group *group, const struct group_member *member)
{
	return member->epoch != 0 ? member->epoch : group->generation;
}
/* Metadata of the member under the group's protocol. */
struct base_bytes group_member_metadata(const struct group_member *member, struct base_bytes protocol);
/* The member that the ids of a request mean: GROUP_NONE, GROUP_UNKNOWN_MEMBER or GROUP_FENCED_INSTANCE. */
int16_t group_member_check(const struct group *group, struct base_bytes id, struct base_bytes instance_id,
                           struct group_member **ret_member);

/* ---- join.c ---- */

void group_join(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects);
/* Session timeout and sizes: GROUP_NONE, or the error. */
int16_t group_join_check(const struct group_call *call, const struct group_world *world);
void group_rebalance(struct group *group, const struct group_world *world, struct group_effects *effects);
/* After somebody left, or time passed: goes on if everybody is there. */
void group_rebalance_progress(struct group *group, const struct group_world *world, struct group_effects *effects);
/* Drops a member; whatever it waits for is answered with the error. */
void group_member_remove(struct group *group, struct group_member *member, int16_t error_code,
                         const struct group_world *world, struct group_effects *effects);
void group_join_fail(struct group_call *call, int16_t error_code, struct base_bytes member_id,
                     struct group_effects *effects);
/* The group as it is in the generation the member is in. */
void group_join_answer(const struct group *group, struct group_member *member, struct group_call *call,
                       struct group_effects *effects);
void group_join_tick(struct group *group, const struct group_world *world, struct group_effects *effects);

/* ---- classic.c ---- */

void group_sync(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects);
void group_sync_fail(struct group_call *call, int16_t error_code, struct group_effects *effects);
void group_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                     struct group_effects *effects);
void group_leave(struct group *group, struct group_call *call, const struct group_world *world,
                 struct group_effects *effects);
void group_session_renew(struct group_member *member, const struct group_world *world);
void group_assignment_written(struct group *group, int32_t generation, pyr_result result,
                              const struct group_world *world, struct group_effects *effects);
void group_classic_tick(struct group *group, const struct group_world *world, struct group_effects *effects);
uint64_t group_classic_deadline_us(const struct group *group);

/* ---- offsets.c ---- */

void group_commit(struct group *group, struct group_call *call, const struct group_world *world,
                  struct group_effects *effects);
void group_commit_written(struct group *group, const struct group_write *write, pyr_result result,
                          const struct group_world *world, struct group_effects *effects);
void group_offsets_delete(struct group *group, struct group_call *call, const struct group_world *world,
                          struct group_effects *effects);
struct group_offset *group_offset_find(const struct group *group, struct base_bytes topic, int32_t partition);
/* Sets an offset, all fields but the key from `from`. False: memory is out. */
[[nodiscard]] bool group_offset_set(struct group *group, struct base_bytes topic, int32_t partition,
                                    const struct group_offset *from, struct base_bytes metadata);
void group_offset_free(struct group *group, struct group_offset *offset);

/* ---- record.c ---- */

/* Without members while they are between two generations: the number alone must go on from there. */
void group_record_metadata(const struct group *group, bool with_members, struct base_writer *records);
void group_record_offset(const struct group *group, struct base_bytes topic, int32_t partition,
                         const struct group_offset *offset, struct base_bytes metadata, struct base_writer *records);
void group_record_offset_tombstone(const struct group *group, const struct group_offset *offset,
                                   struct base_writer *records);
void group_record_classic_tombstone(const struct group *group, struct base_writer *records);
/* Of all that is remembered of the group. */
void group_record_tombstones(const struct group *group, struct base_writer *records);

#endif
