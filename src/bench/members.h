/* A group of many members, each with a connection of its own, from their first JoinGroup until all have what the leader
 * assigned to them in one and the same generation: the classic protocol, as consumers of it speak it.
 *
 * Members learn from a heartbeat, ten times a second, that they must join again. A round is over when all have left.
 * Errors are PYR_NETWORK or PYR_CANCELLED with a sentence. Owner: the loop's thread, outside of the loop. */
#ifndef PYRALOG_BENCH_MEMBERS_H
#define PYRALOG_BENCH_MEMBERS_H

#include "bench/bench.h"
#include "client/link.h"

struct bench_members;

struct bench_members_plan {
	const struct bench_options *options;
	const struct client_versions *versions;
	const char *topic; /* whose partitions are assigned, one to a member as far as they reach */
	uint32_t partitions;
	uint32_t round; /* the group's name is <topic>-<round> */
};

/* Runs `loop` for a round. *ret_members has the connections, and is to be given to the two below even after an error. */
pyr_result bench_members_run(const struct bench_members_plan *plan, struct os_loop *loop, struct os_net *net,
                             struct bench_members **ret_members, uint64_t *ret_settled_us, struct pyr_error *error);
void bench_members_stop(struct bench_members *members); /* in the loop: the round ends with PYR_CANCELLED */
void bench_members_close(struct bench_members *members); /* before the loop is freed */
void bench_members_free(struct bench_members *members); /* after */

#endif
