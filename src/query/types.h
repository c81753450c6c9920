/* PostgreSQL's types as far as results and parameters use them: one table of object ids and names.
 *
 * Source: PostgreSQL 15, src/include/catalog/pg_type.dat. `engine` is the name under which the engine's SQL knows it.
 */
#ifndef PYRALOG_QUERY_TYPES_H
#define PYRALOG_QUERY_TYPES_H

#include <stdint.h>

/* name, oid, bytes on the wire in binary (-1: varies), engine, oid of arrays of it */
#define QUERY_TYPES(X)                                                                                                 \
	X(BOOL, 16, 1, "BOOLEAN", 1000)                                                                                \
	X(BYTEA, 17, -1, "BLOB", 1001)                                                                                 \
	X(CHAR, 18, 1, "VARCHAR", 1002)                                                                                \
	X(NAME, 19, -1, "VARCHAR", 1003)                                                                               \
	X(INT8, 20, 8, "BIGINT", 1016)                                                                                 \
	X(INT2, 21, 2, "SMALLINT", 1005)                                                                               \
	X(INT4, 23, 4, "INTEGER", 1007)                                                                                \
	X(TEXT, 25, -1, "VARCHAR", 1009)                                                                               \
	X(OID, 26, 4, "UINTEGER", 1028)                                                                                \
	X(JSON, 114, -1, "JSON", 199)                                                                                  \
	X(FLOAT4, 700, 4, "FLOAT", 1021)                                                                               \
	X(FLOAT8, 701, 8, "DOUBLE", 1022)                                                                              \
	X(BPCHAR, 1042, -1, "VARCHAR", 1014)                                                                           \
	X(VARCHAR, 1043, -1, "VARCHAR", 1015)                                                                          \
	X(DATE, 1082, 4, "DATE", 1182)                                                                                 \
	X(TIME, 1083, 8, "TIME", 1183)                                                                                 \
	X(TIMESTAMP, 1114, 8, "TIMESTAMP", 1115)                                                                       \
	X(TIMESTAMPTZ, 1184, 8, "TIMESTAMP WITH TIME ZONE", 1185)                                                      \
	X(INTERVAL, 1186, 16, "INTERVAL", 1187)                                                                        \
	X(NUMERIC, 1700, -1, "DECIMAL(38,11)", 1231)                                                                   \
	X(UUID, 2950, 16, "UUID", 2951)                                                                                \
	X(JSONB, 3802, -1, "JSON", 3807)

enum query_type {
	QUERY_TYPE_UNKNOWN = 0, /* a parameter of no declared type */
#define X(name, oid, bytes, engine, array) QUERY_TYPE_##name = oid, QUERY_TYPE_##name##_ARRAY = array,
	QUERY_TYPES(X)
#undef X
};

/* numeric without a scale, for the engine, which has none without: zeros at the end of such a one are not shown. */
enum { QUERY_NUMERIC_SCALE = 11 };

/* NULL: not a type we know. */
const char *query_type_engine_name(uint32_t oid);
int query_type_bytes(uint32_t oid); /* -1: varies, or not known */
uint32_t query_type_array_of(uint32_t element); /* 0: there are no arrays of it */
uint32_t query_type_element_of(uint32_t array); /* 0: not an array */

#endif
