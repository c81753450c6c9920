/* Pharaoh services for programs (see pyralog/pharaoh.h): arguments are checked, a call goes to the loop and its caller waits.
 *
 * Lock: a call's own. Failure modes: those of the services, and of the network, as statuses with their sentences. */
#include "api/pharaoh_priv.h"

#include "base/table.h"

#include <assert.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, TTL_MAX_MS = 20000 };

struct pyr_pharaoh_options api_pharaoh_options(const struct pyr_pharaoh_options *given)
{
	struct pyr_pharaoh_options options = {.size = sizeof options};
	if (given)
		memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
	options.timeout_ms = options.timeout_ms ? options.timeout_ms : TIMEOUT_MS;
	options.session_ttl_max_ms = options.session_ttl_max_ms ? options.session_ttl_max_ms : TTL_MAX_MS;
	return options;
}

/* ---- calls ---- */

static void copy_reply(struct api_pharaoh_call *call, const struct codec_pharaoh *reply)
{
	size_t bytes = reply->value.bytes < PYR_PHARAOH_VALUE_MAX ? reply->value.bytes : PYR_PHARAOH_VALUE_MAX;
	call->reply = *reply;
	for (size_t i = 0; call->numbers && i < call->number_count && i < reply->number_count; i++)
		call->numbers[i] = codec_pharaoh_number(reply, (uint32_t)i);
	if (call->value) {
		if (bytes > 0)
			memcpy(call->value, reply->value.data, bytes);
		call->value[bytes] = '\0';
	}
}

void api_pharaoh_answer(struct api_pharaoh_call *call, pyr_result result, const struct codec_pharaoh *reply,
                        const struct pyr_error *error)
{
	assert(!call->done);
	if (result.code == PYR_OK)
		copy_reply(call, reply);
	if (error)
		call->error = *error;
	os_mutex_lock(&call->lock);
	call->result = result;
	call->done = true;
	os_condition_signal(&call->answered);
	os_mutex_unlock(&call->lock);
}

static void on_loop(struct os_task *task)
{
	struct api_pharaoh_call *call = BASE_CONTAINER(task, struct api_pharaoh_call, task);
	call->pharaoh->ask(call->pharaoh, call);
}

static enum pyr_status status_of(const struct api_pharaoh_call *call, struct pyr_failure *failure)
{
	if (call->result.code == PYR_INVALID_REQUEST || call->result.code == PYR_BAD_TIMESTAMP)
		return api_fail(failure, call->result.code == PYR_INVALID_REQUEST ? PYR_STATUS_USAGE : PYR_STATUS_IO,
		                "", "%s", call->error.text);
	return api_settle(call->result, &call->error, failure);
}

/* The request, and where its reply goes, are filled in. */
static enum pyr_status carry_out(struct pyr_pharaoh *pharaoh, struct api_pharaoh_call *call,
                                 struct pyr_failure *failure)
{
	call->pharaoh = pharaoh;
	call->task.run = on_loop;
	os_mutex_init(&call->lock);
	os_condition_init(&call->answered);
	os_loop_post(pharaoh->loop, &call->task);
	os_mutex_lock(&call->lock);
	while (!call->done)
		os_condition_wait(&call->answered, &call->lock);
	os_mutex_unlock(&call->lock);
	os_condition_deinit(&call->answered);
	os_mutex_deinit(&call->lock);
	return status_of(call, failure);
}

struct loop_task {
	struct os_task task;
	void (*run)(void *context);
	void *context;
	struct os_mutex lock;
	struct os_condition ran;
	bool done;
};

static void run_task(struct os_task *task)
{
	struct loop_task *one = BASE_CONTAINER(task, struct loop_task, task);
	one->run(one->context);
	os_mutex_lock(&one->lock);
	one->done = true;
	os_condition_signal(&one->ran);
	os_mutex_unlock(&one->lock);
}

void api_pharaoh_on_loop(struct os_loop *loop, void (*run)(void *context), void *context)
{
	struct loop_task one = {.task.run = run_task, .run = run, .context = context};
	os_mutex_init(&one.lock);
	os_condition_init(&one.ran);
	os_loop_post(loop, &one.task);
	os_mutex_lock(&one.lock);
	while (!one.done)
		os_condition_wait(&one.ran, &one.lock);
	os_mutex_unlock(&one.lock);
	os_condition_deinit(&one.ran);
	os_mutex_deinit(&one.lock);
}

void pyr_pharaoh_close(struct pyr_pharaoh *pharaoh)
{
	if (pharaoh)
		pharaoh->close(pharaoh);
}

/* ---- numbers ---- */

static enum pyr_status refuse_count(size_t max, struct pyr_failure *failure)
{
	return api_fail(failure, PYR_STATUS_USAGE, "", "a call takes 1 to %zu", max);
}

enum pyr_status pyr_pharaoh_ids(struct pyr_pharaoh *pharaoh, uint64_t *ret_ids, size_t count,
                                struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_IDS, .count = (uint32_t)count}};
	if (count == 0 || count > PYR_PHARAOH_IDS_MAX)
		return refuse_count(PYR_PHARAOH_IDS_MAX, failure);
	call.numbers = ret_ids;
	call.number_count = count;
	return carry_out(pharaoh, &call, failure);
}

static enum pyr_status take_run(struct pyr_pharaoh *pharaoh, const struct codec_pharaoh *request, uint64_t *ret_first,
                                struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {.request = *request};
	enum pyr_status status = carry_out(pharaoh, &call, failure);
	if (status == PYR_STATUS_OK)
		*ret_first = call.reply.first;
	return status;
}

enum pyr_status pyr_pharaoh_timestamps(struct pyr_pharaoh *pharaoh, size_t count, uint64_t *ret_first,
                                       struct pyr_failure *failure)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_TIMESTAMPS, .count = (uint32_t)count};
	if (count == 0 || count > PYR_PHARAOH_COUNT_MAX)
		return refuse_count(PYR_PHARAOH_COUNT_MAX, failure);
	return take_run(pharaoh, &request, ret_first, failure);
}

static bool read_name(const char *name, struct base_bytes *ret_name)
{
	size_t bytes = name ? strlen(name) : 0;
	*ret_name = (struct base_bytes){(const uint8_t *)name, bytes};
	return bytes > 0 && bytes <= PYR_PHARAOH_NAME_MAX;
}

static enum pyr_status refuse_name(struct pyr_failure *failure)
{
	return api_fail(failure, PYR_STATUS_USAGE, "", "a name has 1 to %d bytes", PYR_PHARAOH_NAME_MAX);
}

enum pyr_status pyr_pharaoh_sequence(struct pyr_pharaoh *pharaoh, const char *name, size_t count, size_t lease,
                                     uint64_t *ret_first, struct pyr_failure *failure)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_SEQUENCE, .count = (uint32_t)count};
	if (count == 0 || count > PYR_PHARAOH_COUNT_MAX || lease > PYR_PHARAOH_COUNT_MAX)
		return refuse_count(PYR_PHARAOH_COUNT_MAX, failure);
	if (!read_name(name, &request.name))
		return refuse_name(failure);
	request.lease = (uint32_t)lease;
	return take_run(pharaoh, &request, ret_first, failure);
}

/* ---- sessions ---- */

enum pyr_status pyr_pharaoh_session_open(struct pyr_pharaoh *pharaoh, unsigned ttl_ms, uint64_t *ret_session,
                                         struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_OPEN, .ttl_ms = ttl_ms}};
	enum pyr_status status = carry_out(pharaoh, &call, failure);
	if (status == PYR_STATUS_OK)
		*ret_session = call.reply.session;
	return status;
}

enum pyr_status pyr_pharaoh_session_keep(struct pyr_pharaoh *pharaoh, uint64_t session, struct pyr_failure *failure)
{
	uint8_t number[8];
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_KEEP, .numbers = number, .number_count = 1}};
	base_store_u64le(number, session);
	enum pyr_status status = carry_out(pharaoh, &call, failure);
	if (status == PYR_STATUS_OK && call.reply.count == 0)
		return api_fail(failure, PYR_STATUS_NOT_FOUND, "",
		                "there is no such session: it was closed, or not heard of in its time");
	return status;
}

enum pyr_status pyr_pharaoh_session_resume(struct pyr_pharaoh *pharaoh, uint64_t session, unsigned ttl_ms,
                                           struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_RESUME, .session = session, .ttl_ms = ttl_ms}};
	return carry_out(pharaoh, &call, failure);
}

enum pyr_status pyr_pharaoh_session_close(struct pyr_pharaoh *pharaoh, uint64_t session, struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_CLOSE, .session = session}};
	return carry_out(pharaoh, &call, failure);
}

/* ---- locks ---- */

/* A lock's name and value; ret_token may be NULL. */
static enum pyr_status ask_lock(struct pyr_pharaoh *pharaoh, struct codec_pharaoh *request, const char *name,
                                const char *value, uint64_t *ret_token, struct pyr_failure *failure)
{
	struct api_pharaoh_call call = {0};
	request->value = (struct base_bytes){(const uint8_t *)value, value ? strlen(value) : 0};
	if (!read_name(name, &request->name))
		return refuse_name(failure);
	if (request->value.bytes > PYR_PHARAOH_VALUE_MAX)
		return api_fail(failure, PYR_STATUS_USAGE, "", "a lock's value has up to %d bytes",
		                PYR_PHARAOH_VALUE_MAX);
	call.request = *request;
	enum pyr_status status = carry_out(pharaoh, &call, failure);
	if (status == PYR_STATUS_OK && ret_token)
		*ret_token = call.reply.token;
	return status;
}

enum pyr_status pyr_pharaoh_lock(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name, const char *value,
                                 unsigned wait_ms, uint64_t *ret_token, struct pyr_failure *failure)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_LOCK, .session = session, .wait_ms = wait_ms};
	return ask_lock(pharaoh, &request, name, value, ret_token, failure);
}

enum pyr_status pyr_pharaoh_unlock(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name, uint64_t token,
                                   struct pyr_failure *failure)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_UNLOCK, .session = session, .token = token};
	return ask_lock(pharaoh, &request, name, NULL, NULL, failure);
}

enum pyr_status pyr_pharaoh_claim(struct pyr_pharaoh *pharaoh, uint64_t session, const char *name, const char *value,
                                  uint64_t token, struct pyr_failure *failure)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_CLAIM, .session = session, .token = token};
	return ask_lock(pharaoh, &request, name, value, NULL, failure);
}

enum pyr_status pyr_pharaoh_look(struct pyr_pharaoh *pharaoh, const char *name, struct pyr_pharaoh_holder *ret_holder,
                                 struct pyr_failure *failure)
{
	struct pyr_pharaoh_holder holder = {0};
	struct api_pharaoh_call call = {.request = {.op = CODEC_PHARAOH_LOOK}, .value = holder.value};
	if (!read_name(name, &call.request.name))
		return refuse_name(failure);
	enum pyr_status status = carry_out(pharaoh, &call, failure);
	if (status != PYR_STATUS_OK)
		return status;
	holder.session = call.reply.session;
	holder.token = call.reply.token;
	holder.waiting = call.reply.count;
	*ret_holder = holder;
	return status;
}
