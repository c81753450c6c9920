/* Every decoder of log/format.h, producers and catalog events: nothing is read outside the input, and what was decoded
 * means the same after encoding it again. The first byte picks the decoder; its upper half, whether the checksums are made
 * right first. */
#include "catalog/catalog_priv.h"
#include "codec/batch.h"
#include "log/format.h"
#include "log/producers.h"
#include "seal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A copy that may be changed, with zeros behind it up to `room`, which ASan watches the end of. */
struct input {
	uint8_t *at;
	size_t bytes;
	bool seal;
};

static struct input copy_input(const uint8_t *data, size_t bytes, size_t room, bool seal)
{
	struct input input = {calloc(1, room > 0 ? room : 1), room, seal};
	if (!input.at)
		abort();
	memcpy(input.at, data, bytes < room ? bytes : room);
	return input;
}

static struct base_bytes view(const struct input *input)
{
	return (struct base_bytes){input->at, input->bytes};
}

static void one_identity(struct input *input)
{
	struct log_identity identity, again;
	uint8_t bytes[LOG_IDENTITY_BYTES];
	if (input->seal)
		seal_header(input->at, "PYRL", LOG_IDENTITY_BYTES);
	if (log_identity_decode(view(input), &identity).code != PYR_OK)
		return;
	log_identity_encode(&identity, bytes);
	assert(log_identity_decode((struct base_bytes){bytes, sizeof bytes}, &again).code == PYR_OK);
	assert(identity.incarnation == again.incarnation);
}

static void one_ring_header(struct input *input)
{
	struct log_ring_header header, again;
	uint8_t bytes[LOG_RING_HEADER_BYTES];
	if (input->seal)
		seal_header(input->at + (input->at[100] & 1 ? 2048 : 0), "PYRG", 64);
	if (log_ring_header_decode(view(input), &header).code != PYR_OK)
		return;
	log_ring_header_encode(&header, bytes);
	assert(log_ring_header_decode((struct base_bytes){bytes, sizeof bytes}, &again).code == PYR_OK);
	assert(memcmp(&header, &again, sizeof header) == 0);
}

static bool lies_in(struct base_bytes inner, struct base_bytes outer)
{
	return inner.data >= outer.data && inner.data + inner.bytes <= outer.data + outer.bytes;
}

static void one_reference(struct base_bytes bytes)
{
	struct log_reference reference;
	if (log_reference_decode(bytes, &reference).code != PYR_OK)
		return;
	for (uint32_t i = 0; i < reference.batch_count; i++) {
		const uint8_t *header = reference.headers + (size_t)i * LOG_REFERENCE_BATCH_BYTES;
		struct codec_batch batch;
		assert(lies_in((struct base_bytes){header, LOG_REFERENCE_BATCH_BYTES}, bytes));
		pyr_ignore(codec_batch_parse_header(header, &batch));
	}
}

static size_t one_frame(struct base_bytes bytes)
{
	struct log_frame frame;
	struct base_bytes payload;
	struct codec_batch batch;
	size_t stride;
	pyr_result decoded = log_frame_decode(bytes, &frame, &payload, &stride);
	assert(stride <= log_align(bytes.bytes, 8));
	if (decoded.code != PYR_OK)
		return stride;
	assert(stride > 0 && lies_in(payload, bytes));
	if (frame.kind == LOG_FRAME_DATA)
		pyr_ignore(codec_batch_check(payload, &batch));
	if (frame.kind == LOG_FRAME_REFERENCE)
		one_reference(payload);
	return stride;
}

/* As recovery walks it. */
static void one_group(struct input *input)
{
	struct log_group_header group;
	memcpy(input->at, "PGRP", 4);
	input->at[8] = LOG_FORMAT_VERSION;
	input->at[9] = 0;
	if (input->seal)
		seal_group(input->at, input->bytes);
	if (log_group_header_decode(view(input), &group).code != PYR_OK)
		return;
	assert(group.bytes <= input->bytes);
	size_t at = log_group_frames_at(&group);
	assert(at <= group.bytes);
	for (uint32_t i = 0; i < group.frame_count; i++) {
		size_t stride = one_frame((struct base_bytes){input->at + at, group.bytes - at});
		if (stride == 0)
			return;
		at += stride;
		assert(at <= group.bytes);
	}
}

static void one_segment_header(struct input *input)
{
	uint64_t id, again;
	uint8_t bytes[LOG_SEGMENT_HEADER_BYTES];
	if (input->seal)
		seal_header(input->at, "PYRS", 32);
	if (log_segment_header_decode(view(input), &id).code != PYR_OK)
		return;
	log_segment_header_encode(id, bytes);
	assert(log_segment_header_decode((struct base_bytes){bytes, sizeof bytes}, &again).code == PYR_OK &&
	       id == again);
}

static void one_trailer(struct input *input)
{
	struct log_segment_trailer trailer, again;
	uint8_t bytes[LOG_SEGMENT_TRAILER_BYTES];
	if (input->seal)
		seal_header(input->at, "PYRT", LOG_SEGMENT_TRAILER_BYTES);
	if (log_segment_trailer_decode(view(input), &trailer).code != PYR_OK)
		return;
	log_segment_trailer_encode(&trailer, bytes);
	assert(log_segment_trailer_decode((struct base_bytes){bytes, sizeof bytes}, &again).code == PYR_OK);
	assert(trailer.segment_id == again.segment_id && trailer.directory_position == again.directory_position);
	assert(trailer.directory_bytes == again.directory_bytes && trailer.part_count == again.part_count);
}

static void blocks_and_parts(struct input *input)
{
	struct base_reader reader = base_reader_init(input->at, input->bytes);
	struct log_block block;
	struct log_part part;
	while (log_block_decode(&reader, &block).code == PYR_OK)
		;
	reader = base_reader_init(input->at, input->bytes);
	while (log_part_decode(&reader, &part).code == PYR_OK)
		;
}

static void encode_producers(const struct log_producers *producers, struct base_slice *ret_bytes)
{
	struct base_writer writer;
	base_writer_init(&writer, 1 << 24);
	log_producers_encode(producers, &writer);
	if (base_writer_take(&writer, ret_bytes).code != PYR_OK)
		abort();
	base_writer_deinit(&writer);
}

static void some_producers(struct input *input)
{
	struct log_producers producers = {0}, again = {0};
	struct base_reader reader = base_reader_init(input->at, input->bytes);
	if (log_producers_decode(&producers, &reader).code == PYR_OK) {
		struct base_slice bytes;
		encode_producers(&producers, &bytes);
		reader = base_reader_init(bytes.data, bytes.bytes);
		assert(log_producers_decode(&again, &reader).code == PYR_OK && base_reader_left(&reader) == 0);
		assert(producers.table.count == again.table.count);
		log_producers_rollback(&again, 1000);
		log_producers_expire(&again, 0);
		base_slice_release(&bytes);
	}
	log_producers_deinit(&producers);
	log_producers_deinit(&again);
}

static void one_event(struct input *input)
{
	struct base_reader reader = base_reader_init(input->at, input->bytes);
	struct base_writer writer;
	struct catalog_event event;
	char text[32];
	if (input->seal)
		input->at[0] = 2;
	bool is_current = input->bytes > 0 && input->at[0] == 2;
	if (catalog_event_decode(&reader, &event).code != PYR_OK)
		return;
	for (size_t i = 0; i < catalog_setting_count(); i++)
		catalog_setting_format(&event.topic.config, i, text);
	base_writer_init(&writer, 4096);
	catalog_event_encode(&event, &writer);
	/* A name may end early at a zero; otherwise there is one encoding only. */
	if (is_current && writer.bytes == (size_t)(reader.at - input->at))
		assert(memcmp(writer.buffer->data, input->at, writer.bytes) == 0);
	base_writer_deinit(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct {
		void (*run)(struct input *input);
		size_t room; /* 0: as long as the input; 1: whole blocks */
	} targets[] = {
		{one_identity, LOG_IDENTITY_BYTES},
		{one_ring_header, LOG_RING_HEADER_BYTES},
		{one_group, 1},
		{one_segment_header, LOG_SEGMENT_HEADER_BYTES},
		{one_trailer, LOG_SEGMENT_TRAILER_BYTES},
		{blocks_and_parts, 0},
		{some_producers, 0},
		{one_event, 0},
	};
	enum { COUNT = sizeof targets / sizeof targets[0] };
	if (bytes < 2)
		return 0;
	size_t which = data[0] % COUNT, room = targets[which].room;
	if (room == 0)
		room = bytes - 1;
	else if (room == 1)
		room = log_align(bytes, LOG_BLOCK_BYTES);
	struct input input = copy_input(data + 1, bytes - 1, room, data[0] & 0x80);
	targets[which].run(&input);
	/* And cut short. */
	input.bytes = room / 2;
	if (targets[which].room > 1) {
		input.seal = false;
		targets[which].run(&input);
	}
	free(input.at);
	return 0;
}
