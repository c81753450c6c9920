/* pyralog produce: records out of files or a pipe into a topic of any broker that speaks Kafka's protocol.
 *
 * What is read at once is sent at once, a batch a partition; the next piece is read when the broker has answered. So lines
 * that drip in are not held back, and a file goes in large batches.
 */
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/rows.h"
#include "codec/batch.h"
#include "codec/kafka/messages.h"
#include "node/append.h"
#include "os/real.h"
#include "os/terminal.h"
#include "shell/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 1 << 20, TIMEOUT_MS = 30000, BATCH_BYTES_MAX = 15 << 20, HEADERS_MAX = 32, TICKS_PER_S = 20 };

static const struct cli_option produce_options[] = {
	{"broker", "HOST:PORT", "127.0.0.1:9092", "the broker"},
	{"file", "FILE", "-", "what to read; - is standard input"},
	{"format", "FORMAT", "lines", "lines, json (an object a line), csv (with a head: each row becomes an object)"},
	{"key", "FIELD", "", "json, csv: the field that is the key: a.b"},
	{"key-separator", "SIGN", "", "lines: between key and value"},
	{"partition", "N", "", "all into this one; otherwise by the key, or in turn"},
	{"headers", "HEADERS", "", "of every record: name=value,name=value"},
	{"compression", "NAME", "none", "none, gzip, snappy, lz4 or zstd"},
	{"rate", "N", "0", "records per second; 0: as fast as it goes"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog produce TOPIC [OPTIONS]\n\n");
	cli_options_help(produce_options, stdout);
	printf("\nexamples:\n"
	       "  echo hello | pyralog produce greetings\n"
	       "  pyralog produce flights --file flights.csv --format csv --key carrier --rate 1000\n"
	       "  pyralog produce events --file events.jsonl --format json --key user.id --headers source=import\n");
}

struct producer {
	const struct cli_option *options;
	const char *topic;
	struct cli_broker broker;
	struct cli_rows rows;
	FILE *in;
	struct codec_batch_builder *builders; /* one a partition */
	struct codec_kafka_produce_request_partition *parts;
	struct base_slice *batches;
	uint32_t partition_count, turn;
	long long only; /* partition; -1: any */
	enum codec_compression compression;
	struct codec_header headers[HEADERS_MAX];
	size_t header_count;
	uint64_t sent, pending, rate, started_us;
	size_t pending_bytes;
	struct shell_progress progress;
};

/* ---- sending ---- */

static pyr_result take_answer(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_produce_response *response = message;
	char name[32];
	(void)admin;
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			if (response->topics[i].partitions[j].error_code != 0)
				return pyr_fail(error, PYR_CANCELLED, "partition %d is not written: %s",
				                response->topics[i].partitions[j].index,
				                client_kafka_error(response->topics[i].partitions[j].error_code, name));
	return pyr_ok();
}

static pyr_result build(struct producer *producer, struct codec_kafka_produce_request_topic *topic)
{
	for (uint32_t i = 0; i < producer->partition_count; i++) {
		if (producer->builders[i].record_count == 0)
			continue;
		struct base_slice *batch = &producer->batches[topic->partitions_count];
		PYR_TRY(codec_batch_builder_take(&producer->builders[i], batch));
		struct codec_kafka_produce_request_partition *part = &producer->parts[topic->partitions_count++];
		*part = codec_kafka_produce_request_partition_default;
		part->index = (int32_t)i;
		part->records = (struct codec_kafka_records){.data = batch->data, .bytes = batch->bytes};
	}
	return pyr_ok();
}

/* So many records should have been sent only then. */
static void keep_pace(const struct producer *producer)
{
	uint64_t due_us = producer->rate > 0 ? producer->sent * 1000000 / producer->rate : 0;
	uint64_t now_us = os_terminal_now_us() - producer->started_us;
	if (due_us > now_us)
		(void)os_terminal_wait_us(due_us - now_us);
}

static void tell_progress(struct producer *producer)
{
	char text[64];
	snprintf(text, sizeof text, "%llu records acknowledged", (unsigned long long)producer->sent);
	shell_progress_tell(&producer->progress, -1, text);
}

static pyr_result send_pending(struct producer *producer, struct pyr_error *error)
{
	struct codec_kafka_produce_request request = codec_kafka_produce_request_default;
	struct codec_kafka_produce_request_topic topic = codec_kafka_produce_request_topic_default;
	if (producer->pending == 0)
		return pyr_ok();
	topic.name = cli_text(producer->topic);
	topic.partitions = producer->parts;
	request.acks = -1;
	request.timeout_ms = TIMEOUT_MS;
	request.topics = &topic;
	request.topics_count = 1;
	pyr_result result = build(producer, &topic);
	if (result.code == PYR_OK)
		result = client_admin_ask(&producer->broker.admin, CODEC_KAFKA_PRODUCE, &request, take_answer, producer,
		                          error);
	for (size_t i = 0; i < topic.partitions_count; i++)
		base_slice_release(&producer->batches[i]);
	producer->sent += result.code == PYR_OK ? producer->pending : 0;
	producer->pending = producer->pending_bytes = 0;
	tell_progress(producer);
	keep_pace(producer);
	return result;
}

static pyr_result take_record(void *context, struct base_bytes key, struct base_bytes value, struct pyr_error *error)
{
	struct producer *producer = context;
	uint32_t partition = producer->only >= 0 ? (uint32_t)producer->only
	                     : key.data          ? node_partition_of_key(key, producer->partition_count)
	                                         : producer->turn++ % producer->partition_count;
	size_t bytes = key.bytes + value.bytes;
	uint64_t most = producer->rate > 0 ? producer->rate / TICKS_PER_S + 1 : UINT64_MAX;
	if (producer->pending >= most || producer->pending_bytes + bytes > READ_BYTES)
		PYR_TRY(send_pending(producer, error));
	codec_batch_builder_add(&producer->builders[partition], os_wall_ms(producer->broker.loop), key, value,
	                        producer->headers, producer->header_count);
	producer->pending += 1;
	producer->pending_bytes += bytes;
	return pyr_ok();
}

/* ---- reading ---- */

static pyr_result run(struct producer *producer, struct pyr_error *error)
{
	uint8_t *room = malloc(READ_BYTES);
	pyr_result result = room ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	bool more = true;
	producer->started_us = os_terminal_now_us();
	shell_progress_begin(&producer->progress, cli_color(producer->options), stderr, SHELL_PROGRESS_US);
	while (more && result.code == PYR_OK) {
		size_t bytes = os_terminal_read(producer->in, room, READ_BYTES);
		more = bytes > 0;
		result = cli_rows_feed(&producer->rows, (struct base_bytes){room, bytes}, !more, take_record, producer,
		                       error);
		/* What came before a row that is wrong is sent all the same. */
		struct pyr_error other = {0};
		pyr_result sent = send_pending(producer, result.code == PYR_OK ? error : &other);
		result = result.code == PYR_OK ? sent : result;
	}
	free(room);
	const struct cli_json told[] = {
		{"topic", producer->topic, 0}, {"records", NULL, producer->sent}, {NULL, NULL, 0}};
	shell_progress_clear(&producer->progress);
	if (cli_wants_json(producer->options))
		cli_json_print(told);
	else
		fprintf(stderr, "%llu records acknowledged\n", (unsigned long long)producer->sent);
	return result;
}

/* ---- preparing ---- */

static pyr_result parse_headers(struct producer *producer, struct pyr_error *error)
{
	const char *text = cli_option_get(producer->options, "headers");
	for (const char *at = text; *at; producer->header_count++) {
		size_t bytes = strcspn(at, ","), name = strcspn(at, "=,");
		if (at[name] != '=' || producer->header_count == HEADERS_MAX)
			return pyr_fail(error, PYR_USAGE, "--headers %s is not valid: give NAME=VALUE,NAME=VALUE",
			                text);
		producer->headers[producer->header_count].key = (struct base_bytes){(const uint8_t *)at, name};
		producer->headers[producer->header_count].value =
			(struct base_bytes){(const uint8_t *)at + name + 1, bytes - name - 1};
		at += bytes + (at[bytes] == ',');
	}
	return pyr_ok();
}

static pyr_result word_option(const struct cli_option *options, const char *name, const char *const *words,
                              size_t count, size_t *ret_word, struct pyr_error *error)
{
	const char *text = cli_option_get(options, name);
	for (*ret_word = 0; *ret_word < count; *ret_word += 1)
		if (strcmp(words[*ret_word], text) == 0)
			return pyr_ok();
	return pyr_fail(error, PYR_USAGE, "--%s %s is not valid: see pyralog produce --help", name, text);
}

static pyr_result parse(struct producer *producer, struct pyr_error *error)
{
	static const char *const formats[] = {"lines", "json", "csv"};
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	const char *separator = cli_option_get(producer->options, "key-separator"), *file;
	size_t format, codec;
	long long rate;
	PYR_TRY(word_option(producer->options, "format", formats, 3, &format, error));
	PYR_TRY(word_option(producer->options, "compression", codecs, CODEC_COMPRESSION_COUNT, &codec, error));
	PYR_TRY(cli_option_number(producer->options, "rate", 0, 1000000000, &rate, error));
	PYR_TRY(parse_headers(producer, error));
	if (strlen(separator) > 1)
		return pyr_fail(error, PYR_USAGE, "--key-separator %s is not valid: give one sign", separator);
	producer->rate = (uint64_t)rate;
	producer->compression = (enum codec_compression)codec;
	file = cli_option_get(producer->options, "file");
	producer->in = strcmp(file, "-") == 0 ? stdin : os_terminal_open_input(file);
	if (!producer->in)
		return pyr_fail(error, PYR_NOT_FOUND, "%s: %s", file, strerror(errno));
	return cli_rows_init(&producer->rows, (enum cli_rows_format)format, cli_option_get(producer->options, "key"),
	                     separator[0], error);
}

static pyr_result prepare(struct producer *producer, struct pyr_error *error)
{
	producer->only = -1;
	PYR_TRY(parse(producer, error));
	PYR_TRY(cli_broker_open(&producer->broker, producer->options, error));
	PYR_TRY(client_admin_topic(&producer->broker.admin, producer->topic, &producer->partition_count, error));
	if (producer->partition_count == 0) {
		PYR_TRY(client_admin_create(&producer->broker.admin, producer->topic, (uint32_t)-1, "", error));
		PYR_TRY(cli_broker_partitions(&producer->broker, producer->topic, &producer->partition_count, error));
	}
	if (cli_option_get(producer->options, "partition")[0])
		PYR_TRY(cli_option_number(producer->options, "partition", 0, producer->partition_count - 1,
		                          &producer->only, error));
	producer->builders = calloc(producer->partition_count, sizeof *producer->builders);
	producer->parts = calloc(producer->partition_count, sizeof *producer->parts);
	producer->batches = calloc(producer->partition_count, sizeof *producer->batches);
	if (!producer->builders || !producer->parts || !producer->batches)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	for (uint32_t i = 0; i < producer->partition_count; i++)
		codec_batch_builder_init(&producer->builders[i], producer->compression, BATCH_BYTES_MAX * 2);
	return pyr_ok();
}

static void clean_up(struct producer *producer)
{
	cli_broker_close(&producer->broker);
	cli_rows_deinit(&producer->rows);
	for (uint32_t i = 0; producer->builders && i < producer->partition_count; i++)
		codec_batch_builder_deinit(&producer->builders[i]);
	free(producer->builders);
	free(producer->parts);
	free(producer->batches);
	if (producer->in && producer->in != stdin)
		os_terminal_close(producer->in, false);
}

const struct cli_option *cli_produce_options(void)
{
	return produce_options;
}

int cli_produce(int argc, char **argv)
{
	struct cli_option options[sizeof produce_options / sizeof produce_options[0]];
	struct producer producer = {.options = options};
	struct pyr_error error = {0};
	memcpy(options, produce_options, sizeof options);
	if (argc == 0 || strcmp(argv[0], "--help") == 0) {
		print_help();
		return argc == 0 ? 2 : 0;
	}
	producer.topic = argv[0];
	pyr_result done = cli_options_parse(options, argc - 1, argv + 1, &error);
	if (done.code == PYR_OK)
		done = prepare(&producer, &error);
	if (done.code == PYR_OK)
		done = run(&producer, &error);
	clean_up(&producer);
	return cli_end("produce", options, done, &error);
}
