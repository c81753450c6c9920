/* The Obelisk sequencer on real files: values are there once for all threads, and after it is opened again; a second owner and
 * a copy from before are refused. Crashes are simulated in tests/sim/sim_obelisk.c. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "coord/obelisk.h"
#include "folder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, TAKES = 2000 };

static struct obelisk *open_obelisk(struct os_disk *disk, uint64_t lease)
{
	struct obelisk_options options = obelisk_options_default();
	struct obelisk *obelisk;
	struct pyr_error error;
	options.lease = lease;
	assert_int_equal(obelisk_open(disk, &options, &obelisk, &error).code, PYR_OK);
	return obelisk;
}

struct taker {
	pthread_t thread;
	struct obelisk *obelisk;
	bool durable;
	uint64_t values[TAKES];
};

static void *take_all(void *context)
{
	struct taker *taker = context;
	for (size_t i = 0; i < TAKES; i++) {
		pyr_result taken = taker->durable ? obelisk_take_durable(taker->obelisk, 1, &taker->values[i])
		                                  : obelisk_take(taker->obelisk, 1, &taker->values[i]);
		if (taken.code != PYR_OK || (i > 0 && taker->values[i] <= taker->values[i - 1]))
			return taker;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Returns the largest value. */
static uint64_t take_with_threads(struct obelisk *obelisk, bool durable)
{
	static struct taker takers[THREADS];
	static uint64_t all[THREADS * TAKES];
	for (size_t i = 0; i < THREADS; i++) {
		takers[i].obelisk = obelisk;
		takers[i].durable = durable;
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_all, &takers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		void *failed;
		pthread_join(takers[i].thread, &failed);
		assert_null(failed);
		memcpy(all + i * TAKES, takers[i].values, sizeof takers[i].values);
	}
	qsort(all, THREADS * TAKES, sizeof *all, compare);
	for (size_t i = 1; i < THREADS * TAKES; i++)
		assert_true(all[i] > all[i - 1]);
	return all[THREADS * TAKES - 1];
}

static void every_thread_gets_values_of_its_own(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk();
	struct obelisk *obelisk = open_obelisk(disk, 1000);
	uint64_t last = take_with_threads(obelisk, false), next;
	obelisk_close(obelisk);
	os_real_disk_free(disk);
	disk = folder_disk();
	obelisk = open_obelisk(disk, 1000);
	assert_int_equal(obelisk_take(obelisk, 1, &next).code, PYR_OK);
	assert_in_range(next, last + 1, last + 1 + 1000 + THREADS);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
}

static void nothing_is_wasted_when_each_value_is_durable(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk();
	struct obelisk *obelisk = open_obelisk(disk, 1000);
	assert_int_equal(take_with_threads(obelisk, true), THREADS * TAKES - 1);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
	disk = folder_disk();
	obelisk = open_obelisk(disk, 1000);
	assert_int_equal(obelisk_promised(obelisk), THREADS * TAKES);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
}

static void the_file_takes_no_space(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk();
	struct obelisk *obelisk = open_obelisk(disk, UINT64_C(1) << 30);
	char path[FOLDER_BYTES + 32];
	struct stat facts;
	uint64_t first;
	assert_int_equal(obelisk_take(obelisk, 1, &first).code, PYR_OK);
	snprintf(path, sizeof path, "%s/value-0000000000000000", folder_path);
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_size, (1 << 30) + 1);
	assert_int_equal(facts.st_blocks, 0);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
}

static void a_second_owner_is_refused(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk(), *other = folder_disk();
	struct obelisk *obelisk = open_obelisk(disk, 1000), *second;
	struct obelisk_options options = obelisk_options_default();
	struct pyr_error error;
	assert_int_equal(obelisk_open(other, &options, &second, &error).code, PYR_BUSY);
	assert_non_null(strstr(error.text, "another process"));
	obelisk_close(obelisk);
	os_real_disk_free(other);
	os_real_disk_free(disk);
}

static void a_copy_from_before_is_refused(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk();
	struct obelisk *obelisk = open_obelisk(disk, 1000), *copy;
	struct obelisk_options options = obelisk_options_default();
	struct pyr_error error;
	options.epoch_min = obelisk_epoch(obelisk) + 1; /* what the owner remembers of the original */
	obelisk_close(obelisk);
	os_real_disk_free(disk);
	disk = folder_disk();
	assert_int_equal(obelisk_open(disk, &options, &copy, &error).code, PYR_CORRUPT);
	assert_non_null(strstr(error.text, "restored from an older copy"));
	os_real_disk_free(disk);
}

static void files_follow_each_other(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk();
	struct obelisk_options options = {.lease = 10, .file_values = 25};
	struct obelisk *obelisk;
	struct pyr_error error;
	uint64_t first, expected = 0;
	assert_int_equal(obelisk_open(disk, &options, &obelisk, &error).code, PYR_OK);
	for (int i = 0; i < 40; i++, expected += 7) {
		assert_int_equal(obelisk_take(obelisk, 7, &first).code, PYR_OK);
		assert_int_equal(first, expected);
	}
	obelisk_close(obelisk);
	os_real_disk_free(disk);
	disk = folder_disk();
	assert_int_equal(obelisk_open(disk, &options, &obelisk, &error).code, PYR_OK);
	assert_int_equal(obelisk_take(obelisk, 1, &first).code, PYR_OK);
	assert_in_range(first, expected, expected + 17);
	obelisk_close(obelisk);
	os_real_disk_free(disk);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		TEST(every_thread_gets_values_of_its_own),
		TEST(nothing_is_wasted_when_each_value_is_durable),
		TEST(the_file_takes_no_space),
		TEST(a_second_owner_is_refused),
		TEST(a_copy_from_before_is_refused),
		TEST(files_follow_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
