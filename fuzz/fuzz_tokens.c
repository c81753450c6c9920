/* query/tokens.h against PostgreSQL's own scanner: what its parser accepts has the same tokens in both, in order. */
#include "query/tokens.h"

#include <assert.h>
#include <pg_query.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pg_query/pg_query.pb-c.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool is_comment(const PgQuery__ScanToken *token)
{
	return token->token == PG_QUERY__TOKEN__SQL_COMMENT || token->token == PG_QUERY__TOKEN__C_COMMENT;
}

static void compare(const char *text, const struct query_token *tokens, size_t count)
{
	PgQueryScanResult scanned = pg_query_scan(text);
	if (!scanned.error) {
		PgQuery__ScanResult *theirs =
			pg_query__scan_result__unpack(NULL, scanned.pbuf.len, (void *)scanned.pbuf.data);
		size_t ours = 0;
		assert(theirs);
		for (size_t i = 0; i < theirs->n_tokens; i++) {
			if (is_comment(theirs->tokens[i]))
				continue;
			assert(ours < count);
			assert(tokens[ours].at == (uint32_t)theirs->tokens[i]->start);
			ours += 1;
		}
		assert(ours == count);
		pg_query__scan_result__free_unpacked(theirs, NULL);
	}
	pg_query_free_scan_result(scanned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct query_token *tokens;
	size_t count, end = 0;
	if (bytes > 4096)
		return 0;
	char *text = calloc(1, bytes + 1);
	assert(text);
	if (bytes > 0)
		memcpy(text, data, bytes);
	assert(query_tokens_read(text, strlen(text), &tokens, &count));
	for (size_t i = 0; i < count; i++) {
		assert(tokens[i].bytes > 0 && tokens[i].at >= end);
		end = tokens[i].at + tokens[i].bytes;
		assert(end <= strlen(text));
	}
	(void)query_tokens_depth(text, tokens, count);
	PgQueryParseResult parsed = pg_query_parse(text);
	if (!parsed.error)
		compare(text, tokens, count);
	pg_query_free_parse_result(parsed);
	free(tokens);
	free(text);
	return 0;
}
