/* Simulation of log, catalog and idempotent producers under power cuts, failing disks and flipped bits.
 *
 *   sim_log [OPTIONS]    seeds.h
 *
 * One run: a node of one to three shards, each on a simulated disk, a handful of partitions, producers with batches in flight, readers, snapshots held
 * for long, deletions of records; then a crash, a recovery, a check of everything, and again. The seed decides all of it,
 * the sizes and faults included. What must hold: model.h.
 */
#include "model.h"
#include "seeds.h"

#include "codec/batch.h"
#include "log/format.h"
#include "log/snapshot.h"
#include "node/node.h"
#include "os/sim/sim.h"

enum { SHARDS_MAX = 3, PARTITIONS = 5, PRODUCERS = 6, IN_FLIGHT = 4, HELD = 3, LIVES = 6 };

struct sent {
	struct log_append append;
	struct run *run;
	struct producer *producer;
	size_t slot; /* of the partition */
	size_t batch;
	int32_t sequence;
	bool busy;
	bool unanswered; /* by a node that died: to be sent again */
};

/* Idempotent or not; sends to one partition. */
struct producer {
	int64_t id; /* -1: not idempotent */
	size_t slot;
	int32_t next_sequence;
	bool acknowledged; /* any batch: the log knows the producer */
	struct sent sent[IN_FLIGHT]; /* by number of sending */
	uint64_t first, next; /* numbers of the oldest in flight and the next */
};

struct reader {
	struct log_read read;
	struct run *run;
	size_t slot;
	bool busy;
};

struct held_snapshot {
	struct log_snapshot *snapshot;
	size_t slot;
	int64_t log_start;
	int64_t acknowledged_end;
	uint64_t release_at_us;
	bool gathered; /* at once, on the loop */
};

/* How much of what is rare happened. */
struct coverage {
	uint64_t acknowledged, checkpoints, compactions, spares;
};

struct run {
	struct os_sim *sim;
	struct os_disk *disks[SHARDS_MAX];
	struct os_loop *loops[SHARDS_MAX];
	size_t shard_count;
	struct node *node;
	struct node_options options;
	struct model_partition models[PARTITIONS];
	uint32_t ids[PARTITIONS];
	struct producer producers[PRODUCERS];
	struct reader readers[2];
	struct held_snapshot held[HELD];
	struct log_append deletion;
	int64_t deletion_offset;
	size_t deletion_slot;
	bool deleting;
	bool creating;
	struct catalog_change create;
	bool compacted; /* the topic keeps the newest record of each key */
	bool compacted_soon; /* by max.compaction.lag.ms */
	bool flips; /* this run flips bits: errors are allowed */
	enum log_durability durability; /* below fsync the machine's death may take an end that was acknowledged */
	bool machine_died;
	bool failed;
	bool stopped; /* the log answered PYR_STOPPED */
	struct coverage coverage;
	struct duplicate *duplicates;
};

static uint64_t below(struct run *run, uint64_t limit)
{
	return os_sim_random_below(run->sim, limit);
}

static void fail(struct run *run, const char *what)
{
	fprintf(stderr, "%s\n", what);
	run->failed = true;
}

static struct log *log_of(const struct run *run, size_t slot)
{
	return node_log(run->node, catalog_shard_of(node_catalog(run->node, 0), run->ids[slot]));
}

static struct os_disk *any_disk(struct run *run)
{
	return run->disks[below(run, run->shard_count)];
}

static bool is_dead(const struct run *run)
{
	for (size_t i = 0; i < run->shard_count; i++)
		if (os_sim_disk_is_dead(run->disks[i]))
			return true;
	return false;
}

static void kill_loops(struct run *run)
{
	for (size_t i = 0; i < run->shard_count; i++)
		os_sim_loop_kill(run->loops[i]);
}

/* ---- producers ---- */

static void send(struct run *run, struct sent *sent)
{
	struct model_batch *facts = &run->models[sent->slot].batches[sent->batch];
	sent->busy = true;
	sent->unanswered = false;
	model_encode(run->ids[sent->slot], sent->batch, facts, sent->producer->id, 0, sent->sequence,
	             &sent->append.batch);
	sent->append.partition = run->ids[sent->slot];
	log_append(log_of(run, sent->slot), &sent->append);
}

static void retire(struct producer *producer)
{
	while (producer->first < producer->next && !producer->sent[producer->first % IN_FLIGHT].busy &&
	       !producer->sent[producer->first % IN_FLIGHT].unanswered)
		producer->first += 1;
}

static void on_answer(struct log_append *append)
{
	struct sent *sent = (struct sent *)append;
	struct run *run = sent->run;
	struct model_partition *model = &run->models[sent->slot];
	sent->busy = false;
	switch (append->result.code) {
	case PYR_OK:
		model_acknowledge(model, sent->batch, append->base_offset);
		sent->producer->acknowledged = true;
		run->coverage.acknowledged += 1;
		break;
	case PYR_STOPPED:
		run->stopped = true;
		sent->unanswered = true;
		break;
	case PYR_UNKNOWN_PRODUCER:
		if (sent->producer->acknowledged && !run->flips)
			fail(run, "a producer is not known that has acknowledged batches");
		[[fallthrough]];
	case PYR_BUSY:
	case PYR_DISK_FULL:
	case PYR_IO: /* no ring file could be made: nothing was written */
	case PYR_OUT_OF_ORDER_SEQUENCE:
		/* An idempotent one must come again before what follows it; the others are given up. */
		sent->unanswered = sent->producer->id >= 0;
		if (!sent->unanswered)
			model_refuse(model, sent->batch, false);
		break;
	default:
		if (!run->flips)
			fail(run, pyr_code_name(append->result.code));
		model_refuse(model, sent->batch, true);
	}
	if (sent->unanswered && sent->producer->id < 0) {
		model_refuse(model, sent->batch, true);
		sent->unanswered = false;
	}
	retire(sent->producer);
}

static bool has_unanswered(const struct producer *producer)
{
	for (uint64_t n = producer->first; n < producer->next; n++)
		if (producer->sent[n % IN_FLIGHT].unanswered)
			return true;
	return false;
}

/* What was not answered goes first, in order, and sometimes twice: a client that lost patience. */
static void resend(struct run *run, struct producer *producer)
{
	for (uint64_t n = producer->first; n < producer->next; n++)
		if (producer->sent[n % IN_FLIGHT].busy)
			return;
	for (uint64_t n = producer->first; n < producer->next; n++)
		if (producer->sent[n % IN_FLIGHT].unanswered)
			send(run, &producer->sent[n % IN_FLIGHT]);
}

static void produce(struct run *run, struct producer *producer)
{
	if (has_unanswered(producer)) {
		resend(run, producer);
		return;
	}
	if (producer->next - producer->first >= IN_FLIGHT || run->ids[producer->slot] == 0)
		return;
	struct sent *sent = &producer->sent[producer->next % IN_FLIGHT];
	int32_t records = 1 + (int32_t)below(run, 4);
	uint32_t value_bytes = below(run, 12) == 0 ? (uint32_t)below(run, 9000) : (uint32_t)below(run, 300);
	size_t batch = model_send(&run->models[producer->slot], records, value_bytes);
	*sent = (struct sent){.run = run, .producer = producer, .slot = producer->slot, .batch = batch};
	sent->append.done = on_answer;
	sent->sequence = producer->next_sequence;
	producer->next += 1;
	if (producer->id >= 0)
		producer->next_sequence += records;
	send(run, sent);
}

/* A duplicate of a batch in flight, or of an answered one: it must get the original's answer. */
struct duplicate {
	struct log_append append;
	struct duplicate *next; /* in run->duplicates: freed at the end, as a crash may lose the answer */
	struct run *run;
	size_t slot, batch;
};

static void on_duplicate(struct log_append *append)
{
	struct duplicate *duplicate = (struct duplicate *)append;
	struct run *run = duplicate->run;
	struct model_batch *facts = &run->models[duplicate->slot].batches[duplicate->batch];
	if (append->result.code == PYR_OK && facts->state != MODEL_ACKNOWLEDGED)
		fail(run, "a duplicate was acknowledged before its original");
	if (append->result.code == PYR_OK && facts->base_offset != append->base_offset)
		fail(run, "a duplicate was acknowledged with another offset");
}

static void repeat(struct run *run, struct producer *producer)
{
	if (producer->id < 0 || producer->next == producer->first)
		return;
	struct sent *sent = &producer->sent[(producer->next - 1) % IN_FLIGHT];
	/* One that is refused, and not told yet, is no original: what comes after it is new. */
	bool in_flight = sent->busy && sent->append.result.code == PYR_OK;
	struct duplicate *duplicate = in_flight ? calloc(1, sizeof *duplicate) : NULL;
	if (!duplicate)
		return;
	*duplicate = (struct duplicate){.next = run->duplicates, .run = run, .slot = sent->slot, .batch = sent->batch};
	run->duplicates = duplicate;
	duplicate->append.done = on_duplicate;
	duplicate->append.partition = run->ids[sent->slot];
	model_encode(run->ids[sent->slot], sent->batch, &run->models[sent->slot].batches[sent->batch], producer->id, 0,
	             sent->sequence, &duplicate->append.batch);
	log_append(log_of(run, sent->slot), &duplicate->append);
}

/* ---- readers ---- */

static bool is_error_allowed(const struct run *run, enum pyr_code code)
{
	if (code == PYR_OK)
		return true;
	if (run->flips)
		return code == PYR_CORRUPT || code == PYR_OFFSET_OUT_OF_RANGE || code == PYR_IO;
	return code == PYR_IO || code == PYR_OFFSET_OUT_OF_RANGE; /* an injected fault; a deletion in between */
}

static void check_read(struct run *run, struct log_read *read, size_t slot)
{
	struct model_walk walk;
	if (!is_error_allowed(run, read->result.code))
		fail(run, pyr_code_name(read->result.code));
	model_walk_begin(&walk, run->ids[slot], &run->models[slot], read->offset);
	for (size_t i = 0; i < read->slice_count && read->result.code == PYR_OK; i++)
		if (!model_walk_bytes(&walk, (struct base_bytes){read->slices[i].data, read->slices[i].bytes}))
			run->failed = true;
	if (!model_walk_end(&walk, false, 0))
		run->failed = true;
	log_read_release(read);
}

static void on_read(struct log_read *read)
{
	struct reader *reader = (struct reader *)read;
	reader->busy = false;
	check_read(reader->run, read, reader->slot);
}

static void read_somewhere(struct run *run, struct reader *reader)
{
	struct log_partition_info info;
	size_t slot = below(run, PARTITIONS);
	if (reader->busy || log_partition_get(log_of(run, slot), run->ids[slot], &info).code != PYR_OK)
		return;
	reader->slot = slot;
	reader->read = (struct log_read){.partition = run->ids[slot], .whole_batch_first = true, .done = on_read};
	reader->read.offset = info.log_start_offset +
	                      (int64_t)below(run, (uint64_t)(info.high_watermark - info.log_start_offset) + 1);
	reader->read.bytes_max = below(run, 20000);
	reader->run = run;
	reader->busy = true;
	if (log_read(log_of(run, slot), &reader->read))
		on_read(&reader->read);
}

/* ---- snapshots ---- */

/* A run is read in whole blocks: its first batches may lie below the log start. */
static struct base_bytes behind(struct base_slice run, int64_t log_start)
{
	struct base_bytes bytes = {run.data, run.bytes};
	struct codec_batch batch;
	while (bytes.bytes > 0 && codec_batch_parse(bytes, &batch).code == PYR_OK &&
	       codec_batch_last_offset(&batch) < log_start) {
		bytes.data += batch.bytes;
		bytes.bytes -= batch.bytes;
	}
	return bytes;
}

static void check_snapshot(struct run *run, struct held_snapshot *held)
{
	struct model_walk walk;
	struct pyr_error error;
	int64_t end = held->log_start;
	bool whole = held->gathered || log_snapshot_load(held->snapshot, &error).code == PYR_OK;
	if (!whole && !is_error_allowed(run, error.code))
		fail(run, error.text);
	model_walk_begin(&walk, run->ids[held->slot], &run->models[held->slot], held->log_start);
	for (size_t i = 0; whole && i < log_snapshot_run_count(held->snapshot); i++) {
		struct base_slice bytes = {0};
		pyr_result read = log_snapshot_read(held->snapshot, i, &bytes);
		whole = read.code == PYR_OK;
		if (!whole && !is_error_allowed(run, read.code))
			fail(run, "a snapshot can't be read");
		if (whole && !model_walk_bytes(&walk, behind(bytes, held->log_start)))
			run->failed = true;
		base_slice_release(&bytes);
		end = walk.next_offset;
	}
	if (whole && end < held->acknowledged_end && !run->flips)
		fail(run, "a snapshot lacks what was acknowledged before it");
	if (!model_walk_end(&walk, false, 0))
		run->failed = true;
	log_snapshot_release(held->snapshot);
	held->snapshot = NULL;
}

static bool take(struct run *run, size_t slot, struct held_snapshot *held)
{
	struct log_bounds bounds = log_bounds_all();
	return log_snapshot_take(log_of(run, slot), &run->ids[slot], 1, &bounds, &held->snapshot).code == PYR_OK;
}

/* Every other one is gathered, if memory has it. */
static void take_snapshot(struct run *run, struct held_snapshot *held)
{
	struct log_partition_info info;
	size_t slot = below(run, PARTITIONS);
	if (held->snapshot || log_partition_get(log_of(run, slot), run->ids[slot], &info).code != PYR_OK ||
	    !take(run, slot, held))
		return;
	bool whole;
	held->gathered = os_sim_now_us(run->sim) % 2 &&
	                 log_snapshot_gather(held->snapshot, UINT64_MAX / 2, &whole).code == PYR_OK;
	if (os_sim_now_us(run->sim) % 2 && !held->gathered) {
		log_snapshot_release(held->snapshot);
		held->snapshot = NULL;
		if (!take(run, slot, held))
			return;
	}
	held->slot = slot;
	held->log_start = info.log_start_offset;
	held->acknowledged_end = run->models[slot].acknowledged_end;
	held->release_at_us = os_sim_now_us(run->sim) + below(run, 200000);
}

static void tend_snapshots(struct run *run)
{
	for (size_t i = 0; i < HELD; i++)
		if (run->held[i].snapshot && run->held[i].release_at_us <= os_sim_now_us(run->sim))
			check_snapshot(run, &run->held[i]);
}

/* ---- deletions, topics ---- */

static void on_deleted(struct log_append *append)
{
	struct run *run = (struct run *)(void *)((char *)append - offsetof(struct run, deletion));
	run->deleting = false;
	if (append->result.code == PYR_OK)
		run->models[run->deletion_slot].log_start_acknowledged = run->deletion_offset;
}

static void delete_some(struct run *run)
{
	struct log_partition_info info;
	size_t slot = below(run, PARTITIONS);
	if (run->deleting || log_partition_get(log_of(run, slot), run->ids[slot], &info).code != PYR_OK)
		return;
	run->deleting = true;
	run->deletion_slot = slot;
	run->deletion_offset = info.log_start_offset +
	                       (int64_t)below(run, (uint64_t)(info.high_watermark - info.log_start_offset) + 1);
	if (run->deletion_offset > run->models[slot].log_start)
		run->models[slot].log_start = run->deletion_offset;
	run->deletion = (struct log_append){.partition = run->ids[slot], .done = on_deleted};
	log_delete_records(log_of(run, slot), &run->deletion, run->deletion_offset);
}

static void learn_topic(struct run *run)
{
	const struct catalog_topic *topic = catalog_topic_find(node_catalog(run->node, 0), "t", 1);
	for (size_t i = 0; topic && i < PARTITIONS; i++)
		run->ids[i] = catalog_topic_partition(topic, (int32_t)i);
}

static void on_created(struct catalog_change *change)
{
	struct run *run = (struct run *)(void *)((char *)change - offsetof(struct run, create));
	run->creating = false;
	bool there = change->result.code == PYR_OK || change->result.code == PYR_TOPIC_EXISTS;
	for (size_t i = 0; there && i < run->shard_count; i++)
		if (!catalog_topic_find(node_catalog(run->node, i), "t", 1))
			fail(run, "a change was answered before every shard had it");
	if (there)
		learn_topic(run);
}

/* As often as can be, and tombstones go soon. */
static void compact(struct catalog_topic_config *config, bool soon)
{
	if (soon) {
		config->max_compaction_lag_ms = 1000;
		config->set |= 1u << CATALOG_SETTING_max_compaction_lag_ms;
	}
	config->cleanup_policy = CATALOG_CLEANUP_COMPACT;
	config->min_dirty_permille = 1;
	config->delete_retention_ms = 50;
	config->set |= 1u << CATALOG_SETTING_cleanup_policy | 1u << CATALOG_SETTING_min_dirty_permille |
	               1u << CATALOG_SETTING_delete_retention_ms;
}

static void create_topic(struct run *run)
{
	if (run->creating || run->ids[0] != 0)
		return;
	run->creating = true;
	run->create = (struct catalog_change){.name = "t", .partition_count = PARTITIONS, .done = on_created};
	run->create.config = catalog_topic_config_default();
	run->create.config.segment_bytes = 40000;
	run->create.config.retention_ms = -1;
	if (run->compacted)
		compact(&run->create.config, run->compacted_soon);
	run->create.config.durability = run->durability;
	run->create.config.set |= 1u << CATALOG_SETTING_durability;
	catalog_topic_create(node_catalog(run->node, below(run, run->shard_count)), &run->create);
}

/* ---- lives and deaths ---- */

static bool open_node(struct run *run)
{
	struct pyr_error error = {0};
	struct node_place places[SHARDS_MAX];
	for (size_t i = 0; i < run->shard_count; i++) {
		run->loops[i] = os_sim_loop_new(run->sim);
		places[i] = (struct node_place){run->loops[i], run->disks[i]};
	}
	run->stopped = false;
	if (node_open(places, run->shard_count, &run->options, &run->node, &error).code != PYR_OK) {
		run->node = NULL;
		kill_loops(run);
		return false;
	}
	bool known = run->ids[0] != 0;
	if (known && !catalog_topic_find(node_catalog(run->node, 0), "t", 1)) {
		if (!run->flips)
			fail(run, "an acknowledged topic is lost");
		return true;
	}
	learn_topic(run);
	return true;
}

static void drop_snapshots(struct run *run)
{
	for (size_t i = 0; i < HELD; i++) {
		log_snapshot_release(run->held[i].snapshot);
		run->held[i].snapshot = NULL;
	}
}

static void count_coverage(struct run *run)
{
	for (size_t i = 0; run->node && i < run->shard_count; i++) {
		struct log_metrics metrics = log_metrics_get(node_log(run->node, i));
		run->coverage.checkpoints += metrics.checkpoints;
		run->coverage.compactions += metrics.compactions;
		run->coverage.spares += metrics.spares_taken;
	}
}

static void crash(struct run *run)
{
	count_coverage(run);
	drop_snapshots(run);
	kill_loops(run);
	if (run->node)
		node_abandon(run->node);
	run->node = NULL;
	run->deleting = run->creating = false;
	for (size_t i = 0; i < 2; i++)
		run->readers[i].busy = false;
	/* Answers that were on their way are lost with the process. */
	for (size_t i = 0; i < PRODUCERS; i++) {
		struct producer *producer = &run->producers[i];
		for (uint64_t n = producer->first; n < producer->next; n++) {
			struct sent *sent = &producer->sent[n % IN_FLIGHT];
			if (!sent->busy)
				continue;
			sent->busy = false;
			sent->unanswered = producer->id >= 0;
			if (!sent->unanswered)
				model_refuse(&run->models[sent->slot], sent->batch, true);
		}
		retire(producer);
	}
	/* The machine, or the process alone: then what was not synced is still there, and still not synced. */
	run->machine_died = below(run, 3) != 0;
	for (size_t i = 0; i < run->shard_count; i++)
		if (run->machine_died)
			os_sim_disk_crash(run->disks[i]);
		else
			os_sim_disk_kill(run->disks[i]);
}

static void step(struct run *run, unsigned steps)
{
	while (steps-- > 0 && !run->failed && !is_dead(run) && os_sim_step(run->sim))
		;
}

/* Everything from the log start to the high watermark, by reads that must all succeed. */
struct full_check {
	struct log_read read;
	bool done;
};

static void on_full_read(struct log_read *read)
{
	((struct full_check *)read)->done = true;
}

static void check_partition(struct run *run, size_t slot)
{
	struct log_partition_info info;
	struct model_partition *model = &run->models[slot];
	struct model_walk walk;
	struct full_check check;
	if (log_partition_get(log_of(run, slot), run->ids[slot], &info).code != PYR_OK) {
		if (!run->flips)
			fail(run, "an acknowledged partition is lost");
		return;
	}
	if (info.log_start_offset < model->log_start_acknowledged && !run->flips)
		fail(run, "an acknowledged deletion is undone");
	model_walk_begin(&walk, run->ids[slot], model, info.log_start_offset);
	bool readable = true;
	while (readable && !run->failed && walk.next_offset < info.high_watermark) {
		check = (struct full_check){.read = {.partition = run->ids[slot], .offset = walk.next_offset}};
		check.read.bytes_max = 50000;
		check.read.whole_batch_first = true;
		check.read.done = on_full_read;
		if (!log_read(log_of(run, slot), &check.read))
			while (!check.done && os_sim_step(run->sim))
				;
		readable = check.read.result.code == PYR_OK && check.read.slice_count > 0;
		for (size_t i = 0; readable && i < check.read.slice_count; i++)
			if (!model_walk_bytes(
				    &walk, (struct base_bytes){check.read.slices[i].data, check.read.slices[i].bytes}))
				run->failed = true;
		log_read_release(&check.read);
	}
	if (!readable && !run->flips) {
		fprintf(stderr, "partition %u can't be read at offset %lld of %lld: %s\n", run->ids[slot],
		        (long long)walk.next_offset, (long long)info.high_watermark,
		        pyr_code_name(check.read.result.code));
		run->failed = true;
	}
	if (!model_walk_end(&walk, readable && !run->flips, info.high_watermark))
		run->failed = true;
}

/* A client whose acknowledged batches are lost begins anew. */
static void begin_producers_anew(struct run *run, size_t slot)
{
	for (size_t i = 0; i < PRODUCERS; i++) {
		struct producer *producer = &run->producers[i];
		if (producer->slot != slot || producer->id < 0)
			continue;
		for (uint64_t n = producer->first; n < producer->next; n++)
			if (producer->sent[n % IN_FLIGHT].unanswered)
				model_refuse(&run->models[slot], producer->sent[n % IN_FLIGHT].batch, true);
		producer->first = producer->next;
		producer->id += 1000;
		producer->acknowledged = false;
		producer->next_sequence = 0;
	}
}

static void forget_what_was_not_synced(struct run *run)
{
	for (size_t i = 0; i < PARTITIONS; i++) {
		struct log_partition_info info;
		if (log_partition_get(log_of(run, i), run->ids[i], &info).code == PYR_OK &&
		    model_lose_from(&run->models[i], info.high_watermark))
			begin_producers_anew(run, i);
	}
	run->machine_died = false;
}

/* Where recovery found a batch that was never answered decides the fate of those that are not sent again. */
static void check_all(struct run *run)
{
	if (run->machine_died && run->durability != LOG_DURABILITY_FSYNC)
		forget_what_was_not_synced(run);
	for (size_t i = 0; i < PARTITIONS && run->ids[i] != 0 && !run->failed; i++)
		check_partition(run, i);
}

static void flip_note(void *context, const char *name)
{
	char *chosen = context;
	if (strlen(name) < 48 && (chosen[0] == '\0' || name[strlen(name) / 2] % 2))
		strcpy(chosen, name);
}

static void flip_something(struct run *run)
{
	static const char *const folders[] = {"ring", "segments", "ring", "segments", "manifest"};
	const char *folder = folders[below(run, 5)];
	struct os_disk *disk = any_disk(run);
	char name[48] = "", path[64];
	if (os_directory_list(disk, folder, flip_note, name).code != PYR_OK || !name[0])
		return;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	for (int i = 0; i < 3; i++)
		(void)os_sim_disk_flip(disk, path, below(run, 80000), (unsigned)below(run, 8));
}

static void arm_faults(struct run *run)
{
	struct os_disk *disk = any_disk(run);
	struct os_sim_faults *faults = os_sim_disk_faults(disk);
	switch (below(run, 7)) {
	case 0:
		faults->crash_at_call = 1 + below(run, 3000);
		break;
	case 1: /* just before a sync: what matters most is then not durable */
		faults->crash_at_sync = 1 + below(run, 400);
		break;
	case 6:
		faults->crash_at_directory_sync = 1 + below(run, 30);
		break;
	case 2:
		faults->fail_sync_at = 1 + below(run, 400);
		break;
	case 3:
		faults->fail_at_call = 1 + below(run, 2000);
		break;
	case 4:
		faults->capacity_bytes = os_sim_disk_used_bytes(disk) + below(run, 400000);
		break;
	default:
		break;
	}
}

/* As a backup does. */
static void hold_or_release(struct os_disk *disk)
{
	if (os_disk_is_held(disk, LOG_HOLD_PATH))
		os_disk_release(disk);
	else
		pyr_ignore(os_disk_hold(disk, LOG_HOLD_PATH));
}

static void act(struct run *run)
{
	switch (below(run, 40)) {
	case 0:
		delete_some(run);
		break;
	case 1:
		take_snapshot(run, &run->held[below(run, HELD)]);
		break;
	case 2:
	case 3:
	case 4:
		read_somewhere(run, &run->readers[below(run, 2)]);
		break;
	case 5:
		repeat(run, &run->producers[below(run, PRODUCERS)]);
		break;
	case 6:
		hold_or_release(any_disk(run));
		break;
	default:
		produce(run, &run->producers[below(run, PRODUCERS)]);
	}
	create_topic(run);
	tend_snapshots(run);
}

static void live(struct run *run)
{
	/* Short lives too: what recovery left is still on the ring when the next death comes. */
	uint64_t actions = below(run, 3) == 0 ? below(run, 40) : 50 + below(run, 1500);
	unsigned pace = 1 + (unsigned)below(run, 12);
	arm_faults(run);
	for (uint64_t i = 0; i < actions && !run->failed && !run->stopped && !is_dead(run); i++) {
		act(run);
		step(run, (unsigned)below(run, pace) + 1);
	}
}

static void choose_options(struct run *run)
{
	uint64_t shards = run->shard_count; /* what the node shares out */
	run->options = node_options_default();
	run->options.log.ring_file_bytes = (16 + 16 * below(run, 4)) * 4096;
	run->options.log.checkpoint_bytes = 50000 + below(run, 200000);
	run->options.log.backlog_batches = below(run, 4) == 0 ? 10 + below(run, 200) : 1 << 20;
	run->options.log.backlog_bytes = below(run, 4) == 0 ? 100000 + below(run, 400000) : 1 << 30;
	run->options.log.extent_min_bytes = 4000 + below(run, 12000);
	run->options.log.tail_cache_bytes = (1000 + below(run, 60000)) * shards;
	run->options.log.compaction_bytes = below(run, 2) == 0 ? 0 : 1 << 20;
	run->options.log.read_cache_bytes = below(run, 60000) * shards;
	run->options.log.pending_bytes_max = (20000 + below(run, 100000)) * shards;
	run->options.log.background_bytes_per_s = (1000000 + below(run, 100000000)) * shards;
	run->options.log.open_files_max = (uint32_t)(below(run, 6) * shards); /* one more for each */
}

static void begin(struct run *run, uint64_t seed)
{
	*run = (struct run){.sim = os_sim_new(seed)};
	run->shard_count = below(run, 2) == 0 ? 1 : 2 + below(run, SHARDS_MAX - 1);
	for (size_t i = 0; i < run->shard_count; i++)
		run->disks[i] = os_sim_disk_new(run->sim);
	run->flips = below(run, 5) == 0;
	if (below(run, 4) == 0)
		run->durability = below(run, 2) == 0 ? LOG_DURABILITY_INTERVAL : LOG_DURABILITY_OS;
	run->compacted = below(run, 3) == 0;
	run->compacted_soon = below(run, 2) == 0;
	choose_options(run);
	for (size_t i = 0; i < PARTITIONS; i++)
		run->models[i].compacted = run->compacted;
	for (size_t i = 0; i < PRODUCERS; i++) {
		run->producers[i].slot = below(run, PARTITIONS);
		run->producers[i].id = i % 3 == 2 ? -1 : 1000 + (int64_t)i;
	}
}

static void end(struct run *run)
{
	drop_snapshots(run);
	if (run->node) {
		kill_loops(run);
		node_abandon(run->node);
	}
	for (size_t i = 0; i < run->shard_count; i++)
		os_sim_disk_free(run->disks[i]);
	os_sim_free(run->sim);
	while (run->duplicates) {
		struct duplicate *duplicate = run->duplicates;
		run->duplicates = duplicate->next;
		free(duplicate);
	}
	for (size_t i = 0; i < PARTITIONS; i++)
		model_deinit(&run->models[i]);
}

/* Opening may fail while a fault is armed, and for good when bits were flipped; never otherwise. */
static bool revive(struct run *run)
{
	if (open_node(run))
		return true;
	if (!run->flips)
		fail(run, "the node does not open after a crash");
	return false;
}

static bool simulate(uint64_t seed, void *context)
{
	struct coverage *coverage = context;
	struct run run;
	begin(&run, seed);
	for (unsigned i = 0; i < LIVES && !run.failed; i++) {
		if (!revive(&run))
			break;
		check_all(&run);
		if (!run.failed)
			live(&run);
		crash(&run);
		if (run.flips && i > 0)
			flip_something(&run);
	}
	if (!run.failed && revive(&run))
		check_all(&run);
	bool passed = !run.failed;
	coverage->acknowledged += run.coverage.acknowledged;
	coverage->checkpoints += run.coverage.checkpoints;
	coverage->compactions += run.coverage.compactions;
	coverage->spares += run.coverage.spares;
	end(&run);
	return passed;
}

int main(int argc, char **argv)
{
	struct sim_seeds seeds = sim_seeds_parse(argc, argv, 100);
	struct coverage coverage = {0};
	sim_seeds_run(&seeds, "sim_log", simulate, &coverage);
	printf("seeds from %llu: %llu batches acknowledged, %llu checkpoints, %llu compactions, %llu files written "
	       "again\n",
	       (unsigned long long)seeds.first, (unsigned long long)coverage.acknowledged,
	       (unsigned long long)coverage.checkpoints, (unsigned long long)coverage.compactions,
	       (unsigned long long)coverage.spares);
	return sim_seeds_end(&seeds);
}
