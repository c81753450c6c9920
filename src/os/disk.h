/* Files, as the log needs them. Blocking: called from executor threads and at start-up, never from a shard's loop, but for
 * os_file_read_at_once().
 *
 * Paths are relative to the disk's root directory. Positions and lengths are in bytes. Any thread may use a disk; a file
 * may be used by several threads at once (all I/O is positional). A failed os_file_sync() is final for its caller: the
 * kernel may have dropped the pages, so trying again proves nothing.
 * Errors: PYR_IO, PYR_DISK_FULL, PYR_NOT_FOUND, PYR_EXISTS.
 */
#ifndef PYRALOG_OS_DISK_H
#define PYRALOG_OS_DISK_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct os_disk;
struct os_file;

enum os_open_flags {
	OS_OPEN_READ = 0,
	OS_OPEN_WRITE = 1, /* and read */
	OS_OPEN_CREATE = 2, /* make it if it is not there */
	OS_OPEN_EXCLUSIVE = 4, /* with CREATE: it must not be there */
	/* Past the page cache where the file system can; positions, lengths and addresses of all reads and writes are
	 * multiples of OS_DIRECT_BYTES. */
	OS_OPEN_DIRECT = 8,
};

enum { OS_DIRECT_BYTES = 4096 };

struct os_disk_ops {
	pyr_result (*open)(struct os_disk *disk, const char *path, unsigned flags, struct os_file **ret_file);
	void (*close)(struct os_file *file);
	pyr_result (*read)(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes, size_t *ret_read);
	bool (*read_at_once)(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes);
	void (*prefetch)(struct os_file *file, uint64_t position, uint64_t bytes);
	pyr_result (*write)(struct os_file *file, uint64_t position, const struct base_bytes *parts, size_t part_count);
	pyr_result (*sync)(struct os_file *file);
	void (*write_back)(struct os_file *file, uint64_t position, uint64_t bytes);
	pyr_result (*allocate)(struct os_file *file, uint64_t position, uint64_t bytes);
	pyr_result (*truncate)(struct os_file *file, uint64_t bytes);
	pyr_result (*size)(struct os_file *file, uint64_t *ret_bytes);
	pyr_result (*rename)(struct os_disk *disk, const char *from, const char *to);
	pyr_result (*remove)(struct os_disk *disk, const char *path);
	pyr_result (*make_directory)(struct os_disk *disk, const char *path);
	pyr_result (*sync_directory)(struct os_disk *disk, const char *path);
	pyr_result (*list)(struct os_disk *disk, const char *path, void (*found)(void *context, const char *name),
	                   void *context);
	pyr_result (*lock)(struct os_disk *disk, const char *path);
	pyr_result (*hold)(struct os_disk *disk, const char *path);
	void (*release)(struct os_disk *disk);
	bool (*is_held)(struct os_disk *disk, const char *path);
	pyr_result (*space)(struct os_disk *disk, uint64_t *ret_total_bytes, uint64_t *ret_usable_bytes);
};

struct os_disk {
	const struct os_disk_ops *ops;
};

/* What every file starts with. */
struct os_file {
	struct os_disk *disk;
};

static inline pyr_result os_file_open(struct os_disk *disk, const char *path, unsigned flags, struct os_file **ret_file)
{
	return disk->ops->open(disk, path, flags, ret_file);
}

static inline void os_file_close(struct os_file *file)
{
	if (file)
		file->disk->ops->close(file);
}

/* Reads up to `bytes`; fewer only at the end of the file. */
static inline pyr_result os_file_read(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes,
                                      size_t *ret_read)
{
	return file->disk->ops->read(file, position, ret_bytes, bytes, ret_read);
}

/* The same without waiting for the disk, so that a loop may call it: all of the bytes, or false and nobody knows which of them,
 * because the system has not all in memory, or can't tell. */
static inline bool os_file_read_at_once(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes)
{
	return file->disk->ops->read_at_once(file, position, ret_bytes, bytes);
}

/* Has the system read this range ahead, so that reads of it find it in memory. Promises nothing. */
static inline void os_file_prefetch(struct os_file *file, uint64_t position, uint64_t bytes)
{
	file->disk->ops->prefetch(file, position, bytes);
}

/* Writes all parts, one behind the other. Durable only after os_file_sync(). */
static inline pyr_result os_file_write(struct os_file *file, uint64_t position, const struct base_bytes *parts,
                                       size_t part_count)
{
	return file->disk->ops->write(file, position, parts, part_count);
}

/* Makes data and size durable (fdatasync). */
static inline pyr_result os_file_sync(struct os_file *file)
{
	return file->disk->ops->sync(file);
}

/* Has the system begin to write this range to the disk, so that a later sync finds less to do. Promises nothing. */
static inline void os_file_write_back(struct os_file *file, uint64_t position, uint64_t bytes)
{
	file->disk->ops->write_back(file, position, bytes);
}

/* Reserves space that reads as zeros, growing the file to position + bytes if it is shorter. */
static inline pyr_result os_file_allocate(struct os_file *file, uint64_t position, uint64_t bytes)
{
	return file->disk->ops->allocate(file, position, bytes);
}

static inline pyr_result os_file_truncate(struct os_file *file, uint64_t bytes)
{
	return file->disk->ops->truncate(file, bytes);
}

static inline pyr_result os_file_size(struct os_file *file, uint64_t *ret_bytes)
{
	return file->disk->ops->size(file, ret_bytes);
}

/* Replaces `to`. Names are durable after os_directory_sync() of their directory. */
static inline pyr_result os_file_rename(struct os_disk *disk, const char *from, const char *to)
{
	return disk->ops->rename(disk, from, to);
}

static inline pyr_result os_file_remove(struct os_disk *disk, const char *path)
{
	return disk->ops->remove(disk, path);
}

/* An existing directory is fine. */
static inline pyr_result os_directory_make(struct os_disk *disk, const char *path)
{
	return disk->ops->make_directory(disk, path);
}

/* "" is the root. */
static inline pyr_result os_directory_sync(struct os_disk *disk, const char *path)
{
	return disk->ops->sync_directory(disk, path);
}

/* Calls `found` with the name of every file in the directory, in any order. */
static inline pyr_result os_directory_list(struct os_disk *disk, const char *path,
                                           void (*found)(void *context, const char *name), void *context)
{
	return disk->ops->list(disk, path, found, context);
}

/* Takes an exclusive lock that lasts until the disk is closed or the process dies. PYR_BUSY: another process has it. */
static inline pyr_result os_disk_lock(struct os_disk *disk, const char *path)
{
	return disk->ops->lock(disk, path);
}

/* Asks whoever else works with the folder to let its files be, until os_disk_release() or the process dies. Any number of
 * processes may hold at once; one disk holds once at a time. The file at `path` is made, stays, and is of no other use. */
static inline pyr_result os_disk_hold(struct os_disk *disk, const char *path)
{
	return disk->ops->hold(disk, path);
}

static inline void os_disk_release(struct os_disk *disk)
{
	disk->ops->release(disk);
}

/* Does any process hold? Somebody who looks at the same moment may be taken for one. */
static inline bool os_disk_is_held(struct os_disk *disk, const char *path)
{
	return disk->ops->is_held(disk, path);
}

/* Of the file system: how large it is, and how much of that we could still write. */
static inline pyr_result os_disk_space(struct os_disk *disk, uint64_t *ret_total_bytes, uint64_t *ret_usable_bytes)
{
	return disk->ops->space(disk, ret_total_bytes, ret_usable_bytes);
}

#endif
