/* The metrics of the node's own parts: logs, consumer groups, the process (see metrics.h). Each table gives names, meaning
 * and the field that is read. The process's names are those that Prometheus's client libraries use. */
#include "node/node_priv.h"

#include "node/metrics.h"
#include "os/environment.h"

#define LOG(X)                                                                                                         \
	X(groups, COUNTER, "pyralog_log_groups_total", "groups of appends committed")                                  \
	X(batches, COUNTER, "pyralog_log_batches_total", "record batches appended")                                    \
	X(bytes, COUNTER, "pyralog_log_appended_bytes_total", "bytes of batches appended")                             \
	X(ring_bytes, COUNTER, "pyralog_log_ring_written_bytes_total", "bytes written to the ring, padding included")  \
	X(extent_bytes, COUNTER, "pyralog_log_extent_written_bytes_total",                                             \
	  "bytes of large runs written straight to segment files")                                                     \
	X(spares_taken, COUNTER, "pyralog_log_spare_files_taken_total", "used files written again as extents")         \
	X(sealed_bytes, COUNTER, "pyralog_log_sealed_bytes_total",                                                     \
	  "bytes written to segments by sealing, merging and compaction")                                              \
	X(checkpoints, COUNTER, "pyralog_log_checkpoints_total", "checkpoints made")                                   \
	X(compactions, COUNTER, "pyralog_log_compactions_total", "rounds of compaction that ended well")               \
	X(pending_bytes, GAUGE, "pyralog_log_pending_bytes",                                                           \
	  "bytes appended and not yet durable: beyond the limit appends are refused")                                  \
	X(held_groups, COUNTER, "pyralog_log_held_groups_total", "groups that waited because sealing lagged behind")   \
	X(cached_bytes, GAUGE, "pyralog_log_tail_cache_bytes", "bytes in the tail cache")                              \
	X(read_cache_bytes, GAUGE, "pyralog_log_read_cache_bytes",                                                     \
	  "bytes of verified batches that cold reads brought in")                                                      \
	X(cold_reads, COUNTER, "pyralog_log_cold_reads_total", "reads that went to a file")                            \
	X(scrubbed_bytes, COUNTER, "pyralog_log_scrubbed_bytes_total", "bytes read again to verify them")              \
	X(corrupt_reads, COUNTER, "pyralog_log_corrupt_reads_total", "reads of bytes that failed their checksum")      \
	X(ring_files, GAUGE, "pyralog_log_ring_files", "files of the ring")                                            \
	X(segment_files, GAUGE, "pyralog_log_segment_files", "segment files")                                          \
	X(partitions, GAUGE, "pyralog_log_partitions", "partitions")                                                   \
	X(stopped, GAUGE, "pyralog_log_stopped", "1: the log met an error of the disk and takes nothing more")

#define GROUPS(X)                                                                                                      \
	X(groups, GAUGE, "pyralog_groups", "consumer groups")                                                          \
	X(offsets, GAUGE, "pyralog_group_offsets", "offsets that groups have committed")                               \
	X(calls, COUNTER, "pyralog_group_requests_total", "requests to the groups' coordinator")                       \
	X(batches, COUNTER, "pyralog_group_batches_total", "batches that the coordinator wrote")                       \
	X(snapshots, COUNTER, "pyralog_group_snapshots_total", "snapshots of all groups written")                      \
	X(loaded, GAUGE, "pyralog_group_loaded", "1: the groups have been read back after the start")

#define PROCESS(X)                                                                                                     \
	X(cpu_us, COUNTER, 1000000, "process_cpu_seconds_total", "time of processors that the process used")           \
	X(resident_bytes, GAUGE, 1, "process_resident_memory_bytes", "memory that the process has")                    \
	X(virtual_bytes, GAUGE, 1, "process_virtual_memory_bytes", "addresses that the process has")                   \
	X(open_files, GAUGE, 1, "process_open_fds", "open files and connections")                                      \
	X(open_files_max, GAUGE, 1, "process_max_fds", "as many as the process may open")                              \
	X(threads, GAUGE, 1, "process_threads", "threads of the process")                                              \
	X(start_ms, GAUGE, 1000, "process_start_time_seconds", "when the process began, in seconds since 1970")

#define ROW(field, kind, name, text) {name, NODE_##kind, 1, text},
#define PARTED_ROW(field, kind, parts, name, text) {name, NODE_##kind, parts, text},
static const struct node_metric log_rows[] = {LOG(ROW)}, group_rows[] = {GROUPS(ROW)},
				process_rows[] = {PROCESS(PARTED_ROW)};
#undef ROW
#undef PARTED_ROW

#define COUNT(rows) (sizeof rows / sizeof *rows)
const struct node_metric_table node_log_metrics = {"Log", NODE_EACH_SHARD, log_rows, COUNT(log_rows)};
const struct node_metric_table node_group_metrics = {"Consumer groups", NODE_FIRST_SHARD, group_rows,
                                                     COUNT(group_rows)};
const struct node_metric_table node_process_metrics = {"Process", NODE_ANY_THREAD, process_rows, COUNT(process_rows)};

#define READ(field, ...) *values++ = (int64_t)now.field;

static void read_log(void *context, size_t shard, int64_t *values)
{
	struct log_metrics now = log_metrics_get(node_log(context, shard));
	LOG(READ)
}

static void read_groups(void *context, size_t shard, int64_t *values)
{
	struct group_metrics now = group_coordinator_metrics(node_coordinator(context));
	(void)shard;
	GROUPS(READ)
}

static void read_process(void *context, size_t shard, int64_t *values)
{
	struct os_process_usage now = {0};
	(void)context;
	(void)shard;
	pyr_ignore(os_process_usage(0, &now));
	PROCESS(READ)
}

struct node_metric_source node_process_metric_source(void)
{
	return (struct node_metric_source){&node_process_metrics, read_process, NULL};
}

void node_metrics_add_own(struct node *node)
{
	node_metrics_add(node, (struct node_metric_source){&node_log_metrics, read_log, node});
	node_metrics_add(node, (struct node_metric_source){&node_group_metrics, read_groups, node});
	node_metrics_add(node, node_process_metric_source());
}
