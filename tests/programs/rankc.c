/* An MPI program that ends in many ways. usage: rankc MODE [BAD_RANK]
   ok abort segv kill exit3 hang: the bad rank does so after a line it has not flushed; early: killed after a flushed line
   cr: a progress bar; partial: no newline at the end; slow: the bad rank is slower */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(const char *mode, const char *other) { return strcmp(mode, other) == 0; }

static void fail(const char *mode)
{
    if (is(mode, "abort")) MPI_Abort(MPI_COMM_WORLD, 42);
    if (is(mode, "segv")) *(volatile int *)0 = 1;
    if (is(mode, "kill") || is(mode, "early")) raise(SIGKILL);
    if (is(mode, "exit3")) exit(3);
    if (is(mode, "hang")) for (fflush(stdout);;) pause();
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "ok";
    int bad = argc > 2 ? atoi(argv[2]) : 1, rank, size;
    char host[256];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    gethostname(host, sizeof host);
    printf("start rank=%d size=%d host=%s pid=%d isatty=%d\n", rank, size, host, getpid(), isatty(1));
    if (is(mode, "early")) fflush(stdout);
    fprintf(stderr, "err rank=%d\n", rank);
    MPI_Barrier(MPI_COMM_WORLD);
    if (is(mode, "cr"))
        for (int percent = 0; percent <= 100; percent += 10, usleep(20000)) {
            printf("\rrank %d %3d%%", rank, percent);
            fflush(stdout);
        }
    if (is(mode, "partial")) {
        printf("no newline at end rank=%d", rank);
        fflush(stdout);
    }
    if (is(mode, "slow"))
        for (int step = 0; step < 20; step++, usleep(rank == bad ? 600000 : 100000)) {
            printf("step %d rank %d\n", step, rank);
            fflush(stdout);
        }
    if (rank == bad) {
        printf("rank %d about to %s (buffered last line)\n", rank, mode);
        fail(mode);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    printf("done rank=%d\n", rank);
    MPI_Finalize();
    return 0;
}
