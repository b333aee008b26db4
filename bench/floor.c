/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * bench/floor: the cost of moving the bytes. Each job is the bare loop of one row, without the tool's work on
 * the bytes; a goal below its time cannot be reached.
 *
 *   floor read FILE              read(2) in blocks of 256 KiB
 *   floor copy                   read(2) and write(2), standard input to standard output
 *   floor splice                 splice(2): no copy to the process
 *   floor accept                 a TCP connection's bytes to standard output; prints its port to fd 3
 *   floor connect PORT           standard input to a TCP connection
 *   floor fetch PORT             the same, then what comes back, up to a WebSocket's normal end
 *   floor store PORT [FILE]      the same in blocks of 128 KiB; each is first written to FILE, over the same
 *                                quarter of a MiB, with its CRC-32C
 *   floor receive ADDR N SIZE    N datagrams, by recvmmsg(2)
 *   floor send ADDR N SIZE [R]   N datagrams, by sendmmsg(2); R per second, if given
 *   floor hold ADDR N            N idle connections, until standard input ends
 *
 * ADDR is udp:PORT (receive prints its port to fd 3, if that is open), dgram:PATH or seqpacket:PATH, and for hold
 * tcp:PORT or stream:PATH. receive writes the datagrams to standard output.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 256 << 10, BATCH = 64, LONGEST = BLOCK / BATCH };

static char block[BLOCK];

static ssize_t ok(ssize_t result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void write_all(int fd, const char *bytes, size_t left)
{
	while (left > 0) {
		ssize_t written = ok(write(fd, bytes, left), "write");
		bytes += written;
		left -= written;
	}
}

static void copy(int from, int to)
{
	ssize_t len;
	while ((len = ok(read(from, block, BLOCK), "read")) > 0)
		write_all(to, block, len);
}

/* Reads to the end, or until a read ends with the close frame of status 1000, after which the server waits. */
static void fetch(int from)
{
	static const char last[] = {(char)0x88, 2, 3, (char)0xe8};
	ssize_t len;
	while ((len = ok(read(from, block, BLOCK), "read")) > 0)
		if (len >= (ssize_t)sizeof last && !memcmp(block + len - sizeof last, last, sizeof last))
			break;
}

/* CRC-32C of three parts of a block at once, which is what the processor is fast at. On others than x86-64 there is
 * none, and the loop is faster for it. */
#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t checksum(const char *bytes, size_t len)
{
	size_t part = len / 3 / sizeof(uint64_t) * sizeof(uint64_t);
	uint64_t first = 0, second = 0, third = 0, word;
	for (const char *at = bytes; at < bytes + part; at += sizeof word) {
		memcpy(&word, at, sizeof word);
		first = __builtin_ia32_crc32di(first, word);
		memcpy(&word, at + part, sizeof word);
		second = __builtin_ia32_crc32di(second, word);
		memcpy(&word, at + 2 * part, sizeof word);
		third = __builtin_ia32_crc32di(third, word);
	}
	return first ^ second ^ third;
}
#else
static uint32_t checksum(const char *bytes, size_t len) { return len ? *bytes : 0; }
#endif

static void store(int from, int to, int file)
{
	enum { PART = (128 << 10) - 256 };
	off_t at = 0;
	ssize_t len;
	while ((len = ok(read(from, block, PART), "read")) > 0) {
		if (file >= 0) {
			uint32_t sum = checksum(block, len);
			struct iovec parts[] = {{&sum, sizeof sum}, {block, len}};
			ssize_t written = ok(pwritev(file, parts, 2, at), "pwritev");
			at = at ? 0 : written;
		}
		write_all(to, block, len);
	}
}

static void announce(int socket_fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof address;
	ok(getsockname(socket_fd, (struct sockaddr *)&address, &len), "getsockname");
	dprintf(3, "%d\n", ntohs(address.sin_port));
	close(3);
}

/* A socket for KIND:WHERE and its address. */
static int socket_of(const char *text, struct sockaddr_storage *address, socklen_t *len)
{
	const char *where = strchr(text, ':');
	size_t kind = where ? (size_t)(where++ - text) : 0;
	int inet = !strncmp(text, "udp", kind) || !strncmp(text, "tcp", kind);
	int type = !strncmp(text, "seqpacket", kind) ? SOCK_SEQPACKET
	    : !strncmp(text, "tcp", kind) || !strncmp(text, "stream", kind) ? SOCK_STREAM : SOCK_DGRAM;
	if (!where)
		errx(2, "%s: not KIND:WHERE", text);
	memset(address, 0, sizeof *address);
	if (inet) {
		struct sockaddr_in *in = (struct sockaddr_in *)address;
		in->sin_family = AF_INET;
		in->sin_port = htons(atoi(where));
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*len = sizeof *in;
	} else {
		struct sockaddr_un *un = (struct sockaddr_un *)address;
		un->sun_family = AF_UNIX;
		strncpy(un->sun_path, where, sizeof un->sun_path - 1);
		*len = sizeof *un;
	}
	return ok(socket(inet ? AF_INET : AF_UNIX, type, 0), "socket");
}

static int is_seqpacket(const char *text) { return text[0] == 's'; }

/* Fills a batch of datagrams of SIZE bytes each. */
static void prepare(struct mmsghdr *batch, struct iovec *parts, size_t size)
{
	static char bytes[BATCH][LONGEST];
	if (size < 1 || size > LONGEST)
		errx(2, "%zu: not a size from 1 to %d", size, LONGEST);
	memset(batch, 0, BATCH * sizeof *batch);
	for (int n = 0; n < BATCH; n++) {
		memset(bytes[n], 'x', size - 1);
		bytes[n][size - 1] = '\n';
		parts[n] = (struct iovec){bytes[n], size};
		batch[n].msg_hdr.msg_iov = &parts[n];
		batch[n].msg_hdr.msg_iovlen = 1;
	}
}

static void receive(const char *where, long count, size_t size)
{
	struct mmsghdr batch[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_storage address;
	socklen_t len;
	int is_asked = fcntl(3, F_GETFD) >= 0;
	int fd = socket_of(where, &address, &len), room = 64 << 20;
	long received = 0;
	ok(bind(fd, (struct sockaddr *)&address, len), "bind");
	if (is_seqpacket(where)) {
		ok(listen(fd, 1), "listen");
		fd = ok(accept(fd, NULL, NULL), "accept");
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (is_asked && address.ss_family == AF_INET)
		announce(fd);
	prepare(batch, parts, size);
	while (received < count) {
		int got = recvmmsg(fd, batch, BATCH, MSG_WAITFORONE, NULL);
		size_t used = 0;
		if (ok(got, "recvmmsg") == 0 || batch[0].msg_len == 0)
			break;
		for (int n = 0; n < got; n++) {
			memcpy(block + used, parts[n].iov_base, batch[n].msg_len);
			used += batch[n].msg_len;
		}
		write_all(1, block, used);
		received += got;
	}
}

static void transmit(const char *where, long count, size_t size, long rate)
{
	struct timespec due;
	struct mmsghdr batch[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_storage address;
	socklen_t len;
	int fd = socket_of(where, &address, &len);
	ok(connect(fd, (struct sockaddr *)&address, len), "connect");
	prepare(batch, parts, size);
	clock_gettime(CLOCK_MONOTONIC, &due);
	while (count > 0) {
		int sent = ok(sendmmsg(fd, batch, count < BATCH ? count : BATCH, 0), "sendmmsg");
		count -= sent;
		if (rate == 0)
			continue;
		due.tv_nsec += sent * (1000000000 / rate);
		due.tv_sec += due.tv_nsec / 1000000000;
		due.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
}

static void hold(const char *where, long count)
{
	struct sockaddr_storage address;
	socklen_t len;
	struct rlimit limit;
	ok(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	ok(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	for (long n = 0; n < count; n++) {
		int fd = socket_of(where, &address, &len);
		ok(connect(fd, (struct sockaddr *)&address, len), "connect");
		write_all(fd, "a line of a peer\n", 17);
	}
	dprintf(1, "%ld\n", count);
	while (read(0, block, BLOCK) > 0)
		;
}

int main(int argc, char **argv)
{
	const char *job = argc > 1 ? argv[1] : "";
	if (!strcmp(job, "read") && argc == 3) {
		int fd = ok(open(argv[2], O_RDONLY), argv[2]);
		while (ok(read(fd, block, BLOCK), argv[2]) > 0)
			;
	} else if (!strcmp(job, "copy")) {
		copy(0, 1);
	} else if (!strcmp(job, "splice")) {
		while (ok(splice(0, NULL, 1, NULL, 1 << 20, SPLICE_F_MOVE), "splice") > 0)
			;
	} else if (!strcmp(job, "accept")) {
		struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		int fd = ok(socket(AF_INET, SOCK_STREAM, 0), "socket");
		ok(bind(fd, (struct sockaddr *)&any, sizeof any), "bind");
		ok(listen(fd, 1), "listen");
		announce(fd);
		copy(ok(accept(fd, NULL, NULL), "accept"), 1);
	} else if (((!strcmp(job, "connect") || !strcmp(job, "fetch")) && argc == 3) || (!strcmp(job, "store") && (argc == 3 || argc == 4))) {
		struct sockaddr_storage address;
		socklen_t len;
		char where[32];
		snprintf(where, sizeof where, "tcp:%s", argv[2]);
		int fd = socket_of(where, &address, &len);
		ok(connect(fd, (struct sockaddr *)&address, len), "connect");
		if (job[0] != 's')
			copy(0, fd);
		else
			store(0, fd, argc == 4 ? ok(open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0600), argv[3]) : -1);
		if (job[0] == 'f')
			fetch(fd);
	} else if (!strcmp(job, "receive") && argc == 5) {
		receive(argv[2], atol(argv[3]), atol(argv[4]));
	} else if (!strcmp(job, "send") && (argc == 5 || argc == 6)) {
		transmit(argv[2], atol(argv[3]), atol(argv[4]), argc == 6 ? atol(argv[5]) : 0);
	} else if (!strcmp(job, "hold") && argc == 4) {
		hold(argv[2], atol(argv[3]));
	} else {
		errx(2, "no such job; see the top of bench/floor.c");
	}
	return 0;
}
