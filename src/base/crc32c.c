/* CRC-32C (see crc32c.h). Pure; any thread.
 *
 * The hardware path runs three independent streams, because the instruction has a latency of three cycles and a
 * throughput of one, and joins them by multiplying with x^(8n) modulo the polynomial, through tables made at first use.
 */
#include "base/crc32c.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum { POLYNOMIAL_REFLECTED = 0x82f63b78, STREAM_BYTES = 1024, STREAMS = 3 };

struct crc_tables {
	uint32_t slice[8][256]; /* slicing-by-8: slice[k][b] = byte b followed by k zero bytes */
	uint32_t shift_one[4][256]; /* appends STREAM_BYTES zero bytes to a checksum */
	uint32_t shift_two[4][256]; /* appends 2 * STREAM_BYTES zero bytes */
};

static struct crc_tables tables;
static atomic_int tables_state; /* 0: none, 1: being made, 2: ready */

/* Polynomials over GF(2), reflected: the highest bit is the coefficient of x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;
	for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b >> 1 ^ (b & 1 ? (uint32_t)POLYNOMIAL_REFLECTED : 0);
	}
	return product;
}

/* x^(8 bytes): what appending so many zero bytes multiplies a checksum by. */
static uint32_t power_of(size_t bytes)
{
	uint32_t square = 1u << 23; /* x^8 */
	uint32_t power = 1u << 31; /* x^0 */
	for (; bytes > 0; bytes >>= 1) {
		if (bytes & 1)
			power = multiply(power, square);
		square = multiply(square, square);
	}
	return power;
}

static void make_slices(struct crc_tables *made)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? (uint32_t)POLYNOMIAL_REFLECTED : 0);
		made->slice[0][byte] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t previous = made->slice[k - 1][byte];
			made->slice[k][byte] = previous >> 8 ^ made->slice[0][previous & 0xff];
		}
}

static void make_shift(uint32_t shift[4][256], size_t zeros)
{
	uint32_t power = power_of(zeros);
	for (int k = 0; k < 4; k++)
		for (uint32_t byte = 0; byte < 256; byte++)
			shift[k][byte] = multiply(power, byte << (8 * k));
}

/* Made once, by whoever comes first; the others wait for it, some hundred microseconds at most. */
static const struct crc_tables *ready_tables(void)
{
	int expected = 0;
	if (atomic_load_explicit(&tables_state, memory_order_acquire) == 2)
		return &tables;
	if (atomic_compare_exchange_strong(&tables_state, &expected, 1)) {
		make_slices(&tables);
		make_shift(tables.shift_one, STREAM_BYTES);
		make_shift(tables.shift_two, 2 * STREAM_BYTES);
		atomic_store_explicit(&tables_state, 2, memory_order_release);
	}
	while (atomic_load_explicit(&tables_state, memory_order_acquire) != 2)
		;
	return &tables;
}

static inline uint64_t load_u64(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}

uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
	const struct crc_tables *t = ready_tables();
	const uint8_t *at = data;
	crc = ~crc;
	for (; bytes >= 8; bytes -= 8, at += 8) {
		uint32_t low = crc ^ (at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
		crc = t->slice[7][low & 0xff] ^ t->slice[6][low >> 8 & 0xff] ^ t->slice[5][low >> 16 & 0xff] ^
		      t->slice[4][low >> 24] ^ t->slice[3][at[4]] ^ t->slice[2][at[5]] ^ t->slice[1][at[6]] ^
		      t->slice[0][at[7]];
	}
	for (; bytes > 0; bytes--, at++)
		crc = crc >> 8 ^ t->slice[0][(crc ^ *at) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC_TARGET [[gnu::target("sse4.2")]]
#define CRC_U64(crc, word) _mm_crc32_u64(crc, word)
#define CRC_U8(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)
static bool has_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC_TARGET
#define CRC_U64(crc, word) __crc32cd((uint32_t)(crc), word)
#define CRC_U8(crc, byte) __crc32cb((uint32_t)(crc), byte)
static bool has_hardware(void)
{
	return true;
}
#endif

#ifdef CRC_TARGET
static uint32_t shifted(const uint32_t shift[4][256], uint32_t crc)
{
	return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^ shift[3][crc >> 24];
}

CRC_TARGET static uint32_t crc_hardware(uint32_t crc, const uint8_t *at, size_t bytes)
{
	const struct crc_tables *t = ready_tables();
	uint64_t a = (uint32_t)~crc;
	for (; bytes >= STREAMS * STREAM_BYTES; bytes -= STREAMS * STREAM_BYTES, at += STREAMS * STREAM_BYTES) {
		uint64_t b = 0, c = 0;
		for (size_t i = 0; i < STREAM_BYTES; i += 8) {
			a = CRC_U64(a, load_u64(at + i));
			b = CRC_U64(b, load_u64(at + STREAM_BYTES + i));
			c = CRC_U64(c, load_u64(at + 2 * STREAM_BYTES + i));
		}
		a = shifted(t->shift_two, (uint32_t)a) ^ shifted(t->shift_one, (uint32_t)b) ^ (uint32_t)c;
	}
	for (; bytes >= 8; bytes -= 8, at += 8)
		a = CRC_U64(a, load_u64(at));
	for (; bytes > 0; bytes--, at++)
		a = CRC_U8(a, *at);
	return ~(uint32_t)a;
}
#endif

uint32_t base_crc32c(uint32_t crc, const void *data, size_t bytes)
{
#ifdef CRC_TARGET
	if (has_hardware())
		return crc_hardware(crc, data, bytes);
#endif
	return base_crc32c_portable(crc, data, bytes);
}

uint32_t base_crc32c_combine(uint32_t crc, uint32_t next, size_t bytes)
{
	return multiply(power_of(bytes), crc) ^ next;
}
