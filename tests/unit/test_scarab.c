/* The hybrid logical clock's rules, Scarab IDs and their text, and an issuer of them on real files. Crashes, clocks that jump and
 * copies are simulated in tests/sim/sim_scarab.c. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "coord/scarab_issuer.h"
#include "folder.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, BATCHES = 200, BATCH = 100 };

/* ---- the clock's rules ---- */

static struct hlc new_clock(uint64_t promised_ms, uint64_t wall_ms)
{
	struct hlc_rules rules = hlc_rules_default();
	struct hlc hlc;
	hlc_init(&hlc, &rules, promised_ms, (struct hlc_time){wall_ms, 0});
	return hlc;
}

/* Keeps every promise. */
static enum hlc_verdict take(struct hlc *hlc, uint64_t wall_ms, uint64_t steady_ms, uint64_t count, uint64_t *ret_first)
{
	struct hlc_time now = {wall_ms, steady_ms};
	enum hlc_verdict verdict = hlc_take(hlc, now, count, ret_first);
	if (verdict != HLC_PROMISE)
		return verdict;
	hlc_promised(hlc, hlc_wanted_ms(hlc));
	return hlc_take(hlc, now, count, ret_first);
}

static void timestamps_follow_the_wall_clock(void **state)
{
	struct hlc hlc = new_clock(0, 1000);
	uint64_t first;
	(void)state;
	assert_int_equal(hlc_take(&hlc, (struct hlc_time){1000, 0}, 1, &first), HLC_PROMISE);
	assert_int_equal(hlc_wanted_ms(&hlc), 1000 + HLC_LEASE_MS);
	assert_int_equal(take(&hlc, 1000, 0, 1, &first), HLC_DONE);
	assert_int_equal(first, UINT64_C(1000) << HLC_COUNTER_BITS);
	assert_int_equal(take(&hlc, 1000, 0, 5, &first), HLC_DONE);
	assert_int_equal(first, (UINT64_C(1000) << HLC_COUNTER_BITS) + 1);
	assert_int_equal(hlc_take(&hlc, (struct hlc_time){1000 + HLC_LEASE_MS - 1, HLC_LEASE_MS - 1}, 1, &first),
	                 HLC_DONE);
	assert_int_equal(hlc_take(&hlc, (struct hlc_time){1000 + HLC_LEASE_MS, HLC_LEASE_MS}, 1, &first), HLC_PROMISE);
}

static void a_clock_that_is_set_back_is_caught_up_with(void **state)
{
	struct hlc hlc = new_clock(0, 1000000);
	uint64_t first, last = 0;
	(void)state;
	for (uint64_t passed = 0; passed < 30000; passed += 10) { /* set back by 10 s after the first second */
		uint64_t wall_ms = 1000000 + passed - (passed > 1000 ? 10000 : 0);
		assert_int_equal(take(&hlc, wall_ms, passed, 1, &first), HLC_DONE);
		assert_true(first > last);
		last = first;
		if (passed > 25000)
			assert_int_equal(hlc_ms(&hlc, first), wall_ms);
	}
}

static void too_many_at_once_wait_for_the_clock(void **state)
{
	struct hlc hlc = new_clock(0, 1000);
	uint64_t first, whole = 1 << HLC_COUNTER_BITS;
	unsigned taken = 0;
	(void)state;
	while (take(&hlc, 1000, 0, whole, &first) == HLC_DONE)
		taken += 1;
	assert_int_equal(taken, HLC_BORROW_MS + 1);
	assert_int_equal(take(&hlc, 1000, 0, whole, &first), HLC_WAIT);
	assert_int_equal(take(&hlc, 1001, 1, whole, &first), HLC_DONE);
}

static void a_restart_never_repeats(void **state)
{
	struct hlc hlc = new_clock(0, 50000), next;
	uint64_t before, after;
	(void)state;
	assert_int_equal(take(&hlc, 50000, 0, 1, &before), HLC_DONE);
	next = new_clock(50000 + HLC_LEASE_MS, 10000); /* 40 s earlier */
	for (uint64_t steady_ms = 0; take(&next, 10000 + steady_ms, steady_ms, 1, &after) != HLC_DONE; steady_ms++)
		assert_true(steady_ms <= 2 * (HLC_LEASE_MS - HLC_BORROW_MS));
	assert_true(after > before);
}

static void the_far_future_is_refused(void **state)
{
	struct hlc hlc = new_clock(0, 1000);
	struct hlc_time now = {1000, 0};
	struct pyr_error error;
	uint64_t near = (UINT64_C(1000) + HLC_DRIFT_MS) << HLC_COUNTER_BITS, first;
	(void)state;
	assert_int_equal(hlc_check(&hlc, now, near + (1 << HLC_COUNTER_BITS), &error).code, PYR_BAD_TIMESTAMP);
	assert_non_null(strstr(error.text, "251 ms ahead"));
	assert_int_equal(hlc_check(&hlc, now, near, &error).code, PYR_OK);
	assert_int_equal(hlc_observe(&hlc, now, near), HLC_PROMISE);
	hlc_promised(&hlc, hlc_wanted_ms(&hlc));
	assert_int_equal(hlc_observe(&hlc, now, near), HLC_DONE);
	assert_int_equal(take(&hlc, 1000, 0, 1, &first), HLC_DONE);
	assert_int_equal(first, near + 1);
}

/* ---- ids and their text ---- */

static void the_text_sorts_as_the_numbers_do(void **state)
{
	char text[SCARAB_TEXT_BYTES], last[SCARAB_TEXT_BYTES] = {0};
	struct pyr_error error;
	uint64_t id = 0, read;
	(void)state;
	for (int bit = 0; bit < 65; bit++) {
		scarab_write(id, text);
		assert_true(bit == 0 || memcmp(last, text, sizeof text) < 0);
		assert_int_equal(scarab_parse((struct base_bytes){(uint8_t *)text, sizeof text}, &read, &error).code,
		                 PYR_OK);
		assert_true(read == id);
		memcpy(last, text, sizeof text);
		id = bit < 64 ? UINT64_MAX >> (63 - bit) : id;
	}
	assert_memory_equal(last, "FZZZZZZZZZZZZ", sizeof last);
}

static void an_id_has_its_parts(void **state)
{
	uint64_t id = scarab_of((UINT64_C(123456789) << SCARAB_COUNT_BITS) + 4095, 2047);
	(void)state;
	assert_int_equal(scarab_ms(id), SCARAB_EPOCH_MS + 123456789);
	assert_int_equal(scarab_node(id), 2047);
	assert_int_equal(scarab_count(id), 4095);
	assert_true(id < scarab_of(UINT64_C(123456790) << SCARAB_COUNT_BITS, 0));
}

static void what_is_no_id_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{"", "has 13 characters, and this has 0"},
		{"01H00000000RSX", "this has 14"},
		{"G000000000000", "too large"},
		{"01H0-0000000R", "character 5"},
		{"01H000000000U", "character 13"},
		{"01H00000000\xc3\xa4", "character 12"},
	};
	struct pyr_error error;
	uint64_t id;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct base_bytes text = {(const uint8_t *)bad[i].text, strlen(bad[i].text)};
		assert_int_equal(scarab_parse(text, &id, &error).code, PYR_USAGE);
		assert_non_null(strstr(error.text, bad[i].sentence));
	}
	assert_int_equal(scarab_parse((struct base_bytes){(const uint8_t *)"oLiI00000000z", 13}, &id, &error).code,
	                 PYR_OK);
	assert_true(id == ((UINT64_C(1) << 55 | UINT64_C(1) << 50 | UINT64_C(1) << 45) + 31));
}

/* ---- an issuer on real files ---- */

/* A clock that a test sets. */
struct set_clock {
	pthread_mutex_t lock;
	uint64_t wall_ms, steady_ms;
};

static struct hlc_time read_set_clock(void *context)
{
	struct set_clock *clock = context;
	pthread_mutex_lock(&clock->lock);
	struct hlc_time now = {clock->wall_ms, clock->steady_ms};
	pthread_mutex_unlock(&clock->lock);
	return now;
}

static void advance_set_clock(void *context)
{
	struct set_clock *clock = context;
	pthread_mutex_lock(&clock->lock);
	clock->wall_ms += 1;
	clock->steady_ms += 1;
	pthread_mutex_unlock(&clock->lock);
}

static struct set_clock the_clock = {.lock = PTHREAD_MUTEX_INITIALIZER, .wall_ms = SCARAB_EPOCH_MS + 1000000};

static struct scarab_issuer_options options_with(int node)
{
	return (struct scarab_issuer_options){{read_set_clock, advance_set_clock, &the_clock}, node, 0, 0};
}

static struct scarab_issuer *open_issuer(struct os_disk *disk, int node)
{
	struct scarab_issuer_options options = options_with(node);
	struct scarab_issuer *issuer = NULL;
	struct pyr_error error = {0};
	if (scarab_issuer_open(disk, &options, &issuer, &error).code != PYR_OK)
		fail_msg("%s", error.text);
	return issuer;
}

struct taker {
	pthread_t thread;
	struct scarab_issuer *issuer;
	uint64_t ids[BATCHES * BATCH];
};

static void *take_all(void *context)
{
	struct taker *taker = context;
	for (size_t i = 0; i < BATCHES; i++)
		if (scarab_issuer_take(taker->issuer, BATCH, taker->ids + i * BATCH, NULL).code != PYR_OK)
			return taker;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static void every_thread_gets_ids_of_its_own(void **state)
{
	static struct taker takers[THREADS];
	static uint64_t all[THREADS * BATCHES * BATCH];
	struct os_disk *disk = folder_disk();
	struct scarab_issuer *issuer = open_issuer(disk, 5);
	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		takers[i].issuer = issuer;
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_all, &takers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		void *failed;
		pthread_join(takers[i].thread, &failed);
		assert_null(failed);
		memcpy(all + i * BATCHES * BATCH, takers[i].ids, sizeof takers[i].ids);
	}
	qsort(all, sizeof all / sizeof *all, sizeof *all, compare);
	for (size_t i = 1; i < sizeof all / sizeof *all; i++)
		assert_true(all[i] > all[i - 1] && scarab_node(all[i]) == 5);
	scarab_issuer_close(issuer);
	os_real_disk_free(disk);
}

static void a_number_is_kept_until_another_is_claimed(void **state)
{
	static const struct {
		int asked;
		unsigned expected;
	} lives[] = {{SCARAB_NODE_KEPT, 0},    {9, 9}, {SCARAB_NODE_KEPT, 9}, {2047, 2047},
	             {SCARAB_NODE_KEPT, 2047}, {0, 0}};
	uint64_t last = 0, id;
	(void)state;
	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		struct os_disk *disk = folder_disk();
		struct scarab_issuer *issuer = open_issuer(disk, lives[i].asked);
		assert_int_equal(scarab_issuer_node(issuer), lives[i].expected);
		assert_int_equal(scarab_issuer_epoch(issuer), i + 1);
		assert_int_equal(scarab_issuer_take(issuer, 1, &id, NULL).code, PYR_OK);
		assert_int_equal(scarab_node(id), lives[i].expected);
		assert_true(scarab_ms(id) >= scarab_ms(last));
		last = id;
		scarab_issuer_close(issuer);
		os_real_disk_free(disk);
		the_clock.wall_ms -= 1000; /* each life's clock is earlier */
	}
}

static void an_older_copy_is_refused(void **state)
{
	struct scarab_issuer_options options = options_with(SCARAB_NODE_KEPT);
	struct os_disk *disk = folder_disk();
	struct scarab_issuer *issuer;
	struct pyr_error error;
	(void)state;
	options.epoch_grant = 40;
	assert_int_equal(scarab_issuer_open(disk, &options, &issuer, &error).code, PYR_OK);
	assert_int_equal(scarab_issuer_epoch(issuer), 40);
	scarab_issuer_close(issuer);
	os_real_disk_free(disk);
	disk = folder_disk();
	options.epoch_min = 41; /* what the original was granted since */
	assert_int_equal(scarab_issuer_open(disk, &options, &issuer, &error).code, PYR_CORRUPT);
	assert_non_null(strstr(error.text, "older copy"));
	os_real_disk_free(disk);
}

static void a_damaged_lease_is_refused(void **state)
{
	struct scarab_issuer_options options = options_with(SCARAB_NODE_KEPT);
	struct os_disk *disk = folder_disk();
	struct scarab_issuer *issuer;
	struct pyr_error error;
	char path[FOLDER_BYTES + 16];
	(void)state;
	scarab_issuer_close(open_issuer(disk, 3));
	os_real_disk_free(disk);
	snprintf(path, sizeof path, "%s/node-0003", folder_path);
	assert_int_equal(truncate(path, 1000), 0);
	disk = folder_disk();
	assert_int_equal(scarab_issuer_open(disk, &options, &issuer, &error).code, PYR_CORRUPT);
	assert_non_null(strstr(error.text, "node number 3"));
	os_real_disk_free(disk);
}

static void a_clock_beyond_the_last_id_is_told(void **state)
{
	struct os_disk *disk = folder_disk();
	struct scarab_issuer *issuer = open_issuer(disk, 0);
	struct pyr_error error;
	uint64_t id, wall_ms = the_clock.wall_ms;
	(void)state;
	the_clock.wall_ms = SCARAB_EPOCH_MS + (UINT64_C(1) << SCARAB_MS_BITS);
	assert_int_equal(scarab_issuer_take(issuer, 1, &id, &error).code, PYR_BAD_TIMESTAMP);
	assert_non_null(strstr(error.text, "2094"));
	the_clock.wall_ms = wall_ms;
	scarab_issuer_close(issuer);
	os_real_disk_free(disk);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timestamps_follow_the_wall_clock),
		cmocka_unit_test(a_clock_that_is_set_back_is_caught_up_with),
		cmocka_unit_test(too_many_at_once_wait_for_the_clock),
		cmocka_unit_test(a_restart_never_repeats),
		cmocka_unit_test(the_far_future_is_refused),
		cmocka_unit_test(the_text_sorts_as_the_numbers_do),
		cmocka_unit_test(an_id_has_its_parts),
		cmocka_unit_test(what_is_no_id_is_refused_with_a_sentence),
		TEST(every_thread_gets_ids_of_its_own),
		TEST(a_number_is_kept_until_another_is_claimed),
		TEST(an_older_copy_is_refused),
		TEST(a_damaged_lease_is_refused),
		TEST(a_clock_beyond_the_last_id_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
