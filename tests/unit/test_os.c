/* os/: the timers' heap, real files and threads, and what the simulated disk promises to lose. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/table.h"
#include "folder.h"
#include "os/environment.h"
#include "os/real.h"
#include "os/sim/sim.h"
#include "os/timers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- timers ---- */

enum { TIMERS = 500 };

static void timers_fire_in_order_whatever_was_stopped(void **state)
{
	(void)state;
	struct os_timers timers = {0};
	struct os_timer *set = calloc(TIMERS, sizeof *set);
	uint64_t due, last = 0, chance = 1;
	size_t armed = 0;
	assert_non_null(set);
	for (size_t round = 0; round < 20000; round++) {
		chance = chance * 6364136223846793005u + 1;
		struct os_timer *timer = &set[chance >> 33 & 0xff];
		if (chance >> 60 < 4)
			os_timers_stop(&timers, timer);
		else
			os_timers_start(&timers, timer, chance >> 40 & 0xffff);
		assert_true((timer->slot != 0) == (chance >> 60 >= 4));
		if (timer->slot != 0)
			assert_ptr_equal(timers.heap[timer->slot - 1], timer);
	}
	for (size_t i = 0; i < TIMERS; i++)
		armed += set[i].slot != 0;
	assert_int_equal(timers.count, armed);
	assert_true(os_timers_next_us(&timers, &due));
	assert_null(os_timers_pop(&timers, due - 1));
	for (struct os_timer *timer; (timer = os_timers_pop(&timers, UINT64_MAX)); armed--) {
		assert_true(timer->due_us >= last && timer->slot == 0);
		last = timer->due_us;
	}
	assert_int_equal(armed, 0);
	assert_false(os_timers_next_us(&timers, &due));
	os_timers_deinit(&timers);
	free(set);
}

/* ---- files, the same on both disks ---- */

static struct os_file *open_file(struct os_disk *disk, const char *path, unsigned flags)
{
	struct os_file *file;
	assert_int_equal(os_file_open(disk, path, flags, &file).code, PYR_OK);
	return file;
}

static void put(struct os_file *file, uint64_t position, const char *text)
{
	struct base_bytes parts[2] = {{(const uint8_t *)text, 1}, {(const uint8_t *)text + 1, strlen(text) - 1}};
	assert_int_equal(os_file_write(file, position, parts, 2).code, PYR_OK);
}

static void check(struct os_file *file, uint64_t position, const char *text)
{
	char bytes[64] = {0};
	size_t got = 0;
	assert_int_equal(os_file_read(file, position, bytes, strlen(text), &got).code, PYR_OK);
	assert_int_equal(got, strlen(text));
	assert_string_equal(bytes, text);
}

/* What was just written is in memory; the simulated disk says no to some calls. What is not in the file never is. */
static void check_at_once(struct os_file *file)
{
	char bytes[8] = {0};
	bool read = os_file_read_at_once(file, 10, bytes, 5) || os_file_read_at_once(file, 10, bytes, 5);
	assert_true(read);
	assert_string_equal(bytes, "hello");
	assert_false(os_file_read_at_once(file, 11, bytes, 5));
	assert_false(os_file_read_at_once(file, 100, bytes, 1));
}

static void count_name(void *context, const char *name)
{
	(void)name;
	*(size_t *)context += 1;
}

static size_t name_count(struct os_disk *disk, const char *folder)
{
	size_t count = 0;
	assert_int_equal(os_directory_list(disk, folder, count_name, &count).code, PYR_OK);
	return count;
}

static void try_files(struct os_disk *disk)
{
	struct os_file *file, *none;
	uint64_t bytes;
	char past[4];
	size_t got = 9;
	assert_int_equal(os_directory_make(disk, "d").code, PYR_OK);
	assert_int_equal(os_directory_make(disk, "d").code, PYR_OK);
	assert_int_equal(os_file_open(disk, "d/a", OS_OPEN_READ, &none).code, PYR_NOT_FOUND);
	file = open_file(disk, "d/a", OS_OPEN_WRITE | OS_OPEN_CREATE);
	assert_int_equal(os_file_open(disk, "d/a", OS_OPEN_WRITE | OS_OPEN_CREATE | OS_OPEN_EXCLUSIVE, &none).code,
	                 PYR_EXISTS);
	put(file, 10, "hello");
	check(file, 10, "hello");
	check_at_once(file);
	assert_int_equal(os_file_size(file, &bytes).code, PYR_OK);
	assert_int_equal(bytes, 15);
	assert_int_equal(os_file_read(file, 15, past, sizeof past, &got).code, PYR_OK);
	assert_int_equal(got, 0);
	assert_int_equal(os_file_allocate(file, 0, 100).code, PYR_OK);
	assert_int_equal(os_file_size(file, &bytes).code, PYR_OK);
	assert_int_equal(bytes, 100);
	assert_int_equal(os_file_truncate(file, 12).code, PYR_OK);
	assert_int_equal(os_file_sync(file).code, PYR_OK);
	os_file_close(file);
	assert_int_equal(os_file_rename(disk, "d/a", "d/b").code, PYR_OK);
	assert_int_equal(os_directory_sync(disk, "d").code, PYR_OK);
	assert_int_equal(name_count(disk, "d"), 1);
	file = open_file(disk, "d/b", OS_OPEN_READ);
	check(file, 10, "he");
	os_file_close(file);
	assert_int_equal(os_file_remove(disk, "d/b").code, PYR_OK);
	assert_int_equal(os_file_remove(disk, "d/b").code, PYR_NOT_FOUND);
	assert_int_equal(name_count(disk, "d"), 0);
	os_file_close(NULL);
}

static void real_files(void **state)
{
	(void)state;
	struct os_disk *disk = folder_disk(), *second = folder_disk();
	try_files(disk);
	assert_int_equal(os_disk_lock(disk, "lock").code, PYR_OK);
	assert_int_equal(os_disk_lock(second, "lock").code, PYR_BUSY);
	os_real_disk_free(disk);
	assert_int_equal(os_disk_lock(second, "lock").code, PYR_OK);
	os_real_disk_free(second);
}

static void a_folder_is_held_until_all_have_released_it(void **state)
{
	(void)state;
	struct os_disk *server = folder_disk(), *one = folder_disk(), *other = folder_disk();
	assert_false(os_disk_is_held(server, "hold"));
	assert_int_equal(os_disk_hold(one, "hold").code, PYR_OK);
	assert_int_equal(os_disk_hold(other, "hold").code, PYR_OK);
	os_disk_release(one);
	assert_true(os_disk_is_held(server, "hold"));
	os_real_disk_free(other);
	assert_false(os_disk_is_held(server, "hold"));
	assert_int_equal(os_disk_hold(one, "nowhere/hold").code, PYR_NOT_FOUND);
	os_disk_release(one);
	os_real_disk_free(one);
	os_real_disk_free(server);
}

/* ---- the simulated disk ---- */

struct world {
	struct os_sim *sim;
	struct os_disk *disk;
};

static int make_world(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	assert_non_null(world);
	world->sim = os_sim_new(5);
	world->disk = os_sim_disk_new(world->sim);
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	struct world *world = *state;
	os_sim_disk_free(world->disk);
	os_sim_free(world->sim);
	free(world);
	return 0;
}

static void simulated_files(void **state)
{
	try_files(((struct world *)*state)->disk);
}

static void what_was_synced_stays_and_what_was_not_may_go(void **state)
{
	struct world *world = *state;
	unsigned kept = 0, lost = 0;
	for (unsigned round = 0; round < 60; round++) {
		struct os_file *file = open_file(world->disk, "f", OS_OPEN_WRITE | OS_OPEN_CREATE);
		char bytes[4] = {0};
		size_t got;
		put(file, 0, "old");
		put(file, 4096, "ooo");
		assert_int_equal(os_file_sync(file).code, PYR_OK);
		assert_int_equal(os_directory_sync(world->disk, "").code, PYR_OK);
		put(file, 4096, "new");
		os_file_close(file);
		os_sim_disk_crash(world->disk);
		file = open_file(world->disk, "f", OS_OPEN_READ);
		check(file, 0, "old");
		assert_int_equal(os_file_read(file, 4096, bytes, 3, &got).code, PYR_OK);
		kept += strcmp(bytes, "new") == 0;
		lost += strcmp(bytes, "ooo") == 0;
		os_file_close(file);
	}
	assert_int_equal(kept + lost, 60); /* a sector is whole */
	assert_true(kept > 5 && lost > 5);
}

static void a_name_needs_a_sync_of_its_directory(void **state)
{
	struct world *world = *state;
	unsigned lost = 0;
	for (unsigned round = 0; round < 60; round++) {
		char path[16];
		struct os_file *file;
		snprintf(path, sizeof path, "d/%u", round);
		file = open_file(world->disk, path, OS_OPEN_WRITE | OS_OPEN_CREATE);
		assert_int_equal(os_file_sync(file).code, PYR_OK);
		assert_int_equal(os_directory_sync(world->disk, round % 2 ? "d" : "").code, PYR_OK);
		os_file_close(file);
		os_sim_disk_crash(world->disk);
		bool gone = os_file_open(world->disk, path, OS_OPEN_READ, &file).code == PYR_NOT_FOUND;
		assert_false(gone && round % 2);
		lost += gone;
		if (!gone)
			os_file_close(file);
	}
	assert_true(lost > 2);
}

static void a_failed_sync_loses_what_the_next_one_confirms(void **state)
{
	struct world *world = *state;
	struct os_file *file = open_file(world->disk, "f", OS_OPEN_WRITE | OS_OPEN_CREATE);
	char bytes[4] = {0};
	size_t got;
	put(file, 0, "old");
	assert_int_equal(os_file_sync(file).code, PYR_OK);
	assert_int_equal(os_directory_sync(world->disk, "").code, PYR_OK);
	put(file, 0, "new");
	os_sim_disk_faults(world->disk)->fail_sync_at = 2;
	assert_int_equal(os_file_sync(file).code, PYR_IO);
	assert_int_equal(os_file_sync(file).code, PYR_OK); /* as the kernel does: the pages count as clean */
	check(file, 0, "new");
	os_file_close(file);
	os_sim_disk_crash(world->disk);
	file = open_file(world->disk, "f", OS_OPEN_READ);
	assert_int_equal(os_file_read(file, 0, bytes, 3, &got).code, PYR_OK);
	assert_string_equal(bytes, "old");
	os_file_close(file);
}

static void a_full_disk_says_so(void **state)
{
	struct world *world = *state;
	struct os_file *file = open_file(world->disk, "f", OS_OPEN_WRITE | OS_OPEN_CREATE);
	struct base_bytes piece = {(const uint8_t *)"12345678", 8};
	os_sim_disk_faults(world->disk)->capacity_bytes = 10;
	put(file, 0, "1234");
	assert_int_equal(os_file_write(file, 4, &piece, 1).code, PYR_DISK_FULL);
	assert_int_equal(os_sim_disk_used_bytes(world->disk), 4);
	assert_int_equal(os_sim_disk_open_files(world->disk), 1);
	os_file_close(file);
	assert_int_equal(os_sim_disk_open_files(world->disk), 0);
}

static void remove_it(void *context, const char *name)
{
	assert_int_equal(os_file_remove(context, name).code, PYR_OK);
}

static void files_may_be_removed_while_they_are_listed(void **state)
{
	struct world *world = *state;
	static const char *const names[] = {"a", "b", "c"};
	for (size_t i = 0; i < 3; i++)
		os_file_close(open_file(world->disk, names[i], OS_OPEN_WRITE | OS_OPEN_CREATE));
	assert_int_equal(os_directory_sync(world->disk, "").code, PYR_OK);
	os_file_close(open_file(world->disk, "d", OS_OPEN_WRITE | OS_OPEN_CREATE));
	assert_int_equal(os_directory_list(world->disk, "", remove_it, world->disk).code, PYR_OK);
	assert_int_equal(name_count(world->disk, ""), 0);
}

/* ---- the real loop and its threads ---- */

enum { JOBS = 200 };

struct work {
	struct os_job jobs[JOBS];
	unsigned order[JOBS];
	atomic_uint ran;
	unsigned done;
	struct os_loop *loop;
	struct os_timer late; /* ends a test that hangs */
	bool timed_out;
	struct os_task task;
	bool posted;
};

static struct work *the_work; /* jobs find it here: one test at a time */

static void run_job(struct os_job *job)
{
	unsigned at = atomic_fetch_add(&the_work->ran, 1);
	the_work->order[at] = (unsigned)(job - the_work->jobs);
}

static void job_done(struct os_job *job)
{
	struct work *work = the_work;
	assert_ptr_equal(job->executor->loop, work->loop);
	work->done += 1;
	if (work->done == JOBS)
		os_real_loop_stop(work->loop);
}

static void too_late(struct os_timer *timer)
{
	struct work *work = (struct work *)(void *)((char *)timer - offsetof(struct work, late));
	work->timed_out = true;
	os_real_loop_stop(work->loop);
}

static void run_task(struct os_task *task)
{
	struct work *work = (struct work *)(void *)((char *)task - offsetof(struct work, task));
	work->posted = true;
}

static void run_jobs(unsigned threads)
{
	struct work *work = calloc(1, sizeof *work);
	assert_non_null(work);
	the_work = work;
	work->loop = os_real_loop_new();
	assert_non_null(work->loop);
	struct os_executor *executor = os_executor_new(work->loop, "test", OS_ORDINARY, threads, 1 << 18);
	assert_non_null(executor);
	work->late.fire = too_late;
	os_timer_start(work->loop, &work->late, 10000000);
	work->task.run = run_task;
	os_loop_post(work->loop, &work->task);
	for (unsigned i = 0; i < JOBS; i++) {
		work->jobs[i].run = run_job;
		work->jobs[i].done = job_done;
		os_submit(executor, &work->jobs[i]);
	}
	os_real_loop_run(work->loop);
	assert_false(work->timed_out);
	assert_true(work->posted);
	assert_int_equal(atomic_load(&work->ran), JOBS);
	for (unsigned i = 0; threads == 1 && i < JOBS; i++)
		assert_int_equal(work->order[i], i);
	os_timer_stop(work->loop, &work->late);
	os_executor_free(executor);
	os_real_loop_free(work->loop);
	free(work);
}

static void one_thread_keeps_the_order_of_its_jobs(void **state)
{
	(void)state;
	run_jobs(1);
}

static void several_threads_run_every_job_once(void **state)
{
	(void)state;
	run_jobs(4);
}

/* ---- alarms and processes ---- */

struct alarmed {
	struct os_loop *loop;
	struct os_real_alarm *alarm;
	uint64_t due_us;
	unsigned fired;
};

enum { ALARMS = 20, ALARM_US = 300 };

static void on_alarm(void *context)
{
	struct alarmed *alarmed = context;
	assert_true(os_now_us(alarmed->loop) >= alarmed->due_us);
	alarmed->fired += 1;
	alarmed->due_us += ALARM_US;
	if (alarmed->fired < ALARMS)
		os_real_alarm_set(alarmed->alarm, alarmed->due_us);
	else
		os_real_loop_stop(alarmed->loop);
}

static void an_alarm_fires_when_it_is_due_and_once(void **state)
{
	(void)state;
	struct alarmed alarmed = {.loop = os_real_loop_new()};
	assert_non_null(alarmed.loop);
	alarmed.alarm = os_real_alarm_new(alarmed.loop, on_alarm, &alarmed);
	assert_non_null(alarmed.alarm);
	os_real_alarm_set(alarmed.alarm, os_now_us(alarmed.loop) + 3600000000);
	alarmed.due_us = os_now_us(alarmed.loop) + ALARM_US;
	os_real_alarm_set(alarmed.alarm, alarmed.due_us); /* replaces the hour */
	os_real_loop_run(alarmed.loop);
	assert_int_equal(alarmed.fired, ALARMS);
	os_real_alarm_free(alarmed.alarm);
	os_real_loop_free(alarmed.loop);
}

/* ---- deferred tasks ---- */

struct deferring {
	struct os_loop *loop;
	struct os_timer timer, deadline;
	struct os_task first, second;
	int ran; /* tasks */
	bool late;
};

static void on_deadline(struct os_timer *timer)
{
	struct deferring *deferring = BASE_CONTAINER(timer, struct deferring, deadline);
	deferring->late = true;
	os_real_loop_stop(deferring->loop);
}

static void run_second(struct os_task *task)
{
	struct deferring *deferring = BASE_CONTAINER(task, struct deferring, second);
	assert_int_equal(deferring->ran++, 1);
	os_real_loop_stop(deferring->loop);
}

static void run_first(struct os_task *task)
{
	struct deferring *deferring = BASE_CONTAINER(task, struct deferring, first);
	assert_int_equal(deferring->ran++, 0);
	os_loop_defer(deferring->loop, &deferring->second);
}

/* Not at once, but before the turn's end: a timer fires right before the loop waits, and nothing else would wake it. */
static void defer_first(struct os_timer *timer)
{
	struct deferring *deferring = BASE_CONTAINER(timer, struct deferring, timer);
	os_loop_defer(deferring->loop, &deferring->first);
	assert_int_equal(deferring->ran, 0);
}

static void what_is_deferred_runs_before_the_loop_waits(void **state)
{
	(void)state;
	struct deferring deferring = {.loop = os_real_loop_new()};
	assert_non_null(deferring.loop);
	deferring.timer.fire = defer_first;
	deferring.deadline.fire = on_deadline;
	deferring.first.run = run_first;
	deferring.second.run = run_second;
	os_timer_start(deferring.loop, &deferring.timer, 1000);
	os_timer_start(deferring.loop, &deferring.deadline, 5000000);
	os_real_loop_run(deferring.loop);
	assert_false(deferring.late);
	assert_int_equal(deferring.ran, 2);
	os_timer_stop(deferring.loop, &deferring.deadline);
	os_real_loop_free(deferring.loop);
}

static void a_process_knows_what_it_has_used(void **state)
{
	(void)state;
	enum { BYTES = 64 << 20 };
	struct os_process_usage before, after;
	assert_int_equal(os_process_usage(0, &before).code, PYR_OK);
	assert_true(before.resident_bytes > 0 && before.peak_bytes >= before.resident_bytes);
	do { /* until some of it shows in units of the system's clock tick */
		volatile uint8_t *bytes = malloc(BYTES);
		assert_non_null(bytes);
		for (size_t i = 0; i < BYTES; i += 512)
			bytes[i] = 1;
		free((void *)(uintptr_t)bytes);
		assert_int_equal(os_process_usage(0, &after).code, PYR_OK);
	} while (after.cpu_us == before.cpu_us);
	assert_true(after.cpu_us > before.cpu_us);
	assert_true(after.peak_bytes >= before.resident_bytes + BYTES / 2);
	assert_int_equal(os_process_usage(UINT32_MAX, &after).code, PYR_NOT_FOUND);
}

static void a_file_is_read_whole_or_refused(void **state)
{
	(void)state;
	enum { BYTES = 100000 };
	char path[] = "/tmp/pyralog-read-XXXXXX";
	struct base_slice bytes = {0};
	int made = mkstemp(path);
	FILE *file = made >= 0 ? fopen(path, "w") : NULL;
	assert_non_null(file);
	for (unsigned i = 0; i < BYTES; i++)
		fputc((int)(i % 251), file);
	fclose(file);
	assert_int_equal(os_environment_read_file(path, BYTES - 1, &bytes).code, PYR_TOO_LARGE);
	assert_int_equal(os_environment_read_file(path, BYTES, &bytes).code, PYR_OK);
	assert_int_equal(bytes.bytes, BYTES);
	for (unsigned i = 0; i < BYTES; i++)
		assert_int_equal(bytes.data[i], i % 251);
	base_slice_release(&bytes);
	remove(path);
	assert_int_equal(os_environment_read_file(path, BYTES, &bytes).code, PYR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order_whatever_was_stopped),
		cmocka_unit_test_setup_teardown(real_files, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(a_folder_is_held_until_all_have_released_it, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(simulated_files, make_world, free_world),
		cmocka_unit_test_setup_teardown(what_was_synced_stays_and_what_was_not_may_go, make_world, free_world),
		cmocka_unit_test_setup_teardown(a_name_needs_a_sync_of_its_directory, make_world, free_world),
		cmocka_unit_test_setup_teardown(a_failed_sync_loses_what_the_next_one_confirms, make_world, free_world),
		cmocka_unit_test_setup_teardown(a_full_disk_says_so, make_world, free_world),
		cmocka_unit_test_setup_teardown(files_may_be_removed_while_they_are_listed, make_world, free_world),
		cmocka_unit_test(one_thread_keeps_the_order_of_its_jobs),
		cmocka_unit_test(several_threads_run_every_job_once),
		cmocka_unit_test(an_alarm_fires_when_it_is_due_and_once),
		cmocka_unit_test(what_is_deferred_runs_before_the_loop_waits),
		cmocka_unit_test(a_process_knows_what_it_has_used),
		cmocka_unit_test(a_file_is_read_whole_or_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
