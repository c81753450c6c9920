/* The table of commands (see commands.h). */
#include "cli/commands.h"

const struct cli_command_row cli_commands[] = {
	{"server", cli_server, "run a node: Kafka protocol and SQL on one durable log", "", cli_server_options},
	{"sql", cli_sql, "a shell for SQL, and for scripts", "", cli_sql_options},
	{"topic", cli_topic, "topics: list, create, describe, alter, delete, infer columns",
         "list create describe alter delete infer", cli_topic_options},
	{"produce", cli_produce, "records out of files: lines, JSON lines, CSV", "", cli_produce_options},
	{"consume", cli_consume, "records of a topic: lines, CSV, JSON lines", "", cli_consume_options},
	{"group", cli_group, "consumer groups: list, describe with lag, reset offsets, delete",
         "list describe reset delete", cli_group_options},
	{"id", cli_id, "unique ids that sort by time; what is in one", "decode", cli_id_options},
	{"seq", cli_seq, "the next values of a durable sequence", "", cli_seq_options},
	{"session", cli_session, "sessions: open, keep alive, close", "open keep close", cli_session_options},
	{"lock", cli_lock, "run a program while it holds a lock; who holds one", "run look", cli_lock_options},
	{"pharaoh", cli_pharaoh, "a coordination node: who owns its slots, what it has counted", "slots status",
         cli_pharaoh_options},
	{"inspect", cli_inspect, "what lies in a data directory that no server has open", "", cli_inspect_options},
	{"backup", cli_backup, "copy a data directory while its server runs; check a copy", "make verify",
         cli_backup_options},
	{"restore", cli_restore, "put a backup into a new data directory", "", cli_restore_options},
	{"bench", cli_bench, "load a broker that speaks Kafka's protocol, and tell how fast it is",
         "produce fetch tail mixed", cli_bench_options},
	{"config", cli_config, "check a cluster.toml; write the reference pages", "check reference metrics",
         cli_config_options},
	{"completion", cli_completion, "completion for a shell: source <(pyralog completion bash)", "bash zsh fish",
         NULL},
	{"man", cli_man, "a man page: pyralog man | man -l -", "", cli_man_options},
	{"version", cli_version, "print the version", "", cli_version_options},
	{"help", cli_help, "print this", "", NULL},
};

const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];
