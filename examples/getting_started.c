/* Getting started: write an event, read it, ask about it in SQL. In this process, or on a server:
 *
 *	cc getting_started.c $(pkg-config --cflags --libs pyralog) -o getting_started
 *	./getting_started pyralog-data            a directory
 *	./getting_started 127.0.0.1 9092 5432     a server's Kafka and PostgreSQL port
 */
#include <pyralog/pyralog.h>

#include <stdio.h>
#include <stdlib.h>

static struct pyr_failure failure;

/* Ends the program with the library's sentence. */
static void must(enum pyr_status status)
{
	if (status == PYR_STATUS_OK)
		return;
	fprintf(stderr, "%s: %s\n", pyr_status_name(status), failure.text);
	exit(1);
}

static struct pyralog *start(int argc, char **argv)
{
	struct pyr_connect_options options = {.size = sizeof options};
	struct pyralog *log;
	if (argc < 4) {
		must(pyr_open(argc > 1 ? argv[1] : "pyralog-data", NULL, &log, &failure));
		return log;
	}
	options.host = argv[1];
	options.kafka_port = (uint16_t)atoi(argv[2]);
	options.pg_port = (uint16_t)atoi(argv[3]);
	must(pyr_connect(&options, &log, &failure));
	return log;
}

static void write_events(struct pyralog *log)
{
	struct pyr_record events[] = {
		pyr_record_of("user-123", "login"),
		pyr_record_of("user-456", "login"),
		pyr_record_of("user-123", "logout"),
	};
	must(pyr_produce(log, "events", events, 3, &failure));
	printf("wrote %s at partition %d, offset %lld\n", (const char *)events[0].key.data, events[0].partition,
	       (long long)events[0].offset);
}

static void read_one(struct pyralog *log, int32_t partition)
{
	struct pyr_reader *reader;
	struct pyr_record event;
	must(pyr_reader_open(log, "events", partition, PYR_EARLIEST, &reader, &failure));
	must(pyr_reader_next(reader, 5000, &event, &failure));
	printf("read %.*s\n", (int)event.value.bytes, (const char *)event.value.data);
	pyr_reader_close(reader);
}

static void ask(struct pyralog *log)
{
	const char *limit[] = {"10"};
	struct pyr_rows *rows;
	must(pyr_sql(log,
	             "SELECT key AS user_id, count(*) AS events FROM events"
	             " WHERE timestamp > now() - INTERVAL '1 hour'"
	             " GROUP BY key ORDER BY events DESC, user_id LIMIT $1",
	             limit, 1, &rows, &failure));
	for (size_t i = 0; i < pyr_rows_count(rows); i++)
		printf("%s: %s\n", pyr_rows_value(rows, i, 0), pyr_rows_value(rows, i, 1));
	pyr_rows_free(rows);
}

int main(int argc, char **argv)
{
	struct pyralog *log = start(argc, argv);
	enum pyr_status status = pyr_topic_create(log, "events", 1, &failure);
	if (status != PYR_STATUS_EXISTS)
		must(status);
	write_events(log);
	read_one(log, 0);
	ask(log);
	pyr_close(log);
	return 0;
}
