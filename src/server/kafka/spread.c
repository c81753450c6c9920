/* Requests that concern partitions of several shards.
 *
 * Where such a request arrived it is decoded once, and each partition in it (a "slot", counted through all topics) gets an
 * owner. The handler then runs on every shard that owns one, for its own slots only: here as the origin, elsewhere as a
 * part, which shares the decoded message and the received bytes and has its own arena, work and response. When all are
 * done, the parts' answers are copied into the origin's response, which leaves as ever. A batch thus goes from the socket's
 * buffer to the log of its shard without a copy, and no handler knows of other shards.
 * A fetch waits on all its shards at once: what each finds readable is summed, and the first that has enough hurries the
 * others. Parts belong to the origin and go with it. What only the first shard can do is one part there.
 * Invariant: a part's memory is its shard's from one message to the next; `pending` counts what has not come back.
 * Failure modes: one that fails fails the request. Owner: the origin's loop, but for what a part's loop is told to do.
 */
#include "server/kafka/kafka_priv.h"

#include "base/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct kafka_part {
	struct kafka_request request; /* on its shard */
	struct os_task work; /* there and back */
	struct os_task hurry; /* the same */
	bool hurried;
	bool done; /* known to its shard */
	bool unwanted; /* with the hurry: the client has gone */
	struct kafka_outcome outcome;
};

/* ---- owners ---- */

struct router {
	struct kafka_request *request;
	const struct catalog_topic *topic; /* the one being walked through; NULL: unknown */
	uint8_t *owners;
	size_t slot, slot_count;
	bool shards[KAFKA_SHARDS_MAX]; /* that own a slot */
};

/* What nobody knows is answered here. */
static void route_topic(struct router *router, struct base_bytes name, const uint8_t *id)
{
	const struct catalog *catalog = router->request->server->catalog;
	if (name.data)
		router->topic = catalog_topic_find(catalog, (const char *)name.data, name.bytes);
	else
		router->topic = id ? catalog_topic_find_uuid(catalog, id) : NULL;
}

static void route_partition(struct router *router, int32_t index)
{
	const struct kafka_server *server = router->request->server;
	uint32_t partition = router->topic ? catalog_topic_partition(router->topic, index) : 0;
	size_t owner = partition > 0 ? catalog_shard_of(server->catalog, partition) : server->shard;
	router->shards[owner] = true;
	if (router->owners)
		router->owners[router->slot] = (uint8_t)owner;
	router->slot += 1;
}

/* Copies the answers of slots that `owner` owns from one response into another of the same shape. */
struct merger {
	const uint8_t *owners;
	uint8_t owner;
	void *into;
	const void *from;
};

#define SPREAD_API(api, topic_id_of, index_at, topics_of)                                                              \
	static void route_##api(struct router *router, const void *message)                                            \
	{                                                                                                              \
		const struct codec_kafka_##api##_request *asked = message;                                             \
		for (size_t i = 0; i < asked->topics_count; i++) {                                                     \
			route_topic(router, asked->topics[i].name, topic_id_of(asked->topics[i]));                     \
			for (size_t j = 0; j < asked->topics[i].partitions_count; j++)                                 \
				route_partition(router, index_at(asked->topics[i], j));                                \
		}                                                                                                      \
	}                                                                                                              \
	static void merge_##api(const struct merger *merger)                                                           \
	{                                                                                                              \
		struct codec_kafka_##api##_response *into = merger->into;                                              \
		const struct codec_kafka_##api##_response *from = merger->from;                                        \
		size_t slot = 0;                                                                                       \
		for (size_t i = 0; i < topics_of(into)->topics_count; i++)                                             \
			for (size_t j = 0; j < topics_of(into)->topics[i].partitions_count; j++, slot++)               \
				if (merger->owners[slot] == merger->owner)                                             \
					topics_of(into)->topics[i].partitions[j] =                                     \
						topics_of(from)->topics[i].partitions[j];                              \
	}

#define BY_ID(topic) (topic).topic_id
#define BY_NAME(topic) NULL
#define IN_STRUCT(topic, j) (topic).partitions[j].index
#define PLAIN(topic, j) (topic).partitions[j]
#define AT_TOP(response) (response)
#define IN_RESULT(response) (response)->results

SPREAD_API(produce, BY_ID, IN_STRUCT, AT_TOP)
SPREAD_API(fetch, BY_ID, IN_STRUCT, AT_TOP)
SPREAD_API(list_offsets, BY_NAME, IN_STRUCT, AT_TOP)
SPREAD_API(delete_records, BY_NAME, IN_STRUCT, AT_TOP)
SPREAD_API(offset_for_leader_epoch, BY_NAME, IN_STRUCT, AT_TOP)
SPREAD_API(describe_producers, BY_NAME, PLAIN, AT_TOP)
SPREAD_API(describe_log_dirs, BY_NAME, PLAIN, IN_RESULT)

struct spread_api {
	int16_t key;
	void (*route)(struct router *router, const void *message);
	void (*merge)(const struct merger *merger);
};

static const struct spread_api spread_apis[] = {
	{CODEC_KAFKA_PRODUCE, route_produce, merge_produce},
	{CODEC_KAFKA_FETCH, route_fetch, merge_fetch},
	{CODEC_KAFKA_LIST_OFFSETS, route_list_offsets, merge_list_offsets},
	{CODEC_KAFKA_DELETE_RECORDS, route_delete_records, merge_delete_records},
	{CODEC_KAFKA_OFFSET_FOR_LEADER_EPOCH, route_offset_for_leader_epoch, merge_offset_for_leader_epoch},
	{CODEC_KAFKA_DESCRIBE_PRODUCERS, route_describe_producers, merge_describe_producers},
	{CODEC_KAFKA_DESCRIBE_LOG_DIRS, route_describe_log_dirs, merge_describe_log_dirs},
};

static const struct spread_api *api_of(int16_t key)
{
	for (size_t i = 0; i < sizeof spread_apis / sizeof spread_apis[0]; i++)
		if (spread_apis[i].key == key)
			return &spread_apis[i];
	return NULL;
}

/* ---- the end ---- */

static struct kafka_part *part_of(struct kafka_request *request)
{
	return BASE_CONTAINER(request, struct kafka_part, request);
}

static void fill_response(struct kafka_spread *spread)
{
	const struct spread_api *api = api_of(spread->origin->header.api_key);
	for (size_t i = 0; i < spread->part_count; i++) {
		const struct kafka_part *part = &spread->parts[i];
		struct merger merger = {spread->owners, (uint8_t)part->request.server->shard, spread->outcome.kept,
		                        part->outcome.message};
		api->merge(&merger);
	}
}

static void append_gaps(struct kafka_gap *all, size_t *count, const struct kafka_outcome *outcome)
{
	for (size_t i = 0; i < outcome->gap_count; i++)
		all[(*count)++] = outcome->gaps[i];
}

struct kafka_gap *kafka_spread_gaps(const struct kafka_spread *spread, size_t *ret_count)
{
	size_t room = spread->outcome.gap_count + 1, count = 0;
	for (size_t i = 0; i < spread->part_count; i++)
		room += spread->parts[i].outcome.gap_count;
	struct kafka_gap *all = calloc(room, sizeof *all);
	if (!all)
		return NULL;
	append_gaps(all, &count, &spread->outcome);
	for (size_t i = 0; i < spread->part_count; i++)
		append_gaps(all, &count, &spread->parts[i].outcome);
	*ret_count = count;
	return all;
}

static void finish(struct kafka_spread *spread)
{
	const struct kafka_outcome *outcome = &spread->outcome;
	for (size_t i = 0; i < spread->part_count && !outcome->failure; i++)
		if (!spread->owners || spread->parts[i].outcome.failure || !spread->parts[i].outcome.message)
			outcome = &spread->parts[i].outcome;
	if (spread->owners && !outcome->failure && outcome->message)
		fill_response(spread);
	kafka_request_finish(spread->origin, outcome);
}

static void hurry_all(struct kafka_spread *spread);

/* Something has come back. */
static void settle(struct kafka_spread *spread)
{
	assert(spread->pending > 0);
	spread->pending -= 1;
	if (spread->pending == 0)
		finish(spread);
	else if (kafka_request_is_fetch(spread->origin))
		hurry_all(spread);
}

static void work_is_back(struct os_task *task)
{
	settle(BASE_CONTAINER(task, struct kafka_part, work)->request.spread);
}

/* The outcome for later: a handler's message may lie on its stack. */
static struct kafka_outcome keep(struct kafka_request *request, const struct kafka_outcome *outcome)
{
	struct kafka_outcome kept = *outcome;
	size_t bytes = request->api->response.struct_bytes;
	if (!outcome->message)
		return kept;
	kept.kept = codec_arena_alloc(&request->arena, 1, bytes);
	if (!kept.kept)
		return (struct kafka_outcome){.failure = "it needs more memory than one request may have"};
	memcpy(kept.kept, outcome->message, bytes);
	kept.message = kept.kept;
	return kept;
}

void kafka_spread_answered(struct kafka_request *request, const struct kafka_outcome *outcome)
{
	struct kafka_spread *spread = request->spread;
	request->cancel = NULL;
	if (request == spread->origin) {
		spread->outcome = keep(request, outcome);
		spread->own_done = true;
		settle(spread);
		return;
	}
	struct kafka_part *part = part_of(request);
	part->outcome = keep(request, outcome);
	part->done = true;
	part->work.run = work_is_back;
	os_loop_post(spread->origin->server->loop, &part->work);
}

/* ---- hurrying: stop waiting, answer with what there is ---- */

static void hurry_is_back(struct os_task *task)
{
	settle(BASE_CONTAINER(task, struct kafka_part, hurry)->request.spread);
}

static void hurry_part(struct os_task *task)
{
	struct kafka_part *part = BASE_CONTAINER(task, struct kafka_part, hurry);
	struct kafka_request *request = &part->request;
	request->unwanted |= part->unwanted;
	if (!part->done && request->cancel)
		request->cancel(request);
	part->hurry.run = hurry_is_back;
	os_loop_post(request->spread->origin->server->loop, &part->hurry);
}

static void hurry_all(struct kafka_spread *spread)
{
	for (size_t i = 0; i < spread->part_count; i++) {
		struct kafka_part *part = &spread->parts[i];
		if (part->hurried)
			continue;
		part->hurried = true;
		part->unwanted = spread->origin->unwanted;
		part->hurry.run = hurry_part;
		spread->pending += 1;
		os_loop_post(part->request.server->loop, &part->hurry);
	}
	if (!spread->own_done && spread->origin->cancel)
		spread->origin->cancel(spread->origin);
}

void kafka_request_cancel(struct kafka_request *request)
{
	request->unwanted = true;
	kafka_request_hurry(request);
}

void kafka_request_hurry(struct kafka_request *request)
{
	if (request->spread)
		hurry_all(request->spread);
	else if (request->cancel)
		request->cancel(request);
}

/* ---- the beginning ---- */

static void begin_part(struct os_task *task)
{
	struct kafka_part *part = BASE_CONTAINER(task, struct kafka_part, work);
	const struct kafka_spread *spread = part->request.spread;
	spread->handle(&part->request, spread->message);
}

static void make_part(struct kafka_spread *spread, struct kafka_part *part, struct kafka_server *server)
{
	const struct kafka_request *origin = spread->origin;
	struct kafka_request *request = &part->request;
	base_list_init(&request->node);
	request->server = server;
	request->api = origin->api;
	request->header = origin->header;
	request->principal = origin->principal;
	request->bytes = base_slice_ref(origin->bytes);
	request->spread = spread;
	codec_arena_init(&request->arena, KAFKA_ARENA_BYTES_MAX);
	part->work.run = begin_part;
}

static void send_parts(struct kafka_spread *spread, const bool shards[KAFKA_SHARDS_MAX])
{
	const struct kafka_group *group = spread->origin->server->group;
	for (size_t i = 0; i < group->count; i++)
		if (shards[i] && i != spread->origin->server->shard)
			make_part(spread, &spread->parts[spread->part_count++], group->servers[i]);
	spread->pending = spread->part_count + !spread->own_done;
	for (size_t i = 0; i < spread->part_count; i++)
		os_loop_post(spread->parts[i].request.server->loop, &spread->parts[i].work);
}

/* The slots' owners; NULL when all are here, or memory is out and the request has failed (*ret_failed). */
static uint8_t *find_owners(struct router *router, const struct spread_api *api, const void *message, bool *ret_failed)
{
	struct kafka_request *request = router->request;
	size_t elsewhere = 0;
	api->route(router, message);
	for (size_t i = 0; i < request->server->group->count; i++)
		elsewhere += router->shards[i] && i != request->server->shard;
	if (elsewhere == 0)
		return NULL;
	router->owners = kafka_request_alloc(request, router->slot, 1);
	*ret_failed = !router->owners;
	router->slot_count = router->slot;
	router->slot = 0;
	if (router->owners)
		api->route(router, message);
	return router->owners;
}

/* NULL: memory is out, and the request has failed. */
static struct kafka_spread *spread_new(struct kafka_request *request, const void *message,
                                       void (*handle)(struct kafka_request *request, const void *message))
{
	struct kafka_spread *spread = calloc(1, sizeof *spread);
	struct kafka_part *parts = calloc(request->server->group->count, sizeof *parts);
	if (!spread || !parts) {
		free(spread);
		free(parts);
		kafka_request_fail(request, "out of memory");
		return NULL;
	}
	spread->origin = request;
	spread->message = message;
	spread->handle = handle;
	spread->parts = parts;
	request->spread = spread;
	return spread;
}

void kafka_spread_to_first(struct kafka_request *request, const void *message,
                           void (*handle)(struct kafka_request *request, const void *message))
{
	static const bool first[KAFKA_SHARDS_MAX] = {true};
	if (request->server->shard == 0) {
		handle(request, message);
		return;
	}
	struct kafka_spread *spread = spread_new(request, message, handle);
	if (!spread)
		return;
	spread->own_done = true;
	send_parts(spread, first);
}

void kafka_spread_start(struct kafka_request *request, const void *message,
                        void (*handle)(struct kafka_request *request, const void *message))
{
	const struct kafka_group *group = request->server->group;
	const struct spread_api *api = group->count > 1 ? api_of(request->header.api_key) : NULL;
	struct router router = {.request = request};
	bool failed = false;
	uint8_t *owners = api ? find_owners(&router, api, message, &failed) : NULL;
	if (failed)
		return;
	if (!owners) {
		handle(request, message);
		return;
	}
	struct kafka_spread *spread = spread_new(request, message, handle);
	if (!spread)
		return;
	spread->owners = owners;
	send_parts(spread, router.shards);
	handle(request, message);
}

bool kafka_request_owns(const struct kafka_request *request, size_t slot)
{
	return !request->spread || !request->spread->owners || request->spread->owners[slot] == request->server->shard;
}

size_t kafka_request_shards(const struct kafka_request *request)
{
	return request->spread ? request->spread->part_count + 1 : 1;
}

size_t kafka_request_readable(struct kafka_request *request, size_t so_far, size_t change)
{
	if (!request->spread)
		return so_far + change;
	return atomic_fetch_add_explicit(&request->spread->readable, change, memory_order_relaxed) + change;
}

void kafka_spread_free(struct kafka_spread *spread)
{
	if (!spread)
		return;
	for (size_t i = 0; i < spread->part_count; i++)
		kafka_request_deinit(&spread->parts[i].request);
	free(spread->parts);
	free(spread);
}
