/* The terminal and the files of whoever sits at it: for programs that people use, not for servers.
 *
 * One thread. Streams are C's, so that what writes a result does not care where it goes.
 */
#ifndef PYRALOG_OS_TERMINAL_H
#define PYRALOG_OS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

bool os_terminal_is_input(void); /* standard input is one */
bool os_terminal_is(FILE *stream);
void os_terminal_size(unsigned *ret_columns, unsigned *ret_lines); /* 80 x 24 if nobody knows */

/* What has arrived, up to `room` bytes, waiting for the first; 0: it has ended. Not on a stream that was read otherwise. */
size_t os_terminal_read(FILE *stream, void *bytes, size_t room);

/* NULL: it can't be opened, errno says why. "|command" is a program that reads what is written. */
FILE *os_terminal_open_output(const char *path);
FILE *os_terminal_open_input(const char *path);
/* What $PAGER says, or less; NULL: there is none. */
FILE *os_terminal_open_pager(void);
/* Of any of these; is_program: it was "|command" or the pager, which is waited for. */
void os_terminal_close(FILE *stream, bool is_program);

/* Called, between two instructions of the program, when the user presses Ctrl-C; NULL: it ends the program, as ever. */
void os_terminal_on_interrupt(void (*interrupted)(void));
uint64_t os_terminal_now_us(void); /* since an arbitrary start */
/* False: an interrupt came first. */
bool os_terminal_wait_us(uint64_t delay_us);
/* Until something can be read from a descriptor, or a signal came. False: neither for so long. */
bool os_terminal_wait_input(int descriptor, uint64_t delay_us);

#endif
