/* The coordinator's insides, shared by its files. All of it belongs to the loop's thread. */
#ifndef PYRALOG_GROUP_COORDINATOR_PRIV_H
#define PYRALOG_GROUP_COORDINATOR_PRIV_H

#include "group/machine.h"

struct group_slot {
	struct group group;
	struct base_table_node by_id; /* in the coordinator's groups */
	struct base_list node; /* in its list, those that the last snapshot has behind the others */
	struct group_coordinator *coordinator;
	struct os_timer timer;
	uint64_t armed_us; /* UINT64_MAX: the timer is not armed */
	uint64_t snapshot; /* number of the last one that has it */
};

enum group_phase { GROUP_LOADING, GROUP_SERVING, GROUP_FAILED };

struct group_coordinator {
	struct os_loop *loop;
	struct log *log;
	struct catalog *catalog;
	struct group_options options;
	struct base_table groups;
	struct base_list list;
	enum group_phase phase;
	struct group_metrics metrics;
	struct os_timer expiry;
	bool (*is_ours)(void *context, struct base_bytes group_id); /* NULL: all are */
	void *route_context;

	uint32_t partition; /* of the log; 0: the topic is not made yet */
	struct catalog_change create;
	bool creating;

	/* Loading. */
	struct log_read read;
	int64_t load_end;
	bool reading;

	/* Writing: one batch is on its way, what comes meanwhile goes with the next. */
	struct base_list queue; /* group_write */
	struct base_list flying;
	struct log_append append;
	bool appending;
	struct os_timer retry; /* the log was busy */

	/* Snapshots. */
	uint64_t snapshot; /* number of the last that was begun */
	bool snapshotting;
	bool append_is_snapshot;
	int64_t snapshot_offset; /* of its first batch; -1: none yet */
	struct base_slice snapshot_records; /* of one group, encoded at one moment */
	size_t snapshot_at; /* written of these */
	uint64_t written_bytes; /* since the last snapshot */
	uint64_t live_bytes; /* of the last snapshot */
	struct log_append trim;
	bool trimming;

	void (*closed)(void *context); /* not NULL: closing */
	void *closed_context;
};

/* ---- coordinator.c ---- */

[[gnu::format(printf, 2, 3)]] void group_say(struct group_coordinator *coordinator, const char *format, ...);
/* The group that a call is about; false: it is about none, or several. */
bool group_id_of(const struct group_call *call, struct base_bytes *ret_id);
bool group_route_is_ours(const struct group_coordinator *coordinator, const struct group_call *call); /* route.c */
struct group_world group_world_of(struct group_coordinator *coordinator);
struct group_slot *group_slot_find(const struct group_coordinator *coordinator, struct base_bytes id);
/* NULL: memory is out, or there are groups_max. */
struct group_slot *group_slot_make(struct group_coordinator *coordinator, struct base_bytes id);
/* Carries out what an event of this group wants: records are queued, the timer is set, the group goes if it is over,
 * answers leave. The slot may be gone after it. */
void group_carry_out(struct group_coordinator *coordinator, struct group_slot *slot, struct group_effects *effects);
/* Calls `closed` if nothing is under way any more; the coordinator is gone after it. */
void group_settle(struct group_coordinator *coordinator);

/* What is in memory is not what is written: forgets all groups, answers who waits. */
void group_forget_all(struct group_coordinator *coordinator);

/* ---- store.c: the topic ---- */

void group_store_init(struct group_coordinator *coordinator);
/* Finds the topic and begins to read it. */
void group_store_load(struct group_coordinator *coordinator);
/* Writes what is queued, if it can. */
void group_store_kick(struct group_coordinator *coordinator);

/* ---- requests.c: of no one group ---- */

void group_refuse(struct group_call *call, int16_t error_code);
/* OffsetFetch, DescribeGroups, ListGroups, DeleteGroups. */
void group_serve_many(struct group_coordinator *coordinator, struct group_call *call);

#endif
