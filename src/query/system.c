/* Which names are relations of the system, and what stands for them in FROM (see catalog.h). Pure. */
#include "query/catalog.h"
#include "query/plan_priv.h"

#include <stdio.h>
#include <string.h>

bool query_system_relation(const char *schema, const char *name, uint64_t handle, char *room, size_t room_bytes)
{
	for (size_t i = 0; i < query_catalog_relation_count; i++) {
		const struct catalog_relation *relation = &query_catalog_relations[i];
		/* Without a schema pg_catalog is looked through, as PostgreSQL does. */
		if (strcmp(relation->name, name) != 0 || strcmp(relation->schema, schema ? schema : "pg_catalog") != 0)
			continue;
		snprintf(room, room_bytes, "pyr.\"%s\"(%llu)", name, (unsigned long long)handle);
		return true;
	}
	return false;
}
