/* The commands of the program: each parses its own options and returns the process's exit code. */
#ifndef PYRALOG_CLI_CLI_H
#define PYRALOG_CLI_CLI_H

#include "cli/options.h"

/* 0: done, 1: failed, 2: the command line is not right. argv begins behind the command's name. */
typedef int cli_command(int argc, char **argv);

cli_command cli_backup;
cli_command cli_bench;
cli_command cli_completion;
cli_command cli_config;
cli_command cli_consume;
cli_command cli_group;
cli_command cli_help;
cli_command cli_id;
cli_command cli_inspect;
cli_command cli_lock;
cli_command cli_man;
cli_command cli_pharaoh;
cli_command cli_produce;
cli_command cli_restore;
cli_command cli_seq;
cli_command cli_server;
cli_command cli_session;
cli_command cli_sql;
cli_command cli_topic;
cli_command cli_version;

/* Their options, for what is written of them. */
const struct cli_option *cli_backup_options(void);
const struct cli_option *cli_bench_options(void);
const struct cli_option *cli_config_options(void);
const struct cli_option *cli_consume_options(void);
const struct cli_option *cli_group_options(void);
const struct cli_option *cli_id_options(void);
const struct cli_option *cli_inspect_options(void);
const struct cli_option *cli_lock_options(void);
const struct cli_option *cli_man_options(void);
const struct cli_option *cli_pharaoh_options(void);
const struct cli_option *cli_produce_options(void);
const struct cli_option *cli_restore_options(void);
const struct cli_option *cli_seq_options(void);
const struct cli_option *cli_server_options(void);
const struct cli_option *cli_session_options(void);
const struct cli_option *cli_sql_options(void);
const struct cli_option *cli_topic_options(void);
const struct cli_option *cli_version_options(void);

/* Are the server's values ones that it could start with? PYR_USAGE and others, with a sentence. */
pyr_result cli_server_check(const struct cli_option *options, struct pyr_error *error);

#endif
