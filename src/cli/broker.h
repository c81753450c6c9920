/* What the commands that speak Kafka's protocol share: --broker, --format, one connection on a loop of its own. */
#ifndef PYRALOG_CLI_BROKER_H
#define PYRALOG_CLI_BROKER_H

#include "cli/options.h"
#include "cli/table.h"
#include "client/admin.h"

enum { CLI_HOST_BYTES_MAX = 256 };

struct cli_broker {
	struct client_admin admin;
	struct os_loop *loop;
	struct os_net *net;
	char host[CLI_HOST_BYTES_MAX];
	uint16_t port;
};

/* Connects to what --broker says. A zeroed one may be closed. */
pyr_result cli_broker_open(struct cli_broker *broker, const struct cli_option *options, struct pyr_error *error);
void cli_broker_close(struct cli_broker *broker);
/* What --format says, of table, plain and json. */
pyr_result cli_broker_format(const struct cli_option *options, enum cli_format *ret_format, struct pyr_error *error);
static inline struct base_bytes cli_text(const char *text)
{
	return (struct base_bytes){(const uint8_t *)text, __builtin_strlen(text)};
}
/* PYR_NOT_FOUND: the topic is not there. */
pyr_result cli_broker_partitions(struct cli_broker *broker, const char *topic, uint32_t *ret_partitions,
                                 struct pyr_error *error);

#endif
