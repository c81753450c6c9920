/* Rows of pg_catalog and information_schema: queries over our topics and settings, and PostgreSQL's own facts.
 *
 * Object ids are PostgreSQL's where it fixes them (src/include/catalog, *.dat); a topic's is its first partition's in the
 * log, behind PostgreSQL's last. `h` is the session's handle. Data only.
 */
#include "query/catalog.h"

#include <string.h>

/* Columns of all topics. */
#define COLUMNS "pyralog_columns(h) AS k JOIN pyr.types t ON t.oid = k.type"

#define TOPICS "pyralog_topics(h) AS p"

#define ROLES                                                                                                          \
	"(SELECT 10 AS oid, 'pyralog' AS rolname, true AS rolsuper, true AS rolinherit, true AS rolcanlogin, "         \
	"-1 AS rolconnlimit, '********' AS rolpassword UNION ALL SELECT 16383, pyralog_user(h), false, true, true, "   \
	"-1, '********' WHERE pyralog_user(h) <> 'pyralog')"

#define NAMESPACES                                                                                                     \
	"(VALUES (11, 'pg_catalog', 10), (2200, 'public', 10), (13000, 'information_schema', 10), "                    \
	"(13100, 'pyralog', 10)) "                                                                                     \
	"v(oid, nspname, nspowner)"

const char *const query_catalog_before[] = {
	"CREATE SCHEMA pyr", "CREATE TABLE pyr.relations(oid UINTEGER, name VARCHAR, namespace UINTEGER, kind VARCHAR)",
	"CREATE TABLE pyr.attributes(relation UINTEGER, name VARCHAR, type UINTEGER, place SMALLINT)",
	"CREATE TABLE pyr.types(oid UINTEGER, typname VARCHAR, typlen SMALLINT, typtype VARCHAR, typcategory VARCHAR, "
	"typispreferred BOOLEAN, typdelim VARCHAR, typelem UINTEGER, typarray UINTEGER, typbyval BOOLEAN, typalign "
	"VARCHAR, "
	"typstorage VARCHAR, typcollation UINTEGER, formatted VARCHAR)",
	"INSERT INTO pyr.types VALUES "
	"(16,'bool',1,'b','B',true,',',0,1000,true,'c','p',0,'boolean'),"
	"(17,'bytea',-1,'b','U',false,',',0,1001,false,'i','x',0,'bytea'),"
	"(18,'char',1,'b','Z',false,',',0,1002,true,'c','p',0,'\"char\"'),"
	"(19,'name',64,'b','S',false,',',18,1003,false,'c','p',950,'name'),"
	"(20,'int8',8,'b','N',false,',',0,1016,true,'d','p',0,'bigint'),"
	"(21,'int2',2,'b','N',false,',',0,1005,true,'s','p',0,'smallint'),"
	"(22,'int2vector',-1,'b','A',false,',',21,1006,false,'i','p',0,'int2vector'),"
	"(23,'int4',4,'b','N',false,',',0,1007,true,'i','p',0,'integer'),"
	"(24,'regproc',4,'b','N',false,',',0,1008,true,'i','p',0,'regproc'),"
	"(25,'text',-1,'b','S',true,',',0,1009,false,'i','x',100,'text'),"
	"(26,'oid',4,'b','N',true,',',0,1028,true,'i','p',0,'oid'),"
	"(27,'tid',6,'b','U',false,',',0,1010,false,'s','p',0,'tid'),"
	"(28,'xid',4,'b','U',false,',',0,1011,true,'i','p',0,'xid'),"
	"(29,'cid',4,'b','U',false,',',0,1012,true,'i','p',0,'cid'),"
	"(30,'oidvector',-1,'b','A',false,',',26,1013,false,'i','p',0,'oidvector'),"
	"(114,'json',-1,'b','U',false,',',0,199,false,'i','x',0,'json'),"
	"(142,'xml',-1,'b','U',false,',',0,143,false,'i','x',0,'xml'),"
	"(194,'pg_node_tree',-1,'b','Z',false,',',0,0,false,'i','x',100,'pg_node_tree'),"
	"(199,'_json',-1,'b','A',false,',',114,0,false,'i','x',0,'json[]'),"
	"(600,'point',16,'b','G',false,',',701,1017,false,'d','p',0,'point'),"
	"(628,'line',24,'b','G',false,',',701,629,false,'d','p',0,'line'),"
	"(650,'cidr',-1,'b','I',false,',',0,651,false,'i','m',0,'cidr'),"
	"(700,'float4',4,'b','N',false,',',0,1021,true,'i','p',0,'real'),"
	"(701,'float8',8,'b','N',true,',',0,1022,true,'d','p',0,'double precision'),"
	"(705,'unknown',-2,'p','X',false,',',0,0,false,'c','p',0,'unknown'),"
	"(790,'money',8,'b','N',false,',',0,791,true,'d','p',0,'money'),"
	"(829,'macaddr',6,'b','U',false,',',0,1040,false,'i','p',0,'macaddr'),"
	"(869,'inet',-1,'b','I',true,',',0,1041,false,'i','m',0,'inet'),"
	"(1000,'_bool',-1,'b','A',false,',',16,0,false,'i','x',0,'boolean[]'),"
	"(1001,'_bytea',-1,'b','A',false,',',17,0,false,'i','x',0,'bytea[]'),"
	"(1002,'_char',-1,'b','A',false,',',18,0,false,'i','x',0,'\"char\"[]'),"
	"(1003,'_name',-1,'b','A',false,',',19,0,false,'i','x',950,'name[]'),"
	"(1005,'_int2',-1,'b','A',false,',',21,0,false,'i','x',0,'smallint[]'),"
	"(1007,'_int4',-1,'b','A',false,',',23,0,false,'i','x',0,'integer[]'),"
	"(1009,'_text',-1,'b','A',false,',',25,0,false,'i','x',100,'text[]'),"
	"(1014,'_bpchar',-1,'b','A',false,',',1042,0,false,'i','x',100,'character[]'),"
	"(1015,'_varchar',-1,'b','A',false,',',1043,0,false,'i','x',100,'character varying[]'),"
	"(1016,'_int8',-1,'b','A',false,',',20,0,false,'d','x',0,'bigint[]'),"
	"(1021,'_float4',-1,'b','A',false,',',700,0,false,'i','x',0,'real[]'),"
	"(1022,'_float8',-1,'b','A',false,',',701,0,false,'d','x',0,'double precision[]'),"
	"(1028,'_oid',-1,'b','A',false,',',26,0,false,'i','x',0,'oid[]'),"
	"(1033,'aclitem',12,'b','U',false,',',0,1034,false,'i','p',0,'aclitem'),"
	"(1034,'_aclitem',-1,'b','A',false,',',1033,0,false,'i','x',0,'aclitem[]'),"
	"(1041,'_inet',-1,'b','A',false,',',869,0,false,'i','x',0,'inet[]'),"
	"(1042,'bpchar',-1,'b','S',false,',',0,1014,false,'i','x',100,'character'),"
	"(1043,'varchar',-1,'b','S',false,',',0,1015,false,'i','x',100,'character varying'),"
	"(1082,'date',4,'b','D',false,',',0,1182,true,'i','p',0,'date'),"
	"(1083,'time',8,'b','D',false,',',0,1183,true,'d','p',0,'time without time zone'),"
	"(1114,'timestamp',8,'b','D',false,',',0,1115,true,'d','p',0,'timestamp without time zone'),"
	"(1115,'_timestamp',-1,'b','A',false,',',1114,0,false,'d','x',0,'timestamp without time zone[]'),"
	"(1182,'_date',-1,'b','A',false,',',1082,0,false,'i','x',0,'date[]'),"
	"(1183,'_time',-1,'b','A',false,',',1083,0,false,'d','x',0,'time without time zone[]'),"
	"(1184,'timestamptz',8,'b','D',true,',',0,1185,true,'d','p',0,'timestamp with time zone'),"
	"(1185,'_timestamptz',-1,'b','A',false,',',1184,0,false,'d','x',0,'timestamp with time zone[]'),"
	"(1186,'interval',16,'b','T',true,',',0,1187,false,'d','p',0,'interval'),"
	"(1187,'_interval',-1,'b','A',false,',',1186,0,false,'d','x',0,'interval[]'),"
	"(1231,'_numeric',-1,'b','A',false,',',1700,0,false,'i','x',0,'numeric[]'),"
	"(1266,'timetz',12,'b','D',false,',',0,1270,false,'d','p',0,'time with time zone'),"
	"(1270,'_timetz',-1,'b','A',false,',',1266,0,false,'d','x',0,'time with time zone[]'),"
	"(1560,'bit',-1,'b','V',false,',',0,1561,false,'i','x',0,'bit'),"
	"(1562,'varbit',-1,'b','V',true,',',0,1563,false,'i','x',0,'bit varying'),"
	"(1700,'numeric',-1,'b','N',false,',',0,1231,false,'i','m',0,'numeric'),"
	"(2205,'regclass',4,'b','N',false,',',0,2210,true,'i','p',0,'regclass'),"
	"(2206,'regtype',4,'b','N',false,',',0,2211,true,'i','p',0,'regtype'),"
	"(2210,'_regclass',-1,'b','A',false,',',2205,0,false,'i','x',0,'regclass[]'),"
	"(2211,'_regtype',-1,'b','A',false,',',2206,0,false,'i','x',0,'regtype[]'),"
	"(2249,'record',-1,'p','P',false,',',0,2287,false,'d','x',0,'record'),"
	"(2275,'cstring',-2,'p','P',false,',',0,1263,false,'c','p',0,'cstring'),"
	"(2276,'any',4,'p','P',false,',',0,0,true,'i','p',0,'\"any\"'),"
	"(2277,'anyarray',-1,'p','P',false,',',0,0,false,'d','x',0,'anyarray'),"
	"(2278,'void',4,'p','P',false,',',0,0,true,'i','p',0,'void'),"
	"(2279,'trigger',4,'p','P',false,',',0,0,true,'i','p',0,'trigger'),"
	"(2283,'anyelement',4,'p','P',false,',',0,0,true,'i','p',0,'anyelement'),"
	"(2287,'_record',-1,'p','P',false,',',2249,0,false,'d','x',0,'record[]'),"
	"(2776,'anynonarray',4,'p','P',false,',',0,0,true,'i','p',0,'anynonarray'),"
	"(2950,'uuid',16,'b','U',false,',',0,2951,false,'c','p',0,'uuid'),"
	"(2951,'_uuid',-1,'b','A',false,',',2950,0,false,'i','x',0,'uuid[]'),"
	"(3220,'pg_lsn',8,'b','U',false,',',0,3221,true,'d','p',0,'pg_lsn'),"
	"(3802,'jsonb',-1,'b','U',false,',',0,3807,false,'i','x',0,'jsonb'),"
	"(3807,'_jsonb',-1,'b','A',false,',',3802,0,false,'i','x',0,'jsonb[]'),"
	"(4089,'regnamespace',4,'b','N',false,',',0,4090,true,'i','p',0,'regnamespace'),"
	"(4096,'regrole',4,'b','N',false,',',0,4097,true,'i','p',0,'regrole'),"};

const size_t query_catalog_before_count = sizeof query_catalog_before / sizeof *query_catalog_before;

static const struct {
	const char *name, *rows;
} sources[] = {
	/* ---- pg_catalog ---- */
	{"pg_am", "SELECT 2 AS oid, 'heap' AS amname, 'heap_tableam_handler' AS amhandler, 't' AS amtype UNION ALL "
                  "SELECT 403, 'btree', 'bthandler', 'i'"},
	{"pg_attribute",
         "SELECT k.oid AS attrelid, k.name AS attname, k.type AS atttypid, -1 AS attstattarget, t.typlen AS attlen, "
         "k.place AS attnum, -1 AS attcacheoff, k.modifier AS atttypmod, t.typbyval AS attbyval, t.typalign AS "
         "attalign, "
         "t.typstorage AS attstorage, k.filled AS attnotnull, true AS attislocal, t.typcollation AS attcollation "
         "FROM " COLUMNS " UNION ALL BY NAME SELECT a.relation AS attrelid, a.name AS attname, a.type AS atttypid, -1 "
         "AS attstattarget, "
         "t.typlen AS attlen, a.place AS attnum, -1 AS attcacheoff, -1 AS atttypmod, t.typbyval AS attbyval, "
         "t.typalign AS attalign, t.typstorage AS attstorage, false AS attnotnull, true AS attislocal, "
         "t.typcollation AS attcollation FROM pyr.attributes a LEFT JOIN pyr.types t ON t.oid = a.type"},
	{"pg_authid", "SELECT oid, rolname, rolsuper, rolinherit, rolcanlogin, rolconnlimit FROM " ROLES},
	{"pg_class",
         "SELECT p.oid, p.table_name AS relname, 2200 AS relnamespace, 10 AS relowner, 2 AS relam, p.oid AS "
         "relfilenode, "
         "-1 AS reltuples, 'p' AS relpersistence, 'r' AS relkind, p.columns AS relnatts, true AS relispopulated, "
         "'d' AS relreplident FROM " TOPICS
         " UNION ALL BY NAME SELECT oid, name AS relname, namespace AS relnamespace, 10 AS relowner, "
         "CASE kind WHEN 'r' THEN 2 ELSE 0 END AS relam, -1 AS reltuples, 'p' AS relpersistence, kind AS relkind, "
         "(SELECT count(*) FROM pyr.attributes a WHERE a.relation = r.oid) AS relnatts, true AS relispopulated, "
         "'d' AS relreplident FROM pyr.relations r"},
	{"pg_collation",
         "SELECT * FROM (VALUES (100, 'default', 11, 10, 'd', true, -1), (950, 'C', 11, 10, 'c', true, -1), "
         "(951, 'POSIX', 11, 10, 'c', true, -1)) v(oid, collname, collnamespace, collowner, collprovider, "
         "collisdeterministic, collencoding)"},
	{"pg_database",
         "SELECT 5 AS oid, 'pyralog' AS datname, 10 AS datdba, 6 AS encoding, 'c' AS datlocprovider, "
         "true AS datallowconn, -1 AS datconnlimit, 1663 AS dattablespace, 'C' AS datcollate, 'C.UTF-8' AS datctype"},
	{"pg_language", "SELECT * FROM (VALUES (12, 'internal', 10, false, false), (13, 'c', 10, false, false), "
                        "(14, 'sql', 10, false, true)) v(oid, lanname, lanowner, lanispl, lanpltrusted)"},
	{"pg_namespace", "SELECT * FROM " NAMESPACES},
	{"pg_roles", "SELECT * FROM " ROLES},
	{"pg_settings",
         "SELECT name, setting, 'Client Connection Defaults' AS category, '' AS short_desc, 'user' AS context, "
         "CASE WHEN setting IN ('on', 'off') THEN 'bool' ELSE 'string' END AS vartype, 'default' AS source, "
         "setting AS boot_val, setting AS reset_val FROM pyralog_settings(h)"},
	{"pg_stat_activity", "SELECT 5 AS datid, 'pyralog' AS datname, pyralog_pid(h) AS pid, 16383 AS usesysid, "
                             "pyralog_user(h) AS usename, "
                             "pyralog_get_setting(h, 'application_name', true) AS application_name, 'active' AS state, "
                             "'client backend' AS backend_type"},
	{"pg_stat_all_tables", "SELECT p.oid AS relid, 'public' AS schemaname, p.table_name AS relname FROM " TOPICS},
	{"pg_stat_database", "SELECT 5 AS datid, 'pyralog' AS datname"},
	{"pg_stat_user_tables", "SELECT p.oid AS relid, 'public' AS schemaname, p.table_name AS relname FROM " TOPICS},
	{"pg_statio_user_tables",
         "SELECT p.oid AS relid, 'public' AS schemaname, p.table_name AS relname FROM " TOPICS},
	{"pg_tables", "SELECT 'public' AS schemaname, p.table_name AS tablename, 'pyralog' AS tableowner FROM " TOPICS
                      " UNION ALL SELECT CASE namespace WHEN 11 THEN 'pg_catalog' WHEN 13100 THEN 'pyralog' ELSE "
                      "'information_schema' END, name, 'pyralog' "
                      "FROM pyr.relations WHERE kind = 'r'"},
	{"pg_tablespace",
         "SELECT * FROM (VALUES (1663, 'pg_default', 10), (1664, 'pg_global', 10)) v(oid, spcname, spcowner)"},
	{"pg_timezone_names",
         "SELECT 'UTC' AS name, 'UTC' AS abbrev, INTERVAL 0 SECOND AS utc_offset, false AS is_dst"},
	{"pg_type",
         "SELECT t.* EXCLUDE (formatted), 11 AS typnamespace, 10 AS typowner, true AS typisdefined, -1 AS typtypmod, "
         "CASE typcategory WHEN 'A' THEN 'array_in' ELSE typname || 'in' END AS typinput, "
         "CASE typcategory WHEN 'A' THEN 'array_out' ELSE typname || 'out' END AS typoutput, "
         "CASE typcategory WHEN 'A' THEN 'array_recv' ELSE typname || 'recv' END AS typreceive, "
         "CASE typcategory WHEN 'A' THEN 'array_send' ELSE typname || 'send' END AS typsend FROM pyr.types t"},
	{"pg_user", "SELECT rolname AS usename, oid AS usesysid, rolsuper AS usesuper FROM " ROLES},
	{"pg_views", "SELECT CASE namespace WHEN 11 THEN 'pg_catalog' WHEN 13100 THEN 'pyralog' ELSE "
                     "'information_schema' END AS schemaname, "
                     "name AS viewname, "
                     "'pyralog' AS viewowner FROM pyr.relations WHERE kind = 'v'"},

	/* ---- our own ---- */
	{"consumer_groups", "SELECT * FROM pyralog_groups(h)"},
	{"locks", "SELECT * FROM pyralog_locks(h)"},
	{"metrics", "SELECT * FROM pyralog_metrics(h)"},
	{"queries", "SELECT * FROM pyralog_queries()"},
	{"sessions", "SELECT * FROM pyralog_sessions(h)"},
	{"slots", "SELECT * FROM pyralog_slots(h)"},

	/* ---- information_schema ---- */
	{"applicable_roles", NULL},
	{"character_sets",
         "SELECT 'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use, "
         "'pyralog' AS default_collate_catalog, 'pg_catalog' AS default_collate_schema, 'C' AS default_collate_name"},
	{"columns",
         "SELECT 'pyralog' AS table_catalog, 'public' AS table_schema, k.table_name, k.name AS column_name, "
         "k.place AS ordinal_position, CASE WHEN k.filled THEN 'NO' ELSE 'YES' END AS is_nullable, t.formatted AS "
         "data_type, "
         "CASE WHEN k.type IN (20, 21, 23) THEN t.typlen * 8 WHEN k.type = 700 THEN 24 WHEN k.type = 701 THEN 53 "
         "WHEN k.type = 1700 AND k.modifier > 3 THEN (k.modifier - 4) >> 16 END AS numeric_precision, "
         "CASE WHEN k.type IN (20, 21, 23, 700, 701) THEN 2 WHEN k.type = 1700 THEN 10 END AS "
         "numeric_precision_radix, CASE WHEN k.type IN (20, 21, 23) THEN 0 WHEN k.type = 1700 AND k.modifier > 3 "
         "THEN (k.modifier - 4) & 65535 END AS numeric_scale, CASE WHEN k.type IN (1083, 1114, 1184) THEN 6 "
         "WHEN k.type = 1082 THEN 0 END AS datetime_precision, "
         "'pyralog' AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name, "
         "CAST(k.place AS VARCHAR) AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity, "
         "'NO' AS identity_cycle, 'NEVER' AS is_generated, CASE WHEN k.name = 'offset' THEN 'NO' ELSE 'YES' END AS "
         "is_updatable "
         "FROM " COLUMNS " UNION ALL BY NAME "
         "SELECT 'pyralog' AS table_catalog, CASE r.namespace WHEN 11 THEN 'pg_catalog' WHEN 13100 THEN 'pyralog' ELSE "
         "'information_schema' END "
         "AS "
         "table_schema, r.name AS table_name, a.name AS column_name, a.place AS ordinal_position, 'YES' AS "
         "is_nullable, "
         "CASE WHEN t.typcategory = 'A' THEN 'ARRAY' ELSE t.formatted END AS data_type, 'pyralog' AS udt_catalog, "
         "'pg_catalog' AS udt_schema, t.typname AS udt_name, CAST(a.place AS VARCHAR) AS dtd_identifier, "
         "'NO' AS is_self_referencing, 'NO' AS is_identity, 'NEVER' AS is_generated, 'NO' AS is_updatable "
         "FROM pyr.attributes a JOIN pyr.relations r ON r.oid = a.relation JOIN pyr.types t ON t.oid = a.type"},
	{"enabled_roles", "SELECT pyralog_user(h) AS role_name"},
	{"information_schema_catalog_name", "SELECT 'pyralog' AS catalog_name"},
	{"schemata",
         "SELECT 'pyralog' AS catalog_name, nspname AS schema_name, 'pyralog' AS schema_owner FROM " NAMESPACES},
	{"table_privileges",
         "SELECT 'pyralog' AS grantor, pyralog_user(h) AS grantee, 'pyralog' AS table_catalog, 'public' AS "
         "table_schema, "
         "p.table_name, v.privilege AS privilege_type, 'NO' AS is_grantable, 'NO' AS with_hierarchy FROM " TOPICS
         ", (VALUES ('SELECT'), ('INSERT')) v(privilege)"},
	{"tables",
         "SELECT 'pyralog' AS table_catalog, p.table_schema, p.table_name, p.table_type, 'YES' AS is_insertable_into, "
         "'NO' AS is_typed FROM " TOPICS
         " UNION ALL BY NAME SELECT 'pyralog' AS table_catalog, CASE r.namespace WHEN 11 "
         "THEN 'pg_catalog' WHEN 13100 THEN 'pyralog' ELSE 'information_schema' END AS table_schema, r.name AS "
         "table_name, CASE r.kind WHEN 'r' "
         "THEN "
         "'BASE TABLE' ELSE 'VIEW' END AS table_type, 'NO' AS is_insertable_into, 'NO' AS is_typed FROM pyr.relations "
         "r"},
};

const char *query_catalog_rows(const char *name)
{
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
		if (strcmp(sources[i].name, name) == 0)
			return sources[i].rows;
	return NULL;
}
