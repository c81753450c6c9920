/* What is shown while a statement takes long: how far it is, as pyralog.queries tells a second connection.
 *
 * The connection is made when it is first needed and kept. A server that has no such relation, or no place for one connection
 * more, is not asked again: the time is shown alone. What is asked may take half a second at most. Owner: the shell's thread.
 */
#include "shell/shell_priv.h"

#include <stdlib.h>
#include <string.h>

enum { QUERY_BYTES = 256 };

void shell_wait_begin(struct shell *shell, bool looks)
{
	shell_progress_begin(&shell->progress, shell->options.color, stderr, SHELL_PROGRESS_STATEMENT_US);
	if (!looks)
		shell->progress.out = NULL;
}

static bool ask(struct shell *shell, const char *text, const struct shell_sink *sink)
{
	struct pyr_error error;
	char *message = NULL;
	pyr_result result = shell_client_run(shell->asker, text, sink, &message, &error);
	free(message);
	return result.code == PYR_OK;
}

static bool open_asker(struct shell *shell)
{
	static const struct shell_sink none = {.context = NULL};
	struct pyr_error error;
	if (shell->asker || shell->asker_failed)
		return shell->asker;
	shell->asker_failed = shell_client_open(&shell->options.server, &shell->asker, &error).code != PYR_OK ||
	                      !ask(shell, "SET statement_timeout = 500", &none);
	return !shell->asker_failed;
}

struct answer {
	double part;
	char text[QUERY_BYTES];
	bool follows;
};

/* percent, rows_read, rows_total, state, place */
static void take_answer(void *context, const char *const *cells, const size_t *bytes)
{
	struct answer *answer = context;
	const char *state = cells[3] ? cells[3] : "";
	(void)bytes;
	answer->follows = strcmp(state, "following") == 0;
	if (strcmp(state, "waiting") == 0) {
		snprintf(answer->text, sizeof answer->text, "waits for its turn, place %s", cells[4] ? cells[4] : "?");
	} else if (cells[0] && cells[1] && cells[2]) {
		answer->part = strtod(cells[0], NULL) / 100;
		snprintf(answer->text, sizeof answer->text, "%s of %s rows read", cells[1], cells[2]);
	}
}

void shell_wait_tell(struct shell *shell)
{
	struct answer answer = {.part = -1, .text = "running"};
	struct shell_sink sink = {.context = &answer, .row = take_answer};
	char query[QUERY_BYTES];
	if (!shell_progress_is_due(&shell->progress))
		return;
	if (shell->table.row_count > 0)
		snprintf(answer.text, sizeof answer.text, "%zu rows received", shell->table.row_count);
	snprintf(query, sizeof query,
	         "SELECT percent, rows_read, rows_total, state, place FROM pyralog.queries WHERE pid = %d LIMIT 1",
	         shell_client_pid(shell->client));
	if (open_asker(shell) && !ask(shell, query, &sink))
		shell->asker_failed = true;
	if (shell->asker_failed) {
		shell_client_free(shell->asker);
		shell->asker = NULL;
	}
	if (answer.follows)
		shell_progress_clear(&shell->progress);
	else
		shell_progress_tell(&shell->progress, answer.part, answer.text);
}
