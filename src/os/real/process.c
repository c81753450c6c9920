/* Files by any path, and processes as /proc shows them (see environment.h; source: proc(5)). Any thread. */
#include "os/environment.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PROC_BYTES_MAX = 16 << 10,
	FIRST_BYTES = 16 << 10,
	STAT_UTIME = 11,
	STAT_STARTTIME = 19 /* fields behind the name in brackets */
};

static pyr_result read_all(int file, size_t bytes_max, struct base_slice *ret_bytes)
{
	struct base_buffer *buffer = base_buffer_new(FIRST_BYTES);
	size_t used = 0;
	for (ssize_t got = 1; buffer && got > 0; used += (size_t)got) {
		if (used == buffer->capacity) {
			struct base_buffer *bigger = base_buffer_new(used * 2);
			if (bigger)
				memcpy(bigger->data, buffer->data, used);
			base_buffer_unref(buffer);
			buffer = bigger;
			if (!buffer)
				break;
		}
		got = read(file, buffer->data + used, buffer->capacity - used);
		if (got < 0 || used + (size_t)got > bytes_max) {
			base_buffer_unref(buffer);
			return pyr_result_of(got < 0 ? PYR_IO : PYR_TOO_LARGE);
		}
	}
	if (!buffer)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	*ret_bytes = (struct base_slice){buffer, buffer->data, used};
	return pyr_ok();
}

pyr_result os_environment_read_file(const char *path, size_t bytes_max, struct base_slice *ret_bytes)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return pyr_result_of(PYR_IO);
	pyr_result result = read_all(file, bytes_max, ret_bytes);
	close(file);
	return result;
}

static void proc_path(uint32_t pid, const char *file, char ret_path[64])
{
	if (pid == 0)
		snprintf(ret_path, 64, "/proc/self/%s", file);
	else
		snprintf(ret_path, 64, "/proc/%u/%s", pid, file);
}

/* The file as terminated text. */
static pyr_result read_proc(uint32_t pid, const char *file, char ret_text[PROC_BYTES_MAX])
{
	char path[64];
	struct base_slice bytes = {0};
	proc_path(pid, file, path);
	PYR_TRY(os_environment_read_file(path, PROC_BYTES_MAX - 1, &bytes));
	memcpy(ret_text, bytes.data, bytes.bytes);
	ret_text[bytes.bytes] = '\0';
	base_slice_release(&bytes);
	return pyr_ok();
}

/* "VmHWM:    1234 kB", in bytes */
static uint64_t status_bytes(const char *status, const char *name)
{
	const char *at = strstr(status, name);
	return at ? strtoull(at + strlen(name), NULL, 10) << 10 : 0;
}

static const char *stat_field(const char *stat, int field)
{
	const char *at = strrchr(stat, ')');
	for (int i = 0; at && i <= field; i++)
		at = strchr(at + 1, ' ');
	return at;
}

static uint64_t stat_cpu_us(const char *stat)
{
	const char *at = stat_field(stat, STAT_UTIME);
	if (!at)
		return 0;
	char *end;
	uint64_t ticks = strtoull(at, &end, 10);
	ticks += strtoull(end, NULL, 10);
	return ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* It is told in ticks since the machine's own start. */
static int64_t stat_start_ms(const char *stat)
{
	const char *at = stat_field(stat, STAT_STARTTIME);
	struct timespec now, up;
	if (!at || clock_gettime(CLOCK_REALTIME, &now) != 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return 0;
	int64_t booted_ms =
		(int64_t)(now.tv_sec - up.tv_sec) * 1000 + ((int64_t)now.tv_nsec - (int64_t)up.tv_nsec) / 1000000;
	return booted_ms + strtoll(at, NULL, 10) * 1000 / sysconf(_SC_CLK_TCK);
}

static uint32_t count_files(uint32_t pid)
{
	char path[64];
	uint32_t count = 0;
	proc_path(pid, "fd", path);
	DIR *folder = opendir(path);
	for (struct dirent *entry; folder && (entry = readdir(folder));)
		count += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return count > 0 && pid == 0 ? count - 1 : count; /* without the folder itself */
}

pyr_result os_process_usage(uint32_t pid, struct os_process_usage *ret_usage)
{
	char text[PROC_BYTES_MAX];
	if (read_proc(pid, "stat", text).code != PYR_OK)
		return pyr_result_of(PYR_NOT_FOUND);
	struct os_process_usage usage = {.cpu_us = stat_cpu_us(text), .start_ms = stat_start_ms(text)};
	if (read_proc(pid, "status", text).code != PYR_OK)
		return pyr_result_of(PYR_NOT_FOUND);
	usage.resident_bytes = status_bytes(text, "VmRSS:");
	usage.peak_bytes = status_bytes(text, "VmHWM:");
	usage.virtual_bytes = status_bytes(text, "VmSize:");
	usage.threads = (uint32_t)(status_bytes(text, "\nThreads:") >> 10);
	usage.open_files = count_files(pid);
	if (read_proc(pid, "limits", text).code == PYR_OK)
		usage.open_files_max = status_bytes(text, "Max open files") >> 10;
	*ret_usage = usage;
	return pyr_ok();
}

pyr_result os_process_reset_peak(uint32_t pid)
{
	char path[64];
	proc_path(pid, "clear_refs", path);
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return pyr_result_of(PYR_IO);
	ssize_t written = write(file, "5", 1);
	close(file);
	return pyr_result_of(written == 1 ? PYR_OK : PYR_IO);
}
