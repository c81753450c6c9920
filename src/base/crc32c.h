/* CRC-32C (Castagnoli), as Kafka's record batch and our own files use it (RFC 3720, appendix B.4).
 *
 * Two implementations, tested against each other: the processor's instruction where there is one, and a table. */
#ifndef PYRALOG_BASE_CRC32C_H
#define PYRALOG_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `data` appended to bytes whose checksum is `crc` (0 for none). */
uint32_t base_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The checksum of `bytes` bytes whose own is `next`, appended to bytes whose checksum is `crc`: without the bytes. */
uint32_t base_crc32c_combine(uint32_t crc, uint32_t next, size_t bytes);

/* The portable twin: same result, any machine. */
uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
