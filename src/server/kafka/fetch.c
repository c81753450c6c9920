/* Fetch: waits until there is enough, reads, and sends the log's own slices.
 *
 *   start --enough there, an error, or no time--> reading --last read done--> replied
 *   start --otherwise--> waiting --a partition grew enough, time is up, the client has gone--> reading
 *
 * While waiting, each partition carries a watch; `readable_bytes` is the sum that min_bytes is compared with. Reads of all
 * partitions are under way together; each is bounded by what is left of max_bytes, but the first batch of the first
 * partition that has any comes whole, however large, so that a consumer always gets on.
 * Fetch sessions are not kept: the answer to whoever asks for one is session 0, as from a broker whose cache is full.
 * Owner: the loop's thread. */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	BYTES_MAX = 55 << 20, /* of one response, as in Kafka's fetch.max.bytes */
	WAIT_MS_MAX = 300000,
	TOPIC_ID_VERSION_MIN = 13,
};

struct fetch_work;

/* Malloc'ed while reading: it is large, and most partitions have nothing to read. */
struct fetch_read {
	struct log_read read;
	struct fetch_work *work;
};

struct fetch_item {
	struct log_watch watch;
	struct fetch_work *work;
	const struct codec_kafka_fetch_request_partition *asked;
	struct codec_kafka_fetch_response_partition *answer;
	struct fetch_read *reading; /* NULL: nothing to read */
	size_t readable_bytes;
	uint32_t partition; /* the log's; 0: there was an error */
	bool watching;
};

struct fetch_work {
	struct kafka_request *request;
	struct codec_kafka_fetch_response response;
	struct os_timer timer;
	size_t min_bytes, max_bytes;
	size_t readable_bytes; /* of all partitions, those on other shards included */
	size_t pending; /* reads under way, and 1 while they are being started */
	bool failed; /* an item has an error: no waiting */
	bool waiting;
	struct kafka_gap *gaps; /* of the response */
	size_t item_count;
	struct fetch_item items[];
};

static size_t at_least_zero(int32_t value)
{
	return value > 0 ? (size_t)value : 0;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- replying ---- */

static void fetch_work_free(void *context)
{
	struct fetch_work *work = context;
	os_timer_stop(work->request->server->loop, &work->timer);
	for (size_t i = 0; i < work->item_count; i++) {
		struct fetch_read *reading = work->items[i].reading;
		for (size_t j = 0; reading && j < reading->read.slice_count; j++)
			base_slice_release(&reading->read.slices[j]);
		free(reading);
	}
	free(work->gaps);
	free(work);
}

static void tell_info(struct fetch_item *item, const struct log_partition_info *info)
{
	item->answer->high_watermark = info->high_watermark;
	item->answer->last_stable_offset = info->high_watermark;
	item->answer->log_start_offset = info->log_start_offset;
}

/* What a read brought goes into its place in the response; true if a gap is left for it. */
static bool tell_read(struct fetch_item *item, struct kafka_gap *gap)
{
	if (!item->reading)
		return false;
	struct log_read *read = &item->reading->read;
	if (read->result.code != PYR_OK) {
		item->answer->error_code = kafka_error_of(read->result.code);
		return false;
	}
	tell_info(item, &read->info);
	if (read->slice_count == 0)
		return false;
	item->answer->records = (struct codec_kafka_records){.bytes = read->bytes, .ret_gap_at = &gap->at};
	gap->slices = read->slices;
	gap->slice_count = read->slice_count;
	item->work->request->server->metrics.fetched_bytes += read->bytes;
	return true;
}

static void reply(struct fetch_work *work)
{
	size_t gap_count = 0;
	work->gaps = calloc(work->item_count + 1, sizeof *work->gaps);
	if (!work->gaps) {
		kafka_request_fail(work->request, "out of memory");
		return;
	}
	for (size_t i = 0; i < work->item_count; i++)
		gap_count += tell_read(&work->items[i], &work->gaps[gap_count]);
	kafka_request_reply_spliced(work->request, &work->response, work->gaps, gap_count);
}

/* ---- reading ---- */

static void settle(struct fetch_work *work)
{
	work->pending -= 1;
	if (work->pending == 0)
		reply(work);
}

static void on_read(struct log_read *read)
{
	settle(BASE_CONTAINER(read, struct fetch_read, read)->work);
}

static void read_item(struct fetch_item *item, size_t bytes_max, bool whole_batch_first)
{
	struct fetch_work *work = item->work;
	struct log *log = work->request->server->log;
	item->reading = calloc(1, sizeof *item->reading);
	if (!item->reading)
		return; /* this partition stays empty in this answer: the client asks again */
	item->reading->work = work;
	item->reading->read.partition = item->partition;
	item->reading->read.offset = item->asked->fetch_offset;
	item->reading->read.bytes_max = bytes_max;
	item->reading->read.whole_batch_first = whole_batch_first;
	item->reading->read.done = on_read;
	work->pending += 1;
	if (log_read(log, &item->reading->read))
		work->pending -= 1;
}

static void read_all(struct fetch_work *work)
{
	struct kafka_server *server = work->request->server;
	uint64_t unsent = server->metrics.response_bytes, unsent_max = server->options.response_bytes_max;
	size_t left = unsent < unsent_max ? smaller(work->max_bytes, (size_t)(unsent_max - unsent)) : 0;
	bool first = unsent < unsent_max;
	work->pending = 1;
	for (size_t i = 0; i < work->item_count && !work->request->unwanted; i++) {
		struct fetch_item *item = &work->items[i];
		size_t bytes = smaller(left, at_least_zero(item->asked->max_bytes));
		if (item->partition == 0 || item->readable_bytes == 0 || (bytes == 0 && !first))
			continue;
		read_item(item, bytes, first);
		first = false;
		left -= smaller(left, smaller(bytes, item->readable_bytes));
	}
	settle(work);
}

/* ---- waiting ---- */

static void stop_waiting(struct fetch_work *work)
{
	work->waiting = false;
	work->request->cancel = NULL;
	os_timer_stop(work->request->server->loop, &work->timer);
	for (size_t i = 0; i < work->item_count; i++)
		if (work->items[i].watching)
			log_watch_remove(&work->items[i].watch);
	read_all(work);
}

static void on_time_up(struct os_timer *timer)
{
	stop_waiting(BASE_CONTAINER(timer, struct fetch_work, timer));
}

/* The client has gone, or another shard has enough. */
static void on_cancel(struct kafka_request *request)
{
	stop_waiting(request->work);
}

static void set_readable(struct fetch_item *item, size_t readable)
{
	struct fetch_work *work = item->work;
	work->readable_bytes =
		kafka_request_readable(work->request, work->readable_bytes, readable - item->readable_bytes);
	item->readable_bytes = readable;
}

/* What this partition could give now; counts it in. */
static void measure(struct fetch_item *item)
{
	struct fetch_work *work = item->work;
	size_t enough = smaller(at_least_zero(item->asked->max_bytes), work->max_bytes);
	size_t readable = log_readable_bytes(work->request->server->log, item->partition, item->asked->fetch_offset,
	                                     enough > 0 ? enough : 1);
	set_readable(item, readable);
}

static bool is_enough(const struct fetch_work *work)
{
	return work->failed || work->readable_bytes >= work->min_bytes;
}

static void check_item(struct fetch_item *item);

static void on_changed(struct log_watch *watch)
{
	struct fetch_item *item = BASE_CONTAINER(watch, struct fetch_item, watch);
	struct fetch_work *work = item->work;
	check_item(item);
	if (work->waiting && is_enough(work))
		os_timer_start(work->request->server->loop, &work->timer, 0);
}

static void wait_for_more(struct fetch_work *work, int32_t wait_ms)
{
	struct kafka_server *server = work->request->server;
	work->waiting = true;
	work->request->cancel = on_cancel;
	work->timer.fire = on_time_up;
	os_timer_start(server->loop, &work->timer, (uint64_t)wait_ms * 1000);
	for (size_t i = 0; i < work->item_count; i++) {
		struct fetch_item *item = &work->items[i];
		item->watch.changed = on_changed;
		item->watching = item->partition != 0 &&
		                 log_watch_add(server->log, item->partition, &item->watch).code == PYR_OK;
	}
}

/* ---- starting ---- */

static void item_failed(struct fetch_item *item, int16_t error_code)
{
	item->answer->error_code = error_code;
	set_readable(item, 0);
	item->partition = 0;
	item->work->failed = true;
}

/* Looks at a partition that exists: may the client read at its offset, and how much is there? */
static void check_item(struct fetch_item *item)
{
	struct log_partition_info info;
	struct log *log = item->work->request->server->log;
	if (item->partition == 0)
		return;
	pyr_result result = log_partition_get(log, item->partition, &info);
	if (result.code != PYR_OK) {
		item_failed(item, kafka_error_of(result.code));
		return;
	}
	tell_info(item, &info);
	int16_t error_code = kafka_epoch_check(item->asked->current_leader_epoch, info.leader_epoch);
	if (error_code != KAFKA_NONE)
		item_failed(item, error_code);
	else if (item->asked->fetch_offset < info.log_start_offset || item->asked->fetch_offset > info.log_end_offset)
		item_failed(item, kafka_error_of(PYR_OFFSET_OUT_OF_RANGE));
	else
		measure(item);
}

static void prepare_item(struct fetch_item *item, const struct catalog_topic *topic, int16_t topic_error)
{
	item->answer->index = item->asked->index;
	item->answer->high_watermark = -1;
	item->answer->records = (struct codec_kafka_records){.data = (const uint8_t *)""};
	if (topic)
		item->partition = catalog_topic_partition(topic, item->asked->index);
	if (!topic)
		item_failed(item, topic_error);
	else if (item->partition == 0)
		item_failed(item, kafka_error_of(PYR_UNKNOWN_PARTITION));
	else
		check_item(item);
}

static void prepare_topic(struct fetch_work *work, const struct codec_kafka_fetch_request_topic *asked,
                          struct codec_kafka_fetch_response_topic *answer, size_t slot)
{
	struct fetch_item *items = &work->items[slot];
	struct kafka_request *request = work->request;
	struct base_bytes name =
		request->header.api_version < TOPIC_ID_VERSION_MIN ? asked->name : (struct base_bytes){0};
	int16_t error_code = KAFKA_NONE;
	const struct catalog_topic *topic = kafka_topic_find(request, name, asked->topic_id, CATALOG_READ, &error_code);
	answer->name = asked->name;
	memcpy(answer->topic_id, asked->topic_id, sizeof answer->topic_id);
	for (size_t i = 0; i < asked->partitions_count; i++) {
		items[i].work = work;
		items[i].asked = &asked->partitions[i];
		items[i].answer = &answer->partitions[i];
		*items[i].answer = codec_kafka_fetch_response_partition_default;
		if (kafka_request_owns(request, slot + i))
			prepare_item(&items[i], topic, error_code);
	}
}

static size_t partition_count(const struct codec_kafka_fetch_request *asked)
{
	size_t count = 0;
	for (size_t i = 0; i < asked->topics_count; i++)
		count += asked->topics[i].partitions_count;
	return count;
}

/* NULL: the request has failed. */
static struct fetch_work *work_new(struct kafka_request *request, const struct codec_kafka_fetch_request *asked)
{
	size_t count = partition_count(asked);
	struct codec_kafka_fetch_response_topic *topics =
		kafka_request_alloc(request, asked->topics_count, sizeof *topics);
	struct codec_kafka_fetch_response_partition *answers =
		topics ? kafka_request_alloc(request, count, sizeof *answers) : NULL;
	if (!answers)
		return NULL;
	struct fetch_work *work = calloc(1, sizeof *work + count * sizeof work->items[0]);
	if (!work) {
		kafka_request_fail(request, "out of memory");
		return NULL;
	}
	request->work = work;
	request->work_free = fetch_work_free;
	work->request = request;
	work->item_count = count;
	work->min_bytes = smaller(at_least_zero(asked->min_bytes), smaller(at_least_zero(asked->max_bytes), BYTES_MAX));
	work->max_bytes = smaller(at_least_zero(asked->max_bytes), BYTES_MAX) / kafka_request_shards(request);
	work->response = codec_kafka_fetch_response_default;
	work->response.topics = topics;
	work->response.topics_count = asked->topics_count;
	for (size_t i = 0; i < asked->topics_count; i++) {
		topics[i].partitions = answers;
		topics[i].partitions_count = asked->topics[i].partitions_count;
		answers += asked->topics[i].partitions_count;
	}
	return work;
}

static int16_t session_error(const struct codec_kafka_fetch_request *asked)
{
	if (asked->session_id != 0)
		return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
	return asked->session_epoch > 0 ? KAFKA_INVALID_FETCH_SESSION_EPOCH : KAFKA_NONE;
}

void kafka_fetch(struct kafka_request *request, const void *message)
{
	const struct codec_kafka_fetch_request *asked = message;
	int16_t error_code = session_error(asked);
	if (error_code != KAFKA_NONE) {
		struct codec_kafka_fetch_response *refusal = kafka_request_alloc(request, 1, sizeof *refusal);
		if (!refusal)
			return;
		*refusal = codec_kafka_fetch_response_default;
		refusal->error_code = error_code;
		kafka_request_reply(request, refusal);
		return;
	}
	struct fetch_work *work = work_new(request, asked);
	if (!work)
		return;
	size_t slot = 0;
	for (size_t i = 0; i < asked->topics_count; i++) {
		prepare_topic(work, &asked->topics[i], &work->response.topics[i], slot);
		slot += asked->topics[i].partitions_count;
	}
	int32_t wait_ms = asked->max_wait_ms < WAIT_MS_MAX ? asked->max_wait_ms : WAIT_MS_MAX;
	if (is_enough(work) || wait_ms <= 0)
		read_all(work);
	else
		wait_for_more(work, wait_ms);
}
