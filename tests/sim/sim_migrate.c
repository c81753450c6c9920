/* Simulation of a group whose members change between the classic and the consumer protocol while the node dies and comes
 * back, and the clock jumps.
 *
 *   sim_migrate [OPTIONS]    seeds.h
 *
 * Members are of three kinds: eager and cooperative ones of the classic protocol, and those of the consumer protocol (KIP-848).
 * Each time that one comes anew it picks a kind, by odds that change meanwhile, so that the group is all classic, all
 * consumer, or mixed, and goes over from one to the other with members in it. They lose connections and ask again, fall silent,
 * leave. A leader of a classic group deals as cooperative members need it: nobody gets what another still has.
 *
 * What must hold: no partition has two owners whom the coordinator takes for members in good standing, by epoch or generation;
 * no generation is handed out again; an offset whose commit was acknowledged is never followed by a smaller one; and when
 * nobody comes, goes or crashes any more, soon every partition has exactly one owner.
 */
#include "seeds.h"

#include "codec/kafka/messages.h"
#include "group/errors.h"
#include "node/node.h"
#include "os/sim/sim.h"

enum {
	MEMBERS = 5,
	PARTITIONS = 6,
	SESSION_MS = 40000,
	REBALANCE_MS = 30000,
	LIVES = 5,
	ID_BYTES = 128,
	ARENA_BYTES = 1 << 20,
	METADATA_BYTES = 256,
	TICK_US_MAX = 900000,
	BURST_US_MAX = 2000,
	SETTLED_US = 300000000,
	LOADED_US = 5000000,
};

enum kind { EAGER, COOPERATIVE, CONSUMER };
enum phase { OUT, JOINED, MEMBER };

static const char group_name[] = "mixed";

struct run;

/* A member of a classic group, as its leader sees it. */
struct candidate {
	char id[ID_BYTES];
	unsigned owned;
};

struct actor {
	struct run *run;
	struct os_timer timer;
	enum kind kind;
	enum phase phase;
	char id[ID_BYTES];
	int32_t generation; /* or epoch */
	bool tells_all; /* with its next heartbeat of the consumer protocol */
	bool must_join; /* it has given up what it had to */
	bool leads;
	struct candidate members[MEMBERS * 4];
	size_t member_count;
	unsigned owned; /* bit p: partition p */
	unsigned doubted; /* of these, what somebody else was given since */
	uint64_t doubted_at; /* number of the last request before */
	uint64_t incarnation;
	struct request *request; /* under way; NULL: none */
};

/* Lives until its answer, whether or not anybody still waits for it. */
struct request {
	struct group_call call;
	struct codec_arena arena;
	struct actor *actor; /* NULL: the connection is lost */
	struct run *run;
	struct request *next;
	uint64_t number;
	char id[ID_BYTES];
	int partition;
	int64_t offset;
	int64_t acknowledged_before;
	int32_t generation_before; /* one that is new: the highest that anybody was told */
	bool is_new;
	uint8_t metadata[METADATA_BYTES];
	uint8_t plan[MEMBERS * 4][METADATA_BYTES];
	struct codec_kafka_join_group_request_protocol protocol;
	union {
		struct codec_kafka_join_group_request join;
		struct codec_kafka_sync_group_request sync;
		struct codec_kafka_heartbeat_request heartbeat;
		struct codec_kafka_leave_group_request leave;
		struct codec_kafka_offset_commit_request commit;
		struct codec_kafka_offset_fetch_request fetch;
		struct codec_kafka_consumer_group_heartbeat_request beat;
	} message;
};

struct run {
	struct os_sim *sim;
	struct os_disk *disk;
	struct os_loop *loop, *clients;
	struct node *node;
	struct node_options options;
	struct catalog_change create;
	bool created;
	bool settles; /* nobody comes or goes any more */
	struct actor actors[MEMBERS];
	struct request *requests;
	uint64_t request_count;
	uint64_t consumer_odds; /* percent of those that come anew use the consumer protocol */
	int64_t sent[PARTITIONS], acknowledged[PARTITIONS];
	int32_t generation; /* the highest that anybody was told */
	bool was_mixed;
	uint8_t topic_id[CATALOG_UUID_BYTES];
	uint64_t commits, generations, changes;
	bool failed;
};

static uint64_t below(struct run *run, uint64_t limit)
{
	return os_sim_random_below(run->sim, limit);
}

static void fail(struct run *run, const char *what, const struct actor *actor, unsigned detail)
{
	if (!run->failed)
		fprintf(stderr, "%s: %s, %x, generation %d\n", actor ? actor->id : "-", what, detail,
		        actor ? actor->generation : 0);
	run->failed = true;
}

static struct base_bytes text(const char *string)
{
	return (struct base_bytes){(const uint8_t *)string, strlen(string)};
}

static void copy_id(char to[ID_BYTES], struct base_bytes from)
{
	size_t bytes = from.bytes < ID_BYTES ? from.bytes : ID_BYTES - 1;
	memcpy(to, from.data, bytes);
	to[bytes] = '\0';
}

/* ---- what consumers of the classic protocol carry ---- */

static size_t bits_to_numbers(unsigned bits, int32_t numbers[PARTITIONS])
{
	size_t count = 0;
	for (int32_t p = 0; p < PARTITIONS; p++)
		if (bits & 1u << p)
			numbers[count++] = p;
	return count;
}

static struct base_bytes take(struct base_writer *writer, uint8_t to[METADATA_BYTES])
{
	size_t bytes = writer->bytes;
	if (writer->failed || bytes > METADATA_BYTES)
		abort();
	memcpy(to, writer->buffer->data, bytes);
	base_writer_deinit(writer);
	return (struct base_bytes){to, bytes};
}

static struct base_bytes write_subscription(const struct actor *actor, uint8_t to[METADATA_BYTES])
{
	struct codec_kafka_consumer_protocol_subscription subscription =
		codec_kafka_consumer_protocol_subscription_default;
	struct codec_kafka_consumer_protocol_subscription_topic_partition topic = {.topic = text("t")};
	struct base_bytes name = text("t");
	struct base_writer writer;
	int32_t numbers[PARTITIONS];
	topic.partitions = numbers;
	topic.partitions_count = bits_to_numbers(actor->owned, numbers);
	subscription.topics = &name;
	subscription.topics_count = 1;
	subscription.owned_partitions = &topic;
	subscription.owned_partitions_count = actor->owned != 0;
	base_writer_init(&writer, METADATA_BYTES);
	base_write_u16be(&writer, 1);
	codec_kafka_consumer_protocol_subscription_encode(&writer, 1, &subscription);
	return take(&writer, to);
}

static unsigned read_owned(struct base_bytes metadata, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_subscription subscription;
	struct base_reader reader = base_reader_init(metadata.data, metadata.bytes);
	unsigned bits = 0;
	base_read_u16be(&reader);
	if (codec_kafka_consumer_protocol_subscription_decode(&reader, 1, arena, &subscription).code != PYR_OK)
		abort();
	for (size_t i = 0; i < subscription.owned_partitions_count; i++)
		for (size_t j = 0; j < subscription.owned_partitions[i].partitions_count; j++)
			bits |= 1u << subscription.owned_partitions[i].partitions[j];
	return bits;
}

static struct base_bytes write_assignment(unsigned bits, uint8_t to[METADATA_BYTES])
{
	struct codec_kafka_consumer_protocol_assignment assignment = codec_kafka_consumer_protocol_assignment_default;
	struct codec_kafka_consumer_protocol_assignment_topic_partition topic = {.topic = text("t")};
	struct base_writer writer;
	int32_t numbers[PARTITIONS];
	topic.partitions = numbers;
	topic.partitions_count = bits_to_numbers(bits, numbers);
	assignment.assigned_partitions = &topic;
	assignment.assigned_partitions_count = bits != 0;
	base_writer_init(&writer, METADATA_BYTES);
	base_write_u16be(&writer, 1);
	codec_kafka_consumer_protocol_assignment_encode(&writer, 1, &assignment);
	return take(&writer, to);
}

static unsigned read_assignment(struct base_bytes bytes, struct codec_arena *arena)
{
	struct codec_kafka_consumer_protocol_assignment assignment;
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	unsigned bits = 0;
	if (bytes.bytes == 0)
		return 0;
	int version = base_read_u16be(&reader);
	if (codec_kafka_consumer_protocol_assignment_decode(&reader, version, arena, &assignment).code != PYR_OK)
		abort();
	for (size_t i = 0; i < assignment.assigned_partitions_count; i++)
		for (size_t j = 0; j < assignment.assigned_partitions[i].partitions_count; j++)
			bits |= 1u << assignment.assigned_partitions[i].partitions[j];
	return bits;
}

/* ---- requests ---- */

static void on_answered(struct group_call *call, const void *response);

static struct request *request_new(struct actor *actor, int16_t key, int16_t version)
{
	struct request *request = calloc(1, sizeof *request);
	request->run = actor->run;
	request->actor = actor;
	request->number = ++actor->run->request_count;
	request->generation_before = actor->run->generation;
	memcpy(request->id, actor->id, sizeof request->id);
	codec_arena_init(&request->arena, ARENA_BYTES);
	request->call = (struct group_call){
		.key = key,
		.version = version,
		.request = &request->message,
		.client_id = text("sim"),
		.client_host = text("/sim"),
		.arena = &request->arena,
		.answered = on_answered,
	};
	request->next = actor->run->requests;
	actor->run->requests = request;
	return request;
}

static void request_free(struct request *request)
{
	struct request **at = &request->run->requests;
	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	if (request->actor)
		request->actor->request = NULL;
	codec_arena_deinit(&request->arena);
	free(request);
}

static void send(struct request *request)
{
	request->actor->request = request;
	group_coordinator_call(node_coordinator(request->run->node), &request->call);
}

static void send_join(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_JOIN_GROUP, 5);
	struct codec_kafka_join_group_request *join = &request->message.join;
	request->is_new = !actor->id[0];
	request->protocol.name = text("dealt");
	request->protocol.metadata = write_subscription(actor, request->metadata);
	*join = codec_kafka_join_group_request_default;
	join->group_id = text(group_name);
	join->session_timeout_ms = SESSION_MS;
	join->rebalance_timeout_ms = REBALANCE_MS;
	join->member_id = text(request->id);
	join->protocol_type = text("consumer");
	join->protocols = &request->protocol;
	join->protocols_count = 1;
	send(request);
}

/* In an order of its own, so that two plans of one generation would differ; what another says that it has is left out. */
static unsigned deal_to(const struct actor *actor, size_t i, size_t first)
{
	unsigned dealt = 0;
	for (size_t p = 0; p < PARTITIONS; p++) {
		bool is_had = false;
		for (size_t j = 0; j < actor->member_count; j++)
			is_had |= j != i && actor->members[j].owned & 1u << p;
		if ((p + first) % actor->member_count == i && !is_had)
			dealt |= 1u << p;
	}
	return dealt;
}

static void send_sync(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_SYNC_GROUP, 3);
	struct codec_kafka_sync_group_request *sync = &request->message.sync;
	size_t first = actor->leads ? (size_t)below(actor->run, actor->member_count) : 0;
	*sync = codec_kafka_sync_group_request_default;
	sync->group_id = text(group_name);
	sync->generation = actor->generation;
	sync->member_id = text(request->id);
	if (actor->leads) {
		sync->assignments_count = actor->member_count;
		sync->assignments = codec_arena_alloc(&request->arena, actor->member_count, sizeof *sync->assignments);
		for (size_t i = 0; i < actor->member_count; i++) {
			sync->assignments[i].member_id = text(actor->members[i].id);
			sync->assignments[i].assignment = write_assignment(deal_to(actor, i, first), request->plan[i]);
		}
	}
	send(request);
}

static void send_heartbeat(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_HEARTBEAT, 3);
	request->message.heartbeat = codec_kafka_heartbeat_request_default;
	request->message.heartbeat.group_id = text(group_name);
	request->message.heartbeat.generation = actor->generation;
	request->message.heartbeat.member_id = text(request->id);
	send(request);
}

static void send_leave(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_LEAVE_GROUP, 2);
	request->message.leave = codec_kafka_leave_group_request_default;
	request->message.leave.group_id = text(group_name);
	request->message.leave.member_id = text(request->id);
	send(request);
}

static void send_beat(struct actor *actor, int32_t epoch)
{
	struct request *request = request_new(actor, CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, 1);
	struct codec_kafka_consumer_group_heartbeat_request *beat = &request->message.beat;
	*beat = codec_kafka_consumer_group_heartbeat_request_default;
	beat->group_id = text(group_name);
	beat->member_id = text(request->id);
	beat->member_epoch = epoch;
	request->is_new = epoch == 0;
	if (epoch == 0 || (epoch > 0 && (actor->tells_all || below(actor->run, 2) == 0))) {
		beat->rebalance_timeout_ms = REBALANCE_MS;
		beat->topic_names = codec_arena_alloc(&request->arena, 1, sizeof *beat->topic_names);
		beat->topic_names[0] = text("t");
		beat->topic_names_count = 1;
		beat->topic_partitions = codec_arena_alloc(&request->arena, 1, sizeof *beat->topic_partitions);
		beat->topic_partitions_count = epoch > 0 && actor->owned;
		beat->topic_partitions->partitions =
			codec_arena_alloc(&request->arena, PARTITIONS, sizeof *beat->topic_partitions->partitions);
		memcpy(beat->topic_partitions->topic_id, actor->run->topic_id, CATALOG_UUID_BYTES);
		beat->topic_partitions->partitions_count =
			bits_to_numbers(actor->owned, beat->topic_partitions->partitions);
	}
	send(request);
}

static void send_commit(struct actor *actor, int partition)
{
	struct request *request = request_new(actor, CODEC_KAFKA_OFFSET_COMMIT, 9);
	struct codec_kafka_offset_commit_request *commit = &request->message.commit;
	*commit = codec_kafka_offset_commit_request_default;
	request->partition = partition;
	request->offset = ++actor->run->sent[partition];
	commit->group_id = text(group_name);
	commit->generation = actor->generation;
	commit->member_id = text(request->id);
	commit->topics_count = 1;
	commit->topics = codec_arena_alloc(&request->arena, 1, sizeof *commit->topics);
	commit->topics->name = text("t");
	commit->topics->partitions_count = 1;
	commit->topics->partitions = codec_arena_alloc(&request->arena, 1, sizeof *commit->topics->partitions);
	commit->topics->partitions->index = partition;
	commit->topics->partitions->offset = request->offset;
	commit->topics->partitions->leader_epoch = -1;
	commit->topics->partitions->metadata = text("");
	send(request);
}

static void send_fetch(struct actor *actor, int partition)
{
	struct request *request = request_new(actor, CODEC_KAFKA_OFFSET_FETCH, 5);
	struct codec_kafka_offset_fetch_request *fetch = &request->message.fetch;
	*fetch = codec_kafka_offset_fetch_request_default;
	request->partition = partition;
	request->acknowledged_before = actor->run->acknowledged[partition];
	fetch->group_id = text(group_name);
	fetch->topics_count = 1;
	fetch->topics = codec_arena_alloc(&request->arena, 1, sizeof *fetch->topics);
	fetch->topics->name = text("t");
	fetch->topics->indexes_count = 1;
	fetch->topics->indexes = codec_arena_alloc(&request->arena, 1, sizeof *fetch->topics->indexes);
	fetch->topics->indexes[0] = partition;
	send(request);
}

/* ---- who owns what ---- */

static void own(struct actor *actor, unsigned owned)
{
	struct run *run = actor->run;
	unsigned gained = owned & ~actor->owned;
	actor->owned = owned;
	actor->doubted &= owned;
	for (size_t i = 0; i < MEMBERS; i++) {
		struct actor *other = &run->actors[i];
		unsigned both = other == actor ? 0 : other->owned & gained;
		if (!both)
			continue;
		/* Fine, if the other one is out and does not know yet: it must not be told that all is well. */
		other->doubted |= both;
		other->doubted_at = run->request_count;
	}
}

/* The coordinator takes the member for one in good standing, in answer to what it asked after another got its partition. */
static void is_fine(struct request *request, unsigned about)
{
	struct actor *actor = request->actor;
	if (actor->doubted & about && request->number > actor->doubted_at)
		fail(request->run, "a partition has two owners", actor, actor->doubted & about);
}

static void be_out(struct actor *actor, bool forgotten)
{
	actor->phase = OUT;
	own(actor, 0);
	if (forgotten)
		actor->id[0] = '\0';
}

static void on_error(struct actor *actor, int16_t error)
{
	if (error == GROUP_UNKNOWN_MEMBER || error == GROUP_FENCED_MEMBER_EPOCH)
		be_out(actor, true);
	else if (error == GROUP_ILLEGAL_GENERATION)
		be_out(actor, false);
	else if (error == GROUP_REBALANCE_IN_PROGRESS && actor->kind == EAGER)
		be_out(actor, false);
	else if (error == GROUP_REBALANCE_IN_PROGRESS) /* with what it has */
		actor->phase = OUT;
}

static void told(struct actor *actor, int32_t generation)
{
	actor->generation = generation;
	if (generation > actor->run->generation)
		actor->run->generation = generation;
}

/* One that is new is of the newest generation, or of one after it. */
static void check_new(const struct request *request, int32_t generation)
{
	if (request->is_new && generation < request->generation_before)
		fail(request->run, "a generation is handed out again", request->actor, (unsigned)generation);
}

/* ---- answers ---- */

static void on_joined(struct request *request, const struct codec_kafka_join_group_response *response)
{
	struct actor *actor = request->actor;
	if (response->error_code == GROUP_MEMBER_ID_REQUIRED)
		copy_id(actor->id, response->member_id);
	if (response->error_code == GROUP_INCONSISTENT_PROTOCOL)
		fail(request->run, "a member that fits is refused", actor, 0);
	if (response->error_code != GROUP_NONE) {
		on_error(actor, response->error_code);
		return;
	}
	copy_id(actor->id, response->member_id);
	actor->phase = JOINED;
	actor->must_join = false;
	actor->generation = response->generation;
	actor->leads = response->members_count > 0;
	actor->member_count = response->members_count;
	for (size_t i = 0; i < response->members_count; i++) {
		copy_id(actor->members[i].id, response->members[i].member_id);
		actor->members[i].owned = read_owned(response->members[i].metadata, &request->arena);
	}
}

static void on_synced(struct request *request, const struct codec_kafka_sync_group_response *response)
{
	struct actor *actor = request->actor;
	if (response->error_code != GROUP_NONE) {
		on_error(actor, response->error_code);
		return;
	}
	unsigned assigned = read_assignment(response->assignment, &request->arena);
	actor->phase = MEMBER;
	actor->must_join = actor->owned & ~assigned;
	request->run->generations += 1;
	told(actor, actor->generation);
	own(actor, assigned);
	is_fine(request, ~0u);
}

static void on_heartbeat(struct request *request, int16_t error)
{
	if (error == GROUP_NONE || error == GROUP_REBALANCE_IN_PROGRESS)
		is_fine(request, ~0u);
	on_error(request->actor, error);
}

static void on_beat(struct request *request, const struct codec_kafka_consumer_group_heartbeat_response *response)
{
	struct actor *actor = request->actor;
	int16_t error = response->error_code;
	unsigned owned = 0;
	if (error == GROUP_UNKNOWN_MEMBER || error == GROUP_FENCED_MEMBER_EPOCH) {
		be_out(actor, true);
		return;
	}
	/* Not let in, as the policy says. */
	bool refused = error == GROUP_ID_NOT_FOUND && request->message.beat.member_epoch == 0 &&
	               request->run->options.group.migration != GROUP_MIGRATION_BOTH &&
	               request->run->options.group.migration != GROUP_MIGRATION_UPGRADE;
	if (error != GROUP_NONE && error != GROUP_LOAD_IN_PROGRESS && error != GROUP_NOT_AVAILABLE && !refused)
		fail(request->run, "an error that a member does not deserve", actor, (unsigned)error);
	if (error != GROUP_NONE)
		return;
	check_new(request, response->member_epoch);
	actor->phase = MEMBER;
	actor->tells_all = false;
	told(actor, response->member_epoch);
	if (response->member_epoch < 0) {
		be_out(actor, true);
		return;
	}
	if (response->has_assignment) {
		request->run->generations += 1;
		for (size_t i = 0; i < response->assignment.topic_partitions_count; i++)
			for (size_t j = 0; j < response->assignment.topic_partitions[i].partitions_count; j++)
				owned |= 1u << response->assignment.topic_partitions[i].partitions[j];
		actor->tells_all = actor->owned & ~owned;
		own(actor, owned);
	}
	is_fine(request, ~0u);
}

static void on_committed(struct request *request, const struct codec_kafka_offset_commit_response *response)
{
	struct run *run = request->run;
	int16_t error = response->topics->partitions->error_code;
	int64_t *acknowledged = &run->acknowledged[request->partition];
	if (error == GROUP_NONE && request->offset > *acknowledged)
		*acknowledged = request->offset;
	run->commits += error == GROUP_NONE;
	if (!request->actor)
		return;
	if (error == GROUP_NONE)
		is_fine(request, 1u << request->partition);
	on_error(request->actor, error);
}

static void on_fetched(struct request *request, const struct codec_kafka_offset_fetch_response *response)
{
	if (response->error_code != GROUP_NONE)
		return;
	int64_t offset = response->topics->partitions->offset, sent = request->run->sent[request->partition];
	if (offset < request->acknowledged_before && !(request->acknowledged_before == 0 && offset == -1))
		fail(request->run, "an acknowledged commit is lost", request->actor, (unsigned)request->partition);
	if (offset > sent)
		fail(request->run, "an offset that nobody committed", request->actor, (unsigned)request->partition);
}

static void on_answered(struct group_call *call, const void *response)
{
	struct request *request = BASE_CONTAINER(call, struct request, call);
	struct actor *actor = request->actor;
	if (!response)
		fail(request->run, "memory is out", actor, 0);
	else if (call->key == CODEC_KAFKA_OFFSET_COMMIT)
		on_committed(request, response); /* acknowledged, even if the member does not hear it any more */
	else if (call->key == CODEC_KAFKA_OFFSET_FETCH)
		on_fetched(request, response);
	else if (actor && call->key == CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT)
		on_beat(request, response);
	else if (actor && call->key == CODEC_KAFKA_JOIN_GROUP)
		on_joined(request, response);
	else if (actor && call->key == CODEC_KAFKA_SYNC_GROUP)
		on_synced(request, response);
	else if (actor && call->key == CODEC_KAFKA_HEARTBEAT)
		on_heartbeat(request, ((const struct codec_kafka_heartbeat_response *)response)->error_code);
	else if (actor)
		be_out(actor, true);
	request_free(request);
}

/* ---- members ---- */

static bool was_leaving(const struct request *request)
{
	return request->call.key == CODEC_KAFKA_LEAVE_GROUP ||
	       (request->call.key == CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT && request->message.beat.member_epoch < 0);
}

/* It never hears the answer: whoever asked for something asks again, with all that it has. */
static void not_heard(struct actor *actor, const struct request *request)
{
	actor->tells_all = true;
	if (was_leaving(request))
		be_out(actor, true);
	else if (actor->phase == JOINED)
		actor->phase = OUT;
}

static void lose_connection(struct actor *actor)
{
	struct request *request = actor->request;
	request->actor = NULL;
	actor->request = NULL;
	not_heard(actor, request);
	group_coordinator_cancel(node_coordinator(actor->run->node), &request->call);
}

static void leave(struct actor *actor)
{
	own(actor, 0); /* given up before it is told */
	if (actor->kind == CONSUMER)
		send_beat(actor, -1);
	else
		send_leave(actor);
}

static void come(struct actor *actor)
{
	struct run *run = actor->run;
	if (!actor->id[0] && !run->settles)
		actor->kind = below(run, 100) < run->consumer_odds ? CONSUMER : (enum kind)below(run, 2);
	if (!actor->id[0] && actor->kind == CONSUMER)
		snprintf(actor->id, sizeof actor->id, "%zu-%llu", (size_t)(actor - run->actors),
		         (unsigned long long)++actor->incarnation);
	if (actor->kind == CONSUMER)
		send_beat(actor, 0);
	else
		send_join(actor);
}

static void beat(struct actor *actor)
{
	if (actor->kind == CONSUMER)
		send_beat(actor, actor->generation);
	else if (actor->must_join)
		send_join(actor);
	else
		send_heartbeat(actor);
}

static void commit_any(struct actor *actor)
{
	int partition = (int)below(actor->run, PARTITIONS);
	while (!(actor->owned & 1u << partition))
		partition = (partition + 1) % PARTITIONS;
	send_commit(actor, partition);
}

static void act_as_member(struct actor *actor)
{
	struct run *run = actor->run;
	uint64_t choice = below(run, 100);
	int partition = (int)below(run, PARTITIONS);
	if (choice < 4 && !run->settles)
		leave(actor);
	else if (choice < 6 && !run->settles)
		be_out(actor, true); /* falls silent */
	else if (choice < 45 && actor->owned & 1u << partition)
		send_commit(actor, partition);
	else if (choice < 55)
		send_fetch(actor, partition);
	else
		beat(actor);
}

static void on_timer(struct os_timer *timer)
{
	static const uint64_t odds[] = {0, 0, 20, 50, 80, 100, 100};
	struct actor *actor = BASE_CONTAINER(timer, struct actor, timer);
	struct run *run = actor->run;
	/* Now and then soon, so that requests come while others are being written. */
	os_timer_start(run->clients, timer, 100 + below(run, below(run, 2) == 0 ? BURST_US_MAX : TICK_US_MAX));
	if (!run->node || !run->created)
		return;
	if (below(run, 400) == 0) /* somebody sets the clock, by up to an hour */
		os_sim_wall_jump(run->sim, (int64_t)below(run, 7200001) - 3600000);
	if (below(run, 120) == 0) {
		run->consumer_odds = odds[below(run, sizeof odds / sizeof odds[0])];
		run->changes += 1;
	}
	if (actor->request) {
		if (below(run, 12) == 0 && !run->settles)
			lose_connection(actor);
	} else if (actor->phase != MEMBER && actor->owned && below(run, 4) == 0) {
		commit_any(actor); /* between two generations a cooperative member goes on */
	} else if (actor->phase == OUT) {
		come(actor);
	} else if (actor->phase == JOINED) {
		send_sync(actor);
	} else {
		act_as_member(actor);
	}
}

/* ---- the node ---- */

static void on_created(struct catalog_change *change)
{
	struct run *run = BASE_CONTAINER(change, struct run, create);
	run->created = change->result.code == PYR_OK || change->result.code == PYR_TOPIC_EXISTS;
	memcpy(run->topic_id, change->uuid, sizeof run->topic_id);
}

static bool open_node(struct run *run)
{
	struct pyr_error error;
	run->loop = os_sim_loop_new(run->sim);
	if (node_open(&(struct node_place){run->loop, run->disk}, 1, &run->options, &run->node, &error).code !=
	    PYR_OK) {
		fprintf(stderr, "the node does not open after a crash: %s\n", error.text);
		run->failed = true;
		return false;
	}
	run->created = false;
	run->create = (struct catalog_change){.name = "t", .partition_count = PARTITIONS, .done = on_created};
	run->create.config = catalog_topic_config_default();
	catalog_topic_create(node_catalog(run->node, 0), &run->create);
	return true;
}

/* What was under way is never answered; nobody knows what became of it. */
static void crash(struct run *run)
{
	os_sim_loop_kill(run->loop);
	node_abandon(run->node);
	run->node = NULL;
	while (run->requests) {
		struct request *request = run->requests;
		if (request->actor)
			not_heard(request->actor, request);
		request_free(request);
	}
	if (below(run, 3) == 0)
		os_sim_disk_kill(run->disk);
	else
		os_sim_disk_crash(run->disk);
}

/* Loading takes milliseconds; what can't be read is never served. */
static void check_loaded(struct run *run, uint64_t began_us)
{
	if (!os_sim_disk_is_dead(run->disk) && os_sim_now_us(run->sim) - began_us > LOADED_US &&
	    !group_coordinator_metrics(node_coordinator(run->node)).loaded)
		fail(run, "the groups can't be read", NULL, 0);
}

static void live(struct run *run, uint64_t events)
{
	uint64_t began_us = os_sim_now_us(run->sim);
	struct os_sim_faults *faults = os_sim_disk_faults(run->disk);
	if (below(run, 4) > 0)
		faults->crash_at_sync = 1 + below(run, below(run, 2) == 0 ? 300 : 60);
	for (uint64_t i = 0; i < events && !run->failed && !os_sim_disk_is_dead(run->disk); i++)
		if (!os_sim_step(run->sim))
			break;
	check_loaded(run, began_us);
}

/* Everybody stays: soon all partitions have one owner each. */
static void settle(struct run *run)
{
	uint64_t until_us = os_sim_now_us(run->sim) + SETTLED_US;
	unsigned all = 0;
	run->settles = true;
	while (!run->failed && os_sim_now_us(run->sim) < until_us && os_sim_step(run->sim))
		;
	for (size_t i = 0; i < MEMBERS; i++) {
		const struct actor *actor = &run->actors[i];
		if (all & actor->owned)
			fail(run, "two have a partition in the end", actor, all & actor->owned);
		all |= actor->owned;
	}
	if (all != (1u << PARTITIONS) - 1)
		fail(run, "partitions that nobody has in the end", NULL, all);
}

/* ---- a run ---- */

static void begin(struct run *run, uint64_t seed)
{
	static const enum group_migration policies[] = {GROUP_MIGRATION_BOTH,      GROUP_MIGRATION_BOTH,
	                                                GROUP_MIGRATION_BOTH,      GROUP_MIGRATION_UPGRADE,
	                                                GROUP_MIGRATION_DOWNGRADE, GROUP_MIGRATION_NONE};
	*run = (struct run){.sim = os_sim_new(seed), .options = node_options_default()};
	run->disk = os_sim_disk_new(run->sim);
	run->clients = os_sim_loop_new(run->sim);
	run->options.log.ring_file_bytes = 1 << 18;
	run->options.log.extent_min_bytes = 1 << 16;
	run->options.group.initial_delay_ms = (int32_t)below(run, 1000);
	run->options.group.consumer_session_timeout_ms = SESSION_MS;
	run->options.group.snapshot_bytes_min = 200 + below(run, 3000);
	run->options.group.migration = policies[below(run, sizeof policies / sizeof policies[0])];
	run->consumer_odds = below(run, 101);
	for (size_t i = 0; i < MEMBERS; i++) {
		run->actors[i] = (struct actor){.run = run, .timer.fire = on_timer};
		os_timer_start(run->clients, &run->actors[i].timer, below(run, TICK_US_MAX));
	}
}

static void end(struct run *run)
{
	if (run->node)
		crash(run);
	os_sim_loop_kill(run->clients);
	os_sim_disk_free(run->disk);
	os_sim_free(run->sim);
	free(run);
}

static bool simulate(uint64_t seed, void *context)
{
	uint64_t *totals = context;
	struct run *run = malloc(sizeof *run);
	begin(run, seed);
	for (unsigned i = 0; i < LIVES && !run->failed && open_node(run); i++) {
		live(run, 500 + below(run, 6000));
		crash(run);
	}
	if (!run->failed && seed % 3 == 0 && open_node(run))
		settle(run);
	bool passed = !run->failed;
	totals[0] += run->commits;
	totals[1] += run->generations;
	totals[2] += run->changes;
	end(run);
	return passed;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 100);
	uint64_t totals[3] = {0};
	sim_seeds_run(&seeds, "sim_migrate", simulate, totals);
	printf("seeds from %llu: %llu commits acknowledged, %llu assignments, %llu times other odds\n",
	       (unsigned long long)seeds.first, (unsigned long long)totals[0], (unsigned long long)totals[1],
	       (unsigned long long)totals[2]);
	return sim_seeds_end(&seeds);
}
