/* The list of a copy's files, BACKUP: docs/formats/backup.md. What is read may be anything. */
#ifndef PYRALOG_BACKUP_LIST_H
#define PYRALOG_BACKUP_LIST_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "os/disk.h"

#include <stdbool.h>

enum { BACKUP_ENTRY_PATH_MAX = 96 };

struct backup_list {
	char *text; /* whole */
	size_t bytes, at;
	bool malformed;
};

struct backup_entry {
	uint8_t hash[BASE_BLAKE3_BYTES];
	uint64_t bytes;
	char path[BACKUP_ENTRY_PATH_MAX]; /* below the directory, without ".." */
};

/* Checks the list's own hash. PYR_CORRUPT with a sentence that names `from`. */
pyr_result backup_list_read(struct os_disk *disk, const char *from, struct backup_list *list, struct pyr_error *error);
/* The same of bytes, which are copied. */
pyr_result backup_list_parse(struct base_bytes bytes, struct backup_list *list);
/* False: that was the last, or list->malformed. */
bool backup_list_next(struct backup_list *list, struct backup_entry *ret_entry);
void backup_list_free(struct backup_list *list);

#endif
