/* pyralog server: a node and its ports, until it is told to stop.
 *
 * Starts from the bottom up (disks, logs and catalogs, then the ports) and stops from the top down, so that nothing is
 * accepted that can't be finished. Shard 0's loop is the main thread's, every other has a thread of its own. One line per open port on standard output; what happens, on standard error (os/report.h).
 */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/server_priv.h"
#include "coord/scarab_issuer.h"
#include "node/source.h"
#include "os/environment.h"
#include "os/notify.h"

#include <stdio.h>
#include <string.h>

enum { SEAL_WITHIN_US = 10 * 1000000 };

static const struct cli_option server_options[] = {
	{"data", "DIR", "pyralog-data", "the data directory, made if it is not there"},
	{"host", "ADDRESS", "127.0.0.1", "the address to listen on"},
	{"kafka-port", "PORT", "9092", "Kafka protocol; 0 picks a free port"},
	{"pg-port", "PORT", "5432", "PostgreSQL protocol; 0 picks a free port"},
	{"http-port", "PORT", "8080", "HTTP: metrics, health; 0 picks a free port, off: none"},
	{"pharaoh-port", "PORT", "off",
         "ids, timestamps, sequences, sessions and locks: the Pharaoh network's protocol; 0 picks a free port"},
	{"roles", "ROLES", "all", "what the node does: all, or obelisk: the Pharaoh port alone, without log and SQL"},
	{"session-ttl-max-ms", "N", "20000",
         "the longest time to live of a session; after a restart nobody gets a lock for so long but who held it"},
	{"advertised-host", "NAME", "", "the name that Kafka clients are told to connect to; as --host if not given"},
	{"shards", "N", "0",
         "event loops, each with a log; kept from when the directory was made; 0: half the processors"},
	{"partitions", "N", "4", "partitions of a topic that nobody gave a number"},
	{"group-heartbeat-ms", "N", "5000",
         "how often members of groups whose partitions the server assigns are heard of"},
	{"group-session-ms", "N", "45000", "such a member that is not heard of for so long is out"},
	{"group-migration", "WAY", "bidirectional",
         "which way groups may change between the classic and the consumer protocol while members are in them: "
         "bidirectional, upgrade, downgrade or disabled"},
	{"durability", "WHEN", "fsync", "when a write is answered, unless its topic says: fsync, interval or os"},
	{"ring-file-mib", "N", "64", "size of a file of the shared log's ring"},
	{"checkpoint-mib", "N", "80", "seal segments after so much of the ring was written, of all shards"},
	{"spare-mib", "N", "4096",
         "disk kept while large batches come in: files that are not needed any more, to be written again"},
	{"tail-cache-mib", "N", "160",
         "memory for batches that were just written: twice checkpoint-mib, or sealing reads from the disk"},
	{"read-cache-mib", "N", "64", "memory for verified batches that were read from files"},
	{"compaction-mib", "N", "128", "memory for the keys of a topic that is compacted; fewer keys take more rounds"},
	{"open-files", "N", "1024", "sealed files kept open"},
	{"sql-memory-mib", "N", "1024", "memory of all SQL statements together"},
	{"sql-spill-mib", "N", "4096", "disk for what does not fit there, in the data directory; 0: none"},
	{"sql-threads", "N", "2", "that work on SQL statements, besides one a statement"},
	{"sql-large-mib", "N", "64", "a SQL statement that reads more of topics is large, and waits for its turn"},
	{"sql-large", "N", "0", "large SQL statements at once; 0: as many as threads and memory are enough for"},
	{"sql-tails", "N", "500", "queries over TAIL at once"},
	{"id-node", "N", "-1",
         "the node's number in the ids of scarab(), 0 to 2047, kept in the data directory; -1: as it was, at first 0"},
	{"drain-s", "N", "5", "how long requests under way may take when the server stops"},
	{"log-level", "LEVEL", "info", "what is told on standard error: debug, info, warning or error"},
	{"log-format", "FORMAT", "text", "as text or as json: a line an event"},
	{"config", "FILE", "", "settings from a file; the environment and the command line win"},
	{"json", NULL, "", "tell the open ports as one JSON object on standard output"},
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

static void print_help(void)
{
	printf("usage: pyralog server [OPTIONS]\n\nRuns a node until Ctrl-C. Each option can also be set in the "
	       "environment:\n"
	       "PYRALOG_KAFKA_PORT=19092 is --kafka-port 19092.\n\n");
	cli_options_help(server_options, stdout);
	printf("\nexamples:\n  pyralog server\n  pyralog server --data /var/lib/pyralog --kafka-port 19092\n");
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

/* ---- starting, from the bottom up ---- */

static pyr_result port_option(const struct cli_option *options, const char *name, uint16_t *ret_port,
                              struct pyr_error *error)
{
	long long port;
	PYR_TRY(cli_option_number(options, name, 0, 65535, &port, error));
	*ret_port = (uint16_t)port;
	return pyr_ok();
}

static bool is_off(const struct cli_option *options, const char *name)
{
	return strcmp(cli_option_get(options, name), "off") == 0;
}

static pyr_result durability_option(const struct cli_option *options, enum log_durability *ret_durability,
                                    struct pyr_error *error)
{
	struct catalog_topic_config config = catalog_topic_config_default();
	PYR_TRY(catalog_setting_parse(&config, "pyralog.durability", cli_option_get(options, "durability"), error));
	*ret_durability = (enum log_durability)config.durability;
	return pyr_ok();
}

static pyr_result log_options(const struct cli_option *options, struct log_options *log, struct pyr_error *error)
{
	long long ring, checkpoint, spare, tail_cache, read_cache, compaction, files;
	PYR_TRY(cli_option_number(options, "ring-file-mib", 1, 4096, &ring, error));
	PYR_TRY(cli_option_number(options, "checkpoint-mib", 1, 65536, &checkpoint, error));
	PYR_TRY(cli_option_number(options, "tail-cache-mib", 1, 1 << 20, &tail_cache, error));
	PYR_TRY(cli_option_number(options, "read-cache-mib", 0, 1 << 20, &read_cache, error));
	PYR_TRY(cli_option_number(options, "open-files", 1, 1 << 20, &files, error));
	PYR_TRY(cli_option_number(options, "spare-mib", 0, 1 << 30, &spare, error));
	PYR_TRY(cli_option_number(options, "compaction-mib", 1, 1 << 20, &compaction, error));
	log->spare_bytes = (uint64_t)spare << 20;
	log->compaction_bytes = (uint64_t)compaction << 20;
	log->ring_file_bytes = (uint64_t)ring << 20;
	log->checkpoint_bytes = (uint64_t)checkpoint << 20;
	log->tail_cache_bytes = (uint64_t)tail_cache << 20;
	log->read_cache_bytes = (uint64_t)read_cache << 20;
	log->open_files_max = (uint32_t)files;
	if (log->extent_min_bytes > log->ring_file_bytes / 4)
		log->extent_min_bytes = log->ring_file_bytes / 4;
	return pyr_ok();
}

static pyr_result open_kafka(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct kafka_server_options kafka = kafka_server_options_default();
	struct kafka_shard shards[NODE_SHARDS_MAX];
	long long partitions;
	struct node *node = node_host_node(server->host);
	for (size_t i = 0; i < server->shard_count; i++)
		shards[i] = (struct kafka_shard){node_host_loop(server->host, i), server->nets[i],
		                                 node_catalog(node, i), node_log(node, i)};
	kafka.shards = shards;
	kafka.shard_count = server->shard_count;
	kafka.coordinator = node_coordinator(node);
	kafka.host = cli_option_get(options, "host");
	kafka.advertised_host = cli_option_get(options, "advertised-host");
	if (!kafka.advertised_host[0])
		kafka.advertised_host = NULL;
	kafka.reporter = server->reporter;
	PYR_TRY(cli_option_number(options, "partitions", 1, CATALOG_PARTITIONS_MAX, &partitions, error));
	kafka.default_partitions = (uint32_t)partitions;
	PYR_TRY(port_option(options, "kafka-port", &kafka.port, error));
	kafka.ids = node_host_ids(server->host);
	kafka.route = (struct node_route){server_route, server};
	return kafka_server_new(&kafka, &server->kafka, error);
}

static pyr_result engine_options(const struct cli_option *options, struct query_engine_options *engine,
                                 struct pyr_error *error)
{
	long long memory, spill, threads, large_mib, large, tails;
	PYR_TRY(cli_option_number(options, "sql-memory-mib", 64, 1 << 20, &memory, error));
	PYR_TRY(cli_option_number(options, "sql-spill-mib", 0, 1 << 30, &spill, error));
	PYR_TRY(cli_option_number(options, "sql-threads", 1, 256, &threads, error));
	PYR_TRY(cli_option_number(options, "sql-large-mib", 0, 1 << 30, &large_mib, error));
	PYR_TRY(cli_option_number(options, "sql-large", 0, 256, &large, error));
	PYR_TRY(cli_option_number(options, "sql-tails", 0, 900, &tails, error));
	engine->large_bytes = (uint64_t)large_mib << 20;
	engine->large_max = (unsigned)large;
	engine->tails_max = (unsigned)tails;
	engine->memory_bytes = (uint64_t)memory << 20;
	engine->spill_bytes = (uint64_t)spill << 20;
	engine->threads = (unsigned)threads;
	return pyr_ok();
}

static pyr_result open_pg(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct pg_server_options pg = pg_server_options_default();
	pg.loop = node_host_loop(server->host, 0);
	pg.net = server->nets[0];
	pg.engine = node_host_engine(server->host);
	pg.source = node_host_source(server->host);
	pg.prompt = node_source_prompt(pg.source);
	pg.host = cli_option_get(options, "host");
	PYR_TRY(port_option(options, "pg-port", &pg.port, error));
	return pg_server_new(&pg, &server->pg, error);
}

static pyr_result group_options(const struct cli_option *options, struct group_options *group, struct pyr_error *error)
{
	long long heartbeat_ms, session_ms;
	PYR_TRY(cli_option_number(options, "group-heartbeat-ms", 100, 60000, &heartbeat_ms, error));
	PYR_TRY(cli_option_number(options, "group-session-ms", heartbeat_ms, 3600000, &session_ms, error));
	group->consumer_heartbeat_ms = (int32_t)heartbeat_ms;
	group->consumer_session_timeout_ms = (int32_t)session_ms;
	const char *migration = cli_option_get(options, "group-migration");
	if (!group_migration_parse(migration, &group->migration))
		return pyr_fail(error, PYR_USAGE,
		                "--group-migration %s is not valid: give bidirectional, upgrade, downgrade or disabled",
		                migration);
	return pyr_ok();
}

pyr_result server_node_options(const struct cli_option *options, struct node_options *node, struct pyr_error *error)
{
	*node = node_options_default();
	node->seal_within_us = SEAL_WITHIN_US;
	PYR_TRY(group_options(options, &node->group, error));
	PYR_TRY(log_options(options, &node->log, error));
	return durability_option(options, &node->durability, error);
}

static pyr_result open_host(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct node_host_options host = node_host_options_default();
	long long shards, id_node;
	PYR_TRY(cli_option_number(options, "shards", 0, NODE_SHARDS_MAX, &shards, error));
	PYR_TRY(cli_option_number(options, "id-node", SCARAB_NODE_KEPT, SCARAB_NODES - 1, &id_node, error));
	PYR_TRY(server_node_options(options, &host.node, error));
	host.node.group.reporter = server->reporter;
	PYR_TRY(engine_options(options, &host.engine, error));
	host.data = cli_option_get(options, "data");
	host.shards = (size_t)shards;
	host.id_node = (int)id_node;
	PYR_TRY(node_host_open(&host, &server->host, error));
	node_ids_report_to(node_host_ids(server->host), server->reporter);
	server->shard_count = node_shard_count(node_host_node(server->host));
	for (size_t i = 0; i < server->shard_count; i++) {
		server->nets[i] = os_real_net_new(node_host_loop(server->host, i));
		if (!server->nets[i])
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	return pyr_ok();
}

/* First of all, so that it tells that the rest is on its way. */
static pyr_result open_http(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct http_server_options http = http_server_options_default();
	struct http_route routes[OPS_ROUTES + 1];
	struct http_socket_route sockets[1];
	server->ops = ops_new();
	server->rpc = server_has_pharaoh(options) ? rpc_new() : NULL;
	if (!server->ops || (server_has_pharaoh(options) && !server->rpc))
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	if (is_off(options, "http-port"))
		return pyr_ok();
	ops_routes(server->ops, routes);
	http.host = cli_option_get(options, "host");
	http.routes = routes;
	http.route_count = OPS_ROUTES;
	if (server->rpc) {
		routes[http.route_count++] = rpc_route(server->rpc);
		sockets[http.socket_route_count++] = rpc_socket_route(server->rpc);
		http.socket_routes = sockets;
	}
	PYR_TRY(port_option(options, "http-port", &http.port, error));
	return http_server_new(&http, &server->http, error);
}

static void add_metrics(struct server *server)
{
	struct node *node = node_host_node(server->host);
	node_metrics_add(node, kafka_server_metric_source(server->kafka));
	node_metrics_add(node, pg_server_metric_source(server->pg));
	if (server->pharaoh)
		node_metrics_add(node, pharaoh_server_metric_source(server->pharaoh));
	if (server->http)
		node_metrics_add(node, http_server_metric_source(server->http));
}

static pyr_result start(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	PYR_TRY(open_http(server, options, error));
	PYR_TRY(open_host(server, options, error));
	PYR_TRY(open_kafka(server, options, error));
	PYR_TRY(open_pg(server, options, error));
	PYR_TRY(server_open_pharaoh(server, error));
	add_metrics(server);
	PYR_TRY(node_host_start(server->host, 1, error));
	PYR_TRY(os_real_on_reload(server_loop(server), server_reload, server));
	return os_real_on_interrupt(server_loop(server), server_stop, server);
}

static void announce_json(const struct server *server, const struct cli_option *options)
{
	const struct cli_json members[] = {
		{"host", cli_option_get(options, "host"), 0},
		{"data", cli_option_get(options, "data"), 0},
		{"kafka", NULL, kafka_server_port(server->kafka)},
		{"postgres", NULL, pg_server_port(server->pg)},
		{"http", NULL, server->http ? http_server_port(server->http) : 0},
		{"pharaoh", NULL, server->pharaoh ? pharaoh_server_port(server->pharaoh) : 0},
		{NULL, NULL, 0},
	};
	cli_json_print(members);
	fflush(stdout);
}

static void announce(const struct server *server, const struct cli_option *options)
{
	const char *host = cli_option_get(options, "host");
	if (cli_wants_json(options)) {
		announce_json(server, options);
		return;
	}
	printf("kafka %s:%u\n", host, kafka_server_port(server->kafka));
	printf("postgres %s:%u\n", host, pg_server_port(server->pg));
	if (server->pharaoh)
		printf("pharaoh %s:%u\n", host, pharaoh_server_port(server->pharaoh));
	if (server->http)
		printf("http %s:%u\n", host, http_server_port(server->http));
	printf("ready: data in %s; Ctrl-C stops\n", cli_option_get(options, "data"));
	fflush(stdout);
}

static void clean_up(struct server *server)
{
	for (size_t i = 0; i < server->shard_count; i++)
		os_real_net_free(server->nets[i]);
	node_host_free(server->host);
	http_server_free(server->http);
	rpc_free(server->rpc);
	ops_free(server->ops);
	os_report(server->reporter, OS_INFO, "server", NULL, "the server has stopped");
	os_reporter_free(server->reporter);
	cli_config_free(&server->reloaded);
}

const struct cli_option *cli_server_options(void)
{
	return server_options;
}

/* Values by themselves, before anything is opened. */
pyr_result cli_server_check(const struct cli_option *options, struct pyr_error *error)
{
	const char *host = cli_option_get(options, "host");
	struct log_options log = log_options_default();
	struct group_options groups = group_options_default();
	enum log_durability durability;
	enum os_level level;
	uint16_t port;
	long long number;
	PYR_TRY(port_option(options, "kafka-port", &port, error));
	PYR_TRY(port_option(options, "pg-port", &port, error));
	if (!is_off(options, "http-port"))
		PYR_TRY(port_option(options, "http-port", &port, error));
	PYR_TRY(cli_option_number(options, "shards", 0, NODE_SHARDS_MAX, &number, error));
	PYR_TRY(cli_option_number(options, "id-node", SCARAB_NODE_KEPT, SCARAB_NODES - 1, &number, error));
	PYR_TRY(cli_option_number(options, "partitions", 1, CATALOG_PARTITIONS_MAX, &number, error));
	PYR_TRY(group_options(options, &groups, error));
	PYR_TRY(durability_option(options, &durability, error));
	PYR_TRY(server_check_pharaoh(options, error));
	PYR_TRY(cli_option_number(options, "drain-s", 0, 3600, &number, error));
	PYR_TRY(server_level(options, &level, error));
	const char *format = cli_option_get(options, "log-format");
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return pyr_fail(error, PYR_USAGE, "--log-format %s is not valid: give text or json", format);
	if (!is_loopback(host))
		return pyr_fail(error, PYR_USAGE,
		                "--host %s would be open to the network, without TLS or passwords: listen on 127.0.0.1",
		                host);
	struct query_engine_options engine;
	PYR_TRY(engine_options(options, &engine, error));
	return log_options(options, &log, error);
}

static pyr_result open_reporter(struct server *server, struct pyr_error *error)
{
	bool json = strcmp(cli_option_get(server->options, "log-format"), "json") == 0;
	enum os_level level;
	PYR_TRY(server_level(server->options, &level, error));
	server->reporter = os_reporter_new(json, level);
	return server->reporter ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

static void report_start(const struct server *server)
{
	const char *data = cli_option_get(server->options, "data");
	const struct os_field fields[] = {
		{.name = "version", .text = PYR_VERSION}, {.name = "data", .text = data}, {0}};
	os_report(server->reporter, OS_INFO, "server", fields, "the server starts");
}

static void report_ready(const struct server *server)
{
	const struct os_field fields[] = {
		{.name = "shards", .number = (int64_t)server->shard_count},
		{.name = "kafka_port", .number = kafka_server_port(server->kafka)},
		{.name = "pg_port", .number = pg_server_port(server->pg)},
		{.name = server->http ? "http_port" : NULL,
	         .number = server->http ? http_server_port(server->http) : 0},
		{0},
	};
	os_report(server->reporter, OS_INFO, "server", fields, "the server is ready");
}

static void run(struct server *server)
{
	server->watch.node = node_host_node(server->host);
	server->watch.ops = server->ops;
	server->watch.reporter = server->reporter;
	server_watch_start(&server->watch);
	ops_ready(server->ops, server->watch.node, node_host_source(server->host));
	announce(server, server->options);
	report_ready(server);
	os_notify("READY=1");
	os_real_loop_run(server_loop(server));
	clean_up(server);
}

/* With options that are right. */
static int serve(struct server *server, struct pyr_error *error)
{
	os_environment_raise_limits();
	os_memory_use_huge_pages();
	pyr_result result = open_reporter(server, error);
	if (result.code == PYR_OK) {
		report_start(server);
		result = server_is_obelisk(server->options) ? server_open_alone(server, error)
		                                            : start(server, server->options, error);
	}
	if (result.code == PYR_OK && server_is_obelisk(server->options)) {
		server_run_alone(server);
		return 0;
	}
	if (result.code == PYR_OK) {
		run(server);
		return 0;
	}
	os_report(server->reporter, OS_ERROR, "server", NULL, "the server can't start: %s", error->text);
	if (server->http)
		http_server_stop(server->http);
	return error->code == PYR_USAGE ? 2 : 1; /* the process ends: nothing to take down in order */
}

int cli_server(int argc, char **argv)
{
	struct cli_option options[sizeof server_options / sizeof server_options[0]];
	struct server server = {.options = options, .argc = argc, .argv = argv};
	struct pyr_error error = {0};
	int status = 0;
	memcpy(options, server_options, sizeof options);
	pyr_result result = cli_options_parse_file(options, argc, argv, &server.config, &error);
	bool helps = result.code == PYR_OK && cli_option_get(options, "help")[0];
	if (result.code == PYR_OK && !helps)
		result = cli_server_check(options, &error);
	if (result.code != PYR_OK) {
		(void)cli_end("server", NULL, result, &error);
		status = 2;
	} else if (helps) {
		print_help();
	} else {
		status = serve(&server, &error);
	}
	cli_config_free(&server.config);
	return status;
}
