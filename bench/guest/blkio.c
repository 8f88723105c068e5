/* SPDX-License-Identifier: Apache-2.0 */
/* blkio DEVICE read|write seq|random BLOCK DEPTH SECONDS direct|cached
 *
 * DEPTH threads with one request in flight each; prints MB/s and requests a
 * second. Sequential threads take the next block in turn, so that the device
 * sees one stream. Cached goes through the guest's page cache: what was read
 * is dropped from it, what was written is synchronised at the end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fd, writing, sequential, cached;
static size_t block;
static uint64_t blocks, next_block, done;
static double until;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void *worker(void *arg)
{
    uint64_t random = 0x9e3779b97f4a7c15u * (uintptr_t)arg;
    void *buffer;

    if (posix_memalign(&buffer, 4096, block))
        exit(1);
    memset(buffer, 0x5a, block);
    while (now() < until) {
        uint64_t n;
        ssize_t got;

        if (sequential) {
            n = __atomic_fetch_add(&next_block, 1, __ATOMIC_RELAXED);
        } else {
            random = random * 6364136223846793005u + 1442695040888963407u;
            n = random >> 20;
        }
        n = n % blocks * block;
        got = writing ? pwrite(fd, buffer, block, n)
                      : pread(fd, buffer, block, n);
        if (got != (ssize_t)block) {
            perror("blkio");
            exit(1);
        }
        if (cached && !writing)
            posix_fadvise(fd, n, block, POSIX_FADV_DONTNEED);
        __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    int depth;
    double start;

    if (argc != 8)
        return 2;
    writing = strcmp(argv[2], "write") == 0;
    sequential = strcmp(argv[3], "seq") == 0;
    block = strtoul(argv[4], NULL, 0);
    depth = atoi(argv[5]);
    cached = strcmp(argv[7], "cached") == 0;
    fd = open(argv[1], (cached ? 0 : O_DIRECT) | (writing ? O_WRONLY : O_RDONLY));
    if (fd < 0 || depth < 1 || depth > 64) {
        perror(argv[1]);
        return 1;
    }
    blocks = lseek(fd, 0, SEEK_END) / block;
    start = now();
    until = start + atof(argv[6]);
    for (int i = 0; i < depth; i++)
        pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < depth; i++)
        pthread_join(threads[i], NULL);
    if (cached && writing && fdatasync(fd)) {
        perror("blkio");
        return 1;
    }
    start = now() - start;
    printf("rate %.3f MB/s %.1f requests/s\n", done * block / start / 1e6,
           done / start);
    return 0;
}
