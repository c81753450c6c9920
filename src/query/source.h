/* What the query layer needs from below: which topics there are, and scans of them at one moment.
 *
 * The node implements it over catalog and log. Every call is made on a query's thread and may block until the log's
 * thread has answered. Each names a principal and passes authorize().
 */
#ifndef PYRALOG_QUERY_SOURCE_H
#define PYRALOG_QUERY_SOURCE_H

#include "catalog/catalog.h"
#include "codec/batch.h"
#include "column/scan.h"

struct query_source;

struct query_topic {
	char name[CATALOG_NAME_MAX + 1];
	uint32_t partition_count;
	uint32_t id; /* its own as long as it lives */
	uint16_t column_count; /* declared: topic_columns tells them */
	uint16_t last_column; /* the highest number of a declared column, dropped ones too */
};

/* One topic of one statement. A topic named twice is two requests, with bounds of their own. */
struct query_scan_request {
	const char *topic;
	struct column_bounds bounds;
	int64_t *positions; /* NULL, or CATALOG_PARTITIONS_MAX: each partition from there on; becomes where it ended */
	struct column_scan *scan; /* result: the caller's to free */
	bool waits; /* result of a source for a loop: who reads the scan waits, so a thread has to */
};

/* Tells when a topic gets records; see tail_open. */
struct query_tail;

/* A record to append. */
struct query_record {
	const char *topic; /* exactly its name */
	struct base_bytes key, value; /* data NULL: null */
	const struct codec_header *headers;
	size_t header_count;
	int64_t timestamp_ms; /* -1: now; becomes what the record got */
	int32_t partition; /* -1: by the key, as Kafka's clients do; without one, in turn; becomes the one it got */
	int64_t offset; /* result */
};

/* A partition that a consumer group has, or has committed an offset for. Texts are cut at their ends. */
struct query_group {
	char group[CATALOG_NAME_MAX + 1], topic[CATALOG_NAME_MAX + 1];
	int32_t partition; /* -1: the group has none, and no topic */
	int64_t committed, end; /* -1: nothing committed; the partition is not there, or may not be seen */
	int64_t lag_ms; /* age of the oldest record not consumed; 0: all are, -1: not known */
	char member[CATALOG_NAME_MAX + 1], client[CATALOG_NAME_MAX + 1]; /* who has it; "": nobody */
	const char *state, *protocol; /* literals */
};

enum { QUERY_IDS_MAX = 4096 }; /* at once */

/* A counter or a gauge of one shard. The texts are static. */
struct query_metric {
	const char *name;
	int64_t shard;
	int64_t value;
	const char *text; /* what it means */
};

/* What coordinates (coord/pharaoh.h): slots, sessions and locks of this node, as pyralog.slots, .sessions and .locks have them.
 * Texts are cut at their ends. */
struct query_slot {
	int64_t slot, epoch;
	char owner[80];
};

struct query_coord_session {
	int64_t session, slot, ttl_ms, left_ms, locks;
};

struct query_lock {
	int64_t slot, session, token, waiting, value_bytes;
	char name[256];
};

enum query_coord_kind { QUERY_SLOTS, QUERY_SESSIONS, QUERY_LOCKS };

struct query_source_ops {
	/* A copy of what there is, for the caller to free(). */
	pyr_result (*topic_list)(struct query_source *source, const struct catalog_principal *principal,
	                         struct query_topic **ret_topics, size_t *ret_count, struct pyr_error *error);
	/* The topic that `name` means: exactly that name, or the one that becomes `name` when its '-' and '.' are read
	 * as '_' (the exact one wins). PYR_UNKNOWN_PARTITION when there is none. */
	pyr_result (*topic_find)(struct query_source *source, const struct catalog_principal *principal,
	                         const char *name, struct query_topic *ret_topic, struct pyr_error *error);
	/* The declared columns of the topic of exactly this name: a copy, for catalog_columns_free(); NULL: none. */
	pyr_result (*topic_columns)(struct query_source *source, const struct catalog_principal *principal,
	                            const char *name, struct catalog_columns **ret_columns, struct pyr_error *error);
	/* Declares and drops columns: all of the actions (catalog/columns.h), or none. PYR_EXISTS, PYR_NOT_FOUND,
	 * PYR_TOO_LARGE, PYR_UNKNOWN_PARTITION, the log's. */
	pyr_result (*topic_declare)(struct query_source *source, const struct catalog_principal *principal,
	                            const char *name, struct base_bytes actions, struct pyr_error *error);
	/* All of them at one moment: what was acknowledged before the call is in the scans, each record once. On failure
	 * no scan is left behind. */
	pyr_result (*scan_open)(struct query_source *source, const struct catalog_principal *principal,
	                        struct query_scan_request *requests, size_t request_count, struct pyr_error *error);
	/* A watch over all partitions of a topic; every one must be closed. */
	pyr_result (*tail_open)(struct query_source *source, const struct catalog_principal *principal,
	                        const char *topic, struct query_tail **ret_tail, struct pyr_error *error);
	/* Returns when something was appended since *seen (0 at first; it becomes now), or when `timeout_us` passed. */
	void (*tail_wait)(struct query_source *source, struct query_tail *tail, uint64_t *seen, uint64_t timeout_us);
	void (*tail_close)(struct query_source *source, struct query_tail *tail);
	/* Answered when all of them are durable, as their topics' settings say. Records of one partition keep their
	 * order and, as far as they fit, are one batch. A failure may leave a part of several batches appended.
	 * PYR_NOT_AUTHORIZED, PYR_UNKNOWN_PARTITION, PYR_TOO_LARGE (one record), the log's. */
	pyr_result (*append)(struct query_source *source, const struct catalog_principal *principal,
	                     struct query_record *records, size_t record_count, struct pyr_error *error);
	/* All consumer groups and their lag, for the caller to free(). NULL: there never are any. */
	pyr_result (*group_list)(struct query_source *source, const struct catalog_principal *principal,
	                         struct query_group **ret_groups, size_t *ret_count, struct pyr_error *error);
	/* What the node counts, for the caller to free(). NULL: nothing. */
	pyr_result (*metric_list)(struct query_source *source, const struct catalog_principal *principal,
	                          struct query_metric **ret_metrics, size_t *ret_count, struct pyr_error *error);
	/* An array of the kind's rows, for the caller to free(). NULL: there never are any. */
	pyr_result (*coord_list)(struct query_source *source, const struct catalog_principal *principal,
	                         enum query_coord_kind kind, void **ret_rows, size_t *ret_count,
	                         struct pyr_error *error);
	/* Scarab IDs, up to QUERY_IDS_MAX, that nobody else gets. NULL: there are none. */
	pyr_result (*id_take)(struct query_source *source, const struct catalog_principal *principal, uint64_t *ret_ids,
	                      size_t count, struct pyr_error *error);
};

struct query_source {
	const struct query_source_ops *ops;
};

/* Does `topic` read as the SQL name `name`, with '-' and '.' taken as '_'? */
static inline bool query_topic_reads_as(const char *topic, const char *name)
{
	for (; *topic && *name; topic++, name++)
		if (*topic != *name && !((*topic == '-' || *topic == '.') && *name == '_'))
			return false;
	return *topic == *name;
}

#endif
