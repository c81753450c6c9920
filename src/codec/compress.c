/* Compression (see compress.h): each library's streaming decoder writes into a block that doubles up to the caller's
 * bound, so that a small input claiming a huge output costs no more than what really comes out. */
#include "codec/compress.h"

#include "base/cursor.h"

#include <assert.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { FIRST_BYTES = 4096, SNAPPY_JAVA_HEADER_BYTES = 16, ZSTD_LEVEL = 3, ZSTD_WINDOW_LOG_MAX = 27 };

/* What has come out so far. The limit is one more than the caller's, so that a decoder that has exactly filled it still
 * gets room to say that it is done, and one that has more to say is found out. */
struct output {
	struct base_buffer *buffer;
	size_t bytes;
	size_t limit;
};

/* Makes room for at least `more` bytes. PYR_CORRUPT_MESSAGE: that would pass the limit. */
static pyr_result output_reserve(struct output *output, size_t more)
{
	size_t capacity = output->buffer ? output->buffer->capacity : 0;
	if (more > output->limit - output->bytes)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	if (more <= capacity - output->bytes)
		return pyr_ok();
	size_t wanted = capacity ? capacity * 2 : FIRST_BYTES;
	if (wanted < output->bytes + more)
		wanted = output->bytes + more;
	struct base_buffer *bigger = base_buffer_new(wanted < output->limit ? wanted : output->limit);
	if (!bigger)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	assert(output->bytes == 0 || output->buffer);
	if (output->bytes > 0)
		memcpy(bigger->data, output->buffer->data, output->bytes);
	base_buffer_unref(output->buffer);
	output->buffer = bigger;
	return pyr_ok();
}

static size_t output_room(const struct output *output)
{
	return output->buffer->capacity - output->bytes;
}

static uint8_t *output_at(const struct output *output)
{
	return output->buffer->data + output->bytes;
}

/* ---- gzip ---- */

static pyr_result inflate_members(z_stream *stream, struct output *output)
{
	for (;;) {
		PYR_TRY(output_reserve(output, 1));
		size_t room = output_room(output) < UINT32_MAX ? output_room(output) : UINT32_MAX;
		stream->next_out = output_at(output);
		stream->avail_out = (uInt)room;
		int status = inflate(stream, Z_NO_FLUSH);
		output->bytes += room - stream->avail_out;
		if (status == Z_MEM_ERROR)
			return pyr_result_of(PYR_OUT_OF_MEMORY);
		if (status == Z_STREAM_END && stream->avail_in == 0)
			return pyr_ok();
		if (status == Z_STREAM_END)
			status = inflateReset(stream);
		/* Z_BUF_ERROR: no progress, that is the input ends early, as there always is room. */
		if (status != Z_OK)
			return pyr_result_of(PYR_CORRUPT_MESSAGE);
	}
}

static pyr_result inflate_gzip(struct base_bytes bytes, struct output *output)
{
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.bytes};
	if (inflateInit2(&stream, MAX_WBITS + 32) != Z_OK)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = inflate_members(&stream, output);
	inflateEnd(&stream);
	return result;
}

static pyr_result deflate_gzip(struct base_bytes bytes, struct output *output)
{
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.bytes};
	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = output_reserve(output, deflateBound(&stream, stream.avail_in));
	if (result.code == PYR_OK) {
		stream.next_out = output_at(output);
		stream.avail_out = (uInt)output_room(output);
		int status = deflate(&stream, Z_FINISH);
		assert(status == Z_STREAM_END);
		(void)status;
		output->bytes += stream.total_out;
	}
	deflateEnd(&stream);
	return result;
}

/* ---- snappy ---- */

static pyr_result inflate_snappy_block(struct base_bytes bytes, struct output *output)
{
	size_t length;
	if (snappy_uncompressed_length((const char *)bytes.data, bytes.bytes, &length) != SNAPPY_OK)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	/* A copy element of 3 bytes yields at most 64: more than that can't be in so few bytes, and is not allocated. */
	if (length / 64 > bytes.bytes)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	PYR_TRY(output_reserve(output, length > 0 ? length : 1));
	if (snappy_uncompress((const char *)bytes.data, bytes.bytes, (char *)output_at(output), &length) != SNAPPY_OK)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	output->bytes += length;
	return pyr_ok();
}

static pyr_result inflate_snappy_java(struct base_bytes bytes, struct output *output)
{
	struct base_reader reader = base_reader_init(bytes.data, bytes.bytes);
	base_read_skip(&reader, SNAPPY_JAVA_HEADER_BYTES);
	while (base_reader_left(&reader) > 0) {
		uint32_t length = base_read_u32be(&reader);
		const uint8_t *block = base_read_bytes(&reader, length);
		PYR_TRY(base_reader_check(&reader, PYR_CORRUPT_MESSAGE));
		PYR_TRY(inflate_snappy_block((struct base_bytes){block, length}, output));
	}
	return pyr_ok();
}

static pyr_result inflate_snappy(struct base_bytes bytes, struct output *output)
{
	static const uint8_t magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
	if (bytes.bytes >= SNAPPY_JAVA_HEADER_BYTES && memcmp(bytes.data, magic, sizeof magic) == 0)
		return inflate_snappy_java(bytes, output);
	return inflate_snappy_block(bytes, output);
}

static pyr_result deflate_snappy(struct base_bytes bytes, struct output *output)
{
	size_t length = snappy_max_compressed_length(bytes.bytes);
	PYR_TRY(output_reserve(output, length));
	snappy_status status =
		snappy_compress((const char *)bytes.data, bytes.bytes, (char *)output_at(output), &length);
	assert(status == SNAPPY_OK);
	(void)status;
	output->bytes += length;
	return pyr_ok();
}

/* ---- lz4 ---- */

static pyr_result inflate_lz4_frames(LZ4F_dctx *context, struct base_bytes bytes, struct output *output)
{
	size_t at = 0, hint = 1;
	while (at < bytes.bytes || hint != 0) {
		PYR_TRY(output_reserve(output, 1));
		size_t room = output_room(output), taken = bytes.bytes - at;
		hint = LZ4F_decompress(context, output_at(output), &room, bytes.data + at, &taken, NULL);
		if (LZ4F_isError(hint))
			return pyr_result_of(PYR_CORRUPT_MESSAGE);
		at += taken;
		output->bytes += room;
		if (room == 0 && taken == 0) /* no progress: cut short */
			return pyr_result_of(PYR_CORRUPT_MESSAGE);
	}
	return pyr_ok();
}

static pyr_result inflate_lz4(struct base_bytes bytes, struct output *output)
{
	LZ4F_dctx *context;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	pyr_result result = inflate_lz4_frames(context, bytes, output);
	LZ4F_freeDecompressionContext(context);
	return result;
}

static pyr_result deflate_lz4(struct base_bytes bytes, struct output *output)
{
	/* Independent blocks: what Kafka's own reader insists on. */
	LZ4F_preferences_t preferences = {.frameInfo = {.blockMode = LZ4F_blockIndependent}};
	PYR_TRY(output_reserve(output, LZ4F_compressFrameBound(bytes.bytes, &preferences)));
	size_t length =
		LZ4F_compressFrame(output_at(output), output_room(output), bytes.data, bytes.bytes, &preferences);
	if (LZ4F_isError(length))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	output->bytes += length;
	return pyr_ok();
}

/* ---- zstd ---- */

static pyr_result inflate_zstd_frames(ZSTD_DCtx *context, struct base_bytes bytes, struct output *output)
{
	ZSTD_inBuffer in = {.src = bytes.data, .size = bytes.bytes};
	size_t hint = 1;
	while (in.pos < in.size || hint != 0) {
		PYR_TRY(output_reserve(output, 1));
		ZSTD_outBuffer out = {.dst = output_at(output), .size = output_room(output)};
		size_t before = in.pos;
		hint = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_isError(hint))
			return pyr_result_of(ZSTD_getErrorCode(hint) == ZSTD_error_memory_allocation
			                             ? PYR_OUT_OF_MEMORY
			                             : PYR_CORRUPT_MESSAGE);
		output->bytes += out.pos;
		if (out.pos == 0 && in.pos == before) /* no progress: cut short */
			return pyr_result_of(PYR_CORRUPT_MESSAGE);
	}
	return pyr_ok();
}

static pyr_result inflate_zstd(struct base_bytes bytes, struct output *output)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	if (!context)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	size_t status = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	assert(!ZSTD_isError(status));
	(void)status;
	pyr_result result = inflate_zstd_frames(context, bytes, output);
	ZSTD_freeDCtx(context);
	return result;
}

static pyr_result deflate_zstd(struct base_bytes bytes, struct output *output)
{
	PYR_TRY(output_reserve(output, ZSTD_compressBound(bytes.bytes)));
	size_t length = ZSTD_compress(output_at(output), output_room(output), bytes.data, bytes.bytes, ZSTD_LEVEL);
	if (ZSTD_isError(length))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	output->bytes += length;
	return pyr_ok();
}

/* ---- all of them ---- */

typedef pyr_result transform(struct base_bytes bytes, struct output *output);

static pyr_result copy(struct base_bytes bytes, struct output *output)
{
	PYR_TRY(output_reserve(output, bytes.bytes));
	if (bytes.bytes > 0)
		memcpy(output_at(output), bytes.data, bytes.bytes);
	output->bytes += bytes.bytes;
	return pyr_ok();
}

static pyr_result run(transform *const *transforms, int compression, struct base_bytes bytes, size_t limit,
                      struct base_slice *ret_bytes)
{
	if (compression < 0 || compression >= CODEC_COMPRESSION_COUNT)
		return pyr_result_of(PYR_UNSUPPORTED_COMPRESSION);
	if (bytes.bytes > INT32_MAX)
		return pyr_result_of(PYR_CORRUPT_MESSAGE);
	struct output output = {.limit = limit < SIZE_MAX ? limit + 1 : limit};
	pyr_result result = transforms[compression](bytes, &output);
	if (result.code == PYR_OK && output.bytes > limit)
		result = pyr_result_of(PYR_CORRUPT_MESSAGE);
	if (result.code != PYR_OK) {
		base_buffer_unref(output.buffer);
		return result;
	}
	*ret_bytes = (struct base_slice){.owner = output.buffer, .bytes = output.bytes};
	ret_bytes->data = output.buffer ? output.buffer->data : NULL;
	return pyr_ok();
}

pyr_result codec_inflate(int compression, struct base_bytes bytes, size_t out_max, struct base_slice *ret_bytes)
{
	static transform *const inflaters[] = {copy, inflate_gzip, inflate_snappy, inflate_lz4, inflate_zstd};
	return run(inflaters, compression, bytes, out_max, ret_bytes);
}

pyr_result codec_deflate(int compression, struct base_bytes bytes, struct base_slice *ret_bytes)
{
	static transform *const deflaters[] = {copy, deflate_gzip, deflate_snappy, deflate_lz4, deflate_zstd};
	return run(deflaters, compression, bytes, SIZE_MAX, ret_bytes);
}
