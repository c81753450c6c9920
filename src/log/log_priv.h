/* The log's insides, shared by its files. All of it belongs to the log's thread; a job owns what it was given.
 *
 *   log.c         open, close, options, metrics        append.c      what is asked -> the queue
 *   commit.c      queue -> group -> answers            group.c       the bytes of a group
 *   write.c       group -> disk                        pace.c        the background's bytes a second
 *   compact.c     the newest record of each key        thin.c        what that leaves of a batch
 *   partition.c   partitions                           ring.c        the ring's files: prefill, recycle
 *   producers.c   idempotent producers                 extent.c      large runs, straight to a segment file
 *   read.c        reads from tail and segments         segment.c     sealed files: writer and reader
 *   snapshot.c    one moment, for other threads        checkpoint.c  sealing, and the manifest that makes it count (seal.c: a last time)
 *   recovery.c    what a crash left (recovery.h)       retention.c   what may go
 *   merge.c       small segments into large ones       scrub.c       reading everything again, slowly
 *   leaves.c      the file of leaves beside a segment  digest.c      leaves of what is still in memory
 *   time.c        the first record of a time           verified.c    what cold reads brought in
 *   tail.c        batches that no segment has yet      cache.c       those of them that are in memory
 *   indexes.c     where the blocks of sealed parts lie map.c         where the records of a large batch lie
 *   warm.c        the ring read in order before sealing
 *   removal.c     files that nobody refers to
 */
#ifndef PYRALOG_LOG_LOG_PRIV_H
#define PYRALOG_LOG_LOG_PRIV_H

#include "base/array.h"
#include "base/hash.h"
#include "base/table.h"
#include "codec/filter.h"
#include "log/format.h"
#include "log/keymap.h"
#include "log/leaves.h"
#include "log/log.h"
#include "log/producers.h"
#include "log/tail.h"
#include "os/file_pool.h"

enum {
	LOG_PARTITION_SYSTEM = 0, /* records of the manifest and its observer */
	LOG_GROUP_TARGET_BYTES = 8 << 20, /* a group takes what waits, up to this */
	LOG_SEGMENT_BLOCK_BYTES = 65536,
	LOG_RUN_BYTES = 1 << 20, /* of a snapshot */
	LOG_DAMAGES_MAX = 10000, /* remembered of a partition */
	LOG_RING_BYTES_MIN = 16 * LOG_BLOCK_BYTES, /* a shorter ring file was never completed */
};

/* ---- files ---- */

enum log_ring_state { LOG_RING_SPARE, LOG_RING_IN_USE, LOG_RING_RELEASED };

struct log_ring_file {
	struct os_pool_file file;
	struct base_list node; /* in ring.files or ring.free */
	struct log *log;
	uint64_t slot; /* names the file */
	uint64_t id; /* order of use; new at every use */
	uint64_t bytes;
	struct os_file *write; /* open while it is spare or current */
	struct os_file *write_cached; /* through the page cache; the commit thread's */
	uint64_t written_back; /* up to here the system was asked to write what it has in the cache */
};

struct log_segment {
	struct os_pool_file file;
	struct base_table_node node; /* log->segments, by id */
	struct log *log;
	uint64_t id;
	uint64_t bytes;
	uint64_t written_bytes; /* an extent's file was written at least so far; 0: not known */
	uint32_t live_parts; /* partitions that refer to it */
	bool sealed; /* false: an extent file still being filled */
	bool damaged; /* merging gave up on it */
	struct base_list remove_node; /* in removal.waiting or removal.spares, or linked to itself */
};

/* ---- partitions ---- */

struct log_extent {
	struct base_list node; /* partition->extents, oldest first */
	struct log_segment *segment;
	struct os_file *write;
	int64_t base_offset; /* of its first run */
	uint64_t filled; /* bytes handed out */
	uint64_t allocated;
	bool closed; /* takes no more runs: being sealed, or from before a restart */
	bool orphan; /* its partition is gone; freed when the group under way is done with it */
};

/* Bytes that recovery found damaged: reads there fail, they are never skipped. */
struct log_damage {
	int64_t base_offset;
	int64_t end_offset;
};

/* Whole batches that a cold read brought in and verified. */
struct log_verified {
	struct base_list node; /* log->verified, least recently read first; or a read's */
	struct log_partition *partition; /* NULL: nobody has it yet */
	int64_t base_offset;
	int64_t last_offset;
	struct base_slice bytes;
};

struct log_partition {
	struct base_table_node node;
	uint32_t id;
	bool claimed; /* somebody created it since log_open() */
	uint64_t compact_after_us; /* no sooner: it failed */
	bool read_only;
	struct log_partition_config config;

	int64_t log_start_offset;
	int64_t high_watermark; /* readable below */
	int64_t durable_end; /* on disk below */
	int64_t next_offset; /* appended below */
	uint64_t next_index;
	uint64_t durable_index; /* one past the last durable one */
	uint64_t term;
	int64_t max_timestamp_ms;
	uint64_t sealed_bytes;
	uint64_t tail_bytes;

	struct log_producers producers;
	struct log_tail tail;
	struct log_part *parts; /* sealed, in offset order */
	size_t part_count;
	size_t part_capacity;
	struct log_verified **verified; /* in offset order */
	size_t verified_count;
	size_t verified_capacity;
	struct base_list extents;
	struct base_list watches;
	struct log_damage *damages;
	size_t damage_count;

	/* Of the group being assembled. */
	uint64_t group_bytes;
	uint64_t group_largest; /* batch */
	uint32_t group_slot; /* in the directory, + 1; 0: not in the group */
	bool group_planned; /* its reference frame is counted */
	struct log_extent *group_extent;
};

/* ---- the group under way ---- */

/* One run of a partition that goes to an extent in this group. */
struct log_group_extent {
	struct os_job job;
	struct log *log;
	pyr_result result;
	struct log_extent *extent;
	bool create;
	struct log_segment *spare; /* whose file becomes the extent's, or NULL */
	bool spare_taken; /* it has */
	uint64_t allocate_to; /* grow the file first; 0: it is large enough */
	uint64_t position;
	struct base_bytes *parts; /* whole blocks */
	size_t part_count;
	struct base_buffer *packed; /* copies of the small batches */
};

struct log_group {
	struct os_job job;
	struct log_group_header header;
	struct base_list appends;
	uint64_t taken_bytes; /* of batches */
	struct base_buffer *buffer; /* header, directory, frames */
	struct base_buffer *small; /* what a small group is written from; stays */
	struct base_bytes piece; /* what is written to the ring */
	struct log_group_extent *extents;
	size_t extent_count, extent_capacity;
	size_t extents_left; /* not written yet */
	uint32_t *directory; /* partition ids */
	size_t directory_count, directory_capacity;
	struct log_ring_file *file;
	uint64_t position;
	bool sync;
	bool sync_later;
	bool roll; /* close the file before with a last group */
	bool no_room; /* the disk was too full for its extents */
	struct log_ring_file *rolled;
	uint64_t rolled_position;
	struct log_group_header last;
	uint8_t last_header[LOG_GROUP_HEADER_BYTES];
	pyr_result result;
};

struct log_cached { /* one entry of the tail cache's queue */
	uint32_t partition;
	uint32_t bytes;
	int64_t base_offset;
};

/* What sealing needs of a batch instead of its bytes. */
struct log_digest {
	atomic_bool ready;
	uint8_t header[CODEC_BATCH_HEADER_BYTES];
	uint8_t leaf[BASE_BLAKE3_BYTES];
	bool mapped; /* its map lies behind; see log_digest_map() */
};

struct log_digest_item {
	struct base_slice batch;
	struct base_buffer *digest; /* holds a struct log_digest */
};

struct log_digests {
	struct os_job job;
	struct log_digest_item *waiting, *running; /* running belongs to the job while it is there */
	size_t waiting_count, waiting_capacity, running_count;
	uint64_t waiting_bytes, running_bytes;
};

/* Spreads the writes of one task of the background over time; zeros at its start. */
struct log_pacer {
	uint64_t due_us;
};

struct log_checkpoint;
struct log_merge;
struct log_compaction;
struct log_scrub;

struct log {
	struct os_loop *loop;
	struct os_disk *disk;
	struct log_options options;
	struct log_observer observer;
	struct os_executor *commit_thread;
	struct os_executor *extent_threads;
	struct os_executor *read_threads;
	struct os_executor *background_thread;
	struct os_file_pool *files;
	struct log_indexes *indexes;

	struct base_table partitions;
	struct base_table segments;
	uint64_t next_segment_id;
	size_t extent_count; /* that are not segments yet */
	uint64_t incarnation;
	uint64_t last_hlc;

	/* Appends waiting for the next group. */
	struct base_list queue;
	uint64_t queued_bytes; /* waiting and under way */
	struct os_task kick_task;
	bool kicked;
	struct log_group group;
	bool group_busy;
	uint64_t group_submitted_us; /* the last one */
	bool sync_failed; /* the commit thread's own: nothing is written after it */
	bool sync_next; /* the next group is to be synced, whoever is in it */

	/* The ring. */
	struct {
		struct base_list files; /* in use, oldest first; the last is current */
		struct base_list held; /* released, but a reader still refers to them */
		struct base_list free; /* to be used again */
		struct log_ring_file *current;
		struct log_ring_file *spare;
		uint64_t position; /* of the next group in the current file */
		uint64_t next_id;
		uint64_t next_slot;
		uint32_t count; /* files on disk */
		struct os_job prepare_job;
		struct log_ring_file *preparing;
		uint64_t prepared_bytes;
		bool prepare_fresh; /* must be zero-filled */
		bool prepare_urgent; /* or at least be there: appends wait */
		pyr_result prepare_result;
		struct os_timer prepare_timer;
		struct log_pacer prepare_pacer;
		struct log_ring_header prepare_header;
	} ring;
	uint64_t last_group; /* number of the newest group written */
	uint64_t durable_through;
	uint32_t last_group_crc;
	struct os_timer idle_timer; /* confirms the last group */
	struct os_timer sync_timer; /* durability=interval */
	struct os_timer hold_timer; /* the next group waits for sealing */
	uint64_t hold_until_us; /* 0: it does not */
	uint64_t sealed_batches; /* of those that metrics.batches counts */

	struct log_cached *cached;
	uint64_t cached_passed; /* entries that have left the queue: the oldest is at this, modulo capacity */
	size_t cached_count, cached_capacity;
	struct base_list verified; /* runs of all partitions, least recently read first */

	struct {
		struct base_list waiting; /* segments */
		struct base_list spares; /* segments whose files are kept for extents */
		uint64_t spare_bytes;
		uint64_t extent_made_us; /* the last one */
		struct log_segment *current;
		struct os_job job;
		struct os_timer timer;
		bool anyway; /* for the job: the disk is full, so that no hold counts */
		bool more, held; /* the job's answer */
	} removal;
	struct log_digests digests;
	struct log_checkpoint *checkpoint; /* under way */
	struct log_checkpoint *checkpoint_released; /* the one before, giving back what its segments replaced */
	uint64_t manifest_number; /* of the newest snapshot on disk */
	uint64_t replay_group; /* as that snapshot says */
	uint64_t replay_file_id;
	uint64_t since_checkpoint_bytes;
	uint64_t since_checkpoint_extent_bytes;
	uint64_t checkpoint_retry_us; /* no sooner: the last one failed */
	uint64_t checkpoint_begun_us; /* the last one */
	bool hurries; /* the background needs not spare the clients: there are none any more */
	uint64_t filled_per_s; /* bytes of the ring, between the last two */
	struct os_timer housekeeping_timer;
	unsigned housekeeping_turn;

	struct base_list cold_reads; /* under way */
	struct base_list retentions; /* log starts on their way to the disk */
	struct log_merge *merge; /* under way */
	struct log_compaction *compaction; /* under way */
	struct log_scrub *scrub; /* under way */
	struct os_timer scrub_timer;
	uint32_t scrub_partition; /* the next part to scrub is this one's, or a later one's, */
	int64_t scrub_offset; /* at or behind this offset */

	bool recovering; /* segments without a partition are swept at its end */
	bool stopped;
	bool disk_full;
	bool closing;
	uint32_t jobs; /* background and read jobs under way */
	void (*closed)(void *context);
	void *closed_context;
	struct os_task close_task;
	struct log_metrics metrics;
};

/* ---- partition.c ---- */

struct log_partition *log_partition_find(const struct log *log, uint32_t id);
/* Finds or makes it. NULL: memory is out. */
struct log_partition *log_partition_need(struct log *log, uint32_t id);
void log_partition_free(struct log *log, struct log_partition *partition);
void log_partition_notify(struct log_partition *partition);
/* Raises the high watermark to what is durable, or to `committed` with manual commit, and tells the watchers. */
void log_partition_advance(struct log_partition *partition, int64_t committed);
/* The part that holds `offset`, or the first one after it; part_count: none. */
size_t log_parts_search(const struct log_partition *partition, int64_t offset);
pyr_result log_parts_push(struct log *log, struct log_partition *partition, const struct log_part *part);
/* Drops parts that end at or before the log start. */
void log_parts_trim(struct log *log, struct log_partition *partition);
/* Moves the log start up and lets go of what lies below. */
void log_partition_start_at(struct log *log, struct log_partition *partition, int64_t offset);
/* Marks offsets [from, to) as unreadable, and the partition as read-only. */
pyr_result log_partition_damage(struct log_partition *partition, int64_t from, int64_t to);
uint64_t log_hlc_next(struct log *log);

/* ---- cache.c ---- */

/* The entry, which was pushed to the partition's tail, has its bytes in memory. */
void log_cache_add(struct log *log, const struct log_partition *partition, const struct log_tail_entry *entry);
/* How many entries the cache was ever given. */
uint64_t log_cache_end(const struct log *log);
/* None of the first `end` entries it was given is in a tail any more. */
void log_cache_pass(struct log *log, uint64_t end);
/* False: it is empty. */
bool log_cache_oldest(const struct log *log, struct log_cached *ret_oldest);

/* ---- append.c, group.c, commit.c ---- */

static inline struct log_append *log_append_of(struct base_list *node)
{
	return BASE_CONTAINER(node, struct log_append, state.node);
}

struct log_group_plan {
	size_t bytes; /* of the group, before the zeros at its end; at most */
	size_t frame_count;
};

/* The partition has frames in the group. False: memory is out. */
bool log_group_note(struct log_group *group, struct log_partition *partition);
/* Sizes, from the group's appends; decides which of them go to an extent. */
struct log_group_plan log_group_plan(struct log *log);
/* Makes the bytes; group->header must be begun. On failure the log can't go on. */
pyr_result log_group_encode(struct log *log, const struct log_group_plan *plan);
/* Ready for the next group: its appends are taken out already. */
void log_group_reset(struct log *log);

/* Writes the group, and calls `done` on the log's thread with its outcome in group->result. */
void log_group_write(struct log *log, void (*done)(struct os_job *job));

/* Puts an append in the queue and makes sure that a group is on its way. */
void log_enqueue(struct log *log, struct log_append *append);
void log_commit_kick(struct log *log);
/* Answers through the loop, never from within the caller. */
void log_answer_later(struct log *log, struct log_append *append, enum pyr_code code);
void log_stop(struct log *log);
/* Answers all that is not written yet, and gives its offsets back. */
void log_refuse_waiting(struct log *log, enum pyr_code code);
/* Writes append->batch as a record of that kind; applied when durable, then answered. */
void log_append_manifest_record(struct log *log, struct log_append *append, uint8_t kind);
/* What a record of the manifest says; used when it is durable and in recovery. */
pyr_result log_record_apply(struct log *log, struct base_bytes record);

/* First byte of a RECORD frame's payload. */
enum log_record_kind {
	LOG_RECORD_OBSERVER = 1, /* the rest is the observer's */
	LOG_RECORD_LOG_START = 2, /* partition u32, offset i64 */
	LOG_RECORD_MERGED = 3, /* ids of segments, the parts that replace theirs */
};

/* ---- read.c ---- */

/* Forgets the reads under way: nobody will be answered. */
void log_read_abandon(struct log *log);

/* ---- verified.c ---- */

/* A run of these bytes, whose checksum held; takes a reference. NULL: memory is out, or they are not whole batches without
 * a gap. Any thread. */
struct log_verified *log_verified_new(struct base_slice bytes);
void log_verified_free(struct log_verified *run);
/* Takes the run; one that overlaps others is dropped. */
void log_verified_add(struct log *log, struct log_partition *partition, struct log_verified *run);
/* The run that holds the offset, or NULL. */
const struct log_verified *log_verified_find(struct log *log, const struct log_partition *partition, int64_t offset);
void log_verified_drop(struct log *log, struct log_partition *partition);

/* ---- indexes.c: any thread ---- */

enum { LOG_INDEXES_BYTES = 16 << 20 };

/* What a part's blocks are; immutable, but that maps come. */
struct log_index {
	struct base_table_node node; /* these two: the set's */
	struct base_list lru;
	atomic_uint references;
	uint64_t segment_id, position; /* whose it is */
	uint32_t crc, count;
	struct log_block *blocks; /* in the order of their offsets */
	_Atomic(struct log_map *) *maps; /* of each block; NULL: not made */
	size_t bytes; /* with its maps; the set's */
	bool kept; /* in the set; its own */
};

struct log_indexes *log_indexes_new(void); /* NULL: memory is out */
void log_indexes_free(struct log_indexes *indexes); /* NULL is fine */
/* From memory, or read and then kept; blocks. Each gives a reference. */
pyr_result log_indexes_read(struct log_indexes *indexes, struct os_pool_file *file, const struct log_part *part,
                            struct log_index **ret_index);
struct log_index *log_indexes_find(struct log_indexes *indexes, const struct log_part *part); /* NULL: not in memory */
void log_index_unref(struct log_index *index); /* NULL is fine */
/* The first block that ends at or behind the offset; `count` if there is none. */
size_t log_index_search(const struct log_index *index, int64_t offset);
/* Makes a map of block `i`, whose verified bytes these are, if it has none and there can be one. */
void log_indexes_map(struct log_indexes *indexes, struct log_index *index, size_t i, struct base_bytes block);

/* Keeps the index of a part that is just written, with these maps of its first blocks, which it takes. `raw`: as in the file. */
void log_indexes_seed(struct log_indexes *indexes, const struct log_part *part, struct base_bytes raw,
                      struct log_map **maps, size_t map_count);

/* ---- map.c: any thread ---- */

struct log_map;

/* Of verified bytes, into `map`, which has log_map_room(); false: of this block there is none. */
bool log_map_make(struct base_bytes block, struct log_map *map);
size_t log_map_room(size_t block_bytes);
struct log_map *log_map_new(struct base_bytes block); /* NULL: there is none, or memory is out; else free() it */
struct log_map *log_map_copy(const struct log_map *map); /* as log_map_new() */
size_t log_map_bytes(const struct log_map *map);
/* The records of these offsets, and some before and behind, as a batch whose own checksum is not true. Some of the offsets must be
 * the block's. Without waiting if `at_once`. PYR_BUSY, PYR_CORRUPT, PYR_IO, PYR_OUT_OF_MEMORY. */
pyr_result log_map_read(const struct log_map *map, struct os_pool_file *file, const struct log_block *block,
                        int64_t first_offset, int64_t last_offset, bool at_once, struct base_slice *ret_batch);

/* ---- ring.c ---- */

struct log_ring_file *log_ring_file_new(struct log *log, uint64_t slot);
void log_ring_file_free(struct log_ring_file *file);
void log_ring_file_close(struct log_ring_file *file); /* for writing */
/* At open: a fresh file of the new incarnation becomes current. Blocks. */
pyr_result log_ring_start(struct log *log, uint64_t after_group);
/* Makes the spare ready in the background if there is none. */
void log_ring_prepare(struct log *log);
/* Appends are refused until a later look finds room. */
void log_ring_disk_full(struct log *log);
/* The spare becomes current; false: it is not ready. */
bool log_ring_roll(struct log *log);
/* Everything before file `id` is in segments. */
void log_ring_release_before(struct log *log, uint64_t id);
void log_ring_close(struct log *log);

/* ---- extent.c ---- */

/* Lays out the run of the group's appends that begins with `first`: each gets its position from the run's start. */
struct log_extent_run {
	uint64_t bytes; /* from the first block to the last batch's end */
	size_t packed_bytes; /* to be copied, in whole blocks */
	size_t batch_count;
};
struct log_extent_run log_extent_lay(const struct log *log, struct log_append *first);
/* The next append of its run; NULL: it was the last. */
struct log_append *log_extent_next(const struct log *log, const struct log_append *append);
/* place->parts and what they point to; positions become those in the file. Appends that are copied keep the copy only. */
pyr_result log_extent_gather(const struct log *log, struct log_append *first, const struct log_extent_run *run,
                             struct log_group_extent *place);
/* Space for `bytes` of this partition in an extent; fills in the group's entry. */
pyr_result log_extent_place(struct log *log, struct log_partition *partition, int64_t base_offset, uint64_t bytes,
                            struct log_group_extent *ret_place);
pyr_result log_extent_write(struct log *log, struct log_group_extent *place); /* blocking */
void log_extent_free(struct log_extent *extent);

/* ---- removal.c ---- */

/* The segment's file goes, in pieces, and then the segment. */
void log_removal_add(struct log *log, struct log_segment *segment);
void log_removal_cancel(struct log *log);
/* A file that nobody refers to, for a new extent, or NULL. */
struct log_segment *log_removal_take_spare(struct log *log);
/* Its file has become the extent's, or it is given back. */
void log_removal_settle_spare(struct log *log, struct log_segment *spare, bool taken);
/* Removes them if no extent was made for a while, or anyway. */
void log_removal_drop_spares(struct log *log, bool anyway);

/* ---- digest.c ---- */

/* The digest of a batch, being made in the background: a reference for the caller. NULL: too much waits. */
struct base_buffer *log_digest_begin(struct log *log, struct base_slice batch);
/* NULL: not there, or not ready. Any thread that holds a reference. */
const struct log_digest *log_digest_get(const struct base_buffer *buffer);
const struct log_map *log_digest_map(const struct log_digest *digest); /* NULL: none was made */
void log_digests_free(struct log *log);

/* ---- segment.c ---- */

struct log_segment *log_segment_new(struct log *log, uint64_t id);
struct log_segment *log_segment_find(const struct log *log, uint64_t id);
/* A partition begins or stops to refer to it; at zero it is removed. */
void log_segment_hold(struct log_segment *segment);
void log_segment_drop(struct log_segment *segment);
void log_segment_free(struct log_segment *segment);
void log_segment_path(uint64_t id, char ret_path[OS_POOL_PATH_MAX]);
void log_segment_leaves_path(uint64_t id, char ret_path[OS_POOL_PATH_MAX]);
/* Blocking reads, verified. *ret_blocks is malloced. */
pyr_result log_segment_read_index(struct os_pool_file *file, const struct log_part *part,
                                  struct log_block **ret_blocks);
pyr_result log_segment_decode_index(const struct log_part *part, const uint8_t *raw, size_t bytes,
                                    struct log_block *blocks);
pyr_result log_segment_read_blocks(struct os_pool_file *file, const struct log_block *blocks, size_t count,
                                   struct base_slice *ret_bytes);
/* A batch of the tail, from memory or disk, verified. Blocks. */
pyr_result log_tail_entry_read(const struct log_tail_entry *entry, struct base_slice *ret_batch);

/* Writes one segment file: begin, parts in any order (batches of one part in offset order), end. Blocking. */
struct log_segment_writer {
	struct os_disk *disk;
	struct os_file *file;
	uint64_t id;
	uint64_t position; /* of the next byte */
	struct base_writer pending; /* bytes of data not yet written */
	struct log_leaves leaves;
	struct base_writer index; /* of the part under way */
	struct base_writer directory;
	struct log_block block; /* under way; bytes == 0: none */
	struct log_part part;
	struct log_indexes *indexes; /* that learn of parts with maps; NULL: none do */
	struct log_map **maps; /* of the part's first blocks, NULL where there is none */
	size_t map_count, map_capacity;
	uint32_t part_count;
	uint64_t written_bytes; /* since the caller last looked, for pacing */
};

/* With `extent` the file exists and holds runs already, up to `filled`. */
pyr_result log_segment_writer_begin(struct log_segment_writer *writer, struct os_disk *disk, uint64_t id, bool extent,
                                    uint64_t filled);
void log_segment_writer_part(struct log_segment_writer *writer, uint32_t partition);
/* Appends a batch to the part; or, with position != 0, notes one that an extent holds already. */
pyr_result log_segment_writer_batch(struct log_segment_writer *writer, struct base_bytes batch, uint64_t index,
                                    uint64_t position, int64_t min_timestamp_ms);
/* Notes a batch that an extent holds already as a block of its own, without reading it. */
pyr_result log_segment_writer_digest(struct log_segment_writer *writer, const struct log_digest *digest,
                                     const struct log_tail_entry *entry);
pyr_result log_segment_writer_part_end(struct log_segment_writer *writer, struct base_bytes producers,
                                       struct log_part *ret_part);
/* Directory, trailer, sync of file, leaves and names. */
pyr_result log_segment_writer_end(struct log_segment_writer *writer);
void log_segment_writer_abort(struct log_segment_writer *writer);

/* ---- warm.c ---- */

enum { LOG_COLD_SPANS_MAX = 64 };

struct log_cold_place {
	struct log_ring_file *file;
	uint64_t position;
};

/* The part of the ring that holds batches to be sealed which are not in memory. */
struct log_cold_ring {
	struct log_cold_place from, to, end; /* at the end are batches that are not to be sealed yet */
	struct log_cold_span {
		struct os_pool_file *file; /* a reference */
		uint64_t from, to;
	} spans[LOG_COLD_SPANS_MAX];
	size_t span_count;
};

void log_cold_ring_find(const struct log *log, struct log_cold_ring *ret_cold);
/* What left the cache since. */
void log_cold_ring_extend(const struct log *log, struct log_cold_ring *cold);
void log_cold_ring_read(struct log_cold_ring *cold); /* in the background, once; blocks */
void log_cold_ring_release(struct log_cold_ring *cold);

/* ---- pace.c ---- */

/* How long the writer of `bytes` rests, in us, to write about twice as fast as the ring fills and never faster than the
 * background may. Debts of less than a timer's tick are kept, so that the rate is met on the average. */
uint64_t log_pacer_pause(struct log_pacer *pacer, const struct log *log, uint64_t bytes);
/* The same, for another rate. */
uint64_t log_pacer_rest(struct log_pacer *pacer, const struct log *log, uint64_t bytes);
/* Bytes for a few milliseconds at that rate: one step of a job. */
uint64_t log_pacer_step_bytes(const struct log *log);

/* ---- checkpoint.c, manifest.c ---- */

/* Starts one if none is under way. */
void log_checkpoint_start(struct log *log);
void log_checkpoint_if_due(struct log *log);
/* Bytes per second at which sealing and prefilling shall go: twice as fast as the ring fills, or filled before the last
 * checkpoint if that is more, within limits. */
void log_checkpoint_free(struct log_checkpoint *checkpoint);
/* Gives up one that rests between two steps; one whose step is under way gives up at its end, when the log closes. */
void log_checkpoint_cancel(struct log *log);

struct log_manifest_head {
	uint64_t number;
	uint64_t group; /* replay begins after it */
	uint64_t state_group; /* up to it, only what is not in here yet is replayed */
	uint64_t ring_file_id; /* replay begins in this file, or the next */
	uint64_t next_segment_id;
	uint64_t last_hlc;
};

/* State as of the last durable group, into the body of a manifest; the parts of the checkpoint under way follow. */
pyr_result log_manifest_encode(struct log *log, struct base_writer *writer);
void log_manifest_encode_parts(const struct log_part *parts, size_t count, struct base_writer *writer);
/* PYR_STOPPED: it may count or not, and only recovery can tell: the log must stop. */
pyr_result log_manifest_write(struct os_disk *disk, const struct log_manifest_head *head,
                              struct base_bytes body); /* blocking */
/* The newest one, applied to an empty log; *ret_head zero if there is none. Blocking. */
pyr_result log_manifest_load(struct log *log, struct log_manifest_head *ret_head, struct pyr_error *error);
void log_manifest_path(uint64_t number, char ret_path[OS_POOL_PATH_MAX]);

/* ---- recovery.c, retention.c ---- */

pyr_result log_recover(struct log *log, struct pyr_error *error);
void log_retention_run(struct log *log);
void log_retention_abandon(struct log *log);

/* ---- walk.c ---- */

/* A part, block by block (see walk.c). The file must stay referenced. */
struct log_walk {
	const struct log *log;
	struct os_pool_file *file;
	struct os_file *direct; /* NULL: through the page cache */
	struct log_part part;
	struct log_block *blocks; /* NULL: not open */
	uint32_t block; /* the next one */
	struct base_buffer *window; /* what was read of the file from `window_from` on, and may be used again */
	uint64_t window_from;
	size_t window_bytes;
};
void log_walk_begin(struct log_walk *walk, const struct log *log, struct os_pool_file *file,
                    const struct log_part *part);
/* Reads the index; before the others, any number of times. Blocks. */
pyr_result log_walk_open(struct log_walk *walk);
/* The next block; NULL: the walk is over. */
const struct log_block *log_walk_peek(const struct log_walk *walk);
void log_walk_skip(struct log_walk *walk);
/* Reads the next block, verified, and goes on, also when it fails. A reference for the caller. Blocks. */
pyr_result log_walk_next(struct log_walk *walk, struct base_slice *ret_bytes);
void log_walk_end(struct log_walk *walk);

/* ---- merge.c, scrub.c ---- */

enum { LOG_MERGE_FAN = 8 }; /* segments, and parts of a partition, that one merge takes */

struct log_thinner;

/* Starts a merge of small segments if there are enough of them. */
void log_merge_if_due(struct log *log);
/* Rewrites consecutive parts of one partition as one, through the thinner, and calls `over`. None may be under way. False:
 * memory is out. */
bool log_merge_thin(struct log *log, const struct log_part *parts, size_t count, struct log_thinner *thinner,
                    void (*over)(void *context, bool merged), void *context);
pyr_result log_merge_apply(struct log *log, struct base_reader *reader);
void log_merge_cancel(struct log *log); /* as log_checkpoint_cancel() */
void log_merge_abandon(struct log *log);
void log_scrub_next(struct os_timer *timer);
void log_scrub_abandon(struct log *log);

/* ---- thin.c, compact.c ---- */

/* What a compacted partition keeps of the batches that go through it, in order. */
struct log_thinner {
	struct codec_filter filter;
	const struct log_keymap *newest;
	struct base_slice held; /* the last batch that stays; it takes the offsets of those that go behind it */
	int64_t last_offset; /* the last one it takes */
	uint64_t index;
	int64_t min_timestamp_ms;
};

void log_thinner_init(struct log_thinner *thinner, const struct log_keymap *newest, int64_t now_ms,
                      int64_t delete_retention_ms);
void log_thinner_deinit(struct log_thinner *thinner);
/* Takes `bytes`, which is the batch. */
pyr_result log_thinner_batch(struct log_thinner *thinner, struct log_segment_writer *writer, struct base_slice bytes,
                             const struct codec_batch *batch, uint64_t index, int64_t min_timestamp_ms);
/* Does nothing of the block stay? Then it need not be read: it counts as having gone through. */
bool log_thinner_skips(struct log_thinner *thinner, const struct log_block *block);
pyr_result log_thinner_end(struct log_thinner *thinner, struct log_segment_writer *writer);

void log_compaction_if_due(struct log *log);
bool log_compaction_wants_seal(struct log *log);
void log_compaction_cancel(struct log *log); /* as log_checkpoint_cancel() */
void log_compaction_abandon(struct log *log);

/* A job is under way, or over: closing waits for all of them. */
void log_job_begin(struct log *log);
void log_job_end(struct log *log);

#endif
