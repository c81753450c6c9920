/* Real files below one directory. Every call restarts after EINTR and finishes short transfers.
 *
 * Any thread. Failure modes: errno becomes PYR_IO, PYR_DISK_FULL, PYR_NOT_FOUND or PYR_EXISTS; nothing is retried after
 * a failed sync.
 */
#include "os/real.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

struct real_disk {
	struct os_disk base;
	int root; /* directory */
	int lock; /* -1: not taken */
	int hold; /* as lock */
};

struct real_file {
	struct os_file base;
	int descriptor;
	bool direct; /* asked for: perhaps the file system has none */
};

static int descriptor_of(struct os_file *file)
{
	return ((struct real_file *)file)->descriptor;
}

static int root_of(struct os_disk *disk)
{
	return ((struct real_disk *)disk)->root;
}

static pyr_result from_errno(int error)
{
	switch (error) {
	case 0:
		return pyr_ok();
	case ENOENT:
		return pyr_result_of(PYR_NOT_FOUND);
	case EEXIST:
		return pyr_result_of(PYR_EXISTS);
	case ENOSPC:
	case EDQUOT:
		return pyr_result_of(PYR_DISK_FULL);
	case ENOMEM:
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	default:
		return pyr_result_of(PYR_IO);
	}
}

static pyr_result checked(int returned)
{
	return from_errno(returned < 0 ? errno : 0);
}

static pyr_result disk_open(struct os_disk *disk, const char *path, unsigned flags, struct os_file **ret_file)
{
	int direct = flags & OS_OPEN_DIRECT ? O_DIRECT : 0;
	int mode = (flags & OS_OPEN_WRITE ? O_RDWR : O_RDONLY) | (flags & OS_OPEN_CREATE ? O_CREAT : 0) |
	           (flags & OS_OPEN_EXCLUSIVE ? O_EXCL : 0) | O_CLOEXEC;
	struct real_file *file = calloc(1, sizeof *file);
	if (!file)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	file->base.disk = disk;
	file->direct = direct;
	do
		file->descriptor = openat(root_of(disk), path, mode | direct, 0644);
	while (file->descriptor < 0 && errno == EINTR);
	if (file->descriptor < 0 && direct && errno == EINVAL) /* a file system without direct I/O, as tmpfs */
		file->descriptor = openat(root_of(disk), path, mode, 0644);
	if (file->descriptor < 0) {
		pyr_result failed = from_errno(errno);
		free(file);
		return failed;
	}
	*ret_file = &file->base;
	return pyr_ok();
}

static void disk_close(struct os_file *file)
{
	close(descriptor_of(file));
	free(file);
}

static pyr_result disk_read(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes, size_t *ret_read)
{
	size_t done = 0;
	while (done < bytes) {
		ssize_t got =
			pread(descriptor_of(file), (char *)ret_bytes + done, bytes - done, (off_t)(position + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return from_errno(errno);
		done += (size_t)got;
		bool odd = ((struct real_file *)file)->direct && (size_t)got % OS_DIRECT_BYTES > 0;
		if (got == 0 || odd) /* the file's end; a direct read can't ask again from an odd place */
			break;
	}
	*ret_read = done;
	return pyr_ok();
}

/* A short answer is one that would have to wait for the rest. */
static bool disk_read_at_once(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes)
{
	struct iovec all = {ret_bytes, bytes};
	return preadv2(descriptor_of(file), &all, 1, (off_t)position, RWF_NOWAIT) == (ssize_t)bytes;
}

static void disk_prefetch(struct os_file *file, uint64_t position, uint64_t bytes)
{
	(void)readahead(descriptor_of(file), (off_t)position, (size_t)bytes);
}

enum { VECTOR_MAX = 256 };

/* Writes up to VECTOR_MAX parts, skipping `skip` bytes of them; *ret_written may be short. */
static pyr_result write_some(int descriptor, uint64_t position, const struct base_bytes *parts, size_t part_count,
                             size_t skip, size_t *ret_written)
{
	struct iovec vector[VECTOR_MAX];
	size_t count = 0;
	for (size_t i = 0; i < part_count && count < VECTOR_MAX; i++) {
		if (skip >= parts[i].bytes) {
			skip -= parts[i].bytes;
			continue;
		}
		vector[count].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
		vector[count++].iov_len = parts[i].bytes - skip;
		skip = 0;
	}
	ssize_t wrote = pwritev(descriptor, vector, (int)count, (off_t)position);
	if (wrote < 0 && errno != EINTR)
		return from_errno(errno);
	*ret_written = wrote < 0 ? 0 : (size_t)wrote;
	return pyr_ok();
}

static pyr_result disk_write(struct os_file *file, uint64_t position, const struct base_bytes *parts, size_t part_count)
{
	size_t skip = 0; /* bytes of parts[0] that are written already */
	for (;;) {
		while (part_count > 0 && skip >= parts[0].bytes) {
			skip -= parts[0].bytes;
			parts += 1;
			part_count -= 1;
		}
		if (part_count == 0)
			return pyr_ok();
		size_t written = 0;
		PYR_TRY(write_some(descriptor_of(file), position, parts, part_count, skip, &written));
		position += written;
		skip += written;
	}
}

static pyr_result disk_sync(struct os_file *file)
{
	return checked(fdatasync(descriptor_of(file)));
}

static void disk_write_back(struct os_file *file, uint64_t position, uint64_t bytes)
{
	(void)sync_file_range(descriptor_of(file), (off_t)position, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

static pyr_result disk_truncate(struct os_file *file, uint64_t bytes)
{
	return checked(ftruncate(descriptor_of(file), (off_t)bytes));
}

static pyr_result disk_size(struct os_file *file, uint64_t *ret_bytes)
{
	struct stat status;
	PYR_TRY(checked(fstat(descriptor_of(file), &status)));
	*ret_bytes = (uint64_t)status.st_size;
	return pyr_ok();
}

static pyr_result disk_allocate(struct os_file *file, uint64_t position, uint64_t bytes)
{
	if (fallocate(descriptor_of(file), 0, (off_t)position, (off_t)bytes) == 0)
		return pyr_ok();
	if (errno != EOPNOTSUPP)
		return from_errno(errno);
	/* A file system that can't reserve: only the size is set, and a full disk shows at the write. */
	uint64_t size;
	PYR_TRY(disk_size(file, &size));
	return size >= position + bytes ? pyr_ok() : disk_truncate(file, position + bytes);
}

static pyr_result disk_rename(struct os_disk *disk, const char *from, const char *to)
{
	return checked(renameat(root_of(disk), from, root_of(disk), to));
}

static pyr_result disk_remove(struct os_disk *disk, const char *path)
{
	return checked(unlinkat(root_of(disk), path, 0));
}

static pyr_result disk_make_directory(struct os_disk *disk, const char *path)
{
	return mkdirat(root_of(disk), path, 0755) == 0 || errno == EEXIST ? pyr_ok() : from_errno(errno);
}

static int open_directory(struct os_disk *disk, const char *path)
{
	return openat(root_of(disk), path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static pyr_result disk_sync_directory(struct os_disk *disk, const char *path)
{
	int directory = open_directory(disk, path);
	if (directory < 0)
		return from_errno(errno);
	pyr_result synced = checked(fsync(directory));
	close(directory);
	return synced;
}

static pyr_result disk_list(struct os_disk *disk, const char *path, void (*found)(void *context, const char *name),
                            void *context)
{
	int descriptor = open_directory(disk, path);
	DIR *directory = descriptor < 0 ? NULL : fdopendir(descriptor);
	if (!directory) {
		pyr_result failed = from_errno(errno);
		if (descriptor >= 0)
			close(descriptor);
		return failed;
	}
	/* A list cut short by an error would look like files that are gone. */
	struct dirent *entry;
	while (errno = 0, (entry = readdir(directory)))
		if (entry->d_type != DT_DIR)
			found(context, entry->d_name);
	pyr_result read = from_errno(errno);
	closedir(directory);
	return read;
}

static pyr_result disk_lock(struct os_disk *disk, const char *path)
{
	struct real_disk *real = (struct real_disk *)disk;
	assert(real->lock < 0);
	real->lock = openat(real->root, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (real->lock < 0)
		return from_errno(errno);
	if (flock(real->lock, LOCK_EX | LOCK_NB) == 0)
		return pyr_ok();
	pyr_result failed = errno == EWOULDBLOCK ? pyr_result_of(PYR_BUSY) : from_errno(errno);
	close(real->lock);
	real->lock = -1;
	return failed;
}

static void disk_release(struct os_disk *disk)
{
	struct real_disk *real = (struct real_disk *)disk;
	if (real->hold >= 0)
		close(real->hold);
	real->hold = -1;
}

static pyr_result disk_hold(struct os_disk *disk, const char *path)
{
	struct real_disk *real = (struct real_disk *)disk;
	assert(real->hold < 0);
	real->hold = openat(real->root, path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (real->hold < 0)
		return from_errno(errno);
	while (flock(real->hold, LOCK_SH) != 0) /* waits for whoever just looks */
		if (errno != EINTR) {
			pyr_result failed = from_errno(errno);
			disk_release(disk);
			return failed;
		}
	return pyr_ok();
}

static bool disk_is_held(struct os_disk *disk, const char *path)
{
	int descriptor = openat(root_of(disk), path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return false;
	bool held = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(descriptor);
	return held;
}

static pyr_result disk_space(struct os_disk *disk, uint64_t *ret_total_bytes, uint64_t *ret_usable_bytes)
{
	struct statvfs status;
	PYR_TRY(checked(fstatvfs(root_of(disk), &status)));
	*ret_total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
	*ret_usable_bytes = (uint64_t)status.f_bavail * status.f_frsize;
	return pyr_ok();
}

static const struct os_disk_ops real_disk_ops = {
	.open = disk_open,
	.close = disk_close,
	.read = disk_read,
	.read_at_once = disk_read_at_once,
	.prefetch = disk_prefetch,
	.write = disk_write,
	.sync = disk_sync,
	.write_back = disk_write_back,
	.allocate = disk_allocate,
	.truncate = disk_truncate,
	.size = disk_size,
	.rename = disk_rename,
	.remove = disk_remove,
	.make_directory = disk_make_directory,
	.sync_directory = disk_sync_directory,
	.list = disk_list,
	.lock = disk_lock,
	.hold = disk_hold,
	.release = disk_release,
	.is_held = disk_is_held,
	.space = disk_space,
};

pyr_result os_real_disk_new(const char *root, struct os_disk **ret_disk, struct pyr_error *error)
{
	struct real_disk *disk = calloc(1, sizeof *disk);
	if (!disk)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	disk->base.ops = &real_disk_ops;
	disk->lock = disk->hold = -1;
	if (mkdir(root, 0755) != 0 && errno != EEXIST) {
		free(disk);
		return pyr_fail(error, PYR_IO, "can't make the data directory %s: %s", root, strerror(errno));
	}
	disk->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (disk->root < 0) {
		free(disk);
		return pyr_fail(error, PYR_IO, "can't open the data directory %s: %s", root, strerror(errno));
	}
	*ret_disk = &disk->base;
	return pyr_ok();
}

void os_real_disk_free(struct os_disk *disk)
{
	struct real_disk *real = (struct real_disk *)disk;
	if (!real)
		return;
	if (real->lock >= 0)
		close(real->lock);
	disk_release(disk);
	close(real->root);
	free(real);
}

bool os_real_path_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
