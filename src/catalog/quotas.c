/* Quotas of clients: what the catalog remembers, and which one holds for whom (see catalog.h). Who goes over one is the
 * port's business. Invariant: an entity is there once. Owner: the catalog's thread. */
#include "catalog/catalog_priv.h"

#include <assert.h>
#include <string.h>

const char *catalog_quota_key_name(enum catalog_quota_key key)
{
	static const char *const names[CATALOG_QUOTA_KEYS] = {"producer_byte_rate", "consumer_byte_rate",
	                                                      "request_percentage"};
	assert(key < CATALOG_QUOTA_KEYS);
	return names[key];
}

size_t catalog_quota_count(const struct catalog *catalog)
{
	return catalog->quota_count;
}

const struct catalog_quota *catalog_quota_at(const struct catalog *catalog, size_t i)
{
	assert(i < catalog->quota_count);
	return &catalog->quotas[i];
}

uint64_t catalog_quota_version(const struct catalog *catalog)
{
	return catalog->quota_version;
}

static bool same_entity(const struct catalog_quota_entity *a, const struct catalog_quota_entity *b)
{
	return a->user_part == b->user_part && a->client_part == b->client_part && strcmp(a->user, b->user) == 0 &&
	       strcmp(a->client, b->client) == 0;
}

const struct catalog_quota *catalog_quota_find(const struct catalog *catalog, const struct catalog_quota_entity *entity)
{
	for (size_t i = 0; i < catalog->quota_count; i++)
		if (same_entity(&catalog->quotas[i].entity, entity))
			return &catalog->quotas[i];
	return NULL;
}

/* ---- which one holds ---- */

/* 2: by name, 1: as the default, 0: it does not say, -1: another's. */
static int fit(uint8_t part, const char *name, struct base_bytes wanted)
{
	if (part == CATALOG_QUOTA_ANY)
		return 0;
	if (part == CATALOG_QUOTA_DEFAULT)
		return 1;
	return strlen(name) == wanted.bytes && (wanted.bytes == 0 || memcmp(name, wanted.data, wanted.bytes) == 0) ? 2
	                                                                                                           : -1;
}

const struct catalog_quota *catalog_quota_of(const struct catalog *catalog, enum catalog_quota_key key,
                                             const char *user, struct base_bytes client)
{
	struct base_bytes user_bytes = {(const uint8_t *)user, strlen(user)};
	const struct catalog_quota *best = NULL;
	int best_rank = 0;
	for (size_t i = 0; i < catalog->quota_count; i++) {
		const struct catalog_quota *quota = &catalog->quotas[i];
		int of_user = fit(quota->entity.user_part, quota->entity.user, user_bytes);
		int of_client = fit(quota->entity.client_part, quota->entity.client, client);
		int rank = of_user * 3 + of_client;
		if (quota->set & 1u << key && of_user >= 0 && of_client >= 0 && rank > best_rank) {
			best = quota;
			best_rank = rank;
		}
	}
	return best;
}

/* ---- changes ---- */

pyr_result catalog_quota_apply(struct catalog *catalog, const struct catalog_quota *quota)
{
	size_t i = 0;
	while (i < catalog->quota_count && !same_entity(&catalog->quotas[i].entity, &quota->entity))
		i += 1;
	catalog->quota_version += 1;
	if (quota->set == 0) {
		if (i < catalog->quota_count)
			catalog->quotas[i] = catalog->quotas[--catalog->quota_count];
		return pyr_ok();
	}
	if (i == catalog->quota_count) {
		if (i >= CATALOG_QUOTAS_MAX)
			return pyr_result_of(PYR_BUSY);
		if (!base_array_reserve(&catalog->quotas, &catalog->quota_capacity, i + 1, sizeof *catalog->quotas))
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		catalog->quota_count += 1;
	}
	catalog->quotas[i] = *quota;
	return pyr_ok();
}
