/* The libraries we are given are the ones we think: DuckDB is the pinned version, BLAKE3 (compiled here, with the
 * assembly its own dispatcher picks) gives the published digest, PostgreSQL's parser parses and refuses. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <blake3.h>
#include <duckdb.h>
#include <pg_query.h>
#include <string.h>

static void duckdb_is_the_pinned_version(void **state)
{
	(void)state;
	assert_string_equal(duckdb_library_version(), PYR_DUCKDB_VERSION);
}

static void duckdb_answers(void **state)
{
	(void)state;
	duckdb_database database;
	duckdb_connection connection;
	duckdb_result result;
	assert_int_equal(duckdb_open(NULL, &database), DuckDBSuccess);
	assert_int_equal(duckdb_connect(database, &connection), DuckDBSuccess);
	assert_int_equal(duckdb_query(connection, "SELECT 40 + 2", &result), DuckDBSuccess);
	duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
	assert_non_null(chunk);
	const int32_t *column = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
	assert_int_equal(column[0], 42);
	duckdb_destroy_data_chunk(&chunk);
	duckdb_destroy_result(&result);
	duckdb_disconnect(&connection);
	duckdb_close(&database);
}

/* The digest of the empty input is the one of the BLAKE3 paper. 100,000 bytes reach the wide code paths: hashed whole
 * and in pieces they must agree. */
static void blake3_gives_the_published_digest(void **state)
{
	(void)state;
	static const uint8_t empty_digest[4] = {0xaf, 0x13, 0x49, 0xb9};
	static uint8_t input[100000];
	uint8_t whole[BLAKE3_OUT_LEN], pieces[BLAKE3_OUT_LEN];
	blake3_hasher hasher;
	blake3_hasher_init(&hasher);
	blake3_hasher_finalize(&hasher, whole, sizeof whole);
	assert_memory_equal(whole, empty_digest, sizeof empty_digest);
	for (size_t i = 0; i < sizeof input; i++)
		input[i] = (uint8_t)(i % 251);
	blake3_hasher_update(&hasher, input, sizeof input);
	blake3_hasher_finalize(&hasher, whole, sizeof whole);
	blake3_hasher_init(&hasher);
	for (size_t at = 0; at < sizeof input; at += 1000)
		blake3_hasher_update(&hasher, input + at, 1000);
	blake3_hasher_finalize(&hasher, pieces, sizeof pieces);
	assert_memory_equal(whole, pieces, sizeof whole);
}

static void pg_query_parses_and_refuses(void **state)
{
	(void)state;
	PgQueryProtobufParseResult good = pg_query_parse_protobuf("SELECT value->>'carrier' FROM flights");
	assert_null(good.error);
	assert_true(good.parse_tree.len > 0);
	pg_query_free_protobuf_parse_result(good);
	PgQueryProtobufParseResult bad = pg_query_parse_protobuf("SELEC 1");
	assert_non_null(bad.error);
	assert_int_equal(bad.error->cursorpos, 1);
	pg_query_free_protobuf_parse_result(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duckdb_is_the_pinned_version),
		cmocka_unit_test(duckdb_answers),
		cmocka_unit_test(blake3_gives_the_published_digest),
		cmocka_unit_test(pg_query_parses_and_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
