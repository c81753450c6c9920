/* The terminal by POSIX (see terminal.h). Failure modes: a pipe whose reader is gone only loses what is written. */
#include "os/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* A signal's handler finds nothing else. */
static void (*volatile on_interrupt)(void);

bool os_terminal_is_input(void)
{
	return isatty(STDIN_FILENO);
}

bool os_terminal_is(FILE *stream)
{
	return isatty(fileno(stream));
}

void os_terminal_size(unsigned *ret_columns, unsigned *ret_lines)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
	*ret_columns = known ? size.ws_col : 80;
	*ret_lines = known ? size.ws_row : 24;
}

static FILE *start(const char *command)
{
	signal(SIGPIPE, SIG_IGN);
	return popen(command, "w");
}

FILE *os_terminal_open_output(const char *path)
{
	return path[0] == '|' ? start(path + 1) : fopen(path, "we");
}

FILE *os_terminal_open_input(const char *path)
{
	return fopen(path, "re");
}

size_t os_terminal_read(FILE *stream, void *bytes, size_t room)
{
	ssize_t got;
	do
		got = read(fileno(stream), bytes, room);
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

FILE *os_terminal_open_pager(void)
{
	const char *pager = getenv("PAGER");
	return start(pager && pager[0] ? pager : "less -FRSX");
}

void os_terminal_close(FILE *stream, bool is_program)
{
	if (is_program)
		(void)pclose(stream);
	else
		(void)fclose(stream);
}

static void handle(int number)
{
	int kept = errno;
	(void)number;
	if (on_interrupt)
		on_interrupt();
	errno = kept;
}

void os_terminal_on_interrupt(void (*interrupted)(void))
{
	struct sigaction action = {.sa_handler = interrupted ? handle : SIG_DFL};
	on_interrupt = interrupted;
	(void)sigaction(SIGINT, &action, NULL);
}

uint64_t os_terminal_now_us(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What ends the wait early is a signal. */
bool os_terminal_wait_us(uint64_t delay_us)
{
	struct timespec delay = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
	return ppoll(NULL, 0, &delay, NULL) == 0;
}

bool os_terminal_wait_input(int descriptor, uint64_t delay_us)
{
	struct timespec delay = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
	struct pollfd input = {.fd = descriptor, .events = POLLIN};
	return ppoll(&input, 1, &delay, NULL) != 0;
}
