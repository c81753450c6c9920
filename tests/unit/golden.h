/* Golden files of tests/golden/, for the tests: bytes that the formats' documents say, written by another hand. */
#ifndef PYRALOG_TESTS_UNIT_GOLDEN_H
#define PYRALOG_TESTS_UNIT_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GOLDEN_BYTES_MAX = 8192 };

struct golden {
	uint8_t bytes[GOLDEN_BYTES_MAX];
	size_t count;
};

static inline void golden_line(struct golden *golden, const char *line)
{
	size_t at = strtoul(line, NULL, 16);
	const char *hex = strchr(line, ':') + 2;
	for (unsigned value; sscanf(hex, "%2x", &value) == 1; hex += 2) {
		assert_in_range(at, 0, golden->count - 1);
		golden->bytes[at++] = (uint8_t)value;
	}
}

static inline void golden_load(const char *name, struct golden *ret_golden)
{
	char line[128], path[512];
	snprintf(path, sizeof path, "%s/%s.hex", PYR_GOLDEN_FOLDER, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	*ret_golden = (struct golden){0};
	assert_non_null(fgets(line, sizeof line, file));
	assert_int_equal(sscanf(line, "bytes %zu", &ret_golden->count), 1);
	assert_in_range(ret_golden->count, 1, GOLDEN_BYTES_MAX);
	while (fgets(line, sizeof line, file))
		golden_line(ret_golden, line);
	fclose(file);
}

static inline void golden_check(const char *name, const void *bytes, size_t count)
{
	struct golden golden;
	golden_load(name, &golden);
	assert_int_equal(count, golden.count);
	assert_memory_equal(bytes, golden.bytes, count);
}

#endif
