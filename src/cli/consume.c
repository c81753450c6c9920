/* pyralog consume: records of a topic of any broker that speaks Kafka's protocol, for people and for programs. */
#include "cli/answer.h"
#include "cli/broker.h"
#include "cli/cli.h"
#include "cli/group_state.h"
#include "codec/batch.h"
#include "codec/kafka/messages.h"
#include "column/field.h"
#include "os/environment.h"
#include "shell/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FETCH_BYTES = 4 << 20, PARTITION_BYTES = 1 << 20, WAIT_MS = 500, INFLATED_BYTES_MAX = 1 << 30 };
enum { TIME_LATEST = -1, TIME_EARLIEST = -2, OFFSET_OUT_OF_RANGE = 1 };

static const struct cli_option consume_options[] = {
	{"broker", "HOST:PORT", "127.0.0.1:9092", "the broker"},
	{"from", "WHERE", "earliest", "earliest, latest, an offset, @MS, or a time: 2024-01-01T12:00:00Z"},
	{"partition", "N", "", "only this one"},
	{"follow", NULL, "", "go on with what comes"},
	{"count", "N", "0", "end after so many records"},
	{"format", "FORMAT", "value", "value (a line each), key-value (a tab between), csv, json (an object a line)"},
	{"headers", NULL, "", "csv: the headers, too, as a JSON object"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog consume TOPIC [OPTIONS]\n\nWrites what the topic holds and ends; --follow goes on until "
	       "Ctrl-C.\nRecords of one partition are in order.\n\n");
	cli_options_help(consume_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog consume flights --count 10\n"
	       "  pyralog consume flights --format json --from latest --follow\n"
	       "  pyralog consume flights --format csv --headers --from 2013-01-01\n");
}

enum format { FORMAT_VALUE, FORMAT_KEY_VALUE, FORMAT_CSV, FORMAT_JSON };

struct consumer {
	const struct cli_option *options;
	const char *topic;
	struct cli_broker broker;
	struct cli_group places; /* offset: the next; end: where it was at the start */
	struct codec_kafka_fetch_request_partition *asked;
	enum format format;
	bool follow, headers;
	uint64_t written, most;
	struct shell_progress progress; /* where records go into a file */
};

/* ---- writing ---- */

static void write_json(struct base_bytes text, FILE *out)
{
	if (!text.data) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	for (size_t i = 0; i < text.bytes; i++) {
		unsigned char c = text.data[i];
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ')
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void write_headers(const struct codec_record *record, FILE *out)
{
	struct base_reader reader = base_reader_init(record->headers.data, record->headers.bytes);
	struct codec_header header;
	putc('{', out);
	for (uint32_t i = 0; i < record->header_count && codec_header_next(&reader, &header); i++) {
		fputs(i > 0 ? "," : "", out);
		write_json(header.key, out);
		putc(':', out);
		write_json(header.value, out);
	}
	putc('}', out);
}

static void write_csv(struct base_bytes text)
{
	bool quoted = text.data && (text.bytes == 0 || memchr(text.data, ',', text.bytes) ||
	                            memchr(text.data, '"', text.bytes) || memchr(text.data, '\n', text.bytes));
	fputs(quoted ? "\"" : "", stdout);
	for (size_t i = 0; i < text.bytes; i++) {
		fputs(text.data[i] == '"' ? "\"" : "", stdout);
		putchar(text.data[i]);
	}
	fputs(quoted ? "\"" : "", stdout);
}

/* JSON has quotes, so it stands in some of CSV's. */
static void write_csv_headers(const struct codec_record *record)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	if (!out)
		return;
	write_headers(record, out);
	(void)fclose(out);
	write_csv((struct base_bytes){(const uint8_t *)text, bytes});
	free(text);
}

static void write_plain(struct base_bytes text)
{
	fwrite(text.data ? text.data : (const uint8_t *)"", 1, text.bytes, stdout);
}

static void write_csv_record(const struct consumer *consumer, int32_t partition, const struct codec_record *record)
{
	if (consumer->written == 0)
		printf("partition,offset,timestamp_ms,key,value%s\n", consumer->headers ? ",headers" : "");
	printf("%d,%lld,%lld,", partition, (long long)record->offset, (long long)record->timestamp_ms);
	write_csv(record->key);
	putchar(',');
	write_csv(record->value);
	if (consumer->headers) {
		putchar(',');
		write_csv_headers(record);
	}
	putchar('\n');
}

static void write_record(struct consumer *consumer, int32_t partition, const struct codec_record *record)
{
	switch (consumer->format) {
	case FORMAT_CSV:
		write_csv_record(consumer, partition, record);
		break;
	case FORMAT_JSON:
		printf("{\"partition\":%d,\"offset\":%lld,\"timestamp_ms\":%lld,\"key\":", partition,
		       (long long)record->offset, (long long)record->timestamp_ms);
		write_json(record->key, stdout);
		fputs(",\"value\":", stdout);
		write_json(record->value, stdout);
		fputs(",\"headers\":", stdout);
		write_headers(record, stdout);
		fputs("}\n", stdout);
		break;
	case FORMAT_KEY_VALUE:
		write_plain(record->key);
		putchar('\t');
		write_plain(record->value);
		putchar('\n');
		break;
	default:
		write_plain(record->value);
		putchar('\n');
	}
	consumer->written += 1;
}

/* ---- reading ---- */

static bool is_over(const struct consumer *consumer)
{
	if (consumer->most > 0 && consumer->written >= consumer->most)
		return true;
	for (size_t i = 0; i < consumer->places.count && !consumer->follow; i++)
		if (consumer->places.partitions[i].offset < consumer->places.partitions[i].end)
			return false;
	return !consumer->follow;
}

static pyr_result take_batch(struct consumer *consumer, struct cli_group_partition *place,
                             const struct codec_batch *batch, struct pyr_error *error)
{
	struct codec_record_reader reader;
	struct codec_record record;
	pyr_result result = codec_record_reader_init(&reader, batch, INFLATED_BYTES_MAX);
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "partition %d, offset %lld: %s", place->partition,
		                (long long)batch->base_offset, pyr_code_text(result.code));
	while (!codec_batch_is_control(batch) && codec_record_next(&reader, &record)) {
		bool wanted = record.offset >= place->offset && (consumer->follow || record.offset < place->end) &&
		              (consumer->most == 0 || consumer->written < consumer->most);
		if (wanted)
			write_record(consumer, place->partition, &record);
	}
	codec_record_reader_deinit(&reader);
	place->offset = codec_batch_last_offset(batch) + 1;
	return pyr_ok();
}

static pyr_result take_partition(struct consumer *consumer, const struct codec_kafka_fetch_response_partition *answer,
                                 struct pyr_error *error)
{
	struct cli_group_partition *place =
		cli_group_partition(&consumer->places, cli_text(consumer->topic), answer->index);
	struct base_bytes rest = {answer->records.data, answer->records.bytes};
	struct codec_batch batch;
	char name[32];
	if (!place || answer->error_code != 0)
		return pyr_fail(error, PYR_CANCELLED, "partition %d can't be read: %s", answer->index,
		                client_kafka_error(answer->error_code, name));
	/* The last batch may be cut off. */
	while (rest.bytes >= CODEC_BATCH_HEADER_BYTES &&
	       (uint64_t)base_load_u32be(rest.data + CODEC_BATCH_LENGTH_AT) + CODEC_BATCH_OVERHEAD_BYTES <=
	               rest.bytes) {
		pyr_result result = codec_batch_check(rest, &batch);
		if (result.code != PYR_OK)
			return pyr_fail(error, result.code, "partition %d: the broker sends a broken batch",
			                answer->index);
		PYR_TRY(take_batch(consumer, place, &batch, error));
		rest.data += batch.bytes;
		rest.bytes -= batch.bytes;
	}
	return pyr_ok();
}

static void tell_progress(struct consumer *consumer)
{
	char text[64];
	snprintf(text, sizeof text, "%llu records written", (unsigned long long)consumer->written);
	if (!os_environment_is_terminal())
		shell_progress_tell(&consumer->progress, -1, text);
}

static pyr_result take_fetched(struct client_admin *admin, const void *message, struct pyr_error *error)
{
	const struct codec_kafka_fetch_response *response = message;
	char name[32];
	if (response->error_code != 0)
		return pyr_fail(error, PYR_CANCELLED, "the broker refuses to read: %s",
		                client_kafka_error(response->error_code, name));
	for (size_t i = 0; i < response->topics_count; i++)
		for (size_t j = 0; j < response->topics[i].partitions_count; j++)
			PYR_TRY(take_partition(admin->take_context, &response->topics[i].partitions[j], error));
	fflush(stdout);
	tell_progress(admin->take_context);
	return pyr_ok();
}

static pyr_result fetch(struct consumer *consumer, struct pyr_error *error)
{
	struct codec_kafka_fetch_request request = codec_kafka_fetch_request_default;
	struct codec_kafka_fetch_request_topic topic = codec_kafka_fetch_request_topic_default;
	for (size_t i = 0; i < consumer->places.count; i++) {
		const struct cli_group_partition *place = &consumer->places.partitions[i];
		if (!consumer->follow && place->offset >= place->end)
			continue;
		struct codec_kafka_fetch_request_partition *asked = &consumer->asked[topic.partitions_count++];
		*asked = codec_kafka_fetch_request_partition_default;
		asked->index = place->partition;
		asked->fetch_offset = place->offset;
		asked->max_bytes = PARTITION_BYTES;
	}
	topic.name = cli_text(consumer->topic);
	topic.partitions = consumer->asked;
	request.topics = &topic;
	request.topics_count = 1;
	request.replica_id = -1;
	request.max_wait_ms = WAIT_MS;
	request.min_bytes = 1;
	request.max_bytes = FETCH_BYTES;
	return client_admin_ask(&consumer->broker.admin, CODEC_KAFKA_FETCH, &request, take_fetched, consumer, error);
}

/* ---- where to begin ---- */

/* A time, as milliseconds or written out; -3: it is none. */
static int64_t time_of(const char *text)
{
	int64_t us;
	char *end;
	errno = 0;
	long long ms = text[0] == '@' ? strtoll(text + 1, &end, 10) : 0;
	if (text[0] == '@')
		return errno == 0 && end != text + 1 && !*end && ms >= 0 ? ms : -3;
	if (strcmp(text, "earliest") == 0 || strcmp(text, "latest") == 0)
		return text[0] == 'e' ? TIME_EARLIEST : TIME_LATEST;
	return column_time_parse(text, strlen(text), COLUMN_TYPE_TIMESTAMPTZ, &us) && us >= 0 ? us / 1000 : -3;
}

static pyr_result find_places(struct consumer *consumer, struct pyr_error *error)
{
	const char *text = cli_option_get(consumer->options, "from");
	char *end;
	int64_t time_ms = time_of(text);
	long long offset = strtoll(text, &end, 10);
	bool is_offset = end != text && !*end && offset >= 0;
	if (time_ms == -3 && !is_offset)
		return pyr_fail(error, PYR_USAGE,
		                "--from %s is not valid: give earliest, latest, an offset, @MS or a time", text);
	PYR_TRY(cli_group_ask_times(&consumer->broker.admin, &consumer->places, is_offset ? TIME_EARLIEST : time_ms,
	                            error));
	for (size_t i = 0; i < consumer->places.count; i++) {
		struct cli_group_partition *place = &consumer->places.partitions[i];
		place->offset = is_offset && offset > place->end ? offset : place->end;
	}
	PYR_TRY(cli_group_ask_times(&consumer->broker.admin, &consumer->places, TIME_LATEST, error));
	for (size_t i = 0; i < consumer->places.count; i++) {
		struct cli_group_partition *place = &consumer->places.partitions[i];
		if (place->offset < 0 || place->offset > place->end) /* no record is as young */
			place->offset = place->end;
	}
	return pyr_ok();
}

static pyr_result prepare(struct consumer *consumer, struct pyr_error *error)
{
	static const char *const formats[] = {"value", "key-value", "csv", "json"};
	bool json = cli_wants_json(consumer->options);
	const char *format = json ? "json" : cli_option_get(consumer->options, "format");
	long long most, only = -1;
	uint32_t count;
	while (consumer->format <= FORMAT_JSON && strcmp(formats[consumer->format], format) != 0)
		consumer->format += 1;
	if (consumer->format > FORMAT_JSON)
		return pyr_fail(error, PYR_USAGE, "--format %s is not valid: give value, key-value, csv or json",
		                format);
	PYR_TRY(cli_option_number(consumer->options, "count", 0, INT64_MAX, &most, error));
	consumer->most = (uint64_t)most;
	consumer->follow = cli_option_get(consumer->options, "follow")[0];
	consumer->headers = cli_option_get(consumer->options, "headers")[0];
	PYR_TRY(cli_broker_open(&consumer->broker, consumer->options, error));
	PYR_TRY(cli_broker_partitions(&consumer->broker, consumer->topic, &count, error));
	if (cli_option_get(consumer->options, "partition")[0])
		PYR_TRY(cli_option_number(consumer->options, "partition", 0, count - 1, &only, error));
	for (uint32_t i = 0; i < count; i++)
		if ((only < 0 || only == i) &&
		    !cli_group_partition(&consumer->places, cli_text(consumer->topic), (int32_t)i))
			return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	consumer->asked = calloc(count, sizeof *consumer->asked);
	return consumer->asked ? find_places(consumer, error) : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

const struct cli_option *cli_consume_options(void)
{
	return consume_options;
}

int cli_consume(int argc, char **argv)
{
	struct cli_option options[sizeof consume_options / sizeof consume_options[0]];
	struct consumer consumer = {.options = options};
	struct pyr_error error = {0};
	memcpy(options, consume_options, sizeof options);
	if (argc == 0 || strcmp(argv[0], "--help") == 0) {
		print_help();
		return argc == 0 ? 2 : 0;
	}
	consumer.topic = argv[0];
	pyr_result done = cli_options_parse(options, argc - 1, argv + 1, &error);
	if (done.code == PYR_OK)
		done = prepare(&consumer, &error);
	shell_progress_begin(&consumer.progress, cli_color(options), stderr, SHELL_PROGRESS_US);
	while (done.code == PYR_OK && !is_over(&consumer))
		done = fetch(&consumer, &error);
	shell_progress_clear(&consumer.progress);
	cli_broker_close(&consumer.broker);
	cli_group_free(&consumer.places);
	free(consumer.asked);
	return cli_end("consume", options, done, &error);
}
