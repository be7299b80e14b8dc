// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replay-log - bring a file to the state that a disk had at a moment of its past
 *
 * Reads the log that the device-mapper target log-writes keeps: a superblock, then for each entry a
 * block with its head and behind it the data of a write. A write is in the log once it has been
 * flushed, or was FUA: the log up to an entry is what a power failure leaves at the worst.
 *
 *	replay-log LOG list			print the entries, one a line: number, kind, sector
 *						and sectors. The kind is a word of the letters W
 *						(write), F (flush), A (FUA) and D (discard). A mark is
 *						number, M and its text
 *	replay-log LOG apply FILE FROM TO	write to FILE what the entries from FROM to TO - 1
 *						wrote; discards change nothing
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAGIC	0x6a736677736872ULL

enum {
	FLAG_FLUSH = 1,
	FLAG_FUA = 2,
	FLAG_DISCARD = 4,
	FLAG_MARK = 8,
};

struct super {
	uint64_t magic;
	uint64_t version;
	uint64_t nr_entries;
	uint32_t sectorsize;
};

struct entry {
	uint64_t sector;	/* in blocks of sectorsize, like nr_sectors */
	uint64_t nr_sectors;
	uint64_t flags;
	uint64_t data_len;
};

struct log {
	int fd;
	uint64_t nr_entries;
	uint32_t block;
	uint64_t pos;		/* of the data of the entry that was read last */
	uint64_t next;		/* of the next head */
};

static void read_at(int fd, void *buf, size_t len, uint64_t pos)
{
	if (pread(fd, buf, len, pos) != (ssize_t)len)
		err(1, "read of %zu bytes at %llu", len, (unsigned long long)pos);
}

static void log_open(struct log *log, const char *name)
{
	struct super super;

	log->fd = open(name, O_RDONLY);
	if (log->fd < 0)
		err(1, "%s", name);
	read_at(log->fd, &super, sizeof(super), 0);
	if (le64toh(super.magic) != LOG_MAGIC || le64toh(super.version) != 1)
		errx(1, "%s: no log of version 1", name);
	log->nr_entries = le64toh(super.nr_entries);
	log->block = le32toh(super.sectorsize);
	log->next = log->block;
}

static void log_next(struct log *log, struct entry *entry)
{
	read_at(log->fd, entry, sizeof(*entry), log->next);
	entry->sector = le64toh(entry->sector);
	entry->nr_sectors = le64toh(entry->nr_sectors);
	entry->flags = le64toh(entry->flags);
	entry->data_len = le64toh(entry->data_len);
	log->pos = log->next + log->block;
	log->next = log->pos;
	if (!(entry->flags & FLAG_DISCARD))
		log->next += entry->nr_sectors * log->block;
}

static void print_mark(const struct log *log, const struct entry *entry)
{
	char text[4096] = "";

	if (entry->data_len >= sizeof(text) || entry->data_len > log->block - sizeof(*entry))
		errx(1, "a mark of %llu bytes", (unsigned long long)entry->data_len);
	read_at(log->fd, text, entry->data_len, log->pos - log->block + sizeof(*entry));
	printf("M %s\n", text);
}

static void print_entry(const struct log *log, const struct entry *entry)
{
	if (entry->flags & FLAG_MARK) {
		print_mark(log, entry);
		return;
	}
	printf("%s%s%s%s %llu %llu\n",
	       entry->nr_sectors && !(entry->flags & FLAG_DISCARD) ? "W" : "",
	       entry->flags & FLAG_FLUSH ? "F" : "", entry->flags & FLAG_FUA ? "A" : "",
	       entry->flags & FLAG_DISCARD ? "D" : "",
	       (unsigned long long)entry->sector, (unsigned long long)entry->nr_sectors);
}

static void list(struct log *log)
{
	struct entry entry;
	uint64_t n;

	for (n = 0; n < log->nr_entries; n++) {
		log_next(log, &entry);
		printf("%llu ", (unsigned long long)n);
		print_entry(log, &entry);
	}
}

static void copy(const struct log *log, const struct entry *entry, int target)
{
	size_t len = entry->nr_sectors * log->block;
	char *buf = malloc(len);

	if (!buf)
		err(1, "memory for %zu bytes", len);
	read_at(log->fd, buf, len, log->pos);
	if (pwrite(target, buf, len, entry->sector * log->block) != (ssize_t)len)
		err(1, "write of %zu bytes", len);
	free(buf);
}

static void apply(struct log *log, const char *name, uint64_t from, uint64_t to)
{
	int target = open(name, O_WRONLY);
	struct entry entry;
	uint64_t n;

	if (target < 0)
		err(1, "%s", name);
	if (to > log->nr_entries)
		errx(1, "the log has %llu entries", (unsigned long long)log->nr_entries);
	for (n = 0; n < to; n++) {
		log_next(log, &entry);
		if (n >= from && entry.nr_sectors && !(entry.flags & (FLAG_DISCARD | FLAG_MARK)))
			copy(log, &entry, target);
	}
	if (close(target))
		err(1, "%s", name);
}

int main(int argc, char **argv)
{
	struct log log;

	if (argc == 3 && !strcmp(argv[2], "list")) {
		log_open(&log, argv[1]);
		list(&log);
	} else if (argc == 6 && !strcmp(argv[2], "apply")) {
		log_open(&log, argv[1]);
		apply(&log, argv[3], strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
	} else {
		fprintf(stderr, "usage: replay-log LOG list\n"
				"       replay-log LOG apply FILE FROM TO\n");
		return 2;
	}
	return 0;
}
