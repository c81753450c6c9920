/* The lease authority (see authority.h). */
#include "coord/authority.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 32, NOBODY = AUTHORITY_NODES_MAX, ANSWER_BITS = 32 };

struct node {
	uint64_t directory; /* 0: nobody has the number */
	uint64_t granted, told; /* epochs of openings */
	uint64_t until_ms; /* of its lease, a tenth later than it thinks */
	uint64_t answer;
	uint16_t port;
	char host[AUTHORITY_HOST_MAX + 1];
	unsigned slots;
};

struct slot {
	uint64_t epoch;
	uint64_t
		left_answer; /* it was taken from the owner with this answer, who has not told yet that it saw it; 0: it was not */
	uint64_t given_answer; /* with which it was given, or its claim confirmed */
	unsigned owner;
};

struct authority {
	struct authority_options options;
	uint64_t settled_ms; /* until then owners of another life claim */
	struct node nodes[AUTHORITY_NODES_MAX];
	struct slot slots[SLOTS];
};

/* ---- numbers, durable ---- */

static void write_key(char key[KEY_BYTES], char kind, uint64_t directory)
{
	snprintf(key, KEY_BYTES, "%c/%016" PRIx64, kind, directory);
}

static pyr_result entry_of(struct authority *authority, char kind, uint64_t directory, struct names_entry **ret_entry)
{
	char key[KEY_BYTES];
	write_key(key, kind, directory);
	return names_make(authority->options.names, (struct base_bytes){(const uint8_t *)key, strlen(key)}, ret_entry);
}

/* "n/<directory>" has the number + 1, "t/<directory>" the epoch that was told last. */
static void note_name(void *context, struct base_bytes name, uint64_t kept)
{
	struct authority *authority = context;
	char key[KEY_BYTES];
	if (name.bytes != 18 || kept == 0 || kept > AUTHORITY_NODES_MAX || name.data[0] != 'n')
		return;
	memcpy(key, name.data, name.bytes);
	key[name.bytes] = '\0';
	authority->nodes[kept - 1].directory = strtoull(key + 2, NULL, 16);
}

static void read_told(struct authority *authority)
{
	for (unsigned i = 0; i < AUTHORITY_NODES_MAX; i++) {
		struct node *node = &authority->nodes[i];
		char key[KEY_BYTES];
		write_key(key, 't', node->directory);
		struct names_entry *entry =
			names_find(authority->options.names, (struct base_bytes){(const uint8_t *)key, strlen(key)});
		node->told = node->directory > 0 && entry ? names_kept(entry) : 0;
	}
}

static bool is_live(const struct node *node, uint64_t now_ms)
{
	return now_ms < node->until_ms;
}

static unsigned number_of(const struct authority *authority, uint64_t directory)
{
	unsigned number = 0;
	while (number < AUTHORITY_NODES_MAX && authority->nodes[number].directory != directory)
		number += 1;
	return number;
}

static pyr_result keep(struct authority *authority, char kind, uint64_t directory, uint64_t value,
                       struct pyr_error *error)
{
	struct names_entry *entry;
	pyr_result result = entry_of(authority, kind, directory, &entry);
	if (result.code == PYR_OK) {
		names_raise(authority->options.names, entry, value);
		result = names_keep(authority->options.names);
	}
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the lease authority can't remember its grants: %s",
		                pyr_code_text(result.code));
	return result;
}

static pyr_result give_number(struct authority *authority, const struct authority_opening *opening,
                              unsigned *ret_number, struct pyr_error *error)
{
	unsigned number = number_of(authority, opening->directory);
	if (number < AUTHORITY_NODES_MAX) {
		*ret_number = number;
		return pyr_ok();
	}
	number = opening->number_wanted >= 0 ? (unsigned)opening->number_wanted : number_of(authority, 0);
	if (number >= AUTHORITY_NODES_MAX)
		return pyr_fail(error, PYR_BUSY, "all %d node numbers are taken", AUTHORITY_NODES_MAX);
	if (authority->nodes[number].directory > 0)
		return pyr_fail(error, PYR_EXISTS, "node number %u belongs to another data directory", number);
	PYR_TRY(keep(authority, 'n', opening->directory, number + 1, error));
	authority->nodes[number].directory = opening->directory;
	*ret_number = number;
	return pyr_ok();
}

static pyr_result new_epoch(struct authority *authority, uint64_t *ret_epoch, struct pyr_error *error)
{
	pyr_result result = obelisk_take_durable(authority->options.epochs, 1, ret_epoch);
	*ret_epoch += 1; /* from 1 */
	if (result.code != PYR_OK)
		return pyr_fail(error, result.code, "the lease authority's counter can't be extended: %s",
		                pyr_code_text(result.code));
	return result;
}

pyr_result authority_open(struct authority *authority, uint64_t now_ms, const struct authority_opening *opening,
                          struct authority_grant *ret_grant, struct pyr_error *error)
{
	assert(opening->directory > 0);
	unsigned number = 0;
	uint64_t epoch;
	if (now_ms < authority->settled_ms)
		return pyr_fail(error, PYR_BUSY, "the lease authority has begun anew: it grants in %" PRIu64 " ms",
		                authority->settled_ms - now_ms);
	PYR_TRY(give_number(authority, opening, &number, error));
	struct node *node = &authority->nodes[number];
	if (is_live(node, now_ms))
		return pyr_fail(error, PYR_BUSY, "the lease of the directory's last opening ends in %" PRIu64 " ms",
		                node->until_ms - now_ms);
	PYR_TRY(new_epoch(authority, &epoch, error));
	node->granted = epoch;
	*ret_grant = (struct authority_grant){number, epoch, node->told};
	return pyr_ok();
}

static void take_away(struct authority *authority, struct slot *slot)
{
	if (slot->owner != NOBODY)
		authority->nodes[slot->owner].slots -= 1;
	*slot = (struct slot){.owner = NOBODY};
}

pyr_result authority_told(struct authority *authority, uint64_t now_ms, uint64_t directory, uint64_t epoch,
                          struct pyr_error *error)
{
	unsigned number = number_of(authority, directory);
	if (number >= AUTHORITY_NODES_MAX || authority->nodes[number].granted != epoch ||
	    is_live(&authority->nodes[number], now_ms))
		return pyr_fail(error, PYR_PRODUCER_FENCED, "epoch %" PRIu64 " is not the last that was granted",
		                epoch);
	PYR_TRY(keep(authority, 't', directory, epoch, error));
	authority->nodes[number].told = epoch;
	for (size_t i = 0; i < SLOTS; i++) /* they get epochs of their own */
		if (authority->slots[i].owner == number)
			take_away(authority, &authority->slots[i]);
	return pyr_ok();
}

/* ---- slots ---- */

size_t authority_live(const struct authority *authority, uint64_t now_ms)
{
	size_t live = 0;
	for (size_t i = 0; i < AUTHORITY_NODES_MAX; i++)
		live += is_live(&authority->nodes[i], now_ms);
	return live;
}

static void give(struct authority *authority, struct slot *slot, unsigned number, uint64_t epoch, uint64_t answer)
{
	take_away(authority, slot);
	*slot = (struct slot){.epoch = epoch, .given_answer = answer, .owner = number};
	authority->nodes[number].slots += 1;
}

/* What another life gave: the newer of two claims is right. */
static void take_claims(struct authority *authority, uint64_t now_ms, const struct authority_renewal *renewal)
{
	if (now_ms >= authority->settled_ms)
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &authority->slots[i];
		uint64_t claimed = renewal->epochs[i];
		if (claimed > slot->epoch && (slot->owner == NOBODY || slot->owner != renewal->number))
			give(authority, slot, renewal->number, claimed, authority->nodes[renewal->number].answer + 1);
	}
}

/* What was left, and it has seen that; what it does not have, though it has seen that it was given: its lease had run out. */
static void settle_own(struct authority *authority, const struct authority_renewal *renewal)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &authority->slots[i];
		if (slot->owner != renewal->number)
			continue;
		bool left = slot->left_answer > 0 && slot->left_answer <= renewal->seen;
		bool lost = renewal->epochs[i] != slot->epoch && slot->given_answer <= renewal->seen;
		if (left || lost)
			take_away(authority, slot);
	}
}

/* Gives free slots up to a fair share, and takes what is above it. */
static pyr_result balance(struct authority *authority, uint64_t now_ms, unsigned number, struct pyr_error *error)
{
	struct node *node = &authority->nodes[number];
	size_t live = authority_live(authority, now_ms);
	size_t most = (SLOTS + live - 1) / live;
	uint64_t epoch = 0; /* of all that this answer gives */
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &authority->slots[i];
		if (slot->owner != NOBODY && !is_live(&authority->nodes[slot->owner], now_ms))
			take_away(authority, slot);
		if (slot->owner == NOBODY && node->slots < most && now_ms >= authority->settled_ms) {
			if (epoch == 0)
				PYR_TRY(new_epoch(authority, &epoch, error));
			give(authority, slot, number, epoch, node->answer);
		}
	}
	size_t kept = 0;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &authority->slots[i];
		if (slot->owner != number || slot->left_answer > 0)
			continue;
		kept += 1;
		if (kept > most)
			slot->left_answer = node->answer;
	}
	return pyr_ok();
}

static pyr_result check_renewal(const struct authority *authority, const struct authority_renewal *renewal,
                                struct pyr_error *error)
{
	const struct node *node = renewal->number < AUTHORITY_NODES_MAX ? &authority->nodes[renewal->number] : NULL;
	if (!node || node->directory == 0 || renewal->epoch == 0 || renewal->epoch != node->told)
		return pyr_fail(
			error, PYR_PRODUCER_FENCED,
			"the lease of node number %u went to a newer opening of its directory, or to a copy of it",
			renewal->number);
	return pyr_ok();
}

pyr_result authority_renew(struct authority *authority, uint64_t now_ms, const struct authority_renewal *renewal,
                           struct authority_lease *ret_lease, struct pyr_error *error)
{
	PYR_TRY(check_renewal(authority, renewal, error));
	struct node *node = &authority->nodes[renewal->number];
	take_claims(authority, now_ms, renewal);
	settle_own(authority, renewal);
	node->until_ms = now_ms + authority->options.lease_ms + authority->options.lease_ms / 10;
	node->answer += 1;
	node->port = renewal->port;
	snprintf(node->host, sizeof node->host, "%s", renewal->host);
	PYR_TRY(balance(authority, now_ms, renewal->number, error));
	ret_lease->answer = node->answer;
	ret_lease->lease_ms = authority->options.lease_ms;
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *slot = &authority->slots[i];
		ret_lease->epochs[i] = slot->owner == renewal->number && slot->left_answer == 0 ? slot->epoch : 0;
	}
	return pyr_ok();
}

struct authority_owner authority_owner(const struct authority *authority, uint64_t now_ms, uint16_t slot)
{
	const struct slot *found = &authority->slots[slot];
	if (found->owner == NOBODY || !is_live(&authority->nodes[found->owner], now_ms))
		return (struct authority_owner){.host = ""};
	const struct node *node = &authority->nodes[found->owner];
	return (struct authority_owner){found->epoch, found->owner, node->host, node->port};
}

/* ---- life ---- */

pyr_result authority_new(const struct authority_options *options, struct authority **ret_authority,
                         struct pyr_error *error)
{
	uint64_t life;
	bool first = obelisk_promised(options->epochs) == 0; /* then nobody has anything to claim */
	struct authority *authority = calloc(1, sizeof *authority);
	if (!authority)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	authority->options = *options;
	pyr_result result = new_epoch(authority, &life, error);
	if (result.code != PYR_OK) {
		free(authority);
		return result;
	}
	for (size_t i = 0; i < SLOTS; i++)
		authority->slots[i].owner = NOBODY;
	for (size_t i = 0; i < AUTHORITY_NODES_MAX; i++)
		authority->nodes[i].answer = life << ANSWER_BITS;
	names_each(options->names, note_name, authority);
	read_told(authority);
	authority->settled_ms =
		first || options->alone ? 0 : options->now_ms + options->lease_ms + options->lease_ms / 10;
	*ret_authority = authority;
	return pyr_ok();
}

void authority_free(struct authority *authority)
{
	free(authority);
}
