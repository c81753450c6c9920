/* BLAKE3 (the official C implementation), SipHash (libsodium's), and a 64-bit hash for tables in memory. */
#ifndef PYRALOG_BASE_HASH_H
#define PYRALOG_BASE_HASH_H

#include "base/buffer.h"

#include <stdint.h>

enum { BASE_BLAKE3_BYTES = 32 };

/* The BLAKE3 hash of the concatenation of `parts`. */
void base_blake3(const struct base_bytes *parts, size_t part_count, uint8_t ret_hash[BASE_BLAKE3_BYTES]);

/* The hash of each input by itself; several times as fast as one by one when they are short (up to 4 KiB). */
void base_blake3_many(const struct base_bytes *inputs, size_t count, uint8_t (*ret_hashes)[BASE_BLAKE3_BYTES]);

/* One hash, piece by piece. NULL: memory is out. */
struct base_hasher;
struct base_hasher *base_hasher_new(void);
void base_hasher_add(struct base_hasher *hasher, struct base_bytes bytes);
void base_hasher_end(struct base_hasher *hasher, uint8_t ret_hash[BASE_BLAKE3_BYTES]); /* and frees it */

/* SipHash-2-4 of 128 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF"). Who does not know the random `key` can't
 * make two inputs meet. For what lives as long as the key does, in memory. */
enum { BASE_SIPHASH_KEY_BYTES = 16 };
void base_siphash(const uint8_t key[BASE_SIPHASH_KEY_BYTES], struct base_bytes bytes, uint64_t ret_hash[2]);

/* For hash tables only (FNV-1a with a final mix): not for anything stored or hostile beyond a bounded table. */
uint64_t base_hash_bytes(const void *data, size_t bytes);
uint64_t base_hash_u64(uint64_t value);

#endif
