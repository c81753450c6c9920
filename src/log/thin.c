/* Thinning: what a compacted partition keeps of each batch.
 *
 * Offsets keep having no gap: a batch that loses all its records goes, and the one before takes its offsets; the first of a
 * part stays, be it empty. So one batch is held back until it is known what comes behind it. Runs in a job; the map of newest
 * offsets is only read.
 */
#include "log/log_priv.h"

enum { INFLATED_MAX = 1 << 30 };

static bool is_newest(void *context, const struct codec_record *record)
{
	const struct log_thinner *thinner = context;
	return log_keymap_is_newest(thinner->newest, record->key, record->offset);
}

void log_thinner_init(struct log_thinner *thinner, const struct log_keymap *newest, int64_t now_ms,
                      int64_t delete_retention_ms)
{
	*thinner = (struct log_thinner){.newest = newest};
	thinner->filter = (struct codec_filter){.is_newest = is_newest, .context = thinner, .now_ms = now_ms};
	thinner->filter.inflated_max = INFLATED_MAX;
	bool fits = delete_retention_ms < INT64_MAX - now_ms;
	thinner->filter.delete_horizon_ms = fits ? now_ms + delete_retention_ms : INT64_MAX;
}

void log_thinner_deinit(struct log_thinner *thinner)
{
	base_slice_release(&thinner->held);
}

static pyr_result extend_held(struct log_thinner *thinner)
{
	struct base_bytes bytes = {thinner->held.data, thinner->held.bytes};
	struct base_slice extended = codec_batch_extend(bytes, thinner->last_offset);
	base_slice_release(&thinner->held);
	thinner->held = extended;
	return pyr_result_of(extended.owner ? PYR_OK : PYR_OUT_OF_MEMORY);
}

static pyr_result write_held(struct log_thinner *thinner, struct log_segment_writer *writer)
{
	struct codec_batch batch;
	PYR_TRY(codec_batch_parse((struct base_bytes){thinner->held.data, thinner->held.bytes}, &batch));
	if (codec_batch_last_offset(&batch) < thinner->last_offset)
		PYR_TRY(extend_held(thinner));
	struct base_bytes bytes = {thinner->held.data, thinner->held.bytes};
	pyr_result written = log_segment_writer_batch(writer, bytes, thinner->index, 0, thinner->min_timestamp_ms);
	base_slice_release(&thinner->held);
	return written;
}

/* Can the batch before take offsets up to this one's last? */
static bool can_take(const struct log_thinner *thinner, int64_t last_offset)
{
	return thinner->held.owner && last_offset - (int64_t)base_load_u64be(thinner->held.data) <= INT32_MAX;
}

/* Are all offsets of the range those of superseded records? Then the batch before takes them, whatever lies there. */
static bool skip_range(struct log_thinner *thinner, int64_t base_offset, int64_t last_offset)
{
	if (!can_take(thinner, last_offset) || !log_keymap_is_superseded(thinner->newest, base_offset, last_offset))
		return false;
	thinner->last_offset = last_offset;
	return true;
}

bool log_thinner_skips(struct log_thinner *thinner, const struct log_block *block)
{
	return skip_range(thinner, block->base_offset, block->last_offset);
}

static pyr_result put(struct log_thinner *thinner, struct log_segment_writer *writer, struct base_slice bytes,
                      const struct codec_batch *batch)
{
	struct codec_filtered filtered;
	int64_t last_offset = codec_batch_last_offset(batch);
	if (skip_range(thinner, batch->base_offset, last_offset))
		return pyr_ok();
	PYR_TRY(codec_batch_filter(&thinner->filter, batch, &filtered));
	bool goes = filtered.kept == 0 && !codec_batch_is_control(batch) && can_take(thinner, last_offset);
	thinner->last_offset = goes ? last_offset : thinner->last_offset;
	if (goes) {
		base_slice_release(&filtered.batch);
		return pyr_ok();
	}
	pyr_result written = thinner->held.owner ? write_held(thinner, writer) : pyr_ok();
	thinner->held = filtered.batch.owner ? filtered.batch : base_slice_ref(bytes);
	thinner->last_offset = last_offset;
	return written;
}

pyr_result log_thinner_batch(struct log_thinner *thinner, struct log_segment_writer *writer, struct base_slice bytes,
                             const struct codec_batch *batch, uint64_t index, int64_t min_timestamp_ms)
{
	pyr_result result = put(thinner, writer, bytes, batch);
	thinner->index = index;
	thinner->min_timestamp_ms = min_timestamp_ms;
	base_slice_release(&bytes);
	return result.code == PYR_CORRUPT_MESSAGE ? pyr_result_of(PYR_CORRUPT) : result;
}

pyr_result log_thinner_end(struct log_thinner *thinner, struct log_segment_writer *writer)
{
	return thinner->held.owner ? write_held(thinner, writer) : pyr_ok();
}
