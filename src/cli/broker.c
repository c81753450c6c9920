/* A broker for a command (see broker.h). */
#include "cli/broker.h"

#include "cli/answer.h"
#include "os/environment.h"
#include "os/real.h"

#include <stdlib.h>
#include <string.h>

pyr_result cli_broker_open(struct cli_broker *broker, const struct cli_option *options, struct pyr_error *error)
{
	const char *text = cli_option_get(options, "broker"), *colon = strrchr(text, ':');
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;
	if (!colon || colon == text || *end != '\0' || port < 1 || port > 65535 || colon - text >= CLI_HOST_BYTES_MAX)
		return pyr_fail(error, PYR_USAGE, "--broker %s is not valid: give HOST:PORT", text);
	memcpy(broker->host, text, (size_t)(colon - text));
	broker->port = (uint16_t)port;
	broker->loop = os_real_loop_new();
	broker->net = broker->loop ? os_real_net_new(broker->loop) : NULL;
	if (!broker->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return client_admin_open(&broker->admin, broker->loop, broker->net, broker->host, broker->port, error);
}

void cli_broker_close(struct cli_broker *broker)
{
	if (broker->net) {
		client_admin_close(&broker->admin);
		os_real_net_free(broker->net);
	}
	if (broker->loop)
		os_real_loop_free(broker->loop);
	if (broker->net)
		client_admin_deinit(&broker->admin);
	*broker = (struct cli_broker){.port = 0};
}

pyr_result cli_broker_format(const struct cli_option *options, enum cli_format *ret_format, struct pyr_error *error)
{
	static const char *const names[] = {"table", "plain", "json"};
	const char *text = cli_option_get(options, "format");
	*ret_format = os_environment_is_terminal() ? CLI_TABLE : CLI_PLAIN;
	if (cli_wants_json(options))
		text = "json";
	for (size_t i = 0; i < 3 && text[0]; i++)
		if (strcmp(names[i], text) == 0) {
			*ret_format = (enum cli_format)i;
			return pyr_ok();
		}
	return !text[0] ? pyr_ok()
	                : pyr_fail(error, PYR_USAGE, "--format %s is not valid: give table, plain or json", text);
}

pyr_result cli_broker_partitions(struct cli_broker *broker, const char *topic, uint32_t *ret_partitions,
                                 struct pyr_error *error)
{
	PYR_TRY(client_admin_topic(&broker->admin, topic, ret_partitions, error));
	return *ret_partitions > 0
	               ? pyr_ok()
	               : pyr_fail(error, PYR_NOT_FOUND, "there is no topic %s: see pyralog topic list", topic);
}
