/* Quotas, enforced: what a client's requests used is counted, and who used too much has to wait (KIP-13, KIP-124, KIP-219).
 *
 * Each quota's clients share a bucket, over all connections and shards: one number, the time at which everything they have
 * used would be used up at their rate. While it is less than BURST_US ahead, they are within their quota; beyond, the answer
 * leaves at once, tells how long it is beyond, and the connection is muted for so long (the generic cell rate algorithm, as
 * in ITU-T I.371). Counted are the bytes of Produce requests, the records' bytes of Fetch responses, and, of all requests, the
 * time that the loop they arrived at worked on them.
 * Failure modes: more than KAFKA_BUCKETS quotas in use share some. Threads: a bucket belongs to all loops, by atomics; all
 * else to the connection's. */
#include "base/hash.h"
#include "base/table.h"
#include "server/kafka/kafka_priv.h"

#include <stdlib.h>
#include <string.h>

enum { BURST_US = 1000000, MUTED_MS_MAX = 60000, PROBES_MAX = 64 };

#define COST_US_MAX 3600e6

/* ---- buckets ---- */

static struct kafka_bucket *find_bucket(const struct kafka_group *group, uint64_t key)
{
	struct kafka_bucket *bucket = NULL;
	for (size_t i = 0; i < PROBES_MAX; i++) {
		uint64_t found = 0;
		bucket = &group->buckets[(key + i) % KAFKA_BUCKETS];
		if (atomic_compare_exchange_strong(&bucket->key, &found, key) || found == key)
			return bucket;
	}
	return bucket;
}

/* Returns how far the bucket is beyond its quota. */
static uint64_t charge(const struct kafka_group *group, uint64_t key, uint64_t now_us, double cost_us)
{
	struct kafka_bucket *bucket = find_bucket(group, key);
	uint64_t cost = (uint64_t)(cost_us < COST_US_MAX ? cost_us : COST_US_MAX);
	uint64_t before = atomic_load_explicit(&bucket->arrival_us, memory_order_relaxed), after;
	do {
		after = (before > now_us ? before : now_us) + cost;
	} while (!atomic_compare_exchange_weak(&bucket->arrival_us, &before, after));
	return after - now_us > BURST_US ? after - now_us - BURST_US : 0;
}

/* ---- which quotas ---- */

/* By whom a quota is shared: those that it does not name one by one have one each. A changed rate begins anew. */
static uint64_t bucket_key(const struct catalog_quota *quota, enum catalog_quota_key key, const char *user,
                           struct base_bytes client)
{
	uint64_t hash = base_hash_u64(key + 1), rate;
	memcpy(&rate, &quota->values[key], sizeof rate);
	hash = base_hash_u64(hash ^ rate);
	if (quota->entity.user_part != CATALOG_QUOTA_ANY)
		hash = base_hash_u64(hash ^ base_hash_bytes(user, strlen(user)));
	hash = base_hash_u64(hash + quota->entity.user_part);
	if (quota->entity.client_part != CATALOG_QUOTA_ANY)
		hash = base_hash_u64(hash ^ base_hash_bytes(client.data, client.bytes));
	return hash | 1;
}

static void look_up(struct kafka_connection *connection, const struct kafka_request *request, uint64_t client_hash)
{
	const struct catalog *catalog = connection->server->catalog;
	struct kafka_quotas *quotas = &connection->quotas;
	struct base_bytes client = request->header.client_id;
	*quotas = (struct kafka_quotas){.version = catalog_quota_version(catalog), .client = client_hash};
	for (int key = 0; key < CATALOG_QUOTA_KEYS; key++) {
		const struct catalog_quota *quota =
			catalog_quota_of(catalog, (enum catalog_quota_key)key, request->principal.name, client);
		if (!quota)
			continue;
		quotas->rates[key] = quota->values[key];
		quotas->buckets[key] = bucket_key(quota, (enum catalog_quota_key)key, request->principal.name, client);
	}
}

/* NULL: nobody has one, or the client has gone. */
static const struct kafka_quotas *quotas_of(const struct kafka_request *request)
{
	struct kafka_connection *connection = request->connection;
	if (!connection || catalog_quota_count(connection->server->catalog) == 0)
		return NULL;
	struct base_bytes client = request->header.client_id;
	uint64_t hash = base_hash_bytes(client.data, client.bytes);
	if (connection->quotas.version != catalog_quota_version(connection->server->catalog) ||
	    connection->quotas.client != hash)
		look_up(connection, request, hash);
	return &connection->quotas;
}

/* ---- muting ---- */

static void on_unmute(struct os_timer *timer)
{
	struct kafka_connection *connection = BASE_CONTAINER(timer, struct kafka_connection, unmute);
	connection->muted = false;
	connection->progress_us = os_now_us(connection->server->loop);
	kafka_connection_pump(connection);
}

void kafka_throttle_init(struct kafka_connection *connection)
{
	connection->unmute.fire = on_unmute;
}

static int32_t mute(struct kafka_connection *connection, uint64_t beyond_us)
{
	uint64_t ms = (beyond_us + 999) / 1000;
	ms = ms < MUTED_MS_MAX ? ms : MUTED_MS_MAX;
	bool longer = !connection->muted || connection->unmute.due_us < os_now_us(connection->server->loop) + ms * 1000;
	connection->muted = true;
	connection->server->metrics.throttled += 1;
	if (longer) /* than what another quota demands */
		os_timer_start(connection->server->loop, &connection->unmute, ms * 1000);
	return (int32_t)ms;
}

/* ---- what was used ---- */

static size_t gap_bytes(const struct kafka_gap *gaps, size_t gap_count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < gap_count; i++)
		for (size_t j = 0; j < gaps[i].slice_count; j++)
			bytes += gaps[i].slices[j].bytes;
	return bytes;
}

static size_t fetched_bytes(const struct kafka_request *request, const struct kafka_outcome *outcome)
{
	if (!request->spread)
		return gap_bytes(outcome->gaps, outcome->gap_count);
	size_t count = 0;
	struct kafka_gap *gaps = kafka_spread_gaps(request->spread, &count);
	size_t bytes = gaps ? gap_bytes(gaps, count) : 0;
	free(gaps);
	return bytes;
}

void kafka_throttle(struct kafka_request *request, const struct kafka_outcome *outcome)
{
	const struct kafka_quotas *quotas = quotas_of(request);
	enum catalog_quota_key key = kafka_request_is_fetch(request) ? CATALOG_QUOTA_FETCH : CATALOG_QUOTA_PRODUCE;
	if (!quotas)
		return;
	struct kafka_connection *connection = request->connection;
	const struct kafka_group *group = connection->server->group;
	uint64_t now_us = os_now_us(connection->server->loop), beyond_us = 0;
	bool counts = kafka_request_is_fetch(request) || request->header.api_key == CODEC_KAFKA_PRODUCE;
	if (counts && quotas->rates[key] > 0) {
		size_t bytes = kafka_request_is_fetch(request) ? fetched_bytes(request, outcome) : request->bytes.bytes;
		beyond_us = charge(group, quotas->buckets[key], now_us, (double)bytes * 1e6 / quotas->rates[key]);
	}
	if (quotas->rates[CATALOG_QUOTA_REQUEST] > 0) {
		uint64_t time_us = charge(group, quotas->buckets[CATALOG_QUOTA_REQUEST], now_us, 0);
		beyond_us = time_us > beyond_us ? time_us : beyond_us;
	}
	if (beyond_us > 0)
		request->throttle_ms = mute(connection, beyond_us);
}

uint64_t kafka_throttle_clock(const struct kafka_request *request)
{
	const struct kafka_connection *connection = request->connection;
	return connection && catalog_quota_count(connection->server->catalog) > 0 ? os_now_us(connection->server->loop)
	                                                                          : 0;
}

/* Told with a later answer of its client's: this one may have left. */
void kafka_throttle_time(struct kafka_connection *connection, uint64_t began_us)
{
	if (began_us == 0 || connection->quotas.rates[CATALOG_QUOTA_REQUEST] <= 0)
		return;
	uint64_t now_us = os_now_us(connection->server->loop);
	double cost_us = (double)(now_us - began_us) * 100 / connection->quotas.rates[CATALOG_QUOTA_REQUEST];
	(void)charge(connection->server->group, connection->quotas.buckets[CATALOG_QUOTA_REQUEST], now_us, cost_us);
}
