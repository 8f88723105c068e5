/* SPDX-License-Identifier: Apache-2.0 */
/* netio ADDRESS PORT send|receive MEGABYTES
 *
 * One TCP stream to or from a server that takes or gives until the connection
 * ends; prints MB/s. The direction is told by the connection's first byte. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static char buffer[256 << 10];
    struct sockaddr_in to = {.sin_family = AF_INET};
    long long left;
    double start, bytes;
    int s, sending;

    if (argc != 5)
        return 2;
    to.sin_port = htons(atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        return 2;
    sending = strcmp(argv[3], "send") == 0;
    bytes = left = atoll(argv[4]) * 1000000;
    s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        return 1;
    }
    if (write(s, sending ? "s" : "r", 1) != 1)
        return 1;
    start = now();
    while (left > 0) {
        size_t part = left < (long long)sizeof(buffer) ? left : sizeof(buffer);
        ssize_t n = sending ? write(s, buffer, part) : read(s, buffer, part);

        if (n <= 0) {
            perror("stream");
            return 1;
        }
        left -= n;
    }
    if (sending) {
        /* The server answers when it has taken everything. */
        shutdown(s, SHUT_WR);
        if (read(s, buffer, 1) != 1)
            return 1;
    }
    printf("rate %.3f MB/s\n", bytes / (now() - start) / 1e6);
    return 0;
}
