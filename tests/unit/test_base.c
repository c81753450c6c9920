/* base/: cursors at their limits, checksums by two ways, buffers and slices, the hash table. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/json_text.h"
#include "base/list.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

/* Chance that is the same every time. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 11;
}

/* ---- cursors ---- */

static void integers_come_back_in_both_orders(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0x01, 0x12, 0x34, 0x34, 0x12, 0x12, 0x34,
	                                   0x56, 0x78, 0x78, 0x56, 0x34, 0x12};
	struct base_writer writer;
	struct base_slice slice;
	base_writer_init(&writer, 100);
	base_write_u8(&writer, 1);
	base_write_u16be(&writer, 0x1234);
	base_write_u16le(&writer, 0x1234);
	base_write_u32be(&writer, 0x12345678);
	base_write_u32le(&writer, 0x12345678);
	base_write_u64be(&writer, 0x0102030405060708);
	base_write_u64le(&writer, 0x0102030405060708);
	assert_int_equal(base_writer_take(&writer, &slice).code, PYR_OK);
	assert_int_equal(slice.bytes, sizeof expected + 16);
	assert_memory_equal(slice.data, expected, sizeof expected);
	struct base_reader reader = base_reader_init(slice.data, slice.bytes);
	assert_int_equal(base_read_u8(&reader), 1);
	assert_int_equal(base_read_u16be(&reader), 0x1234);
	assert_int_equal(base_read_u16le(&reader), 0x1234);
	assert_int_equal(base_read_u32be(&reader), 0x12345678);
	assert_int_equal(base_read_u32le(&reader), 0x12345678);
	assert_int_equal(base_read_u64be(&reader), 0x0102030405060708);
	assert_int_equal(base_read_u64le(&reader), 0x0102030405060708);
	assert_int_equal(base_reader_left(&reader), 0);
	assert_int_equal(base_reader_check(&reader, PYR_CORRUPT).code, PYR_OK);
	base_slice_release(&slice);
	base_writer_deinit(&writer);
}

static void a_reader_that_failed_gives_zeros_for_good(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {1, 2, 3};
	struct base_reader reader = base_reader_init(bytes, sizeof bytes);
	assert_int_equal(base_read_u16be(&reader), 0x0102);
	assert_int_equal(base_read_u16be(&reader), 0);
	assert_int_equal(base_read_u8(&reader), 0); /* though a byte is left */
	assert_null(base_read_bytes(&reader, 0 + 1));
	assert_int_equal(base_reader_check(&reader, PYR_CORRUPT).code, PYR_CORRUPT);
	reader = base_reader_init(bytes, sizeof bytes);
	base_read_skip(&reader, SIZE_MAX); /* must not wrap around */
	assert_true(reader.failed);
}

static void varints_at_their_edges(void **state)
{
	(void)state;
	static const int64_t values[] = {0, -1, 1, 63, 64, -64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct base_writer writer;
		base_writer_init(&writer, 100);
		base_write_varint(&writer, values[i]);
		base_write_uvarint(&writer, (uint64_t)values[i]);
		assert_true(writer.bytes <= 20);
		struct base_reader reader = base_reader_init(writer.buffer->data, writer.bytes);
		assert_true(base_read_varint64(&reader) == values[i]);
		assert_true(base_read_uvarint64(&reader) == (uint64_t)values[i]);
		assert_true(!reader.failed && base_reader_left(&reader) == 0);
		base_writer_deinit(&writer);
	}
}

static void varints_that_are_too_long_fail(void **state)
{
	(void)state;
	static const uint8_t six[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
	static const uint8_t eleven[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	static const uint8_t cut[] = {0xff, 0xff};
	struct base_reader reader = base_reader_init(six, sizeof six);
	(void)base_read_uvarint32(&reader);
	assert_true(reader.failed);
	reader = base_reader_init(six, sizeof six);
	assert_true(base_read_uvarint64(&reader) == 1ull << 35 && !reader.failed);
	reader = base_reader_init(eleven, sizeof eleven);
	(void)base_read_uvarint64(&reader);
	assert_true(reader.failed);
	reader = base_reader_init(cut, sizeof cut);
	(void)base_read_varint32(&reader);
	assert_true(reader.failed);
}

static void a_writer_stops_at_its_limit(void **state)
{
	(void)state;
	struct base_writer writer;
	struct base_slice slice;
	base_writer_init(&writer, 10);
	base_write_u64le(&writer, 1);
	assert_false(writer.failed);
	base_write_u32le(&writer, 2);
	assert_true(writer.failed);
	assert_int_equal(base_writer_take(&writer, &slice).code, PYR_OUT_OF_MEMORY);
	base_writer_deinit(&writer);
}

/* ---- checksums ---- */

/* RFC 3720, appendix B.4. */
static void crc32c_of_known_bytes(void **state)
{
	(void)state;
	uint8_t zeros[32] = {0}, ones[32], up[32];
	memset(ones, 0xff, sizeof ones);
	for (uint8_t i = 0; i < 32; i++)
		up[i] = i;
	assert_int_equal(base_crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(base_crc32c(0, ones, 32), 0x62a8ab43);
	assert_int_equal(base_crc32c(0, up, 32), 0x46dd794e);
	assert_int_equal(base_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(base_crc32c_portable(0, "123456789", 9), 0xe3069283);
	assert_int_equal(base_crc32c(7, "", 0), 7);
}

static void both_ways_agree_at_any_length_and_alignment(void **state)
{
	(void)state;
	enum { BYTES = 20000, ROUNDS = 2000 };
	uint64_t chance = 1;
	uint8_t *bytes = malloc(BYTES);
	assert_non_null(bytes);
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)next_random(&chance);
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t from = next_random(&chance) % 64;
		size_t count = next_random(&chance) % (i % 2 ? 100 : BYTES - 64);
		size_t cut = count ? next_random(&chance) % count : 0;
		uint32_t before = (uint32_t)next_random(&chance);
		uint32_t whole = base_crc32c(before, bytes + from, count);
		assert_int_equal(whole, base_crc32c_portable(before, bytes + from, count));
		assert_int_equal(whole,
		                 base_crc32c(base_crc32c(before, bytes + from, cut), bytes + from + cut, count - cut));
		assert_int_equal(whole,
		                 base_crc32c_combine(base_crc32c(before, bytes + from, cut),
		                                     base_crc32c(0, bytes + from + cut, count - cut), count - cut));
	}
	free(bytes);
}

/* ---- buffers ---- */

static void the_last_reference_frees(void **state)
{
	(void)state;
	struct base_buffer *buffer = base_buffer_new(100);
	assert_non_null(buffer);
	memset(buffer->data, 7, 100);
	struct base_slice slice = base_slice_of(buffer, 10, 50);
	base_buffer_unref(buffer);
	struct base_slice part = base_slice_sub(slice, 40, 10); /* takes a reference, or shares it: ASan counts */
	assert_ptr_equal(part.data, slice.data + 40);
	assert_int_equal(part.bytes, 10);
	struct base_slice again = base_slice_ref(slice);
	base_slice_release(&slice);
	assert_null(slice.data);
	assert_int_equal(again.data[49], 7);
	base_slice_release(&again);
	base_slice_release(&again); /* a zero slice is fine */
	assert_int_equal(part.data[9], 7);
	base_slice_release(&part);
	base_buffer_unref(NULL);
}

static void a_copy_is_its_own(void **state)
{
	(void)state;
	char text[] = "hello";
	struct base_slice slice = base_slice_copy(text, 5);
	text[0] = 'j';
	assert_memory_equal(slice.data, "hello", 5);
	base_slice_release(&slice);
}

/* ---- the table ---- */

struct entry {
	struct base_table_node node;
	uint64_t key;
	bool there;
};

static bool same_key(const struct base_table_node *node, const void *key)
{
	return BASE_CONTAINER(node, struct entry, node)->key == *(const uint64_t *)key;
}

static void a_table_finds_what_it_holds(void **state)
{
	(void)state;
	enum { ENTRIES = 2000 };
	struct base_table table = {0};
	struct entry *entries = calloc(ENTRIES, sizeof *entries);
	uint64_t chance = 3;
	size_t count = 0;
	assert_non_null(entries);
	for (size_t round = 0; round < 20000; round++) {
		uint64_t key = next_random(&chance) % ENTRIES;
		struct entry *entry = &entries[key];
		/* A poor hash, so that chains are long and equal hashes are told apart. */
		struct base_table_node *found = base_table_find(&table, key % 500, same_key, &key);
		assert_ptr_equal(found, entry->there ? &entry->node : NULL);
		entry->key = key;
		if (entry->there)
			base_table_remove(&table, &entry->node);
		else
			assert_true(base_table_insert(&table, &entry->node, key % 500));
		entry->there = !entry->there;
		count += entry->there ? 1 : (size_t)-1;
		assert_int_equal(table.count, count);
	}
	size_t walked = 0;
	for (struct base_table_node *node = NULL; (node = base_table_next(&table, node)); walked++)
		assert_true(BASE_CONTAINER(node, struct entry, node)->there);
	assert_int_equal(walked, count);
	base_table_deinit(&table);
	free(entries);
}

static void lists_keep_their_order(void **state)
{
	(void)state;
	struct base_list a, b, nodes[4];
	base_list_init(&a);
	base_list_init(&b);
	for (size_t i = 0; i < 4; i++)
		base_list_append(i < 2 ? &a : &b, &nodes[i]);
	base_list_splice(&a, &b);
	assert_true(base_list_empty(&b));
	base_list_remove(&nodes[1]);
	assert_ptr_equal(base_list_pop(&a), &nodes[0]);
	assert_ptr_equal(base_list_pop(&a), &nodes[2]);
	assert_ptr_equal(base_list_pop(&a), &nodes[3]);
	assert_null(base_list_pop(&a));
}

static void json_text_is_escaped_and_utf8(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"", "\"\""},
		{"a \"b\" \\ \n\x1f", "\"a \\\"b\\\" \\\\ \\u000a\\u001f\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff|\xc3", "\"\\ufffd|\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""}, /* longer than needed */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* half a pair */
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond the last */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct base_writer writer;
		base_writer_init(&writer, 1000);
		base_write_json_text(&writer, cases[i].text);
		assert_int_equal(writer.bytes, strlen(cases[i].json));
		assert_memory_equal(writer.buffer->data, cases[i].json, writer.bytes);
		base_writer_deinit(&writer);
	}
}

/* Each length up to five chunks, many at a time, next to inputs of other lengths. */
static void blake3_of_many_is_that_of_each(void **state)
{
	enum { BYTES_MAX = 5 * 1024 + 1, MANY = 200 };
	static uint8_t data[BYTES_MAX];
	struct base_bytes inputs[MANY];
	uint8_t hashes[MANY][BASE_BLAKE3_BYTES], expected[BASE_BLAKE3_BYTES];
	unsigned seed = 1;
	(void)state;
	for (size_t i = 0; i < BYTES_MAX; i++)
		data[i] = (uint8_t)rand_r(&seed);
	for (size_t first = 0; first <= BYTES_MAX; first += MANY) {
		for (size_t i = 0; i < MANY; i++) {
			size_t bytes = first + i <= BYTES_MAX ? first + i : (size_t)rand_r(&seed) % BYTES_MAX;
			inputs[i] = (struct base_bytes){data + (BYTES_MAX - bytes), bytes};
		}
		base_blake3_many(inputs, MANY, hashes);
		for (size_t i = 0; i < MANY; i++) {
			base_blake3(&inputs[i], 1, expected);
			assert_memory_equal(hashes[i], expected, sizeof expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_come_back_in_both_orders),
		cmocka_unit_test(a_reader_that_failed_gives_zeros_for_good),
		cmocka_unit_test(varints_at_their_edges),
		cmocka_unit_test(varints_that_are_too_long_fail),
		cmocka_unit_test(a_writer_stops_at_its_limit),
		cmocka_unit_test(crc32c_of_known_bytes),
		cmocka_unit_test(both_ways_agree_at_any_length_and_alignment),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(a_copy_is_its_own),
		cmocka_unit_test(a_table_finds_what_it_holds),
		cmocka_unit_test(lists_keep_their_order),
		cmocka_unit_test(json_text_is_escaped_and_utf8),
		cmocka_unit_test(blake3_of_many_is_that_of_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
