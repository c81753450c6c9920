/* Lines of what happened (see report.h). No lock: a line is one write() of its own.
 *
 * Failure modes: standard error that can't be written to loses lines, as nobody else could be told; a message that is too
 * long is cut, a line dropped. */
#include "os/report.h"

#include "base/cursor.h"
#include "base/json_text.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 16 << 10, MESSAGE_BYTES_MAX = 1024 };

struct os_reporter {
	_Atomic(enum os_level) least;
	bool json;
};

struct event {
	enum os_level level;
	const char *component;
	const struct os_field *fields;
	char time[40];
	char thread[16];
	char message[MESSAGE_BYTES_MAX];
};

static const char *const levels[] = {
	[OS_DEBUG] = "debug", [OS_INFO] = "info", [OS_WARNING] = "warning", [OS_ERROR] = "error"};

bool os_level_parse(const char *name, enum os_level *ret_level)
{
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (strcmp(levels[i], name) == 0) {
			*ret_level = (enum os_level)i;
			return true;
		}
	}
	return false;
}

struct os_reporter *os_reporter_new(bool json, enum os_level least)
{
	struct os_reporter *reporter = calloc(1, sizeof *reporter);
	if (!reporter)
		return NULL;
	reporter->json = json;
	atomic_init(&reporter->least, least);
	return reporter;
}

void os_reporter_free(struct os_reporter *reporter)
{
	free(reporter);
}

void os_reporter_set_level(struct os_reporter *reporter, enum os_level least)
{
	atomic_store(&reporter->least, least);
}

static void write_text(struct base_writer *writer, const char *text)
{
	base_write_bytes(writer, text, strlen(text));
}

/* So that a message can't pretend to be a second line. */
static void write_plain(struct base_writer *writer, const char *text)
{
	for (; *text; text++)
		base_write_u8(writer, (unsigned char)*text < ' ' ? ' ' : (uint8_t)*text);
}

static void write_number(struct base_writer *writer, int64_t number)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%lld", (long long)number);
	write_text(writer, digits);
}

static void write_line(struct base_writer *writer, const struct event *event)
{
	static const char *const names[] = {
		[OS_DEBUG] = " DEBUG ", [OS_INFO] = " INFO  ", [OS_WARNING] = " WARN  ", [OS_ERROR] = " ERROR "};
	const struct os_field *field = event->fields;
	write_text(writer, event->time);
	write_text(writer, names[event->level]);
	write_text(writer, event->component);
	write_text(writer, ": ");
	write_plain(writer, event->message);
	for (; field && field->name; field++) {
		write_text(writer, field == event->fields ? " (" : " ");
		write_text(writer, field->name);
		write_text(writer, "=");
		if (field->text)
			write_plain(writer, field->text);
		else
			write_number(writer, field->number);
	}
	write_text(writer, field != event->fields ? ")\n" : "\n");
}

static void write_pair(struct base_writer *writer, const char *name, const char *value)
{
	base_write_json_text(writer, name);
	write_text(writer, ":");
	base_write_json_text(writer, value);
	write_text(writer, ",");
}

static void write_object(struct base_writer *writer, const struct event *event)
{
	write_text(writer, "{");
	write_pair(writer, "time", event->time);
	write_pair(writer, "level", levels[event->level]);
	write_pair(writer, "component", event->component);
	write_pair(writer, "thread", event->thread);
	write_text(writer, "\"message\":");
	base_write_json_text(writer, event->message);
	for (const struct os_field *field = event->fields; field && field->name; field++) {
		write_text(writer, ",");
		base_write_json_text(writer, field->name);
		write_text(writer, ":");
		if (field->text)
			base_write_json_text(writer, field->text);
		else
			write_number(writer, field->number);
	}
	write_text(writer, "}\n");
}

/* RFC 3339, in UTC. */
static void tell_time(char *ret_text, size_t bytes)
{
	struct timespec now;
	struct tm parts;
	char day[24];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(ret_text, bytes, "%s.%03uZ", day, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

void os_report(struct os_reporter *reporter, enum os_level level, const char *component, const struct os_field *fields,
               const char *format, ...)
{
	struct event event = {.level = level, .component = component, .fields = fields};
	struct base_writer writer;
	va_list arguments;
	if (!reporter || level < atomic_load(&reporter->least))
		return;
	va_start(arguments, format);
	vsnprintf(event.message, sizeof event.message, format, arguments);
	va_end(arguments);
	tell_time(event.time, sizeof event.time);
	pthread_getname_np(pthread_self(), event.thread, sizeof event.thread);
	base_writer_init(&writer, REPORT_BYTES_MAX);
	if (reporter->json)
		write_object(&writer, &event);
	else
		write_line(&writer, &event);
	ssize_t written = writer.failed ? 0 : write(STDERR_FILENO, writer.buffer->data, writer.bytes);
	(void)written; /* nobody is left to be told */
	base_writer_deinit(&writer);
}
