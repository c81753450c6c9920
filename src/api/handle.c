/* Errors, topics, and the end of a handle: the same for both ways (see api_priv.h). */
#include "api/api_priv.h"

#include "base/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pyr_abi_version(void)
{
	return PYR_ABI_VERSION;
}

const char *pyr_library_version(void)
{
	return PYR_VERSION;
}

const char *pyr_status_name(enum pyr_status status)
{
	static const char *const names[] = {
		"PYR_STATUS_OK",
		"PYR_STATUS_USAGE",
		"PYR_STATUS_NOT_FOUND",
		"PYR_STATUS_EXISTS",
		"PYR_STATUS_TIMED_OUT",
		"PYR_STATUS_NETWORK",
		"PYR_STATUS_OUT_OF_MEMORY",
		"PYR_STATUS_TOO_LARGE",
		"PYR_STATUS_OUT_OF_RANGE",
		"PYR_STATUS_QUERY",
		"PYR_STATUS_NOT_SUPPORTED",
		"PYR_STATUS_NOT_AUTHORIZED",
		"PYR_STATUS_BUSY",
		"PYR_STATUS_IO",
		"PYR_STATUS_CORRUPT",
		"PYR_STATUS_INTERNAL",
	};
	size_t count = sizeof names / sizeof names[0];
	return (size_t)status < count ? names[status] : "unknown";
}

/* ---- errors ---- */

enum pyr_status api_status_of(enum pyr_code code)
{
	switch (code) {
	case PYR_OK:
		return PYR_STATUS_OK;
	case PYR_OUT_OF_MEMORY:
		return PYR_STATUS_OUT_OF_MEMORY;
	case PYR_OFFSET_OUT_OF_RANGE:
		return PYR_STATUS_OUT_OF_RANGE;
	case PYR_UNKNOWN_PARTITION:
	case PYR_UNKNOWN_TOPIC_ID:
	case PYR_NOT_FOUND:
		return PYR_STATUS_NOT_FOUND;
	case PYR_TOPIC_EXISTS:
	case PYR_EXISTS:
		return PYR_STATUS_EXISTS;
	case PYR_TIMED_OUT:
		return PYR_STATUS_TIMED_OUT;
	case PYR_NETWORK:
	case PYR_NOT_LEADER:
		return PYR_STATUS_NETWORK;
	case PYR_TOO_LARGE:
		return PYR_STATUS_TOO_LARGE;
	case PYR_NOT_AUTHORIZED:
	case PYR_POLICY_VIOLATION:
		return PYR_STATUS_NOT_AUTHORIZED;
	case PYR_BUSY:
		return PYR_STATUS_BUSY;
	case PYR_IO:
	case PYR_DISK_FULL:
	case PYR_STOPPED:
	case PYR_READ_ONLY:
		return PYR_STATUS_IO;
	case PYR_CORRUPT:
	case PYR_CORRUPT_MESSAGE:
		return PYR_STATUS_CORRUPT;
	case PYR_INVALID_TOPIC:
	case PYR_BAD_TIMESTAMP:
	case PYR_INVALID_PARTITIONS:
	case PYR_INVALID_CONFIG:
	case PYR_INVALID_RECORD:
	case PYR_USAGE:
		return PYR_STATUS_USAGE;
	case PYR_UNSUPPORTED_VERSION:
	case PYR_UNSUPPORTED_FORMAT:
	case PYR_UNSUPPORTED_COMPRESSION:
	case PYR_UNSUPPORTED_FEATURE:
	case PYR_NOT_SUPPORTED:
		return PYR_STATUS_NOT_SUPPORTED;
	default:
		return PYR_STATUS_INTERNAL;
	}
}

enum pyr_code api_code_of_kafka(int16_t code)
{
	for (int i = 0; i < PYR_CODE_COUNT; i++)
		if (pyr_code_kafka((enum pyr_code)i) == code)
			return (enum pyr_code)i;
	return PYR_INTERNAL;
}

enum pyr_status api_fail(struct pyr_failure *failure, enum pyr_status status, const char *sqlstate, const char *format,
                         ...)
{
	va_list arguments;
	if (!failure)
		return status;
	*failure = (struct pyr_failure){.status = status};
	snprintf(failure->sqlstate, sizeof failure->sqlstate, "%s", sqlstate);
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof failure->text, format, arguments);
	va_end(arguments);
	return status;
}

enum pyr_status api_settle(pyr_result result, const struct pyr_error *error, struct pyr_failure *failure)
{
	if (result.code == PYR_OK)
		return PYR_STATUS_OK;
	return api_fail(failure, api_status_of(result.code), "", "%s",
	                error->text[0] ? error->text : pyr_code_text(result.code));
}

/* ---- records' texts ---- */

struct pyr_bytes pyr_text(const char *text)
{
	return (struct pyr_bytes){text, text ? strlen(text) : 0};
}

struct pyr_record pyr_record_of(const char *key, const char *value)
{
	return (struct pyr_record){.key = pyr_text(key), .value = pyr_text(value), .partition = -1, .offset = -1};
}

/* ---- topics ---- */

enum pyr_status pyr_topic_create(struct pyralog *log, const char *topic, unsigned partitions,
                                 struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	if (!topic || strlen(topic) > API_TOPIC_BYTES_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "%s", pyr_code_text(PYR_INVALID_TOPIC));
	return api_settle(log->ways->topic_create(log, topic, partitions, &error), &error, failure);
}

enum pyr_status pyr_topic_delete(struct pyralog *log, const char *topic, struct pyr_failure *failure)
{
	struct pyr_error error = {0};
	if (!topic || strlen(topic) > API_TOPIC_BYTES_MAX)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "", "%s", pyr_code_text(PYR_UNKNOWN_PARTITION));
	return api_settle(log->ways->topic_delete(log, topic, &error), &error, failure);
}

/* The list ends with a topic without a name, so that it can be freed without its length. */
pyr_result api_topics_add(struct api_topics *topics, struct base_bytes name, unsigned partitions)
{
	if (name.bytes >= 2 && memcmp(name.data, "__", 2) == 0)
		return pyr_ok(); /* the node's own */
	if (!base_array_reserve(&topics->topics, &topics->room, topics->count + 2, sizeof *topics->topics))
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	char *copy = strndup((const char *)name.data, name.bytes);
	topics->topics[topics->count] = (struct pyr_topic){copy, partitions};
	topics->topics[topics->count + 1] = (struct pyr_topic){NULL, 0};
	topics->count += copy != NULL;
	return copy ? pyr_ok() : pyr_result_of(PYR_OUT_OF_MEMORY);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pyr_topic *)a)->name, ((const struct pyr_topic *)b)->name);
}

enum pyr_status pyr_topic_list(struct pyralog *log, struct pyr_topic **ret_topics, size_t *ret_count,
                               struct pyr_failure *failure)
{
	struct api_topics topics = {0};
	struct pyr_error error = {0};
	enum pyr_status status = api_settle(log->ways->topic_list(log, &topics, &error), &error, failure);
	if (status != PYR_STATUS_OK) {
		pyr_topics_free(topics.topics);
		return status;
	}
	if (topics.count > 0)
		qsort(topics.topics, topics.count, sizeof *topics.topics, by_name);
	*ret_topics = topics.topics;
	*ret_count = topics.count;
	return PYR_STATUS_OK;
}

void pyr_topics_free(struct pyr_topic *topics)
{
	for (size_t i = 0; topics && topics[i].name; i++)
		free((void *)(uintptr_t)topics[i].name);
	free(topics);
}

void pyr_close(struct pyralog *log)
{
	if (log)
		log->ways->close(log);
}
