/* Messages that the connection's loop carries out itself (see query/session.h, "on a loop").
 *
 * Invariant: a message is taken whole or not at all. So it is looked at first; what it needs beforehand (a statement parsed, its
 * rows in memory) is made ready, and only then it is carried out as on any thread. What is not carried out goes to a thread next,
 * with what was made ready of it. Failure modes: none of its own; what can't be made ready is the thread's. Owner: the loop's thread, while no thread has the backend.
 */
#include "server/pg/backend_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(struct pg_backend *backend)
{
	struct query_settings *settings = query_session_settings(backend->session);
	uint64_t version = query_settings_version(settings);
	char value[QUERY_SETTING_MAX];
	if (version != backend->prompt_version || !backend->prompt_known)
		backend->prompt_wanted =
			query_settings_get(settings, "pyralog.prompt_statements", value) && strcmp(value, "on") == 0;
	backend->prompt_version = version;
	backend->prompt_known = true;
	return backend->prompt_wanted;
}

/* Nothing is half done that a message could end, or go on with. */
static bool is_still(struct pg_backend *backend)
{
	return !backend->gone && !backend->copying && !backend->skipping && !backend->script &&
	       backend->status != 'E' && query_session_is_quiet(backend->session) && is_wanted(backend);
}

/* ---- a text: is it worth parsing here? ---- */

static bool has_word(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

/* Nothing nests, and no chain of operators is there: how long it takes to plan is bounded by the text's length. */
static bool is_flat(const char *text)
{
	static const char marks[] = " \t\r\n\"'.,=<>$*;_";
	for (const char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr(marks, *at))
			return false;
	return !has_word(text, "case") && !has_word(text, "not");
}

/* Cheap and approximate: what is parsed here in vain is parsed twice. */
static bool looks_light(const char *text)
{
	static const char *const commands[] = {"begin", "start", "commit", "end", "rollback", "abort", "set", "reset"};
	while (isspace((unsigned char)*text))
		text += 1;
	size_t bytes = 0;
	while (isalpha((unsigned char)text[bytes]))
		bytes += 1;
	if (strlen(text) > QUERY_PROMPT_TEXT_MAX || !is_flat(text))
		return false;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strlen(commands[i]) == bytes && strncasecmp(text, commands[i], bytes) == 0)
			return true;
	return bytes == 6 && strncasecmp(text, "select", 6) == 0 && has_word(text, "partition") &&
	       has_word(text, "offset");
}

/* The statement of a text, for whoever would make it otherwise: see pg_make(). */
static bool make(struct pg_backend *backend, const char *text, const uint32_t *types, size_t type_count)
{
	struct query_error ignored;
	struct query_script *script;
	if (!looks_light(text) || query_script_new(text, strlen(text), &script, &ignored).code != PYR_OK)
		return false;
	if (query_script_count(script) == 1 &&
	    query_statement_new(backend->session, script, 0, types, type_count, &backend->made, &ignored).code ==
	            PYR_OK)
		backend->made_script = script;
	else
		query_script_free(script);
	return backend->made;
}

void pg_drop_made(struct pg_backend *backend)
{
	query_statement_free(backend->made);
	query_script_free(backend->made_script);
	backend->made = NULL;
	backend->made_script = NULL;
}

/* ---- each message: can it be carried out? ---- */

static bool ready_query(struct pg_backend *backend, struct base_bytes body)
{
	const char *text;
	return pg_query_decode(body, &text).code == PYR_OK && make(backend, text, NULL, 0) &&
	       query_statement_ready(backend->made, NULL, 0);
}

static bool ready_parse(struct pg_backend *backend, struct base_bytes body)
{
	struct pg_parse message;
	return pg_parse_decode(body, &message).code == PYR_OK &&
	       make(backend, message.text, message.types, message.type_count) &&
	       query_statement_is_light(backend->made);
}

static bool ready_bind(struct pg_backend *backend, struct base_bytes body)
{
	struct pg_bind message;
	if (pg_bind_decode(body, &message).code != PYR_OK)
		return false;
	struct prepared *prepared = pg_find_statement(backend, message.statement);
	return prepared && prepared->query && query_statement_is_light(prepared->query);
}

static bool ready_execute(struct pg_backend *backend, struct base_bytes body)
{
	struct pg_execute message;
	if (pg_execute_decode(body, &message).code != PYR_OK || message.rows_max > 0)
		return false;
	struct portal *portal = pg_find_portal(backend, message.portal);
	return portal && !portal->started && !portal->ended && !portal->own && portal->prepared->query &&
	       query_statement_ready(portal->prepared->query, portal->parameters, portal->parameter_count);
}

static bool ready_close(struct pg_backend *backend, struct base_bytes body)
{
	struct pg_target message;
	if (pg_target_decode(body, &message).code != PYR_OK)
		return false;
	struct prepared *prepared = message.kind == 'S' ? pg_find_statement(backend, message.name) : NULL;
	return !prepared || !prepared->query || query_statement_is_light(prepared->query);
}

static bool make_ready(struct pg_backend *backend, char type, struct base_bytes body)
{
	switch (type) {
	case 'Q':
		return ready_query(backend, body);
	case 'P':
		return ready_parse(backend, body);
	case 'B':
		return ready_bind(backend, body);
	case 'E':
		return ready_execute(backend, body);
	case 'C':
		return ready_close(backend, body);
	default:
		return type == 'D' || type == 'H' || type == 'S';
	}
}

enum pg_prompt pg_backend_try(struct pg_backend *backend, struct query_source *source, char type,
                              struct base_bytes body)
{
	enum pg_prompt outcome = PG_PROMPT_LATER;
	uint64_t statements = backend->counts.statements;
	if (!is_still(backend))
		return outcome;
	query_session_hurry(backend->session, source);
	backend->hurries = true;
	if (make_ready(backend, type, body))
		outcome = pg_backend_message(backend, type, body) ? PG_PROMPT_DONE : PG_PROMPT_OVER;
	backend->counts.prompts += backend->counts.statements - statements;
	if (outcome != PG_PROMPT_LATER)
		pg_drop_made(backend); /* else the thread has use for it */
	backend->hurries = false;
	query_session_hurry(backend->session, NULL);
	return outcome;
}

/* ---- what was made ---- */

bool pg_take_made_script(struct pg_backend *backend, struct query_script **ret_script)
{
	if (!backend->made_script)
		return false;
	*ret_script = backend->made_script;
	backend->made_script = NULL;
	return true;
}

bool pg_take_made(struct pg_backend *backend, struct query_statement **ret_query)
{
	if (!backend->made)
		return false;
	*ret_query = backend->made;
	backend->made = NULL;
	return true;
}
