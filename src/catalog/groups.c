/* Settings of consumer groups: what the catalog remembers of them (see catalog.h). What they mean is the coordinator's
 * business. Invariants: sorted by id, an id is there once, and only with a value. Owner: the catalog's thread. */
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <string.h>

const char *catalog_group_key_name(enum catalog_group_key key)
{
	static const char *const names[CATALOG_GROUP_KEYS] = {"consumer.session.timeout.ms",
	                                                      "consumer.heartbeat.interval.ms"};
	assert(key < CATALOG_GROUP_KEYS);
	return names[key];
}

size_t catalog_group_settings_count(const struct catalog *catalog)
{
	return catalog->group_count;
}

const struct catalog_group_settings *catalog_group_settings_at(const struct catalog *catalog, size_t i)
{
	assert(i < catalog->group_count);
	return &catalog->groups[i];
}

static int compare(const char *name, struct base_bytes wanted)
{
	size_t bytes = strlen(name), shorter = bytes < wanted.bytes ? bytes : wanted.bytes;
	int order = memcmp(name, wanted.data, shorter);
	return order != 0 ? order : (bytes > wanted.bytes) - (bytes < wanted.bytes);
}

/* The first that is not before it. */
static size_t place_of(const struct catalog *catalog, struct base_bytes group)
{
	size_t from = 0, to = catalog->group_count;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (compare(catalog->groups[middle].group, group) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct catalog_group_settings *catalog_group_settings_find(const struct catalog *catalog, struct base_bytes group)
{
	size_t i = group.bytes > 0 ? place_of(catalog, group) : catalog->group_count;
	return i < catalog->group_count && compare(catalog->groups[i].group, group) == 0 ? &catalog->groups[i] : NULL;
}

/* ---- changes ---- */

static pyr_result insert(struct catalog *catalog, size_t i, const char *group)
{
	if (catalog->group_count >= CATALOG_GROUP_SETTINGS_MAX)
		return pyr_result_of(PYR_BUSY);
	if (!base_array_reserve(&catalog->groups, &catalog->group_capacity, catalog->group_count + 1,
	                        sizeof *catalog->groups))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	struct catalog_group_settings *at = &catalog->groups[i];
	memmove(at + 1, at, (catalog->group_count - i) * sizeof *at);
	*at = (struct catalog_group_settings){0};
	memcpy(at->group, group, sizeof at->group);
	catalog->group_count += 1;
	return pyr_ok();
}

static void take_out(struct catalog *catalog, size_t i)
{
	struct catalog_group_settings *at = &catalog->groups[i];
	memmove(at, at + 1, (catalog->group_count - i - 1) * sizeof *at);
	catalog->group_count -= 1;
}

pyr_result catalog_group_apply(struct catalog *catalog, const struct catalog_group_settings *group, uint32_t changed)
{
	struct base_bytes id = {(const uint8_t *)group->group, strlen(group->group)};
	size_t i = place_of(catalog, id);
	assert(id.bytes > 0);
	bool is_new = i == catalog->group_count || compare(catalog->groups[i].group, id) != 0;
	if (is_new && (group->set & changed) == 0)
		return pyr_ok();
	if (is_new)
		PYR_TRY(insert(catalog, i, group->group));
	struct catalog_group_settings *at = &catalog->groups[i];
	for (size_t key = 0; key < CATALOG_GROUP_KEYS; key++)
		if (changed & 1u << key)
			at->values[key] = group->values[key];
	at->set = (at->set & ~changed) | (group->set & changed);
	if (at->set == 0)
		take_out(catalog, i);
	return pyr_ok();
}
