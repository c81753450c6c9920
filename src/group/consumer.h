/* Consumer groups of KIP-848: members tell by heartbeats what they want and have, the group assigns on this side.
 *
 * Three steps, each with an epoch: the group's epoch rises when subscriptions or topics change; a target assignment is
 * made for it; every member goes there on its own, giving up what it must before it takes what others gave up.
 * Members may use the classic protocol meanwhile (mixed.c): their generation is their epoch, and JoinGroup is their step.
 * Invariant: a partition is owned (assigned, or still to be revoked) by one member at most. Owner: as the group. */
#ifndef PYRALOG_GROUP_CONSUMER_H
#define PYRALOG_GROUP_CONSUMER_H

#include "group/group_priv.h"
#include "group/parts.h"
#include "group/pattern.h"

enum {
	GROUP_EPOCH_LEAVE = -1,
	GROUP_EPOCH_LEAVE_STATIC = -2, /* it will be back */
	GROUP_TOPICS_MAX = 10000, /* that one member subscribes to by name */
};

/* The numbers are Kafka's (MemberState), they are stored. */
enum group_consumer_state {
	GROUP_MEMBER_STABLE = 1,
	GROUP_MEMBER_UNREVOKED = 2, /* must give up some before it gets others */
	GROUP_MEMBER_UNRELEASED = 3, /* waits for what others have not given up */
};

struct group_consumer {
	struct base_table_node by_id;
	struct base_list node;
	struct base_slice id, instance_id, rack_id, client_id, client_host, regex, assignor;
	struct base_slice *topics; /* names, sorted */
	size_t topic_count;
	struct group_pattern *pattern; /* of regex; NULL: none */
	int32_t rebalance_timeout_ms;
	int32_t epoch, previous_epoch;
	enum group_consumer_state state;
	struct group_parts assigned, revoking, target;
	uint64_t session_us;
	uint64_t revoke_us; /* 0, or by when it must have given up */

	/* Of a member that uses the classic protocol; protocols NULL: it does not. */
	struct group_protocol *protocols;
	size_t protocol_count;
	int32_t session_timeout_ms;
	uint64_t join_us; /* 0, or by when it must have joined again: it was told to */
	uint64_t sync_us; /* 0, or by when it must have asked for its assignment */
};

struct group_consumers {
	int32_t epoch, assignment_epoch;
	int64_t hash; /* of the topics subscribed to, as the target assignment knows them */
	uint64_t topics_version; /* of the world, when the hash was made */
	bool stale; /* a member came, went, or changed its subscription since */
	struct base_table members;
	struct base_list list;
	size_t classic_count; /* of these that use the classic protocol */
};

static inline bool group_consumer_is_classic(const struct group_consumer *member)
{
	return member->protocols;
}

/* ---- consumer.c ---- */

void group_consumer_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                              struct group_effects *effects);

/* ---- consumer_life.c ---- */

struct group_timing group_consumers_timing(const struct group *group, const struct group_world *world);
/* The member was heard of. */
void group_consumer_renew(struct group_consumer *member, const struct group *group, const struct group_world *world);
/* May the request's member commit, or fetch, with this epoch, or generation? */
int16_t group_consumer_check(const struct group *group, struct base_bytes id, int32_t epoch,
                             struct group_consumer **ret_member);
void group_consumer_remove(struct group *group, struct group_consumer *member, const struct group_world *world,
                           struct base_writer *records);
/* A static member is back under another id: the place of the old one, with all that it had, is its. NULL: memory is out. */
struct group_consumer *group_consumer_take_over(struct group *group, struct group_consumer *old, struct base_bytes id,
                                                struct base_writer *records);
/* Raises the group's epoch and makes new targets if anything has changed that they depend on. False: memory is out. */
[[nodiscard]] bool group_consumers_refresh(struct group *group, const struct group_world *world,
                                           struct base_writer *records);
void group_consumers_tick(struct group *group, const struct group_world *world, struct group_effects *effects);
uint64_t group_consumers_deadline_us(const struct group *group);
/* Sessions begin anew; what changed in between is looked at with the first heartbeat. */
void group_consumers_restored(struct group *group, const struct group_world *world);
const char *group_consumers_state_name(const struct group *group);
bool group_consumers_subscribe(const struct group *group, struct base_bytes topic);

/* ---- migrate.c ---- */

/* A classic group goes on as one of consumers, with its members in it, its epochs behind its generations. GROUP_NONE,
 * or Kafka's error and why not; then nothing has changed. */
int16_t group_upgrade(struct group *group, const struct group_world *world, struct group_effects *effects,
                      struct pyr_error *error);
/* The other way about, if members are left that all use the classic protocol, and the policy allows it. */
void group_downgrade_if_due(struct group *group, const struct group_world *world, struct group_effects *effects);

/* ---- mixed.c: requests of the classic protocol to a consumer group that has members ---- */

void group_mixed_join(struct group *group, struct group_call *call, const struct group_world *world,
                      struct group_effects *effects);
void group_mixed_sync(struct group *group, struct group_call *call, const struct group_world *world,
                      struct group_effects *effects);
void group_mixed_heartbeat(struct group *group, struct group_call *call, const struct group_world *world,
                           struct group_effects *effects);
void group_mixed_leave(struct group *group, struct group_call *call, const struct group_world *world,
                       struct group_effects *effects);

/* ---- embedded.c: what the protocol type "consumer" puts into JoinGroup and SyncGroup ---- */

/* The version that stands before the message; PYR_CORRUPT, PYR_INVALID_REQUEST: it can't be read. */
pyr_result group_subscription_read(struct base_bytes metadata, struct codec_arena *arena,
                                   struct codec_kafka_consumer_protocol_subscription *ret_subscription,
                                   int16_t *ret_version);
/* No bytes are no partitions. */
pyr_result group_assignment_read(struct base_bytes bytes, struct codec_arena *arena,
                                 struct codec_kafka_consumer_protocol_assignment *ret_assignment);
/* Partitions of topics that are gone are left out. PYR_OUT_OF_MEMORY. */
pyr_result group_assignment_write(const struct group_parts *parts, int16_t version, const struct group_world *world,
                                  struct base_slice *ret_bytes);

/* ---- consumer_member.c ---- */

/* False: memory is out. */
[[nodiscard]] bool group_consumers_begin(struct group *group);
void group_consumers_free(struct group *group);
struct group_consumer *group_consumer_find(const struct group *group, struct base_bytes id);
struct group_consumer *group_consumer_of_instance(const struct group *group, struct base_bytes instance_id);
struct group_consumer *group_consumer_new(struct group *group, struct base_bytes id); /* NULL: memory is out */
void group_consumer_free(struct group *group, struct group_consumer *member);
/* The member uses the classic protocol from now on, and owns `protocols`; NULL: it does not any more. */
void group_consumer_set_classic(struct group *group, struct group_consumer *member, struct group_protocol *protocols,
                                size_t count, int32_t session_timeout_ms);
/* Names and expression in place of the old ones; NULL names or data NULL leave them. PYR_SYNTAX, PYR_OUT_OF_MEMORY. */
pyr_result group_consumer_subscribe(struct group_consumer *member, const struct base_bytes *names, size_t name_count,
                                    struct base_bytes regex, bool *ret_changed, struct pyr_error *error);
bool group_consumer_wants(const struct group_consumer *member, struct base_bytes topic);

/* ---- reconcile.c ---- */

/* Does anybody but the member own the partition, or still have it to revoke? */
bool group_part_is_taken(const struct group *group, const struct group_consumer *self, const struct group_part *part);
/* Does the member wait for a partition of its target that somebody still has? */
bool group_consumer_waits(const struct group *group, const struct group_consumer *member);

/* The member's next step toward its target. `owned` is what it says that it has; NULL: it did not say. *ret_changed: its
 * record has to be written. False: memory is out. */
[[nodiscard]] bool group_reconcile(const struct group *group, struct group_consumer *member,
                                   const struct group_parts *owned, bool *ret_changed);

/* ---- assignor.c ---- */

bool group_assignor_exists(struct base_bytes name);
/* What most members ask for; uniform if nobody asks. */
const char *group_assignor_of(const struct group *group);
/* Hash of the topics that anybody subscribes to, with their partitions. */
int64_t group_topics_hash(const struct group *group, const struct group_world *world);
/* A new target for every member. False: memory is out, the targets are as they were. */
[[nodiscard]] bool group_assign(struct group *group, const struct group_world *world);

/* ---- consumer_describe.c ---- */

/* False: the arena is full. */
[[nodiscard]] bool group_consumers_describe(const struct group *group, const struct group_world *world,
                                            struct codec_arena *arena,
                                            struct codec_kafka_consumer_group_describe_response_group *told);

/* ---- consumer_record.c ---- */

void group_record_epoch(const struct group *group, struct base_writer *records);
void group_record_target_epoch(const struct group *group, struct base_writer *records);
void group_record_member(const struct group *group, const struct group_consumer *member, struct base_writer *records);
void group_record_target(const struct group *group, const struct group_consumer *member, struct base_writer *records);
void group_record_current(const struct group *group, const struct group_consumer *member, struct base_writer *records);
void group_record_member_tombstones(const struct group *group, const struct group_consumer *member,
                                    struct base_writer *records);
/* Whoever reads it forgets that the group was one of consumers. */
void group_record_consumers_end(const struct group *group, struct base_writer *records);
/* All of it, in place of all that there was. */
void group_record_consumers(const struct group *group, struct base_writer *records);
void group_record_consumers_tombstones(const struct group *group, struct base_writer *records);
pyr_result group_consumers_restore(struct group *group, int16_t type, struct base_reader *key, struct base_bytes value,
                                   struct codec_arena *arena);

#endif
