/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that do one kind of work, to be timed from outside: the benchmark
 * compares the printed result between emulators, so it must not depend on
 * anything but the arithmetic. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Doubles: add, multiply, divide and square root of five attracting bodies. */
static double bodies(void)
{
    enum { N = 5, STEPS = 1000000 };
    double place[N][3], speed[N][3], mass[N], energy = 0;

    for (int i = 0; i < N; i++) {
        mass[i] = 1.0 / (i + 1);
        for (int k = 0; k < 3; k++) {
            place[i][k] = (i * 7 + k * 3) % 11 - 5.0;
            speed[i][k] = (i + k * 5) % 7 / 8.0;
        }
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < N; i++) {
            for (int j = i + 1; j < N; j++) {
                double d[3], square = 0.01;

                for (int k = 0; k < 3; k++) {
                    d[k] = place[i][k] - place[j][k];
                    square += d[k] * d[k];
                }
                double pull = 0.001 / (square * sqrt(square));
                for (int k = 0; k < 3; k++) {
                    speed[i][k] -= d[k] * mass[j] * pull;
                    speed[j][k] += d[k] * mass[i] * pull;
                }
            }
        }
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 3; k++)
                place[i][k] += 0.001 * speed[i][k];
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++)
            energy += mass[i] * speed[i][k] * speed[i][k];
    return energy;
}

/* Floats, mostly loads, stores and fused multiply-adds: a matrix product. */
static double matrix(void)
{
    enum { N = 256, ROUNDS = 8 };
    static float a[N][N], b[N][N], c[N][N];
    double sum = 0;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = i * j % 7 - 3.0f;
            b[i][j] = (i + j) % 5 / 8.0f;
        }
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += a[i][k] * b[k][j];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            sum += c[i][j];
    return sum;
}

/* Doubles with comparisons and conversions: points of the Mandelbrot set. */
static double mandelbrot(void)
{
    enum { SIZE = 640, LIMIT = 200 };
    uint64_t inside = 0;

    for (int row = 0; row < SIZE; row++) {
        for (int column = 0; column < SIZE; column++) {
            double re = 0, im = 0;
            double x = column * 3.0 / SIZE - 2.0, y = row * 2.0 / SIZE - 1.0;
            int n = 0;

            while (n < LIMIT && re * re + im * im < 4.0) {
                double t = re * re - im * im + x;

                im = 2 * re * im + y;
                re = t;
                n++;
            }
            inside += n;
        }
    }
    return (double)inside;
}

/* Integers: a sieve, a checksum bit by bit, a multiplicative hash. */
static double integers(void)
{
    enum { SIZE = 16000000 };
    static uint8_t composite[SIZE];
    uint32_t primes = 0, crc = ~0u;
    uint64_t hash = 14695981039346656037u;

    for (uint32_t i = 2; i < SIZE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint64_t j = (uint64_t)i * i; j < SIZE; j += i)
            composite[j] = 1;
    }
    for (int i = 0; i < SIZE; i++) {
        if (i < SIZE / 4) {
            crc ^= composite[i];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
        }
        hash = (hash ^ composite[i]) * 1099511628211u;
    }
    return (double)(primes ^ crc ^ (uint32_t)(hash >> 32));
}

/* Branches the processor's host cannot foresee, and calls. */
static int ackermann(int m, int n)
{
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n ? ackermann(m, n - 1) : 1);
}

static double calls(void)
{
    uint64_t x = 88172645463325252u, sum = 0;

    for (int i = 0; i < 20000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        switch (x % 7) {
        case 0: sum += x; break;
        case 1: sum ^= x; break;
        case 2: sum -= x >> 3; break;
        case 3: sum = sum << 1 | sum >> 63; break;
        case 4: sum *= 3; break;
        case 5: sum += i; break;
        default: sum = ~sum; break;
        }
    }
    return (double)(sum % 1000003) + ackermann(2, 1500) + ackermann(3, 8);
}

static const struct {
    const char *name;
    double (*run)(void);
} kernels[] = {
    {"bodies", bodies},     {"matrix", matrix}, {"mandelbrot", mandelbrot},
    {"integers", integers}, {"calls", calls},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (argc > 1 && strcmp(argv[1], kernels[i].name) == 0) {
            printf("%s %.17g\n", kernels[i].name, kernels[i].run());
            return 0;
        }
    }
    fprintf(stderr, "compute: which loop?\n");
    return 2;
}
