/* The file of leaves: each leaf is the BLAKE3 hash of its batch without the leader epoch, however many are hashed together,
 * and the batches stay what they were. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "log/leaves.h"
#include "log/log_priv.h"
#include "os/sim/sim.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCHES = 300,
	BATCH_BYTES_MIN = 61,
	BATCH_BYTES_MAX = 9000,
	SEGMENT = 5,
	PARTITION = 17,
	LEAF_BYTES = 48,
	HEADER_BYTES = 16
};

static uint8_t buffer[BATCHES * BATCH_BYTES_MAX], before[sizeof buffer];

static void expect_leaf(struct base_reader *reader, size_t number, const uint8_t *batch, size_t bytes)
{
	uint8_t copy[BATCH_BYTES_MAX], hash[BASE_BLAKE3_BYTES];
	memcpy(copy, batch, bytes);
	memset(copy + 12, 0, 4);
	base_blake3(&(struct base_bytes){copy, bytes}, 1, hash);
	assert_int_equal(base_read_u64le(reader), 1000 + number);
	assert_int_equal(base_read_u32le(reader), PARTITION);
	assert_int_equal(base_read_u32le(reader), number + 1);
	assert_memory_equal(base_read_bytes(reader, sizeof hash), hash, sizeof hash);
}

static void leaves_are_hashes_of_batches_without_epoch(void **state)
{
	struct os_sim *sim = os_sim_new(1);
	struct os_disk *disk = os_sim_disk_new(sim);
	struct log_leaves leaves;
	size_t ends[BATCHES], at = 0;
	unsigned seed = 1;
	(void)state;
	assert_int_equal(os_directory_make(disk, "hashes").code, PYR_OK);
	assert_int_equal(log_leaves_begin(&leaves, disk, SEGMENT).code, PYR_OK);
	for (size_t i = 0; i < sizeof buffer; i++)
		before[i] = buffer[i] = (uint8_t)rand_r(&seed);
	for (size_t i = 0; i < BATCHES; i++) {
		size_t most = i % 3 == 0 ? BATCH_BYTES_MAX : 1500;
		size_t bytes = BATCH_BYTES_MIN + (size_t)rand_r(&seed) % (most - BATCH_BYTES_MIN);
		struct log_leaf leaf = {
			.base_offset = (int64_t)(1000 + i), .partition = PARTITION, .record_count = (uint32_t)i + 1};
		while (!log_leaves_wait(&leaves, &leaf, at, bytes))
			log_leaves_hash(&leaves, buffer);
		ends[i] = at += bytes;
	}
	log_leaves_hash(&leaves, buffer);
	assert_int_equal(log_leaves_end(&leaves).code, PYR_OK);
	log_leaves_close(&leaves);
	assert_memory_equal(buffer, before, sizeof buffer);

	static uint8_t written[HEADER_BYTES + BATCHES * LEAF_BYTES];
	struct os_file *file;
	size_t read;
	char path[OS_POOL_PATH_MAX];
	log_segment_leaves_path(SEGMENT, path);
	assert_int_equal(os_file_open(disk, path, OS_OPEN_READ, &file).code, PYR_OK);
	assert_int_equal(os_file_read(file, 0, written, sizeof written, &read).code, PYR_OK);
	assert_int_equal(read, sizeof written);
	os_file_close(file);
	struct base_reader reader = base_reader_init(written, sizeof written);
	assert_memory_equal(base_read_bytes(&reader, 8), "PYRLEAF1", 8);
	assert_int_equal(base_read_u64le(&reader), SEGMENT);
	for (size_t i = 0; i < BATCHES; i++) {
		size_t from = i > 0 ? ends[i - 1] : 0;
		expect_leaf(&reader, i, buffer + from, ends[i] - from);
	}
	os_sim_disk_free(disk);
	os_sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_are_hashes_of_batches_without_epoch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
