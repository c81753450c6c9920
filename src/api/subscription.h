/* Subscriptions: what the public functions, the group's part and the two ways of getting records share (see pyralog.h).
 *
 * A subscription has parts: partitions, each with the offset that is read next. The ways hand records out in lots, each of one
 * partition and borrowed until the next call. Owner: who holds the subscription's lock: the thread that has it, or, between its
 * calls, the heartbeat's. */
#ifndef PYRALOG_API_SUBSCRIPTION_H
#define PYRALOG_API_SUBSCRIPTION_H

#include "api/api_priv.h"
#include "os/thread.h"

enum { API_UUID_BYTES = 16, API_MEMBER_ID_BYTES_MAX = 255, API_LOT_RECORDS_MAX = 2048 };

struct api_feed_topic {
	char *name;
	uint8_t id[API_UUID_BYTES];
	unsigned partitions;
};

struct api_feed_part {
	size_t topic;
	int32_t partition;
	int64_t next; /* behind what was handed out; -1: not known yet */
	int64_t committed; /* -1: not by us */
};

struct api_assigned {
	uint8_t topic[API_UUID_BYTES];
	int32_t partition;
};

/* As a member of a group; membership.c. */
struct api_member {
	char id[API_MEMBER_ID_BYTES_MAX + 1]; /* "": the coordinator gives one */
	int32_t epoch; /* 0: not a member */
	uint64_t beat_us; /* when the next heartbeat is due */
	struct api_assigned *assigned; /* what the coordinator gave us last */
	size_t assigned_count, assigned_room;
	bool is_told; /* and the owner has not seen that yet */
	bool is_out; /* of the group, and the owner has not seen that yet */
	uint64_t max_poll_us; /* that the owner may work between two calls */
};

/* heartbeat.c: a thread that keeps the member in the group while its owner works. */
struct api_heartbeat {
	struct os_mutex lock; /* of the subscription: held in each call, and for each heartbeat */
	struct os_condition changed;
	struct os_thread thread;
	bool runs, ending;
	uint64_t called_us; /* when the owner's last call ended */
};

struct pyr_subscription {
	struct pyralog *log;
	void *way; /* its own; NULL: it is not open */
	char *group; /* NULL: none */
	int64_t start; /* PYR_EARLIEST or PYR_LATEST, where nothing is committed */
	struct api_feed_topic *topics;
	size_t topic_count;
	struct api_feed_part *parts;
	size_t part_count, part_room;
	uint64_t looked_us; /* for new partitions, without a group */
	struct api_member member;
	struct api_heartbeat heartbeat; /* of a group */
	struct pyr_consumed *lot;
	size_t lot_count, lot_room;
	struct pyr_header *headers; /* of the lot */
	size_t header_count, header_room;
};

/* What a way does; all but close may fail. */
struct api_feed_ways {
	pyr_result (*open)(struct pyr_subscription *subscription, struct pyr_error *error);
	void (*close)(struct pyr_subscription *subscription);
	/* Its partitions and its id. PYR_UNKNOWN_PARTITION: there is none of that name. */
	pyr_result (*look)(struct pyr_subscription *subscription, struct api_feed_topic *topic,
	                   struct pyr_error *error);
	pyr_result (*range)(struct pyr_subscription *subscription, const struct api_feed_part *part, int64_t *ret_start,
	                    int64_t *ret_end, struct pyr_error *error);
	/* The next lot, by api_feed_add(); none within `wait_ms`: the lot stays empty. */
	pyr_result (*next)(struct pyr_subscription *subscription, unsigned wait_ms, struct pyr_error *error);
	void (*forget)(struct pyr_subscription *subscription); /* what was read ahead: parts have changed */
	/* A question to the groups' coordinator; `take` gets the decoded response, which lives for the call. */
	pyr_result (*ask)(struct pyr_subscription *subscription, int16_t key, int16_t version, const void *message,
	                  pyr_result (*take)(void *context, const void *response, struct pyr_error *error),
	                  void *context, struct pyr_error *error);
};

extern const struct api_feed_ways remote_feed, embedded_feed;

/* subscription.c: one record more in the lot, and behind it the part goes on. */
pyr_result api_feed_add(struct pyr_subscription *subscription, struct api_feed_part *part,
                        const struct codec_record *record);
struct api_feed_part *api_feed_find(struct pyr_subscription *subscription, size_t topic, int32_t partition);
/* The part is there afterwards, where it was or at `next`. */
pyr_result api_feed_have(struct pyr_subscription *subscription, size_t topic, int32_t partition, int64_t next);

/* membership.c: keeps up with the group: partitions come and go. Cheap until a heartbeat is due. */
pyr_result api_member_keep_up(struct pyr_subscription *subscription, uint64_t now_us, struct pyr_error *error);
pyr_result api_member_commit(struct pyr_subscription *subscription, struct pyr_error *error);
void api_member_leave(struct pyr_subscription *subscription);
/* A heartbeat between the owner's calls: what it brings waits for the next of them. */
void api_member_beat(struct pyr_subscription *subscription, uint64_t now_us);

/* heartbeat.c. Between begin and end the subscription is the caller's. */
pyr_result api_heartbeat_start(struct pyr_subscription *subscription);
void api_heartbeat_stop(struct pyr_subscription *subscription); /* one that was not started is fine */
void api_call_begin(struct pyr_subscription *subscription);
void api_call_end(struct pyr_subscription *subscription);

#endif
