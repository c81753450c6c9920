/* Two groups: one gathers while the other is written. Its bytes are copied outside of the lock, into room reserved under it. */
#include "sink_disk.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t used_bytes = UINT64_C(250) << 23, fresh_bytes = UINT64_C(2) << 33;

enum { GROUP_BYTES = 8 << 20, BLOCK = 4096, ANSWERS = 4096, ANSWER_BYTES = 200 };

struct group {
	uint8_t *bytes;
	size_t used, answer_count;
	unsigned copying; /* threads that have reserved and not copied yet */
	struct {
		int socket;
		size_t bytes;
		uint8_t text[ANSWER_BYTES];
	} answers[ANSWERS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER;
static struct group groups[2], *gathering = &groups[0];
static int file = -1;
static uint64_t file_bytes;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void write_group(struct group *group, uint64_t *position)
{
	size_t bytes = (group->used + BLOCK - 1) / BLOCK * BLOCK;
	if (*position + bytes > file_bytes)
		*position = 0;
	if (pwrite(file, group->bytes, bytes, (off_t)*position) != (ssize_t)bytes)
		fail("bench_sink: writing");
	*position += bytes;
	for (size_t i = 0; i < group->answer_count; i++)
		if (write(group->answers[i].socket, group->answers[i].text, group->answers[i].bytes) < 0)
			fprintf(stderr, "bench_sink: an answer was not taken\n");
	group->used = group->answer_count = 0;
}

static void *write_groups(void *context)
{
	uint64_t position = 0;
	(void)context;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (gathering->answer_count == 0)
			pthread_cond_wait(&came, &lock);
		struct group *group = gathering;
		gathering = group == &groups[0] ? &groups[1] : &groups[0];
		pthread_cond_broadcast(&room);
		while (group->copying > 0)
			pthread_cond_wait(&came, &lock);
		pthread_mutex_unlock(&lock);
		write_group(group, &position);
	}
	return NULL;
}

/* All of it was written once. */
static bool fill(void)
{
	for (uint64_t at = 0; at < file_bytes; at += GROUP_BYTES)
		if (pwrite(file, groups[0].bytes, GROUP_BYTES, (off_t)at) != GROUP_BYTES)
			return false;
	return true;
}

void sink_disk_open(const char *path, bool fresh)
{
	pthread_t writer;
	for (size_t i = 0; i < 2; i++) {
		groups[i].bytes = aligned_alloc(2 << 20, GROUP_BYTES);
		if (!groups[i].bytes)
			fail("bench_sink");
		(void)madvise(groups[i].bytes, GROUP_BYTES, MADV_HUGEPAGE);
		memset(groups[i].bytes, 1, GROUP_BYTES);
	}
	file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
	file_bytes = fresh ? fresh_bytes : used_bytes;
	if (file < 0 || !(fresh ? fallocate(file, 0, 0, (off_t)file_bytes) == 0 : fill()))
		fail(path);
	if (unlink(path) != 0 || pthread_create(&writer, NULL, write_groups, NULL) != 0)
		fail(path);
}

void sink_disk_add(struct base_bytes batch, int socket, struct base_bytes answer)
{
	assert(batch.bytes <= GROUP_BYTES && answer.bytes <= ANSWER_BYTES);
	pthread_mutex_lock(&lock);
	while (gathering->used + batch.bytes > GROUP_BYTES || gathering->answer_count == ANSWERS)
		pthread_cond_wait(&room, &lock);
	struct group *group = gathering;
	uint8_t *to = group->bytes + group->used;
	group->used += batch.bytes;
	group->copying += 1;
	pthread_mutex_unlock(&lock);
	memcpy(to, batch.data, batch.bytes);
	pthread_mutex_lock(&lock);
	size_t i = group->answer_count++;
	group->answers[i].socket = socket;
	group->answers[i].bytes = answer.bytes;
	memcpy(group->answers[i].text, answer.data, answer.bytes);
	group->copying -= 1;
	pthread_cond_signal(&came);
	pthread_mutex_unlock(&lock);
}
