/* COPY FROM's formats (server/pg/copy.h) with hostile bytes, all at once and cut into pieces: no crash, and the same rows.
 * The first byte picks format and options, the second the size of the pieces. */
#include "server/pg/copy.h"

#include "base/hash.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { COLUMNS = 3 };

struct seen {
	uint64_t rows, sum;
};

static pyr_result on_row(void *context, const struct query_field *fields, struct query_error *error)
{
	struct seen *seen = context;
	(void)error;
	seen->rows += 1;
	for (size_t i = 0; i < COLUMNS; i++) {
		seen->sum = base_hash_u64(seen->sum ^ (fields[i].text.data ? fields[i].text.bytes + 1 : 0));
		for (size_t k = 0; k < fields[i].text.bytes; k++)
			seen->sum = base_hash_u64(seen->sum ^ fields[i].text.data[k]);
	}
	return pyr_ok();
}

static bool read_all(const struct query_copy *copy, const uint8_t *data, size_t bytes, size_t step, struct seen *seen)
{
	struct pg_copy_sink sink = {on_row, seen};
	struct query_error error;
	struct pg_copy_in *in = pg_copy_in_new(copy, COLUMNS, &sink);
	assert(in);
	pyr_result result = pyr_ok();
	for (size_t at = 0; at < bytes && result.code == PYR_OK; at += step) {
		size_t part = bytes - at < step ? bytes - at : step;
		result = pg_copy_in_take(in, (struct base_bytes){data + at, part}, &error);
	}
	if (result.code == PYR_OK)
		result = pg_copy_in_end(in, &error);
	pg_copy_in_free(in);
	return result.code == PYR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	struct query_copy copy = {.format = data[0] % 3,
	                          .header = data[0] & 4,
	                          .delimiter = data[0] & 8 ? ';' : ',',
	                          .quote = '"',
	                          .escape = data[0] & 16 ? '!' : '"',
	                          .null_text = "\\N"};
	struct seen whole = {0}, cut = {0};
	bool good = read_all(&copy, data + 2, bytes - 2, bytes, &whole);
	bool same = read_all(&copy, data + 2, bytes - 2, (size_t)data[1] + 1, &cut);
	assert(good == same && whole.rows == cut.rows && whole.sum == cut.sum);
	return 0;
}
