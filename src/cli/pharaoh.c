/* pyralog seq, session and pharaoh: numbers, sessions and counters of a Pharaoh node, over its binary protocol. */
#include "cli/pharaoh.h"

#include "base/table.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "os/real.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 1 << 20 };

/* ---- what the commands share ---- */

pyr_result cli_pharaoh_open(struct cli_pharaoh *pharaoh, const struct cli_option *options, struct pyr_error *error)
{
	*pharaoh = (struct cli_pharaoh){0};
	pharaoh->loop = os_real_loop_new();
	pharaoh->net = pharaoh->loop ? os_real_net_new(pharaoh->loop) : NULL;
	if (!pharaoh->net)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return client_network_new(pharaoh->loop, pharaoh->net, cli_option_get(options, "pharaoh"), &pharaoh->network,
	                          error);
}

static void stop_loop(void *context)
{
	os_real_loop_stop(context);
}

void cli_pharaoh_close(struct cli_pharaoh *pharaoh)
{
	if (pharaoh->network) {
		client_network_close(pharaoh->network, stop_loop, pharaoh->loop);
		os_real_loop_run(pharaoh->loop);
	}
	if (pharaoh->net)
		os_real_net_free(pharaoh->net);
	if (pharaoh->loop)
		os_real_loop_free(pharaoh->loop);
	pharaoh->network = NULL;
	pharaoh->net = NULL;
	pharaoh->loop = NULL;
}

static void answered(struct client_network_ask *ask, pyr_result result, const struct codec_pharaoh *reply,
                     const struct pyr_error *error)
{
	struct cli_pharaoh *pharaoh = BASE_CONTAINER(ask, struct cli_pharaoh, ask);
	pharaoh->result = result;
	if (error)
		pharaoh->error = *error;
	if (reply) {
		pharaoh->reply = *reply;
		if (reply->value.bytes > 0)
			memcpy(pharaoh->value, reply->value.data, reply->value.bytes);
		pharaoh->reply.value.data = pharaoh->value;
		pharaoh->reply.name = (struct base_bytes){0};
		pharaoh->reply.numbers = NULL;
	}
	os_real_loop_stop(pharaoh->loop);
}

pyr_result cli_pharaoh_ask(struct cli_pharaoh *pharaoh, const struct codec_pharaoh *request,
                           struct codec_pharaoh *ret_reply, struct pyr_error *error)
{
	pharaoh->ask =
		(struct client_network_ask){.request = *request, .timeout_us = CLI_PHARAOH_US, .answered = answered};
	pharaoh->error = (struct pyr_error){0};
	client_network_ask(pharaoh->network, &pharaoh->ask);
	os_real_loop_run(pharaoh->loop);
	if (pharaoh->result.code != PYR_OK)
		return pyr_fail(error, pharaoh->result.code, "%s", pharaoh->error.text);
	*ret_reply = pharaoh->reply;
	return pyr_ok();
}

pyr_result cli_pharaoh_number(const char *what, const char *text, uint64_t *ret_number, struct pyr_error *error)
{
	char *end = NULL;
	*ret_number = text ? strtoull(text, &end, 10) : 0;
	if (!text || end == text || *end != '\0')
		return pyr_fail(error, PYR_USAGE, "which %s? Give its number", what);
	return pyr_ok();
}

pyr_result cli_pharaoh_parse(struct cli_option *options, int argc, char **argv, struct cli_words *ret_words,
                             struct pyr_error *error)
{
	struct cli_words words = {.count = 0};
	int own = 0;
	while (own < argc && strcmp(argv[own], "--") != 0)
		own += 1;
	if (own < argc) {
		words.rest = argv + own + 1;
		words.rest_count = argc - own - 1;
	}
	int at = 0;
	while (at < own && strncmp(argv[at], "--", 2) != 0 && words.count < 3)
		words.words[words.count++] = argv[at++];
	*ret_words = words;
	return cli_options_parse(options, own - at, argv + at, error);
}

static int end(const char *command, pyr_result done, const struct pyr_error *error)
{
	if (done.code == PYR_OK)
		return 0;
	fprintf(stderr, "pyralog %s: %s\n", command, error->text[0] ? error->text : pyr_code_text(done.code));
	return done.code == PYR_USAGE ? 2 : 1;
}

/* ---- seq ---- */

static const struct cli_option seq_options[] = {
	{"count", "N", "1", "how many"},
	{"lease", "N", "100", "values that the node promises at once: so many a crash may skip"},
	CLI_PHARAOH_OPTIONS,
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

static void seq_help(void)
{
	printf("usage: pyralog seq NAME [OPTIONS]\n\nThe next values of a sequence, a line each. No value is given "
	       "twice.\n\n");
	cli_options_help(seq_options, stdout);
	printf("\nexamples:\n  pyralog seq orders\n  pyralog seq orders --count 10 --lease 1\n");
}

static pyr_result seq(const struct cli_option *options, const struct cli_words *words, struct pyr_error *error)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_SEQUENCE}, reply;
	struct cli_pharaoh pharaoh = {0};
	long long count, lease;
	if (words->count != 1)
		return pyr_fail(error, PYR_USAGE, "which sequence? pyralog seq NAME");
	PYR_TRY(cli_option_number(options, "count", 1, COUNT_MAX, &count, error));
	PYR_TRY(cli_option_number(options, "lease", 1, COUNT_MAX, &lease, error));
	request.name = (struct base_bytes){(const uint8_t *)words->words[0], strlen(words->words[0])};
	request.count = (uint32_t)count;
	request.lease = (uint32_t)lease;
	if (request.name.bytes > UINT8_MAX)
		return pyr_fail(error, PYR_USAGE, "a name has 255 bytes at most");
	pyr_result result = cli_pharaoh_open(&pharaoh, options, error);
	if (result.code == PYR_OK)
		result = cli_pharaoh_ask(&pharaoh, &request, &reply, error);
	for (uint32_t i = 0; result.code == PYR_OK && i < reply.count; i++)
		printf("%" PRIu64 "\n", reply.first + i);
	cli_pharaoh_close(&pharaoh);
	return result;
}

const struct cli_option *cli_seq_options(void)
{
	return seq_options;
}

int cli_seq(int argc, char **argv)
{
	struct cli_option options[sizeof seq_options / sizeof seq_options[0]];
	struct pyr_error error = {0};
	struct cli_words words;
	memcpy(options, seq_options, sizeof options);
	pyr_result done = cli_pharaoh_parse(options, argc, argv, &words, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		seq_help();
		return 0;
	}
	return end("seq", done.code == PYR_OK ? seq(options, &words, &error) : done, &error);
}

/* ---- session ---- */

static const struct cli_option session_options[] = {
	{"ttl-ms", "N", "10000", "open: how long it lives without a keep-alive"},
	CLI_PHARAOH_OPTIONS,
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

static void session_help(void)
{
	printf("usage: pyralog session open [OPTIONS]\n       pyralog session keep SESSION\n       pyralog session "
	       "close SESSION\n\n"
	       "Sessions live as long as they are kept alive, and their locks with them.\n\n");
	cli_options_help(session_options, stdout);
	printf("\nexamples:\n  session=$(pyralog session open --ttl-ms 20000)\n  pyralog session keep $session    "
	       "exits with 1 if it has "
	       "ended\n");
}

static pyr_result session_request(const struct cli_option *options, const struct cli_words *words, uint8_t number[8],
                                  struct codec_pharaoh *request, struct pyr_error *error)
{
	const char *verb = words->count > 0 ? words->words[0] : "";
	long long ttl_ms;
	PYR_TRY(cli_option_number(options, "ttl-ms", 100, 60000, &ttl_ms, error));
	request->ttl_ms = (uint32_t)ttl_ms;
	if (strcmp(verb, "open") == 0 && words->count == 1) {
		request->op = CODEC_PHARAOH_OPEN;
		return pyr_ok();
	}
	bool keeps = strcmp(verb, "keep") == 0;
	if (!keeps && strcmp(verb, "close") != 0)
		return pyr_fail(error, PYR_USAGE,
		                "say what to do: pyralog session open, keep SESSION or close SESSION");
	PYR_TRY(cli_pharaoh_number("session", words->count == 2 ? words->words[1] : NULL, &request->session, error));
	request->op = keeps ? CODEC_PHARAOH_KEEP : CODEC_PHARAOH_CLOSE;
	base_store_u64le(number, request->session);
	request->numbers = number;
	request->number_count = 1;
	return pyr_ok();
}

static pyr_result session(const struct cli_option *options, const struct cli_words *words, struct pyr_error *error)
{
	struct codec_pharaoh request = {0}, reply;
	struct cli_pharaoh pharaoh = {0};
	uint8_t number[8];
	PYR_TRY(session_request(options, words, number, &request, error));
	pyr_result result = cli_pharaoh_open(&pharaoh, options, error);
	if (result.code == PYR_OK)
		result = cli_pharaoh_ask(&pharaoh, &request, &reply, error);
	if (result.code == PYR_OK && request.op == CODEC_PHARAOH_OPEN)
		printf("%" PRIu64 "\n", reply.session);
	if (result.code == PYR_OK && request.op == CODEC_PHARAOH_KEEP && reply.count == 0)
		result = pyr_fail(error, PYR_NOT_FOUND, "the session has ended");
	cli_pharaoh_close(&pharaoh);
	return result;
}

const struct cli_option *cli_session_options(void)
{
	return session_options;
}

int cli_session(int argc, char **argv)
{
	struct cli_option options[sizeof session_options / sizeof session_options[0]];
	struct pyr_error error = {0};
	struct cli_words words;
	memcpy(options, session_options, sizeof options);
	pyr_result done = cli_pharaoh_parse(options, argc, argv, &words, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		session_help();
		return 0;
	}
	return end("session", done.code == PYR_OK ? session(options, &words, &error) : done, &error);
}

/* ---- pharaoh status ---- */

static const struct cli_option pharaoh_options[] = {
	CLI_PHARAOH_OPTIONS,
	{"format", "FORMAT", "", "table, plain (tab-separated) or json; a table on a terminal, plain otherwise"},
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

static const struct cli_column slot_columns[] = {{"SLOTS", false}, {"OWNER", false}, {"EPOCH", true}};
static const struct cli_column counter_columns[] = {{"COUNTER", false}, {"VALUE", true}, {"A-SECOND", true}};

static void pharaoh_help(void)
{
	printf("usage: pyralog pharaoh slots|status [OPTIONS]\n\nWho owns which slots; what a node has counted, and "
	       "how much of it in "
	       "a second.\n\n");
	cli_options_help(pharaoh_options, stdout);
}

/* See docs/formats/pharaoh.md. */
static void add_runs(struct cli_table *table, struct base_bytes value)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	struct codec_pharaoh_run run;
	while (codec_pharaoh_run_read(&reader, &run)) {
		cli_table_row(table);
		cli_table_set(table, 0, "%u-%u", run.first, run.first + run.count - 1);
		cli_table_set(table, 1, "%.*s:%u", (int)run.host.bytes, (const char *)run.host.data, run.port);
		cli_table_set(table, 2, "%" PRIu64, run.epoch);
	}
}

struct counter {
	char name[64];
	uint64_t value;
};

static size_t read_counters(struct base_bytes value, struct counter *counters, size_t max)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	size_t count = 0;
	while (base_reader_left(&reader) > 0 && count < max) {
		size_t bytes = base_read_u8(&reader);
		const uint8_t *name = base_read_bytes(&reader, bytes);
		counters[count].value = base_read_u64le(&reader);
		if (reader.failed || bytes >= sizeof counters[count].name)
			break;
		memcpy(counters[count].name, name, bytes);
		counters[count++].name[bytes] = '\0';
	}
	return count;
}

struct pause {
	struct os_timer timer;
	struct os_loop *loop;
};

static void pause_is_over(struct os_timer *timer)
{
	os_real_loop_stop(((struct pause *)(void *)timer)->loop);
}

/* Twice, a second apart. */
static pyr_result add_counters(struct cli_pharaoh *pharaoh, struct cli_table *table, struct pyr_error *error)
{
	enum { COUNTERS_MAX = 64 };
	struct counter before[COUNTERS_MAX], after[COUNTERS_MAX];
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_STATUS}, reply;
	struct pause pause = {.timer.fire = pause_is_over, .loop = pharaoh->loop};
	PYR_TRY(cli_pharaoh_ask(pharaoh, &request, &reply, error));
	size_t count = read_counters(reply.value, before, COUNTERS_MAX);
	uint64_t began_us = os_now_us(pharaoh->loop);
	os_timer_start(pharaoh->loop, &pause.timer, 1000000);
	os_real_loop_run(pharaoh->loop);
	PYR_TRY(cli_pharaoh_ask(pharaoh, &request, &reply, error));
	uint64_t took_us = os_now_us(pharaoh->loop) - began_us + 1;
	if (read_counters(reply.value, after, COUNTERS_MAX) != count)
		return pyr_fail(error, PYR_NETWORK, "the node was exchanged meanwhile");
	for (size_t i = 0; i < count; i++) {
		cli_table_row(table);
		cli_table_set(table, 0, "%s", after[i].name);
		cli_table_set(table, 1, "%" PRIu64, after[i].value);
		cli_table_set(table, 2, "%.0f",
		              ((double)after[i].value - (double)before[i].value) * 1e6 / (double)took_us);
	}
	return pyr_ok();
}

static pyr_result status(const struct cli_option *options, const struct cli_words *words, struct pyr_error *error)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_MAP}, reply;
	struct cli_pharaoh pharaoh = {0};
	struct cli_table table;
	enum cli_format format;
	bool slots = words->count == 1 && strcmp(words->words[0], "slots") == 0;
	if (!slots && (words->count != 1 || strcmp(words->words[0], "status") != 0))
		return pyr_fail(error, PYR_USAGE, "say what to show: pyralog pharaoh slots or status");
	PYR_TRY(cli_broker_format(options, &format, error));
	pyr_result result = cli_pharaoh_open(&pharaoh, options, error);
	cli_table_init(&table, slots ? slot_columns : counter_columns, 3);
	if (result.code == PYR_OK && slots)
		result = cli_pharaoh_ask(&pharaoh, &request, &reply, error);
	else if (result.code == PYR_OK)
		result = add_counters(&pharaoh, &table, error);
	if (result.code == PYR_OK && slots)
		add_runs(&table, reply.value);
	cli_pharaoh_close(&pharaoh);
	if (result.code == PYR_OK)
		result = cli_table_print(&table, format);
	cli_table_free(&table);
	return result;
}

const struct cli_option *cli_pharaoh_options(void)
{
	return pharaoh_options;
}

int cli_pharaoh(int argc, char **argv)
{
	struct cli_option options[sizeof pharaoh_options / sizeof pharaoh_options[0]];
	struct pyr_error error = {0};
	struct cli_words words;
	memcpy(options, pharaoh_options, sizeof options);
	pyr_result done = cli_pharaoh_parse(options, argc, argv, &words, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		pharaoh_help();
		return 0;
	}
	return end("pharaoh", done.code == PYR_OK ? status(options, &words, &error) : done, &error);
}
