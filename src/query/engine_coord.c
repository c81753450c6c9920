/* The table functions pyralog_slots, pyralog_sessions and pyralog_locks(handle): what the Pharaoh node of this server has. */
#include "query/engine_listing.h"

static pyr_result load(const struct query_run *run, enum query_coord_kind kind, void **ret_rows, size_t *ret_count,
                       struct pyr_error *error)
{
	if (!run->source->ops->coord_list)
		return pyr_ok();
	return run->source->ops->coord_list(run->source, run->principal, kind, ret_rows, ret_count, error);
}

static pyr_result load_slots(const struct query_run *run, void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	return load(run, QUERY_SLOTS, ret_rows, ret_count, error);
}

static pyr_result load_sessions(const struct query_run *run, void **ret_rows, size_t *ret_count,
                                struct pyr_error *error)
{
	return load(run, QUERY_SESSIONS, ret_rows, ret_count, error);
}

static pyr_result load_locks(const struct query_run *run, void **ret_rows, size_t *ret_count, struct pyr_error *error)
{
	return load(run, QUERY_LOCKS, ret_rows, ret_count, error);
}

static void fill_slot(duckdb_data_chunk chunk, idx_t at, const void *row)
{
	const struct query_slot *slot = row;
	query_listing_set_number(chunk, 0, at, slot->slot);
	query_listing_set_text(chunk, 1, at, slot->owner);
	query_listing_set_number(chunk, 2, at, slot->epoch);
}

static void fill_session(duckdb_data_chunk chunk, idx_t at, const void *row)
{
	const struct query_coord_session *session = row;
	query_listing_set_number(chunk, 0, at, session->session);
	query_listing_set_number(chunk, 1, at, session->slot);
	query_listing_set_number(chunk, 2, at, session->ttl_ms);
	query_listing_set_number(chunk, 3, at, session->left_ms);
	query_listing_set_number(chunk, 4, at, session->locks);
}

static void fill_lock(duckdb_data_chunk chunk, idx_t at, const void *row)
{
	const struct query_lock *lock = row;
	query_listing_set_text(chunk, 0, at, lock->name);
	query_listing_set_number(chunk, 1, at, lock->slot);
	query_listing_set_number(chunk, 2, at, lock->session);
	query_listing_set_number(chunk, 3, at, lock->token);
	query_listing_set_number(chunk, 4, at, lock->waiting);
	query_listing_set_number(chunk, 5, at, lock->value_bytes);
}

static const struct query_listing_column slot_columns[] = {
	{"slot", DUCKDB_TYPE_BIGINT}, {"owner", DUCKDB_TYPE_VARCHAR}, {"epoch", DUCKDB_TYPE_BIGINT}};
static const struct query_listing_column session_columns[] = {{"session_id", DUCKDB_TYPE_BIGINT},
                                                              {"slot", DUCKDB_TYPE_BIGINT},
                                                              {"ttl_ms", DUCKDB_TYPE_BIGINT},
                                                              {"left_ms", DUCKDB_TYPE_BIGINT},
                                                              {"locks", DUCKDB_TYPE_BIGINT}};
static const struct query_listing_column lock_columns[] = {
	{"name", DUCKDB_TYPE_VARCHAR}, {"slot", DUCKDB_TYPE_BIGINT},    {"session_id", DUCKDB_TYPE_BIGINT},
	{"token", DUCKDB_TYPE_BIGINT}, {"waiting", DUCKDB_TYPE_BIGINT}, {"value_bytes", DUCKDB_TYPE_BIGINT}};

const struct query_listing query_listing_slots = {"pyralog_slots",           slot_columns, 3,
                                                  sizeof(struct query_slot), load_slots,   fill_slot};
const struct query_listing query_listing_sessions = {
	"pyralog_sessions", session_columns, 5, sizeof(struct query_coord_session), load_sessions, fill_session};
const struct query_listing query_listing_locks = {"pyralog_locks",           lock_columns, 6,
                                                  sizeof(struct query_lock), load_locks,   fill_lock};
