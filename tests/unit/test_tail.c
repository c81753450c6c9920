/* The tail of a partition against a plain array: random operations, what snapshots share does not change, and every
 * reference is given back. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "log/tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1000, SPANS_MAX = 40, STEPS = 20000, SEEDS = 20, RECORDS = 3, GAP = 2 };

struct expected {
	int64_t base_offset;
	bool cached;
};

struct shared {
	struct log_tail_span span;
	struct expected entries[LOG_TAIL_CHUNK_ENTRIES];
};

struct test {
	struct log_tail tail;
	struct os_pool_file file; /* of all entries; one reference is the test's */
	struct base_buffer *buffer; /* likewise */
	struct expected entries[ENTRIES_MAX];
	size_t count;
	int64_t next_offset;
	int64_t shared_end; /* spans have nothing from here on */
	struct shared spans[SPANS_MAX];
	size_t span_count;
	unsigned seed;
};

static size_t pick(struct test *test, size_t below)
{
	return below == 0 ? 0 : (size_t)rand_r(&test->seed) % below;
}

static void push(struct test *test)
{
	if (test->count == ENTRIES_MAX)
		return;
	struct log_tail_entry entry = {
		.base_offset = test->next_offset,
		.last_offset = test->next_offset + RECORDS - 1,
		.file = os_pool_file_ref(&test->file),
		.slice = base_slice_of(test->buffer, 0, 1),
	};
	assert_int_equal(log_tail_push(&test->tail, &entry).code, PYR_OK);
	test->entries[test->count++] = (struct expected){entry.base_offset, true};
	test->next_offset += RECORDS + (pick(test, 10) == 0 ? GAP : 0);
}

static void forget_front(struct test *test, size_t count)
{
	test->count -= count;
	memmove(test->entries, test->entries + count, test->count * sizeof *test->entries);
}

static void drop_front(struct test *test)
{
	size_t count = pick(test, test->count + 1);
	log_tail_drop_front(&test->tail, count);
	forget_front(test, count);
}

static void take_front(struct test *test)
{
	struct log_tail front;
	size_t count = pick(test, test->count + 1);
	log_tail_take_front(&test->tail, count, &front);
	log_tail_release(&front);
	forget_front(test, count);
}

/* Nothing that a span has is taken back: it is committed. */
static void drop_back(struct test *test)
{
	size_t from = test->count - pick(test, test->count < 60 ? test->count + 1 : 60);
	while (from < test->count && test->entries[from].base_offset < test->shared_end)
		from += 1;
	log_tail_drop_back(&test->tail, from);
	test->count = from;
}

static void uncache(struct test *test)
{
	if (test->count == 0)
		return;
	size_t i = pick(test, test->count);
	log_tail_uncache(&test->tail, i);
	test->entries[i].cached = false;
}

static void share(struct test *test)
{
	size_t from = pick(test, test->count), to = from + pick(test, test->count - from + 1);
	while (from < to && test->span_count < SPANS_MAX) {
		struct shared *shared = &test->spans[test->span_count++];
		shared->span = log_tail_share(&test->tail, from, to);
		size_t count = shared->span.to - shared->span.from;
		assert_true(count > 0 && from + count <= to);
		memcpy(shared->entries, test->entries + from, count * sizeof *shared->entries);
		from += count;
		if (test->entries[from - 1].base_offset >= test->shared_end)
			test->shared_end = test->entries[from - 1].base_offset + 1;
	}
}

static void release_span(struct test *test)
{
	if (test->span_count == 0)
		return;
	size_t i = pick(test, test->span_count);
	log_tail_span_release(&test->spans[i].span);
	test->spans[i] = test->spans[--test->span_count];
}

static void check_entry(const struct log_tail_entry *entry, const struct expected *expected)
{
	assert_int_equal(entry->base_offset, expected->base_offset);
	assert_int_equal(entry->slice.data != NULL, expected->cached);
}

static void check(const struct test *test)
{
	assert_int_equal(test->tail.count, test->count);
	for (size_t i = 0; i < test->count; i++) {
		check_entry(log_tail_at(&test->tail, i), &test->entries[i]);
		assert_int_equal(log_tail_search(&test->tail, test->entries[i].base_offset), i);
		assert_int_equal(log_tail_search(&test->tail, test->entries[i].base_offset + RECORDS - 1), i);
	}
	assert_int_equal(log_tail_search(&test->tail, test->next_offset), test->count);
	for (size_t i = 0; i < test->span_count; i++) {
		const struct log_tail_span *span = &test->spans[i].span;
		for (size_t slot = span->from; slot < span->to; slot++)
			check_entry(&span->chunk->entries[slot], &test->spans[i].entries[slot - span->from]);
	}
}

static void step(struct test *test)
{
	size_t kind = pick(test, 100);
	if (kind < 80)
		for (size_t i = pick(test, 20); i > 0; i--)
			push(test);
	else if (kind < 83)
		drop_front(test);
	else if (kind < 86)
		take_front(test);
	else if (kind < 89)
		drop_back(test);
	else if (kind < 92)
		uncache(test);
	else if (kind < 95)
		share(test);
	else
		release_span(test);
}

static void random_operations_agree_with_an_array(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		static struct test test;
		print_message("seed %u\n", seed);
		test = (struct test){.seed = seed, .buffer = base_buffer_new(1)};
		os_pool_file_init(&test.file, NULL, "file", NULL, NULL);
		for (unsigned i = 0; i < STEPS / SEEDS; i++) {
			step(&test);
			check(&test);
		}
		while (test.span_count > 0)
			release_span(&test);
		log_tail_release(&test.tail);
		assert_int_equal(test.file.references, 1);
		assert_int_equal(test.buffer->references, 1);
		base_buffer_unref(test.buffer);
	}
}

/* What passes through the tail leaves no memory behind: an idle partition has none. */
static void an_empty_tail_has_no_memory(void **state)
{
	static struct test test;
	(void)state;
	test = (struct test){.seed = 1, .buffer = base_buffer_new(1)};
	os_pool_file_init(&test.file, NULL, "file", NULL, NULL);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 100; i++)
			push(&test);
		log_tail_drop_front(&test.tail, test.count);
		forget_front(&test, test.count);
		assert_null(test.tail.chunks);
		assert_int_equal(test.file.references, 1);
	}
	base_buffer_unref(test.buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_an_array),
		cmocka_unit_test(an_empty_tail_has_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
