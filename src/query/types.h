/* PostgreSQL's types as far as results and parameters use them: one table of object ids and names.
 *
 * Source: PostgreSQL 15, src/include/catalog/pg_type.dat. `engine` is the name under which the engine's SQL knows it.
 */
#ifndef PYRALOG_QUERY_TYPES_H
#define PYRALOG_QUERY_TYPES_H

#include <stdint.h>

/* name, oid, bytes on the wire in binary (-1: varies), engine */
#define QUERY_TYPES(X)                                                                                                 \
	X(BOOL, 16, 1, "BOOLEAN")                                                                                      \
	X(BYTEA, 17, -1, "BLOB")                                                                                       \
	X(INT8, 20, 8, "BIGINT")                                                                                       \
	X(INT2, 21, 2, "SMALLINT")                                                                                     \
	X(INT4, 23, 4, "INTEGER")                                                                                      \
	X(TEXT, 25, -1, "VARCHAR")                                                                                     \
	X(OID, 26, 4, "UINTEGER")                                                                                      \
	X(JSON, 114, -1, "JSON")                                                                                       \
	X(FLOAT4, 700, 4, "FLOAT")                                                                                     \
	X(FLOAT8, 701, 8, "DOUBLE")                                                                                    \
	X(BPCHAR, 1042, -1, "VARCHAR")                                                                                 \
	X(VARCHAR, 1043, -1, "VARCHAR")                                                                                \
	X(DATE, 1082, 4, "DATE")                                                                                       \
	X(TIME, 1083, 8, "TIME")                                                                                       \
	X(TIMESTAMP, 1114, 8, "TIMESTAMP")                                                                             \
	X(TIMESTAMPTZ, 1184, 8, "TIMESTAMP WITH TIME ZONE")                                                            \
	X(INTERVAL, 1186, 16, "INTERVAL")                                                                              \
	X(NUMERIC, 1700, -1, "DECIMAL(38,6)")                                                                          \
	X(UUID, 2950, 16, "UUID")                                                                                      \
	X(JSONB, 3802, -1, "JSON")                                                                                     \
	X(INT2_ARRAY, 1005, -1, "SMALLINT[]")                                                                          \
	X(INT4_ARRAY, 1007, -1, "INTEGER[]")                                                                           \
	X(TEXT_ARRAY, 1009, -1, "VARCHAR[]")                                                                           \
	X(VARCHAR_ARRAY, 1015, -1, "VARCHAR[]")                                                                        \
	X(INT8_ARRAY, 1016, -1, "BIGINT[]")                                                                            \
	X(FLOAT8_ARRAY, 1022, -1, "DOUBLE[]")

enum query_type {
	QUERY_TYPE_UNKNOWN = 0, /* a parameter of no declared type */
#define X(name, oid, bytes, engine) QUERY_TYPE_##name = oid,
	QUERY_TYPES(X)
#undef X
};

/* NULL: not a type we know. */
const char *query_type_engine_name(uint32_t oid);
int query_type_bytes(uint32_t oid); /* -1: varies, or not known */

#endif
