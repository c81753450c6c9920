/* Any bytes through every decompressor (the first one picks it): never more out than the bound. */
#include "codec/compress.h"

#include <stdlib.h>

enum { INFLATED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct base_slice out = {0};
	if (bytes == 0)
		return 0;
	struct base_bytes in = {data + 1, bytes - 1};
	if (codec_inflate(data[0] % CODEC_COMPRESSION_COUNT, in, INFLATED_MAX, &out).code == PYR_OK &&
	    out.bytes > INFLATED_MAX)
		abort();
	base_slice_release(&out);
	return 0;
}
