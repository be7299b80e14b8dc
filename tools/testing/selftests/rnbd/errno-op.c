// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * errno-op - one system call, and the name of the errno it ended with.
 *
 * Shells report errors as text of strerror(3) and may split a write; the scenarios need to know
 * exactly what one write(2) to a sysfs file did. Prints "OK" or an errno name ("EINVAL") and, for
 * a short transfer, "SHORT". Exit status 0 for OK, 1 for anything else, 2 for wrong usage.
 * Built statically by the lab and by run-one.sh; no library beyond libc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Direct I/O needs memory aligned to the largest block size a disk may have. */
#define BUF_ALIGN 4096

static int report(int err)
{
	const char *name = err ? strerrorname_np(err) : "OK";

	if (name)
		puts(name);
	else
		printf("%d\n", err);
	return err ? 1 : 0;
}

static int report_transfer(ssize_t done, size_t want)
{
	if (done < 0)
		return report(errno);
	if ((size_t)done != want) {
		puts("SHORT");
		return 1;
	}
	return report(0);
}

static int do_write(const char *file, const char *text, const char *end)
{
	char *buf;
	int fd = open(file, O_WRONLY | O_TRUNC);
	int len;

	if (fd < 0)
		return report(errno);
	len = asprintf(&buf, "%s%s", text, end);
	if (len < 0)
		return report(ENOMEM);
	return report_transfer(write(fd, buf, len), len);
}

static int do_open(const char *file, const char *mode)
{
	int flags = O_RDONLY;

	if (!strcmp(mode, "w"))
		flags = O_WRONLY;
	else if (!strcmp(mode, "rw"))
		flags = O_RDWR;
	return report(open(file, flags) < 0 ? errno : 0);
}

static int do_read(const char *file)
{
	char buf[4096];
	int fd = open(file, O_RDONLY);

	if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
		return report(errno);
	return report(0);
}

/* Watches from the line on stderr on; sysfs wants the file to be read before that. */
static int do_poll(const char *file, const char *seconds)
{
	struct pollfd fd = { .fd = open(file, O_RDONLY), .events = POLLPRI };
	char buf[4096];
	int nr;

	if (fd.fd < 0 || read(fd.fd, buf, sizeof(buf)) < 0)
		return report(errno);
	fputs("watching\n", stderr);
	nr = poll(&fd, 1, atoi(seconds) * 1000);
	if (nr < 0)
		return report(errno);
	return report(nr ? 0 : ETIMEDOUT);
}

static int do_transfer(char **arg, int writing, int direct)
{
	int flags = (writing ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0);
	off_t offset = strtoll(arg[1], NULL, 0);
	size_t len = strtoull(arg[2], NULL, 0);
	void *buf;
	int fd = open(arg[0], flags);

	if (fd < 0)
		return report(errno);
	if (posix_memalign(&buf, BUF_ALIGN, len ? len : BUF_ALIGN))
		return report(ENOMEM);
	memset(buf, 0, len);
	if (!writing)
		return report_transfer(pread(fd, buf, len, offset), len);
	if (pwrite(fd, buf, len, offset) != (ssize_t)len)
		return report(errno ? errno : EIO);
	/* without O_DIRECT the error shows only when the page cache is written back */
	return report(fsync(fd) ? errno : 0);
}

int main(int argc, char **argv)
{
	const char *op = argc > 2 ? argv[1] : "";

	if (!strcmp(op, "write") && argc == 4)
		return do_write(argv[2], argv[3], "");
	if (!strcmp(op, "echo") && argc == 4)
		return do_write(argv[2], argv[3], "\n");
	if (!strcmp(op, "open") && argc == 4)
		return do_open(argv[2], argv[3]);
	if (!strcmp(op, "read") && argc == 3)
		return do_read(argv[2]);
	if (!strcmp(op, "poll") && argc == 4)
		return do_poll(argv[2], argv[3]);
	if ((!strcmp(op, "pread") || !strcmp(op, "pwrite")) && (argc == 5 || argc == 6))
		return do_transfer(argv + 2, op[1] == 'w', argc == 6);
	fputs("usage: errno-op write|echo FILE TEXT | open FILE r|w|rw | read FILE |\n"
	      "       poll FILE SECONDS | pread|pwrite FILE OFFSET LENGTH [direct]\n", stderr);
	return 2;
}
