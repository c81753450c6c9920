/* The commands of the program: each parses its own options and returns the process's exit code. */
#ifndef PYRALOG_CLI_CLI_H
#define PYRALOG_CLI_CLI_H

/* 0: done, 1: failed, 2: the command line is not right. argv begins behind the command's name. */
typedef int cli_command(int argc, char **argv);

cli_command cli_bench;
cli_command cli_consume;
cli_command cli_group;
cli_command cli_produce;
cli_command cli_server;
cli_command cli_sql;
cli_command cli_topic;

#endif
