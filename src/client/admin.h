/* What programs ask a broker besides records, one question at a time: each call runs the loop until the answer
 * is there or the time for it (10 s for the first, 40 s for others) is over.
 *
 * Errors are PYR_NETWORK with a sentence that names the broker, or PYR_CANCELLED with one that names the broker's error.
 * Owner: the loop's thread, outside of the loop. */
#ifndef PYRALOG_CLIENT_ADMIN_H
#define PYRALOG_CLIENT_ADMIN_H

#include "client/link.h"

struct client_admin {
	struct os_loop *loop;
	struct os_net *net;
	const char *host;
	uint16_t port;
	struct client_versions versions; /* agreed by client_admin_open() */
	struct client_link link;
	struct os_timer timer;
	unsigned patience_s;
	pyr_result (*take)(struct client_admin *admin, const void *response, struct pyr_error *error);
	void *take_context;
	struct pyr_error *error;
	pyr_result result;
	bool is_over;
};

/* Where a partition begins and ends (its high watermark). */
struct client_range {
	int64_t start;
	int64_t end;
};

/* Connects and agrees on versions. `loop` must not be running. */
pyr_result client_admin_open(struct client_admin *admin, struct os_loop *loop, struct os_net *net, const char *host,
                             uint16_t port, struct pyr_error *error);
void client_admin_close(struct client_admin *admin);
void client_admin_deinit(struct client_admin *admin); /* after the loop was freed */

/* `response` is of the key's response type and valid during the call; what it returns is what client_admin_ask() does. */
typedef pyr_result client_admin_take(struct client_admin *admin, const void *response, struct pyr_error *error);
/* Asks anything of an API whose version client_admin_open() agreed on; `context` is admin->take_context in `take`. */
pyr_result client_admin_ask(struct client_admin *admin, int16_t key, const void *message, client_admin_take *take,
                            void *context, struct pyr_error *error);
/* *ret_partitions: 0 if there is no such topic. One broker must lead all of it. */
pyr_result client_admin_topic(struct client_admin *admin, const char *topic, uint32_t *ret_partitions,
                              struct pyr_error *error);
/* `config`: "key=value,key=value", or "". */
pyr_result client_admin_create(struct client_admin *admin, const char *topic, uint32_t partitions, const char *config,
                               struct pyr_error *error);
pyr_result client_admin_delete(struct client_admin *admin, const char *topic, struct pyr_error *error);
/* Waits, up to a minute, until the broker leads all partitions of the topic. Fills ranges[partitions]. */
pyr_result client_admin_ranges(struct client_admin *admin, const char *topic, uint32_t partitions,
                               struct client_range *ranges, struct pyr_error *error);

/* Waits, up to a minute, until there is a coordinator for the group: a broker makes the topic for offsets when first asked. */
pyr_result client_admin_coordinator(struct client_admin *admin, const char *group, struct pyr_error *error);

/* "NOT_LEADER_OR_FOLLOWER", as kafka.apache.org/protocol has them; "error 123" for one that is not known here. */
const char *client_kafka_error(int16_t code, char ret_text[32]);

#endif
