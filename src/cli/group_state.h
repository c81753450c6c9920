/* What `pyralog group` knows of one group, asked over Kafka's protocol: members, committed offsets, lag. */
#ifndef PYRALOG_CLI_GROUP_STATE_H
#define PYRALOG_CLI_GROUP_STATE_H

#include "client/admin.h"

struct cli_group_partition {
	char topic[250];
	int32_t partition;
	int64_t offset; /* committed; -1: none */
	int64_t end; /* -1: the partition is not there */
	int64_t lag_ms; /* age of the oldest record that is not consumed; 0: all are, -1: not known */
	char member[256], client[256]; /* who has it; "": nobody */
};

struct cli_group {
	char name[256], state[64], type[16], assignor[64];
	size_t member_count;
	struct cli_group_partition *partitions;
	size_t count, capacity;
	bool found;
};

void cli_group_free(struct cli_group *group);
/* State and members. `found` tells whether there is one. */
pyr_result cli_group_ask_members(struct client_admin *admin, struct cli_group *group, struct pyr_error *error);
pyr_result cli_group_ask_offsets(struct client_admin *admin, struct cli_group *group, struct pyr_error *error);
/* Ends of all its partitions, and how old the first record is that was not consumed. */
pyr_result cli_group_ask_lag(struct client_admin *admin, struct cli_group *group, int64_t now_ms,
                             struct pyr_error *error);
/* The partition's row, made if it is not there. NULL: memory is out. */
struct cli_group_partition *cli_group_partition(struct cli_group *group, struct base_bytes topic, int32_t partition);
/* Offsets of one topic's partitions at a time (-1 end, -2 beginning, else milliseconds), into `end`. */
pyr_result cli_group_ask_times(struct client_admin *admin, struct cli_group *group, int64_t time_ms,
                               struct pyr_error *error);
/* Commits `offset` of all rows, as nobody's member. */
pyr_result cli_group_commit(struct client_admin *admin, const struct cli_group *group, struct pyr_error *error);

#endif
