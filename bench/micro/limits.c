/* What this machine can do at best, as JSON: the disk behind a directory, the loopback, a checksum.
 *
 *   bench_limits DIRECTORY [MIB]
 *
 * Disk: writes with O_DIRECT|O_DSYNC into a file that was filled before (as the log's ring is), 1 MiB one after the other,
 * and 4 KiB one at a time, whose duration is the least that a durable acknowledgement can take; and the page cache, 1 MiB
 * writes without sync. Loopback: one thread sends 256 KiB pieces over TCP, always the same, another drops them; then pieces
 * of a 64 MiB file in the page cache by sendfile, and of as much memory. CRC-32C: 1 MiB that lies
 * in the cache. One thread each, about a second each. Ends with 1 and a sentence when something fails. */
#include "base/crc32c.h"
#include "bench/histogram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <stdio.h>

enum {
	LARGE = 1 << 20,
	SMALL = 4096,
	PIECE = 256 << 10,
	CACHE = 64 << 20,
	ALIGNMENT = 4096,
	MIB_DEFAULT = 1024,
	SMALL_WRITES_MAX = 20000
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

[[gnu::noreturn]] static void fail(const char *what)
{
	fprintf(stderr, "bench_limits: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint8_t *buffer_new(size_t bytes)
{
	uint8_t *buffer = aligned_alloc(ALIGNMENT, bytes);
	if (!buffer)
		fail("memory");
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = (uint8_t)(i * 2654435761u >> 24);
	return buffer;
}

static void write_at(int file, const uint8_t *buffer, size_t bytes, off_t at)
{
	if (pwrite(file, buffer, bytes, at) != (ssize_t)bytes)
		fail("a write");
}

/* ---- disk ---- */

/* The file full of bytes that are on the disk, so that overwriting allocates nothing. */
static void fill(const char *path, const uint8_t *buffer, unsigned mib)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		fail(path);
	for (unsigned i = 0; i < mib; i++)
		write_at(file, buffer, LARGE, (off_t)i * LARGE);
	if (fsync(file) != 0)
		fail("fsync");
	close(file);
}

static double write_mb_per_s(const char *path, const uint8_t *buffer, unsigned mib, int flags)
{
	int file = open(path, O_WRONLY | O_CLOEXEC | flags);
	if (file < 0)
		fail("opening the file again (does its file system know O_DIRECT?)");
	double began = now_s(), took = 0;
	uint64_t written = 0;
	for (unsigned i = 0; took < 1.5 && (flags != 0 || i < mib); i++, took = now_s() - began, written += LARGE)
		write_at(file, buffer, LARGE, (off_t)(i % mib) * LARGE);
	close(file);
	return (double)written / took / 1e6;
}

static void sync_latency(const char *path, const uint8_t *buffer, unsigned mib, struct bench_histogram *ret_us)
{
	int file = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (file < 0)
		fail("opening the file again");
	double began = now_s(), before = began;
	for (unsigned i = 0; i < SMALL_WRITES_MAX && before - began < 1.5; i++) {
		write_at(file, buffer, SMALL, (off_t)(i % (mib * (LARGE / SMALL))) * SMALL);
		double after = now_s();
		bench_histogram_add(ret_us, (uint64_t)((after - before) * 1e6));
		before = after;
	}
	close(file);
}

/* ---- loopback ---- */

static void *drop_all(void *context)
{
	int *socket_at = context;
	uint8_t *buffer = buffer_new(PIECE);
	while (read(*socket_at, buffer, PIECE) > 0)
		;
	free(buffer);
	return NULL;
}

static void connect_both(int ret_sockets[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ret_sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || ret_sockets[0] < 0 || bind(listener, (struct sockaddr *)&address, bytes) != 0 ||
	    listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&address, &bytes) != 0 ||
	    connect(ret_sockets[0], (struct sockaddr *)&address, bytes) != 0)
		fail("a loopback connection");
	ret_sockets[1] = accept(listener, NULL, NULL);
	if (ret_sockets[1] < 0)
		fail("a loopback connection");
	close(listener);
}

/* Where the bytes come from: `file` from its start over and over, or, when it is -1, `memory`. */
struct source {
	const uint8_t *memory;
	int file;
	size_t bytes;
};

static size_t send_piece(int socket_at, const struct source *source, size_t at)
{
	size_t left = source->bytes - at, piece = left < PIECE ? left : PIECE;
	off_t from = (off_t)at;
	ssize_t put = source->file < 0 ? write(socket_at, source->memory + at, piece)
	                               : sendfile(socket_at, source->file, &from, piece);
	if (put <= 0)
		fail("sending");
	return (size_t)put;
}

static double loopback_mb_per_s(struct source source)
{
	int sockets[2];
	pthread_t reader;
	connect_both(sockets);
	if (pthread_create(&reader, NULL, drop_all, &sockets[1]) != 0)
		fail("a thread");
	double began = now_s(), took = 0;
	uint64_t sent = 0;
	for (size_t at = 0; took < 1; took = now_s() - began) {
		size_t put = send_piece(sockets[0], &source, at);
		at = (at + put) % source.bytes;
		sent += put;
	}
	close(sockets[0]);
	pthread_join(reader, NULL);
	close(sockets[1]);
	return (double)sent / took / 1e6;
}

/* A file's bytes from the page cache without a copy, and as many from memory that a cache of that size would hold. */
static void large_sources(const char *path, double *ret_sendfile_mb_per_s, double *ret_memory_mb_per_s)
{
	uint8_t *memory = buffer_new(CACHE);
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		fail(path);
	write_at(file, memory, CACHE, 0);
	*ret_sendfile_mb_per_s = loopback_mb_per_s((struct source){NULL, file, CACHE});
	*ret_memory_mb_per_s = loopback_mb_per_s((struct source){memory, -1, CACHE});
	close(file);
	unlink(path);
	free(memory);
}

/* ---- checksum ---- */

static double crc_mb_per_s(const uint8_t *buffer)
{
	double began = now_s(), took = 0;
	uint64_t done = 0;
	uint32_t crc = 0;
	for (; took < 0.5; took = now_s() - began, done += LARGE)
		crc = base_crc32c(crc, buffer, LARGE);
	fprintf(stderr, crc ? "" : " "); /* so that it is not left out */
	return (double)done / took / 1e6;
}

int main(int argc, char **argv)
{
	static struct bench_histogram sync_us;
	char path[4096];
	unsigned mib = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : MIB_DEFAULT;
	if (argc < 2 || mib == 0) {
		fprintf(stderr, "usage: bench_limits DIRECTORY [MIB]\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/limits.tmp", argv[1]);
	uint8_t *buffer = buffer_new(LARGE);
	fill(path, buffer, mib);
	double durable = write_mb_per_s(path, buffer, mib, O_DIRECT | O_DSYNC);
	sync_latency(path, buffer, mib, &sync_us);
	double cached = write_mb_per_s(path, buffer, mib, 0);
	unlink(path);
	double sendfile_mb, memory_mb;
	large_sources(path, &sendfile_mb, &memory_mb);
	printf("{\"disk_durable_mb_per_s\": %.1f, \"disk_sync_p50_ms\": %.3f, \"disk_sync_p99_ms\": %.3f, "
	       "\"page_cache_mb_per_s\": %.1f, \"loopback_mb_per_s\": %.1f, "
	       "\"sendfile_mb_per_s\": %.1f, \"memory_mb_per_s\": %.1f, \"crc32c_mb_per_s\": %.1f}\n",
	       durable, (double)bench_histogram_percentile(&sync_us, 0.5) / 1000,
	       (double)bench_histogram_percentile(&sync_us, 0.99) / 1000, cached,
	       loopback_mb_per_s((struct source){buffer, -1, PIECE}), sendfile_mb, memory_mb, crc_mb_per_s(buffer));
	free(buffer);
	return 0;
}
