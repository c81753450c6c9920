/* One group as a pure state machine: an event goes in, effects come out.
 *
 * No I/O: time, chance and topics come with the event (struct group_world); answers and records to be made durable leave
 * through struct group_effects, in order. The owner carries them out, brings each record's fate back with
 * group_written(), and calls group_tick() when group_deadline_us() is over.
 * Invariants: an assignment is told only when it is durable, and only to members of its generation; a member is in one
 * of: pending (has an id, has not joined), members. Failure modes: a client's mistake is an answer with Kafka's error
 * code; memory running out is an answer without a response. One owner; the loop's thread.
 */
#ifndef PYRALOG_GROUP_MACHINE_H
#define PYRALOG_GROUP_MACHINE_H

#include "base/cursor.h"
#include "base/table.h"
#include "codec/kafka/messages.h"
#include "group/coordinator.h"
#include "group/errors.h"

#include <string.h>

enum {
	GROUP_ID_BYTES_MAX = 4096, /* of groups', members', instances' ids and protocols' names */
	GROUP_PROTOCOLS_MAX = 100, /* of one member */
	GROUP_RECORDS_BYTES_MAX = 32 << 20, /* of one write */
	GROUP_UUID_BYTES = CATALOG_UUID_BYTES,
};

enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER };

enum group_state {
	GROUP_EMPTY,
	GROUP_PREPARING, /* members are asked to join again */
	GROUP_COMPLETING, /* all have joined; the leader's assignment is awaited, or being written */
	GROUP_STABLE,
};

struct group_topic {
	struct base_bytes name;
	uint8_t id[GROUP_UUID_BYTES];
	uint32_t partition_count;
};

/* What a consumer group (KIP-848) tells its members to do, and expects of them. */
struct group_timing {
	int32_t session_timeout_ms, heartbeat_ms;
};

/* The moment of an event, and what it may ask. */
struct group_world {
	uint64_t now_us;
	int64_t wall_ms;
	const struct group_options *options;
	void *context;
	void (*random)(void *context, void *ret_bytes, size_t bytes);
	/* By name, or by id if name.data is NULL. False: there is none. */
	bool (*topic_find)(void *context, struct base_bytes name, const uint8_t *id, struct group_topic *ret_topic);
	/* All topics, in any order: *cursor begins as NULL. */
	bool (*topic_next)(void *context, const void **cursor, struct group_topic *ret_topic);
	uint64_t topics_version; /* rises with every change of the topics */
	/* What was set for the group, in place of what the options say; NULL: nothing is. */
	void (*timing_find)(void *context, struct base_bytes group_id, struct group_timing *timing);
};

enum group_write_kind {
	GROUP_WRITE_RECORDS, /* when durable, `call` is answered with `response` */
	GROUP_WRITE_COMMIT, /* when durable, the offsets of `call` hold */
	GROUP_WRITE_ASSIGNMENT, /* when durable, generation `generation` is stable */
};

/* Records to be made durable. */
struct group_write {
	struct base_list node;
	struct group *group;
	enum group_write_kind kind;
	int32_t generation; /* of an assignment */
	struct group_call *call; /* NULL: nobody waits */
	const void *response;
	struct base_writer records; /* each: key, value, both int32 length (-1: null) and bytes */
};

struct group_effects {
	struct base_list answers; /* group_call.node; response is set */
	struct base_list writes; /* group_write.node */
};

struct group_protocol {
	struct base_slice name, metadata;
};

struct group_member {
	struct base_table_node by_id;
	struct base_list node; /* in the order of joining */
	struct base_slice id, instance_id, client_id, client_host; /* instance_id.data NULL: dynamic */
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct group_protocol *protocols;
	size_t protocol_count;
	struct base_slice assignment;
	struct group_call *join_call, *sync_call; /* waiting */
	bool joined; /* in the rebalance under way */
	bool synced; /* since the last join was completed */
	int32_t epoch; /* not 0: the generation it knows until the rebalance ends, as it was in a consumer group */
	uint64_t deadline_us; /* of the session */
};

/* Was given an id and told to join again with it. */
struct group_pending {
	struct base_list node;
	struct base_slice id;
	uint64_t deadline_us;
};

struct group_offset {
	struct base_table_node node;
	struct base_slice topic, metadata;
	int32_t partition;
	int32_t leader_epoch;
	int64_t offset;
	int64_t commit_ms;
	int64_t expire_ms; /* -1: by the server's retention */
	uint8_t topic_id[GROUP_UUID_BYTES]; /* zeros: not known */
};

struct group_consumers; /* a consumer group's part: consumer.h */

struct group {
	struct base_slice id;
	enum group_kind kind;
	enum group_state state;
	int64_t state_ms; /* since when */
	bool stored; /* a record of it is, or is being, written: deleting it takes tombstones */
	uint32_t writes; /* that group_written() was not told of */
	uint32_t commits; /* of these */

	int32_t generation;
	struct base_slice protocol_type, protocol, leader; /* data NULL: none */
	struct base_table members;
	struct base_list member_list;
	struct base_list pendings;
	uint64_t rebalance_deadline_us;
	uint64_t initial_limit_us; /* 0, or the latest end of an empty group's first wait */
	bool member_added; /* in that wait */
	uint64_t sync_deadline_us;
	int32_t writing_generation; /* whose assignment is on its way to the log; 0: none */

	struct base_table offsets;

	struct group_consumers *consumers; /* kind CONSUMER */
};

/* ---- life: group.c ---- */

pyr_result group_init(struct group *group, struct base_bytes id);
void group_deinit(struct group *group); /* no write may be under way */
void group_effects_init(struct group_effects *effects);
/* Nothing to remember, nobody waits: the owner may drop it. */
bool group_is_gone(const struct group *group);
bool group_has_members(const struct group *group);
const char *group_state_name(const struct group *group);

/* ---- events ---- */

/* JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetDelete, ConsumerGroupHeartbeat: of one group. */
void group_call(struct group *group, struct group_call *call, const struct group_world *world,
                struct group_effects *effects);
/* Time has passed. */
void group_tick(struct group *group, const struct group_world *world, struct group_effects *effects);
uint64_t group_deadline_us(const struct group *group); /* UINT64_MAX: none */
/* The write has the result; frees it. */
void group_written(struct group_write *write, pyr_result result, const struct group_world *world,
                   struct group_effects *effects);
/* Nobody may wait any more: the group is about to be forgotten, and read again. */
void group_refuse_waiting(struct group *group, struct group_effects *effects);
/* Forgets what is too old (offsets.c). */
void group_expire(struct group *group, const struct group_world *world, struct group_effects *effects);
/* Deletes the group if nobody is in it: GROUP_NONE or why not. */
int16_t group_delete(struct group *group, struct group_effects *effects);

/* ---- looking ---- */

void group_describe(const struct group *group, struct codec_arena *arena,
                    struct codec_kafka_describe_groups_response_group *ret_answer);
/* One group's part of an OffsetFetch. */
void group_offsets_fetch(const struct group *group, const struct group_world *world, struct codec_arena *arena,
                         int version, const struct codec_kafka_offset_fetch_request_group *asked,
                         struct codec_kafka_offset_fetch_response_group *ret_answer);

/* ---- records: record.c ---- */

/* Everything the group must remember, as a snapshot has it. */
void group_snapshot(const struct group *group, struct base_writer *records);
/* Which group a record's key belongs to. PYR_CORRUPT; PYR_UNSUPPORTED_FEATURE: a kind of record we don't know. */
pyr_result group_record_group(struct base_bytes key, struct base_bytes *ret_group_id);
/* A record of the topic, at the start; value.data NULL: a tombstone. */
pyr_result group_restore(struct group *group, struct base_bytes key, struct base_bytes value);
/* All records were restored: sessions begin now. */
void group_restored(struct group *group, const struct group_world *world);
/* Walks a write's records. False at the end. */
bool group_records_next(struct base_reader *reader, struct base_bytes *ret_key, struct base_bytes *ret_value);

/* ---- small things ---- */

static inline struct base_bytes group_bytes(struct base_slice slice)
{
	return (struct base_bytes){slice.data, slice.bytes};
}

static inline bool group_same(struct base_bytes a, struct base_bytes b)
{
	return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

#endif
