/* Opening a data directory in which anything may have been changed: a life of a node leaves its files, the input changes
 * them, and a node opens what is left. It may refuse, with a sentence; it must not crash, hang, or hand out a byte that
 * nobody wrote (checked unless the input had the checksums made right). */
#include "codec/batch.h"
#include "node/node.h"
#include "os/sim/sim.h"
#include "seal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { FILES_MAX = 32, BATCHES = 120, PARTITION = 16, STEPS_MAX = 200000, FILE_BYTES_MAX = 1 << 20 };

struct file {
	char path[64];
	uint8_t *bytes;
	size_t count;
};

static struct file files[FILES_MAX];
static size_t file_count;
static struct base_slice written[BATCHES]; /* by base offset */

static struct node_options small_options(void)
{
	struct node_options options = node_options_default();
	options.log.ring_file_bytes = 16 * 4096;
	options.log.checkpoint_bytes = 100000;
	options.log.extent_min_bytes = 8000;
	options.log.tail_cache_bytes = 20000;
	return options;
}

/* ---- the life that leaves the files ---- */

struct sent {
	struct log_append append;
	bool done;
};

static void on_append(struct log_append *append)
{
	((struct sent *)(void *)append)->done = true;
}

static void wait_for(struct os_sim *sim, const bool *done)
{
	for (int i = 0; i < STEPS_MAX && !*done; i++)
		os_sim_step(sim);
	assert(*done);
}

static struct base_slice make_batch(uint32_t number)
{
	struct codec_batch_builder builder;
	struct base_slice batch;
	uint8_t value[12000];
	memset(value, (int)(number * 7), sizeof value);
	codec_batch_builder_init(&builder, CODEC_NONE, 1 << 20);
	builder.producer_id = number % 3 == 0 ? 7 : -1;
	builder.producer_epoch = 0;
	builder.base_sequence = (int32_t)number / 3;
	size_t bytes = number % 25 == 24 ? sizeof value : 40 + number % 5 * 300;
	codec_batch_builder_add(&builder, 1000 * (int64_t)number, (struct base_bytes){0},
	                        (struct base_bytes){value, bytes}, NULL, 0);
	if (codec_batch_builder_take(&builder, &batch).code != PYR_OK)
		abort();
	codec_batch_builder_deinit(&builder);
	return batch;
}

static enum pyr_code append_one(struct os_sim *sim, struct node *node, uint32_t number, struct sent *sent)
{
	*sent = (struct sent){.append = {.partition = PARTITION, .done = on_append}};
	sent->append.batch = make_batch(number);
	log_append(node_log(node, 0), &sent->append);
	wait_for(sim, &sent->done);
	return sent->append.result.code;
}

static void on_changed(struct catalog_change *change)
{
	assert(change->result.code == PYR_OK);
	change->partition_count = 0;
}

static void create_topic(struct os_sim *sim, struct node *node)
{
	struct catalog_change change = {.name = "t", .partition_count = 2, .done = on_changed};
	change.config = catalog_topic_config_default();
	catalog_topic_create(node_catalog(node, 0), &change);
	while (change.partition_count > 0)
		os_sim_step(sim);
}

struct finding {
	struct os_disk *disk;
	const char *folder;
};

static void keep_file(void *context, const char *name)
{
	struct finding *finding = context;
	struct os_file *file;
	uint64_t size;
	assert(file_count < FILES_MAX);
	struct file *kept = &files[file_count++];
	snprintf(kept->path, sizeof kept->path, "%s%s%s", finding->folder, *finding->folder ? "/" : "", name);
	if (os_file_open(finding->disk, kept->path, OS_OPEN_READ, &file).code != PYR_OK)
		abort();
	pyr_ignore(os_file_size(file, &size));
	kept->bytes = malloc(size + 1);
	if (!kept->bytes || os_file_read(file, 0, kept->bytes, size, &kept->count).code != PYR_OK)
		abort();
	os_file_close(file);
}

static void keep_files(struct os_disk *disk)
{
	static const char *const folders[] = {"", "ring", "manifest", "segments", "hashes"};
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		struct finding finding = {disk, folders[i]};
		pyr_ignore(os_directory_list(disk, folders[i], keep_file, &finding));
	}
}

static struct node *open_node(struct os_loop *loop, struct os_disk *disk)
{
	struct node_options options = small_options();
	struct pyr_error error = {0};
	struct node *node = NULL;
	if (node_open(&(struct node_place){loop, disk}, 1, &options, &node, &error).code == PYR_OK)
		return node;
	assert(strlen(error.text) > 0);
	return NULL;
}

/* Two incarnations, so that there is a limit to obey. */
static void live_once(void)
{
	struct os_sim *sim = os_sim_new(1);
	struct os_disk *disk = os_sim_disk_new(sim);
	for (uint32_t life = 0; life < 2; life++) {
		struct os_loop *loop = os_sim_loop_new(sim);
		struct node *node = open_node(loop, disk);
		if (!node)
			abort();
		if (life == 0)
			create_topic(sim, node);
		for (uint32_t i = life * BATCHES / 2; i < (life + 1) * BATCHES / 2; i++) {
			struct sent sent;
			written[i] = make_batch(i);
			codec_batch_assign((uint8_t *)(uintptr_t)written[i].data, i, 0);
			if (append_one(sim, node, i, &sent) != PYR_OK || sent.append.base_offset != i)
				abort();
		}
		os_sim_loop_kill(loop);
		node_abandon(node);
	}
	keep_files(disk);
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

/* ---- changes ---- */

/* A copy of the files, changed as the input says. */
struct copies {
	struct file files[FILES_MAX];
	bool sealed;
};

static void change_bytes(struct file *file, struct base_reader *reader)
{
	uint32_t at = base_read_u32le(reader);
	size_t count = base_read_u8(reader);
	for (size_t i = 0; i < count && file->count > 0 && !reader->failed; i++)
		file->bytes[(at + i) % file->count] = base_read_u8(reader);
}

static void change_word(struct file *file, struct base_reader *reader)
{
	uint32_t at = base_read_u32le(reader);
	uint32_t value = base_read_u32le(reader);
	if (file->count >= 4)
		base_store_u32le(file->bytes + at % (file->count / 4) * 4, value);
}

/* A block of another file, where this one's is: what a lost or misdirected write leaves. */
static void move_block(struct file *file, const struct file *from, struct base_reader *reader)
{
	size_t to = base_read_u8(reader) * (size_t)LOG_BLOCK_BYTES, at = base_read_u8(reader) * (size_t)LOG_BLOCK_BYTES;
	if (to + LOG_BLOCK_BYTES <= file->count && at + LOG_BLOCK_BYTES <= from->count)
		memmove(file->bytes + to, from->bytes + at, LOG_BLOCK_BYTES);
}

static void seal_manifest(struct file *file)
{
	if (file->count < 128)
		return;
	base_store_u64le(file->bytes + 64, file->count - 128);
	base_store_u32le(file->bytes + 72, base_crc32c(0, file->bytes + 128, file->count - 128));
	base_store_u32le(file->bytes + 4, base_crc32c(0, file->bytes + 8, 120));
}

static void seal_ring(struct file *file)
{
	if (file->count < LOG_RING_HEADER_BYTES)
		return;
	seal_header(file->bytes, "PYRG", 64);
	for (size_t at = LOG_RING_HEADER_BYTES; at + LOG_BLOCK_BYTES <= file->count; at += LOG_BLOCK_BYTES) {
		size_t bytes = base_load_u32le(file->bytes + at + 12);
		if (memcmp(file->bytes + at, "PGRP", 4) == 0 && bytes >= LOG_BLOCK_BYTES && bytes <= file->count - at)
			seal_group(file->bytes + at, bytes);
	}
}

static void change_one(struct copies *copies, struct base_reader *reader)
{
	struct file *file = &copies->files[base_read_u8(reader) % file_count];
	switch (base_read_u8(reader) % 8) {
	case 0:
		file->count = base_read_u32le(reader) % (file->count + 1);
		break;
	case 1:
		file->path[0] = '\0'; /* gone */
		break;
	case 2:
		move_block(file, &files[base_read_u8(reader) % file_count], reader);
		break;
	case 3:
	case 4:
		change_word(file, reader);
		break;
	case 5:
		if (strncmp(file->path, "manifest", 8) == 0)
			seal_manifest(file);
		if (strncmp(file->path, "ring", 4) == 0)
			seal_ring(file);
		copies->sealed = true;
		break;
	default:
		change_bytes(file, reader);
	}
}

static void put_file(struct os_disk *disk, const struct file *file)
{
	struct os_file *open;
	struct base_bytes piece = {file->bytes, file->count};
	if (!file->path[0])
		return;
	if (os_file_open(disk, file->path, OS_OPEN_WRITE | OS_OPEN_CREATE, &open).code != PYR_OK)
		abort();
	pyr_ignore(os_file_write(open, 0, &piece, 1));
	os_file_close(open);
}

static bool put_changed(struct os_disk *disk, const uint8_t *data, size_t bytes)
{
	struct base_reader reader = base_reader_init(data, bytes);
	struct copies copies = {0};
	for (size_t i = 0; i < file_count; i++) {
		copies.files[i] = files[i];
		copies.files[i].bytes = malloc(files[i].count + 1);
		if (!copies.files[i].bytes)
			abort();
		memcpy(copies.files[i].bytes, files[i].bytes, files[i].count);
	}
	while (base_reader_left(&reader) > 0)
		change_one(&copies, &reader);
	for (size_t i = 0; i < file_count; i++) {
		put_file(disk, &copies.files[i]);
		free(copies.files[i].bytes);
	}
	return copies.sealed;
}

/* ---- reading what is left ---- */

static void check_batches(struct base_bytes bytes)
{
	while (bytes.bytes > 0) {
		struct codec_batch batch;
		if (codec_batch_check(bytes, &batch).code != PYR_OK || batch.base_offset < 0 ||
		    batch.base_offset >= BATCHES)
			abort();
		struct base_slice expected = written[batch.base_offset];
		if (expected.bytes != batch.bytes || memcmp(expected.data, bytes.data, batch.bytes) != 0)
			abort();
		bytes.data += batch.bytes;
		bytes.bytes -= batch.bytes;
	}
}

struct reading {
	struct log_read read;
	bool done;
};

static void on_read(struct log_read *read)
{
	((struct reading *)(void *)read)->done = true;
}

static void read_at(struct os_sim *sim, struct node *node, int64_t offset, bool check)
{
	struct reading reading = {
		.read = {.partition = PARTITION, .offset = offset, .bytes_max = 30000, .done = on_read}};
	reading.read.whole_batch_first = true;
	if (!log_read(node_log(node, 0), &reading.read))
		wait_for(sim, &reading.done);
	for (size_t i = 0; i < reading.read.slice_count && check && reading.read.result.code == PYR_OK; i++)
		check_batches((struct base_bytes){reading.read.slices[i].data, reading.read.slices[i].bytes});
	log_read_release(&reading.read);
}

static void use(struct os_sim *sim, struct node *node, bool check)
{
	struct log_partition_info info;
	struct sent sent;
	if (log_partition_get(node_log(node, 0), PARTITION, &info).code != PYR_OK)
		return;
	assert(check ? info.log_end_offset <= BATCHES : true);
	for (int64_t offset = 0; offset < BATCHES; offset += 6)
		read_at(sim, node, offset, check);
	(void)append_one(sim, node, 1, &sent);
	for (int i = 0; i < 300; i++)
		os_sim_step(sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (file_count == 0)
		live_once();
	if (bytes > 600)
		return 0;
	struct os_sim *sim = os_sim_new(2);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct os_loop *loop = os_sim_loop_new(sim);
	bool sealed = put_changed(disk, data, bytes);
	struct node *node = open_node(loop, disk);
	if (node) {
		use(sim, node, !sealed);
		os_sim_loop_kill(loop);
		node_abandon(node);
	}
	os_sim_disk_free(disk);
	os_sim_free(sim);
	return 0;
}
