/* pyralog lock: a program that runs while its lock is held, and who holds a lock.
 *
 *	session, lock: waited for  -->  the program runs, keep-alives go  --it ends-->  session closed, its exit status is ours
 *
 * The program gets its token as PYRALOG_LOCK_TOKEN, to show to what the lock protects. A node that was started again, or another that
 * has the slot now, is told of the session and the lock (resume, claim). Failure modes: the session ended, or may have, as no
 * keep-alive was answered for nine tenths of its time; the lock went to somebody else: the program is told to end (SIGTERM). Owner:
 * the loop's thread. */
#include "base/table.h"
#include "cli/cli.h"
#include "cli/pharaoh.h"
#include "os/real.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TERMINATE = 15, STATUS_LOST = 75, VARIABLE_BYTES = 64 };

static const struct cli_option lock_options[] = {
	{"wait-ms", "N", "60000", "run: how long to wait for the lock; 0: not at all"},
	{"ttl-ms", "N", "10000", "run: when this command is not heard of for so long, others get the lock"},
	CLI_PHARAOH_OPTIONS,
	{"help", NULL, "", "show this"},
	{NULL, NULL, NULL, NULL},
};

enum step { KEEPING, RESUMING, CLAIMING };

struct run {
	struct cli_pharaoh pharaoh;
	struct base_bytes name;
	uint64_t session, token;
	uint8_t number[8];
	uint32_t ttl_ms;
	struct os_timer timer; /* until the next keep-alive */
	struct client_network_ask ask;
	enum step step;
	uint64_t alive_us; /* when the last one that was answered went out */
	uint64_t sent_us;
	struct os_real_child *child;
	bool lost, asking;
	int status;
};

static void print_help(void)
{
	printf("usage: pyralog lock run NAME [OPTIONS] -- PROGRAM [ARGUMENTS]\n       pyralog lock look NAME "
	       "[OPTIONS]\n\n"
	       "Runs a program while it holds a lock; shows who holds one. The program's exit status is this "
	       "command's; %d if the\n"
	       "lock was lost meanwhile.\n\n",
	       STATUS_LOST);
	cli_options_help(lock_options, stdout);
	printf("\nexamples:\n  pyralog lock run backup -- ./backup.sh\n  pyralog lock run nightly --wait-ms 0 -- make "
	       "all\n");
}

/* ---- while the program runs ---- */

static void lose(struct run *run)
{
	if (!run->child || run->lost)
		return;
	run->lost = true;
	fprintf(stderr, "pyralog lock: the lock is lost, the program is told to end\n");
	os_real_child_signal(run->child, TERMINATE);
}

/* Until nine tenths of the session's time have passed since it was known to live. */
static uint64_t left_us(const struct run *run)
{
	uint64_t until_us = run->alive_us + (uint64_t)run->ttl_ms * 1000 * 9 / 10,
		 now_us = os_now_us(run->pharaoh.loop);
	return until_us > now_us ? until_us - now_us : 0;
}

static void take_step(struct run *run, enum step step);

static void end_if_over(struct run *run)
{
	if (!run->child && !run->asking)
		os_real_loop_stop(run->pharaoh.loop);
}

static void is_kept(struct run *run)
{
	run->alive_us = run->sent_us;
	os_timer_start(run->pharaoh.loop, &run->timer, (uint64_t)run->ttl_ms * 1000 / 4);
}

/* A session that its node does not know may be one of before its start: it is resumed, and the lock claimed. */
static void told(struct client_network_ask *ask, pyr_result result, const struct codec_pharaoh *reply,
                 const struct pyr_error *error)
{
	struct run *run = BASE_CONTAINER(ask, struct run, ask);
	(void)error;
	run->asking = false;
	if (!run->child)
		end_if_over(run);
	else if (result.code != PYR_OK)
		lose(run); /* it was asked for as long as it may */
	else if (run->step == KEEPING && reply->count == 0)
		take_step(run, RESUMING);
	else if (run->step == RESUMING)
		take_step(run, CLAIMING);
	else
		is_kept(run);
}

static void take_step(struct run *run, enum step step)
{
	static const uint8_t ops[] = {CODEC_PHARAOH_KEEP, CODEC_PHARAOH_RESUME, CODEC_PHARAOH_CLAIM};
	if (left_us(run) == 0) {
		lose(run);
		return;
	}
	run->step = step;
	run->sent_us = step == CLAIMING ? run->sent_us : os_now_us(run->pharaoh.loop);
	run->ask = (struct client_network_ask){.timeout_us = left_us(run), .answered = told};
	run->ask.request = (struct codec_pharaoh){.op = ops[step],
	                                          .session = run->session,
	                                          .ttl_ms = run->ttl_ms,
	                                          .token = run->token,
	                                          .name = run->name,
	                                          .numbers = run->number,
	                                          .number_count = 1};
	run->asking = true;
	client_network_ask(run->pharaoh.network, &run->ask);
}

static void on_timer(struct os_timer *timer)
{
	take_step(BASE_CONTAINER(timer, struct run, timer), KEEPING);
}

static void exited(void *context, int status)
{
	struct run *run = context;
	run->status = run->lost ? STATUS_LOST : status;
	run->child = NULL;
	os_timer_stop(run->pharaoh.loop, &run->timer);
	end_if_over(run);
}

static pyr_result run_program(struct run *run, char **arguments, struct pyr_error *error)
{
	char variable[VARIABLE_BYTES];
	snprintf(variable, sizeof variable, "PYRALOG_LOCK_TOKEN=%" PRIu64, run->token);
	run->timer.fire = on_timer;
	PYR_TRY(os_real_spawn(run->pharaoh.loop, arguments, variable, exited, run, &run->child, error));
	take_step(run, KEEPING);
	os_real_loop_run(run->pharaoh.loop);
	return pyr_ok();
}

/* ---- before and after ---- */

/* The session is kept by the wait's own shortness: a line is waited in for a third of its life at a time. */
static pyr_result take(struct run *run, uint64_t wait_ms, struct pyr_error *error)
{
	struct codec_pharaoh open = {.op = CODEC_PHARAOH_OPEN, .ttl_ms = run->ttl_ms}, reply;
	PYR_TRY(cli_pharaoh_ask(&run->pharaoh, &open, &reply, error));
	run->session = reply.session;
	base_store_u64le(run->number, run->session);
	uint64_t until_us = os_now_us(run->pharaoh.loop) + wait_ms * 1000;
	for (;;) {
		uint64_t now_us = os_now_us(run->pharaoh.loop),
			 left_ms = until_us > now_us ? (until_us - now_us) / 1000 : 0;
		struct codec_pharaoh keep = {.op = CODEC_PHARAOH_KEEP, .numbers = run->number, .number_count = 1};
		struct codec_pharaoh lock = {.op = CODEC_PHARAOH_LOCK, .session = run->session, .name = run->name};
		lock.wait_ms = (uint32_t)(left_ms < run->ttl_ms / 3 ? left_ms : run->ttl_ms / 3);
		PYR_TRY(cli_pharaoh_ask(&run->pharaoh, &keep, &reply, error));
		run->alive_us = now_us;
		pyr_result result = cli_pharaoh_ask(&run->pharaoh, &lock, &reply, error);
		run->token = result.code == PYR_OK ? reply.token : 0;
		if (result.code != PYR_TIMED_OUT || left_ms == 0)
			return result;
	}
}

static void close_session(struct run *run)
{
	struct codec_pharaoh close = {.op = CODEC_PHARAOH_CLOSE, .session = run->session}, reply;
	if (run->session > 0 && !run->lost)
		pyr_ignore(cli_pharaoh_ask(&run->pharaoh, &close, &reply, NULL));
}

static pyr_result run_locked(const struct cli_option *options, const struct cli_words *words, int *ret_status,
                             struct pyr_error *error)
{
	struct run run = {.status = 1};
	long long wait_ms, ttl_ms;
	run.name = (struct base_bytes){(const uint8_t *)words->words[1], strlen(words->words[1])};
	if (run.name.bytes > UINT8_MAX)
		return pyr_fail(error, PYR_USAGE, "a name has 255 bytes at most");
	if (words->rest_count == 0)
		return pyr_fail(error, PYR_USAGE, "what shall run? pyralog lock run NAME -- PROGRAM");
	PYR_TRY(cli_option_number(options, "wait-ms", 0, INT32_MAX, &wait_ms, error));
	PYR_TRY(cli_option_number(options, "ttl-ms", 100, 60000, &ttl_ms, error));
	run.ttl_ms = (uint32_t)ttl_ms;
	pyr_result result = cli_pharaoh_open(&run.pharaoh, options, error);
	if (result.code == PYR_OK)
		result = take(&run, (uint64_t)wait_ms, error);
	if (result.code == PYR_OK)
		result = run_program(&run, words->rest, error);
	if (run.pharaoh.network)
		close_session(&run);
	cli_pharaoh_close(&run.pharaoh);
	*ret_status = run.status;
	return result;
}

static pyr_result look(const struct cli_option *options, const char *name, struct pyr_error *error)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_LOOK}, reply;
	struct cli_pharaoh pharaoh = {0};
	request.name = (struct base_bytes){(const uint8_t *)name, strlen(name)};
	pyr_result result = cli_pharaoh_open(&pharaoh, options, error);
	if (result.code == PYR_OK)
		result = cli_pharaoh_ask(&pharaoh, &request, &reply, error);
	if (result.code == PYR_OK)
		printf("session %" PRIu64 " token %" PRIu64 " waiting %" PRIu32 "\n", reply.session, reply.token,
		       reply.count);
	cli_pharaoh_close(&pharaoh);
	return result;
}

/* ---- the command ---- */

const struct cli_option *cli_lock_options(void)
{
	return lock_options;
}

int cli_lock(int argc, char **argv)
{
	struct cli_option options[sizeof lock_options / sizeof lock_options[0]];
	struct pyr_error error = {0};
	struct cli_words words;
	int status = 0;
	memcpy(options, lock_options, sizeof options);
	pyr_result done = cli_pharaoh_parse(options, argc, argv, &words, &error);
	if (done.code == PYR_OK && cli_option_get(options, "help")[0]) {
		print_help();
		return 0;
	}
	bool named =
		done.code == PYR_OK && words.count == 2 && words.words[1][0] && strlen(words.words[1]) <= UINT8_MAX;
	if (named && strcmp(words.words[0], "run") == 0)
		done = run_locked(options, &words, &status, &error);
	else if (named && strcmp(words.words[0], "look") == 0)
		done = look(options, words.words[1], &error);
	else if (done.code == PYR_OK)
		done = pyr_fail(&error, PYR_USAGE, "say what to do: pyralog lock run NAME -- PROGRAM, or look NAME");
	if (done.code == PYR_OK)
		return status;
	fprintf(stderr, "pyralog lock: %s\n", error.text[0] ? error.text : pyr_code_text(done.code));
	return done.code == PYR_USAGE ? 2 : 1;
}
