/* The group coordinator: consumer groups and their offsets, served from one loop and kept in the log.
 *
 * A request goes in as a decoded Kafka message, its answer comes out through a callback; who brings it (a connection of
 * this loop, or of another one that posts its calls here) is not known here. Every group is a pure state machine
 * (group/machine.h); what it must remember are records of the internal topic __consumer_offsets, in Kafka's own formats
 * (docs/formats/groups.md). Invariants: an answer that depends on a record leaves when the record is durable; a commit
 * that was acknowledged is there after any crash. Failure modes: until the topic is read, answers are
 * COORDINATOR_LOAD_IN_PROGRESS; when it can't be read, COORDINATOR_NOT_AVAILABLE and a line for the operator.
 * Owner: the loop's thread. Every `answered` comes on it, perhaps from within the call.
 */
#ifndef PYRALOG_GROUP_COORDINATOR_H
#define PYRALOG_GROUP_COORDINATOR_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "catalog/catalog.h"
#include "codec/arena.h"
#include "log/log.h"
#include "os/loop.h"
#include "os/report.h"

#include <stdbool.h>
#include <stdint.h>

struct group_coordinator;

/* group.consumer.migration.policy: which way a group may change its protocol while members are in it. */
enum group_migration { GROUP_MIGRATION_BOTH, GROUP_MIGRATION_UPGRADE, GROUP_MIGRATION_DOWNGRADE, GROUP_MIGRATION_NONE };

/* Kafka's names of them. */
const char *group_migration_name(enum group_migration policy);
bool group_migration_parse(const char *name, enum group_migration *ret_policy);

/* Defaults are Kafka's, but for the delay. */
struct group_options {
	int32_t session_timeout_min_ms, session_timeout_max_ms; /* what a member may ask for */
	int32_t initial_delay_ms; /* group.initial.rebalance.delay.ms: an empty group waits so long for more members */
	uint32_t members_max; /* in one group */
	uint32_t groups_max;
	uint32_t metadata_bytes_max; /* offset.metadata.max.bytes */
	int64_t offsets_retention_ms; /* offsets.retention.minutes */
	int64_t expiry_interval_ms; /* offsets.retention.check.interval.ms */
	int32_t consumer_session_timeout_ms; /* group.consumer.session.timeout.ms */
	int32_t consumer_heartbeat_ms; /* group.consumer.heartbeat.interval.ms */
	enum group_migration migration;
	uint64_t snapshot_bytes_min; /* a snapshot of all groups is written when so much was written since the last */
	struct os_reporter *reporter; /* NULL: nobody wants to know */
};

struct group_options group_options_default(void);

/* One request: embedded by the caller, who keeps it, and all it points to, until `answered`. */
struct group_call {
	int16_t key, version; /* one of group_coordinator_serves() */
	const void *request; /* decoded */
	struct base_bytes client_id, client_host;
	struct codec_arena *arena; /* the response is built in it */
	/* `response` is of the key's response type and borrowed until the callback returns; NULL: memory is out. */
	void (*answered)(struct group_call *call, const void *response);

	struct base_list node; /* from here on the coordinator's */
	const void *response;
	struct group_call **slot; /* where a machine keeps it while it waits; NULL: it does not */
};

/* Reads the topic's records in the background, if there are any. PYR_OUT_OF_MEMORY. */
pyr_result group_coordinator_new(struct os_loop *loop, struct log *log, struct catalog *catalog,
                                 const struct group_options *options, struct group_coordinator **ret_coordinator);
/* What members of groups whose partitions the server assigns are told from now on: heartbeat and session; and which way
 * groups may change their protocol. */
void group_coordinator_retune(struct group_coordinator *coordinator, const struct group_options *options);
/* On its loop, which may change them. */
const struct group_options *group_coordinator_options(const struct group_coordinator *coordinator);
/* Which groups are this node's, on its loop; without it all are. Calls about others are answered with NOT_COORDINATOR. */
void group_coordinator_set_route(struct group_coordinator *coordinator,
                                 bool (*is_ours)(void *context, struct base_bytes group_id), void *context);
bool group_coordinator_serves(int16_t key);
void group_coordinator_call(struct group_coordinator *coordinator, struct group_call *call);
/* Nobody waits for the answer any more: it comes soon, whatever it is. */
void group_coordinator_cancel(struct group_coordinator *coordinator, struct group_call *call);
/* No call may come any more; waits for what the log still owes. Before the log is closed. */
void group_coordinator_close(struct group_coordinator *coordinator, void (*closed)(void *context), void *context);
/* As a crash would, for simulation; after the log was abandoned. NULL is fine. */
void group_coordinator_abandon(struct group_coordinator *coordinator);

/* A topic that only the server itself may write, or delete. */
bool group_topic_is_internal(const char *name, size_t name_bytes);

struct group_metrics {
	uint32_t groups;
	uint64_t offsets;
	uint64_t calls;
	uint64_t batches; /* written */
	uint64_t snapshots;
	bool loaded;
};

struct group_metrics group_coordinator_metrics(const struct group_coordinator *coordinator);

#endif
