/* Programs started by ours (see real.h). Owner: the loop's thread. */
#include "base/table.h"
#include "os/real/real_priv.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

struct os_real_child {
	uv_process_t process;
	void (*exited)(void *context, int status);
	void *context;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal_number)
{
	struct os_real_child *child = process->data;
	child->exited(child->context, signal_number > 0 ? 128 + signal_number : (int)status);
	uv_close((uv_handle_t *)process, on_closed);
}

/* Ours, and one more. */
static char **environment_with(char *variable)
{
	size_t count = 0;
	while (environ[count])
		count += 1;
	char **all = calloc(count + 2, sizeof *all);
	if (!all)
		return NULL;
	memcpy(all, environ, count * sizeof *all);
	all[count] = variable;
	return all;
}

pyr_result os_real_spawn(struct os_loop *loop, char **arguments, char *variable,
                         void (*exited)(void *context, int status), void *context, struct os_real_child **ret_child,
                         struct pyr_error *error)
{
	struct real_loop *real = (struct real_loop *)loop;
	uv_stdio_container_t streams[3] = {
		{UV_INHERIT_FD, {.fd = 0}}, {UV_INHERIT_FD, {.fd = 1}}, {UV_INHERIT_FD, {.fd = 2}}};
	struct os_real_child *child = calloc(1, sizeof *child);
	uv_process_options_t options = {
		.exit_cb = on_exit_of, .file = arguments[0], .args = arguments, .stdio_count = 3, .stdio = streams};
	options.env = environment_with(variable);
	if (!child || !options.env) {
		free(child);
		free(options.env);
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	}
	child->exited = exited;
	child->context = context;
	child->process.data = child;
	int failed = uv_spawn(&real->uv, &child->process, &options);
	free(options.env);
	if (failed != 0) {
		uv_close((uv_handle_t *)&child->process, on_closed);
		return pyr_fail(error, PYR_NOT_FOUND, "%s can't be run: %s", arguments[0], uv_strerror(failed));
	}
	*ret_child = child;
	return pyr_ok();
}

void os_real_child_signal(struct os_real_child *child, int signal_number)
{
	(void)uv_process_kill(&child->process, signal_number);
}
