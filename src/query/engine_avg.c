/* avg() with PostgreSQL's types: numeric of integers and numerics, float8 of floats. The engine's own is float8 always.
 *
 * numeric has NUMERIC_DIGITS digits behind the point, as PostgreSQL shows for averages below 10,000. Sums are 128 bits
 * wide; past them, and past 22 digits before the point, it is 22003. Threads: the engine's; each state has one at a time.
 */
#include "query/engine_duckdb.h"

#include <stdlib.h>
#include <string.h>

enum { NUMERIC_DIGITS = 16 };

/* The engine aligns states to 8 bytes, which is too little for a number of 16. */
struct avg_state {
	uint64_t lower; /* the sum: of integers; of numerics, times 10^NUMERIC_DIGITS */
	int64_t upper;
	double real;
	int64_t count;
	bool overflown;
};

static idx_t state_bytes(duckdb_function_info info)
{
	(void)info;
	return sizeof(struct avg_state);
}

static void init(duckdb_function_info info, duckdb_aggregate_state state)
{
	(void)info;
	memset(state, 0, sizeof(struct avg_state));
}

static __int128 wide_of(int64_t upper, uint64_t lower)
{
	return (__int128)((unsigned __int128)(uint64_t)upper << 64 | lower);
}

static __int128 sum_of(const struct avg_state *state)
{
	return wide_of(state->upper, state->lower);
}

static void add_sum(struct avg_state *state, __int128 value)
{
	__int128 sum;
	state->overflown |= __builtin_add_overflow(sum_of(state), value, &sum);
	state->lower = (uint64_t)sum;
	state->upper = (int64_t)(sum >> 64);
}

static void add(struct avg_state *state, __int128 value)
{
	add_sum(state, value);
	state->count += 1;
}

static bool is_null(const uint64_t *validity, idx_t row)
{
	return validity && !duckdb_validity_row_is_valid((uint64_t *)(uintptr_t)validity, row);
}

#define UPDATE(name, type, convert)                                                                                    \
	static void update_##name(duckdb_function_info info, duckdb_data_chunk chunk, duckdb_aggregate_state *states)  \
	{                                                                                                              \
		duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);                                         \
		const type *values = duckdb_vector_get_data(vector);                                                   \
		const uint64_t *validity = duckdb_vector_get_validity(vector);                                         \
		idx_t count = duckdb_data_chunk_get_size(chunk);                                                       \
		(void)info;                                                                                            \
		for (idx_t row = 0; row < count; row++)                                                                \
			if (!is_null(validity, row))                                                                   \
				convert((struct avg_state *)(void *)states[row], values[row]);                         \
	}

static void add_real(struct avg_state *state, double value)
{
	state->real += value;
	state->count += 1;
}

static void add_wide(struct avg_state *state, duckdb_hugeint value)
{
	add(state, wide_of(value.upper, value.lower));
}

UPDATE(int2, int16_t, add)
UPDATE(int4, int32_t, add)
UPDATE(int8, int64_t, add)
UPDATE(huge, duckdb_hugeint, add_wide)
UPDATE(real, double, add_real)

static void combine(duckdb_function_info info, duckdb_aggregate_state *sources, duckdb_aggregate_state *targets,
                    idx_t count)
{
	(void)info;
	for (idx_t i = 0; i < count; i++) {
		const struct avg_state *source = (const struct avg_state *)(const void *)sources[i];
		struct avg_state *target = (struct avg_state *)(void *)targets[i];
		target->overflown |= source->overflown;
		add_sum(target, sum_of(source));
		target->real += source->real;
		target->count += source->count;
	}
}

static void set_null(duckdb_vector vector, idx_t row)
{
	duckdb_vector_ensure_validity_writable(vector);
	duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

/* The quotient, rounded half away from zero, as PostgreSQL's numeric. */
static __int128 divide(__int128 sum, int64_t count)
{
	__int128 quotient = sum / count, rest = sum % count;
	__int128 size = rest < 0 ? -rest : rest;
	return quotient + (size * 2 >= count ? (sum < 0 ? -1 : 1) : 0);
}

static bool average(const struct avg_state *state, bool scaled, __int128 *ret_value)
{
	__int128 factor = 1, whole = sum_of(state) / state->count, rest = sum_of(state) % state->count;
	for (int i = 0; i < NUMERIC_DIGITS && !scaled; i++)
		factor *= 10;
	__int128 value;
	return !state->overflown && !__builtin_mul_overflow(whole, factor, &value) &&
	       !__builtin_add_overflow(value, divide(rest * factor, state->count), ret_value);
}

static void finalize(duckdb_function_info info, duckdb_aggregate_state *states, duckdb_vector result, idx_t count,
                     idx_t offset, bool scaled)
{
	duckdb_hugeint *values = duckdb_vector_get_data(result);
	for (idx_t i = 0; i < count; i++) {
		const struct avg_state *state = (const struct avg_state *)(const void *)states[i];
		__int128 value = 0;
		if (state->count == 0)
			set_null(result, offset + i);
		else if (!average(state, scaled, &value))
			duckdb_aggregate_function_set_error(info, QUERY_OWN_ERROR "22003:numeric field overflow");
		values[offset + i] = (duckdb_hugeint){.lower = (uint64_t)value, .upper = (int64_t)(value >> 64)};
	}
}

static void finalize_integers(duckdb_function_info info, duckdb_aggregate_state *states, duckdb_vector result,
                              idx_t count, idx_t offset)
{
	finalize(info, states, result, count, offset, false);
}

static void finalize_numerics(duckdb_function_info info, duckdb_aggregate_state *states, duckdb_vector result,
                              idx_t count, idx_t offset)
{
	finalize(info, states, result, count, offset, true);
}

static void finalize_reals(duckdb_function_info info, duckdb_aggregate_state *states, duckdb_vector result, idx_t count,
                           idx_t offset)
{
	double *values = duckdb_vector_get_data(result);
	(void)info;
	for (idx_t i = 0; i < count; i++) {
		const struct avg_state *state = (const struct avg_state *)(const void *)states[i];
		if (state->count == 0)
			set_null(result, offset + i);
		else
			values[offset + i] = state->real / (double)state->count;
	}
}

struct overload {
	duckdb_type argument; /* DECIMAL: of NUMERIC_DIGITS digits */
	duckdb_aggregate_update_t update;
	duckdb_aggregate_finalize_t finalize;
};

static duckdb_logical_type type_of(duckdb_type type)
{
	return type == DUCKDB_TYPE_DECIMAL ? duckdb_create_decimal_type(38, NUMERIC_DIGITS)
	                                   : duckdb_create_logical_type(type);
}

static bool add_overload(duckdb_aggregate_function_set set, const struct overload *overload)
{
	duckdb_aggregate_function function = duckdb_create_aggregate_function();
	duckdb_logical_type argument = type_of(overload->argument);
	duckdb_logical_type result =
		type_of(overload->argument == DUCKDB_TYPE_DOUBLE ? DUCKDB_TYPE_DOUBLE : DUCKDB_TYPE_DECIMAL);
	duckdb_aggregate_function_set_name(function, "pyralog_avg");
	duckdb_aggregate_function_add_parameter(function, argument);
	duckdb_aggregate_function_set_return_type(function, result);
	duckdb_aggregate_function_set_functions(function, state_bytes, init, overload->update, combine,
	                                        overload->finalize);
	bool good = duckdb_add_aggregate_function_to_set(set, function) == DuckDBSuccess;
	duckdb_destroy_logical_type(&argument);
	duckdb_destroy_logical_type(&result);
	duckdb_destroy_aggregate_function(&function);
	return good;
}

bool query_engine_register_avg(duckdb_connection connection)
{
	static const struct overload overloads[] = {
		{DUCKDB_TYPE_SMALLINT, update_int2, finalize_integers},
		{DUCKDB_TYPE_INTEGER, update_int4, finalize_integers},
		{DUCKDB_TYPE_BIGINT, update_int8, finalize_integers},
		{DUCKDB_TYPE_HUGEINT, update_huge, finalize_integers},
		{DUCKDB_TYPE_DECIMAL, update_huge, finalize_numerics},
		{DUCKDB_TYPE_DOUBLE, update_real, finalize_reals},
	};
	duckdb_aggregate_function_set set = duckdb_create_aggregate_function_set("pyralog_avg");
	bool good = true;
	for (size_t i = 0; i < sizeof overloads / sizeof *overloads && good; i++)
		good = add_overload(set, &overloads[i]);
	good = good && duckdb_register_aggregate_function_set(connection, set) == DuckDBSuccess;
	duckdb_destroy_aggregate_function_set(&set);
	return good;
}
