/* What the files of pyralog server share. Owner: the main thread, which is shard 0's. */
#ifndef PYRALOG_CLI_SERVER_PRIV_H
#define PYRALOG_CLI_SERVER_PRIV_H

#include "cli/config.h"
#include "cli/options.h"
#include "node/host.h"
#include "node/pharaoh.h"
#include "os/real.h"
#include "os/report.h"
#include "server/http/http.h"
#include "server/kafka/kafka.h"
#include "server/ops/ops.h"
#include "server/pg/pg.h"
#include "server/pharaoh/pharaoh.h"
#include "server/rpc/rpc.h"

#include <stdatomic.h>

/* Goes from loop to loop: see watch.c. */
struct server_watch {
	struct node *node;
	struct ops *ops;
	struct os_reporter *reporter;
	struct os_timer timer;
	uint64_t every_us;
	bool under_way;
	bool ending;
	bool has_next; /* to be taken along */
	struct node_options next;

	/* The loop's that the task is on. */
	struct os_task task;
	size_t shard;
	bool tunes; /* each shard, with these */
	struct node_options tuning;
	bool broken;
	struct log_metrics last[NODE_SHARDS_MAX];
};

void server_watch_start(struct server_watch *watch);
/* On shard 0's loop: each shard gets the options that may change, soon. */
void server_watch_retune(struct server_watch *watch, const struct node_options *options);
/* On shard 0's loop; false: the task is still on its way, ask again. */
bool server_watch_end(struct server_watch *watch);

/* A node with the role obelisk. */
struct server_alone {
	struct os_disk *root;
	struct os_loop *loop;
	struct os_net *net;
	struct node_ids *ids;
	_Atomic bool open; /* the loop has all that it serves */
	struct os_task last;
};

struct server {
	struct server_alone alone;
	struct node_host *host;
	struct os_net *nets[NODE_SHARDS_MAX]; /* a shard each */
	size_t shard_count;
	struct kafka_server *kafka;
	struct pg_server *pg;
	struct node_pharaoh *node_pharaoh; /* NULL: off */
	struct pharaoh_server *pharaoh;
	struct rpc *rpc; /* NULL: off */
	struct http_server *http; /* NULL: off */
	struct ops *ops;
	struct os_reporter *reporter;
	struct cli_option *options; /* as they are in force */
	struct cli_config config; /* what the options' texts lie in */
	int argc; /* the command line, to be read again with the file */
	char **argv;
	struct cli_config reloaded; /* what options that were taken over since lie in */

	struct server_watch watch;

	/* Stopping. */
	bool stopping;
	struct os_timer drain_timer;
	uint64_t drain_until_us;
};

static inline struct os_loop *server_loop(const struct server *server)
{
	return node_host_loop(server->host, 0);
}

/* server.c: what the node is made of. */
pyr_result server_node_options(const struct cli_option *options, struct node_options *node, struct pyr_error *error);

/* coordination.c: the Pharaoh services, on shard 0's loop, if they are wanted; and by themselves, on a loop of their own. */
pyr_result server_open_pharaoh(struct server *server, struct pyr_error *error);
/* Who coordinates a group: the owner of its name's slot; without Pharaoh services this node. `server`: the struct. */
struct node_owner server_route(void *server, struct base_bytes key);
pyr_result server_check_pharaoh(const struct cli_option *options, struct pyr_error *error);
bool server_has_pharaoh(const struct cli_option *options);
bool server_is_obelisk(const struct cli_option *options);
pyr_result server_open_alone(struct server *server, struct pyr_error *error);
void server_run_alone(struct server *server);

/* drain.c: at SIGINT and SIGTERM. */
void server_stop(void *context);

/* reload.c: at SIGHUP, the settings that may change while the server runs. */
void server_reload(void *context);
/* The settings of the log: its level. */
pyr_result server_level(const struct cli_option *options, enum os_level *ret_level, struct pyr_error *error);

#endif
