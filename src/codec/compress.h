/* The compression codecs that a record batch can name, with bounded output. Pure; any thread.
 *
 * gzip: zlib, one or more members (RFC 1952). snappy: one raw block, or the chunked framing of snappy-java, which Java
 * clients send (magic 82 'SNAPPY' 00, two int32 versions, then int32 length and a raw block, repeated).
 * lz4: LZ4 frame format. zstd: RFC 8878. */
#ifndef PYRALOG_CODEC_COMPRESS_H
#define PYRALOG_CODEC_COMPRESS_H

#include "base/buffer.h"
#include "base/error.h"

enum codec_compression { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COMPRESSION_COUNT };

/* Everything that `bytes` expand to, in a buffer of its own. PYR_CORRUPT_MESSAGE: malformed, cut short, or more than
 * out_max bytes; PYR_UNSUPPORTED_COMPRESSION: `compression` is not one of the above; PYR_OUT_OF_MEMORY. */
pyr_result codec_inflate(int compression, struct base_bytes bytes, size_t out_max, struct base_slice *ret_bytes);

/* PYR_OUT_OF_MEMORY, PYR_UNSUPPORTED_COMPRESSION. snappy is written as one raw block, which every client reads. */
pyr_result codec_deflate(int compression, struct base_bytes bytes, struct base_slice *ret_bytes);

#endif
