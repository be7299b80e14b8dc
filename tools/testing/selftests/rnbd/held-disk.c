// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * held-disk - a disk in memory whose writes can be withheld
 *
 * Serves the disk through the kernel's nbd driver. A withheld write is kept aside: it changes
 * nothing and is not answered, until it is released; everything else goes on meanwhile. That is
 * how a write of a slow disk looks that takes effect long after it was sent.
 *
 *	held-disk serve NODE SIZE_MB SOCKET	serve, in the background, until "quit"
 *	held-disk SOCKET hold N			withhold the next N writes
 *	held-disk SOCKET held			print how many are withheld now
 *	held-disk SOCKET release		apply them in the order in which they came, answer
 *						them, and withhold nothing more
 *	held-disk SOCKET quit			take the disk away
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_SIZE	512
#define MAX_REQUEST	(32u << 20)
#define LINE_MAX_LEN	64

/* As on the wire of nbd; the cookie is opaque. */
struct request {
	uint32_t magic;
	uint32_t type;
	char cookie[8];
	uint64_t from;
	uint32_t len;
} __attribute__((packed));

struct reply {
	uint32_t magic;
	uint32_t error;
	char cookie[8];
} __attribute__((packed));

struct held {
	struct held *next;
	struct request req;
	char data[];
};

struct disk {
	int nbd;		/* our end of the connection to the driver */
	char *mem;
	uint64_t size;
	unsigned long to_hold;
	unsigned long nr_held;
	struct held *first;
	struct held **last;
};

static void die(const char *what)
{
	fprintf(stderr, "held-disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int read_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t done = read(fd, buf, len);

		if (done <= 0)
			return -1;
		buf = (char *)buf + done;
		len -= done;
	}
	return 0;
}

static int write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t done = write(fd, buf, len);

		if (done <= 0)
			return -1;
		buf = (const char *)buf + done;
		len -= done;
	}
	return 0;
}

/* ---- requests ---- */

static int answer(struct disk *disk, const struct request *req, int err)
{
	struct reply reply = { .magic = htonl(NBD_REPLY_MAGIC), .error = htonl(err) };

	memcpy(reply.cookie, req->cookie, sizeof(reply.cookie));
	return write_all(disk->nbd, &reply, sizeof(reply));
}

static int is_inside(const struct disk *disk, const struct request *req)
{
	return req->len <= MAX_REQUEST && req->from <= disk->size &&
	       req->len <= disk->size - req->from;
}

static int apply(struct disk *disk, const struct held *write)
{
	if (!is_inside(disk, &write->req))
		return answer(disk, &write->req, EINVAL);
	memcpy(disk->mem + write->req.from, write->data, write->req.len);
	return answer(disk, &write->req, 0);
}

static int take_write(struct disk *disk, const struct request *req)
{
	struct held *write;
	int err;

	if (req->len > MAX_REQUEST)
		return -1;
	write = malloc(sizeof(*write) + req->len);
	if (!write)
		die("memory");
	write->next = NULL;
	write->req = *req;
	if (read_all(disk->nbd, write->data, req->len)) {
		free(write);
		return -1;
	}
	if (disk->to_hold) {
		disk->to_hold--;
		disk->nr_held++;
		*disk->last = write;
		disk->last = &write->next;
		return 0;
	}
	err = apply(disk, write);
	free(write);
	return err;
}

static int take_read(struct disk *disk, const struct request *req)
{
	if (!is_inside(disk, req))
		return answer(disk, req, EINVAL);
	if (answer(disk, req, 0))
		return -1;
	return write_all(disk->nbd, disk->mem + req->from, req->len);
}

static int release(struct disk *disk)
{
	struct held *write = disk->first, *next;
	int err = 0;

	for (; write; write = next) {
		next = write->next;
		err |= apply(disk, write);
		free(write);
	}
	disk->first = NULL;
	disk->last = &disk->first;
	disk->nr_held = disk->to_hold = 0;
	return err;
}

/* Anything but 0 ends the disk. */
static int take_request(struct disk *disk)
{
	struct request req;

	if (read_all(disk->nbd, &req, sizeof(req)) || ntohl(req.magic) != NBD_REQUEST_MAGIC)
		return -1;
	req.from = be64toh(req.from);
	req.len = ntohl(req.len);

	switch (ntohl(req.type) & 0xffff) {
	case NBD_CMD_READ:
		return take_read(disk, &req);
	case NBD_CMD_WRITE:
		return take_write(disk, &req);
	case NBD_CMD_DISC:
		return -1;
	default:
		return answer(disk, &req, EINVAL);
	}
}

/* ---- orders ---- */

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4))
		die(path);
	return fd;
}

static int obey(struct disk *disk, const char *line, char *out)
{
	char *end;

	if (!strncmp(line, "hold ", 5)) {
		disk->to_hold = strtoul(line + 5, &end, 10);
		strcpy(out, *end ? "error\n" : "ok\n");
	} else if (!strcmp(line, "held")) {
		snprintf(out, LINE_MAX_LEN, "%lu\n", disk->nr_held);
	} else if (!strcmp(line, "release")) {
		strcpy(out, "ok\n");
		return release(disk);
	} else if (!strcmp(line, "quit")) {
		strcpy(out, "ok\n");
		return -1;
	} else {
		strcpy(out, "error\n");
	}
	return 0;
}

static int take_order(struct disk *disk, int listener)
{
	char line[LINE_MAX_LEN] = "", out[LINE_MAX_LEN];
	int fd = accept(listener, NULL, NULL);
	int ret = 0;

	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) > 0) {
		line[strcspn(line, "\n")] = 0;
		ret = obey(disk, line, out);
		write_all(fd, out, strlen(out));
	}
	close(fd);
	return ret;
}

static int ask(const char *path, int argc, char **words)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[LINE_MAX_LEN];
	ssize_t len;

	snprintf(line, sizeof(line), "%s%s%s\n", words[0], argc > 1 ? " " : "",
		 argc > 1 ? words[1] : "");
	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    write_all(fd, line, strlen(line)))
		die(path);
	len = read(fd, line, sizeof(line) - 1);
	if (len <= 0)
		die("no answer");
	line[len] = 0;
	if (strcmp(line, "ok\n"))
		fputs(line, stdout);
	return !strcmp(line, "error\n");
}

/* ---- the disk ---- */

/* The driver's part: the process that lends its system call to the device. */
static pid_t start_driver(int node, int sock, int other, uint64_t size)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close(other);
	ioctl(node, NBD_CLEAR_SOCK);
	if (ioctl(node, NBD_SET_BLKSIZE, BLOCK_SIZE) ||
	    ioctl(node, NBD_SET_SIZE_BLOCKS, size / BLOCK_SIZE) ||
	    ioctl(node, NBD_SET_FLAGS, NBD_FLAG_HAS_FLAGS) || ioctl(node, NBD_SET_SOCK, sock))
		die("nbd");
	ioctl(node, NBD_DO_IT);
	ioctl(node, NBD_CLEAR_SOCK);
	_exit(0);
}

static void serve_until_quit(struct disk *disk, int listener)
{
	struct pollfd fds[] = {
		{ .fd = disk->nbd, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents && take_request(disk))
			return;
		if (fds[1].revents && take_order(disk, listener))
			return;
	}
}

static int serve(const char *node_path, const char *size_mb, const char *socket_path)
{
	struct disk disk = { .size = strtoull(size_mb, NULL, 10) << 20 };
	int node = open(node_path, O_RDWR | O_CLOEXEC);
	int pair[2], listener;
	pid_t driver;

	disk.last = &disk.first;
	disk.mem = calloc(1, disk.size);
	if (node < 0 || !disk.mem || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die(node_path);
	listener = listen_on(socket_path);
	if (daemon(1, 1))
		die("daemon");

	driver = start_driver(node, pair[0], pair[1], disk.size);
	close(pair[0]);
	disk.nbd = pair[1];
	serve_until_quit(&disk, listener);

	release(&disk);
	ioctl(node, NBD_DISCONNECT);
	close(disk.nbd);
	waitpid(driver, NULL, 0);
	unlink(socket_path);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3], argv[4]);
	if (argc == 3 || argc == 4)
		return ask(argv[1], argc - 2, argv + 2);
	fputs("usage: held-disk serve NODE SIZE_MB SOCKET | SOCKET hold N|held|release|quit\n",
	      stderr);
	return 2;
}
