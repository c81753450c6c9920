/* Simulation of consumer groups: members that join, assign, commit, fall silent, lose their connections, while the node
 * dies and comes back, and the clock jumps.
 *
 *   sim_group [OPTIONS]    seeds.h
 *
 * Members are actors on a loop of their own and speak to the coordinator of a real node on a simulated disk. One group is
 * classic: the leader deals the partitions out. What must hold: in one generation a partition has one owner, whatever was
 * answered to whom and whoever crashed in between, and no generation comes again. The other is of the consumer protocol. What must hold: no two members
 * that are alive own one partition at a time. In both: an offset whose commit was acknowledged is never followed by a
 * smaller one. The topic grows meanwhile, and never has fewer partitions than it was told to have; settings of a group that
 * were acknowledged hold.
 */
#include "seeds.h"

#include "codec/kafka/messages.h"
#include "group/errors.h"
#include "node/node.h"
#include "os/sim/sim.h"

enum {
	GROUPS = 2,
	MEMBERS = 7,
	PARTITIONS = 6,
	PARTITIONS_FIRST = 2, /* the topic grows */
	SESSION_MS = 40000, /* the consumer group's is set meanwhile, a little higher each time */
	GENERATIONS_MAX = 4096,
	LIVES = 5,
	ID_BYTES = 128,
	ARENA_BYTES = 1 << 20,
	TICK_US_MAX = 900000,
};

enum phase { OUT, JOINED, MEMBER };
enum { CLASSIC, CONSUMER }; /* the groups */

struct run;

struct actor {
	struct run *run;
	size_t group;
	struct os_timer timer;
	enum phase phase;
	char id[ID_BYTES];
	int32_t generation;
	bool leads;
	char members[MEMBERS * 4][ID_BYTES]; /* a leader's: whom to deal to */
	size_t member_count;
	unsigned owned; /* bit p: partition p */
	uint64_t incarnation; /* of a consumer: a part of its id */
	struct request *request; /* under way; NULL: none */
};

/* Lives until its answer, whether or not anybody still waits for it. */
struct request {
	struct group_call call;
	struct codec_arena arena;
	struct actor *actor; /* NULL: the connection is lost */
	struct run *run;
	struct request *next; /* of all that are under way */
	char id[ID_BYTES];
	int partition;
	int64_t offset;
	int64_t acknowledged_before; /* a fetch: what was acknowledged when it was sent */
	int32_t generation_before; /* one who joins: the highest that an assignment was told of */
	size_t group;
	uint8_t plan[MEMBERS * 4][PARTITIONS];
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
	struct catalog_change create, grow, set;
	bool created, growing, setting;
	int32_t session_ms; /* of the consumer group, at least: they rise, and it was told */
	uint32_t partitions; /* as many as the topic has at least: it was told */
	struct actor actors[MEMBERS];
	struct request *requests;
	char owners[GROUPS][GENERATIONS_MAX][PARTITIONS][ID_BYTES];
	int64_t sent[GROUPS][PARTITIONS], acknowledged[GROUPS][PARTITIONS];
	int32_t generation[GROUPS]; /* the highest that an assignment was told of */
	unsigned away[GROUPS]; /* for how many ticks of members everybody stays out of the group */
	uint8_t topic_id[CATALOG_UUID_BYTES];
	uint64_t commits, generations, snapshots;
	bool failed;
};

static const char *const group_names[GROUPS] = {"red", "blue"};

static uint64_t below(struct run *run, uint64_t limit)
{
	return os_sim_random_below(run->sim, limit);
}

static void fail(struct run *run, const char *what, size_t group, int partition)
{
	if (!run->failed)
		fprintf(stderr, "group %s, partition %d: %s\n", group_names[group], partition, what);
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

/* ---- requests ---- */

static void on_answered(struct group_call *call, const void *response);

static struct request *request_new(struct actor *actor, int16_t key, int16_t version)
{
	struct request *request = calloc(1, sizeof *request);
	request->run = actor->run;
	request->actor = actor;
	request->group = actor->group;
	request->generation_before = actor->run->generation[actor->group];
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
	static struct codec_kafka_join_group_request_protocol protocol;
	protocol = (struct codec_kafka_join_group_request_protocol){text("dealt"), text("all")};
	request->message.join = codec_kafka_join_group_request_default;
	request->message.join.group_id = text(group_names[actor->group]);
	request->message.join.session_timeout_ms = 6000;
	request->message.join.rebalance_timeout_ms = 4000;
	request->message.join.member_id = text(request->id);
	request->message.join.protocol_type = text("sim");
	request->message.join.protocols = &protocol;
	request->message.join.protocols_count = 1;
	send(request);
}

/* A leader deals in an order of its own, so that two plans of one generation would differ. */
static void send_sync(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_SYNC_GROUP, 3);
	struct codec_kafka_sync_group_request *sync = &request->message.sync;
	size_t first = actor->leads ? (size_t)below(actor->run, actor->member_count) : 0;
	*sync = codec_kafka_sync_group_request_default;
	sync->group_id = text(group_names[actor->group]);
	sync->generation = actor->generation;
	sync->member_id = text(request->id);
	if (actor->leads) {
		sync->assignments_count = actor->member_count;
		sync->assignments = codec_arena_alloc(&request->arena, actor->member_count, sizeof *sync->assignments);
		for (size_t i = 0; i < actor->member_count; i++) {
			size_t bytes = 0;
			for (size_t p = 0; p < PARTITIONS; p++)
				if ((p + first) % actor->member_count == i)
					request->plan[i][bytes++] = (uint8_t)p;
			sync->assignments[i].member_id = text(actor->members[i]);
			sync->assignments[i].assignment = (struct base_bytes){request->plan[i], bytes};
		}
	}
	send(request);
}

static void send_heartbeat(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_HEARTBEAT, 3);
	request->message.heartbeat = codec_kafka_heartbeat_request_default;
	request->message.heartbeat.group_id = text(group_names[actor->group]);
	request->message.heartbeat.generation = actor->generation;
	request->message.heartbeat.member_id = text(request->id);
	send(request);
}

static void send_leave(struct actor *actor)
{
	struct request *request = request_new(actor, CODEC_KAFKA_LEAVE_GROUP, 2);
	request->message.leave = codec_kafka_leave_group_request_default;
	request->message.leave.group_id = text(group_names[actor->group]);
	request->message.leave.member_id = text(request->id);
	send(request);
}

static void send_commit(struct actor *actor, int partition)
{
	struct request *request = request_new(actor, CODEC_KAFKA_OFFSET_COMMIT, actor->group == CONSUMER ? 9 : 7);
	struct codec_kafka_offset_commit_request *commit = &request->message.commit;
	*commit = codec_kafka_offset_commit_request_default;
	request->partition = partition;
	request->offset = ++actor->run->sent[actor->group][partition];
	commit->group_id = text(group_names[actor->group]);
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
	request->acknowledged_before = actor->run->acknowledged[actor->group][partition];
	fetch->group_id = text(group_names[actor->group]);
	fetch->topics_count = 1;
	fetch->topics = codec_arena_alloc(&request->arena, 1, sizeof *fetch->topics);
	fetch->topics->name = text("t");
	fetch->topics->indexes_count = 1;
	fetch->topics->indexes = codec_arena_alloc(&request->arena, 1, sizeof *fetch->topics->indexes);
	fetch->topics->indexes[0] = partition;
	send(request);
}

/* What it owns is told always when something was taken away, and now and then. */
static void send_beat(struct actor *actor, int32_t epoch)
{
	struct request *request = request_new(actor, CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT, 1);
	struct codec_kafka_consumer_group_heartbeat_request *beat = &request->message.beat;
	bool tells_all = epoch == 0 || below(actor->run, 2) == 0;
	*beat = codec_kafka_consumer_group_heartbeat_request_default;
	beat->group_id = text(group_names[actor->group]);
	beat->member_id = text(request->id);
	beat->member_epoch = epoch;
	if (tells_all && epoch >= 0) {
		beat->rebalance_timeout_ms = 60000;
		beat->topic_names = codec_arena_alloc(&request->arena, 1, sizeof *beat->topic_names);
		beat->topic_names[0] = text("t");
		beat->topic_names_count = 1;
		beat->topic_partitions = codec_arena_alloc(&request->arena, 1, sizeof *beat->topic_partitions);
		beat->topic_partitions_count = epoch > 0 && actor->owned;
		beat->topic_partitions->partitions =
			codec_arena_alloc(&request->arena, PARTITIONS, sizeof *beat->topic_partitions->partitions);
		memcpy(beat->topic_partitions->topic_id, actor->run->topic_id, CATALOG_UUID_BYTES);
		for (int32_t p = 0; p < PARTITIONS; p++)
			if (actor->owned & 1u << p)
				beat->topic_partitions->partitions[beat->topic_partitions->partitions_count++] = p;
	}
	send(request);
}

/* ---- answers ---- */

static void be_out(struct actor *actor, bool forgotten)
{
	actor->phase = OUT;
	actor->owned = 0;
	if (forgotten)
		actor->id[0] = '\0';
}

static void on_error(struct actor *actor, int16_t error)
{
	if (error == GROUP_UNKNOWN_MEMBER)
		be_out(actor, true);
	else if (error == GROUP_ILLEGAL_GENERATION || error == GROUP_REBALANCE_IN_PROGRESS)
		be_out(actor, false);
}

/* What an assignment was told of is durable: who joins later is of that generation or of a newer one, whoever crashed and
 * however often the group was empty in between. */
static void check_generation(const struct request *request, int32_t generation)
{
	if (generation < request->generation_before)
		fail(request->run, "a generation is handed out again", request->group, generation);
}

static void tell_generation(struct actor *actor)
{
	int32_t *highest = &actor->run->generation[actor->group];
	*highest = actor->generation > *highest ? actor->generation : *highest;
}

static void on_joined(const struct request *request, const struct codec_kafka_join_group_response *response)
{
	struct actor *actor = request->actor;
	if (response->error_code == GROUP_MEMBER_ID_REQUIRED)
		copy_id(actor->id, response->member_id);
	if (response->error_code != GROUP_NONE) {
		on_error(actor, response->error_code);
		return;
	}
	check_generation(request, response->generation);
	copy_id(actor->id, response->member_id);
	actor->phase = JOINED;
	actor->generation = response->generation;
	actor->leads = response->members_count > 0;
	actor->member_count = response->members_count;
	for (size_t i = 0; i < response->members_count; i++)
		copy_id(actor->members[i], response->members[i].member_id);
}

static void own(struct actor *actor, unsigned partition)
{
	struct run *run = actor->run;
	char *owner = run->owners[actor->group][actor->generation % GENERATIONS_MAX][partition];
	actor->owned |= 1u << partition;
	if (owner[0] && strcmp(owner, actor->id) != 0)
		fail(run, "two owners in one generation", actor->group, (int)partition);
	memcpy(owner, actor->id, ID_BYTES);
}

static void on_synced(struct actor *actor, const struct codec_kafka_sync_group_response *response)
{
	if (response->error_code != GROUP_NONE) {
		on_error(actor, response->error_code);
		return;
	}
	actor->phase = MEMBER;
	actor->owned = 0;
	actor->run->generations += 1;
	tell_generation(actor);
	for (size_t i = 0; i < response->assignment.bytes; i++)
		own(actor, response->assignment.data[i]);
}

static void on_beat(const struct request *request, const struct codec_kafka_consumer_group_heartbeat_response *response)
{
	struct actor *actor = request->actor;
	struct run *run = actor->run;
	unsigned owned = 0;
	int16_t error = response->error_code;
	if (error == GROUP_UNKNOWN_MEMBER || error == GROUP_FENCED_MEMBER_EPOCH)
		be_out(actor, true);
	else if (error != GROUP_NONE && error != GROUP_LOAD_IN_PROGRESS && error != GROUP_NOT_AVAILABLE)
		fail(run, "an error that a member does not deserve", actor->group, error);
	if (error != GROUP_NONE)
		return;
	if (request->message.beat.member_epoch == 0)
		check_generation(request, response->member_epoch);
	actor->phase = MEMBER;
	actor->generation = response->member_epoch;
	tell_generation(actor);
	if (response->member_epoch < 0)
		be_out(actor, true);
	if (!response->has_assignment)
		return;
	run->generations += 1;
	for (size_t i = 0; i < response->assignment.topic_partitions_count; i++)
		for (size_t j = 0; j < response->assignment.topic_partitions[i].partitions_count; j++)
			owned |= 1u << response->assignment.topic_partitions[i].partitions[j];
	for (size_t i = 0; i < MEMBERS; i++)
		if (&run->actors[i] != actor && run->actors[i].group == CONSUMER && run->actors[i].owned & owned)
			fail(run, "two owners at a time", actor->group, (int)(run->actors[i].owned & owned));
	actor->owned = owned;
}

static void on_committed(struct request *request, const struct codec_kafka_offset_commit_response *response)
{
	struct run *run = request->run;
	int16_t error = response->topics->partitions->error_code;
	int64_t *acknowledged = &run->acknowledged[request->group][request->partition];
	if (error == GROUP_NONE && request->offset > *acknowledged)
		*acknowledged = request->offset;
	run->commits += error == GROUP_NONE;
	if (request->actor)
		on_error(request->actor, error);
}

static void on_fetched(struct request *request, const struct codec_kafka_offset_fetch_response *response)
{
	if (response->error_code != GROUP_NONE)
		return;
	int64_t offset = response->topics->partitions->offset;
	int64_t sent = request->run->sent[request->group][request->partition];
	if (offset < request->acknowledged_before && !(request->acknowledged_before == 0 && offset == -1))
		fail(request->run, "an acknowledged commit is lost", request->group, request->partition);
	if (offset > sent)
		fail(request->run, "an offset that nobody committed", request->group, request->partition);
}

static void on_answered(struct group_call *call, const void *response)
{
	struct request *request = BASE_CONTAINER(call, struct request, call);
	struct actor *actor = request->actor;
	if (!response) {
		fail(request->run, "memory is out", request->group, 0);
	} else if (call->key == CODEC_KAFKA_OFFSET_COMMIT) {
		on_committed(request, response); /* acknowledged, even if the member does not hear it any more */
	} else if (call->key == CODEC_KAFKA_OFFSET_FETCH) {
		on_fetched(request, response);
	} else if (call->key == CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT) {
		if (actor)
			on_beat(request, response);
	} else if (actor && call->key == CODEC_KAFKA_JOIN_GROUP) {
		on_joined(request, response);
	} else if (actor && call->key == CODEC_KAFKA_SYNC_GROUP) {
		on_synced(actor, response);
	} else if (actor && call->key == CODEC_KAFKA_HEARTBEAT) {
		on_error(actor, ((const struct codec_kafka_heartbeat_response *)response)->error_code);
	} else if (actor) {
		be_out(actor, true);
	}
	request_free(request);
}

/* ---- members ---- */

static void lose_connection(struct actor *actor)
{
	struct request *request = actor->request;
	request->actor = NULL;
	actor->request = NULL;
	/* One whose leaving was not answered does not come back. */
	if (actor->phase != MEMBER || request->call.key == CODEC_KAFKA_LEAVE_GROUP ||
	    (request->call.key == CODEC_KAFKA_CONSUMER_GROUP_HEARTBEAT && request->message.beat.member_epoch < 0))
		be_out(actor, below(actor->run, 3) == 0);
	group_coordinator_cancel(node_coordinator(actor->run->node), &request->call);
}

static void leave(struct actor *actor)
{
	if (actor->group == CLASSIC) {
		send_leave(actor);
		return;
	}
	actor->owned = 0; /* given up before it is told */
	send_beat(actor, -1);
}

/* Now and then a group is empty for a while. */
static bool is_away(struct actor *actor)
{
	unsigned *away = &actor->run->away[actor->group];
	if (*away == 0 && below(actor->run, 100) == 0)
		*away = MEMBERS + (unsigned)below(actor->run, 5 * MEMBERS);
	else if (*away > 0)
		*away -= 1;
	return *away > 0;
}

static void act_as_member(struct actor *actor)
{
	uint64_t choice = below(actor->run, 100);
	int partition = (int)below(actor->run, PARTITIONS);
	bool is_consumer = actor->group == CONSUMER;
	if (choice < 3)
		leave(actor);
	else if (choice < 5)
		be_out(actor, true); /* falls silent */
	else if (choice < 55 && actor->owned & 1u << partition)
		send_commit(actor, partition);
	else if (choice < 65)
		send_fetch(actor, partition);
	else if (is_consumer)
		send_beat(actor, actor->generation);
	else
		send_heartbeat(actor);
}

static void grow(struct run *run);
static void set(struct run *run);

static void on_timer(struct os_timer *timer)
{
	struct actor *actor = BASE_CONTAINER(timer, struct actor, timer);
	struct run *run = actor->run;
	os_timer_start(run->clients, timer, 1000 + below(run, TICK_US_MAX));
	if (!run->node || !run->created)
		return;
	if (below(run, 400) == 0) /* somebody sets the clock, by up to an hour */
		os_sim_wall_jump(run->sim, (int64_t)below(run, 7200001) - 3600000);
	if (!run->growing && run->partitions < PARTITIONS && below(run, 60) == 0)
		grow(run);
	if (!run->setting && below(run, 60) == 0)
		set(run);
	if (actor->request) {
		if (below(run, 12) == 0)
			lose_connection(actor);
		return;
	}
	if (is_away(actor)) {
		if (actor->phase == MEMBER)
			leave(actor);
	} else if (actor->group == CONSUMER && actor->phase == OUT) {
		snprintf(actor->id, sizeof actor->id, "%zu-%llu", (size_t)(actor - run->actors),
		         (unsigned long long)++actor->incarnation);
		send_beat(actor, 0);
	} else if (actor->phase == OUT) {
		send_join(actor);
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
	const struct catalog_topic *topic = catalog_topic_find(node_catalog(run->node, 0), "t", 1);
	if (run->created && (!topic || topic->partition_count < run->partitions))
		fail(run, "an acknowledged growth is lost", 0, (int)run->partitions);
}

static void on_grown(struct catalog_change *change)
{
	struct run *run = BASE_CONTAINER(change, struct run, grow);
	run->growing = false;
	if (change->result.code == PYR_OK)
		run->partitions = change->partition_count;
	else if (change->result.code != PYR_STOPPED && change->result.code != PYR_IO) /* the disk is about to die */
		fail(run, "the topic does not grow", 0, (int)change->result.code);
}

static void grow(struct run *run)
{
	const struct catalog_topic *topic = catalog_topic_find(node_catalog(run->node, 0), "t", 1);
	run->growing = true;
	run->grow = (struct catalog_change){.name = "t", .done = on_grown};
	run->grow.partition_count = topic->partition_count + 1;
	catalog_topic_grow(node_catalog(run->node, 0), &run->grow);
}

static void on_set(struct catalog_change *change)
{
	struct run *run = BASE_CONTAINER(change, struct run, set);
	run->setting = false;
	if (change->result.code == PYR_OK)
		run->session_ms = change->group.values[CATALOG_GROUP_SESSION];
}

static void set(struct run *run)
{
	run->setting = true;
	run->set = (struct catalog_change){.done = on_set, .changed = 1u << CATALOG_GROUP_SESSION};
	run->set.group.set = run->set.changed;
	run->set.group.values[CATALOG_GROUP_SESSION] = (run->session_ms ? run->session_ms : SESSION_MS) + 1;
	snprintf(run->set.group.group, sizeof run->set.group.group, "%s", group_names[CONSUMER]);
	catalog_group_alter(node_catalog(run->node, 0), &run->set);
}

static void check_settings(struct run *run)
{
	const char *name = group_names[CONSUMER];
	const struct catalog_group_settings *group = catalog_group_settings_find(
		node_catalog(run->node, 0), (struct base_bytes){(const uint8_t *)name, strlen(name)});
	if (run->session_ms > 0 && (!group || group->values[CATALOG_GROUP_SESSION] < run->session_ms))
		fail(run, "an acknowledged setting is lost", CONSUMER, -1);
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
	check_settings(run);
	run->created = run->growing = run->setting = false;
	run->create = (struct catalog_change){.name = "t", .partition_count = PARTITIONS_FIRST, .done = on_created};
	run->create.config = catalog_topic_config_default();
	catalog_topic_create(node_catalog(run->node, 0), &run->create);
	return true;
}

/* What was under way is never answered; nobody knows what became of it. */
static void crash(struct run *run)
{
	run->snapshots += group_coordinator_metrics(node_coordinator(run->node)).snapshots;
	os_sim_loop_kill(run->loop);
	node_abandon(run->node);
	run->node = NULL;
	while (run->requests) {
		struct request *request = run->requests;
		if (request->actor && request->actor->phase != MEMBER)
			be_out(request->actor, below(run, 3) == 0);
		request_free(request);
	}
	if (below(run, 3) == 0)
		os_sim_disk_kill(run->disk);
	else
		os_sim_disk_crash(run->disk);
}

static void live(struct run *run, uint64_t events)
{
	struct os_sim_faults *faults = os_sim_disk_faults(run->disk);
	if (below(run, 2) == 0)
		faults->crash_at_sync = 1 + below(run, 200);
	for (uint64_t i = 0; i < events && !run->failed && !os_sim_disk_is_dead(run->disk); i++)
		if (!os_sim_step(run->sim))
			break;
}

/* ---- a run ---- */

static void begin(struct run *run, uint64_t seed)
{
	*run = (struct run){.sim = os_sim_new(seed), .options = node_options_default()};
	run->disk = os_sim_disk_new(run->sim);
	run->clients = os_sim_loop_new(run->sim);
	run->options.log.ring_file_bytes = 1 << 18;
	run->options.log.extent_min_bytes = 1 << 16;
	run->options.group.initial_delay_ms = (int32_t)below(run, 1000);
	run->options.group.consumer_session_timeout_ms = SESSION_MS;
	run->options.group.snapshot_bytes_min = 500 + below(run, 5000);
	for (size_t i = 0; i < MEMBERS; i++) {
		run->actors[i] = (struct actor){.run = run, .group = i % GROUPS, .timer.fire = on_timer};
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
	bool passed = !run->failed;
	totals[0] += run->commits;
	totals[1] += run->generations;
	totals[2] += run->snapshots;
	end(run);
	return passed;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 100);
	uint64_t totals[3] = {0};
	sim_seeds_run(&seeds, "sim_group", simulate, totals);
	printf("seeds from %llu: %llu commits acknowledged, %llu assignments, %llu snapshots\n",
	       (unsigned long long)seeds.first, (unsigned long long)totals[0], (unsigned long long)totals[1],
	       (unsigned long long)totals[2]);
	return sim_seeds_end(&seeds);
}
