/* pyralog server: a node and its ports, until it is told to stop.
 *
 * Starts from the bottom up (disk, log and catalog, then the ports) and stops from the top down, so that nothing is
 * accepted that can't be finished. One line per open port on standard output; what goes wrong on standard error.
 */
#include "cli/cli.h"
#include "cli/options.h"
#include "node/node.h"
#include "node/source.h"
#include "os/environment.h"
#include "os/real.h"
#include "query/engine.h"
#include "server/kafka/kafka.h"
#include "server/pg/pg.h"

#include <stdio.h>
#include <string.h>

struct server {
	struct os_loop *loop;
	struct os_net *net;
	struct os_disk *disk;
	struct node *node;
	struct query_engine *engine;
	struct query_source *source;
	struct kafka_server *kafka;
	struct pg_server *pg;
	bool stopping;
};

static const struct cli_option server_options[] = {
	{"data", "DIR", "pyralog-data", "the data directory, made if it is not there"},
	{"host", "ADDRESS", "127.0.0.1", "the address to listen on"},
	{"kafka-port", "PORT", "9092", "Kafka protocol; 0 picks a free port"},
	{"pg-port", "PORT", "5432", "PostgreSQL protocol; 0 picks a free port"},
	{"advertised-host", "NAME", "", "the name that Kafka clients are told to connect to; as --host if not given"},
	{"partitions", "N", "4", "partitions of a topic that nobody gave a number"},
	{"durability", "WHEN", "fsync", "when a write is answered, unless its topic says: fsync, interval or os"},
	{"ring-file-mib", "N", "64", "size of a file of the shared log's ring"},
	{"checkpoint-mib", "N", "128", "seal segments after so much of the ring was written"},
	{"tail-cache-mib", "N", "128", "memory for batches that were just written"},
	{"open-files", "N", "1024", "sealed files kept open"},
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

static void log_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "pyralog: %s\n", line);
}

/* ---- stopping, from the top down ---- */

static void node_stopped(void *context)
{
	struct server *server = context;
	server->node = NULL;
	os_real_loop_stop(server->loop);
}

static void kafka_stopped(void *context)
{
	struct server *server = context;
	server->kafka = NULL;
	node_close(server->node, node_stopped, server);
}

static void pg_stopped(void *context)
{
	struct server *server = context;
	server->pg = NULL;
	kafka_server_close(server->kafka, kafka_stopped, server);
}

static void stop(void *context)
{
	struct server *server = context;
	if (server->stopping)
		return;
	server->stopping = true;
	pg_server_close(server->pg, pg_stopped, server);
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
	long long ring, checkpoint, cache, files;
	PYR_TRY(cli_option_number(options, "ring-file-mib", 1, 4096, &ring, error));
	PYR_TRY(cli_option_number(options, "checkpoint-mib", 1, 65536, &checkpoint, error));
	PYR_TRY(cli_option_number(options, "tail-cache-mib", 1, 1 << 20, &cache, error));
	PYR_TRY(cli_option_number(options, "open-files", 1, 1 << 20, &files, error));
	log->ring_file_bytes = (uint64_t)ring << 20;
	log->checkpoint_bytes = (uint64_t)checkpoint << 20;
	log->tail_cache_bytes = (uint64_t)cache << 20;
	log->open_files_max = (uint32_t)files;
	if (log->extent_min_bytes > log->ring_file_bytes / 4)
		log->extent_min_bytes = log->ring_file_bytes / 4;
	return pyr_ok();
}

static pyr_result open_kafka(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct kafka_server_options kafka = kafka_server_options_default();
	long long partitions;
	kafka.loop = server->loop;
	kafka.net = server->net;
	kafka.catalog = node_catalog(server->node);
	kafka.log = node_log(server->node);
	kafka.coordinator = node_coordinator(server->node);
	kafka.host = cli_option_get(options, "host");
	kafka.advertised_host = cli_option_get(options, "advertised-host");
	if (!kafka.advertised_host[0])
		kafka.advertised_host = NULL;
	kafka.log_line = log_line;
	PYR_TRY(cli_option_number(options, "partitions", 1, CATALOG_PARTITIONS_MAX, &partitions, error));
	kafka.default_partitions = (uint32_t)partitions;
	PYR_TRY(port_option(options, "kafka-port", &kafka.port, error));
	return kafka_server_new(&kafka, &server->kafka, error);
}

static pyr_result open_pg(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct query_engine_options engine = query_engine_options_default();
	struct pg_server_options pg = pg_server_options_default();
	PYR_TRY(query_engine_new(&engine, &server->engine, error));
	server->source = node_source_new(server->loop, node_catalog(server->node), node_log(server->node));
	if (!server->source)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pg.loop = server->loop;
	pg.net = server->net;
	pg.engine = server->engine;
	pg.source = server->source;
	pg.host = cli_option_get(options, "host");
	PYR_TRY(port_option(options, "pg-port", &pg.port, error));
	return pg_server_new(&pg, &server->pg, error);
}

static pyr_result start(struct server *server, const struct cli_option *options, struct pyr_error *error)
{
	struct node_options node = node_options_default();
	const char *host = cli_option_get(options, "host");
	if (!is_loopback(host))
		return pyr_fail(error, PYR_USAGE,
		                "--host %s would be open to the network, without TLS or passwords: listen on 127.0.0.1",
		                host);
	PYR_TRY(log_options(options, &node.log, error));
	node.group.log_line = log_line;
	PYR_TRY(durability_option(options, &node.durability, error));
	server->loop = os_real_loop_new();
	server->net = server->loop ? os_real_net_new(server->loop) : NULL;
	if (!server->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	PYR_TRY(os_real_disk_new(cli_option_get(options, "data"), &server->disk, error));
	PYR_TRY(node_open(server->loop, server->disk, &node, &server->node, error));
	PYR_TRY(open_kafka(server, options, error));
	PYR_TRY(open_pg(server, options, error));
	return os_real_on_interrupt(server->loop, stop, server);
}

static void announce(const struct server *server, const struct cli_option *options)
{
	const char *host = cli_option_get(options, "host");
	printf("kafka %s:%u\n", host, kafka_server_port(server->kafka));
	printf("postgres %s:%u\n", host, pg_server_port(server->pg));
	printf("ready: data in %s; Ctrl-C stops\n", cli_option_get(options, "data"));
	fflush(stdout);
}

static void clean_up(struct server *server)
{
	node_source_free(server->source);
	query_engine_free(server->engine);
	os_real_disk_free(server->disk);
	os_real_net_free(server->net);
	os_real_loop_free(server->loop);
}

int cli_server(int argc, char **argv)
{
	struct cli_option options[sizeof server_options / sizeof server_options[0]];
	struct server server = {0};
	struct pyr_error error = {0};
	memcpy(options, server_options, sizeof options);
	if (cli_options_parse(options, argc, argv, &error).code != PYR_OK) {
		fprintf(stderr, "pyralog server: %s\n", error.text);
		return 2;
	}
	if (cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	os_environment_raise_limits();
	if (start(&server, options, &error).code != PYR_OK) {
		fprintf(stderr, "pyralog server: %s\n", error.text);
		return error.code == PYR_USAGE ? 2 : 1; /* the process ends: nothing to take down in order */
	}
	announce(&server, options);
	os_real_loop_run(server.loop);
	clean_up(&server);
	return 0;
}
