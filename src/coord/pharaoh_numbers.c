/* A Pharaoh node's numbers: ids, timestamps, transactions' begins, sequences (see pharaoh.h). */
#include "coord/pharaoh_priv.h"

#include <assert.h>

static bool check_count(struct pharaoh_call *call, uint32_t max)
{
	if (call->request->count > 0 && call->request->count <= max)
		return true;
	pharaoh_fail(call, PYR_INVALID_REQUEST, "the count is %u, and may be 1 to %u", call->request->count, max);
	return false;
}

static enum pharaoh_verdict take_ids(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	bool over;
	enum hlc_verdict verdict =
		scarab_issuer_try(pharaoh->options.ids, call->request->count, pharaoh->numbers, &over);
	if (over)
		return pharaoh_fail(call, PYR_BAD_TIMESTAMP,
		                    "the clock is set beyond the year 2094, where ids end: set it right");
	pharaoh->wants_ids |= verdict == HLC_PROMISE;
	if (verdict != HLC_DONE)
		return verdict == HLC_PROMISE ? PHARAOH_KEEP : PHARAOH_LATER;
	for (uint32_t i = 0; i < call->request->count; i++)
		base_store_u64le(&pharaoh->numbers[i], pharaoh->numbers[i]);
	call->reply->numbers = (const uint8_t *)pharaoh->numbers;
	call->reply->number_count = call->request->count;
	return PHARAOH_DONE;
}

static enum pharaoh_verdict take_timestamps(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	enum hlc_verdict verdict = timekeeper_try(pharaoh->options.clock, call->request->count, &call->reply->first);
	pharaoh->wants_clock |= verdict == HLC_PROMISE;
	if (verdict != HLC_DONE)
		return verdict == HLC_PROMISE ? PHARAOH_KEEP : PHARAOH_LATER;
	call->reply->count = call->request->count;
	return PHARAOH_DONE;
}

enum pharaoh_verdict pharaoh_ids(struct pharaoh_call *call)
{
	if (!check_count(call, PHARAOH_BATCH_MAX))
		return PHARAOH_DONE;
	enum pharaoh_verdict verdict = take_ids(call);
	call->pharaoh->metrics.ids += call->reply->number_count;
	return verdict;
}

enum pharaoh_verdict pharaoh_timestamps(struct pharaoh_call *call)
{
	if (!check_count(call, PHARAOH_TIMESTAMPS_MAX))
		return PHARAOH_DONE;
	enum pharaoh_verdict verdict = take_timestamps(call);
	call->pharaoh->metrics.timestamps += call->reply->count;
	return verdict;
}

/* An id and a timestamp each. Timestamps that are taken before the ids have to wait are nobody's. */
enum pharaoh_verdict pharaoh_begin(struct pharaoh_call *call)
{
	if (!check_count(call, PHARAOH_BATCH_MAX))
		return PHARAOH_DONE;
	enum pharaoh_verdict verdict = take_timestamps(call);
	if (verdict != PHARAOH_DONE)
		return verdict;
	verdict = take_ids(call);
	call->pharaoh->metrics.begins += call->reply->number_count;
	return verdict;
}

/* The last value that this life gave, + 1 to tell 0 from a name that it has not asked for: what an earlier life promised, and
 * perhaps gave, is skipped. */
static uint64_t last_given(struct names_entry *entry)
{
	uint64_t *word = names_word(entry);
	if (*word == 0)
		*word = names_kept(entry) + 1;
	return *word - 1;
}

static enum pharaoh_verdict refuse_name(struct pharaoh_call *call, pyr_result result)
{
	if (result.code == PYR_USAGE)
		return pharaoh_fail(call, PYR_INVALID_REQUEST, "a sequence has a name of 1 to %d bytes",
		                    NAMES_NAME_MAX);
	if (result.code == PYR_BUSY)
		return pharaoh_fail(call, PYR_TOO_LARGE, "there are as many sequences as there may be");
	return pharaoh_fail(call, result.code, "%s", pyr_code_text(result.code));
}

/* Values are taken at once, so that those who ask at the same time share a sync; they are told when they are promised. */
enum pharaoh_verdict pharaoh_sequence(struct pharaoh_call *call)
{
	struct pharaoh *pharaoh = call->pharaoh;
	const struct codec_pharaoh *request = call->request;
	uint64_t lease = request->lease > 0 ? request->lease : PHARAOH_SEQUENCE_LEASE;
	struct names_entry *entry;
	if (!check_count(call, PHARAOH_TIMESTAMPS_MAX))
		return PHARAOH_DONE;
	if (lease > PHARAOH_TIMESTAMPS_MAX)
		return pharaoh_fail(call, PYR_INVALID_REQUEST, "the lease may be 1 to %d", PHARAOH_TIMESTAMPS_MAX);
	if (!pharaoh->options.sequences)
		return pharaoh_fail(call, PYR_NOT_SUPPORTED, "sequences are served by a node that stands alone");
	if (names_stopped(pharaoh->options.sequences))
		return pharaoh_fail(call, PYR_STOPPED, "the file of sequences could not be synced: restart the server");
	pyr_result made = names_make(pharaoh->options.sequences, request->name, &entry);
	if (made.code != PYR_OK)
		return refuse_name(call, made);
	uint64_t last = last_given(entry), end = last + request->count;
	if (end >> 63)
		return pharaoh_fail(call, PYR_TOO_LARGE, "the sequence has come to its end");
	*names_word(entry) = end + 1;
	call->reply->first = last + 1;
	call->reply->count = request->count;
	pharaoh->metrics.values += request->count;
	if (end <= names_kept(entry))
		return PHARAOH_DONE;
	names_raise(pharaoh->options.sequences, entry, last + (lease > request->count ? lease : request->count));
	*call->hold = (struct pharaoh_hold){entry, end};
	return PHARAOH_HOLD;
}
