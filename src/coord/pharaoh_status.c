/* Who has which slots, and how much a Pharaoh node has done, as texts of the binary protocol (see docs/formats/pharaoh.md). */
#include "coord/pharaoh_priv.h"

#include <assert.h>
#include <string.h>

enum { RUN_BYTES = 2 + 2 + 8 + 2 + 1 };

/* A run of slots of one owner and epoch: u16 first, u16 count, u64 epoch, u16 port, u8 length of the host, host. */
static size_t write_run(uint8_t *at, uint16_t first, uint16_t count, const struct authority_owner *owner)
{
	size_t host_bytes = strlen(owner->host);
	assert(host_bytes <= AUTHORITY_HOST_MAX);
	base_store_u16le(at, first);
	base_store_u16le(at + 2, count);
	base_store_u64le(at + 4, owner->epoch);
	base_store_u16le(at + 12, owner->port);
	at[14] = (uint8_t)host_bytes;
	memcpy(at + RUN_BYTES, owner->host, host_bytes);
	return RUN_BYTES + host_bytes;
}

struct authority_owner pharaoh_owner(const struct pharaoh *pharaoh, uint64_t now_ms, uint16_t slot)
{
	if (!pharaoh->options.owner)
		return (struct authority_owner){.epoch = pharaoh->slots.epochs[slot], .host = ""};
	return pharaoh->options.owner(pharaoh->options.context, now_ms, slot);
}

static bool is_same(const struct authority_owner *a, const struct authority_owner *b)
{
	return a->epoch == b->epoch && a->port == b->port && strcmp(a->host, b->host) == 0;
}

enum pharaoh_verdict pharaoh_map(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	struct authority_owner owner = pharaoh_owner(pharaoh, pharaoh->now_ms, 0);
	size_t bytes = 0;
	for (uint16_t slot = 1, first = 0; slot <= SLOTS; slot++) {
		struct authority_owner next =
			slot < SLOTS ? pharaoh_owner(pharaoh, pharaoh->now_ms, slot) : (struct authority_owner){0};
		if (slot < SLOTS && is_same(&owner, &next))
			continue;
		if (bytes + RUN_BYTES + AUTHORITY_HOST_MAX > PHARAOH_MAP_BYTES)
			break; /* slots that are not told are asked for anywhere */
		bytes += write_run(pharaoh->text + bytes, first, (uint16_t)(slot - first), &owner);
		owner = next;
		first = slot;
	}
	call->reply->value = (struct base_bytes){pharaoh->text, bytes};
	return PHARAOH_DONE;
}

struct pharaoh_metrics pharaoh_metrics_get(const struct pharaoh *pharaoh, uint64_t now_ms)
{
	struct pharaoh_metrics metrics = pharaoh->metrics;
	metrics.sessions = sessions_count(pharaoh->sessions);
	metrics.session_bytes = sessions_bytes(pharaoh->sessions);
	metrics.locks = locks_count(pharaoh->locks);
	metrics.waiters = locks_waiting(pharaoh->locks);
	metrics.sequences = pharaoh->options.sequences ? names_count(pharaoh->options.sequences) : 0;
	for (uint16_t slot = 0; slot < SLOTS; slot++)
		metrics.slots += slots_own(&pharaoh->slots, slot, now_ms);
	return metrics;
}

/* u8 length of the name, name, u64 value. */
static size_t write_metric(uint8_t *at, const char *name, uint64_t value)
{
	size_t bytes = strlen(name);
	at[0] = (uint8_t)bytes;
	memcpy(at + 1, name, bytes);
	base_store_u64le(at + 1 + bytes, value);
	return 1 + bytes + 8;
}

enum pharaoh_verdict pharaoh_status(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	struct pharaoh_metrics metrics = pharaoh_metrics_get(pharaoh, pharaoh->now_ms);
	size_t bytes = 0;
#define X(name, help) bytes += write_metric(pharaoh->text + bytes, #name, metrics.name);
	PHARAOH_METRICS(X)
#undef X
	bytes += write_metric(pharaoh->text + bytes, "sessions", metrics.sessions);
	bytes += write_metric(pharaoh->text + bytes, "session_bytes", metrics.session_bytes);
	bytes += write_metric(pharaoh->text + bytes, "locks", metrics.locks);
	bytes += write_metric(pharaoh->text + bytes, "waiters", metrics.waiters);
	bytes += write_metric(pharaoh->text + bytes, "sequences", metrics.sequences);
	bytes += write_metric(pharaoh->text + bytes, "slots", metrics.slots);
	assert(bytes < sizeof pharaoh->text);
	call->reply->value = (struct base_bytes){pharaoh->text, bytes};
	return PHARAOH_DONE;
}
