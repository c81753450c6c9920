/* What the files of the Kafka port share. A server is what one shard has of the port; all of it belongs to that shard's
 * loop. The group of them is made before the loops run and does not change; only its first member, which listens, uses
 * what it counts.
 *
 * A request lives from its last byte received until its response is handed to the connection. Its connection may go
 * earlier: then `connection` is NULL, the handler goes on, and the response is dropped. */
#ifndef PYRALOG_SERVER_KAFKA_KAFKA_PRIV_H
#define PYRALOG_SERVER_KAFKA_KAFKA_PRIV_H

#include "base/list.h"
#include "codec/arena.h"
#include "codec/kafka/api.h"
#include "codec/kafka/messages.h"
#include "server/kafka/kafka.h"

#include <stdatomic.h>

enum {
	KAFKA_SHARDS_MAX = 64,
	KAFKA_ARENA_BYTES_MAX = 16 << 20, /* what one request may decode into, and its response be built from */
	KAFKA_RESPONSE_BYTES_MAX = 64 << 20, /* of a response, records not counted */
	KAFKA_CLUSTER_ID_BYTES = 22,
	KAFKA_CHANGES_MAX = 10000, /* topics created or deleted by one request */
	KAFKA_BUCKETS = 4096,
	KAFKA_PRODUCER_IDS = 256, /* producers' numbers taken at once */
	KAFKA_AUTO_CREATES_MAX = 100, /* in one request; the client asks again for the others */
};

/* Kafka's error codes that no pyr_code stands for. Source: kafka.apache.org/protocol, "Error Codes". */
enum kafka_error {
	KAFKA_UNKNOWN_SERVER_ERROR = -1,
	KAFKA_NONE = 0,
	KAFKA_LEADER_NOT_AVAILABLE = 5,
	KAFKA_COORDINATOR_NOT_AVAILABLE = 15,
	KAFKA_NOT_ENOUGH_REPLICAS = 19,
	KAFKA_INVALID_REQUIRED_ACKS = 21,
	KAFKA_ILLEGAL_SASL_STATE = 34,
	KAFKA_UNSUPPORTED_VERSION = 35,
	KAFKA_INVALID_REPLICA_ASSIGNMENT = 39,
	KAFKA_INVALID_REQUEST = 42,
	KAFKA_INVALID_TXN_STATE = 48,
	KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
	KAFKA_FETCH_SESSION_ID_NOT_FOUND = 70,
	KAFKA_INVALID_FETCH_SESSION_EPOCH = 71,
	KAFKA_FENCED_LEADER_EPOCH = 74,
	KAFKA_UNKNOWN_LEADER_EPOCH = 75,
	KAFKA_ELECTION_NOT_NEEDED = 84,
	KAFKA_NO_REASSIGNMENT_IN_PROGRESS = 85,
	KAFKA_RESOURCE_NOT_FOUND = 91,
	KAFKA_UNKNOWN_TOPIC_ID = 100,
	KAFKA_TRANSACTIONAL_ID_NOT_FOUND = 105,
};

/* Source: org.apache.kafka.common.config.ConfigResource.Type. */
enum {
	KAFKA_RESOURCE_TOPIC = 2,
	KAFKA_RESOURCE_BROKER = 4,
	KAFKA_RESOURCE_BROKER_LOGGER = 8,
	KAFKA_RESOURCE_CLIENT_METRICS = 16,
	KAFKA_RESOURCE_GROUP = 32,
};

struct kafka_connection;

struct kafka_request {
	struct base_list node; /* in its connection's requests, oldest first; or in the server's orphans */
	struct kafka_server *server;
	struct kafka_connection *connection; /* NULL: the client has gone */
	const struct codec_kafka_api *api; /* NULL: not spoken */
	struct codec_kafka_request_header header;
	struct catalog_principal principal;
	struct base_slice bytes; /* the whole request, behind its length */
	struct codec_arena arena; /* holds what the handler decodes and builds */
	size_t memory_bytes; /* counted against memory_bytes_max */

	struct kafka_spread *spread; /* it concerns several shards: what they share; NULL: only this one */
	bool unwanted; /* the client has gone: nobody reads the answer */

	void *work; /* the handler's; malloc'ed, gone with the request */
	void (*work_free)(void *work); /* NULL: free() */
	void (*cancel)(
		struct kafka_request *request); /* the client has gone: stop waiting, reply soon. NULL: will anyway */

	int32_t throttle_ms; /* how long its client is held back after it */
	bool started;
	bool answered;
	bool close_after; /* the connection is closed once this is answered */
	struct base_slice *response; /* malloc'ed; length prefix included */
	size_t response_slices;
	size_t response_bytes;
};

/* Slices to be put into the encoded response at `at` (as codec_kafka_records.ret_gap_at tells), in order. */
struct kafka_gap {
	size_t at;
	struct base_slice *slices; /* taken over and zeroed */
	size_t slice_count;
};

/* How a request ended: a message to encode, none (acks = 0), or a failure. */
struct kafka_outcome {
	const void *message; /* NULL: there is none */
	void *kept; /* the same in the request's arena, once several shards are involved */
	struct kafka_gap *gaps;
	size_t gap_count;
	const char *failure; /* why, a literal; NULL: it did not fail */
};

/* A request that several shards work on (spread.c). The origin's, whose server it arrived at. */
struct kafka_spread {
	struct kafka_request *origin;
	const void *message; /* decoded, in the origin's arena: read by all */
	void (*handle)(struct kafka_request *request, const void *message);
	const uint8_t *owners; /* the shard of each slot; NULL: all work is the one part's */
	atomic_size_t readable; /* fetch: bytes that all shards have found */
	size_t pending; /* work and messages that have not come back */
	bool own_done;
	struct kafka_outcome outcome; /* of the origin's own part */
	struct kafka_part *parts; /* on other shards */
	size_t part_count;
};

/* What the clients of one quota have used, of all shards: without a lock. */
struct kafka_bucket {
	atomic_uint_least64_t key; /* whose; 0: nobody's yet */
	atomic_uint_least64_t arrival_us; /* when what they used until now would be used up at the quota's rate */
};

/* The quotas that hold for a connection's client id, as looked up at a version of them. */
struct kafka_quotas {
	uint64_t version;
	uint64_t client; /* hash of the client id */
	double rates[CATALOG_QUOTA_KEYS]; /* 0: none */
	uint64_t buckets[CATALOG_QUOTA_KEYS]; /* keys */
};

/* Servers of all shards; the first one listens and gives connections to each in turn. */
struct kafka_group {
	struct kafka_server **servers;
	size_t count;
	size_t next; /* takes the next connection */
	struct kafka_bucket *buckets; /* KAFKA_BUCKETS of them */
	_Atomic uint32_t default_partitions; /* of topics made from here on */
	_Atomic size_t draining_count; /* servers that still have a connection, when draining */
	size_t open_count; /* that still have something to do, when closing */
	void (*closed)(void *context);
	void *closed_context;
};

struct kafka_connection {
	struct base_list node; /* in the server's connections */
	struct base_list memory_node; /* in the server's memory_waiters, or linked to itself */
	struct base_list answered_node; /* in the server's answered, or linked to itself */
	struct kafka_server *server;
	struct os_connection *os;
	struct base_list requests; /* in the order received */
	uint32_t request_count;
	size_t unsent_bytes; /* responses built, not yet handed to os */
	size_t counted_bytes; /* of ours in the server's response_bytes */

	/* Receiving: nothing, a part of the length, or a request of known length in a buffer of its own. */
	uint8_t length[4];
	size_t length_bytes; /* of those four that are there */
	struct base_buffer *own; /* NULL: the next bytes go to the server's shared buffer */
	size_t own_bytes; /* received into it */
	size_t own_wanted; /* the request's length */
	size_t trusted_bytes; /* of the longest request that came whole, up to a limit */

	struct kafka_quotas quotas;
	struct os_timer unmute;
	bool muted; /* over a quota: nothing is read or started until `unmute` */

	bool paused;
	bool pumping;
	bool closing;
	uint64_t progress_us; /* when bytes last moved */
	size_t queued_last; /* os_connection_queued_bytes() at the last look */
};

struct kafka_server {
	struct kafka_server_options options;
	struct kafka_group *group;
	size_t shard;
	struct os_loop *loop;
	struct os_net *net;
	struct catalog *catalog;
	struct log *log;
	uint32_t connections_max; /* this server's share */
	char *host;
	char *advertised_host;
	uint16_t advertised_port;
	struct os_listener *listener;
	struct os_timer tick;
	uint32_t lines; /* logged since the last tick */
	struct os_timer memory_timer; /* at once: memory was given back while somebody waited for it */

	struct base_list connections;
	struct base_list orphans; /* requests whose client has gone */
	struct base_list memory_waiters; /* connections */
	struct base_list answered; /* connections with something to send at the end of the turn */
	struct os_task flush_task;
	bool flushing; /* flush_task is on its way */
	struct base_buffer *shared; /* small requests of all connections arrive here */
	size_t shared_used;
	struct kafka_connection *shared_lent_to; /* between its space() and received() */
	struct kafka_server_metrics metrics;

	uint64_t producer_ids[KAFKA_PRODUCER_IDS]; /* the current block, of Scarab IDs or of the catalog's */
	size_t producer_next, producer_end; /* those that are left of it */
	struct base_list producer_waiters; /* requests, while a block is on its way (kafka_producer_waiter) */
	struct catalog_change producer_block;
	struct os_executor *producer_executor; /* NULL: not needed yet */
	struct os_job producer_job;
	pyr_result producer_result;
	struct pyr_error producer_error;
	bool producer_block_wanted;

	bool draining;
	bool drained; /* and told */
	struct os_task drain_task;
	bool closing;
	bool closed; /* nothing is left to do */
	struct os_task close_task; /* to its loop, and back to the first server's */
};

/* ---- server.c ---- */

[[gnu::format(printf, 2, 3)]] void kafka_log_line(struct kafka_server *server, const char *format, ...);
uint32_t kafka_default_partitions(const struct kafka_server *server);
/* When draining: the connection ends when what has arrived is answered. */
void kafka_connection_drain(struct kafka_connection *connection);
/* A request that waits for something answers what it has. */
void kafka_request_hurry(struct kafka_request *request);
/* When closing: tells the first server if nothing is left; the server may be gone after it. */
void kafka_server_settle(struct kafka_server *server);
/* Kafka's form of the cluster's id, 22 characters. */
void kafka_cluster_id(const struct kafka_server *server, char ret_text[KAFKA_CLUSTER_ID_BYTES + 1]);
void kafka_memory_take(struct kafka_server *server, size_t bytes);
void kafka_memory_give(struct kafka_server *server, size_t bytes);

/* ---- connection.c ---- */

void kafka_connection_accepted(void *server, struct os_connection *os);
/* At the server that listens: the connection goes to one of the group. */
void kafka_connection_arrived(void *server, struct os_connection *os);
/* Sends what is answered, starts what may start, pauses or resumes reading. */
void kafka_connection_pump(struct kafka_connection *connection);
/* A request was answered: the same, at the end of the loop's turn. */
void kafka_connection_answered(struct kafka_connection *connection);
void kafka_connection_close(struct kafka_connection *connection);
/* Closes it if it has made no progress for too long. */
void kafka_connection_tick(struct kafka_connection *connection, uint64_t now_us);
/* Memory was given back: tries again what had to wait for it. */
void kafka_connection_retry_memory(struct kafka_connection *connection);
void kafka_connection_free(struct kafka_connection *connection);

/* ---- request.c ---- */

/* A request from the bytes behind its length; takes over `bytes`. NULL: memory is out. */
struct kafka_request *kafka_request_new(struct kafka_connection *connection, struct base_slice bytes);
/* Decodes and hands to the handler, which replies now or later. */
void kafka_request_start(struct kafka_request *request);
void kafka_request_free(struct kafka_request *request);
/* Lets go of what the request holds but its counts and its own memory. */
void kafka_request_deinit(struct kafka_request *request);
/* Sends what came out, or closes the connection. */
void kafka_request_finish(struct kafka_request *request, const struct kafka_outcome *outcome);
bool kafka_request_is_fetch(const struct kafka_request *request);

/* Replies with a message of the request's API and version, and is done with the request. What the message points to must
 * live as long as the request if several shards work on it: in its arena or work. */
void kafka_request_reply(struct kafka_request *request, const void *message);
void kafka_request_reply_spliced(struct kafka_request *request, const void *message, struct kafka_gap *gaps,
                                 size_t gap_count);
/* Done without a response (acks = 0). */
void kafka_request_reply_nothing(struct kafka_request *request);
/* Done for: the connection is closed, with a line in the log. */
void kafka_request_fail(struct kafka_request *request, const char *why);

/* ---- throttle.c ---- */

/* Counts what the request used against its client's quotas; over one, the answer tells how long its connection is muted. */
void kafka_throttle(struct kafka_request *request, const struct kafka_outcome *outcome);
/* When a request's work on the loop begins, and, with that, its end: counted against the quota of its client's. 0: nobody
 * has a quota. */
uint64_t kafka_throttle_clock(const struct kafka_request *request);
void kafka_throttle_time(struct kafka_connection *connection, uint64_t began_us);
void kafka_throttle_init(struct kafka_connection *connection);

/* ---- spread.c ---- */

/* Hands the decoded request to its handler: here, or on each shard that owns some of its slots, which are its partitions
 * counted through all topics. */
void kafka_spread_start(struct kafka_request *request, const void *message,
                        void (*handle)(struct kafka_request *request, const void *message));
/* The same, with all of the work on the first shard. */
void kafka_spread_to_first(struct kafka_request *request, const void *message,
                           void (*handle)(struct kafka_request *request, const void *message));
/* Is it for the handler that runs with this request to answer the slot? */
bool kafka_request_owns(const struct kafka_request *request, size_t slot);
/* How many handlers work on it. */
size_t kafka_request_shards(const struct kafka_request *request);
/* A handler that had found `so_far` bytes has found `change` more (or fewer: it wraps); returns what all have found. */
size_t kafka_request_readable(struct kafka_request *request, size_t so_far, size_t change);
/* The client has gone: stops all waiting for it. */
void kafka_request_cancel(struct kafka_request *request);
/* A handler is done with its share. */
void kafka_spread_answered(struct kafka_request *request, const struct kafka_outcome *outcome);
/* All gaps of the response in any order, for free(). NULL: memory is out. */
struct kafka_gap *kafka_spread_gaps(const struct kafka_spread *spread, size_t *ret_count);
void kafka_spread_free(struct kafka_spread *spread); /* NULL is fine */

/* Zeroed memory that lives as long as the request. NULL: the request has failed and must not be touched again. */
void *kafka_request_alloc(struct kafka_request *request, size_t count, size_t element_bytes);

/* ---- handlers, a file each family; `message` is the decoded request ---- */

void kafka_api_versions(struct kafka_request *request, const void *message);
void kafka_api_versions_unsupported(struct kafka_request *request);
void kafka_sasl_handshake(struct kafka_request *request, const void *message);
void kafka_sasl_authenticate(struct kafka_request *request, const void *message);
void kafka_metadata(struct kafka_request *request, const void *message);
void kafka_produce(struct kafka_request *request, const void *message);
void kafka_fetch(struct kafka_request *request, const void *message);
void kafka_list_offsets(struct kafka_request *request, const void *message);
void kafka_create_topics(struct kafka_request *request, const void *message);
void kafka_delete_topics(struct kafka_request *request, const void *message);
void kafka_delete_records(struct kafka_request *request, const void *message);
bool kafka_coordinates(void *server, struct base_bytes group_id); /* groups.c: whether it is this node's */
void kafka_init_producer_id(struct kafka_request *request, const void *message);
void kafka_offset_for_leader_epoch(struct kafka_request *request, const void *message);
void kafka_describe_configs(struct kafka_request *request, const void *message);
void kafka_list_config_resources(struct kafka_request *request, const void *message);
void kafka_alter_configs(struct kafka_request *request, const void *message);
void kafka_incremental_alter_configs(struct kafka_request *request, const void *message);
void kafka_describe_cluster(struct kafka_request *request, const void *message);
void kafka_create_partitions(struct kafka_request *request, const void *message);
void kafka_elect_leaders(struct kafka_request *request, const void *message);
void kafka_alter_partition_reassignments(struct kafka_request *request, const void *message);
void kafka_list_partition_reassignments(struct kafka_request *request, const void *message);
void kafka_describe_topic_partitions(struct kafka_request *request, const void *message);
/* Names the partitions that a client asks for without names. False: the request has failed. */
bool kafka_log_dirs_prepare(struct kafka_request *request, void *message);
void kafka_describe_log_dirs(struct kafka_request *request, const void *message);
void kafka_describe_producers(struct kafka_request *request, const void *message);
void kafka_describe_client_quotas(struct kafka_request *request, const void *message);
void kafka_alter_client_quotas(struct kafka_request *request, const void *message);
void kafka_describe_scram(struct kafka_request *request, const void *message);
void kafka_describe_transactions(struct kafka_request *request, const void *message);
void kafka_list_transactions(struct kafka_request *request, const void *message);
void kafka_find_coordinator(struct kafka_request *request, const void *message);
void kafka_group_request(struct kafka_request *request, const void *message); /* all that the coordinator serves */

/* Is that the number of this node, in digits? (configs.c) */
bool kafka_is_this_node(const struct kafka_server *server, struct base_bytes name);
/* Bits of AclOperation that authorize() grants; `object` NULL: the node (metadata.c). */
int32_t kafka_authorized_operations(struct kafka_request *request, const char *object);

/* ---- topics.c: what many handlers ask ---- */

struct base_bytes kafka_text(const char *text); /* borrows */
/* A copy in the request's arena; empty if that is full. */
struct base_bytes kafka_text_copy(struct kafka_request *request, const char *text);
int16_t kafka_error_of(enum pyr_code code);
/* The topic by name, or by id if name.data is NULL, if the principal may do `action` with it. On failure NULL, and what
 * to tell the client. */
const struct catalog_topic *kafka_topic_find(struct kafka_request *request, struct base_bytes name,
                                             const uint8_t id[CATALOG_UUID_BYTES], enum catalog_action action,
                                             int16_t *ret_error);
/* The log's partition of a topic and its state. KAFKA_NONE or what to tell the client. */
int16_t kafka_partition_find(struct kafka_request *request, const struct catalog_topic *topic, int32_t index,
                             uint32_t *ret_partition, struct log_partition_info *ret_info);
/* What the client believes the leader epoch to be (-1: nothing) against what it is. */
int16_t kafka_epoch_check(int32_t believed, int32_t epoch);

#endif
