/* A disk that keeps apart what was synced and what was only written.
 *
 * A file has two images: `cached`, what reads see, and `durable`, what a power cut leaves; 512-byte sectors that differ
 * are marked dirty. Names work the same way: a directory's changes are a list in their order, made durable by a sync of
 * that directory. At a crash each dirty sector is kept or lost by chance, and each directory keeps a prefix of its
 * changes. A failed sync drops the dirty marks without writing, as the Linux page cache does.
 */
#include "os/sim/sim_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR_BYTES = 512, PATH_MAX_BYTES = 64 };

struct sim_inode {
	struct sim_inode *next; /* in the disk's list */
	uint8_t *cached, *durable;
	uint8_t *dirty; /* a byte for each sector */
	uint64_t capacity; /* bytes allocated in both images; a file that is longer has a hole behind them */
	uint64_t cached_bytes, durable_bytes;
	unsigned open_count;
	bool removed; /* a name of it was removed or replaced */
	bool used; /* found in use by the sweep under way */
};

struct sim_name {
	struct sim_name *next;
	char path[PATH_MAX_BYTES];
	struct sim_inode *cached; /* NULL: no such name */
	struct sim_inode *durable;
};

/* A change of a name that no directory sync has confirmed: path now means inode (NULL: removed). */
struct sim_rename {
	char path[PATH_MAX_BYTES];
	struct sim_inode *inode;
	bool with_next; /* the two halves of one rename stay together */
};

struct sim_disk {
	struct os_disk base;
	struct os_sim *sim;
	struct sim_inode *inodes;
	struct sim_name *names;
	struct sim_rename *changes;
	size_t change_count;
	size_t change_capacity;
	struct sim_file *open_files;
	struct os_sim_faults faults;
	uint64_t calls;
	uint64_t syncs;
	uint64_t directory_syncs;
	uint64_t written_bytes;
	bool dead;
	bool held; /* os_disk_hold() */
};

struct sim_file {
	struct os_file base;
	struct sim_inode *inode;
	bool direct; /* OS_OPEN_DIRECT: reads and writes are of whole blocks */
	struct sim_file *next; /* in the disk's list of open files */
};

static struct sim_disk *disk_of(struct os_disk *disk)
{
	return (struct sim_disk *)disk;
}

static struct sim_inode *inode_of(struct os_file *file)
{
	return ((struct sim_file *)file)->inode;
}

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* Counts the call and says whether it may go on. */
static pyr_result enter(struct sim_disk *disk)
{
	disk->calls += 1;
	if (disk->faults.crash_at_call && disk->calls >= disk->faults.crash_at_call)
		disk->dead = true;
	if (disk->dead || disk->calls == disk->faults.fail_at_call)
		return pyr_result_of(PYR_IO);
	return pyr_ok();
}

/* Counts a sync, and dies before it if it is time. */
static void enter_sync(struct sim_disk *disk, uint64_t *count, uint64_t crash_at)
{
	*count += 1;
	disk->dead |= crash_at && *count >= crash_at;
}

static struct sim_name *find_name(struct sim_disk *disk, const char *path)
{
	struct sim_name *name = disk->names;
	while (name && strcmp(name->path, path) != 0)
		name = name->next;
	return name;
}

static struct sim_name *need_name(struct sim_disk *disk, const char *path)
{
	struct sim_name *name = find_name(disk, path);
	if (name)
		return name;
	assert(strlen(path) < PATH_MAX_BYTES);
	name = must(calloc(1, sizeof *name));
	memcpy(name->path, path, strlen(path) + 1);
	name->next = disk->names;
	disk->names = name;
	return name;
}

static void change_name(struct sim_disk *disk, const char *path, struct sim_inode *inode, bool with_next)
{
	struct sim_name *name = need_name(disk, path);
	if (name->cached)
		name->cached->removed = true;
	name->cached = inode;
	if (disk->change_count == disk->change_capacity) {
		disk->change_capacity = disk->change_capacity ? disk->change_capacity * 2 : 16;
		disk->changes = must(realloc(disk->changes, disk->change_capacity * sizeof *disk->changes));
	}
	struct sim_rename *change = &disk->changes[disk->change_count++];
	*change = (struct sim_rename){.inode = inode, .with_next = with_next};
	memcpy(change->path, path, strlen(path) + 1);
}

static void forget_empty_names(struct sim_disk *disk)
{
	for (struct sim_name **at = &disk->names; *at;) {
		struct sim_name *name = *at;
		if (name->cached || name->durable) {
			at = &name->next;
			continue;
		}
		*at = name->next;
		free(name);
	}
}

static void mark_used(struct sim_inode *inode)
{
	if (inode)
		inode->used = true;
}

/* Gives back inodes that no name and no open file refers to. */
static void sweep(struct sim_disk *disk)
{
	forget_empty_names(disk);
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next)
		inode->used = inode->open_count > 0;
	for (struct sim_name *name = disk->names; name; name = name->next) {
		mark_used(name->cached);
		mark_used(name->durable);
	}
	for (size_t i = 0; i < disk->change_count; i++)
		mark_used(disk->changes[i].inode);
	for (struct sim_inode **at = &disk->inodes; *at;) {
		struct sim_inode *inode = *at;
		if (inode->used) {
			at = &inode->next;
			continue;
		}
		*at = inode->next;
		free(inode->cached);
		free(inode->durable);
		free(inode->dirty);
		free(inode);
	}
}

static void ensure_capacity(struct sim_inode *inode, uint64_t bytes)
{
	if (bytes <= inode->capacity)
		return;
	uint64_t capacity = inode->capacity ? inode->capacity * 2 : 4096;
	if (capacity < bytes)
		capacity = (bytes + 4095) / 4096 * 4096;
	inode->cached = must(realloc(inode->cached, capacity));
	inode->durable = must(realloc(inode->durable, capacity));
	inode->dirty = must(realloc(inode->dirty, capacity / SECTOR_BYTES));
	memset(inode->cached + inode->capacity, 0, capacity - inode->capacity);
	memset(inode->durable + inode->capacity, 0, capacity - inode->capacity);
	memset(inode->dirty + inode->capacity / SECTOR_BYTES, 0, (capacity - inode->capacity) / SECTOR_BYTES);
	inode->capacity = capacity;
}

uint64_t os_sim_disk_used_bytes(const struct os_disk *disk)
{
	uint64_t bytes = 0;
	for (struct sim_inode *inode = ((const struct sim_disk *)disk)->inodes; inode; inode = inode->next)
		bytes += inode->cached_bytes;
	return bytes;
}

static pyr_result check_room(struct sim_disk *disk, const struct sim_inode *inode, uint64_t new_bytes)
{
	uint64_t limit = disk->faults.capacity_bytes;
	if (limit == 0 || new_bytes <= inode->cached_bytes)
		return pyr_ok();
	bool full = os_sim_disk_used_bytes(&disk->base) + (new_bytes - inode->cached_bytes) > limit;
	return pyr_result_of(full ? PYR_DISK_FULL : PYR_OK);
}

static pyr_result disk_open(struct os_disk *base, const char *path, unsigned flags, struct os_file **ret_file)
{
	struct sim_disk *disk = disk_of(base);
	PYR_TRY(enter(disk));
	struct sim_name *name = find_name(disk, path);
	struct sim_inode *inode = name ? name->cached : NULL;
	if (inode && flags & OS_OPEN_EXCLUSIVE)
		return pyr_result_of(PYR_EXISTS);
	if (!inode && !(flags & OS_OPEN_CREATE))
		return pyr_result_of(PYR_NOT_FOUND);
	if (!inode) {
		inode = must(calloc(1, sizeof *inode));
		inode->next = disk->inodes;
		disk->inodes = inode;
		change_name(disk, path, inode, false);
	}
	inode->open_count += 1;
	struct sim_file *file = must(calloc(1, sizeof *file));
	file->base.disk = base;
	file->inode = inode;
	file->direct = flags & OS_OPEN_DIRECT;
	file->next = disk->open_files;
	disk->open_files = file;
	*ret_file = &file->base;
	return pyr_ok();
}

static void disk_close(struct os_file *base)
{
	struct sim_file *file = (struct sim_file *)base;
	struct sim_disk *disk = disk_of(base->disk);
	struct sim_file **at = &disk->open_files;
	while (*at && *at != file)
		at = &(*at)->next;
	assert(*at == file);
	*at = file->next;
	file->inode->open_count -= 1;
	bool last = file->inode->open_count == 0 && file->inode->removed;
	free(file);
	if (last)
		sweep(disk);
}

static pyr_result disk_read(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes, size_t *ret_read)
{
	struct sim_inode *inode = inode_of(file);
	bool whole = position % OS_DIRECT_BYTES == 0 && bytes % OS_DIRECT_BYTES == 0 &&
	             (uintptr_t)ret_bytes % OS_DIRECT_BYTES == 0;
	assert(whole || !((struct sim_file *)file)->direct);
	(void)whole;
	PYR_TRY(enter(disk_of(file->disk)));
	uint64_t left = position < inode->cached_bytes ? inode->cached_bytes - position : 0;
	*ret_read = bytes < left ? bytes : left;
	uint64_t held = position < inode->capacity ? inode->capacity - position : 0;
	held = held < *ret_read ? held : *ret_read;
	if (held > 0)
		memcpy(ret_bytes, inode->cached + position, held);
	if (*ret_read > held)
		memset((uint8_t *)ret_bytes + held, 0, *ret_read - held);
	return pyr_ok();
}

/* Of three calls one would have to wait. */
static bool disk_read_at_once(struct os_file *file, uint64_t position, void *ret_bytes, size_t bytes)
{
	size_t got = 0;
	pyr_result result = disk_read(file, position, ret_bytes, bytes, &got);
	return result.code == PYR_OK && got == bytes && disk_of(file->disk)->calls % 3 > 0;
}

static void put(struct sim_inode *inode, uint64_t position, const uint8_t *data, size_t bytes)
{
	if (bytes == 0)
		return;
	ensure_capacity(inode, position + bytes);
	memcpy(inode->cached + position, data, bytes);
	for (uint64_t sector = position / SECTOR_BYTES; sector <= (position + bytes - 1) / SECTOR_BYTES; sector++)
		inode->dirty[sector] = 1;
	if (position + bytes > inode->cached_bytes)
		inode->cached_bytes = position + bytes;
}

static pyr_result disk_write(struct os_file *file, uint64_t position, const struct base_bytes *parts, size_t part_count)
{
	struct sim_disk *disk = disk_of(file->disk);
	struct sim_inode *inode = inode_of(file);
	uint64_t total = 0;
	for (size_t i = 0; i < part_count; i++) {
		bool whole = position % OS_DIRECT_BYTES == 0 && parts[i].bytes % OS_DIRECT_BYTES == 0 &&
		             (uintptr_t)parts[i].data % OS_DIRECT_BYTES == 0;
		assert(whole || !((struct sim_file *)file)->direct);
		(void)whole;
		total += parts[i].bytes;
	}
	pyr_result entered = enter(disk);
	if (disk->dead)
		return entered;
	/* A failing write, and a full disk, still take some of the bytes. */
	if (entered.code == PYR_OK)
		entered = check_room(disk, inode, position + total);
	uint64_t taken = entered.code == PYR_OK ? total : entered.code == PYR_IO ? total / 2 : 0;
	for (size_t i = 0; i < part_count && taken > 0; i++) {
		size_t bytes = parts[i].bytes < taken ? parts[i].bytes : taken;
		put(inode, position, parts[i].data, bytes);
		position += bytes;
		taken -= bytes;
		disk->written_bytes += bytes;
	}
	return entered;
}

static void make_durable(struct sim_inode *inode)
{
	for (uint64_t sector = 0; sector < inode->capacity / SECTOR_BYTES; sector++) {
		if (!inode->dirty[sector])
			continue;
		memcpy(inode->durable + sector * SECTOR_BYTES, inode->cached + sector * SECTOR_BYTES, SECTOR_BYTES);
		inode->dirty[sector] = 0;
	}
	inode->durable_bytes = inode->cached_bytes;
}

static pyr_result disk_sync(struct os_file *file)
{
	struct sim_disk *disk = disk_of(file->disk);
	struct sim_inode *inode = inode_of(file);
	enter_sync(disk, &disk->syncs, disk->faults.crash_at_sync);
	pyr_result entered = enter(disk);
	if (disk->dead)
		return entered;
	if (entered.code != PYR_OK || disk->syncs == disk->faults.fail_sync_at) {
		if (inode->capacity > 0)
			memset(inode->dirty, 0, inode->capacity / SECTOR_BYTES);
		return pyr_result_of(PYR_IO);
	}
	make_durable(inode);
	return pyr_ok();
}

static pyr_result disk_truncate(struct os_file *file, uint64_t bytes)
{
	struct sim_disk *disk = disk_of(file->disk);
	struct sim_inode *inode = inode_of(file);
	PYR_TRY(enter(disk));
	PYR_TRY(check_room(disk, inode, bytes));
	uint64_t old = inode->cached_bytes < inode->capacity ? inode->cached_bytes : inode->capacity;
	if (bytes < old) {
		/* Bytes behind the new end read as zeros if the file grows again. */
		memset(inode->cached + bytes, 0, old - bytes);
		for (uint64_t sector = bytes / SECTOR_BYTES; sector <= (old - 1) / SECTOR_BYTES; sector++)
			inode->dirty[sector] = 1;
	}
	inode->cached_bytes = bytes;
	return pyr_ok();
}

static pyr_result disk_size(struct os_file *file, uint64_t *ret_bytes)
{
	PYR_TRY(enter(disk_of(file->disk)));
	*ret_bytes = inode_of(file)->cached_bytes;
	return pyr_ok();
}

static pyr_result disk_allocate(struct os_file *file, uint64_t position, uint64_t bytes)
{
	struct sim_disk *disk = disk_of(file->disk);
	struct sim_inode *inode = inode_of(file);
	PYR_TRY(enter(disk));
	PYR_TRY(check_room(disk, inode, position + bytes));
	ensure_capacity(inode, position + bytes);
	if (position + bytes > inode->cached_bytes)
		inode->cached_bytes = position + bytes;
	return pyr_ok();
}

/* Reading takes no time here, and what is not synced may be kept by any power cut anyway. */
static void disk_hint(struct os_file *file, uint64_t position, uint64_t bytes)
{
	(void)file;
	(void)position;
	(void)bytes;
}

static pyr_result disk_rename(struct os_disk *base, const char *from, const char *to)
{
	struct sim_disk *disk = disk_of(base);
	PYR_TRY(enter(disk));
	struct sim_name *name = find_name(disk, from);
	if (!name || !name->cached)
		return pyr_result_of(PYR_NOT_FOUND);
	change_name(disk, to, name->cached, true);
	change_name(disk, from, NULL, false);
	sweep(disk);
	return pyr_ok();
}

static pyr_result disk_remove(struct os_disk *base, const char *path)
{
	struct sim_disk *disk = disk_of(base);
	PYR_TRY(enter(disk));
	struct sim_name *name = find_name(disk, path);
	if (!name || !name->cached)
		return pyr_result_of(PYR_NOT_FOUND);
	change_name(disk, path, NULL, false);
	sweep(disk);
	return pyr_ok();
}

/* Directories are only prefixes of names here, and always there. */
static pyr_result disk_make_directory(struct os_disk *disk, const char *path)
{
	(void)path;
	return enter(disk_of(disk));
}

/* Is `path` directly in `directory`? Returns its last part, or NULL. */
static const char *name_in(const char *path, const char *directory)
{
	size_t prefix = strlen(directory);
	if (prefix > 0 && (strncmp(path, directory, prefix) != 0 || path[prefix] != '/'))
		return NULL;
	const char *name = prefix > 0 ? path + prefix + 1 : path;
	return strchr(name, '/') ? NULL : name;
}

static void keep_change(struct sim_disk *disk, const struct sim_rename *change)
{
	need_name(disk, change->path)->durable = change->inode;
}

static pyr_result disk_sync_directory(struct os_disk *base, const char *path)
{
	struct sim_disk *disk = disk_of(base);
	enter_sync(disk, &disk->directory_syncs, disk->faults.crash_at_directory_sync);
	PYR_TRY(enter(disk));
	if (disk->faults.ignore_directory_sync)
		return pyr_ok();
	size_t left = 0;
	for (size_t i = 0; i < disk->change_count; i++) {
		if (name_in(disk->changes[i].path, path))
			keep_change(disk, &disk->changes[i]);
		else
			disk->changes[left++] = disk->changes[i];
	}
	disk->change_count = left;
	sweep(disk);
	return pyr_ok();
}

/* The names are copied first: the callback may remove files. */
static pyr_result disk_list(struct os_disk *base, const char *path, void (*found)(void *context, const char *name),
                            void *context)
{
	struct sim_disk *disk = disk_of(base);
	size_t count = 0;
	PYR_TRY(enter(disk));
	for (struct sim_name *name = disk->names; name; name = name->next)
		count += name->cached && name_in(name->path, path);
	char(*paths)[PATH_MAX_BYTES] = must(calloc(count + 1, sizeof *paths));
	size_t at = 0;
	for (struct sim_name *name = disk->names; name; name = name->next)
		if (name->cached && name_in(name->path, path))
			memcpy(paths[at++], name->path, strlen(name->path) + 1);
	for (size_t i = 0; i < count; i++)
		found(context, name_in(paths[i], path));
	free(paths);
	return pyr_ok();
}

static pyr_result disk_lock(struct os_disk *disk, const char *path)
{
	(void)path;
	return enter(disk_of(disk));
}

static pyr_result disk_hold(struct os_disk *disk, const char *path)
{
	(void)path;
	disk_of(disk)->held = true;
	return pyr_ok();
}

static void disk_release(struct os_disk *disk)
{
	disk_of(disk)->held = false;
}

static bool disk_is_held(struct os_disk *disk, const char *path)
{
	(void)path;
	return disk_of(disk)->held;
}

enum { UNLIMITED_BYTES = 1 << 30 };

static pyr_result disk_space(struct os_disk *base, uint64_t *ret_total_bytes, uint64_t *ret_usable_bytes)
{
	struct sim_disk *disk = disk_of(base);
	uint64_t total = disk->faults.capacity_bytes > 0 ? disk->faults.capacity_bytes : UNLIMITED_BYTES;
	uint64_t used = os_sim_disk_used_bytes(base);
	PYR_TRY(enter(disk));
	*ret_total_bytes = total;
	*ret_usable_bytes = used < total ? total - used : 0;
	return pyr_ok();
}

static const struct os_disk_ops sim_disk_ops = {
	.open = disk_open,
	.close = disk_close,
	.read = disk_read,
	.read_at_once = disk_read_at_once,
	.prefetch = disk_hint,
	.write = disk_write,
	.sync = disk_sync,
	.write_back = disk_hint,
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

struct os_disk *os_sim_disk_new(struct os_sim *sim)
{
	struct sim_disk *disk = must(calloc(1, sizeof *disk));
	disk->base.ops = &sim_disk_ops;
	disk->sim = sim;
	return &disk->base;
}

struct os_sim_faults *os_sim_disk_faults(struct os_disk *disk)
{
	return &disk_of(disk)->faults;
}

bool os_sim_disk_is_dead(const struct os_disk *disk)
{
	return ((const struct sim_disk *)disk)->dead;
}

static void tear(struct sim_disk *disk, struct sim_inode *inode)
{
	/* Some crashes lose everything, some nothing, most a part. */
	uint64_t keep_of_8 = os_sim_random_below(disk->sim, 9);
	uint64_t end = inode->durable_bytes;
	for (uint64_t sector = 0; sector < inode->capacity / SECTOR_BYTES; sector++) {
		uint64_t at = sector * SECTOR_BYTES;
		if (!inode->dirty[sector])
			continue;
		inode->dirty[sector] = 0;
		if (os_sim_random_below(disk->sim, 8) >= keep_of_8)
			continue;
		memcpy(inode->durable + at, inode->cached + at, SECTOR_BYTES);
		uint64_t sector_end = at + SECTOR_BYTES < inode->cached_bytes ? at + SECTOR_BYTES : inode->cached_bytes;
		if (sector_end > end)
			end = sector_end;
	}
	inode->durable_bytes = inode->cached_bytes = end;
	if (inode->capacity > 0) {
		if (end < inode->capacity)
			memset(inode->durable + end, 0, inode->capacity - end);
		memcpy(inode->cached, inode->durable, inode->capacity);
	}
}

static void forget_open_files(struct sim_disk *disk)
{
	while (disk->open_files) {
		struct sim_file *file = disk->open_files;
		disk->open_files = file->next;
		file->inode->open_count -= 1;
		free(file);
	}
}

static void begin_anew(struct sim_disk *disk)
{
	disk->faults = (struct os_sim_faults){.capacity_bytes = 0};
	disk->calls = disk->syncs = disk->directory_syncs = 0;
	disk->dead = false;
}

void os_sim_disk_kill(struct os_disk *base)
{
	struct sim_disk *disk = disk_of(base);
	forget_open_files(disk);
	sweep(disk);
	begin_anew(disk);
}

void os_sim_disk_crash(struct os_disk *base)
{
	struct sim_disk *disk = disk_of(base);
	size_t kept = os_sim_random_below(disk->sim, disk->change_count + 1);
	while (kept > 0 && kept < disk->change_count && disk->changes[kept - 1].with_next)
		kept -= 1;
	for (size_t i = 0; i < kept; i++)
		keep_change(disk, &disk->changes[i]);
	disk->change_count = 0;
	forget_open_files(disk);
	for (struct sim_name *name = disk->names; name; name = name->next)
		name->cached = name->durable;
	sweep(disk);
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next)
		tear(disk, inode);
	begin_anew(disk);
}

void os_sim_disk_free(struct os_disk *base)
{
	struct sim_disk *disk = disk_of(base);
	disk->change_count = 0;
	forget_open_files(disk);
	while (disk->names) {
		struct sim_name *name = disk->names;
		disk->names = name->next;
		free(name);
	}
	sweep(disk);
	free(disk->changes);
	free(disk);
}

bool os_sim_disk_flip(struct os_disk *disk, const char *path, uint64_t position, unsigned bit)
{
	struct sim_name *name = find_name(disk_of(disk), path);
	if (!name || !name->cached || position >= name->cached->cached_bytes)
		return false;
	ensure_capacity(name->cached, position + 1);
	name->cached->cached[position] ^= (uint8_t)(1u << bit);
	name->cached->durable[position] ^= (uint8_t)(1u << bit);
	return true;
}

size_t os_sim_disk_file_count(const struct os_disk *disk)
{
	size_t count = 0;
	for (struct sim_name *name = ((const struct sim_disk *)disk)->names; name; name = name->next)
		count += name->cached != NULL;
	return count;
}

uint64_t os_sim_disk_written_bytes(const struct os_disk *disk)
{
	return ((const struct sim_disk *)disk)->written_bytes;
}

size_t os_sim_disk_open_files(const struct os_disk *disk)
{
	size_t count = 0;
	for (struct sim_file *file = ((const struct sim_disk *)disk)->open_files; file; file = file->next)
		count += 1;
	return count;
}
