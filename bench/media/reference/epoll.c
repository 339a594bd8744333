// The least that a userspace relay with a socket a side can do on Linux, to hold
// others against: one thread, level-triggered epoll, connected sockets that may
// not be fragmented, one recv and one send a packet. It accepts whoever speaks
// first on a port, counts nothing and checks nothing.
//
//	epoll CALLS PORT      call i has port PORT+4i for one party, PORT+4i+2 for the other
//
// It says "ready" when all ports are bound.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

struct side {
	int fd, connected;
};

static void must(int ok, const char *what) {
	if (ok) return;
	perror(what);
	exit(1);
}

int main(int argc, char **argv) {
	must(argc == 3, "usage: epoll CALLS PORT");
	int sides = 2 * atoi(argv[1]), port = atoi(argv[2]), dont_cut = IP_PMTUDISC_DO;
	struct rlimit files = {100000, 100000};
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_TIMERSLACK, 1);
	struct side *all = calloc(sides, sizeof *all);
	int ep = epoll_create1(0);
	must(all && ep >= 0, "epoll");
	for (int i = 0; i < sides; i++) {
		struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port + 2 * i), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
		int fd = all[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		must(fd >= 0, "socket");
		must(!setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont_cut, sizeof dont_cut), "setsockopt");
		must(!bind(fd, (void *)&at, sizeof at), "bind");
		must(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
	}
	puts("ready");
	fflush(stdout);
	static struct epoll_event ready[1024];
	static char packet[2048];
	for (;;) {
		int n = epoll_wait(ep, ready, 1024, -1);
		for (int i = 0; i < n; i++) {
			struct side *in = &all[ready[i].data.u32], *out = &all[ready[i].data.u32 ^ 1];
			struct sockaddr_in from;
			socklen_t size = sizeof from;
			ssize_t len = in->connected ? recv(in->fd, packet, sizeof packet, 0)
			                            : recvfrom(in->fd, packet, sizeof packet, 0, (void *)&from, &size);
			if (len < 0) continue;
			if (!in->connected) in->connected = !connect(in->fd, (void *)&from, size);
			if (out->connected) send(out->fd, packet, len, 0);
		}
	}
}
