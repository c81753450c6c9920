/* What pyralog produce reads, with hostile bytes: the same records whether the text comes whole or in pieces; and the shell's
 * splitting of statements. The first byte picks the format and the size of the pieces. */
#include "base/hash.h"
#include "cli/rows.h"
#include "shell/split.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct seen {
	uint64_t hash, count;
};

static pyr_result take(void *context, struct base_bytes key, struct base_bytes value, struct pyr_error *error)
{
	struct seen *seen = context;
	(void)error;
	seen->hash = seen->hash * 31 + base_hash_bytes(value.data, value.bytes);
	if (key.data)
		seen->hash = seen->hash * 31 + base_hash_bytes(key.data, key.bytes);
	seen->count += 1;
	return pyr_ok();
}

static enum pyr_code feed(enum cli_rows_format format, struct base_bytes text, size_t piece, struct seen *ret_seen)
{
	struct cli_rows rows;
	pyr_result result = cli_rows_init(&rows, format, format == CLI_ROWS_LINES ? "" : "a", ':', NULL);
	*ret_seen = (struct seen){0};
	for (size_t at = 0; at < text.bytes && result.code == PYR_OK; at += piece) {
		size_t some = text.bytes - at < piece ? text.bytes - at : piece;
		result = cli_rows_feed(&rows, (struct base_bytes){text.data + at, some}, false, take, ret_seen, NULL);
	}
	if (result.code == PYR_OK)
		result = cli_rows_feed(&rows, (struct base_bytes){0}, true, take, ret_seen, NULL);
	cli_rows_deinit(&rows);
	return result.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct seen whole, pieces;
	if (bytes < 2)
		return 0;
	struct base_bytes text = {data + 1, bytes - 1};
	enum cli_rows_format format = (enum cli_rows_format)(data[0] % 3);
	enum pyr_code first = feed(format, text, text.bytes, &whole);
	enum pyr_code second = feed(format, text, (size_t)data[0] / 3 + 1, &pieces);
	assert(first == second && whole.hash == pieces.hash && whole.count == pieces.count);
	char *copy = malloc(text.bytes + 1); /* strndup() of the sanitizer reads one byte too many */
	assert(copy);
	memcpy(copy, text.data, text.bytes);
	copy[text.bytes] = '\0';
	assert(shell_split(copy).at <= strlen(copy));
	free(copy);
	return 0;
}
