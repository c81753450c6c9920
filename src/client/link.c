/* Framing, pipelining and dispatch of one connection (see link.h).
 *
 * Invariant: asked[] holds the requests that wait for an answer, oldest first; a response that does not belong to the
 * oldest one ends the link. Failure modes: whatever the peer sends that can't be understood ends the link with a sentence. */
#include "client/link.h"

#include "base/array.h"
#include "codec/kafka/api.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN_FIRST_BYTES = 64 << 10,
	FRAME_BYTES_MAX = 1 << 30,
	REQUEST_BYTES_MAX = 256 << 20, /* batches sent by reference not counted */
	ARENA_BYTES_MAX = 64 << 20,
};

static const char client_id[] = "pyralog-bench";

static void end(struct client_link *link, const char *why)
{
	if (!link->ended)
		link->ended = why;
	if (link->os)
		os_connection_close(link->os);
}

/* ---- in ---- */

/* Bytes of the frame that begins at in_from, its length included; 4 while even that is not there. */
static size_t frame_bytes(const struct client_link *link)
{
	if (link->in_used - link->in_from < 4)
		return 4;
	return 4 + (size_t)base_load_u32be(link->in + link->in_from);
}

static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct client_link *link = context;
	size_t wanted = frame_bytes(link);
	if (link->in_from > 0 && link->in_from == link->in_used)
		link->in_from = link->in_used = 0;
	if (link->in_from > 0 && link->in_capacity - link->in_from < wanted) {
		memmove(link->in, link->in + link->in_from, link->in_used - link->in_from);
		link->in_used -= link->in_from;
		link->in_from = 0;
	}
	if (wanted < IN_FIRST_BYTES)
		wanted = IN_FIRST_BYTES;
	if (link->in_capacity < wanted && !base_array_reserve(&link->in, &link->in_capacity, wanted, 1))
		return false;
	if (link->in_used ==
	    link->in_capacity) { /* whole frames and the beginning of another: can't be, they are taken off */
		end(link, "the broker's responses do not fit into memory");
		return false;
	}
	*ret_at = link->in + link->in_used;
	*ret_bytes = link->in_capacity - link->in_used;
	return true;
}

static void answer(struct client_link *link, const uint8_t *at, size_t bytes)
{
	struct base_reader reader = base_reader_init(at, bytes);
	int32_t correlation_id;
	if (link->asked_count == 0) {
		end(link, "the broker sent a response that nobody asked for");
		return;
	}
	struct client_asked asked = link->asked[link->asked_first];
	const struct codec_kafka_api *api = codec_kafka_api_find(asked.key);
	pyr_result result = codec_kafka_response_header_decode(&reader, asked.key, asked.version, &correlation_id);
	if (result.code != PYR_OK || correlation_id != asked.correlation_id) {
		end(link, "the broker's response belongs to another request");
		return;
	}
	codec_arena_init(&link->arena, ARENA_BYTES_MAX);
	void *response = codec_arena_alloc(&link->arena, 1, api->response.struct_bytes);
	if (response && api->response.decode(&reader, asked.version, &link->arena, response).code == PYR_OK) {
		link->asked_first = (link->asked_first + 1) % link->asked_max;
		link->asked_count -= 1;
		link->handler->answered(link->context, asked.key, response);
	} else {
		end(link, "the broker's response can't be understood");
	}
	codec_arena_deinit(&link->arena);
}

static void on_received(void *context, size_t bytes)
{
	struct client_link *link = context;
	link->in_used += bytes;
	assert(link->in_used <= link->in_capacity);
	while (!link->ended && !link->closing && link->in_used - link->in_from >= 4) {
		size_t frame = frame_bytes(link);
		if (frame > FRAME_BYTES_MAX)
			end(link, "the broker announces a response of more than 1 GiB: is this a Kafka port?");
		else if (link->in_used - link->in_from < frame)
			return;
		else {
			const uint8_t *at = link->in + link->in_from + 4;
			link->in_from += frame;
			answer(link, at, frame - 4);
		}
	}
}

static void on_drained(void *context)
{
	struct client_link *link = context;
	if (!link->closing && link->handler->drained)
		link->handler->drained(link->context);
}

static void on_closed(void *context)
{
	struct client_link *link = context;
	link->os = NULL;
	if (link->closing)
		return;
	link->closing = true;
	link->handler->lost(link->context, link->ended ? link->ended : "the connection was refused or closed");
}

static const struct os_connection_handler connection_handler = {on_space, on_received, on_drained, on_closed};

/* ---- life ---- */

pyr_result client_link_open(struct client_link *link, struct os_net *net, const char *host, uint16_t port,
                            const struct client_versions *versions, uint32_t asked_max,
                            const struct client_link_handler *handler, void *context)
{
	*link = (struct client_link){
		.versions = versions, .asked_max = asked_max, .handler = handler, .context = context};
	link->asked = calloc(asked_max, sizeof *link->asked);
	if (!link->asked)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	return os_net_connect(net, host, port, &connection_handler, link, &link->os);
}

void client_link_close(struct client_link *link)
{
	link->closing = true;
	if (link->os)
		os_connection_close(link->os);
}

void client_link_deinit(struct client_link *link)
{
	assert(!link->os);
	free(link->in);
	free(link->asked);
	free(link->slices);
	*link = (struct client_link){0};
}

/* ---- out ---- */

/* The encoded message with the gaps' bytes in their places, as slices; the first begins with the length. */
static pyr_result splice(struct client_link *link, struct base_slice encoded, const struct client_gap *gaps,
                         size_t gap_count, size_t *ret_count)
{
	size_t from = 0, count = 0, bytes = encoded.bytes;
	if (!base_array_reserve(&link->slices, &link->slices_capacity, 2 * gap_count + 1, sizeof *link->slices))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	for (size_t i = 0; i < gap_count; i++) {
		assert(gaps[i].at >= from && gaps[i].at <= encoded.bytes);
		link->slices[count++] = base_slice_sub(encoded, from, gaps[i].at - from);
		link->slices[count++] = base_slice_ref(gaps[i].bytes);
		bytes += gaps[i].bytes.bytes;
		from = gaps[i].at;
	}
	if (from < encoded.bytes)
		link->slices[count++] = base_slice_sub(encoded, from, encoded.bytes - from);
	assert(bytes - 4 <= INT32_MAX);
	base_store_u32be(encoded.owner->data, (uint32_t)(bytes - 4));
	*ret_count = count;
	return pyr_ok();
}

static pyr_result encode(struct client_link *link, int16_t key, const void *message, struct base_slice *ret_encoded)
{
	const struct codec_kafka_api *api = codec_kafka_api_find(key);
	struct codec_kafka_request_header header = {key, link->versions->of[key], link->correlation_id, {0}};
	struct base_writer writer;
	assert(api);
	if (header.api_version < api->version_min)
		return pyr_result_of(PYR_UNSUPPORTED_VERSION);
	header.client_id = (struct base_bytes){(const uint8_t *)client_id, sizeof client_id - 1};
	base_writer_init(&writer, REQUEST_BYTES_MAX);
	writer.buffer = link->out_bytes_last > 0 ? base_buffer_new(link->out_bytes_last) : NULL;
	base_write_zeros(&writer, 4);
	codec_kafka_request_header_encode(&writer, &header);
	api->request.encode(&writer, header.api_version, message);
	link->out_bytes_last = writer.bytes + 16;
	pyr_result result = base_writer_take(&writer, ret_encoded);
	base_writer_deinit(&writer);
	return result;
}

pyr_result client_link_send(struct client_link *link, int16_t key, const void *message, const struct client_gap *gaps,
                            size_t gap_count, bool is_answered)
{
	struct base_slice encoded = {0};
	size_t count;
	if (!link->os || link->closing)
		return pyr_ok(); /* lost() tells, or has told */
	PYR_TRY(encode(link, key, message, &encoded));
	pyr_result result = splice(link, encoded, gaps, gap_count, &count);
	base_slice_release(&encoded);
	PYR_TRY(result);
	if (is_answered) {
		assert(link->asked_count < link->asked_max);
		link->asked[(link->asked_first + link->asked_count) % link->asked_max] =
			(struct client_asked){key, link->versions->of[key], link->correlation_id};
		link->asked_count += 1;
	}
	link->correlation_id = link->correlation_id == INT32_MAX ? 0 : link->correlation_id + 1;
	os_connection_send(link->os, link->slices, count);
	return pyr_ok();
}
