/* Which relations the system has, and their columns: facts of PostgreSQL 15 (its documentation, chapters 53, 54 and 37),
 * so that whoever asks finds what is expected, mostly empty. Rows: catalog_rows.c. Data only.
 *
 * A column is its name, a colon and a letter for its type: see catalog.c.
 */
#include "query/catalog.h"

const struct catalog_relation query_catalog_relations[] = {
	{"pg_catalog", "pg_aggregate", 2600, 'r',
         "aggfnoid:r aggkind:c aggnumdirectargs:s aggtransfn:r aggfinalfn:r aggcombinefn:r aggserialfn:r "
         "aggdeserialfn:r aggmtransfn:r aggminvtransfn:r aggmfinalfn:r aggfinalextra:b aggmfinalextra:b "
         "aggfinalmodify:c aggmfinalmodify:c aggsortop:o aggtranstype:o aggtransspace:i aggmtranstype:o "
         "aggmtransspace:i agginitval:t aggminitval:t"},
	{"pg_catalog", "pg_am", 2601, 'r', "oid:o amname:n amhandler:r amtype:c"},
	{"pg_catalog", "pg_amop", 2602, 'r',
         "oid:o amopfamily:o amoplefttype:o amoprighttype:o amopstrategy:s amoppurpose:c amopopr:o "
         "amopmethod:o amopsortfamily:o"},
	{"pg_catalog", "pg_amproc", 2603, 'r',
         "oid:o amprocfamily:o amproclefttype:o amprocrighttype:o amprocnum:s amproc:r"},
	{"pg_catalog", "pg_attrdef", 2604, 'r', "oid:o adrelid:o adnum:s adbin:t"},
	{"pg_catalog", "pg_attribute", 1249, 'r',
         "attrelid:o attname:n atttypid:o attstattarget:i attlen:s attnum:s attndims:i attcacheoff:i "
         "atttypmod:i attbyval:b attalign:c attstorage:c attcompression:c attnotnull:b atthasdef:b "
         "atthasmissing:b attidentity:c attgenerated:c attisdropped:b attislocal:b attinhcount:i "
         "attcollation:o attacl:T attoptions:T attfdwoptions:T attmissingval:t"},
	{"pg_catalog", "pg_auth_members", 1261, 'r', "roleid:o member:o grantor:o admin_option:b"},
	{"pg_catalog", "pg_authid", 1260, 'r',
         "oid:o rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b "
         "rolreplication:b rolbypassrls:b rolconnlimit:i rolpassword:t rolvaliduntil:z"},
	{"pg_catalog", "pg_available_extensions", 12081, 'v', "name:n default_version:t installed_version:t comment:t"},
	{"pg_catalog", "pg_cast", 2605, 'r', "oid:o castsource:o casttarget:o castfunc:o castcontext:c castmethod:c"},
	{"pg_catalog", "pg_class", 1259, 'r',
         "oid:o relname:n relnamespace:o reltype:o reloftype:o relowner:o relam:o relfilenode:o "
         "reltablespace:o relpages:i reltuples:f relallvisible:i reltoastrelid:o relhasindex:b relisshared:b "
         "relpersistence:c relkind:c relnatts:s relchecks:s relhasrules:b relhastriggers:b relhassubclass:b "
         "relrowsecurity:b relforcerowsecurity:b relispopulated:b relreplident:c relispartition:b "
         "relrewrite:o relfrozenxid:x relminmxid:x relacl:T reloptions:T relpartbound:t"},
	{"pg_catalog", "pg_collation", 3456, 'r',
         "oid:o collname:n collnamespace:o collowner:o collprovider:c collisdeterministic:b collencoding:i "
         "collcollate:t collctype:t colliculocale:t collversion:t"},
	{"pg_catalog", "pg_constraint", 2606, 'r',
         "oid:o conname:n connamespace:o contype:c condeferrable:b condeferred:b convalidated:b conrelid:o "
         "contypid:o conindid:o conparentid:o confrelid:o confupdtype:c confdeltype:c confmatchtype:c "
         "conislocal:b coninhcount:i connoinherit:b conkey:S confkey:S conpfeqop:O conppeqop:O conffeqop:O "
         "confdelsetcols:S conexclop:O conbin:t"},
	{"pg_catalog", "pg_conversion", 2607, 'r',
         "oid:o conname:n connamespace:o conowner:o conforencoding:i contoencoding:i conproc:r condefault:b"},
	{"pg_catalog", "pg_cursors", 12077, 'v',
         "name:t statement:t is_holdable:b is_binary:b is_scrollable:b creation_time:z"},
	{"pg_catalog", "pg_database", 1262, 'r',
         "oid:o datname:n datdba:o encoding:i datlocprovider:c datistemplate:b datallowconn:b datconnlimit:i "
         "datfrozenxid:x datminmxid:x dattablespace:o datcollate:t datctype:t daticulocale:t datcollversion:t "
         "datacl:T"},
	{"pg_catalog", "pg_db_role_setting", 2964, 'r', "setdatabase:o setrole:o setconfig:T"},
	{"pg_catalog", "pg_default_acl", 826, 'r', "oid:o defaclrole:o defaclnamespace:o defaclobjtype:c defaclacl:T"},
	{"pg_catalog", "pg_depend", 2608, 'r',
         "classid:o objid:o objsubid:i refclassid:o refobjid:o refobjsubid:i deptype:c"},
	{"pg_catalog", "pg_description", 2609, 'r', "objoid:o classoid:o objsubid:i description:t"},
	{"pg_catalog", "pg_enum", 3501, 'r', "oid:o enumtypid:o enumsortorder:f enumlabel:n"},
	{"pg_catalog", "pg_event_trigger", 3466, 'r',
         "oid:o evtname:n evtevent:n evtowner:o evtfoid:o evtenabled:c evttags:T"},
	{"pg_catalog", "pg_extension", 3079, 'r',
         "oid:o extname:n extowner:o extnamespace:o extrelocatable:b extversion:t extconfig:O extcondition:T"},
	{"pg_catalog", "pg_foreign_data_wrapper", 2328, 'r',
         "oid:o fdwname:n fdwowner:o fdwhandler:o fdwvalidator:o fdwacl:T fdwoptions:T"},
	{"pg_catalog", "pg_foreign_server", 1417, 'r',
         "oid:o srvname:n srvowner:o srvfdw:o srvtype:t srvversion:t srvacl:T srvoptions:T"},
	{"pg_catalog", "pg_foreign_table", 3118, 'r', "ftrelid:o ftserver:o ftoptions:T"},
	{"pg_catalog", "pg_group", 12010, 'v', "groname:n grosysid:o grolist:O"},
	{"pg_catalog", "pg_index", 2610, 'r',
         "indexrelid:o indrelid:o indnatts:s indnkeyatts:s indisunique:b indnullsnotdistinct:b indisprimary:b "
         "indisexclusion:b indimmediate:b indisclustered:b indisvalid:b indcheckxmin:b indisready:b "
         "indislive:b indisreplident:b indkey:S indcollation:O indclass:O indoption:S indexprs:t indpred:t"},
	{"pg_catalog", "pg_indexes", 12043, 'v', "schemaname:n tablename:n indexname:n tablespace:n indexdef:t"},
	{"pg_catalog", "pg_inherits", 2611, 'r', "inhrelid:o inhparent:o inhseqno:i inhdetachpending:b"},
	{"pg_catalog", "pg_language", 2612, 'r',
         "oid:o lanname:n lanowner:o lanispl:b lanpltrusted:b lanplcallfoid:o laninline:o lanvalidator:o "
         "lanacl:T"},
	{"pg_catalog", "pg_largeobject_metadata", 2995, 'r', "oid:o lomowner:o lomacl:T"},
	{"pg_catalog", "pg_locks", 12073, 'v',
         "locktype:t database:o relation:o page:i tuple:s virtualxid:t transactionid:x classid:o objid:o "
         "objsubid:s virtualtransaction:t pid:i mode:t granted:b fastpath:b waitstart:z"},
	{"pg_catalog", "pg_matviews", 12038, 'v',
         "schemaname:n matviewname:n matviewowner:n tablespace:n hasindexes:b ispopulated:b definition:t"},
	{"pg_catalog", "pg_namespace", 2615, 'r', "oid:o nspname:n nspowner:o nspacl:T"},
	{"pg_catalog", "pg_opclass", 2616, 'r',
         "oid:o opcmethod:o opcname:n opcnamespace:o opcowner:o opcfamily:o opcintype:o opcdefault:b "
         "opckeytype:o"},
	{"pg_catalog", "pg_operator", 2617, 'r',
         "oid:o oprname:n oprnamespace:o oprowner:o oprkind:c oprcanmerge:b oprcanhash:b oprleft:o oprright:o "
         "oprresult:o oprcom:o oprnegate:o oprcode:r oprrest:r oprjoin:r"},
	{"pg_catalog", "pg_opfamily", 2753, 'r', "oid:o opfmethod:o opfname:n opfnamespace:o opfowner:o"},
	{"pg_catalog", "pg_partitioned_table", 3350, 'r',
         "partrelid:o partstrat:c partnatts:s partdefid:o partattrs:S partclass:O partcollation:O partexprs:t"},
	{"pg_catalog", "pg_policies", 12018, 'v',
         "schemaname:n tablename:n policyname:n permissive:t roles:T cmd:t qual:t with_check:t"},
	{"pg_catalog", "pg_policy", 3256, 'r',
         "oid:o polname:n polrelid:o polcmd:c polpermissive:b polroles:O polqual:t polwithcheck:t"},
	{"pg_catalog", "pg_prepared_statements", 12095, 'v',
         "name:t statement:t prepare_time:z parameter_types:O from_sql:b generic_plans:l custom_plans:l"},
	{"pg_catalog", "pg_prepared_xacts", 12090, 'v', "transaction:x gid:t prepared:z owner:n database:n"},
	{"pg_catalog", "pg_proc", 1255, 'r',
         "oid:o proname:n pronamespace:o proowner:o prolang:o procost:f prorows:f provariadic:o prosupport:r "
         "prokind:c prosecdef:b proleakproof:b proisstrict:b proretset:b provolatile:c proparallel:c "
         "pronargs:s pronargdefaults:s prorettype:o proargtypes:O proallargtypes:O proargmodes:T "
         "proargnames:T proargdefaults:t protrftypes:O prosrc:t probin:t prosqlbody:t proconfig:T proacl:T"},
	{"pg_catalog", "pg_publication", 6104, 'r',
         "oid:o pubname:n pubowner:o puballtables:b pubinsert:b pubupdate:b pubdelete:b pubtruncate:b "
         "pubviaroot:b"},
	{"pg_catalog", "pg_publication_namespace", 6237, 'r', "oid:o pnpubid:o pnnspid:o"},
	{"pg_catalog", "pg_publication_rel", 6106, 'r', "oid:o prpubid:o prrelid:o prqual:t prattrs:S"},
	{"pg_catalog", "pg_publication_tables", 12068, 'v',
         "pubname:n schemaname:n tablename:n attnames:T rowfilter:t"},
	{"pg_catalog", "pg_range", 3541, 'r',
         "rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o rngcanonical:r rngsubdiff:r"},
	{"pg_catalog", "pg_replication_slots", 12257, 'v',
         "slot_name:n plugin:n slot_type:t datoid:o database:n temporary:b active:b active_pid:i xmin:x "
         "catalog_xmin:x restart_lsn:t confirmed_flush_lsn:t wal_status:t safe_wal_size:l two_phase:b"},
	{"pg_catalog", "pg_rewrite", 2618, 'r',
         "oid:o rulename:n ev_class:o ev_type:c ev_enabled:c is_instead:b ev_qual:t ev_action:t"},
	{"pg_catalog", "pg_roles", 12000, 'v',
         "rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b rolreplication:b "
         "rolconnlimit:i rolpassword:t rolvaliduntil:z rolbypassrls:b rolconfig:T oid:o"},
	{"pg_catalog", "pg_rules", 12023, 'v', "schemaname:n tablename:n rulename:n definition:t"},
	{"pg_catalog", "pg_seclabels", 12099, 'v',
         "objoid:o classoid:o objsubid:i objtype:t objnamespace:o objname:t provider:t label:t"},
	{"pg_catalog", "pg_sequence", 2224, 'r',
         "seqrelid:o seqtypid:o seqstart:l seqincrement:l seqmax:l seqmin:l seqcache:l seqcycle:b"},
	{"pg_catalog", "pg_sequences", 12048, 'v',
         "schemaname:n sequencename:n sequenceowner:n data_type:o start_value:l min_value:l max_value:l "
         "increment_by:l cycle:b cache_size:l last_value:l"},
	{"pg_catalog", "pg_settings", 12104, 'v',
         "name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t vartype:t source:t min_val:t "
         "max_val:t enumvals:T boot_val:t reset_val:t sourcefile:t sourceline:i pending_restart:b"},
	{"pg_catalog", "pg_shadow", 12005, 'v',
         "usename:n usesysid:o usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:z "
         "useconfig:T"},
	{"pg_catalog", "pg_shdepend", 1214, 'r',
         "dbid:o classid:o objid:o objsubid:i refclassid:o refobjid:o deptype:c"},
	{"pg_catalog", "pg_shdescription", 2396, 'r', "objoid:o classoid:o description:t"},
	{"pg_catalog", "pg_stat_activity", 12222, 'v',
         "datid:o datname:n pid:i leader_pid:i usesysid:o usename:n application_name:t client_addr:t "
         "client_hostname:t client_port:i backend_start:z xact_start:z query_start:z state_change:z "
         "wait_event_type:t wait_event:t state:t backend_xid:x backend_xmin:x query_id:l query:t "
         "backend_type:t"},
	{"pg_catalog", "pg_stat_all_tables", 12142, 'v',
         "relid:o schemaname:n relname:n seq_scan:l seq_tup_read:l idx_scan:l idx_tup_fetch:l n_tup_ins:l "
         "n_tup_upd:l n_tup_del:l n_tup_hot_upd:l n_live_tup:l n_dead_tup:l n_mod_since_analyze:l "
         "n_ins_since_vacuum:l last_vacuum:z last_autovacuum:z last_analyze:z last_autoanalyze:z "
         "vacuum_count:l autovacuum_count:l analyze_count:l autoanalyze_count:l"},
	{"pg_catalog", "pg_stat_database", 12266, 'v',
         "datid:o datname:n numbackends:i xact_commit:l xact_rollback:l blks_read:l blks_hit:l tup_returned:l "
         "tup_fetched:l tup_inserted:l tup_updated:l tup_deleted:l conflicts:l temp_files:l temp_bytes:l "
         "deadlocks:l checksum_failures:l checksum_last_failure:z blk_read_time:d blk_write_time:d "
         "session_time:d active_time:d idle_in_transaction_time:d sessions:l sessions_abandoned:l "
         "sessions_fatal:l sessions_killed:l stats_reset:z"},
	{"pg_catalog", "pg_stat_ssl", 12249, 'v',
         "pid:i ssl:b version:t cipher:t bits:i client_dn:t client_serial:l issuer_dn:t"},
	{"pg_catalog", "pg_stat_user_indexes", 12192, 'v',
         "relid:o indexrelid:o schemaname:n relname:n indexrelname:n idx_scan:l idx_tup_read:l "
         "idx_tup_fetch:l"},
	{"pg_catalog", "pg_stat_user_tables", 12161, 'v',
         "relid:o schemaname:n relname:n seq_scan:l seq_tup_read:l idx_scan:l idx_tup_fetch:l n_tup_ins:l "
         "n_tup_upd:l n_tup_del:l n_tup_hot_upd:l n_live_tup:l n_dead_tup:l n_mod_since_analyze:l "
         "n_ins_since_vacuum:l last_vacuum:z last_autovacuum:z last_analyze:z last_autoanalyze:z "
         "vacuum_count:l autovacuum_count:l analyze_count:l autoanalyze_count:l"},
	{"pg_catalog", "pg_statio_user_tables", 12179, 'v',
         "relid:o schemaname:n relname:n heap_blks_read:l heap_blks_hit:l idx_blks_read:l idx_blks_hit:l "
         "toast_blks_read:l toast_blks_hit:l tidx_blks_read:l tidx_blks_hit:l"},
	{"pg_catalog", "pg_statistic_ext", 3381, 'r',
         "oid:o stxrelid:o stxname:n stxnamespace:o stxowner:o stxstattarget:i stxkeys:S stxkind:T stxexprs:t"},
	{"pg_catalog", "pg_stats", 12053, 'v',
         "schemaname:n tablename:n attname:n inherited:b null_frac:f avg_width:i n_distinct:f "
         "most_common_vals:t most_common_freqs:F histogram_bounds:t correlation:f most_common_elems:t "
         "most_common_elem_freqs:F elem_count_histogram:F"},
	{"pg_catalog", "pg_subscription", 6100, 'r',
         "oid:o subdbid:o subskiplsn:t subname:n subowner:o subenabled:b subbinary:b substream:b "
         "subtwophasestate:c subdisableonerr:b subconninfo:t subslotname:n subsynccommit:t subpublications:T"},
	{"pg_catalog", "pg_tables", 12033, 'v',
         "schemaname:n tablename:n tableowner:n tablespace:n hasindexes:b hasrules:b hastriggers:b "
         "rowsecurity:b"},
	{"pg_catalog", "pg_tablespace", 1213, 'r', "oid:o spcname:n spcowner:o spcacl:T spcoptions:T"},
	{"pg_catalog", "pg_timezone_abbrevs", 12122, 'v', "abbrev:t utc_offset:v is_dst:b"},
	{"pg_catalog", "pg_timezone_names", 12126, 'v', "name:t abbrev:t utc_offset:v is_dst:b"},
	{"pg_catalog", "pg_transform", 3576, 'r', "oid:o trftype:o trflang:o trffromsql:r trftosql:r"},
	{"pg_catalog", "pg_trigger", 2620, 'r',
         "oid:o tgrelid:o tgparentid:o tgname:n tgfoid:o tgtype:s tgenabled:c tgisinternal:b tgconstrrelid:o "
         "tgconstrindid:o tgconstraint:o tgdeferrable:b tginitdeferred:b tgnargs:s tgattr:S tgargs:y tgqual:t "
         "tgoldtable:n tgnewtable:n"},
	{"pg_catalog", "pg_ts_config", 3602, 'r', "oid:o cfgname:n cfgnamespace:o cfgowner:o cfgparser:o"},
	{"pg_catalog", "pg_ts_dict", 3600, 'r',
         "oid:o dictname:n dictnamespace:o dictowner:o dicttemplate:o dictinitoption:t"},
	{"pg_catalog", "pg_ts_parser", 3601, 'r',
         "oid:o prsname:n prsnamespace:o prsstart:r prstoken:r prsend:r prsheadline:r prslextype:r"},
	{"pg_catalog", "pg_ts_template", 3764, 'r', "oid:o tmplname:n tmplnamespace:o tmplinit:r tmpllexize:r"},
	{"pg_catalog", "pg_type", 1247, 'r',
         "oid:o typname:n typnamespace:o typowner:o typlen:s typbyval:b typtype:c typcategory:c "
         "typispreferred:b typisdefined:b typdelim:c typrelid:o typsubscript:r typelem:o typarray:o "
         "typinput:r typoutput:r typreceive:r typsend:r typmodin:r typmodout:r typanalyze:r typalign:c "
         "typstorage:c typnotnull:b typbasetype:o typtypmod:i typndims:i typcollation:o typdefaultbin:t "
         "typdefault:t typacl:T"},
	{"pg_catalog", "pg_user", 12014, 'v',
         "usename:n usesysid:o usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:z "
         "useconfig:T"},
	{"pg_catalog", "pg_user_mapping", 1418, 'r', "oid:o umuser:o umserver:o umoptions:T"},
	{"pg_catalog", "pg_user_mappings", 12327, 'v', "umid:o srvid:o srvname:n umuser:o usename:n umoptions:T"},
	{"pg_catalog", "pg_views", 12028, 'v', "schemaname:n viewname:n viewowner:n definition:t"},
	{"information_schema", "applicable_roles", 13001, 'v', "grantee:t role_name:t is_grantable:t"},
	{"information_schema", "character_sets", 13002, 'v',
         "character_set_catalog:t character_set_schema:t character_set_name:t character_repertoire:t "
         "form_of_use:t default_collate_catalog:t default_collate_schema:t default_collate_name:t"},
	{"information_schema", "check_constraints", 13003, 'v',
         "constraint_catalog:t constraint_schema:t constraint_name:t check_clause:t"},
	{"information_schema", "collations", 13004, 'v',
         "collation_catalog:t collation_schema:t collation_name:t pad_attribute:t"},
	{"information_schema", "column_domain_usage", 13005, 'v',
         "domain_catalog:t domain_schema:t domain_name:t table_catalog:t table_schema:t table_name:t "
         "column_name:t"},
	{"information_schema", "column_privileges", 13006, 'v',
         "grantor:t grantee:t table_catalog:t table_schema:t table_name:t column_name:t privilege_type:t "
         "is_grantable:t"},
	{"information_schema", "column_udt_usage", 13007, 'v',
         "udt_catalog:t udt_schema:t udt_name:t table_catalog:t table_schema:t table_name:t column_name:t"},
	{"information_schema", "columns", 13008, 'v',
         "table_catalog:t table_schema:t table_name:t column_name:t ordinal_position:i column_default:t "
         "is_nullable:t data_type:t character_maximum_length:i character_octet_length:i numeric_precision:i "
         "numeric_precision_radix:i numeric_scale:i datetime_precision:i interval_type:t interval_precision:i "
         "character_set_catalog:t character_set_schema:t character_set_name:t collation_catalog:t "
         "collation_schema:t collation_name:t domain_catalog:t domain_schema:t domain_name:t udt_catalog:t "
         "udt_schema:t udt_name:t scope_catalog:t scope_schema:t scope_name:t maximum_cardinality:i "
         "dtd_identifier:t is_self_referencing:t is_identity:t identity_generation:t identity_start:t "
         "identity_increment:t identity_maximum:t identity_minimum:t identity_cycle:t is_generated:t "
         "generation_expression:t is_updatable:t"},
	{"information_schema", "constraint_column_usage", 13009, 'v',
         "table_catalog:t table_schema:t table_name:t column_name:t constraint_catalog:t constraint_schema:t "
         "constraint_name:t"},
	{"information_schema", "constraint_table_usage", 13010, 'v',
         "table_catalog:t table_schema:t table_name:t constraint_catalog:t constraint_schema:t "
         "constraint_name:t"},
	{"information_schema", "domain_constraints", 13011, 'v',
         "constraint_catalog:t constraint_schema:t constraint_name:t domain_catalog:t domain_schema:t "
         "domain_name:t is_deferrable:t initially_deferred:t"},
	{"information_schema", "domains", 13012, 'v',
         "domain_catalog:t domain_schema:t domain_name:t data_type:t character_maximum_length:i "
         "character_octet_length:i character_set_catalog:t character_set_schema:t character_set_name:t "
         "collation_catalog:t collation_schema:t collation_name:t numeric_precision:i "
         "numeric_precision_radix:i numeric_scale:i datetime_precision:i interval_type:t interval_precision:i "
         "domain_default:t udt_catalog:t udt_schema:t udt_name:t scope_catalog:t scope_schema:t scope_name:t "
         "maximum_cardinality:i dtd_identifier:t"},
	{"information_schema", "element_types", 13013, 'v',
         "object_catalog:t object_schema:t object_name:t object_type:t collection_type_identifier:t "
         "data_type:t character_maximum_length:i character_octet_length:i character_set_catalog:t "
         "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t collation_name:t "
         "numeric_precision:i numeric_precision_radix:i numeric_scale:i datetime_precision:i interval_type:t "
         "interval_precision:i domain_default:t udt_catalog:t udt_schema:t udt_name:t scope_catalog:t "
         "scope_schema:t scope_name:t maximum_cardinality:i dtd_identifier:t"},
	{"information_schema", "enabled_roles", 13014, 'v', "role_name:t"},
	{"information_schema", "foreign_tables", 13015, 'v',
         "foreign_table_catalog:t foreign_table_schema:t foreign_table_name:t foreign_server_catalog:t "
         "foreign_server_name:t"},
	{"information_schema", "information_schema_catalog_name", 13016, 'v', "catalog_name:t"},
	{"information_schema", "key_column_usage", 13017, 'v',
         "constraint_catalog:t constraint_schema:t constraint_name:t table_catalog:t table_schema:t "
         "table_name:t column_name:t ordinal_position:i position_in_unique_constraint:i"},
	{"information_schema", "parameters", 13018, 'v',
         "specific_catalog:t specific_schema:t specific_name:t ordinal_position:i parameter_mode:t "
         "is_result:t as_locator:t parameter_name:t data_type:t character_maximum_length:i "
         "character_octet_length:i character_set_catalog:t character_set_schema:t character_set_name:t "
         "collation_catalog:t collation_schema:t collation_name:t numeric_precision:i "
         "numeric_precision_radix:i numeric_scale:i datetime_precision:i interval_type:t interval_precision:i "
         "udt_catalog:t udt_schema:t udt_name:t scope_catalog:t scope_schema:t scope_name:t "
         "maximum_cardinality:i dtd_identifier:t parameter_default:t"},
	{"information_schema", "referential_constraints", 13019, 'v',
         "constraint_catalog:t constraint_schema:t constraint_name:t unique_constraint_catalog:t "
         "unique_constraint_schema:t unique_constraint_name:t match_option:t update_rule:t delete_rule:t"},
	{"information_schema", "role_table_grants", 13020, 'v',
         "grantor:t grantee:t table_catalog:t table_schema:t table_name:t privilege_type:t is_grantable:t "
         "with_hierarchy:t"},
	{"information_schema", "routines", 13021, 'v',
         "specific_catalog:t specific_schema:t specific_name:t routine_catalog:t routine_schema:t "
         "routine_name:t routine_type:t module_catalog:t module_schema:t module_name:t udt_catalog:t "
         "udt_schema:t udt_name:t data_type:t character_maximum_length:i character_octet_length:i "
         "character_set_catalog:t character_set_schema:t character_set_name:t collation_catalog:t "
         "collation_schema:t collation_name:t numeric_precision:i numeric_precision_radix:i numeric_scale:i "
         "datetime_precision:i interval_type:t interval_precision:i type_udt_catalog:t type_udt_schema:t "
         "type_udt_name:t scope_catalog:t scope_schema:t scope_name:t maximum_cardinality:i dtd_identifier:t "
         "routine_body:t routine_definition:t external_name:t external_language:t parameter_style:t "
         "is_deterministic:t sql_data_access:t is_null_call:t sql_path:t schema_level_routine:t "
         "max_dynamic_result_sets:i is_user_defined_cast:t is_implicitly_invocable:t security_type:t "
         "to_sql_specific_catalog:t to_sql_specific_schema:t to_sql_specific_name:t as_locator:t created:z "
         "last_altered:z new_savepoint_level:t is_udt_dependent:t result_cast_from_data_type:t "
         "result_cast_as_locator:t result_cast_char_max_length:i result_cast_char_octet_length:i "
         "result_cast_char_set_catalog:t result_cast_char_set_schema:t result_cast_char_set_name:t "
         "result_cast_collation_catalog:t result_cast_collation_schema:t result_cast_collation_name:t "
         "result_cast_numeric_precision:i result_cast_numeric_precision_radix:i result_cast_numeric_scale:i "
         "result_cast_datetime_precision:i result_cast_interval_type:t result_cast_interval_precision:i "
         "result_cast_type_udt_catalog:t result_cast_type_udt_schema:t result_cast_type_udt_name:t "
         "result_cast_scope_catalog:t result_cast_scope_schema:t result_cast_scope_name:t "
         "result_cast_maximum_cardinality:i result_cast_dtd_identifier:t"},
	{"information_schema", "schemata", 13022, 'v',
         "catalog_name:t schema_name:t schema_owner:t default_character_set_catalog:t "
         "default_character_set_schema:t default_character_set_name:t sql_path:t"},
	{"information_schema", "sequences", 13023, 'v',
         "sequence_catalog:t sequence_schema:t sequence_name:t data_type:t numeric_precision:i "
         "numeric_precision_radix:i numeric_scale:i start_value:t minimum_value:t maximum_value:t increment:t "
         "cycle_option:t"},
	{"information_schema", "sql_features", 13024, 'r',
         "feature_id:t feature_name:t sub_feature_id:t sub_feature_name:t is_supported:t is_verified_by:t "
         "comments:t"},
	{"information_schema", "table_constraints", 13025, 'v',
         "constraint_catalog:t constraint_schema:t constraint_name:t table_catalog:t table_schema:t "
         "table_name:t constraint_type:t is_deferrable:t initially_deferred:t enforced:t nulls_distinct:t"},
	{"information_schema", "table_privileges", 13026, 'v',
         "grantor:t grantee:t table_catalog:t table_schema:t table_name:t privilege_type:t is_grantable:t "
         "with_hierarchy:t"},
	{"information_schema", "tables", 13027, 'v',
         "table_catalog:t table_schema:t table_name:t table_type:t self_referencing_column_name:t "
         "reference_generation:t user_defined_type_catalog:t user_defined_type_schema:t "
         "user_defined_type_name:t is_insertable_into:t is_typed:t commit_action:t"},
	{"information_schema", "triggers", 13028, 'v',
         "trigger_catalog:t trigger_schema:t trigger_name:t event_manipulation:t event_object_catalog:t "
         "event_object_schema:t event_object_table:t action_order:i action_condition:t action_statement:t "
         "action_orientation:t action_timing:t action_reference_old_table:t action_reference_new_table:t "
         "action_reference_old_row:t action_reference_new_row:t created:z"},
	{"information_schema", "user_defined_types", 13029, 'v',
         "user_defined_type_catalog:t user_defined_type_schema:t user_defined_type_name:t "
         "user_defined_type_category:t is_instantiable:t is_final:t ordering_form:t ordering_category:t "
         "ordering_routine_catalog:t ordering_routine_schema:t ordering_routine_name:t reference_type:t "
         "data_type:t character_maximum_length:i character_octet_length:i character_set_catalog:t "
         "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t collation_name:t "
         "numeric_precision:i numeric_precision_radix:i numeric_scale:i datetime_precision:i interval_type:t "
         "interval_precision:i source_dtd_identifier:t ref_dtd_identifier:t"},
	{"information_schema", "view_column_usage", 13030, 'v',
         "view_catalog:t view_schema:t view_name:t table_catalog:t table_schema:t table_name:t column_name:t"},
	{"information_schema", "view_table_usage", 13031, 'v',
         "view_catalog:t view_schema:t view_name:t table_catalog:t table_schema:t table_name:t"},
	{"information_schema", "views", 13032, 'v',
         "table_catalog:t table_schema:t table_name:t view_definition:t check_option:t is_updatable:t "
         "is_insertable_into:t is_trigger_updatable:t is_trigger_deletable:t is_trigger_insertable_into:t"},

	/* ---- our own ---- */
	{"pyralog", "consumer_groups", 13101, 'v',
         "group_id:t topic:t partition:L committed_offset:L end_offset:L lag:L lag_ms:L member_id:t client_id:t "
         "state:t protocol:t"},
	{"pyralog", "locks", 13104, 'v', "name:t slot:L session_id:L token:L waiting:L value_bytes:L"},
	{"pyralog", "metrics", 13103, 'v', "name:t shard:L value:L description:t"},
	{"pyralog", "queries", 13102, 'v', "pid:i user_name:t rows_read:L rows_total:L percent:D state:t place:I"},
	{"pyralog", "sessions", 13105, 'v', "session_id:L slot:L ttl_ms:L left_ms:L locks:L"},
	{"pyralog", "slots", 13106, 'v', "slot:L owner:t epoch:L"},
};

const size_t query_catalog_relation_count = sizeof query_catalog_relations / sizeof *query_catalog_relations;
