/* pyralog bench: how much a Kafka-protocol broker takes and gives, and how fast it answers (the work is in bench/). */
#include "bench/bench.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "os/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES_MAX = 256 };

static const struct cli_option bench_options[] = {
	{"mode", "MODE", "produce",
         "produce, fetch, tail (sent to consumed), mixed, commit or members; also as the first word"},
	{"broker", "HOST:PORT", "127.0.0.1:9092", "the broker"},
	{"topic", "NAME", "", "made if it is not there, and kept; a fresh one, deleted at the end, if not given"},
	{"keep", NULL, "", "do not delete the fresh topic"},
	{"partitions", "N", "4", "of a topic that is made"},
	{"topic-config", "SETTINGS", "", "of a topic that is made: retention.bytes=1000000000,..."},
	{"connections", "N", "4", "that produce, or that read; each with partitions of its own as far as they reach"},
	{"readers", "N", "1", "mixed: connections that read"},
	{"threads", "N", "1", "threads that the connections are spread over"},
	{"in-flight", "N", "4", "requests under way on each producing connection"},
	{"partitions-per-request", "N", "1",
         "batches in one Produce request, or offsets in one commit, each for another partition"},
	{"payload", "KIND", "random", "random (printable, incompressible) or flights (JSON from --flights)"},
	{"flights", "FILE", ".deps/data/flights.csv", "the CSV file behind --payload flights"},
	{"seed", "N", "1", "of the random payload"},
	{"record-bytes", "N", "100", "the value of a record (random)"},
	{"batch-records", "N", "1000", "records of a batch"},
	{"keys", "N", "0", "random: records have one of so many keys, drawn at random; 0: none"},
	{"groups", "N", "1000", "commit: groups that offsets are committed for, in turn"},
	{"codec", "NAME", "none", "none, gzip, snappy, lz4 or zstd"},
	{"acks", "N", "all", "0, 1 or all"},
	{"honest", NULL, "", "build, encode, compress and checksum every batch when it is sent, not before"},
	{"rate", "N", "0", "records per second, in open loop: latency counts from when a request should have left"},
	{"seconds", "N", "5", "how long to measure; fractions are fine"},
	{"warmup", "SECONDS", "1", "not measured, before"},
	{"records", "N", "0", "end when so many were produced (or read), without --seconds or warm-up"},
	{"prepare-mib", "N", "256", "fetch, mixed: what an empty topic is filled with before"},
	{"fetch-bytes", "N", "1048576", "of one partition in one fetch response"},
	{"check", NULL, "", "verify the checksum of every batch that is read"},
	{"pid", "N", "0", "the broker's process: tell its CPU seconds and memory"},
	{"quiet", NULL, "", "no progress on standard error"},
	CLI_COMMON_OPTIONS,
};

static void print_help(void)
{
	printf("usage: pyralog bench [produce|fetch|tail|mixed|commit|members] [OPTIONS]\n\nLoads a broker that speaks "
	       "Kafka's "
	       "protocol "
	       "and tells what it did.\n\n");
	cli_options_help(bench_options, stdout);
	printf("\nexamples:\n"
	       "  pyralog bench --batch-records 5000                     as fast as it goes\n"
	       "  pyralog bench --connections 1 --in-flight 1 --batch-records 1   one record in flight\n"
	       "  pyralog bench --rate 100000 --batch-records 100        latency at a fixed rate\n"
	       "  pyralog bench fetch --connections 2 --check            reading, checksums verified\n"
	       "  pyralog bench tail --rate 10000 --batch-records 10     from producer to consumer\n"
	       "  pyralog bench commit --groups 100                      offsets committed, a request for a group\n"
	       "  pyralog bench members --connections 1000               a group of so many until all are assigned\n");
}

static pyr_result number_option(const struct cli_option *options, const char *name, long long min, long long max,
                                uint32_t *ret_number, struct pyr_error *error)
{
	long long number;
	PYR_TRY(cli_option_number(options, name, min, max, &number, error));
	*ret_number = (uint32_t)number;
	return pyr_ok();
}

static pyr_result real_option(const struct cli_option *options, const char *name, double max, double *ret_number,
                              struct pyr_error *error)
{
	const char *text = cli_option_get(options, name);
	char *end;
	*ret_number = strtod(text, &end);
	if (end == text || *end != '\0' || !(*ret_number >= 0 && *ret_number <= max))
		return pyr_fail(error, PYR_USAGE, "--%s %s is not valid: give a number from 0 to %.0f", name, text,
		                max);
	return pyr_ok();
}

/* The place of the option's value in `names`. */
static pyr_result name_option(const struct cli_option *options, const char *name, const char *const *names,
                              size_t count, size_t *ret_place, struct pyr_error *error)
{
	const char *text = cli_option_get(options, name);
	char all[128] = "";
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], text) == 0) {
			*ret_place = i;
			return pyr_ok();
		}
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "", names[i]);
	}
	return pyr_fail(error, PYR_USAGE, "--%s %s is not valid: give one of %s", name, text, all);
}

static pyr_result broker_option(const struct cli_option *options, char ret_host[HOST_BYTES_MAX], uint16_t *ret_port,
                                struct pyr_error *error)
{
	const char *text = cli_option_get(options, "broker");
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;
	if (!colon || colon == text || *end != '\0' || port < 1 || port > 65535 || colon - text >= HOST_BYTES_MAX)
		return pyr_fail(error, PYR_USAGE, "--broker %s is not valid: give HOST:PORT", text);
	memcpy(ret_host, text, (size_t)(colon - text));
	ret_host[colon - text] = '\0';
	*ret_port = (uint16_t)port;
	return pyr_ok();
}

static pyr_result payload_options(const struct cli_option *options, struct bench_payload_options *payload,
                                  struct pyr_error *error)
{
	static const char *const kinds[] = {"random", "flights"};
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	size_t kind, codec;
	long long seed;
	PYR_TRY(name_option(options, "payload", kinds, 2, &kind, error));
	PYR_TRY(name_option(options, "codec", codecs, CODEC_COMPRESSION_COUNT, &codec, error));
	PYR_TRY(cli_option_number(options, "seed", 0, INT64_MAX, &seed, error));
	PYR_TRY(number_option(options, "record-bytes", 0, 8 << 20, &payload->record_bytes, error));
	PYR_TRY(number_option(options, "batch-records", 1, 1 << 20, &payload->batch_records, error));
	PYR_TRY(number_option(options, "keys", 0, 100000000, &payload->keys, error));
	payload->kind = (enum bench_payload_kind)kind;
	payload->codec = (enum codec_compression)codec;
	payload->seed = (uint64_t)seed;
	payload->flights_path = cli_option_get(options, "flights");
	return pyr_ok();
}

static pyr_result time_options(const struct cli_option *options, struct bench_options *bench, struct pyr_error *error)
{
	double seconds, warmup;
	long long records;
	PYR_TRY(real_option(options, "seconds", 1e6, &seconds, error));
	PYR_TRY(real_option(options, "warmup", 1e6, &warmup, error));
	PYR_TRY(real_option(options, "rate", 1e12, &bench->rate, error));
	PYR_TRY(cli_option_number(options, "records", 0, INT64_MAX, &records, error));
	if (seconds <= 0 && records == 0)
		return pyr_fail(error, PYR_USAGE, "--seconds 0 measures nothing: give more, or --records");
	bench->duration_us = (uint64_t)(seconds * 1e6);
	bench->warmup_us = records > 0 ? 0 : (uint64_t)(warmup * 1e6);
	bench->records = (uint64_t)records;
	return pyr_ok();
}

static pyr_result load_options(const struct cli_option *options, struct bench_options *bench, struct pyr_error *error)
{
	static const char *const acks[] = {"-1", "0", "1", "all"};
	static const int16_t acks_values[] = {-1, 0, 1, -1};
	size_t place;
	long long prepare_mib;
	PYR_TRY(number_option(options, "partitions", 1, 1 << 20, &bench->partitions, error));
	PYR_TRY(number_option(options, "connections", 1, BENCH_CONNECTIONS_MAX, &bench->connections, error));
	PYR_TRY(number_option(options, "readers", 1, BENCH_CONNECTIONS_MAX, &bench->readers, error));
	PYR_TRY(number_option(options, "threads", 1, BENCH_THREADS_MAX, &bench->threads, error));
	PYR_TRY(number_option(options, "in-flight", 1, 100000, &bench->in_flight, error));
	PYR_TRY(number_option(options, "partitions-per-request", 1, 1 << 20, &bench->partitions_per_request, error));
	PYR_TRY(number_option(options, "groups", 1, INT32_MAX, &bench->groups, error));
	PYR_TRY(number_option(options, "fetch-bytes", 1, INT32_MAX, &bench->fetch_bytes, error));
	PYR_TRY(number_option(options, "pid", 0, INT32_MAX, &bench->broker_pid, error));
	PYR_TRY(cli_option_number(options, "prepare-mib", 1, 1 << 20, &prepare_mib, error));
	PYR_TRY(name_option(options, "acks", acks, 4, &place, error));
	bench->prepare_bytes = (uint64_t)prepare_mib << 20;
	bench->acks = acks_values[place];
	return pyr_ok();
}

static void show_progress(void *context, const struct bench_progress *progress)
{
	(void)context;
	const char *phase = progress->is_preparing ? "preparing" : progress->is_warming_up ? "warming up" : "";
	fprintf(stderr, "%5.0f s  %12.0f records/s in  %12.0f records/s out  %s\n", progress->seconds,
	        progress->produced_records_per_s, progress->fetched_records_per_s, phase);
}

static pyr_result parse(const struct cli_option *options, struct bench_options *bench, char host[HOST_BYTES_MAX],
                        struct pyr_error *error)
{
	const char *modes[BENCH_MODE_COUNT];
	size_t mode;
	*bench = bench_options_default();
	for (size_t i = 0; i < BENCH_MODE_COUNT; i++)
		modes[i] = bench_mode_name((enum bench_mode)i);
	PYR_TRY(name_option(options, "mode", modes, BENCH_MODE_COUNT, &mode, error));
	PYR_TRY(broker_option(options, host, &bench->port, error));
	PYR_TRY(payload_options(options, &bench->payload, error));
	PYR_TRY(time_options(options, bench, error));
	PYR_TRY(load_options(options, bench, error));
	bench->mode = (enum bench_mode)mode;
	bench->host = host;
	bench->topic = cli_option_get(options, "topic")[0] ? cli_option_get(options, "topic") : NULL;
	bench->topic_config = cli_option_get(options, "topic-config");
	bench->keep = cli_option_get(options, "keep")[0];
	bench->honest = cli_option_get(options, "honest")[0];
	bench->check = cli_option_get(options, "check")[0];
	bench->progress = cli_option_get(options, "quiet")[0] ? NULL : show_progress;
	return pyr_ok();
}

static int run(const struct cli_option *options)
{
	struct bench_options bench;
	struct bench_result *result = NULL;
	struct pyr_error error = {0};
	char host[HOST_BYTES_MAX];
	pyr_result done = parse(options, &bench, host, &error);
	if (done.code == PYR_OK)
		done = bench_run(&bench, &result, &error);
	if (done.code == PYR_OK && cli_option_get(options, "json")[0])
		done = bench_print_json(&bench, result, stdout);
	else if (done.code == PYR_OK)
		bench_print_table(&bench, result, stdout);
	free(result);
	return cli_end("bench", options, done, &error);
}

const struct cli_option *cli_bench_options(void)
{
	return bench_options;
}

int cli_bench(int argc, char **argv)
{
	struct cli_option options[sizeof bench_options / sizeof bench_options[0]];
	struct pyr_error error = {0};
	memcpy(options, bench_options, sizeof options);
	if (argc > 0 && strncmp(argv[0], "--", 2) != 0) {
		options[0].value = argv[0];
		argc -= 1;
		argv += 1;
	}
	pyr_result parsed = cli_options_parse(options, argc, argv, &error);
	if (parsed.code != PYR_OK)
		return cli_end("bench", options, parsed, &error);
	if (cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	os_environment_raise_limits();
	return run(options);
}
