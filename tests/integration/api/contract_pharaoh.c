/* What pyralog/pharaoh.h promises, checked the same way on services in this process and on a network's:
 *
 *	contract_pharaoh open DIRECTORY
 *	contract_pharaoh attach DIRECTORY
 *	contract_pharaoh connect HOST:PORT,...
 *
 * Prints "ok" and a name for each test; what is not as promised ends the program with 1 and a line that says where. */
#include <pyralog/pharaoh.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 200, TTL_MS = 10000, PATIENCE_MS = 20000 };

static struct pyr_failure failure;

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "contract_pharaoh.c:%d: %s (last failure: %s)\n", __LINE__, #condition,        \
			        failure.text);                                                                         \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)
#define OK(call) CHECK((call) == PYR_STATUS_OK)
#define FAILS(call, wanted) CHECK((call) == (wanted) && failure.status == (wanted) && failure.text[0])

static void test_ids(struct pyr_pharaoh *pharaoh)
{
	static uint64_t ids[PYR_PHARAOH_IDS_MAX + 1];
	OK(pyr_pharaoh_ids(pharaoh, ids, 1, &failure));
	OK(pyr_pharaoh_ids(pharaoh, ids + 1, PYR_PHARAOH_IDS_MAX, &failure));
	for (size_t i = 1; i < PYR_PHARAOH_IDS_MAX; i++)
		CHECK(ids[i] < ids[i + 1]);
	FAILS(pyr_pharaoh_ids(pharaoh, ids, 0, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_pharaoh_ids(pharaoh, ids, PYR_PHARAOH_IDS_MAX + 1, &failure), PYR_STATUS_USAGE);
}

static void test_timestamps(struct pyr_pharaoh *pharaoh)
{
	uint64_t first, second;
	OK(pyr_pharaoh_timestamps(pharaoh, 1000, &first, &failure));
	OK(pyr_pharaoh_timestamps(pharaoh, 1, &second, NULL));
	CHECK(second >= first + 1000);
	FAILS(pyr_pharaoh_timestamps(pharaoh, PYR_PHARAOH_COUNT_MAX + 1, &first, &failure), PYR_STATUS_USAGE);
}

static void test_sequences(struct pyr_pharaoh *pharaoh)
{
	char name[PYR_PHARAOH_NAME_MAX + 2];
	uint64_t first, other;
	OK(pyr_pharaoh_sequence(pharaoh, "orders", 1, 0, &first, &failure));
	OK(pyr_pharaoh_sequence(pharaoh, "orders", 10, 1, &other, &failure));
	CHECK(other == first + 1);
	OK(pyr_pharaoh_sequence(pharaoh, "orders", 1, 0, &first, &failure));
	CHECK(first == other + 10);
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	FAILS(pyr_pharaoh_sequence(pharaoh, name, 1, 0, &first, &failure), PYR_STATUS_USAGE);
	FAILS(pyr_pharaoh_sequence(pharaoh, "", 1, 0, &first, &failure), PYR_STATUS_USAGE);
}

static void test_sessions(struct pyr_pharaoh *pharaoh)
{
	uint64_t session, other;
	OK(pyr_pharaoh_session_open(pharaoh, TTL_MS, &session, &failure));
	OK(pyr_pharaoh_session_open(pharaoh, TTL_MS, &other, &failure));
	CHECK(session != other);
	OK(pyr_pharaoh_session_keep(pharaoh, session, &failure));
	OK(pyr_pharaoh_session_resume(pharaoh, session, TTL_MS, &failure));
	OK(pyr_pharaoh_session_close(pharaoh, session, &failure));
	OK(pyr_pharaoh_session_close(pharaoh, other, &failure));
	FAILS(pyr_pharaoh_session_close(pharaoh, session, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_pharaoh_session_keep(pharaoh, session, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_pharaoh_session_open(pharaoh, 1, &session, &failure), PYR_STATUS_USAGE);
}

static void test_locks(struct pyr_pharaoh *pharaoh)
{
	struct pyr_pharaoh_holder holder;
	uint64_t a, b, token, again, later;
	OK(pyr_pharaoh_session_open(pharaoh, TTL_MS, &a, &failure));
	OK(pyr_pharaoh_session_open(pharaoh, TTL_MS, &b, &failure));
	FAILS(pyr_pharaoh_look(pharaoh, "leader", &holder, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_pharaoh_lock(pharaoh, a, "leader", "here", 0, &token, &failure));
	OK(pyr_pharaoh_lock(pharaoh, a, "leader", "here", 0, &again, &failure));
	CHECK(again == token);
	FAILS(pyr_pharaoh_lock(pharaoh, b, "leader", NULL, 0, &later, &failure), PYR_STATUS_BUSY);
	FAILS(pyr_pharaoh_lock(pharaoh, b, "leader", NULL, 50, &later, &failure), PYR_STATUS_TIMED_OUT);
	OK(pyr_pharaoh_look(pharaoh, "leader", &holder, &failure));
	CHECK(holder.session == a && holder.token == token && strcmp(holder.value, "here") == 0);
	FAILS(pyr_pharaoh_unlock(pharaoh, a, "leader", token + 1, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_pharaoh_claim(pharaoh, a, "leader", "here", token, &failure));
	OK(pyr_pharaoh_unlock(pharaoh, a, "leader", token, &failure));
	OK(pyr_pharaoh_lock(pharaoh, b, "leader", NULL, 0, &later, &failure));
	CHECK(later > token);
	FAILS(pyr_pharaoh_claim(pharaoh, a, "leader", NULL, token, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_pharaoh_session_close(pharaoh, b, &failure));
	FAILS(pyr_pharaoh_look(pharaoh, "leader", &holder, &failure), PYR_STATUS_NOT_FOUND);
	FAILS(pyr_pharaoh_lock(pharaoh, b, "leader", NULL, 0, &later, &failure), PYR_STATUS_NOT_FOUND);
	OK(pyr_pharaoh_session_close(pharaoh, a, &failure));
}

/* ---- threads ---- */

static struct pyr_pharaoh *shared;
static int inside; /* under the lock "turn" alone */
static uint64_t token_last;

static void *take_turns(void *unused)
{
	struct pyr_failure own;
	uint64_t session, token;
	if (pyr_pharaoh_session_open(shared, TTL_MS, &session, &own) != PYR_STATUS_OK)
		return (void *)(uintptr_t) "no session";
	for (int i = 0; i < ROUNDS / 10; i++) {
		if (pyr_pharaoh_session_keep(shared, session, &own) != PYR_STATUS_OK ||
		    pyr_pharaoh_lock(shared, session, "turn", NULL, PATIENCE_MS / 2, &token, &own) != PYR_STATUS_OK)
			return (void *)(uintptr_t) "no lock";
		if (__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST) != 0 || token <= token_last)
			return (void *)(uintptr_t) "two holders";
		token_last = token;
		__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
		if (pyr_pharaoh_unlock(shared, session, "turn", token, &own) != PYR_STATUS_OK)
			return (void *)(uintptr_t) "not held";
	}
	(void)unused;
	return pyr_pharaoh_session_close(shared, session, &own) == PYR_STATUS_OK ? NULL
	                                                                         : (void *)(uintptr_t) "not closed";
}

static uint64_t taken[THREADS][ROUNDS];

static void *take_ids(void *at)
{
	for (int i = 0; i < ROUNDS; i++)
		if (pyr_pharaoh_ids(shared, (uint64_t *)at + i, 1, NULL) != PYR_STATUS_OK)
			return (void *)(uintptr_t) "no id";
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return one < other ? -1 : one > other;
}

static void run(void *(*work)(void *), bool own)
{
	pthread_t threads[THREADS];
	void *wrong;
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, work, own ? taken[i] : NULL) == 0);
	for (int i = 0; i < THREADS; i++) {
		CHECK(pthread_join(threads[i], &wrong) == 0);
		if (wrong)
			fprintf(stderr, "%s\n", (const char *)wrong);
		CHECK(!wrong);
	}
}

static void test_threads(struct pyr_pharaoh *pharaoh)
{
	uint64_t *all = taken[0];
	shared = pharaoh;
	run(take_ids, true);
	qsort(all, (size_t)THREADS * ROUNDS, sizeof *all, by_value);
	for (size_t i = 1; i < (size_t)THREADS * ROUNDS; i++)
		CHECK(all[i - 1] < all[i]);
	run(take_turns, false);
}

/* ---- the whole ---- */

static const struct {
	const char *name;
	void (*run)(struct pyr_pharaoh *pharaoh);
} tests[] = {
	{"ids", test_ids},           {"timestamps", test_timestamps}, {"sequences", test_sequences},
	{"sessions", test_sessions}, {"locks", test_locks},           {"threads", test_threads},
};

/* A node and its services: the same directory, and its SQL sees them. */
static void check_attached(struct pyralog *log, struct pyr_pharaoh *pharaoh)
{
	struct pyr_pharaoh *second;
	struct pyr_rows *rows;
	uint64_t session;
	FAILS(pyr_pharaoh_attach(log, NULL, &second, &failure), PYR_STATUS_BUSY);
	OK(pyr_pharaoh_session_open(pharaoh, TTL_MS, &session, &failure));
	OK(pyr_sql(log, "SELECT session_id FROM pyralog.sessions", NULL, 0, &rows, &failure));
	CHECK(pyr_rows_count(rows) == 1 && strtoull(pyr_rows_value(rows, 0, 0), NULL, 10) == session);
	pyr_rows_free(rows);
	OK(pyr_pharaoh_session_close(pharaoh, session, &failure));
}

int main(int argc, char **argv)
{
	struct pyr_pharaoh_options options = {.size = sizeof options, .timeout_ms = PATIENCE_MS};
	struct pyr_pharaoh *pharaoh = NULL;
	struct pyralog *log = NULL;
	CHECK(argc == 3);
	if (strcmp(argv[1], "open") == 0) {
		OK(pyr_pharaoh_open(argv[2], &options, &pharaoh, &failure));
		FAILS(pyr_pharaoh_open(argv[2], &options, &pharaoh, &failure), PYR_STATUS_BUSY);
	} else if (strcmp(argv[1], "attach") == 0) {
		OK(pyr_open(argv[2], NULL, &log, &failure));
		OK(pyr_pharaoh_attach(log, &options, &pharaoh, &failure));
		check_attached(log, pharaoh);
	} else {
		OK(pyr_pharaoh_connect(argv[2], &options, &pharaoh, &failure));
	}
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		tests[i].run(pharaoh);
		printf("ok %s\n", tests[i].name);
	}
	pyr_pharaoh_close(pharaoh);
	pyr_pharaoh_close(NULL);
	pyr_close(log);
	return 0;
}
