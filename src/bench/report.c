/* What a run found, for people and for programs (see bench.h). Pure but for the output. */
#include "bench/bench.h"

#include <jansson.h>
#include <string.h>

static const double fractions[] = {0.5, 0.9, 0.99, 0.999};
static const char *const fraction_names[] = {"p50", "p90", "p99", "p99.9"};
static const char *const json_names[] = {"p50_ms", "p90_ms", "p99_ms", "p999_ms"};
enum { FRACTIONS = sizeof fractions / sizeof fractions[0] };

static const char *const codec_names[] = {"none", "gzip", "snappy", "lz4", "zstd"};

/* 1234567 as "1,234,567". */
static const char *grouped(double value, char ret_text[32])
{
	char plain[24];
	int bytes = snprintf(plain, sizeof plain, "%.0f", value), used = 0;
	for (int i = 0; i < bytes; i++) {
		if (i > 0 && (bytes - i) % 3 == 0)
			ret_text[used++] = ',';
		ret_text[used++] = plain[i];
	}
	ret_text[used] = '\0';
	return ret_text;
}

static double per_second(uint64_t count, const struct bench_result *result)
{
	return result->seconds > 0 ? (double)count / result->seconds : 0;
}

/* ---- a table ---- */

static void print_latency(const char *name, const struct bench_histogram *histogram, FILE *out)
{
	if (histogram->count == 0)
		return;
	fprintf(out, "  %-22s", name);
	for (size_t i = 0; i < FRACTIONS; i++)
		fprintf(out, " %s %.3f ", fraction_names[i],
		        (double)bench_histogram_percentile(histogram, fractions[i]) / 1000);
	fprintf(out, " max %.3f  mean %.3f ms\n", (double)histogram->max / 1000,
	        bench_histogram_mean(histogram) / 1000);
}

static void print_flow(const char *name, const struct bench_flow *flow, const struct bench_result *result, FILE *out)
{
	char records[32], requests[32];
	fprintf(out, "  %-22s %s records/s  %.1f MB/s  %s requests/s\n", name,
	        grouped(per_second(flow->records, result), records), per_second(flow->batch_bytes, result) / 1e6,
	        grouped(per_second(flow->requests, result), requests));
}

static void print_usage(const struct bench_result *result, FILE *out)
{
	double moved = (double)(result->produced.records + result->fetched.records + result->committed.records);
	if (result->has_usage)
		fprintf(out, "  %-22s %.2f CPU-seconds (%.3f per million records), %.1f MiB resident at most\n",
		        "broker", result->broker_cpu_s, moved > 0 ? result->broker_cpu_s / moved * 1e6 : 0,
		        (double)result->broker_peak_bytes / (1 << 20));
	fprintf(out, "  %-22s %.2f CPU-seconds in %.1f s\n", "this program", result->own_cpu_s, result->seconds);
}

static void print_commits(const struct bench_result *result, FILE *out)
{
	char offsets[32], requests[32];
	fprintf(out, "  %-22s %s requests/s, %s offsets/s\n", "committed",
	        grouped(per_second(result->committed.requests, result), requests),
	        grouped(per_second(result->committed.records, result), offsets));
	print_latency("latency", &result->committed.latency_us, out);
}

void bench_print_table(const struct bench_options *options, const struct bench_result *result, FILE *out)
{
	char text[32];
	fprintf(out, "%s, %s:%u, topic %s, %u partitions, %.1f s measured\n", bench_mode_name(options->mode),
	        options->host, options->port, result->topic, result->partitions, result->seconds);
	if (bench_mode_produces(options->mode)) {
		print_flow(options->acks == 0 ? "sent" : "acknowledged", &result->produced, result, out);
		print_latency(options->rate > 0 ? "latency, open loop" : "latency", &result->produced.latency_us, out);
		fprintf(out, "  %-22s %u records, %.0f bytes (compressed %.2f times)\n", "a batch",
		        options->payload.batch_records,
		        result->produced.records > 0
		                ? (double)result->produced.batch_bytes * options->payload.batch_records /
		                          (double)result->produced.records
		                : 0,
		        result->compression);
	}
	if (options->mode == BENCH_COMMIT)
		print_commits(result, out);
	if (options->mode == BENCH_MEMBERS)
		print_latency("until it settled", &result->settled_us, out);
	if (bench_mode_reads(options->mode))
		print_flow("read", &result->fetched, result, out);
	if (options->mode == BENCH_TAIL)
		print_latency("sent to consumed", &result->tail_us, out);
	else
		print_latency("a fetch request", &result->fetched.latency_us, out);
	if (options->rate > 0)
		print_latency("of it, our own delay", &result->late_us, out);
	if (result->missed_records > 0)
		fprintf(out, "  %-22s %s records were never sent: the broker does not keep up with --rate\n", "missed",
		        grouped((double)result->missed_records, text));
	print_usage(result, out);
}

/* ---- JSON ---- */

static json_t *latency_json(const struct bench_histogram *histogram)
{
	json_t *object = json_object();
	json_object_set_new(object, "count", json_integer((json_int_t)histogram->count));
	for (size_t i = 0; i < FRACTIONS; i++)
		json_object_set_new(object, json_names[i],
		                    json_real((double)bench_histogram_percentile(histogram, fractions[i]) / 1000));
	json_object_set_new(object, "max_ms", json_real((double)histogram->max / 1000));
	json_object_set_new(object, "mean_ms", json_real(bench_histogram_mean(histogram) / 1000));
	return object;
}

static json_t *flow_json(const struct bench_flow *flow, const struct bench_result *result)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "requests", (json_int_t)flow->requests,
	                 "records", (json_int_t)flow->records, "batch_bytes", (json_int_t)flow->batch_bytes,
	                 "payload_bytes", (json_int_t)flow->payload_bytes, "records_per_s",
	                 per_second(flow->records, result), "requests_per_s", per_second(flow->requests, result),
	                 "mb_per_s", per_second(flow->batch_bytes, result) / 1e6, "payload_mb_per_s",
	                 per_second(flow->payload_bytes, result) / 1e6, "latency", latency_json(&flow->latency_us));
}

static json_t *options_json(const struct bench_options *options)
{
	const struct bench_payload_options *payload = &options->payload;
	json_t *object =
		json_pack("{s:s, s:i, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:b}", "host", options->host, "port",
	                  (int)options->port, "mode", bench_mode_name(options->mode), "partitions",
	                  (int)options->partitions, "connections", (int)options->connections, "readers",
	                  (int)options->readers, "threads", (int)options->threads, "in_flight", (int)options->in_flight,
	                  "partitions_per_request", (int)options->partitions_per_request, "acks", (int)options->acks,
	                  "honest", options->honest, "check", options->check);
	json_t *more = json_pack("{s:s, s:i, s:i, s:s, s:I, s:f, s:f, s:f, s:I, s:I}", "payload",
	                         payload->kind == BENCH_RANDOM ? "random" : "flights", "record_bytes",
	                         (int)payload->record_bytes, "batch_records", (int)payload->batch_records, "codec",
	                         codec_names[payload->codec], "seed", (json_int_t)payload->seed, "rate", options->rate,
	                         "warmup_s", (double)options->warmup_us / 1e6, "duration_s",
	                         (double)options->duration_us / 1e6, "records", (json_int_t)options->records,
	                         "fetch_bytes", (json_int_t)options->fetch_bytes);
	json_object_update_new(object, more);
	json_object_set_new(object, "groups", json_integer(options->groups));
	json_object_set_new(object, "keys", json_integer(payload->keys));
	return object;
}

static void set_usage(json_t *object, const struct bench_result *result)
{
	json_object_set_new(object, "own_cpu_s", json_real(result->own_cpu_s));
	if (!result->has_usage)
		return;
	json_object_set_new(object, "broker_cpu_s", json_real(result->broker_cpu_s));
	json_object_set_new(object, "broker_peak_bytes", json_integer((json_int_t)result->broker_peak_bytes));
}

pyr_result bench_print_json(const struct bench_options *options, const struct bench_result *result, FILE *out)
{
	json_t *object = json_pack(
		"{s:o, s:s, s:i, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "options", options_json(options), "topic",
		result->topic, "partitions", (int)result->partitions, "seconds", result->seconds, "compression",
		result->compression, "sent_records", (json_int_t)result->sent_records, "acknowledged_records",
		(json_int_t)result->acknowledged_records, "missed_records", (json_int_t)result->missed_records,
		"log_records", (json_int_t)result->log_records, "fetched_records", (json_int_t)result->fetched_records,
		"committed_offsets", (json_int_t)result->committed_offsets);
	if (!object)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	if (bench_mode_produces(options->mode))
		json_object_set_new(object, "produced", flow_json(&result->produced, result));
	if (bench_mode_reads(options->mode))
		json_object_set_new(object, "fetched", flow_json(&result->fetched, result));
	if (options->mode == BENCH_COMMIT)
		json_object_set_new(object, "committed", flow_json(&result->committed, result));
	if (options->mode == BENCH_MEMBERS)
		json_object_set_new(object, "settled", latency_json(&result->settled_us));
	if (options->mode == BENCH_TAIL)
		json_object_set_new(object, "tail", latency_json(&result->tail_us));
	if (options->rate > 0)
		json_object_set_new(object, "late", latency_json(&result->late_us));
	set_usage(object, result);
	int failed = json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	fputc('\n', out);
	json_decref(object);
	return pyr_result_of(failed ? PYR_OUT_OF_MEMORY : PYR_OK);
}
