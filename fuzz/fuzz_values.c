/* Texts that become values in the query layer, with hostile bytes: array texts, time stamps, templates of to_char. The first
 * byte says where template and text part. */
#include "query/arrays.h"
#include "query/to_char.h"
#include "query/writes.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char format[QUERY_TO_CHAR_MAX], text[QUERY_TO_CHAR_MAX], room[QUERY_TO_CHAR_MAX];
	struct base_writer writer;
	int64_t us = 0;
	double real = 0;
	if (bytes < 1)
		return 0;
	size_t first = data[0] < bytes - 1 ? data[0] : bytes - 1, second = bytes - 1 - first;
	second = second < sizeof text - 1 ? second : sizeof text - 1;
	memcpy(format, data + 1, first);
	memcpy(text, data + 1 + first, second);
	format[first] = text[second] = 0;
	(void)query_timestamp_read((struct base_bytes){data + 1, bytes - 1}, &us);
	if (second >= sizeof real) {
		memcpy(&us, text, sizeof us);
		memcpy(&real, text, sizeof real);
	}
	us %= (int64_t)1 << 60;
	assert(query_time_format(us, format, true, room) < sizeof room);
	assert(query_number_format(real, format, room) < sizeof room);
	(void)query_time_read(text, format, &us);
	base_writer_init(&writer, 1 << 20);
	pyr_ignore(query_array_write(&writer, (struct base_bytes){data + 1, bytes - 1},
	                             (enum query_array_kind)(data[0] % 3)));
	base_writer_deinit(&writer);
	return 0;
}
